// SPDX-License-Identifier: MIT
/// @file
/// How two collections overlap, as sets or as multisets:
///
///     precision = |P n G| / |P|,   recall  = |P n G| / |G|,
///     F1 = 2 |P n G| / (|P| + |G|),   Jaccard = |P n G| / |P u G|
///
/// Two empty collections agree: all four are 1.  If only one is empty, all four are 0.  In multisets an element counts
/// as often as it occurs in both, min(p, g) (the token F1 of SQuAD, arXiv 1606.05250). Time O(n log n) comparisons.
#pragma once

#include <rlvr/core/config.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

/// Precision, recall and their harmonic mean, each in [0, 1].
struct overlap_score {
  double precision = 0;
  double recall = 0;
  double f1 = 0;
  friend bool operator==(overlap_score const&, overlap_score const&) = default;
};

/// How two sets (or multisets) overlap.
struct set_score {
  std::size_t matched = 0;    ///< |P n G|
  std::size_t predicted = 0;  ///< |P|
  std::size_t gold = 0;       ///< |G|

  /// In [0, 1]; 1 for two empty sets, 0 if only one is empty; so are the others.
  [[nodiscard]] double f1() const noexcept { return ratio(2 * static_cast<double>(matched), predicted + gold); }
  [[nodiscard]] double precision() const noexcept { return ratio(static_cast<double>(matched), predicted); }
  [[nodiscard]] double recall() const noexcept { return ratio(static_cast<double>(matched), gold); }
  [[nodiscard]] double jaccard() const noexcept {
    return ratio(static_cast<double>(matched), predicted + gold - matched);
  }
  friend bool operator==(set_score const&, set_score const&) = default;

 private:
  [[nodiscard]] double ratio(double part, std::size_t whole) const noexcept {
    if (predicted + gold == 0) return 1;
    return whole == 0 ? 0 : part / static_cast<double>(whole);
  }
};

namespace detail {

/// Counts the elements that two ascending lists share; repeated ones as often as both have them.
template <class Element>
[[nodiscard]] set_score compare_sorted(std::vector<Element> const& predicted, std::vector<Element> const& gold) {
  set_score score{.matched = 0, .predicted = predicted.size(), .gold = gold.size()};
  for (auto left = predicted.begin(), right = gold.begin(); left != predicted.end() && right != gold.end();) {
    if (*left < *right) {
      ++left;
    } else if (*right < *left) {
      ++right;
    } else {
      ++score.matched;
      ++left;
      ++right;
    }
  }
  return score;
}

}  // namespace detail

/// Compares two lists as sets: repetitions change nothing.
template <class Element>
[[nodiscard]] set_score compare_sets(std::vector<Element> predicted, std::vector<Element> gold) {
  for (std::vector<Element>* const each : {&predicted, &gold}) {
    std::sort(each->begin(), each->end());
    each->erase(std::unique(each->begin(), each->end()), each->end());
  }
  return detail::compare_sorted(predicted, gold);
}

/// Compares two lists as multisets: order changes nothing, repetitions count.
template <class Element>
[[nodiscard]] set_score compare_multisets(std::vector<Element> predicted, std::vector<Element> gold) {
  std::sort(predicted.begin(), predicted.end());
  std::sort(gold.begin(), gold.end());
  return detail::compare_sorted(predicted, gold);
}

/// |A n B| / |A u B| of two lists as sets.
template <class Element>
[[nodiscard]] double jaccard(std::vector<Element> left, std::vector<Element> right) {
  return compare_sets(std::move(left), std::move(right)).jaccard();
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
