// SPDX-License-Identifier: MIT
/// @file
/// Objectives that look at a whole response, as token objectives.  With n tokens that count, u_t = l_t - o_t,
/// m = mean_t u_t, A = advantage, sg = stop gradient:
///
///   sequence_clip, level geometric   s = e^m           max(-A s, -A clamp(s, 1 - low, 1 + high)) at every token   GSPO
///   sequence_clip, level product     s = e^(n m)       the same; RLOO's ratio of whole-response probabilities
///   gmpo       -mean(A) exp(mean_t v_t), v_t = u_t clipped on the side of the sign of A_t                         GMPO
///   vespo      -sg(phi(S, A)) A l, S = clamp(sum_t u_t), phi = exp(lambda + k S - lambda e^S) VESPO
///   sequence_ratio_weighted<Kl>      s kl_t, KL times the response's ratio
///
/// **Gradients through a sum over the response.**  A token objective returns d(loss)/d(its own log-prob), but here one
/// log-prob moves the value at every token of its row.  What is returned is the derivative of the row's *mean* value
/// times n: with an aggregation that weighs the tokens of a row alike (all of rl/aggregate.hpp do), scale * d_log_prob
/// is then the exact gradient of the batch's loss.  The sums come from `summarise_sequence` (rl/sequence_pass.hpp), for
/// the policy that is differentiated: run it on the log-probs of the same parameters.
///
///   sequence_clip geometric   d_log_prob = mean_t f'(A_t) s         f' = derivative of the surrogate by the ratio
///   sequence_clip product     d_log_prob = n mean_t f'(A_t) s
///   gmpo                      d_log_prob = -mean(A) exp(mean v) where u_t is not clipped, else 0
///   sequence_ratio_weighted   d_log_prob = s kl'_t + s mean_t kl_t
///
/// With one advantage per response f'(A_t) is the same at every token and `sequence_gradient::token` gives the exact
/// gradient as well, without the pass for f'; with advantages per token it is GSPO-token (2507.18071, eq. 13), whose
/// gradient gives each token its own advantage.  LUSPO is sequence_clip with `sequence_mean_token_sum` over all rows.
///
/// Clip ranges: a geometric ratio is an average, so its useful bounds are orders of magnitude below PPO's (3e-4 and
/// 4e-4 in the paper; with 0.2 it practically never clips).  Aggregate with a mean over sequences; a token mean changes
/// the objective.  Empty rows are not evaluated.  A row that has a token with ratio 0 or infinity has a finite m
/// (`least_log_prob`), hence ratio 0 or the largest one.  Bias: the geometric ratio is no importance weight of the
/// response (its expectation is not 1); the product is, with a variance that grows with length.
///
/// Sources: GSPO 2507.18071; GMPO 2507.20673; verl 1dda039b9c63 `compute_policy_loss_gspo`, `..._geo_mean`; TRL
/// f2cd57710ae3 `GRPOTrainer` (importance_sampling_level, get_gamma_weights), `RLOOTrainer`, experimental GSPO-token
/// and GMPO.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/rl/importance_ratio.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>

RLVR_NAMESPACE_BEGIN

/// What the ratio of a response is.
enum class sequence_level : std::uint8_t {
  geometric,  ///< exp(mean of the log-ratios)
  product     ///< exp(sum of the log-ratios)
};

/// Where the gradient of a sequence ratio goes.
enum class sequence_gradient : std::uint8_t {
  token,    ///< each token has its own advantage's part; exact where the advantage is constant in the response
  sequence  ///< exact for any advantages; needs `summarise_sequence` with the objective
};

/// PPO's clipped surrogate of a sequence ratio.
struct sequence_clip {
  double low = 3e-4;
  double high = 4e-4;
  double dual_clip = unlimited;      ///< as in ppo_clip
  double max_log_ratio = unlimited;  ///< bounds the log of the ratio from above; verl, SkyRL: 10
  double ratio_cap = unlimited;      ///< as in ppo_clip
  sequence_level level = sequence_level::geometric;
  sequence_gradient gradient = sequence_gradient::sequence;
  double epsilon = 0;  ///< added to n in the geometric mean (NeMo-RL: 1e-8)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    loss_value<T> loss = surrogate(sample);
    T const n = sample.sequence.length;
    if (gradient == sequence_gradient::sequence) loss.d_log_prob = n > T(0) ? sample.sequence.term / n : T(0);
    return loss;
  }

  /// The token's part of the row's derivative by the log of the ratio.
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD T sequence_term(token_sample<T> const& sample) const {
    return surrogate(sample).d_log_prob;
  }

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    ppo_clip{.low = low, .high = high, .dual_clip = dual_clip, .max_log_ratio = max_log_ratio, .ratio_cap = ratio_cap}
        .validate();
  }

 private:
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> surrogate(token_sample<T> const& sample) const {
    T const n = sample.sequence.length;
    T const factor = level == sequence_level::product ? n : n / (n + static_cast<T>(epsilon));
    T const log_ratio = n > T(0) ? factor * sample.sequence.mean_log_ratio : T(0);
    T const top = static_cast<T>(max_log_ratio);
    detail::importance_ratio<T> ratio = detail::importance_ratio_of(log_ratio > top ? top : log_ratio);
    if (log_ratio > top) ratio.slope = T(0);
    return detail::clipped_surrogate(sample.advantage, ratio.value, factor * ratio.slope,
                                     {low, high, dual_clip, ratio_cap});
  }
};

/// GSPO with its exact gradient, for advantages that may differ within a response.
[[nodiscard]] RLVR_HD constexpr sequence_clip gspo(double low = 3e-4, double high = 4e-4) {
  return {.low = low, .high = high};
}
/// GSPO-token as verl has it: log of the ratio at most 10, each token its own advantage.
[[nodiscard]] RLVR_HD constexpr sequence_clip gspo_token(double low = 3e-4, double high = 4e-4,
                                                         double max_log_ratio = 10) {
  return {.low = low, .high = high, .max_log_ratio = max_log_ratio, .gradient = sequence_gradient::token};
}

/// Geometric-mean policy optimisation.  Aggregate it with `sequence_mean_token_mean` over all rows (verl, TRL).
struct gmpo {
  double log_low = 0.4;   ///< log-ratios of tokens with A < 0 are at least -log_low
  double log_high = 0.4;  ///< those of tokens with A > 0 at most log_high
  double epsilon = 0;     ///< added to n in both means (verl: 1e-8)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    T const n = sample.sequence.length;
    T const padded = n + static_cast<T>(epsilon);
    T const row = sample.sequence.mean_advantage * (n / padded) *
                  detail::importance_ratio_of(sample.sequence.term / padded).value;
    T const log_ratio = detail::log_ratio_of(sample, ratio_anchor::old_policy);
    clip_region const clip = clipped(log_ratio, sample.advantage);
    bool const constant = clip != clip_region::none || sample.advantage == T(0);
    return {.value = -row, .d_log_prob = constant ? T(0) : -row * (n / padded), .clip = clip};
  }

  /// v_t.
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T sequence_term(token_sample<T> const& sample) const {
    if (sample.advantage == T(0)) return T(0);
    T const log_ratio = detail::log_ratio_of(sample, ratio_anchor::old_policy);
    clip_region const clip = clipped(log_ratio, sample.advantage);
    return clip == clip_region::none ? log_ratio : static_cast<T>(clip == clip_region::high ? log_high : -log_low);
  }

 private:
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr clip_region clipped(T log_ratio, T advantage) const {
    if (advantage > T(0) && log_ratio > static_cast<T>(log_high)) return clip_region::high;
    if (advantage < T(0) && log_ratio < static_cast<T>(-log_low)) return clip_region::low;
    return clip_region::none;
  }
};

/// VESPO's weight of a response from the log S of its ratio: phi = exp(lambda + k S - lambda e^S), which is 1 at S = 0
/// and falls to 0 on both sides; k and lambda depend on the sign of the advantage (0 counts as positive, as in TRL).
struct vespo_weight {
  double k_positive = 2;
  double lambda_positive = 3;
  double k_negative = 3;
  double lambda_negative = 2;
  double log_low = -18.420680743952367;  ///< S is clamped from below: ln 1e-8
  double log_high = 20;                  ///< and from above; e^20 makes phi 0

  /// @param sum_log_ratio  sum over the response of the token log-ratios, each clamped to +-20
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD T operator()(T sum_log_ratio, T advantage) const {
    T const bottom = static_cast<T>(log_low);
    T const top = static_cast<T>(log_high);
    T const s = sum_log_ratio < bottom ? bottom : (sum_log_ratio > top ? top : sum_log_ratio);
    bool const positive = advantage >= T(0);
    T const k = static_cast<T>(positive ? k_positive : k_negative);
    T const lambda = static_cast<T>(positive ? lambda_positive : lambda_negative);
    return std::exp(lambda + k * s - lambda * std::exp(s));
  }
};

/// -sg(phi) A l.  Needs `summarise_sequence` with the objective.
struct vespo {
  vespo_weight weight{};
  double max_log_ratio = 20;  ///< of one token, before the sum

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    T const phi = weight(sample.sequence.term, sample.advantage);
    return detail::score_function_loss(phi * sample.advantage, sample.log_prob);
  }

  /// clamp(u_t) + clamp(ln sample.weight): the correction of the sampler's mismatch is part of the ratio.
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD T sequence_term(token_sample<T> const& sample) const {
    T const limit = static_cast<T>(max_log_ratio);
    T const log_ratio = detail::log_ratio_of(sample, ratio_anchor::old_policy);
    T const bounded = log_ratio < -limit ? -limit : (log_ratio > limit ? limit : log_ratio);
    if (sample.weight == T(1)) return bounded;
    T const bottom = static_cast<T>(weight.log_low);
    T const correction = sample.weight > T(0) ? std::log(sample.weight) : bottom;
    return bounded + (correction < bottom ? bottom : (correction > limit ? limit : correction));
  }
};

/// `Kl` times the geometric sequence ratio, which is differentiated too (TRL's use_bias_correction_kl at sequence
/// level).  Needs `summarise_sequence` with the objective that contains it.
template <class Kl>
struct sequence_ratio_weighted {
  Kl estimator{};

  template <std::floating_point T>
  requires kl_estimator<Kl, T>
  [[nodiscard]] RLVR_HD kl_value<T> operator()(token_sample<T> const& sample) const {
    auto const [ratio, slope] = detail::importance_ratio_of(sample.sequence.mean_log_ratio);
    kl_value<T> const kl = estimator(sample.log_prob, sample.reference_log_prob);
    return {ratio * kl.value, ratio * kl.d_log_prob + slope * sample.sequence.mean_kl};
  }

  /// The estimate itself; its mean over the row is what a token's gradient needs.
  template <std::floating_point T>
  requires kl_estimator<Kl, T>
  [[nodiscard]] RLVR_HD T sequence_kl_term(token_sample<T> const& sample) const {
    return estimator(sample.log_prob, sample.reference_log_prob).value;
  }
};
template <class Kl>
sequence_ratio_weighted(Kl) -> sequence_ratio_weighted<Kl>;

static_assert(token_objective<sequence_clip> && token_objective<sequence_clip, double>);
static_assert(token_objective<gmpo> && token_objective<vespo> && token_objective<vespo, double>);
static_assert(sample_kl_estimator<sequence_ratio_weighted<k3>> && !kl_estimator<sequence_ratio_weighted<k3>>);

RLVR_NAMESPACE_END
