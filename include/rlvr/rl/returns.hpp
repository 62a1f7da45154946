// SPDX-License-Identifier: MIT
/// @file
/// Returns and advantages per token from the rewards of the tokens, for estimators without a critic.  One response at a
/// time; `mask` says which tokens count (generated tokens, as opposed to padding and tool output).
///
///   discounted_returns      R_t = r_t + gamma R_{t+1}         REINFORCE, REINFORCE++ (Hu et al. 2025, 2501.03262)
///   reward_to_go            the same with gamma = 1
///   greedy_baseline         R_t - b, b the reward of the greedy response     ReMax, Li et al. 2023 (2310.10505)
///   terminal_reward         r_t = -coefficient * kl_t, plus the response's reward at its last token that counts
///   distillation_advantage  A_t + coefficient (log pi_teacher - log pi), the negative reverse KL of the sampled token
///   spread_over_tokens      one number per response to its tokens that count
///   masked_sum              sum of the entries that count
///
/// OpenRLHF's `reinforce`, `rloo`, `reinforce_baseline`, `group_norm` and `dr_grpo` are compositions: an estimator of
/// rl/advantage.hpp on the rewards, a clip, `terminal_reward`, `discounted_returns`, and for the first and third
/// `whitening{.epsilon = 0, .ddof = 0, .min_variance = 1e-8}` over the tokens of the batch.  verl's REINFORCE++ is
/// `discounted_returns`, then `whitening{}`.
///
/// Bias: REINFORCE with any of these returns is unbiased at gamma = 1; `greedy_baseline` stays so because the greedy
/// response does not depend on the sampled one; whitening rescales the gradient and has a bias that falls with the
/// number of tokens.
///
/// Edge cases: entries that do not count are never read into a result and may be NaN; a response of which no token
/// counts has returns 0 everywhere.  Sources: verl @ 1dda039b9c63, OpenRLHF @ 3c3be6234e0c, slime @ 624b824a898a, ROLL
/// @ 8eb27cc2dc34, NeMo-RL @ 7ea279abfbeb, SkyRL @ a9564572eb8e.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/same_length.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

RLVR_NAMESPACE_BEGIN

/// What a token that does not count does to the return that runs past it.
enum class masked_return : std::uint8_t {
  carry,  ///< nothing: the return is passed on undiscounted, and the token's own return is that value (verl)
  reset   ///< it cuts the episode: the token's own return and what it passes on are 0 (SkyRL)
};

/// R_t = r_t + gamma R_{t+1}.
struct discounted_returns {
  double gamma = 1;
  masked_return masked = masked_return::carry;

  /// Returns of one response.  `returns` may be `rewards`.  Throws shape_error where the sizes differ.
  template <std::floating_point T>
  void apply(std::span<T const> rewards, std::span<bool const> mask, std::span<T> returns) const {
    detail::require_same_length("discounted_returns", rewards.size(), mask.size(), returns.size());
    accumulate(
        rewards, [&](std::size_t t) { return mask[t]; }, returns);
  }

  /// Returns of a response all of whose tokens count.
  template <std::floating_point T>
  void apply(std::span<T const> rewards, std::span<T> returns) const {
    detail::require_same_length("discounted_returns", rewards.size(), returns.size());
    accumulate(
        rewards, [](std::size_t) { return true; }, returns);
  }

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(gamma >= 0 && gamma <= 1)) throw argument_error("discounted_returns: gamma must lie in [0, 1]");
  }

 private:
  template <std::floating_point T, class Counts>
  void accumulate(std::span<T const> rewards, Counts const& counts, std::span<T> returns) const {
    double running = 0;
    for (std::size_t t = rewards.size(); t-- > 0;) {
      if (counts(t)) {
        running = static_cast<double>(rewards[t]) + gamma * running;
      } else if (masked == masked_return::reset) {
        running = 0;
      }
      returns[t] = static_cast<T>(running);
    }
  }
};

/// Sum of the rewards from each token on; tokens that do not count add nothing and have the sum that follows them.
template <std::floating_point T>
void reward_to_go(std::span<T const> rewards, std::span<bool const> mask, std::span<T> returns) {
  discounted_returns{}.apply(rewards, mask, returns);
}

/// Reward-to-go minus the reward of the greedy response to the same prompt; 0 where a token does not count.
/// Throws shape_error where the sizes differ.
template <std::floating_point T>
void greedy_baseline(std::span<T const> returns, std::span<bool const> mask, T greedy_reward, std::span<T> advantages) {
  detail::require_same_length("greedy_baseline", returns.size(), mask.size(), advantages.size());
  for (std::size_t t = 0; t < returns.size(); ++t) advantages[t] = mask[t] ? returns[t] - greedy_reward : T(0);
}

/// One number for every token that counts, 0 for the others.  Throws shape_error where the sizes differ.
template <std::floating_point T>
void spread_over_tokens(T value, std::span<bool const> mask, std::span<T> tokens) {
  detail::require_same_length("spread_over_tokens", mask.size(), tokens.size());
  for (std::size_t t = 0; t < mask.size(); ++t) tokens[t] = mask[t] ? value : T(0);
}

/// Sum, in double, of the entries that count.  Throws shape_error where the sizes differ.
template <std::floating_point T>
[[nodiscard]] double masked_sum(std::span<T const> values, std::span<bool const> mask) {
  detail::require_same_length("masked_sum", values.size(), mask.size());
  double sum = 0;
  for (std::size_t t = 0; t < values.size(); ++t) sum += mask[t] ? static_cast<double>(values[t]) : 0;
  return sum;
}

/// Token rewards of a response that is judged as a whole: -kl_coefficient * kl_t at each token that counts, and the
/// clamped reward on top of the last of them.  Tokens that do not count get 0 (unless `penalise_masked`), and a
/// response without tokens that count gets no reward at all (OpenRLHF puts it on the last column, where nothing reads
/// it).  A reward that is not finite after the clamp counts as 0.
struct terminal_reward {
  double kl_coefficient = 0;     ///< OpenRLHF: 0.01; slime: 0
  double lowest = -unlimited;    ///< OpenRLHF: -10, applied *after* the baseline
  double highest = unlimited;    ///< OpenRLHF: 10
  bool penalise_masked = false;  ///< the penalty also where a token does not count; then kl is read there (OpenRLHF)

  /// @param kl       per token, e.g. k1 of rl/kl.hpp; empty: no penalty
  /// @param rewards  receives one reward per token
  /// Throws shape_error where the sizes differ.
  template <std::floating_point T>
  void apply(T reward, std::span<T const> kl, std::span<bool const> mask, std::span<T> rewards) const {
    if (!kl.empty()) detail::require_same_length("terminal_reward", kl.size(), mask.size());
    detail::require_same_length("terminal_reward", rewards.size(), mask.size());
    bool last = true;
    for (std::size_t t = mask.size(); t-- > 0;) {
      double value = 0;
      if ((mask[t] || penalise_masked) && !kl.empty() && kl_coefficient != 0)
        value = -kl_coefficient * static_cast<double>(kl[t]);
      if (mask[t] && last) {
        double const clamped = math::clamp(static_cast<double>(reward), lowest, highest);
        value += std::isfinite(clamped) ? clamped : 0;
        last = false;
      }
      rewards[t] = static_cast<T>(value);
    }
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(lowest <= highest)) throw argument_error("terminal_reward: lowest must not exceed highest");
  }
};

/// A + coefficient * (log pi_teacher - log pi): with A = 0 and coefficient 1 on-policy distillation (NeMo-RL), else
/// distillation on top of any estimator (slime).  The difference is clamped to +-limit; where it is not a number (both
/// log-probabilities -infinity) it is 0.
struct distillation_advantage {
  double coefficient = 1;
  double limit = unlimited;  ///< off; the stacks have none

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T operator()(T advantage, T teacher_log_prob, T log_prob) const {
    T const difference = teacher_log_prob - log_prob;
    T const bound = static_cast<T>(limit);
    if (difference != difference) return advantage;
    return advantage + static_cast<T>(coefficient) * math::clamp(difference, -bound, bound);
  }
};

RLVR_NAMESPACE_END
