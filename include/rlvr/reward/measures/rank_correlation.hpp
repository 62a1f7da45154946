// SPDX-License-Identifier: MIT
/// @file
/// How two series of numbers move together, in [-1, 1]:
///
///     Pearson   sum (x - mx)(y - my) / sqrt( sum (x - mx)^2 * sum (y - my)^2 )
///     Spearman  Pearson of the ranks; equal values share the mean of their ranks
///     Kendall   tau-a = (C - D) / n0,   tau-b = (C - D) / sqrt( (n0 - n1) (n0 - n2) )
///
/// C, D: pairs in the same and in opposite order (a tie in either series is neither); n0 = n (n-1) / 2; n1, n2: pairs
/// tied in x and in y.  Kendall by sorting and counting inversions (Knight 1966), O(n log n) time, O(n) memory.
///
/// Undefined cases return nothing, never a not-a-number: fewer than two values, a not-a-number among them, a constant
/// series (tau-a alone is then 0), for Pearson also an infinite value.  What they are worth is the reward's decision.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

namespace detail {

/// @throws shape_error if the lengths differ
inline void check_same_length(std::span<double const> left, std::span<double const> right) {
  if (left.size() != right.size()) throw shape_error("two series to compare must be equally long");
}

[[nodiscard]] inline bool comparable(std::span<double const> left, std::span<double const> right) {
  auto const is_nan = [](double value) { return std::isnan(value); };
  return left.size() >= 2 && std::none_of(left.begin(), left.end(), is_nan) &&
         std::none_of(right.begin(), right.end(), is_nan);
}

[[nodiscard]] inline bool is_constant(std::span<double const> values) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values.front(); });
}

/// The deviations from the mean, scaled to a largest of 1, so that no square overflows or vanishes.
[[nodiscard]] inline std::vector<double> scaled_deviations(std::span<double const> values) {
  double largest = 0;
  for (double const value : values) largest = std::max(largest, std::abs(value));
  std::vector<double> result;
  result.reserve(values.size());
  double mean = 0;
  for (double const value : values) mean += value / largest / static_cast<double>(values.size());
  for (double const value : values) result.push_back(value / largest - mean);
  double widest = 0;
  for (double const value : result) widest = std::max(widest, std::abs(value));
  for (double& value : result) value /= widest;
  return result;
}

/// Pairs of equal elements in an ascending range.
template <class Iterator, class Equal>
[[nodiscard]] double tied_pairs(Iterator begin, Iterator end, Equal equal) {
  double pairs = 0;
  while (begin != end) {
    Iterator const next = std::find_if_not(begin, end, [&](auto const& each) { return equal(*begin, each); });
    auto const run = static_cast<double>(next - begin);
    pairs += run * (run - 1) / 2;
    begin = next;
  }
  return pairs;
}

/// Sorts, and counts the pairs that stood in descending order.  Merges runs of 1, 2, 4, ... elements.
[[nodiscard]] inline double sort_counting_inversions(std::vector<double>& values) {
  double inversions = 0;
  std::vector<double> merged(values.size());
  for (std::size_t width = 1; width < values.size(); width *= 2) {
    for (std::size_t begin = 0; begin < values.size(); begin += 2 * width) {
      std::size_t const middle = std::min(begin + width, values.size());
      std::size_t const end = std::min(begin + 2 * width, values.size());
      std::size_t left = begin;
      std::size_t right = middle;
      for (std::size_t out = begin; out < end; ++out) {
        if (left < middle && (right == end || values[left] <= values[right])) {
          merged[out] = values[left++];
        } else {
          inversions += static_cast<double>(middle - left);
          merged[out] = values[right++];
        }
      }
    }
    values.swap(merged);
  }
  return inversions;
}

struct pair_counts {
  double all = 0;         // n0
  double tied_left = 0;   // n1
  double tied_right = 0;  // n2
  double balance = 0;     // C - D
};

[[nodiscard]] inline pair_counts count_pairs(std::span<double const> left, std::span<double const> right) {
  std::vector<std::size_t> order(left.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return left[a] < left[b] || (left[a] == left[b] && right[a] < right[b]);
  });
  auto const size = static_cast<double>(left.size());
  pair_counts counts;
  counts.all = size * (size - 1) / 2;
  counts.tied_left =
      tied_pairs(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return left[a] == left[b]; });
  double const tied_both = tied_pairs(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return left[a] == left[b] && right[a] == right[b];
  });
  std::vector<double> values;
  values.reserve(order.size());
  for (std::size_t const at : order) values.push_back(right[at]);
  double const discordant = sort_counting_inversions(values);
  counts.tied_right = tied_pairs(values.begin(), values.end(), [](double a, double b) { return a == b; });
  counts.balance = counts.all - counts.tied_left - counts.tied_right + tied_both - 2 * discordant;
  return counts;
}

}  // namespace detail

/// The ranks from 1; equal values share the mean of theirs.  @pre no value is a not-a-number
[[nodiscard]] inline std::vector<double> average_ranks(std::span<double const> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + 1 + end) / 2;
  }
  return ranks;
}

/// @throws shape_error if the lengths differ
[[nodiscard]] inline std::optional<double> pearson(std::span<double const> left, std::span<double const> right) {
  detail::check_same_length(left, right);
  auto const is_finite = [](double value) { return std::isfinite(value); };
  if (left.size() < 2 || !std::all_of(left.begin(), left.end(), is_finite) ||
      !std::all_of(right.begin(), right.end(), is_finite) || detail::is_constant(left) || detail::is_constant(right)) {
    return std::nullopt;
  }
  std::vector<double> const x = detail::scaled_deviations(left);
  std::vector<double> const y = detail::scaled_deviations(right);
  double const product = std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  double const x_square = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  double const y_square = std::inner_product(y.begin(), y.end(), y.begin(), 0.0);
  return std::clamp(product / std::sqrt(x_square * y_square), -1.0, 1.0);
}

/// @throws shape_error if the lengths differ
[[nodiscard]] inline std::optional<double> spearman(std::span<double const> left, std::span<double const> right) {
  detail::check_same_length(left, right);
  if (!detail::comparable(left, right)) return std::nullopt;
  return pearson(average_ranks(left), average_ranks(right));
}

/// Ties pull towards 0.
/// @throws shape_error if the lengths differ
[[nodiscard]] inline std::optional<double> kendall_tau_a(std::span<double const> left, std::span<double const> right) {
  detail::check_same_length(left, right);
  if (!detail::comparable(left, right)) return std::nullopt;
  detail::pair_counts const counts = detail::count_pairs(left, right);
  return counts.balance / counts.all;
}

/// Corrected for ties: series of equal order reach 1 although they have some.
/// @throws shape_error if the lengths differ
[[nodiscard]] inline std::optional<double> kendall_tau_b(std::span<double const> left, std::span<double const> right) {
  detail::check_same_length(left, right);
  if (!detail::comparable(left, right)) return std::nullopt;
  detail::pair_counts const counts = detail::count_pairs(left, right);
  if (counts.tied_left == counts.all || counts.tied_right == counts.all) return std::nullopt;
  double const scale = std::sqrt(counts.all - counts.tied_left) * std::sqrt(counts.all - counts.tied_right);
  return std::clamp(counts.balance / scale, -1.0, 1.0);
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
