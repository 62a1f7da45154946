// SPDX-License-Identifier: MIT
/// @file
/// Forward-mode automatic differentiation with the two partial derivatives a token loss has: with respect to the
/// policy's log-probability and to the policy's entropy.
///
///   f(x): value f(x.value), partials f'(x.value) * x.d_*        a op b: the usual product and quotient rules
///
/// Functions: + - * /, comparisons, min, max, clamp, abs, exp, expm1, log, log1p, sqrt, tanh, sigmoid, pow with a
/// constant exponent, stop_gradient.  They are hidden friends: inside a generic lambda call them unqualified (`exp(x)`,
/// `min(a, b)`).
/// Constants may be any arithmetic type (`0.2`, `0.2f`, `1`); they are cast to the dual's type, never the reverse.
///
/// Where a function has a kink it *selects*, it does not average:
///   min(a, b), max(a, b)   on a tie the first argument, with its partials
///   clamp(x, low, high)    the partials of x on and between the bounds, outside those of the bound
///   abs(x)                 partials 0 at x = 0
/// So `-min(ratio * A, clamp(ratio, lo, hi) * A)` keeps its gradient exactly on the clipping bound.
///
/// A partial that is exactly 0 stays 0 whatever it is multiplied with: constants never turn an infinite factor into
/// 0 * inf = NaN, and a discarded branch cannot leak.  `stop_gradient` cuts the partials.
#pragma once

#include <rlvr/core/config.hpp>

#include <cmath>
#include <concepts>
#include <type_traits>

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#  error "rlvr: -ffinite-math-only (-ffast-math) removes the guards against infinities and NaN; compile without it"
#endif

RLVR_NAMESPACE_BEGIN

/// A value with its partial derivatives.  An aggregate: `dual<float>{x, 1, 0}` is the variable log_prob.
template <std::floating_point T>
struct dual {
  using value_type = T;

  T value{};
  T d_log_prob{};
  T d_entropy{};

  /// A constant.
  template <class Scalar>
  requires std::is_arithmetic_v<Scalar>
  [[nodiscard]] RLVR_HD static constexpr dual constant(Scalar scalar) { return {static_cast<T>(scalar), T(0), T(0)}; }

  RLVR_HD friend constexpr dual operator+(dual a) { return a; }
  RLVR_HD friend constexpr dual operator-(dual a) { return {-a.value, -a.d_log_prob, -a.d_entropy}; }

  RLVR_HD friend constexpr dual operator+(dual a, dual b) {
    return {a.value + b.value, a.d_log_prob + b.d_log_prob, a.d_entropy + b.d_entropy};
  }
  RLVR_HD friend constexpr dual operator-(dual a, dual b) {
    return {a.value - b.value, a.d_log_prob - b.d_log_prob, a.d_entropy - b.d_entropy};
  }
  RLVR_HD friend constexpr dual operator*(dual a, dual b) {
    return {a.value * b.value, times(a.d_log_prob, b.value) + times(b.d_log_prob, a.value),
            times(a.d_entropy, b.value) + times(b.d_entropy, a.value)};
  }
  RLVR_HD friend constexpr dual operator/(dual a, dual b) {
    T const quotient = a.value / b.value;
    T const to_a = T(1) / b.value;
    T const to_b = -quotient * to_a;
    return {quotient, times(a.d_log_prob, to_a) + times(b.d_log_prob, to_b),
            times(a.d_entropy, to_a) + times(b.d_entropy, to_b)};
  }

  // A scalar has no partials: nothing is added for them.
  // clang-format off
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual operator+(dual a, S b) { return {a.value + static_cast<T>(b), a.d_log_prob, a.d_entropy}; }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual operator+(S a, dual b) { return {static_cast<T>(a) + b.value, b.d_log_prob, b.d_entropy}; }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual operator-(dual a, S b) { return {a.value - static_cast<T>(b), a.d_log_prob, a.d_entropy}; }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual operator-(S a, dual b) { return {static_cast<T>(a) - b.value, -b.d_log_prob, -b.d_entropy}; }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual operator*(dual a, S b) { return chain(a, a.value * static_cast<T>(b), static_cast<T>(b)); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual operator*(S a, dual b) { return chain(b, static_cast<T>(a) * b.value, static_cast<T>(a)); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual operator/(dual a, S b) { return chain(a, a.value / static_cast<T>(b), T(1) / static_cast<T>(b)); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual operator/(S a, dual b) { return divided(static_cast<T>(a), b); }

  template <class S> RLVR_HD constexpr dual& operator+=(S b) { return *this = *this + b; }
  template <class S> RLVR_HD constexpr dual& operator-=(S b) { return *this = *this - b; }
  template <class S> RLVR_HD constexpr dual& operator*=(S b) { return *this = *this * b; }
  template <class S> RLVR_HD constexpr dual& operator/=(S b) { return *this = *this / b; }

  // Comparisons look at the value alone.
  RLVR_HD friend constexpr bool operator==(dual a, dual b) { return a.value == b.value; }
  RLVR_HD friend constexpr bool operator<(dual a, dual b) { return a.value < b.value; }
  RLVR_HD friend constexpr bool operator>(dual a, dual b) { return a.value > b.value; }
  RLVR_HD friend constexpr bool operator<=(dual a, dual b) { return a.value <= b.value; }
  RLVR_HD friend constexpr bool operator>=(dual a, dual b) { return a.value >= b.value; }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr bool operator==(dual a, S b) { return a == constant(b); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr bool operator<(dual a, S b) { return a < constant(b); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr bool operator<(S a, dual b) { return constant(a) < b; }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr bool operator>(dual a, S b) { return a > constant(b); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr bool operator>(S a, dual b) { return constant(a) > b; }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr bool operator<=(dual a, S b) { return a <= constant(b); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr bool operator<=(S a, dual b) { return constant(a) <= b; }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr bool operator>=(dual a, S b) { return a >= constant(b); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr bool operator>=(S a, dual b) { return constant(a) >= b; }

  RLVR_HD friend constexpr dual min(dual a, dual b) { return select(b < a, b, a); }
  RLVR_HD friend constexpr dual max(dual a, dual b) { return select(a < b, b, a); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual min(dual a, S b) { return min(a, constant(b)); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual min(S a, dual b) { return min(constant(a), b); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual max(dual a, S b) { return max(a, constant(b)); }
  template <class S> requires std::is_arithmetic_v<S> RLVR_HD friend constexpr dual max(S a, dual b) { return max(constant(a), b); }
  // clang-format on

  RLVR_HD friend constexpr dual clamp(dual x, dual low, dual high) {
    return select(x < low, low, select(high < x, high, x));
  }
  template <class Low, class High>
  requires(std::is_arithmetic_v<Low>&& std::is_arithmetic_v<High>) RLVR_HD friend constexpr dual
      clamp(dual x, Low low, High high) {
    return clamp(x, constant(low), constant(high));
  }
  RLVR_HD friend constexpr dual abs(dual x) { return x.value == T(0) ? constant(0) : (x.value < T(0) ? -x : x); }

  RLVR_HD friend dual exp(dual x) {
    T const result = std::exp(x.value);
    return chain(x, result, result);
  }
  RLVR_HD friend dual expm1(dual x) { return chain(x, std::expm1(x.value), std::exp(x.value)); }
  RLVR_HD friend dual log(dual x) { return chain(x, std::log(x.value), T(1) / x.value); }
  RLVR_HD friend dual log1p(dual x) { return chain(x, std::log1p(x.value), T(1) / (T(1) + x.value)); }
  RLVR_HD friend dual sqrt(dual x) {
    T const root = std::sqrt(x.value);
    return chain(x, root, T(0.5) / root);
  }
  RLVR_HD friend dual tanh(dual x) {
    T const result = std::tanh(x.value);
    return chain(x, result, T(1) - result * result);
  }

  RLVR_HD friend dual sigmoid(dual x) {
    T const falling = std::exp(-x.value);
    T const result = T(1) / (T(1) + falling);
    // falling * result is 1 - result without cancellation, and from the same exponential; where that is infinite, 0.
    return chain(x, result, result == T(0) ? T(0) : result * (falling * result));
  }
  /// x^exponent for a constant exponent.
  template <class S>
  requires std::is_arithmetic_v<S> RLVR_HD friend dual pow(dual x, S exponent) {
    T const power = static_cast<T>(exponent);
    return chain(x, std::pow(x.value, power), power * std::pow(x.value, power - T(1)));
  }

  /// The same value as a constant.
  RLVR_HD friend constexpr dual stop_gradient(dual x) { return {x.value, T(0), T(0)}; }

 private:
  // Products come before the selection, and selections go member by member: compilers then need no branch, which at
  // a clip would be mispredicted for every other token.
  RLVR_HD static constexpr T times(T partial, T factor) {
    T const product = partial * factor;
    return partial == T(0) ? T(0) : product;
  }
  RLVR_HD static constexpr dual select(bool first, dual a, dual b) {
    return {first ? a.value : b.value, first ? a.d_log_prob : b.d_log_prob, first ? a.d_entropy : b.d_entropy};
  }
  RLVR_HD static constexpr dual divided(T a, dual b) {
    T const quotient = a / b.value;
    return chain(b, quotient, -quotient * (T(1) / b.value));
  }
  RLVR_HD static constexpr dual chain(dual x, T value, T derivative) {
    return {value, times(x.d_log_prob, derivative), times(x.d_entropy, derivative)};
  }
};

static_assert(std::is_trivially_copyable_v<dual<float>> && std::is_aggregate_v<dual<float>>);

RLVR_NAMESPACE_END
