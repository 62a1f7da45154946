// SPDX-License-Identifier: MIT
/// @file
/// Arithmetic in a rounding mode other than to nearest.
#pragma once

#include "ptx/program.hpp"
#include <cfenv>
#include <cmath>
#include <type_traits>

namespace cuda_emulation::ptx {

/// The processor rounds so while one is alive.
class rounding_scope {
 public:
  explicit rounding_scope(rounding mode) : mode_(mode) {
    if (mode_ != rounding::nearest) std::fesetround(native(mode_));
  }
  ~rounding_scope() {
    if (mode_ != rounding::nearest) std::fesetround(FE_TONEAREST);
  }
  rounding_scope(rounding_scope const&) = delete;
  rounding_scope& operator=(rounding_scope const&) = delete;

 private:
  static int native(rounding mode) {
    switch (mode) {
      case rounding::zero:
        return FE_TOWARDZERO;
      case rounding::down:
        return FE_DOWNWARD;
      case rounding::up:
        return FE_UPWARD;
      case rounding::nearest:
        break;
    }
    return FE_TONEAREST;
  }
  rounding mode_;
};

/// Keeps the compiler from moving a computation out of a rounding_scope.
template <class T>
[[nodiscard]] inline T pinned(T value) {
  asm volatile("" : "+m"(value) : : "memory");
  return value;
}

/// .ftz: a subnormal number counts as a zero of its sign.
template <class T>
[[nodiscard]] inline T flushed(T value) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(T{0}, value) : value;
  return value;
}

/// .sat: into [0, 1], NaN to 0.
template <class T>
[[nodiscard]] inline T saturated(T value) {
  if (!(value > T{0})) return T{0};
  return value < T{1} ? value : T{1};
}

}  // namespace cuda_emulation::ptx
