// SPDX-License-Identifier: MIT
/// @file
/// Draws for tests that make texts.
#pragma once

#include <cstddef>
#include <random>

namespace test {

using generator = std::mt19937;

/// In [0, limit); the same on every platform, which std::uniform_int_distribution is not.
inline std::size_t below(generator& random, std::size_t limit) { return random() % limit; }

}  // namespace test
