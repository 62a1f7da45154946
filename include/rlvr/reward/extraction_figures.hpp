// SPDX-License-Identifier: MIT
/// @file
/// The figures of an extraction over many records:
///
///     micro   precision, recall and F1 of the summed counts: every fact weighs the same
///     macro   the means of the records' precision, recall and F1: every record weighs the same
///
/// A record without gold and without predictions counts 1 in the means and nothing in the sums.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/measures/overlap.hpp>
#include <rlvr/reward/triple_matching.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Sums and means of one kind of item.
class averaged_matches {
 public:
  void add(match_score const& each) noexcept {
    ++records_;
    sums_.matched += each.count.matched;
    sums_.predicted += each.count.predicted;
    sums_.gold += each.count.gold;
    credit_ += each.quality * static_cast<double>(each.count.matched);
    totals_.precision += each.precision();
    totals_.recall += each.recall();
    totals_.f1 += each.f1();
    perfect_ += each.f1() == 1 ? 1 : 0;
  }

  /// Of the summed counts.
  [[nodiscard]] match_score micro() const noexcept {
    return {sums_, sums_.matched == 0 ? 1.0 : credit_ / static_cast<double>(sums_.matched)};
  }
  /// Means over the records; 0 without records.
  [[nodiscard]] measures::overlap_score macro() const noexcept {
    double const count = records_ == 0 ? 1.0 : static_cast<double>(records_);
    return {totals_.precision / count, totals_.recall / count, totals_.f1 / count};
  }
  /// How many records have F1 = 1.
  [[nodiscard]] std::size_t perfect() const noexcept { return perfect_; }

 private:
  std::size_t records_ = 0;
  std::size_t perfect_ = 0;
  measures::set_score sums_{};
  measures::overlap_score totals_{};
  double credit_ = 0;
};

/// Both kinds of items of a corpus.
struct extraction_figures {
  averaged_matches entities{};
  averaged_matches facts{};
  std::size_t records = 0;

  void add(fact_scores const& each) noexcept {
    ++records;
    entities.add(each.entities);
    facts.add(each.facts);
  }
};

}  // namespace reward
RLVR_NAMESPACE_END
