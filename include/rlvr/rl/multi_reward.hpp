// SPDX-License-Identifier: MIT
/// @file
/// Normalised rewards and several rewards per response.
///
///   reward_normalisation   (r - mean) / (std + epsilon), mean and std each of the batch, of the group, or left out
///                          (ROLL's grid; TRL's scale_rewards: mean of the group, std of the group, the batch, or none)
///   weighted_reward_sum    sum_k w_k r_k, then any estimator: one baseline for the sum
///   normalise_then_sum     sum_k w_k A(r_k): an estimator per reward, so that a reward of small spread keeps its
///                          weight (GDPO, Liu et al. 2026, 2601.05242); a normalisation of the batch usually follows:
///                          `whitening` over tokens (verl), or `reward_normalisation` over responses (NeMo-RL, TRL)
///   multi_reward           TRL's two ways in one value
///   exclude_without_baseline   keeps responses without a baseline out of a normalisation that follows
///
/// Rewards of a batch with K rewards each are row-major: response i has rewards[i * K .. i * K + K).
///
/// Bias: a mean of the group or batch includes the response itself and shrinks the expected gradient by 1 - 1/n; a
/// standard deviation reweights prompts (of the group) or only sets the step size (of the batch).
///
/// Edge cases: a reward that is not finite is missing: it counts nowhere and contributes 0; where all rewards of a
/// response are missing, its sum is NaN, which every estimator and normalisation turns into advantage exactly 0.  Where
/// the standard deviation is 0 (or of fewer than two rewards) nothing is divided.  Sources: TRL @ f2cd57710ae3, verl @
/// 1dda039b9c63, ROLL @ 8eb27cc2dc34, NeMo-RL @ 7ea279abfbeb.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/rl/advantage.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN

/// Over which rewards a mean or a standard deviation is taken.
enum class statistic_scope : std::uint8_t {
  none,   ///< not used: mean 0, standard deviation 1
  group,  ///< the responses to one prompt
  batch   ///< all responses of the step; ROLL's `running`: pass the `merge` of all steps so far as the batch
};

/// (r - mean) / (std + epsilon).
struct reward_normalisation {
  statistic_scope mean = statistic_scope::group;
  statistic_scope deviation = statistic_scope::group;
  double epsilon = 1e-6;  ///< verl, slime, ROLL, NeMo-RL; TRL: 1e-4; NeMo-RL's GDPO: 0
  int ddof = 1;

  /// One reward, given the statistics of its group and of the batch.
  [[nodiscard]] RLVR_HD double operator()(double reward, reward_statistics const& group,
                                          reward_statistics const& batch) const {
    if (!std::isfinite(reward)) return 0;
    double centred = reward;
    if (mean == statistic_scope::group) centred = reward - group.mean;
    if (mean == statistic_scope::batch) centred = reward - batch.mean;
    if (deviation == statistic_scope::none) return centred;
    reward_statistics const& scale = deviation == statistic_scope::group ? group : batch;
    if (scale.all_equal || scale.count <= ddof) return centred;
    return centred / (scale.standard_deviation(ddof) + epsilon);
  }

  /// Normalises a batch whose i-th response belongs to the prompt `group[i]`.  `normalised` may be `rewards`.
  /// Throws shape_error where the sizes differ.
  template <std::floating_point T, std::integral Id>
  void apply(std::span<T const> rewards, std::span<Id const> group, std::span<T> normalised) const {
    if (rewards.size() != group.size() || rewards.size() != normalised.size())
      throw shape_error("reward_normalisation: " + text_of(rewards.size()) + " rewards, " + text_of(group.size()) +
                        " group ids and room for " + text_of(normalised.size()) + " results must be equally many");
    reward_statistics const batch = summarise_rewards(static_cast<std::int64_t>(rewards.size()), [&](std::int64_t i) {
      return rewards[static_cast<std::size_t>(i)];
    });
    for_each_group(group, [&](std::span<std::size_t const> members) {
      reward_statistics const own = summarise_rewards(static_cast<std::int64_t>(members.size()), [&](std::int64_t i) {
        return rewards[members[static_cast<std::size_t>(i)]];
      });
      for (std::size_t const i : members)
        normalised[i] = static_cast<T>((*this)(static_cast<double>(rewards[i]), own, batch));
    });
  }

  /// Normalises a batch of equal groups, each a run of `group_size` neighbours.
  /// Throws shape_error where the sizes do not fit.
  template <std::floating_point T>
  void apply(std::span<T const> rewards, std::size_t group_size, std::span<T> normalised) const {
    if (group_size == 0 || rewards.size() % group_size != 0)
      throw shape_error("reward_normalisation: " + text_of(rewards.size()) + " rewards cannot form groups of " +
                        text_of(group_size));
    std::vector<std::size_t> group(rewards.size());
    for (std::size_t i = 0; i < group.size(); ++i) group[i] = i / group_size;
    apply(rewards, std::span<std::size_t const>(group), normalised);
  }
};

/// Sets to NaN the advantages of responses that had no baseline: their reward is not finite, or no other finite one
/// belongs to their group.  A `reward_normalisation` that follows leaves them out of its statistics and gives them 0,
/// instead of counting their zeros (TRL's RLOO).  Throws shape_error where the sizes differ.
template <std::floating_point T, std::integral Id>
void exclude_without_baseline(std::span<T const> rewards, std::span<Id const> group, std::span<T> advantages) {
  if (rewards.size() != group.size() || rewards.size() != advantages.size())
    throw shape_error("exclude_without_baseline: " + text_of(rewards.size()) + " rewards, " + text_of(group.size()) +
                      " group ids and " + text_of(advantages.size()) + " advantages must be equally many");
  for_each_group(group, [&](std::span<std::size_t const> members) {
    std::size_t scorable = 0;
    for (std::size_t const i : members) scorable += std::isfinite(rewards[i]) ? 1 : 0;
    for (std::size_t const i : members)
      if (scorable < 2 || !std::isfinite(rewards[i])) advantages[i] = std::numeric_limits<T>::quiet_NaN();
  });
}

/// sums[i] = sum_k weights[k] * rewards[i * K + k] over the rewards that are finite; NaN where none is.
/// Throws shape_error where the sizes do not fit.
template <std::floating_point T>
void weighted_reward_sum(std::span<T const> rewards, std::span<T const> weights, std::span<T> sums) {
  if (weights.empty() || rewards.size() != weights.size() * sums.size())
    throw shape_error("weighted_reward_sum: " + text_of(rewards.size()) + " rewards are not " +
                      text_of(weights.size()) + " for each of " + text_of(sums.size()) + " responses");
  for (std::size_t i = 0; i < sums.size(); ++i) {
    double sum = 0;
    bool any = false;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      T const reward = rewards[i * weights.size() + k];
      if (!std::isfinite(reward)) continue;
      sum += static_cast<double>(weights[k]) * static_cast<double>(reward);
      any = true;
    }
    sums[i] = any ? static_cast<T>(sum) : std::numeric_limits<T>::quiet_NaN();
  }
}

/// sums[i] = sum_k weights[k] * advantage of rewards[i * K + k] among the k-th rewards of its group; NaN where all
/// rewards of a response are missing.  Throws shape_error where the sizes do not fit.
template <class Estimator, std::floating_point T, std::integral Id>
requires(advantage_estimator<Estimator> ||
         whole_group_estimator<Estimator>) void normalise_then_sum(Estimator const& estimator,
                                                                   std::span<T const> rewards,
                                                                   std::span<T const> weights,
                                                                   std::span<Id const> group, std::span<T> sums) {
  if (weights.empty() || rewards.size() != weights.size() * sums.size() || group.size() != sums.size())
    throw shape_error("normalise_then_sum: " + text_of(rewards.size()) + " rewards, " + text_of(weights.size()) +
                      " weights and " + text_of(group.size()) + " group ids do not fit " + text_of(sums.size()) +
                      " responses");
  std::vector<T> column(sums.size());
  std::vector<T> advantages(sums.size());
  std::vector<double> totals(sums.size(), 0);
  std::vector<std::uint8_t> any(sums.size(), 0);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    for (std::size_t i = 0; i < column.size(); ++i) {
      column[i] = rewards[i * weights.size() + k];
      if (std::isfinite(column[i])) any[i] = 1;
    }
    group_advantages(estimator, std::span<T const>(column), group, std::span<T>(advantages));
    for (std::size_t i = 0; i < column.size(); ++i)
      totals[i] += static_cast<double>(weights[k]) * static_cast<double>(advantages[i]);
  }
  for (std::size_t i = 0; i < sums.size(); ++i)
    sums[i] = any[i] != 0 ? static_cast<T>(totals[i]) : std::numeric_limits<T>::quiet_NaN();
}

/// How several rewards become one advantage.
enum class reward_aggregation : std::uint8_t {
  sum_then_normalise,  ///< weighted sum, minus the group's mean, over the standard deviation of `scale`
  normalise_then_sum  ///< z-score of each reward in its group, weighted sum, z-score in the batch (`scale` is not read)
};

/// TRL's treatment of several rewards.
struct multi_reward {
  reward_aggregation aggregation = reward_aggregation::sum_then_normalise;
  statistic_scope scale = statistic_scope::group;
  double epsilon = 1e-4;
  int ddof = 1;

  /// Advantages of a batch with `weights.size()` rewards per response.  Throws shape_error where the sizes do not fit.
  template <std::floating_point T, std::integral Id>
  void apply(std::span<T const> rewards, std::span<T const> weights, std::span<Id const> group,
             std::span<T> advantages) const {
    std::span<T const> const sums(advantages);
    if (aggregation == reward_aggregation::sum_then_normalise) {
      weighted_reward_sum(rewards, weights, advantages);
      reward_normalisation{.mean = statistic_scope::group, .deviation = scale, .epsilon = epsilon, .ddof = ddof}.apply(
          sums, group, advantages);
    } else {
      normalise_then_sum(group_z_score{.epsilon = epsilon, .ddof = ddof}, rewards, weights, group, advantages);
      reward_normalisation{
          .mean = statistic_scope::batch, .deviation = statistic_scope::batch, .epsilon = epsilon, .ddof = ddof}
          .apply(sums, group, advantages);
    }
  }
};

RLVR_NAMESPACE_END
