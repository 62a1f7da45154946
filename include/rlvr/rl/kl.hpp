// SPDX-License-Identifier: MIT
/// @file
/// Estimators of KL(pi || pi_ref) from one sampled token a ~ pi (Schulman 2020, "Approximating KL divergence").
/// With d = log pi_ref(a) - log pi(a):
///
///   estimator    value           d value / d log pi   expectation of value    expected gradient as a loss, on-policy
///   k1           -d              1                    KL, may be negative     0: it does not regularise at all
///   k2           d^2 / 2         -d                   biased                  grad KL(pi || ref)
///   k3           e^d - d - 1     1 - e^d              KL, >= 0                grad KL(ref || pi)
///   absolute     |d|             -sign(d)             upper bound             -
///   reverse_k3   e^-d + d - 1    e^-d - 1             -                       -
///
/// (The last column holds the sampling probabilities fixed, which is what a token loss does; arXiv 2506.09477,
/// 2512.21852.)  Two combinators change the gradient: `straight_through<K>` has K's value and k2's gradient;
/// `ratio_weighted<K>` multiplies K by an importance weight that is differentiated too, which makes the expected
/// gradient of k1 and k3 that of KL(pi || ref) (DeepSeek-V3.2).  In the *reward*, where no gradient flows, use
/// `kl_in_reward`; there k1 is unbiased.
///
/// Clamps: d is clamped to +-input_clamp first, the result to +-output_clamp last; both are off by default (verl: 20
/// and 10).  Where a clamp is active the gradient is 0, never 0 * inf: with log pi = -900 and both clamps k3 gives
/// value 10, gradient 0.  On a bound the gradient is that of the inside.
///
/// Values and gradients are finite for all log-probabilities, -inf among them, also without clamps: d counts as 0 where
/// both are -inf, is at most 10^6 in magnitude, and values are at most 10^30 in float, 10^300 in double; beyond, the
/// gradient is 0 (that of `straight_through` stays at +-10^6).  NaN stays NaN.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/importance_ratio.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// An estimate and its derivative with respect to log pi(a).
template <std::floating_point T>
struct kl_value {
  T value{};
  T d_log_prob{};
};

/// An estimator from the two log-probabilities.
template <class Kl, class T = float>
concept kl_estimator = std::is_trivially_copyable_v<Kl> && requires(Kl const& kl, T log_prob, T reference_log_prob) {
  { kl(log_prob, reference_log_prob) } -> std::same_as<kl_value<T>>;
};

/// An estimator that needs the whole sample (`ratio_weighted`).
template <class Kl, class T = float>
concept sample_kl_estimator = std::is_trivially_copyable_v<Kl> && requires(Kl const& kl, token_sample<T> const& s) {
  { kl(s) } -> std::same_as<kl_value<T>>;
};

namespace detail {

/// d between the clamp's bounds, and whether the bounds left it alone.
template <std::floating_point T>
struct clamped_difference {
  T d{};
  bool inside{};
};

template <std::floating_point T>
RLVR_HD constexpr clamped_difference<T> clamp_difference(T log_prob, T reference_log_prob, double input_clamp) {
  T const limit = static_cast<T>(input_clamp);
  T const saturation = static_cast<T>(-least_log_prob);
  T const d = log_ratio_of(reference_log_prob, log_prob);
  if (d > limit) return {limit, false};
  if (d < -limit) return {-limit, false};
  return {d, d < saturation && d > -saturation};
}

/// The estimate between the bounds of the clamp and of T.
template <std::floating_point T>
RLVR_HD constexpr kl_value<T> clamp_estimate(T value, T d_log_prob, bool inside, double output_clamp) {
  T const representable = sizeof(T) > sizeof(float) ? T(1e300) : T(1e30f);
  T const asked = static_cast<T>(output_clamp);
  T const limit = asked < representable ? asked : representable;
  if (value > limit) return {limit, T(0)};
  if (value < -limit) return {-limit, T(0)};
  return {value, inside ? d_log_prob : T(0)};
}

}  // namespace detail

/// -d.  As a loss term its expected gradient is 0: use it in the reward, or `straight_through` / `ratio_weighted`.
struct k1 {
  double input_clamp = unlimited;
  double output_clamp = unlimited;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr kl_value<T> operator()(T log_prob, T reference_log_prob) const {
    auto const [d, inside] = detail::clamp_difference(log_prob, reference_log_prob, input_clamp);
    return detail::clamp_estimate(-d, T(1), inside, output_clamp);
  }
};

/// d^2 / 2.
struct k2 {
  double input_clamp = unlimited;
  double output_clamp = unlimited;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr kl_value<T> operator()(T log_prob, T reference_log_prob) const {
    auto const [d, inside] = detail::clamp_difference(log_prob, reference_log_prob, input_clamp);
    return detail::clamp_estimate(T(0.5) * d * d, -d, inside, output_clamp);
  }
};

/// e^d - d - 1, computed without cancellation near d = 0.  The KL term of the GRPO paper (2402.03300, eq. 4).
struct k3 {
  double input_clamp = unlimited;
  double output_clamp = unlimited;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD kl_value<T> operator()(T log_prob, T reference_log_prob) const {
    auto const [d, inside] = detail::clamp_difference(log_prob, reference_log_prob, input_clamp);
    T const growth = std::expm1(d);
    return detail::clamp_estimate(growth - d, -growth, inside, output_clamp);
  }
};

/// |d|; its derivative at d = 0 is 0.
struct absolute_kl {
  double input_clamp = unlimited;
  double output_clamp = unlimited;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr kl_value<T> operator()(T log_prob, T reference_log_prob) const {
    auto const [d, inside] = detail::clamp_difference(log_prob, reference_log_prob, input_clamp);
    T const slope = d < T(0) ? T(1) : (d > T(0) ? T(-1) : T(0));
    return detail::clamp_estimate(d < T(0) ? -d : d, slope, inside, output_clamp);
  }
};

/// e^-d + d - 1: k3 with the two policies exchanged, for measuring the mismatch between two sets of log-probs.
struct reverse_k3 {
  double input_clamp = unlimited;
  double output_clamp = unlimited;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD kl_value<T> operator()(T log_prob, T reference_log_prob) const {
    auto const [d, inside] = detail::clamp_difference(reference_log_prob, log_prob, input_clamp);
    T const growth = std::expm1(d);
    return detail::clamp_estimate(growth - d, growth, inside, output_clamp);
  }
};

/// Value of `Kl`, gradient of the unclamped k2: an unbiased value with an expected gradient of grad KL(pi || ref).
template <class Kl>
struct straight_through {
  Kl estimator{};

  template <std::floating_point T>
  requires kl_estimator<Kl, T>
  [[nodiscard]] RLVR_HD constexpr kl_value<T> operator()(T log_prob, T reference_log_prob) const {
    return {estimator(log_prob, reference_log_prob).value, detail::log_ratio_of(log_prob, reference_log_prob)};
  }
};
template <class Kl>
straight_through(Kl) -> straight_through<Kl>;

/// What the weight of `ratio_weighted` is.
enum class kl_weight : unsigned char {
  importance_ratio,  ///< exp(log_prob - old_log_prob)
  behaviour_ratio,   ///< exp(log_prob - behaviour_log_prob)
  score_function     ///< exp(log_prob - stop_gradient(log_prob)): value 1, derivative 1
};

/// `Kl` (k1, k2, k3, ...) times a differentiated importance weight; `Kl`'s output clamp must stay off, the one here
/// comes after the product.  `detach_where_clamped`: the weight carries no gradient where `estimator.input_clamp` is
/// active (NeMo-RL).
template <class Kl>
requires requires(Kl const& kl) { kl.input_clamp; }
struct ratio_weighted {
  Kl estimator{};
  kl_weight weight = kl_weight::importance_ratio;
  double output_clamp = unlimited;
  bool detach_where_clamped = false;

  template <std::floating_point T>
  requires kl_estimator<Kl, T>
  [[nodiscard]] RLVR_HD kl_value<T> operator()(token_sample<T> const& sample) const {
    kl_value<T> const kl = estimator(sample.log_prob, sample.reference_log_prob);
    T const anchor = weight == kl_weight::importance_ratio  ? sample.old_log_prob
                     : weight == kl_weight::behaviour_ratio ? sample.behaviour_log_prob
                                                            : sample.log_prob;
    auto const [ratio, slope] = detail::importance_ratio_of(detail::log_ratio_of(sample.log_prob, anchor));
    bool const inside =
        detail::clamp_difference(sample.log_prob, sample.reference_log_prob, estimator.input_clamp).inside;
    T const from_weight = inside || !detach_where_clamped ? slope * kl.value : T(0);
    return detail::clamp_estimate(ratio * kl.value, from_weight + ratio * kl.d_log_prob, true, output_clamp);
  }
};
template <class Kl>
ratio_weighted(Kl) -> ratio_weighted<Kl>;
template <class Kl>
ratio_weighted(Kl, kl_weight) -> ratio_weighted<Kl>;
template <class Kl>
ratio_weighted(Kl, kl_weight, double) -> ratio_weighted<Kl>;
template <class Kl>
ratio_weighted(Kl, kl_weight, double, bool) -> ratio_weighted<Kl>;

/// The KL penalty as part of a token's *reward*: reward - beta * kl(log_prob, reference).  A constant of the loss, so
/// only the value of the estimator matters; a type of its own, so that it cannot be mistaken for a loss term.
template <class Kl = k1>
struct kl_in_reward {
  Kl estimator{};
  double beta = 0.01;
  double count_epsilon = 0;  ///< added to the number of tokens in the mean that `apply` returns (verl: 1e-8)

  /// @param reward    what the token earned from the task (0 for all but the last token of an outcome reward)
  /// @param log_prob  under the policy that generated the token
  template <std::floating_point T>
  requires kl_estimator<Kl, T>
  [[nodiscard]] RLVR_HD constexpr T operator()(T reward, T log_prob, T reference_log_prob) const {
    if (beta == 0) return reward;
    return reward - static_cast<T>(beta) * estimator(log_prob, reference_log_prob).value;
  }

  /// All tokens of one response; `penalised` may be `rewards`.  Tokens that do not count keep their reward.  Returns
  /// the mean of the estimate over the tokens that count, 0 without any: what a controller (rl/controller.hpp) is told
  /// is the mean of that over the responses (verl).  Throws shape_error where the sizes differ.
  template <std::floating_point T>
  requires kl_estimator<Kl, T> T apply(std::span<T const> rewards, std::span<T const> log_prob,
                                       std::span<T const> reference_log_prob, std::span<bool const> mask,
                                       std::span<T> penalised)
  const {
    for (std::size_t const found : {rewards.size(), log_prob.size(), reference_log_prob.size(), penalised.size()})
      if (found != mask.size()) throw shape_error("kl_in_reward: all spans must be as long as the mask");
    double sum = 0, tokens = 0;
    for (std::size_t t = 0; t < mask.size(); ++t) {
      penalised[t] = mask[t] ? (*this)(rewards[t], log_prob[t], reference_log_prob[t]) : rewards[t];
      if (!mask[t]) continue;
      sum += static_cast<double>(estimator(log_prob[t], reference_log_prob[t]).value);
      tokens += 1;
    }
    return tokens > 0 ? static_cast<T>(sum / (tokens + count_epsilon)) : T(0);
  }
};
template <class Kl>
kl_in_reward(Kl, double) -> kl_in_reward<Kl>;

static_assert(kl_estimator<k1> && kl_estimator<k2> && kl_estimator<k3> && kl_estimator<absolute_kl>);
static_assert(kl_estimator<reverse_k3> && kl_estimator<straight_through<k3>, double>);
static_assert(sample_kl_estimator<ratio_weighted<k3>> && !kl_estimator<ratio_weighted<k3>>);

RLVR_NAMESPACE_END
