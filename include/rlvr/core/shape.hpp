// SPDX-License-Identifier: MIT
/// @file
/// Sizes without overflow.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <cstddef>
#include <limits>
#include <span>

RLVR_NAMESPACE_BEGIN

/// a * b.  @throws shape_error if the product does not fit into std::size_t
[[nodiscard]] constexpr std::size_t checked_multiply(std::size_t a, std::size_t b) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / b) throw shape_error("a size does not fit into 64 bits");
  return a * b;
}

/// a + b.  @throws shape_error if the sum does not fit into std::size_t
[[nodiscard]] constexpr std::size_t checked_add(std::size_t a, std::size_t b) {
  if (a > std::numeric_limits<std::size_t>::max() - b) throw shape_error("a size does not fit into 64 bits");
  return a + b;
}

/// Product of the extents; 1 for rank 0.  @throws shape_error on overflow, also where a later extent is 0
[[nodiscard]] constexpr std::size_t element_count(std::span<std::size_t const> extents) {
  std::size_t count = 1;
  bool has_zero = false;
  for (std::size_t const extent : extents) {
    has_zero = has_zero || extent == 0;
    if (extent != 0) count = checked_multiply(count, extent);
  }
  return has_zero ? 0 : count;
}

/// "[2, 3]", for messages.
[[nodiscard]] inline message to_string(std::span<std::size_t const> extents) {
  message text = "[";
  for (std::size_t i = 0; i < extents.size(); ++i) text += message(i ? ", " : "") + text_of(extents[i]);
  return text + "]";
}

/// @throws shape_error "WHAT: found A, expected B" unless the extents agree
inline void require_extent(char const* what, std::size_t found, std::size_t expected) {
  if (found != expected)
    throw shape_error(message(what) + ": found " + text_of(found) + ", expected " + text_of(expected));
}

RLVR_NAMESPACE_END
