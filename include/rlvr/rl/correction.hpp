// SPDX-License-Identifier: MIT
/// @file
/// Mismatch between the sampler and the trainer.  With o = log-probability under the trainer's policy at the start of
/// the step, b = as the sampler reported it, the log-ratio x = o - b of a token and w = e^x:
///
///   importance_weight   truncate: clamp(w, lower, upper)    TIS      mask: w inside [lower, upper], else 0    IcePop
///   importance_level    token x_t; sequence sum_t x_t (product of ratios); geometric mean_t x_t; segment: mean over
///                       each run of consecutive tokens that count (one turn of an agent)
///   rejection           keep while lower <= k(x) <= upper with k1 = -x, k2 = x^2 / 2, k3 = e^x - x - 1, per token, or
///                       as sum, mean or maximum of the row
///   off_policy_mask     drop rows with A < 0 and mean(b - l) > threshold, l under the policy that is trained
///   sampling_log_prob   log(p / S): what a sampler that kept the mass S (top-p, top-k, min-p) really drew with
///   normalise_weights   w / mean of the batch's weights
///
/// Figures about the mismatch: rl/mismatch.hpp.  A weight is a constant of the loss: it has no derivative; it
/// multiplies the token's loss (`importance_weighted`).  E_b[w f] = E_o[f] holds for the untruncated weight of what was
/// sampled: the product for a response, the token's own ratio given its prefix.  Truncation bounds the variance and
/// loses E_b[(w - upper)+ f]; masking drops what it does not trust; a geometric mean is a measure of drift, no
/// importance weight; dividing by the mean has a bias that falls with the batch.
///
/// Edge cases: only positions whose mask is true are read (others may hold NaN) and they get weight 0; a row without
/// tokens has log-ratio 0; x is bounded where a log-prob is -inf, 0 where both are (rl/importance_ratio.hpp), and
/// clamped to +-max_log_ratio before the exponential, which saturates at e^60 in float, e^700 in double.  A token whose
/// log-prob is NaN has weight 0 and is rejected.
///
/// Sources: TIS per token and sequence, the rejection rules: verl 1dda039b9c63 `rollout_corr_helper`; modes with two
/// bounds, off-policy mask, kept mass: TRL f2cd57710ae3 and its issue #6789; granularities: ROLL 8eb27cc2dc34.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/importance_ratio.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/same_length.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// What happens to a weight outside its bounds.
enum class out_of_bounds : std::uint8_t {
  truncate,  ///< it becomes the bound (TIS)
  mask       ///< it becomes 0 (IcePop, masked importance sampling)
};

/// Which log-ratio a token's weight is made of.
enum class importance_level : std::uint8_t { token, sequence, geometric, segment };

/// A log-ratio to a bounded importance weight.
struct importance_weight {
  double lower = 0;  ///< 0: none
  double upper = 2;  ///< verl, slime 2; TRL 3; ROLL 1.2; OpenRLHF 5
  out_of_bounds beyond = out_of_bounds::truncate;
  double max_log_ratio = unlimited;  ///< x is clamped to +- this first; verl uses 20

  /// exp(x), clamped before the exponential only.
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD T unbounded(T log_ratio) const {
    return detail::importance_ratio_of(log_ratio, max_log_ratio).value;
  }
  /// Whether the bounds leave exp(x) alone.
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD bool inside(T log_ratio) const {
    T const w = unbounded(log_ratio);
    return w >= static_cast<T>(lower) && w <= static_cast<T>(upper);
  }
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD T operator()(T log_ratio) const {
    T const w = unbounded(log_ratio);
    if (inside(log_ratio)) return w;
    if (beyond == out_of_bounds::mask || !(w == w)) return T(0);
    return w < static_cast<T>(lower) ? static_cast<T>(lower) : static_cast<T>(upper);
  }
  /// The weight of a token on its own.
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD T operator()(token_sample<T> const& sample) const {
    return (*this)(detail::log_ratio_of(sample.old_log_prob, sample.behaviour_log_prob));
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(lower >= 0)) throw argument_error("importance_weight: lower must not be negative");
    if (!(upper >= lower)) throw argument_error("importance_weight: upper must not be less than lower");
    if (!(max_log_ratio > 0)) throw argument_error("importance_weight: max_log_ratio must be positive");
  }
};

/// Sum and count of log-ratios over tokens that count.
struct log_ratio_sum {
  double sum = 0;
  std::int64_t count = 0;

  /// 0 without tokens.  `epsilon` is added to the count (verl and ROLL: 1e-8).
  [[nodiscard]] RLVR_HD constexpr double mean(double epsilon = 0) const {
    return count > 0 ? sum / (static_cast<double>(count) + epsilon) : 0;
  }
};

/// sum_t (numerator - denominator) over one row.  Throws shape_error where the sizes differ.
template <std::floating_point T>
[[nodiscard]] log_ratio_sum sum_log_ratios(std::span<T const> numerator, std::span<T const> denominator,
                                           std::span<bool const> mask) {
  detail::require_same_length("sum_log_ratios", numerator.size(), denominator.size(), mask.size());
  log_ratio_sum result{};
  for (std::size_t t = 0; t < mask.size(); ++t) {
    if (!mask[t]) continue;
    result.sum += detail::log_ratio_of(static_cast<double>(numerator[t]), static_cast<double>(denominator[t]));
    ++result.count;
  }
  return result;
}

/// Log-ratio of every token of one row at a level; 0 where the mask is false.  `length_epsilon` is added to the counts
/// of the geometric means (ROLL: 1e-8).  Throws shape_error where the sizes differ.
template <std::floating_point T>
void importance_log_ratios(importance_level level, std::span<T const> old_log_prob,
                           std::span<T const> behaviour_log_prob, std::span<bool const> mask, std::span<T> log_ratios,
                           double length_epsilon = 0) {
  detail::require_same_length("importance_log_ratios", mask.size(), old_log_prob.size(), behaviour_log_prob.size(),
                              log_ratios.size());
  auto const fill = [&](std::size_t begin, std::size_t end, T x) {
    for (std::size_t t = begin; t < end; ++t) log_ratios[t] = mask[t] ? x : T(0);
  };
  std::size_t const size = mask.size();
  if (level == importance_level::token) {
    for (std::size_t t = 0; t < size; ++t)
      log_ratios[t] = mask[t] ? detail::log_ratio_of(old_log_prob[t], behaviour_log_prob[t]) : T(0);
  } else if (level == importance_level::segment) {
    for (std::size_t begin = 0, end = 0; begin < size; begin = end) {
      for (end = begin + 1; end < size && mask[end] == mask[begin];) ++end;
      std::size_t const count = end - begin;
      log_ratio_sum const run = sum_log_ratios(old_log_prob.subspan(begin, count),
                                               behaviour_log_prob.subspan(begin, count), mask.subspan(begin, count));
      fill(begin, end, static_cast<T>(run.mean(length_epsilon)));
    }
  } else {
    log_ratio_sum const row = sum_log_ratios(old_log_prob, behaviour_log_prob, mask);
    fill(0, size, static_cast<T>(level == importance_level::sequence ? row.sum : row.mean(length_epsilon)));
  }
}

/// Weights of one row; 0 where the mask is false.
template <std::floating_point T>
void importance_weights(importance_weight const& rule, importance_level level, std::span<T const> old_log_prob,
                        std::span<T const> behaviour_log_prob, std::span<bool const> mask, std::span<T> weights,
                        double length_epsilon = 0) {
  importance_log_ratios(level, old_log_prob, behaviour_log_prob, mask, weights, length_epsilon);
  for (std::size_t t = 0; t < mask.size(); ++t) weights[t] = mask[t] ? rule(weights[t]) : T(0);
}

/// Which divergence a rejection looks at.
enum class rejection_estimator : std::uint8_t { k1, k2, k3 };

/// Over what it is taken.
enum class rejection_scope : std::uint8_t { token, row_sum, row_mean, row_max };

/// Drops tokens, or whole rows, whose mismatch lies outside [lower, upper].
struct rejection {
  rejection_estimator estimator = rejection_estimator::k2;
  rejection_scope scope = rejection_scope::token;
  double lower = -unlimited;
  double upper = unlimited;
  double max_log_ratio = 20;  ///< x is clamped to +- this first

  /// k1 between the logarithms of two bounds, which therefore bound e^k1 = b / o, the *inverse* ratio, as verl does at
  /// its commit: bounds 0.6 and 1.4 keep ratios in [1/1.4, 1/0.6].
  [[nodiscard]] static rejection inverse_ratio(rejection_scope scope, double low, double high) {
    return {.estimator = rejection_estimator::k1, .scope = scope, .lower = std::log(low), .upper = std::log(high)};
  }
  /// k1 such that the ratio o / b itself (of a token, or e^ of the row's sum or mean) is kept within [low, high].
  [[nodiscard]] static rejection ratio(rejection_scope scope, double low, double high) {
    return inverse_ratio(scope, 1 / high, 1 / low);
  }

  /// The divergence of one token.
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD T divergence(T old_log_prob, T behaviour_log_prob) const {
    T const x = detail::log_ratio_of(old_log_prob, behaviour_log_prob);
    if (estimator == rejection_estimator::k1) return k1{.input_clamp = max_log_ratio}(T(0), x).value;
    if (estimator == rejection_estimator::k2) return k2{.input_clamp = max_log_ratio}(T(0), x).value;
    return k3{.input_clamp = max_log_ratio}(T(0), x).value;
  }
  /// Whether a divergence (of a token or of a row) is within the bounds; NaN is not.
  [[nodiscard]] RLVR_HD constexpr bool keeps(double value) const { return value >= lower && value <= upper; }

  /// keep[t] &= the rule's verdict, for one row; positions whose mask is false become false.  Divergences are taken
  /// over `mask`, not over `keep`: the order of several rules does not matter.  Throws shape_error where sizes differ.
  template <std::floating_point T>
  void apply(std::span<T const> old_log_prob, std::span<T const> behaviour_log_prob, std::span<bool const> mask,
             std::span<bool> keep) const {
    detail::require_same_length("rejection", mask.size(), old_log_prob.size(), behaviour_log_prob.size(), keep.size());
    double sum = 0, largest = -unlimited;
    std::int64_t count = 0;
    bool comparable = true;
    for (std::size_t t = 0; t < mask.size(); ++t) {
      if (!mask[t]) {
        keep[t] = false;
        continue;
      }
      double const value = static_cast<double>(divergence(old_log_prob[t], behaviour_log_prob[t]));
      if (scope == rejection_scope::token) keep[t] = keep[t] && keeps(value);
      sum += value;
      largest = value > largest ? value : largest;
      comparable = comparable && value == value;
      ++count;
    }
    if (scope == rejection_scope::token || count == 0) return;
    double const value = scope == rejection_scope::row_sum    ? sum
                         : scope == rejection_scope::row_mean ? sum / static_cast<double>(count)
                                                              : largest;
    if (comparable && keeps(value)) return;
    for (std::size_t t = 0; t < mask.size(); ++t) keep[t] = false;
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(lower <= upper)) throw argument_error("rejection: lower must not exceed upper");
    if (!(max_log_ratio > 0)) throw argument_error("rejection: max_log_ratio must be positive");
  }
};

/// Drops sequences of negative advantage that the trained policy has moved away from (TRL
/// `off_policy_mask_threshold`, DeepSeek-V3.2; slime's OPSM with the old policy in place of the sampler).
struct off_policy_mask {
  double threshold = 0.0001;  ///< of the mean of behaviour - current log-prob; slime's delta

  /// @param drift  `sum_log_ratios(behaviour, current, mask).mean()` of the token's row
  [[nodiscard]] RLVR_HD constexpr bool operator()(double advantage, double drift) const {
    return advantage >= 0 || drift <= threshold;
  }
};

/// log(p / S): the probability with which a truncating sampler drew the token, from p under the whole vocabulary and
/// the mass S in (0, 1] of the tokens that it kept.  A sampler that renormalises reports log(q / S_q); against the
/// trainer's plain log p the ratio is too small by S even on-policy.  Correct one side: `sampling_log_prob(o, S_p)`,
/// S_p the trainer's mass of the same tokens (`kept_mass`), gives exact weights for expectations under p restricted to
/// them; b + log S_q, if the sampler tells S_q, the same up to the factor S_p / S_q.  No weight restores what was cut.
/// Where nothing was kept, and for S > 1: p.
template <std::floating_point T>
[[nodiscard]] RLVR_HD T sampling_log_prob(T log_prob, T kept_mass) {
  return kept_mass > T(0) && kept_mass < T(1) ? log_prob - std::log(kept_mass) : log_prob;
}

/// Probability of the tokens that a sampler keeps, from the log-probs of the whole vocabulary.  Throws shape_error
/// where the sizes differ.
template <std::floating_point T>
[[nodiscard]] T kept_mass(std::span<T const> log_probs, std::span<bool const> kept) {
  detail::require_same_length("kept_mass", log_probs.size(), kept.size());
  double mass = 0;
  for (std::size_t v = 0; v < log_probs.size(); ++v)
    if (kept[v]) mass += std::exp(static_cast<double>(log_probs[v]));
  return static_cast<T>(math::min(mass, 1.0));
}

/// What `normalise_weights` makes 1.
enum class weight_mean : std::uint8_t {
  tokens,  ///< the mean over the tokens that count
  rows     ///< the mean over rows with such tokens of their mean
};

/// Divides the weights of a batch by their mean (verl's `rollout_is_batch_normalize`) and returns it; weights whose
/// mean is not positive stay as they are.  Rows are packed (`aggregate`).  `epsilon` is added to counts of tokens
/// (verl: 1e-8).  The mean is that of the rows given here: over ranks, add up first.  Throws shape_error where sizes
/// differ.
template <std::floating_point T>
double normalise_weights(weight_mean over, std::span<T> weights, std::span<bool const> mask,
                         std::span<std::int64_t const> row_offsets, double epsilon = 0) {
  detail::require_packed_rows("normalise_weights", weights.size(), mask.size(), row_offsets);
  double total = 0, row_means = 0, tokens = 0, rows = 0;
  for (std::size_t row = 0; row + 1 < row_offsets.size(); ++row) {
    double sum = 0, length = 0;
    for (auto t = static_cast<std::size_t>(row_offsets[row]); t < static_cast<std::size_t>(row_offsets[row + 1]); ++t) {
      if (!mask[t]) continue;
      sum += static_cast<double>(weights[t]);
      length += 1;
    }
    total += sum;
    tokens += length;
    row_means += length > 0 ? sum / (length + epsilon) : 0;
    rows += length > 0 ? 1 : 0;
  }
  double const mean =
      over == weight_mean::rows ? (rows > 0 ? row_means / rows : 0) : (tokens > 0 ? total / (tokens + epsilon) : 0);
  if (!(mean > 0)) return mean;
  for (std::size_t t = 0; t < weights.size(); ++t)
    if (mask[t]) weights[t] = static_cast<T>(static_cast<double>(weights[t]) / mean);
  return mean;
}

static_assert(std::is_trivially_copyable_v<importance_weight> && std::is_trivially_copyable_v<rejection>);
static_assert(std::is_trivially_copyable_v<off_policy_mask> && std::is_trivially_copyable_v<log_ratio_sum>);

RLVR_NAMESPACE_END
