// SPDX-License-Identifier: MIT
/// @file
/// A functor of a token that returns a number, without derivatives; with -DVALID an objective.
#pragma once

#include <rlvr/rl/token_sample.hpp>

namespace {
struct mistaken {
  template <class T>
#ifdef VALID
  constexpr rlvr::loss_value<T> operator()(rlvr::token_sample<T> const& token) const {
    return {.value = -token.log_prob};
  }
#else
  constexpr T operator()(rlvr::token_sample<T> const& token) const {
    return -token.log_prob;
  }
#endif
};
}  // namespace
