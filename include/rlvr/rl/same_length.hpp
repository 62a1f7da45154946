// SPDX-License-Identifier: MIT
/// @file
/// The check that spans which belong together are equally long, with all of their lengths in the message.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <concepts>
#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace detail {

/// Throws shape_error unless all lengths are equal.
template <std::same_as<std::size_t>... Lengths>
void require_same_length(char const* where, std::size_t first, Lengths... others) {
  bool const equal = (... && (others == first));  // named: clang takes the fold's parentheses in an `if` for a slip
  if (equal) return;
  message found = text_of(first);
  ((found += ", " + text_of(others)), ...);
  throw shape_error(message(where) + ": lengths must be equal, but are " + found);
}

}  // namespace detail
RLVR_NAMESPACE_END
