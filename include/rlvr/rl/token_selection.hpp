// SPDX-License-Identifier: MIT
/// @file
/// Selections that need the whole batch: which tokens an objective treats in a special way.  They set flags; what a
/// flag means is the objective's: `restricted_to{f, token_choice::selected}` keeps the policy term on the selected
/// tokens, `token_choice::not_selected` drops it there, `kl_cov` adds a penalty there.
///
///   select_high_entropy   entropy >= the q-quantile of the tokens that count    Wang et al. 2025 (2506.01939); TRL
///   select_clip_cov       low < cov < high, of those a quota at random          Clip-Cov, Cui et al. 2025 (2505.22617)
///   select_kl_cov         the tokens of highest cov                             KL-Cov, same paper
///
/// with cov_t = (A_t - mean A)(l_t - mean l), means over the tokens that count (`token_covariances`).  Selections are
/// constants of the derivative.  They depend on the batch they are given: over a micro-batch they choose other tokens
/// than over the step (verl PR 7830), so gather the whole step first.  Positions whose mask is false are not read and
/// not selected; a batch without tokens selects nothing.  Ties: equal covariances are chosen in order of position.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/core/sort.hpp>
#include <rlvr/rl/same_length.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace detail {

/// max(1, floor(share * tokens)), or 0 without tokens.
inline std::size_t selection_quota(double share, std::size_t tokens) {
  if (tokens == 0) return 0;
  auto const quota = static_cast<std::size_t>(share * static_cast<double>(tokens));
  return math::min(tokens, math::max<std::size_t>(quota, 1));
}

}  // namespace detail

/// The q-quantile of numbers, linear between the two order statistics at q (n - 1) (torch.quantile's and NumPy's
/// default); 0 <= q <= 1.  0 for no numbers.
template <std::floating_point T>
[[nodiscard]] T linear_quantile(std::span<T const> values, double q) {
  if (!(q >= 0 && q <= 1)) throw argument_error("linear_quantile: q must lie in [0, 1]");
  if (values.empty()) return T(0);
  std::vector<T> sorted(values.begin(), values.end());
  double const place = q * static_cast<double>(sorted.size() - 1);
  auto const lower = static_cast<std::size_t>(place);
  detail::sort_stably(sorted, [](T a, T b) { return a < b; });
  T const below = sorted[lower];
  T const weight = static_cast<T>(place - static_cast<double>(lower));
  if (weight == T(0)) return below;
  return below + weight * (sorted[lower + 1] - below);
}

/// Selects the tokens whose entropy is at least the `quantile` of those that count; returns that threshold.
/// @param quantile  share of tokens that are left out: 0.8 keeps the top 20 %
template <std::floating_point T>
T select_high_entropy(std::span<T const> entropy, std::span<bool const> mask, double quantile,
                      std::span<bool> selected) {
  detail::require_same_length("select_high_entropy", entropy.size(), mask.size(), selected.size());
  std::vector<T> counting;
  for (std::size_t i = 0; i < entropy.size(); ++i)
    if (mask[i]) counting.push_back(entropy[i]);
  T const threshold = linear_quantile(std::span<T const>(counting), quantile);
  for (std::size_t i = 0; i < entropy.size(); ++i) selected[i] = mask[i] && entropy[i] >= threshold;
  return threshold;
}

/// cov_t of every token that counts; 0 elsewhere.
template <std::floating_point T>
void token_covariances(std::span<T const> advantage, std::span<T const> log_prob, std::span<bool const> mask,
                       std::span<T> covariance) {
  detail::require_same_length("token_covariances", advantage.size(), log_prob.size(), mask.size(), covariance.size());
  double tokens = 0, advantages = 0, log_probs = 0;
  for (std::size_t i = 0; i < advantage.size(); ++i) {
    if (!mask[i]) continue;
    tokens += 1;
    advantages += static_cast<double>(advantage[i]);
    log_probs += static_cast<double>(log_prob[i]);
  }
  for (std::size_t i = 0; i < advantage.size(); ++i)
    covariance[i] = mask[i] ? static_cast<T>((static_cast<double>(advantage[i]) - advantages / tokens) *
                                             (static_cast<double>(log_prob[i]) - log_probs / tokens))
                            : T(0);
}

/// Clip-Cov's candidates and quota.
struct clip_cov_rule {
  double low = 1;  ///< candidates have low < cov < high
  double high = 5;
  double share = 0.0002;  ///< of the tokens that count, at least one token (verl); 1 takes every candidate
};

/// Selects Clip-Cov's tokens; returns how many.
/// @param clipped  tokens that PPO clips already are no candidates (`loss_value::clip` low or high)
/// @param seed     of the choice among more candidates than the quota allows
template <std::floating_point T>
std::size_t select_clip_cov(clip_cov_rule const& rule, std::span<T const> covariance, std::span<bool const> mask,
                            std::span<bool const> clipped, std::uint64_t seed, std::span<bool> selected) {
  detail::require_same_length("select_clip_cov", covariance.size(), mask.size(), clipped.size(), selected.size());
  std::size_t tokens = 0;
  std::vector<std::pair<std::uint64_t, std::size_t>> candidates;
  for (std::size_t i = 0; i < covariance.size(); ++i) {
    selected[i] = false;
    if (!mask[i]) continue;
    ++tokens;
    T const cov = covariance[i];
    if (!clipped[i] && cov > static_cast<T>(rule.low) && cov < static_cast<T>(rule.high))
      candidates.emplace_back(sample_key{.seed = seed, .position = static_cast<std::uint32_t>(i)}.bits(), i);
  }
  std::size_t const count = math::min(candidates.size(), detail::selection_quota(rule.share, tokens));
  detail::sort_stably(candidates, [](auto const& a, auto const& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < count; ++i) selected[candidates[i].second] = true;
  return count;
}

/// Selects the max(1, floor(share * tokens)) tokens of highest covariance; returns how many.
/// @param share  verl 2e-4, SkyRL 0.2
template <std::floating_point T>
std::size_t select_kl_cov(double share, std::span<T const> covariance, std::span<bool const> mask,
                          std::span<bool> selected) {
  detail::require_same_length("select_kl_cov", covariance.size(), mask.size(), selected.size());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < covariance.size(); ++i) {
    selected[i] = false;
    if (mask[i]) order.push_back(i);
  }
  std::size_t const count = detail::selection_quota(share, order.size());
  detail::sort_stably(order, [&](std::size_t a, std::size_t b) { return covariance[a] > covariance[b]; });
  for (std::size_t i = 0; i < count; ++i) selected[order[i]] = true;
  return count;
}

RLVR_NAMESPACE_END
