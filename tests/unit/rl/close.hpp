// SPDX-License-Identifier: MIT
/// @file
/// Lists of numbers compared entry by entry.
#pragma once

#include <cmath>
#include <cstddef>
#include <support/catch.hpp>
#include <vector>

inline void check_close(std::vector<double> const& found, std::vector<double> const& expected,
                        double tolerance = 1e-12) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("entry " << i << ": " << found[i] << ", expected " << expected[i]);
    CHECK(std::abs(found[i] - expected[i]) <= tolerance);
  }
}
