// SPDX-License-Identifier: MIT
/// @file
/// Which tokens sampling filters keep, by sorting, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

namespace reference {

struct sampling_filters {
  double temperature = 1;
  std::size_t top_k = 0;  ///< 0: off
  double top_p = 1, min_p = 0;
};

struct kept_tokens {
  std::vector<bool> kept;
  std::vector<double> probability;  ///< renormalised over the kept ones, 0 elsewhere
  double mass = 1;                  ///< of the kept ones before renormalisation
};

inline kept_tokens kept_by(std::vector<double> const& logits, sampling_filters const& filters) {
  std::size_t const n = logits.size();
  double const highest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p(n);
  double total = 0;
  for (std::size_t j = 0; j < n; ++j) total += p[j] = std::exp((logits[j] - highest) / filters.temperature);
  for (double& x : p) x /= total;
  kept_tokens result{std::vector<bool>(n, true), p, 1};
  std::vector<double> sorted = logits;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  auto const keep_from = [&](double least) {
    for (std::size_t j = 0; j < n; ++j) result.kept[j] = result.kept[j] && logits[j] >= least;
  };
  auto const mass = [&] {
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j) sum += result.kept[j] ? p[j] : 0;
    return sum;
  };
  if (filters.top_k > 0 && filters.top_k < n) keep_from(sorted[filters.top_k - 1]);
  if (filters.top_p < 1) {
    double const needed = filters.top_p * mass();
    double reached = 0;
    for (double const l : sorted) {
      reached += std::exp((l - highest) / filters.temperature) / total;
      if (reached >= needed) {
        keep_from(l);
        break;
      }
    }
  }
  if (filters.min_p > 0)
    for (std::size_t j = 0; j < n; ++j)
      result.kept[j] = result.kept[j] && std::exp((logits[j] - highest) / filters.temperature) >= filters.min_p;
  result.mass = mass();
  for (std::size_t j = 0; j < n; ++j) result.probability[j] = result.kept[j] ? p[j] / result.mass : 0;
  return result;
}

}  // namespace reference
