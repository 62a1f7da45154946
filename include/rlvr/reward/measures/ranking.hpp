// SPDX-License-Identifier: MIT
/// @file
/// How well scores order candidates whose gold worth is known.  `gold[i]` and `predicted[i]` belong to candidate i;
/// greater is better.
///
///   weighted_pair_reward   RewardAnything (arXiv 2506.03637, released code): every pair weighs 1 + |gold difference|;
///                          the reversed order costs the weight, a predicted tie where gold differs half of it;
///                          max(0, 1 - cost / all weight), 1 for fewer than two candidates; O(k^2)
///   strict_ranking_match   RAG-Zeval (arXiv 2505.22430): 1 only if every pair is in gold's order, strictly
///   best_on_top            its weaker variant: the best candidate alone must be strictly ahead
///   ndcg                   DCG / largest DCG, DCG = sum over the places i = 1..k of gain_i / log2(i + 1), where the
///                          gain is the gold value or 2^gold - 1 (Jarvelin and Kekalainen 2002)
///
/// A predicted not-a-number never wins: it loses every pair that gold decides.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

namespace detail {

/// @throws shape_error if the lengths differ, argument_error if a gold value is not finite
inline void check_ranking(std::span<double const> gold, std::span<double const> predicted) {
  if (gold.size() != predicted.size()) throw shape_error("a ranking needs one predicted score for each gold score");
  if (!std::all_of(gold.begin(), gold.end(), [](double value) { return std::isfinite(value); })) {
    throw argument_error("a gold score of a ranking is not a finite number");
  }
}

/// The candidates from the greatest value to the smallest, not-a-numbers last; equal ones in their order.
[[nodiscard]] inline std::vector<std::size_t> descending(std::span<double const> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return values[a] > values[b] || (std::isnan(values[b]) && !std::isnan(values[a]));
  });
  return order;
}

}  // namespace detail

/// In [0, 1]; 1 for the gold order, 0 for its reverse.
/// @throws shape_error if the lengths differ, argument_error if a gold value is not finite
[[nodiscard]] inline double weighted_pair_reward(std::span<double const> gold, std::span<double const> predicted) {
  detail::check_ranking(gold, predicted);
  double cost = 0;
  double all = 0;
  for (std::size_t i = 0; i < gold.size(); ++i) {
    for (std::size_t j = i + 1; j < gold.size(); ++j) {
      double const weight = 1 + std::abs(gold[i] - gold[j]);
      all += weight;
      if (gold[i] == gold[j]) continue;
      double const better = gold[i] > gold[j] ? predicted[i] : predicted[j];
      double const worse = gold[i] > gold[j] ? predicted[j] : predicted[i];
      if (!(better > worse)) cost += better == worse ? weight / 2 : weight;
    }
  }
  return all > 0 ? std::max(0.0, 1 - cost / all) : 1.0;
}

/// Whether every pair stands in gold's order; a predicted tie fails.
/// @throws shape_error if the lengths differ, argument_error if gold has a tie or a value that is not finite
[[nodiscard]] inline bool strict_ranking_match(std::span<double const> gold, std::span<double const> predicted) {
  detail::check_ranking(gold, predicted);
  std::vector<std::size_t> const order = detail::descending(gold);
  bool match = true;
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (gold[order[i - 1]] == gold[order[i]]) throw argument_error("a strict gold ranking has two equal scores");
    match = match && predicted[order[i - 1]] > predicted[order[i]];
  }
  return match && (predicted.size() != 1 || !std::isnan(predicted.front()));
}

/// Whether the best candidate is strictly ahead of all others; their order does not matter.
/// @throws shape_error if the lengths differ, argument_error if gold has no single best or a value that is not finite
[[nodiscard]] inline bool best_on_top(std::span<double const> gold, std::span<double const> predicted) {
  detail::check_ranking(gold, predicted);
  std::vector<std::size_t> const order = detail::descending(gold);
  if (order.empty()) return true;
  if (order.size() > 1 && gold[order[0]] == gold[order[1]]) throw argument_error("a gold ranking has two best scores");
  return !std::isnan(predicted[order[0]]) && std::all_of(order.begin() + 1, order.end(), [&](std::size_t other) {
    return predicted[order[0]] > predicted[other];
  });
}

/// What a gold value is worth in NDCG.
enum class ndcg_gain : std::uint8_t { linear, exponential };

struct ndcg_options {
  ndcg_gain gain = ndcg_gain::linear;
  std::size_t places = std::numeric_limits<std::size_t>::max();  ///< k: later places are worth nothing
  /// Candidates of equal predicted score share the places that they take, each worth their mean gain: the expectation
  /// over random orders (McSherry and Najork 2008).  Without it they stand in the order given, which can be gamed.
  bool average_ties = true;
};

/// In [0, 1]; nothing if no candidate has a gain (or there is none).
/// @throws shape_error if the lengths differ, argument_error if a gold value is negative or its gain is not finite
[[nodiscard]] inline std::optional<double> ndcg(std::span<double const> gold, std::span<double const> predicted,
                                                ndcg_options const& options = {}) {
  detail::check_ranking(gold, predicted);
  std::vector<double> gains(gold.begin(), gold.end());
  for (double& gain : gains) {
    if (gain < 0) throw argument_error("NDCG needs gold values that are not negative");
    if (options.gain == ndcg_gain::exponential) gain = std::exp2(gain) - 1;
    if (!std::isfinite(gain)) throw argument_error("NDCG: 2^gold - 1 is not finite; use the linear gain");
  }
  // The largest one is worth 1, so that no sum overflows.
  double const largest = gains.empty() ? 0 : *std::max_element(gains.begin(), gains.end());
  if (largest == 0) return std::nullopt;
  for (double& gain : gains) gain /= largest;

  auto const discount = [&](std::size_t place) {
    return place < options.places ? 1 / std::log2(static_cast<double>(place) + 2) : 0.0;
  };
  std::vector<std::size_t> const order = detail::descending(predicted);
  auto const tied = [&](std::size_t a, std::size_t b) {
    return options.average_ties &&
           (predicted[a] == predicted[b] || (std::isnan(predicted[a]) && std::isnan(predicted[b])));
  };
  double found = 0;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    double gain = 0;
    double places = 0;
    do {
      gain += gains[order[end]];
      places += discount(end);
      ++end;
    } while (end < order.size() && tied(order[begin], order[end]));
    found += gain / static_cast<double>(end - begin) * places;
  }
  std::sort(gains.begin(), gains.end(), [](double a, double b) { return a > b; });
  double ideal = 0;
  for (std::size_t place = 0; place < gains.size(); ++place) ideal += gains[place] * discount(place);
  if (ideal == 0) return std::nullopt;
  return std::min(1.0, found / ideal);
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
