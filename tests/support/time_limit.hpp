// SPDX-License-Identifier: MIT
/// @file
/// How long a test may take that guards against quadratic work.
#pragma once

namespace test {

/// Milliseconds: the limit of an ordinary build, ten times as long where a sanitizer slows the program down.
constexpr double time_limit(double milliseconds) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  return 10 * milliseconds;
#else
  return milliseconds;
#endif
}

}  // namespace test
