// SPDX-License-Identifier: MIT
/// @file
/// Settings and logits for the tests of sampling.
#pragma once

#include <rlvr/kernel/sample.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reference/sampling.hpp>
#include <span>
#include <sstream>
#include <string>
#include <vector>

namespace test {

/// The same filters for the reference.
[[nodiscard]] inline reference::sampling_filters filters(rlvr::sampling_settings const& s) {
  return {static_cast<double>(s.temperature), static_cast<std::size_t>(s.top_k), static_cast<double>(s.top_p),
          static_cast<double>(s.min_p)};
}

[[nodiscard]] inline std::string name(rlvr::sampling_settings const& s) {
  std::ostringstream out;
  out << "temperature=" << s.temperature << " top_k=" << s.top_k << " top_p=" << s.top_p << " min_p=" << s.min_p
      << " limit=" << s.vocabulary_limit;
  return out.str();
}

/// What the limit leaves of a row.
[[nodiscard]] inline std::vector<double> limited(std::span<float const> logits, std::int32_t limit) {
  auto const count = limit > 0 ? std::min(logits.size(), static_cast<std::size_t>(limit)) : logits.size();
  return {logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(count)};
}

/// Every combination of filters that is on, off, or extreme.
[[nodiscard]] inline std::vector<rlvr::sampling_settings> filter_settings() {
  std::vector<rlvr::sampling_settings> all;
  for (float const temperature : {1.0f, 0.6f})
    for (std::int32_t const top_k : {0, 1, 3, 10, 5000})
      for (float const top_p : {1.0f, 0.9f, 0.35f, 1e-6f})
        for (float const min_p : {0.0f, 0.07f, 1.0f})
          all.push_back({.temperature = temperature, .top_k = top_k, .top_p = top_p, .min_p = min_p});
  all.push_back({.vocabulary_limit = 5});
  all.push_back({.top_k = 2, .vocabulary_limit = 6});
  all.push_back({.vocabulary_limit = 100000});
  return all;
}

/// Logits with ties: tenths in a narrow range.
[[nodiscard]] inline std::vector<float> tied_logits(std::mt19937& engine, std::size_t count) {
  std::vector<float> logits(count);
  for (float& l : logits) l = static_cast<float>(engine() % 40) / 8.0f;
  return logits;
}

}  // namespace test
