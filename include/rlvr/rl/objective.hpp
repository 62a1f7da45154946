// SPDX-License-Identifier: MIT
/// @file
/// Token losses that need only the token itself.  With l, o = log-probabilities under the new and the old policy,
/// A = advantage and the importance ratio r = exp(l - o):
///
///   ppo_clip        max(-A r, -A clamp(r, 1 - low, 1 + high))       Schulman et al. 2017 (1707.06347), eq. 7
///     low != high   clip-higher                                     DAPO, Yu et al. 2025 (2503.14476), eq. 10
///     dual_clip c   for A < 0 additionally min(., -A c)             Ye et al. 2020 (1912.09729), eq. 5
///     ratio_cap d   r is capped at d in the unclipped branch        INTELLECT-2 (2505.07291), two-sided clipping
///   reinforce       -A l                                            Williams 1992
///   cross_entropy   -l                                              supervised fine-tuning; reads no advantage
///
/// Derivatives with respect to l are exact.  At a kink the branch that is *not* clipped wins the tie: a token counts
/// as clipped only where the clipped branch is strictly larger (for dual clip: the cap strictly smaller), so a ratio
/// exactly on a bound still has its gradient.  Where a log-ratio lies beyond `max_log_ratio` the ratio is constant and
/// the gradient 0.  A token with A = 0 has loss and gradient 0, however large its ratio.  Ratios saturate instead of
/// overflowing, and -A l counts a log-probability of -inf as `least_log_prob` (rl/importance_ratio.hpp): losses are
/// finite for every sample whose advantage is.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/rl/importance_ratio.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <concepts>

RLVR_NAMESPACE_BEGIN
namespace detail {

/// Where a surrogate clips.
struct clip_bounds {
  double low;
  double high;
  double dual_clip;
  double ratio_cap;
};

/// PPO's clipped surrogate of any ratio; `slope` is its derivative by what `d_log_prob` refers to.
template <std::floating_point T>
[[nodiscard]] RLVR_HD constexpr loss_value<T> clipped_surrogate(T advantage, T ratio, T slope,
                                                                clip_bounds const& bounds) {
  if (advantage == T(0)) return {};
  T const lowest = static_cast<T>(1 - bounds.low);
  T const highest = static_cast<T>(1 + bounds.high);
  T const cap = static_cast<T>(bounds.ratio_cap);
  T const clipped = -advantage * (ratio < lowest ? lowest : (ratio > highest ? highest : ratio));
  bool const capped = ratio > cap;
  T const unclipped = -advantage * (capped ? cap : ratio);

  loss_value<T> loss{.value = unclipped, .d_log_prob = capped ? T(0) : -advantage * slope};
  if (clipped > unclipped) {
    loss.value = clipped;
    loss.d_log_prob = ratio < lowest || ratio > highest ? T(0) : -advantage * slope;
    loss.clip = advantage < T(0) ? clip_region::low : clip_region::high;
  }
  T const ceiling = -advantage * static_cast<T>(bounds.dual_clip);
  if (advantage < T(0) && bounds.dual_clip > 0 && loss.value > ceiling) {
    loss.value = ceiling;
    loss.d_log_prob = T(0);
    loss.clip = clip_region::dual;
  }
  return loss;
}

}  // namespace detail

/// Clipped importance-ratio objective of PPO and GRPO.
struct ppo_clip {
  double low = 0.2;                  ///< the ratio is clipped below 1 - low (0 <= low <= 1)
  double high = 0.2;                 ///< the ratio is clipped above 1 + high (high >= 0)
  double dual_clip = unlimited;      ///< caps the loss of tokens with A < 0 at -A * dual_clip; > 1; 0 is off as well
  double max_log_ratio = unlimited;  ///< l - o is clamped to +- this before the exponential; verl uses 20
  double ratio_cap = unlimited;      ///< TRL's `delta`: caps the ratio in the unclipped branch; > 1 + high

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD loss_value<T> operator()(token_sample<T> const& sample) const {
    if (sample.advantage == T(0)) return {};
    T const log_ratio = detail::log_ratio_of(sample.log_prob, sample.old_log_prob);
    auto const [ratio, slope] = detail::importance_ratio_of(log_ratio, max_log_ratio);
    return detail::clipped_surrogate(sample.advantage, ratio, slope, {low, high, dual_clip, ratio_cap});
  }

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(low >= 0 && low <= 1)) throw argument_error("ppo_clip: low must lie in [0, 1]");
    if (!(high >= 0)) throw argument_error("ppo_clip: high must not be negative");
    if (!(dual_clip == 0 || dual_clip > 1)) throw argument_error("ppo_clip: dual_clip must be greater than 1 (0: off)");
    if (!(max_log_ratio > 0)) throw argument_error("ppo_clip: max_log_ratio must be positive");
    if (!(ratio_cap > 1 + high)) throw argument_error("ppo_clip: ratio_cap must be greater than 1 + high");
  }
};

/// The score-function estimator: expected gradient -E[A grad log pi], on-policy and without a ratio.
struct reinforce {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr loss_value<T> operator()(token_sample<T> const& sample) const {
    return detail::score_function_loss(sample.advantage, sample.log_prob);
  }
};

/// Negative log-likelihood of the target token: the SFT loss.
struct cross_entropy {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr loss_value<T> operator()(token_sample<T> const& sample) const {
    return detail::score_function_loss(T(1), sample.log_prob);
  }
};

static_assert(token_objective<ppo_clip> && token_objective<ppo_clip, double>);
static_assert(token_objective<reinforce> && token_objective<reinforce, double>);
static_assert(token_objective<cross_entropy> && token_objective<cross_entropy, double>);

RLVR_NAMESPACE_END
