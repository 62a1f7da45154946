// SPDX-License-Identifier: MIT
/// @file
/// Scalar arithmetic for host and device code.
///
/// `std::min`, `std::max` and `std::clamp` may not be called from device code without compiler flags that are not
/// ours to demand.  `math::exp` is a branch-free float exponential that a compiler can vectorise without
/// `-ffast-math`; it is the one exponential of every softmax in the library, so that all paths agree in their bits.
#pragma once

#include <rlvr/core/config.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#  error "rlvr guards against NaN and infinity; compile without -ffinite-math-only / -ffast-math"
#endif

RLVR_NAMESPACE_BEGIN
namespace math {

template <class T>
[[nodiscard]] RLVR_HD constexpr T min(T a, T b) {
  return b < a ? b : a;
}

template <class T>
[[nodiscard]] RLVR_HD constexpr T max(T a, T b) {
  return a < b ? b : a;
}

/// @pre low <= high.  NaN stays NaN.
template <class T>
[[nodiscard]] RLVR_HD constexpr T clamp(T x, T low, T high) {
  return x < low ? low : (high < x ? high : x);
}

/// ceil(a / b) for b > 0.
template <class T>
[[nodiscard]] RLVR_HD constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

/// a * b + c: one rounding where the target has a fused instruction, two where it has not.
[[nodiscard]] RLVR_HD inline float multiply_add(float a, float b, float c) {
#if defined(__CUDA_ARCH__) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

/// e^x for float: relative error below 2 ulp on [-87.3, 88.7]; exactly 1 at 0; 0 below; +infinity above; NaN for NaN.
///
/// Cody-Waite reduction x = n ln 2 + r with |r| <= ln 2 / 2, then the degree-6 Taylor polynomial of e^r (its remainder
/// r^7 / 5040 is below 1.2e-7).  Subnormal results are flushed to 0.
[[nodiscard]] RLVR_HD inline float exp(float x) {
  constexpr float log2_e = 1.44269504088896341f;
  constexpr float ln2_high = 0.693359375f;
  constexpr float ln2_low = -2.12194440e-4f;
  constexpr float round_to_integer = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
  constexpr float lowest = -87.3365447505531f;     // ln of the smallest normal number
  constexpr float highest = 88.7228391116729f;     // ln of the largest finite number
  float const bounded = clamp(x, lowest, highest);
  float const shifted = multiply_add(bounded, log2_e, round_to_integer);
  float const n = shifted - round_to_integer;
  float const r = multiply_add(n, -ln2_low, multiply_add(n, -ln2_high, bounded));
  float p = 1.0f / 720.0f;
  p = multiply_add(p, r, 1.0f / 120.0f);
  p = multiply_add(p, r, 1.0f / 24.0f);
  p = multiply_add(p, r, 1.0f / 6.0f);
  p = multiply_add(p, r, 0.5f);
  p = multiply_add(p, r, 1.0f);
  p = multiply_add(p, r, 1.0f);
  // 2^n in two halves: n reaches 128, one more than a single exponent field can hold.
  std::int32_t const exponent =
      __builtin_bit_cast(std::int32_t, shifted) - __builtin_bit_cast(std::int32_t, round_to_integer);
  std::int32_t const half = exponent >> 1;
  float const scale_a = __builtin_bit_cast(float, (half + 127) << 23);
  float const scale_b = __builtin_bit_cast(float, (exponent - half + 127) << 23);
  float const result = p * scale_a * scale_b;
  float const above = x > highest ? std::numeric_limits<float>::infinity() : result;
  return x < lowest ? 0.0f : above;
}

[[nodiscard]] RLVR_HD inline double exp(double x) { return std::exp(x); }

/// 1 / (1 + e^-x), without overflow for any x.
template <class T>
[[nodiscard]] RLVR_HD inline T sigmoid(T x) {
  return T(1) / (T(1) + math::exp(-x));
}

}  // namespace math
RLVR_NAMESPACE_END
