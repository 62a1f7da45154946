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

[[nodiscard]] RLVR_HD inline double multiply_add(double a, double b, double c) {
#if defined(__CUDA_ARCH__) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

/// e^x for float: error below 1 ulp (1.25 without fused multiply-add) on [-86.9, 88.7]; exactly 1 at 0; 0 for -infinity
/// and everything below -87 (results that would be about the smallest normal number or subnormal are flushed);
/// +infinity above; NaN for NaN.
///
/// Cody-Waite reduction x = n ln 2 + r with |r| <= ln 2 / 2, then a polynomial 1 + r + c2 r^2 + ... + c6 r^6 whose
/// coefficients make the largest relative error least (Remez): 3.1e-9, where Taylor's of that degree has 1.7e-7, which
/// is 3 ulp.  There is no branch and no select between floats, which compilers refuse to vectorise: the ends of the
/// range come out of the arithmetic of exponents.
[[nodiscard]] RLVR_HD inline float exp(float x) {
  constexpr float log2_e = 1.44269504088896341f;
  constexpr float ln2_high = 0.693359375f;
  constexpr float ln2_low = -2.12194440e-4f;
  constexpr float round_to_integer = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
  float const bounded = clamp(x, -100.0f, 89.0f);  // e^89 overflows by itself
  float const shifted = multiply_add(bounded, log2_e, round_to_integer);
  float const n = shifted - round_to_integer;
  float const r = multiply_add(n, -ln2_low, multiply_add(n, -ln2_high, bounded));
  float p = 0.001381454008590929f;
  p = multiply_add(p, r, 0.008368745107668768f);
  p = multiply_add(p, r, 0.04166839078538402f);
  p = multiply_add(p, r, 0.16666520399056492f);
  p = multiply_add(p, r, 0.49999993432120177f);
  p = multiply_add(p, r, 1.0f);
  p = multiply_add(p, r, 1.0f);
  // 2p * 2^(n - 1): n reaches 128, one more than an exponent field can hold; a field of 0 makes the product 0.
  std::int32_t const exponent =
      __builtin_bit_cast(std::int32_t, shifted) - __builtin_bit_cast(std::int32_t, round_to_integer);
  std::int32_t const field = max(exponent + 126, 0);
  return (p + p) * __builtin_bit_cast(float, field << 23);
}

[[nodiscard]] RLVR_HD inline double exp(double x) { return std::exp(x); }

/// 1 / (1 + e^-x), without overflow for any x.
template <class T>
[[nodiscard]] RLVR_HD inline T sigmoid(T x) {
  return T(1) / (T(1) + math::exp(-x));
}

/// log(1 / (1 + e^-x)), without overflow or cancellation for any x: x itself far below 0, -e^-x far above.
/// log_sigmoid(-x) = log_sigmoid(x) - x; the derivative is sigmoid(-x).
template <class T>
[[nodiscard]] RLVR_HD inline T log_sigmoid(T x) {
  T const magnitude = x < T(0) ? -x : x;
  return (x < T(0) ? x : T(0)) - std::log1p(math::exp(-magnitude));
}

}  // namespace math
RLVR_NAMESPACE_END
