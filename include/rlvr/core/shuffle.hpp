// SPDX-License-Identifier: MIT
/// @file
/// Shuffling with Philox: Fisher-Yates from the back, uniform over all orders, the same on every platform (std::shuffle
/// draws as each standard library likes).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/random.hpp>

#include <cstddef>
#include <span>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace detail {

/// Puts the values into a random order.
template <class T>
constexpr void shuffle(std::span<T> values, random_stream random) {
  for (std::size_t left = values.size(); left > 1; --left) {
    std::swap(values[left - 1], values[static_cast<std::size_t>(random.below(left))]);
  }
}

}  // namespace detail
RLVR_NAMESPACE_END
