// SPDX-License-Identifier: MIT
/// @file
/// One-to-one assignment of predictions to gold items, where a prediction may name several gold items exactly (two
/// entities share the name) and several predictions the same one (it has two names).  A prediction has a place for each
/// item that it names exactly, or one place; places are assigned one to one, for the greatest total weight.  Of equally
/// good assignments one with most exact pairs is taken, and among these one that uses exact predictions elsewhere
/// least, so the figures do not depend on the order of the predictions.
///
/// A prediction counts once for every item that it is assigned; one that is left over is wrong, unless it names an item
/// exactly: then it repeats another one, and does not count.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/measures/assignment.hpp>
#include <rlvr/reward/triple_matching.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// A gold item that a prediction may be assigned to.
struct assignable_item {
  std::size_t item = 0;
  double value = 1;    ///< in (0, 1]: what the pair is worth
  bool exact = false;  ///< the prediction names the item exactly
};

/// Collects what may be assigned to what, then assigns.
class prediction_places {
 public:
  /// @param predictions  how many there are; one without items is wrong
  explicit prediction_places(std::size_t predictions) : matched_(predictions, 0), exact_(predictions, 0) {}

  /// Names the items of a prediction.
  void add(std::size_t prediction, std::span<assignable_item const> items) {
    // Ties: one exact pair more outweighs any number of exact predictions elsewhere, and any value both.
    constexpr double prefer_exact = 0x1p-24;
    constexpr double avoid_elsewhere = 0x1p-36;
    std::size_t copies = 0;
    for (assignable_item const& each : items) copies += each.exact ? 1 : 0;
    exact_[prediction] = copies > 0 ? 1 : 0;
    for (std::size_t copy = 0; copy < std::max<std::size_t>(copies, 1); ++copy) {
      first_pair_.push_back(pairs_.size());
      for (assignable_item const& each : items) {
        if (copy > 0 && !each.exact) continue;
        double const tie = each.exact ? prefer_exact : copies > 0 ? -avoid_elsewhere : 0.0;
        pairs_.push_back({owner_.size(), each.item, each.value + tie});
        values_.push_back(each.value);
      }
      owner_.push_back(prediction);
    }
  }

  /// Assigns; returns the chosen pairs: prediction, item, value.
  [[nodiscard]] std::vector<measures::weighted_pair> assign(std::size_t gold_count) {
    auto chosen = measures::best_assignment(pairs_, owner_.size(), gold_count);
    for (measures::weighted_pair& each : chosen) {
      std::size_t at = first_pair_[each.left];
      while (pairs_[at].right != each.right) ++at;
      each = {owner_[each.left], each.right, values_[at]};
      ++matched_[each.left];
    }
    return chosen;
  }

  /// How often a prediction counts, once `assign` has run.
  [[nodiscard]] std::size_t count(std::size_t prediction) const {
    if (matched_[prediction] > 0) return matched_[prediction];
    return exact_[prediction] != 0 ? 0 : 1;
  }

  /// The figures of what `assign` chose.
  /// @param credited  a match counts its value instead of 1
  [[nodiscard]] match_score score(std::span<measures::weighted_pair const> chosen, std::size_t gold_count,
                                  bool credited) const {
    match_score score;
    score.count = {.matched = chosen.size(), .predicted = 0, .gold = gold_count};
    for (std::size_t i = 0; i < matched_.size(); ++i) score.count.predicted += count(i);
    if (!credited || chosen.empty()) return score;
    double total = 0;
    for (measures::weighted_pair const& each : chosen) total += each.weight;
    score.quality = total / static_cast<double>(chosen.size());
    return score;
  }

 private:
  std::vector<measures::weighted_pair> pairs_;  // left: place
  std::vector<double> values_;                  // of each pair
  std::vector<std::size_t> first_pair_;         // of each place
  std::vector<std::size_t> owner_;              // prediction of each place
  std::vector<std::size_t> matched_;            // of each prediction
  std::vector<char> exact_;                     // of each prediction: names an item exactly
};

}  // namespace reward
RLVR_NAMESPACE_END
