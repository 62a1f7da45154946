// SPDX-License-Identifier: MIT
/// @file
/// Random logits for the tests of row bodies.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

inline std::vector<double> random_row(std::mt19937& engine, std::size_t count) {
  std::normal_distribution<double> draw(0, 2);
  std::vector<double> row(count);
  for (double& l : row) l = draw(engine);
  return row;
}
