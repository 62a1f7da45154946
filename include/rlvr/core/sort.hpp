// SPDX-License-Identifier: MIT
/// @file
/// Sorting for headers that units of nvcc include: <algorithm> costs each of them most of a second.
#pragma once

#include <rlvr/core/config.hpp>

#include <cstddef>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace detail {

/// Sorts; what is equal keeps its order (merge sort).
template <class T, class Less>
void sort_stably(std::vector<T>& values, Less const& less) {
  std::size_t const size = values.size();
  std::vector<T> merged(size);
  for (std::size_t width = 1; width < size; width *= 2) {
    for (std::size_t begin = 0; begin < size; begin += 2 * width) {
      std::size_t const middle = size - begin > width ? begin + width : size;
      std::size_t const end = size - middle > width ? middle + width : size;
      std::size_t left = begin;
      std::size_t right = middle;
      for (std::size_t to = begin; to < end; ++to) {
        bool const from_left = right == end || (left < middle && !less(values[right], values[left]));
        merged[to] = from_left ? values[left++] : values[right++];
      }
    }
    values.swap(merged);
  }
}

}  // namespace detail
RLVR_NAMESPACE_END
