// SPDX-License-Identifier: MIT
/// @file
/// Interleaved timing: all candidates run once a round, in turn, so that a machine that slows down slows all of them;
/// medians and the median of per-round ratios are what is printed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <random>
#include <vector>

namespace benchmarks {

[[nodiscard]] inline double seconds_of(std::function<void()> const& work) {
  auto const start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

[[nodiscard]] inline double median(std::vector<double> values) {
  auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Seconds of each candidate in each round: [candidate][round].  One round before them warms up.
[[nodiscard]] inline std::vector<std::vector<double>> interleaved(std::size_t rounds,
                                                                  std::vector<std::function<void()>> const& work) {
  std::vector<std::vector<double>> seconds(work.size());
  for (auto const& candidate : work) candidate();
  for (std::size_t round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < work.size(); ++i) seconds[i].push_back(seconds_of(work[i]));
  return seconds;
}

/// Median over the rounds of numerator / denominator.
[[nodiscard]] inline double median_ratio(std::vector<double> const& numerator, std::vector<double> const& denominator) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < numerator.size(); ++i) ratios.push_back(numerator[i] / denominator[i]);
  return median(ratios);
}

/// Keeps a value alive without spending time on it.
template <class T>
inline void keep(T const& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// Uniform in (-scale, scale), from a fixed seed.
inline void randomise(float* values, std::size_t count, float scale, unsigned seed) {
  std::mt19937 engine(seed);
  for (std::size_t i = 0; i < count; ++i) values[i] = scale * (static_cast<float>(engine() >> 8) * 0x1p-23f - 1.0f);
}

}  // namespace benchmarks
