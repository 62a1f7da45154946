// SPDX-License-Identifier: MIT
/// @file
/// The importance ratio r = exp(l - o) of a token, as every objective computes it: l = log-probability under the
/// policy, o = under an anchor (the old policy, or the behaviour policy that sampled the token).
///
///   ratio = exp(clamp(l - o, -limit, limit)),     d ratio / d l = ratio inside the clamp, 0 outside
///
/// Finite for every pair of log-probabilities, -inf among them: l = o (both -inf too) has ratio 1; a
/// log-ratio beyond 60 in float, 700 in double is clamped even where no clamp was asked for, so a ratio saturates with
/// gradient 0, and leaves room for products with advantages.  Stacks differ in the clamp: +-20 in verl, OpenRLHF and
/// SkyRL, none in TRL, slime, NeMo-RL and Liger; here it is off unless an objective says otherwise.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>

RLVR_NAMESPACE_BEGIN

/// Which log-probability a ratio or a distance is measured from.
enum class ratio_anchor : std::uint8_t {
  old_policy,       ///< the policy at the start of the step
  behaviour_policy  ///< what the sampler reported
};

/// The value of a log-probability of -inf in a loss that is linear in it, such as -A l: the loss stays finite and its
/// gradient that of the line, so that the token can recover.
inline constexpr double least_log_prob = -1e6;

namespace detail {

/// A ratio and its derivative with respect to the log-probability.
template <std::floating_point T>
struct importance_ratio {
  T value{};
  T slope{};
};

/// l - o, finite for log-probabilities of -inf.
template <std::floating_point T>
[[nodiscard]] RLVR_HD constexpr T log_ratio_of(T log_prob, T anchor) {
  if (log_prob == anchor) return T(0);
  T const difference = log_prob - anchor;
  T const limit = static_cast<T>(-least_log_prob);
  return difference < -limit ? -limit : (difference > limit ? limit : difference);
}

/// The log-ratio from which on exponentials saturate: a product of e^that with 10^6 still fits into T.
template <std::floating_point T>
[[nodiscard]] RLVR_HD constexpr T largest_log_ratio() {
  return sizeof(T) > sizeof(float) ? T(700) : T(60);
}

/// exp(log_ratio), clamped to +-max_log_ratio and to where a product with 10^6 still fits into T.
template <std::floating_point T>
[[nodiscard]] RLVR_HD importance_ratio<T> importance_ratio_of(T log_ratio, double max_log_ratio = unlimited) {
  T const representable = largest_log_ratio<T>();
  T const asked = static_cast<T>(max_log_ratio);
  T const limit = asked < representable ? asked : representable;
  if (log_ratio > limit) return {std::exp(limit), T(0)};
  if (log_ratio < -limit) return {std::exp(-limit), T(0)};
  T const ratio = std::exp(log_ratio);
  return {ratio, ratio};
}

/// The anchor of a sample.
template <std::floating_point T>
[[nodiscard]] RLVR_HD constexpr T anchor_log_prob(token_sample<T> const& sample, ratio_anchor anchor) {
  return anchor == ratio_anchor::old_policy ? sample.old_log_prob : sample.behaviour_log_prob;
}

/// l - anchor of a sample, finite.
template <std::floating_point T>
[[nodiscard]] RLVR_HD constexpr T log_ratio_of(token_sample<T> const& sample, ratio_anchor anchor) {
  return log_ratio_of(sample.log_prob, anchor_log_prob(sample, anchor));
}

/// -factor * l: the score-function term; 0 where the factor is 0, whatever l is.
template <std::floating_point T>
[[nodiscard]] RLVR_HD constexpr loss_value<T> score_function_loss(T factor, T log_prob) {
  if (factor == T(0)) return {};
  T const least = static_cast<T>(least_log_prob);
  return {.value = -factor * (log_prob < least ? least : log_prob), .d_log_prob = -factor};
}

}  // namespace detail

RLVR_NAMESPACE_END
