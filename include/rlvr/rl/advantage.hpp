// SPDX-License-Identifier: MIT
/// @file
/// Advantages of whole responses from the rewards of their group (all responses to one prompt).  With r the reward,
/// n, mean and std those of the group's rewards:
///
///   group_z_score        (r - mean) / (std + epsilon)          GRPO, Shao et al. 2024 (2402.03300), section 4.1
///   group_mean_baseline  r - mean                              Dr. GRPO, Liu et al. 2025 (2503.20783), section 3
///   leave_one_out        r - mean of the other n - 1 rewards   RLOO, Ahmadian et al. 2024 (2402.14740); unbiased
///   no_baseline          r
///
/// and, for any numbers of a batch, whitening (x - mean) / sqrt(variance + epsilon).  More estimators, among them those
/// that need more than the moments of the group: rl/group_advantage.hpp, rl/optimal_baseline.hpp.
///
/// An estimator is a value that maps (reward, statistics of its group) to an advantage, or one that is shown the whole
/// group (`whole_group_estimator`); both run on host and device, and `group_advantages` applies them to a batch.
/// Edge cases, each a named parameter:
///   - a reward that is not finite is *unscorable*: it is left out of the statistics of its group and its advantage is
///     exactly 0 (`unscorable_rule::exclude`), or it counts as reward 0 (`as_zero`);
///   - a group with a single scorable reward has no baseline: advantage 0 (`singleton_rule::zero`, TRL, NeMo-RL) or
///     the reward itself, over 1 + epsilon for the z-score (`keep_reward`, verl);
///   - a group whose rewards are all equal gives exactly 0 everywhere.
/// Variances are computed in two passes, in double: rewards {0.95 x7, 0} or 1 + k * 1e-5 come out right.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/sort.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

RLVR_NAMESPACE_BEGIN

/// What a reward that is NaN or infinite means.
enum class unscorable_rule : std::uint8_t {
  exclude,  ///< not part of the group's statistics; advantage exactly 0
  as_zero   ///< counts as reward 0
};

/// The advantage in a group with one scorable reward.
enum class singleton_rule : std::uint8_t {
  zero,        ///< 0: nothing to compare with
  keep_reward  ///< the reward, against baseline 0 and standard deviation 1
};

/// Moments of the scorable rewards of one group.
struct reward_statistics {
  std::int64_t count = 0;  ///< scorable rewards
  double mean = 0;
  double squared_deviations = 0;  ///< sum of (r - mean)^2
  bool all_equal = true;          ///< exactly equal rewards; then squared_deviations is exactly 0

  /// sum of squared deviations / (count - ddof), or 0 where there are too few rewards.
  [[nodiscard]] RLVR_HD constexpr double variance(int ddof) const {
    return count > ddof ? squared_deviations / static_cast<double>(count - ddof) : 0;
  }
  [[nodiscard]] RLVR_HD double standard_deviation(int ddof) const { return std::sqrt(variance(ddof)); }
};

/// Statistics of `count` rewards, the i-th being `reward_at(i)`, in two passes.  Host and device.
RLVR_HD_OR_HOST
template <class RewardAt>
[[nodiscard]] RLVR_HD constexpr reward_statistics summarise_rewards(std::int64_t count, RewardAt const& reward_at) {
  reward_statistics result{};
  double sum = 0;
  double first = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    double const reward = static_cast<double>(reward_at(i));
    if (!std::isfinite(reward)) continue;
    if (result.count == 0) first = reward;
    result.all_equal = result.all_equal && reward == first;
    sum += reward;
    ++result.count;
  }
  if (result.count == 0) return result;
  result.mean = result.all_equal ? first : sum / static_cast<double>(result.count);
  for (std::int64_t i = 0; i < count; ++i) {
    double const reward = static_cast<double>(reward_at(i));
    if (!std::isfinite(reward)) continue;
    result.squared_deviations += (reward - result.mean) * (reward - result.mean);
  }
  return result;
}

/// Statistics of the rewards of both parts together (Chan, Golub and LeVeque 1979): of micro-batches, of data-parallel
/// ranks, or a running record to which each step is added.  `all_equal` holds where it held in both, for one value.
[[nodiscard]] RLVR_HD constexpr reward_statistics merge(reward_statistics const& first,
                                                        reward_statistics const& second) {
  if (first.count == 0) return second;
  if (second.count == 0) return first;
  double const total = static_cast<double>(first.count + second.count);
  double const difference = second.mean - first.mean;
  double const share = static_cast<double>(second.count) / total;
  return {.count = first.count + second.count,
          .mean = first.mean + difference * share,
          .squared_deviations = first.squared_deviations + second.squared_deviations +
                                difference * difference * static_cast<double>(first.count) * share,
          .all_equal = first.all_equal && second.all_equal && difference == 0};
}

/// Requirements on an estimator: trivially copyable, maps a finite reward and its group's statistics to an advantage.
template <class Estimator>
concept advantage_estimator = std::is_trivially_copyable_v<Estimator> &&
    requires(Estimator const& estimator, double reward, reward_statistics const& group) {
  { estimator(reward, group) } -> std::same_as<double>;
  { estimator.unscorable } -> std::convertible_to<unscorable_rule>;
};

/// Requirements on an estimator that needs every reward of the group: `of_group(count, reward_at, store)` stores one
/// advantage per response.  It is shown rewards that are not finite; those get advantage 0.
template <class Estimator>
concept whole_group_estimator = std::is_trivially_copyable_v<Estimator> &&
    requires(Estimator const& estimator, std::int64_t count, double (*reward_at)(std::int64_t),
             void (*store)(std::int64_t, double)) {
  estimator.of_group(count, reward_at, store);
  { estimator.unscorable } -> std::convertible_to<unscorable_rule>;
};

/// (r - mean) / (std + epsilon).
struct group_z_score {
  double epsilon = 1e-6;  ///< verl, slime, NeMo-RL; TRL uses 1e-4, OpenRLHF 1e-9
  int ddof = 1;           ///< 1: divide by n - 1 (every stack); 0: population
  singleton_rule singleton = singleton_rule::zero;
  unscorable_rule unscorable = unscorable_rule::exclude;

  [[nodiscard]] RLVR_HD double operator()(double reward, reward_statistics const& group) const {
    if (group.count <= 1) return singleton == singleton_rule::zero ? 0 : reward / (1 + epsilon);
    if (group.all_equal) return 0;
    return (reward - group.mean) / (group.standard_deviation(ddof) + epsilon);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(epsilon >= 0)) throw argument_error("group_z_score: epsilon must not be negative");
    if (ddof != 0 && ddof != 1) throw argument_error("group_z_score: ddof must be 0 or 1");
  }
};

/// r - mean: no division, hence no bias towards groups of low variance.
struct group_mean_baseline {
  singleton_rule singleton = singleton_rule::zero;
  unscorable_rule unscorable = unscorable_rule::exclude;

  [[nodiscard]] RLVR_HD constexpr double operator()(double reward, reward_statistics const& group) const {
    if (group.count <= 1) return singleton == singleton_rule::zero ? 0 : reward;
    return reward - group.mean;
  }
};

/// r - mean of the others = n / (n - 1) * (r - mean).
struct leave_one_out {
  singleton_rule singleton = singleton_rule::zero;
  unscorable_rule unscorable = unscorable_rule::exclude;

  [[nodiscard]] RLVR_HD constexpr double operator()(double reward, reward_statistics const& group) const {
    if (group.count <= 1) return singleton == singleton_rule::zero ? 0 : reward;
    double const count = static_cast<double>(group.count);
    return count / (count - 1) * (reward - group.mean);
  }
};

/// The reward itself: plain REINFORCE.
struct no_baseline {
  unscorable_rule unscorable = unscorable_rule::exclude;

  [[nodiscard]] RLVR_HD constexpr double operator()(double reward, reward_statistics const&) const { return reward; }
};

static_assert(advantage_estimator<group_z_score> && advantage_estimator<group_mean_baseline>);
static_assert(advantage_estimator<leave_one_out> && advantage_estimator<no_baseline>);

/// Advantages of one group: the i-th reward is `reward_at(i)`, `store(i, advantage)` receives the result.  Host and
/// device; any layout.
RLVR_HD_OR_HOST
template <class Estimator, class RewardAt, class Store>
requires(advantage_estimator<Estimator> || whole_group_estimator<Estimator>) RLVR_HD
    constexpr void advantages_of_group(Estimator const& estimator, std::int64_t count, RewardAt const& reward_at,
                                       Store const& store) {
  bool const as_zero = estimator.unscorable == unscorable_rule::as_zero;
  auto const scored = [&](std::int64_t i) {
    double const reward = static_cast<double>(reward_at(i));
    return as_zero && !std::isfinite(reward) ? 0.0 : reward;
  };
  if constexpr (whole_group_estimator<Estimator>) {
    estimator.of_group(count, scored, store);
  } else {
    reward_statistics const group = summarise_rewards(count, scored);
    for (std::int64_t i = 0; i < count; ++i) {
      double const reward = scored(i);
      store(i, std::isfinite(reward) ? estimator(reward, group) : 0.0);
    }
  }
}

/// Calls `visit(std::span<std::size_t const> members)` once per group, `group[i]` being the id of the i-th response;
/// groups in ascending order of their ids, members in ascending order.
template <std::integral Id, class Visit>
void for_each_group(std::span<Id const> group, Visit const& visit) {
  std::vector<std::size_t> order(group.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  detail::sort_stably(order, [&](std::size_t a, std::size_t b) { return group[a] < group[b]; });
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && group[order[end]] == group[order[begin]]) ++end;
    visit(std::span<std::size_t const>(order.data() + begin, end - begin));
    begin = end;
  }
}

/// Advantages of a batch of equal groups, each a run of `group_size` neighbours.
/// Throws shape_error where the sizes do not fit.
template <class Estimator, std::floating_point T>
requires(advantage_estimator<Estimator> ||
         whole_group_estimator<Estimator>) void group_advantages(Estimator const& estimator, std::span<T const> rewards,
                                                                 std::size_t group_size, std::span<T> advantages) {
  if (rewards.size() != advantages.size()) {
    throw shape_error("group_advantages: " + text_of(rewards.size()) + " rewards, but room for " +
                      text_of(advantages.size()) + " advantages");
  }
  if (group_size == 0 || rewards.size() % group_size != 0) {
    throw shape_error("group_advantages: " + text_of(rewards.size()) + " rewards cannot form groups of " +
                      text_of(group_size));
  }
  for (std::size_t begin = 0; begin < rewards.size(); begin += group_size) {
    advantages_of_group(
        estimator, static_cast<std::int64_t>(group_size),
        [&](std::int64_t i) { return rewards[begin + static_cast<std::size_t>(i)]; },
        [&](std::int64_t i, double advantage) {
          advantages[begin + static_cast<std::size_t>(i)] = static_cast<T>(advantage);
        });
  }
}

/// Advantages of a batch whose i-th response belongs to the prompt `group[i]`; ids are arbitrary, groups may have any
/// size and order.  Throws shape_error where the sizes differ.
template <class Estimator, std::floating_point T, std::integral Id>
requires(advantage_estimator<Estimator> ||
         whole_group_estimator<Estimator>) void group_advantages(Estimator const& estimator, std::span<T const> rewards,
                                                                 std::span<Id const> group, std::span<T> advantages) {
  if (rewards.size() != advantages.size() || rewards.size() != group.size()) {
    throw shape_error("group_advantages: " + text_of(rewards.size()) + " rewards, " + text_of(group.size()) +
                      " group ids and room for " + text_of(advantages.size()) + " advantages must be equally many");
  }
  for_each_group(group, [&](std::span<std::size_t const> members) {
    advantages_of_group(
        estimator, static_cast<std::int64_t>(members.size()),
        [&](std::int64_t i) { return rewards[members[static_cast<std::size_t>(i)]]; },
        [&](std::int64_t i, double advantage) {
          advantages[members[static_cast<std::size_t>(i)]] = static_cast<T>(advantage);
        });
  });
}

/// What `whitening::apply` does to the numbers that do not count.
enum class masked_rule : std::uint8_t {
  zero,      ///< they become 0 (verl's REINFORCE++, TRL)
  transform  ///< the same map as for the others (OpenRLHF, NeMo-RL, verl's GAE): still garbage, never to be read
};

/// (x - mean) / sqrt(max(variance, min_variance) + epsilon), mean and variance over the numbers of a batch that count.
/// verl, TRL and slime: the defaults.  OpenRLHF and NeMo-RL: {.epsilon = 0, .ddof = 0, .min_variance = 1e-8}.
struct whitening {
  double epsilon = 1e-8;    ///< inside the square root (verl, TRL)
  int ddof = 1;             ///< 1: divide by n - 1; 0: population
  bool shift_mean = true;   ///< false: the mean is added back after scaling
  double mean_epsilon = 0;  ///< added to the count when the mean and the variance are taken (verl: 1e-8)
  double min_variance = 0;  ///< smaller variances are raised to it (OpenRLHF, NeMo-RL: 1e-8)
  masked_rule masked = masked_rule::zero;
  bool divide = true;  ///< false: only the mean is subtracted (OpenRLHF's no_std_norm option)

  /// One number, given the statistics of all that count.  All equal numbers become 0 (or their mean); so does
  /// everything where there is nothing to divide by.
  [[nodiscard]] RLVR_HD double operator()(double x, reward_statistics const& batch) const {
    if (batch.count == 0) return 0;
    double const count = static_cast<double>(batch.count);
    double const mean = batch.mean * (count / (count + mean_epsilon));
    double const shift = batch.mean - mean;
    double const deviations = batch.squared_deviations + count * shift * shift;
    double const divisor = (count + mean_epsilon) * (count - ddof) / count;
    double const measured = batch.count > ddof ? deviations / divisor : 0;
    double const variance = measured < min_variance ? min_variance : measured;
    double const deviation = divide ? std::sqrt(variance + epsilon) : 1;
    double const scaled = x == mean || deviation == 0 ? 0 : (x - mean) / deviation;
    return shift_mean ? scaled : scaled + mean;
  }

  /// Whitens the entries of `values` whose `mask` is true, in place; the others follow `masked`.  Entries that are not
  /// finite are left out of the statistics and become 0.  Throws shape_error where the sizes differ.
  template <std::floating_point T>
  void apply(std::span<T> values, std::span<bool const> mask) const {
    if (values.size() != mask.size()) {
      throw shape_error("whitening: " + text_of(values.size()) + " values, " + text_of(mask.size()) + " mask entries");
    }
    auto const value_at = [&](std::int64_t i) {
      auto const place = static_cast<std::size_t>(i);
      return mask[place] ? static_cast<double>(values[place]) : std::numeric_limits<double>::quiet_NaN();
    };
    reward_statistics const batch = summarise_rewards(static_cast<std::int64_t>(values.size()), value_at);
    for (std::size_t i = 0; i < values.size(); ++i) {
      double const x = masked == masked_rule::zero ? value_at(static_cast<std::int64_t>(i)) : double{values[i]};
      values[i] = std::isfinite(x) ? static_cast<T>((*this)(x, batch)) : T(0);
    }
  }

  /// Whitens all values in place.
  template <std::floating_point T>
  void apply(std::span<T> values) const {
    reward_statistics const batch = summarise_rewards(
        static_cast<std::int64_t>(values.size()), [&](std::int64_t i) { return values[static_cast<std::size_t>(i)]; });
    for (T& x : values) x = std::isfinite(x) ? static_cast<T>((*this)(static_cast<double>(x), batch)) : T(0);
  }
};

RLVR_NAMESPACE_END
