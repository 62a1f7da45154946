// SPDX-License-Identifier: MIT
/// @file
/// Token losses that use the importance ratio otherwise than PPO's clip.  With l = log-probability, A = advantage,
/// r = exp(l - anchor) (rl/importance_ratio.hpp), p = e^l and sg = stop gradient:
///
///   weighted_policy_gradient   -sg(clamp(r, lowest, highest)) A l    d/dl: -clamp(r, ...) A
///     cispo(low, high)         weights clipped to [1 - low, 1 + high]    CISPO in verl, ROLL, NeMo-RL, slime, SkyRL
///     cispo_capped(cap)        weights clipped to [0, cap]               CISPO in TRL and Liger: epsilon_high is the
///     cap cispo_masked(low, high)  and where PPO would clip, no loss         ROLL's "unified mask"
///     truncated_policy_gradient(cap)                                     truncated importance sampling, ROLL's TIS
///   topr                       the weight is constant for responses with a positive reward    TOPR
///   sapo                       -A 4 / tau sigmoid(tau (r - 1))           d/dl: -4 A s (1 - s) r, s = sigmoid(...)
///   direct_reward              -A l + beta / 2 (l - o)^2                 DRO; Kimi k1.5 with tau for beta
///   dppo                       -sg(min(r, cap)) A l inside a trust region of probabilities
///   trust_region_policy_gradient   -A r inside it, gradient through r    prime-rl's default and IPO losses, SkyRL
///   reference_policy_gradient  -sg(f - l) r inside it                    prime-rl's ref_kl, f = reference
///   squared_log_ratio          (l - b)^2                                 prime-rl's KL term, b = behaviour
///   kl_cov                     -A r, and + c |l - o| on selected tokens  KL-Cov
///
/// Sources: the functions named above at the commits verl 1dda039b9c63, TRL f2cd57710ae3, Liger ead96b618e5c, ROLL
/// 8eb27cc2dc34, prime-rl 559b44772e47, SkyRL a9564572eb8e.  Losses are minimised.  Bias: clipping a weight trades bias
/// for variance; with r inside the bounds the expected gradient is that of off-policy policy gradient.  A weight of 0
/// gives loss 0; other edge cases as in rl/importance_ratio.hpp, so every result is finite.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/importance_ratio.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>

RLVR_NAMESPACE_BEGIN

/// -sg(clamp(r, lowest, highest)) A l.
struct weighted_policy_gradient {
  double lowest = 0;
  double highest = unlimited;
  double max_log_ratio = unlimited;  ///< l - anchor is clamped to +- this; verl: 20
  bool drop_clipped = false;         ///< no loss where PPO would clip: A > 0 and r > highest, A < 0 and r < lowest
  ratio_anchor anchor = ratio_anchor::old_policy;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    T const ratio = detail::importance_ratio_of(detail::log_ratio_of(sample, anchor), max_log_ratio).value;
    T const bottom = static_cast<T>(lowest);
    T const top = static_cast<T>(highest);
    bool const below = ratio < bottom;
    bool const above = ratio > top;
    bool const dropped = drop_clipped && ((above && sample.advantage > T(0)) || (below && sample.advantage < T(0)));
    T const weight = dropped ? T(0) : (below ? bottom : (above ? top : ratio));
    auto loss = detail::score_function_loss(weight == T(0) ? T(0) : weight * sample.advantage, sample.log_prob);
    loss.clip = below ? clip_region::low : (above ? clip_region::high : clip_region::none);
    return loss;
  }

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(lowest >= 0 && lowest <= highest))
      throw argument_error("weighted_policy_gradient: 0 <= lowest <= highest must hold");
    if (!(max_log_ratio > 0)) throw argument_error("weighted_policy_gradient: max_log_ratio must be positive");
  }
};

/// CISPO (MiniMax-M1, 2506.13585) with both bounds, relative to 1.
[[nodiscard]] RLVR_HD constexpr weighted_policy_gradient cispo(double low = 0.2, double high = 0.2,
                                                               double max_log_ratio = unlimited) {
  return {.lowest = 1 - low, .highest = 1 + high, .max_log_ratio = max_log_ratio};
}
/// CISPO as TRL and Liger have it: no lower bound, and `cap` is the largest weight itself (recommended: 5).
[[nodiscard]] RLVR_HD constexpr weighted_policy_gradient cispo_capped(double cap = 5) { return {.highest = cap}; }
/// CISPO without the tokens that PPO would clip.
[[nodiscard]] RLVR_HD constexpr weighted_policy_gradient cispo_masked(double low = 0.2, double high = 0.2) {
  return {.lowest = 1 - low, .highest = 1 + high, .drop_clipped = true};
}
/// Policy gradient with importance weights truncated at `cap`.
[[nodiscard]] RLVR_HD constexpr weighted_policy_gradient truncated_policy_gradient(double cap = 1, double lowest = 0) {
  return {.lowest = lowest, .highest = cap};
}

/// TOPR: responses with a positive `sequence.reward` are imitated with a constant weight, the others with a truncated
/// importance weight.
struct topr {
  double weight_positive = 1;
  double weight_negative = 1;
  double lowest = 0;   ///< of the ratio
  double highest = 1;  ///< of the ratio
  ratio_anchor anchor = ratio_anchor::old_policy;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    if (sample.sequence.reward > T(0))
      return detail::score_function_loss(static_cast<T>(weight_positive) * sample.advantage, sample.log_prob);
    loss_value<T> loss = weighted_policy_gradient{.lowest = lowest, .highest = highest, .anchor = anchor}(sample);
    loss.value *= static_cast<T>(weight_negative);
    loss.d_log_prob *= static_cast<T>(weight_negative);
    return loss;
  }
};

/// SAPO: a sigmoid gate instead of a clip; a temperature per sign of the advantage.
struct sapo {
  double temperature_positive = 1.0;   ///< tau where A > 0
  double temperature_negative = 1.05;  ///< tau where A <= 0
  double max_log_ratio = unlimited;    ///< verl: 20

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    T const advantage = sample.advantage;
    if (advantage == T(0)) return {};
    T const log_ratio = detail::log_ratio_of(sample, ratio_anchor::old_policy);
    auto const [ratio, slope] = detail::importance_ratio_of(log_ratio, max_log_ratio);
    T const tau = static_cast<T>(advantage > T(0) ? temperature_positive : temperature_negative);
    T const x = tau * (ratio - T(1));
    T const gate = math::sigmoid(x);
    T const closing = math::sigmoid(-x);  // 1 - gate, without cancellation
    return {.value = -advantage * (T(4) / tau) * gate,
            .d_log_prob = closing == T(0) ? T(0) : -advantage * T(4) * gate * closing * slope};
  }

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(temperature_positive > 0 && temperature_negative > 0))
      throw argument_error("sapo: temperatures must be positive");
  }
};

/// Direct reward optimisation: policy gradient with a quadratic pull towards the old policy.
struct direct_reward {
  double beta = 0.1;                 ///< Kimi k1.5's tau
  double max_log_ratio = unlimited;  ///< l - o is clamped to +- this in the quadratic term

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr loss_value<T> operator()(token_sample<T> const& sample) const {
    loss_value<T> loss = detail::score_function_loss(sample.advantage, sample.log_prob);
    T const limit = static_cast<T>(max_log_ratio);
    T const log_ratio = detail::log_ratio_of(sample, ratio_anchor::old_policy);
    bool const inside = log_ratio <= limit && log_ratio >= -limit;
    T const bounded = inside ? log_ratio : (log_ratio < T(0) ? -limit : limit);
    loss.value += static_cast<T>(0.5 * beta) * bounded * bounded;
    loss.d_log_prob += inside ? static_cast<T>(beta) * log_ratio : T(0);
    return loss;
  }
};

/// How far a token's probability p has moved from the anchor's p_o.
enum class probability_divergence : std::uint8_t {
  total_variation,  ///< p - p_o, signed
  binary_kl,        ///< KL of "this token or another one": p_o ln(p_o / p) + (1 - p_o) ln((1 - p_o) / (1 - p))
  absolute          ///< |p - p_o|, whatever the sign of the advantage (prime-rl's IPO)
};

/// Tokens outside are dropped: those that have moved by more than `high` upwards where A > 0, by more than `low`
/// downwards where A <= 0.  A token exactly on the bound stays.
struct probability_trust_region {
  probability_divergence divergence = probability_divergence::total_variation;
  double low = 0.2;
  double high = 0.2;
  double epsilon = 1e-8;  ///< added to both complements 1 - p of binary_kl (verl)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD bool contains(T log_prob, T anchor_log_prob, T advantage) const {
    T const p = std::exp(log_prob);
    T const anchor = std::exp(anchor_log_prob);
    T const moved = p - anchor;
    bool const upwards = advantage > T(0);
    if (divergence == probability_divergence::absolute) return (moved < T(0) ? -moved : moved) <= static_cast<T>(high);
    if (divergence == probability_divergence::total_variation)
      return upwards ? moved <= static_cast<T>(high) : moved >= static_cast<T>(-low);
    if (upwards ? moved <= T(0) : moved >= T(0)) return true;
    T const guard = static_cast<T>(epsilon);
    T const same = anchor > T(0) ? anchor * detail::log_ratio_of(anchor_log_prob, log_prob) : T(0);
    T const other = (T(1) - anchor) * std::log((T(1) - anchor + guard) / (T(1) - p + guard));
    return same + other <= static_cast<T>(upwards ? high : low);
  }
};

/// DPPO: policy gradient with a capped importance weight inside a trust region.
struct dppo {
  probability_trust_region region{};
  double ratio_cap = 20;
  double max_log_ratio = unlimited;  ///< verl: 20
  ratio_anchor anchor = ratio_anchor::old_policy;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    T const advantage = sample.advantage;
    if (!region.contains(sample.log_prob, detail::anchor_log_prob(sample, anchor), advantage))
      return {.clip = advantage > T(0) ? clip_region::high : clip_region::low};
    T const ratio = detail::importance_ratio_of(detail::log_ratio_of(sample, anchor), max_log_ratio).value;
    T const cap = static_cast<T>(ratio_cap);
    return detail::score_function_loss((ratio > cap ? cap : ratio) * advantage, sample.log_prob);
  }
};

/// -A r inside a trust region, with the gradient through r.
struct trust_region_policy_gradient {
  probability_trust_region region{};
  double max_log_ratio = unlimited;
  ratio_anchor anchor = ratio_anchor::behaviour_policy;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    T const advantage = sample.advantage;
    if (!region.contains(sample.log_prob, detail::anchor_log_prob(sample, anchor), advantage))
      return {.clip = advantage > T(0) ? clip_region::high : clip_region::low};
    if (advantage == T(0)) return {};
    auto const [ratio, slope] = detail::importance_ratio_of(detail::log_ratio_of(sample, anchor), max_log_ratio);
    return {.value = -advantage * ratio, .d_log_prob = -advantage * slope};
  }
};

/// Distillation towards the reference policy: f - l, held constant, takes the place of the advantage.  A token whose
/// probability has fallen by more than `low` is dropped, whatever the sign of f - l.
struct reference_policy_gradient {
  double low = 0.2;
  ratio_anchor anchor = ratio_anchor::behaviour_policy;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    token_sample<T> distilled = sample;
    distilled.advantage = detail::log_ratio_of(sample.reference_log_prob, sample.log_prob);
    probability_trust_region const region{.low = low, .high = unlimited};
    if (!region.contains(sample.log_prob, detail::anchor_log_prob(sample, anchor), T(-1)))
      return {.clip = clip_region::low};
    return trust_region_policy_gradient{.region = {.low = unlimited, .high = unlimited}, .anchor = anchor}(distilled);
  }
};

/// (l - anchor)^2, without a factor of 1/2: prime-rl's pull towards the sampler.
struct squared_log_ratio {
  ratio_anchor anchor = ratio_anchor::behaviour_policy;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr loss_value<T> operator()(token_sample<T> const& sample) const {
    T const log_ratio = detail::log_ratio_of(sample, anchor);
    return {.value = log_ratio * log_ratio, .d_log_prob = T(2) * log_ratio};
  }
};

/// KL-Cov (2505.22617): unclipped -A r, and + coefficient |l - o| on the tokens that `select_kl_cov`
/// (rl/token_selection.hpp) has selected.  The derivative of |l - o| at 0 is 0.
struct kl_cov {
  double coefficient = 0.1;  ///< verl; SkyRL: 1
  double max_log_ratio = unlimited;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    T const log_ratio = detail::log_ratio_of(sample, ratio_anchor::old_policy);
    loss_value<T> loss{};
    if (sample.advantage != T(0)) {
      auto const [ratio, slope] = detail::importance_ratio_of(log_ratio, max_log_ratio);
      loss = {.value = -sample.advantage * ratio, .d_log_prob = -sample.advantage * slope};
    }
    if (sample.selected) {
      T const c = static_cast<T>(coefficient);
      loss.value += log_ratio < T(0) ? -c * log_ratio : c * log_ratio;
      loss.d_log_prob += log_ratio < T(0) ? -c : (log_ratio > T(0) ? c : T(0));
    }
    return loss;
  }
};

static_assert(token_objective<weighted_policy_gradient> && token_objective<topr> && token_objective<sapo, double>);
static_assert(token_objective<direct_reward> && token_objective<dppo> && token_objective<kl_cov>);
static_assert(token_objective<trust_region_policy_gradient> && token_objective<reference_policy_gradient>);
static_assert(token_objective<squared_log_ratio> && token_objective<squared_log_ratio, double>);

RLVR_NAMESPACE_END
