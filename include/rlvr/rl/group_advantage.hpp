// SPDX-License-Identifier: MIT
/// @file
/// More advantages of whole responses from the rewards of their group; the common ones are in rl/advantage.hpp.  With r
/// the reward, n, mean and std those of the group:
///
///   gpg_baseline                alpha (r - mean) / f, alpha = responses / responses with r != 0 (all prompts)  GPG,
///                               Chu et al. 2025 (2504.02546); alpha undoes the dilution by zero gradients
///   mean_relative               (r - mean) / (mean + epsilon), 0 where mean <= 0                   MaxRL, prime-rl
///   leave_one_out_z_score       (r - mean of the others) / (std of the others + epsilon)           NeMo-RL's GRPO
///   top_two_margin              best - second best for the best response, 0 for the others; optionally over
///                               (std + epsilon)                              pass@k, Tang et al. 2025 (2503.19595)
///   length_weighted_baseline    r - sum_j n_j r_j / sum_j n_j, n_j the tokens of response j        OPO, Hao et al.
///                               2025 (2505.23585): the variance-optimal baseline where the squared norm of
///                               a response's gradient is proportional to its length
///   length_penalised_baseline   s - mean(s) with s = r - mean (w_o out / max out + w_i in / max in + w_t turns /
///                               max turns)                                                         prime-rl
///   running_baseline            r - b, then b <- decay b + (1 - decay) r                           RAE, Liu et al.
///                               2025 (2506.24119), prime-rl
///
/// Bias: with the score function of the same responses, leave-one-out baselines are unbiased; baselines that contain
/// the response's own reward (gpg, OPO) shrink the gradient (by 1 - 1/n for equal weights); dividing by a statistic of
/// the sampled rewards, and rewarding only the best, change the objective on purpose (the latter estimates the
/// gradient of the expected best of n).  `running_baseline` depends on earlier responses only: unbiased.
///
/// Edge cases: rewards that are not finite are left out and get 0; a group with one scorable reward follows
/// `singleton`; equal rewards give exactly 0.  Sources: verl @ 1dda039b9c63, prime-rl @ 559b44772e47, NeMo-RL @
/// 7ea279abfbeb, SkyRL @ a9564572eb8e.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/rl/advantage.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

RLVR_NAMESPACE_BEGIN

/// alpha (r - mean) / f.
struct gpg_baseline {
  double alpha = 1;  ///< `gpg_scale` of the batch
  double f = 1;      ///< verl: 1
  singleton_rule singleton = singleton_rule::keep_reward;
  unscorable_rule unscorable = unscorable_rule::exclude;

  [[nodiscard]] RLVR_HD constexpr double operator()(double reward, reward_statistics const& group) const {
    group_mean_baseline const baseline{singleton, unscorable};
    return alpha / f * baseline(reward, group);
  }
};

/// GPG's alpha: responses of the batch / those whose reward is not 0, at least one.  Rewards that are not finite count
/// as responses without reward.
template <std::floating_point T>
[[nodiscard]] constexpr double gpg_scale(std::span<T const> rewards) {
  double rewarded = 0;
  for (T const reward : rewards) rewarded += std::isfinite(reward) && reward != T(0) ? 1 : 0;
  return rewarded > 0 ? static_cast<double>(rewards.size()) / rewarded : static_cast<double>(rewards.size());
}

/// (r - mean) / (mean + epsilon): the gradient weights prompts as that of the log of the success rate does.
struct mean_relative {
  double epsilon = 0;                               ///< prime-rl: 0; SkyRL: 1e-6
  singleton_rule singleton = singleton_rule::zero;  ///< prime-rl: zero; SkyRL: keep_reward
  unscorable_rule unscorable = unscorable_rule::exclude;

  [[nodiscard]] RLVR_HD constexpr double operator()(double reward, reward_statistics const& group) const {
    if (group.count <= 1) return singleton == singleton_rule::zero ? 0 : reward;
    if (group.all_equal || !(group.mean > 0)) return 0;
    return (reward - group.mean) / (group.mean + epsilon);
  }
};

/// (r - mean of the others) / (std of the others + epsilon); not divided where that std is 0.
struct leave_one_out_z_score {
  double epsilon = 1e-6;
  int ddof = 1;
  singleton_rule singleton = singleton_rule::zero;
  unscorable_rule unscorable = unscorable_rule::exclude;

  /// The advantage of a reward, given the statistics of the *other* rewards of its group.
  [[nodiscard]] RLVR_HD double operator()(double reward, reward_statistics const& others) const {
    if (others.count == 0) return singleton == singleton_rule::zero ? 0 : reward;
    double const centred = reward - others.mean;
    double const deviation = others.standard_deviation(ddof);
    return deviation > 0 ? centred / (deviation + epsilon) : centred;
  }

  /// Two passes over the others for each response: taking one reward out of the group's moments instead loses all
  /// digits where the others are equal.
  RLVR_HD_OR_HOST
  template <class RewardAt, class Store>
  RLVR_HD constexpr void of_group(std::int64_t count, RewardAt const& reward_at, Store const& store) const {
    for (std::int64_t i = 0; i < count; ++i) {
      double const reward = static_cast<double>(reward_at(i));
      reward_statistics const others =
          summarise_rewards(count - 1, [&](std::int64_t j) { return reward_at(j < i ? j : j + 1); });
      store(i, std::isfinite(reward) ? (*this)(reward, others) : 0.0);
    }
  }
};

/// The margin of the best response over the second best; everything else 0.  Of equally good best responses the margin
/// is 0.
struct top_two_margin {
  bool divide_by_std = true;
  double epsilon = 1e-6;
  int ddof = 1;
  singleton_rule singleton = singleton_rule::zero;  ///< verl refuses groups of one
  unscorable_rule unscorable = unscorable_rule::exclude;

  RLVR_HD_OR_HOST
  template <class RewardAt, class Store>
  RLVR_HD constexpr void of_group(std::int64_t count, RewardAt const& reward_at, Store const& store) const {
    reward_statistics const group = summarise_rewards(count, reward_at);
    std::int64_t best = -1;
    double highest = 0;
    double second = 0;
    std::int64_t seen = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      store(i, 0.0);
      double const reward = static_cast<double>(reward_at(i));
      if (!std::isfinite(reward)) continue;
      if (seen == 0 || reward > highest) {
        second = seen == 0 ? reward : highest;
        highest = reward;
        best = i;
      } else if (seen == 1 || reward > second) {
        second = reward;
      }
      ++seen;
    }
    if (seen == 0) return;
    if (seen == 1) return store(best, singleton == singleton_rule::zero ? 0.0 : highest);
    double const margin = highest - second;
    if (margin > 0) store(best, divide_by_std ? margin / (group.standard_deviation(ddof) + epsilon) : margin);
  }
};

static_assert(advantage_estimator<gpg_baseline> && advantage_estimator<mean_relative>);
static_assert(whole_group_estimator<leave_one_out_z_score> && whole_group_estimator<top_two_margin>);

/// r - sum n r / sum n.
struct length_weighted_baseline {
  singleton_rule singleton = singleton_rule::keep_reward;
  unscorable_rule unscorable = unscorable_rule::exclude;

  /// Advantages of one group, given also the number of counting tokens of each response.  A group without tokens has
  /// advantage 0.  Host and device.
  RLVR_HD_OR_HOST
  template <class RewardAt, class LengthAt, class Store>
  RLVR_HD constexpr void of_group(std::int64_t count, RewardAt const& reward_at, LengthAt const& length_at,
                                  Store const& store) const {
    bool const as_zero = unscorable == unscorable_rule::as_zero;
    double tokens = 0;
    double weighted = 0;
    double first = 0;
    std::int64_t scorable = 0;
    bool all_equal = true;
    for (std::int64_t i = 0; i < count; ++i) {
      double const given = static_cast<double>(reward_at(i));
      double const reward = as_zero && !std::isfinite(given) ? 0 : given;
      if (!std::isfinite(reward)) continue;
      if (scorable == 0) first = reward;
      all_equal = all_equal && reward == first;
      double const length = static_cast<double>(length_at(i));
      tokens += length;
      weighted += length * reward;
      ++scorable;
    }
    bool const nothing = scorable == 1 ? singleton == singleton_rule::zero : tokens == 0;
    double const baseline = scorable == 1 ? 0 : (all_equal ? first : weighted / (tokens > 0 ? tokens : 1));
    for (std::int64_t i = 0; i < count; ++i) {
      double const given = static_cast<double>(reward_at(i));
      double const reward = as_zero && !std::isfinite(given) ? 0 : given;
      store(i, nothing || !std::isfinite(reward) ? 0.0 : reward - baseline);
    }
  }

  /// Advantages of a batch; `lengths[i]` counting tokens of the i-th response, which belongs to the prompt `group[i]`.
  /// Throws shape_error where the sizes differ, argument_error where a length is negative.
  template <std::floating_point T, std::integral Id>
  void apply(std::span<T const> rewards, std::span<std::int64_t const> lengths, std::span<Id const> group,
             std::span<T> advantages) const {
    if (rewards.size() != lengths.size() || rewards.size() != group.size() || rewards.size() != advantages.size())
      throw shape_error("length_weighted_baseline: " + text_of(rewards.size()) + " rewards, " +
                        text_of(lengths.size()) + " lengths, " + text_of(group.size()) + " group ids and room for " +
                        text_of(advantages.size()) + " advantages differ");
    for (std::int64_t const length : lengths)
      if (length < 0) throw argument_error("length_weighted_baseline: length " + text_of(length));
    for_each_group(group, [&](std::span<std::size_t const> members) {
      auto const at = [&](std::int64_t i) { return members[static_cast<std::size_t>(i)]; };
      of_group(
          static_cast<std::int64_t>(members.size()), [&](std::int64_t i) { return rewards[at(i)]; },
          [&](std::int64_t i) { return lengths[at(i)]; },
          [&](std::int64_t i, double advantage) { advantages[at(i)] = static_cast<T>(advantage); });
    });
  }
};

/// What a response cost, for `length_penalised_baseline`.
struct response_cost {
  double output_tokens = 0;  ///< generated
  double input_tokens = 0;   ///< prompt, tool results
  double turns = 0;
};

/// s - mean(s) with s = r - mean (w_o out / max out + w_i in / max in + w_t turns / max turns): among good responses
/// the short ones win, and where nothing is good the penalty vanishes.  Each maximum is that of the group, at least 1.
struct length_penalised_baseline {
  double output_weight = 0;
  double input_weight = 0;
  double turns_weight = 0;

  /// Advantages of one group.  Responses whose reward is not finite are left out and get 0; a single response gets 0.
  /// Throws shape_error where the sizes differ.
  template <std::floating_point T>
  void apply(std::span<T const> rewards, std::span<response_cost const> costs, std::span<T> advantages) const {
    if (rewards.size() != costs.size() || rewards.size() != advantages.size())
      throw shape_error("length_penalised_baseline: " + text_of(rewards.size()) + " rewards, " + text_of(costs.size()) +
                        " costs and room for " + text_of(advantages.size()) + " advantages differ");
    auto const count = static_cast<std::int64_t>(rewards.size());
    auto const reward_at = [&](std::int64_t i) { return rewards[static_cast<std::size_t>(i)]; };
    reward_statistics const group = summarise_rewards(count, reward_at);
    response_cost most{1, 1, 1};
    for (std::size_t i = 0; i < costs.size(); ++i) {
      if (!std::isfinite(rewards[i])) continue;
      most.output_tokens = costs[i].output_tokens > most.output_tokens ? costs[i].output_tokens : most.output_tokens;
      most.input_tokens = costs[i].input_tokens > most.input_tokens ? costs[i].input_tokens : most.input_tokens;
      most.turns = costs[i].turns > most.turns ? costs[i].turns : most.turns;
    }
    advantages_of_group(
        group_mean_baseline{}, count,
        [&](std::int64_t i) {
          response_cost const& cost = costs[static_cast<std::size_t>(i)];
          double const penalty = output_weight * cost.output_tokens / most.output_tokens +
                                 input_weight * cost.input_tokens / most.input_tokens +
                                 turns_weight * cost.turns / most.turns;
          return static_cast<double>(reward_at(i)) - group.mean * penalty;
        },
        [&](std::int64_t i, double advantage) { advantages[static_cast<std::size_t>(i)] = static_cast<T>(advantage); });
  }
};

/// A baseline per agent (or per role of a game) that follows its rewards.  Keep one for each.
struct running_baseline {
  double decay = 0.95;  ///< prime-rl
  double value = 0;     ///< the baseline for the next reward

  /// The advantage of a reward, then the update.  A reward that is not finite gives 0 and leaves the baseline alone.
  [[nodiscard]] RLVR_HD double score(double reward) {
    if (!std::isfinite(reward)) return 0;
    double const advantage = reward - value;
    value = decay * value + (1 - decay) * reward;
    return advantage;
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(decay >= 0 && decay <= 1)) throw argument_error("running_baseline: decay must lie in [0, 1]");
  }
};

RLVR_NAMESPACE_END
