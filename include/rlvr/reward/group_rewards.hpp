// SPDX-License-Identifier: MIT
/// @file
/// Rewards that compare the responses to one prompt with each other.  Let r_1 ... r_n be the values of a reward f
/// within the group (of either kind):
///
///     for_group(f)            r_i: a reward of a sample as a reward of a group
///     rank_in_group(f)        (#{r_j < r_i} + (#{r_j = r_i} - 1) / 2) / (n - 1): 1 for the best, 0 for the worst
///     leave_one_out(f)        r_i - mean of the others (the baseline of RLOO, arXiv 2402.14740, as a reward)
///     mean_distance(d)        mean over j != i of d(sample_i, sample_j): a bonus for being different
///     marginal(m)             m(group) - m(group without i): what the response adds to a measure of the set
///
/// They go into `sum` beside rewards of a sample: sum(term{1, accuracy}, term{0.1, mean_distance(d), "diversity"}).
/// Responses whose r has no value keep that outcome and count for nobody else; comparisons within a group of one do not
/// apply.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/component.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// A reward of a sample as a reward of a group; made by `for_group`.
template <class Reward>
struct lifted_reward {
  Reward inner;
  std::string name{};
  static constexpr bool thread_safe = is_thread_safe<Reward>;

  template <class Sample>
  requires detail::member_reward<Reward, Sample>
  void operator()(std::span<Sample const> samples, std::span<outcome> outcomes,
                  call_context const& context = {}) const {
    detail::evaluate_members(inner, samples, outcomes, context);
  }
};

/// Evaluates the reward on each sample of the group.
template <class Reward>
[[nodiscard]] lifted_reward<Reward> for_group(Reward reward) {
  std::string name = reward_name(reward);
  return {std::move(reward), std::move(name)};
}

namespace detail {

/// The place of a value among sorted ones, as the share of the others that it beats; ties count half.
struct rank_among {
  static constexpr char const* alone = "a group of one has no ranks";
  static double apply(std::span<double const> sorted, double value) {
    auto const [first, last] = std::equal_range(sorted.begin(), sorted.end(), value);
    auto const below = static_cast<double>(first - sorted.begin());
    auto const others_equal = static_cast<double>(last - first - 1);
    return (below + others_equal / 2) / static_cast<double>(sorted.size() - 1);
  }
};

/// A value less the mean of the others.
struct less_others {
  static constexpr char const* alone = "a group of one has no others";
  static double apply(std::span<double const> sorted, double value) {
    double total = 0;
    for (double const each : sorted) total += each - value;
    return -total / static_cast<double>(sorted.size() - 1);
  }
};

}  // namespace detail

/// The values of a reward compared within the group; made by `rank_in_group` and `leave_one_out`.
template <class Comparison, class Reward>
struct compared_reward {
  Reward inner;
  std::string name{};
  static constexpr bool thread_safe = is_thread_safe<Reward>;

  /// Class, passing and diagnosis stay the reward's own; its value becomes the part "before".  The result does not
  /// depend on the order of the samples.
  template <class Sample>
  requires detail::member_reward<Reward, Sample>
  void operator()(std::span<Sample const> samples, std::span<outcome> outcomes,
                  call_context const& context = {}) const {
    detail::evaluate_members(inner, samples, outcomes, context);
    std::vector<double> sorted;
    for (outcome const& each : outcomes) {
      if (each.has_value()) sorted.push_back(each.value);
    }
    std::sort(sorted.begin(), sorted.end());
    for (outcome& each : outcomes) {
      if (!each.has_value()) continue;
      if (sorted.size() < 2) {
        each = outcome::none(Comparison::alone);
        continue;
      }
      each.parts.push_back({"before", each.value});
      each.value = Comparison::apply(sorted, each.value);
      each = detail::checked(std::move(each));
    }
  }
};

/// The rank of each value within its group, in [0, 1].  Any increasing map of the reward gives the same.
template <class Reward>
[[nodiscard]] compared_reward<detail::rank_among, Reward> rank_in_group(Reward reward) {
  std::string name = reward_name(reward);
  return {std::move(reward), std::move(name)};
}

/// Each value less the mean of the others in its group.
template <class Reward>
[[nodiscard]] compared_reward<detail::less_others, Reward> leave_one_out(Reward reward) {
  std::string name = reward_name(reward);
  return {std::move(reward), std::move(name)};
}

/// The mean distance of a response to the others; made by `mean_distance`.
template <class Distance>
struct distance_reward {
  Distance distance;
  static constexpr std::string_view name = "diversity";

  /// n (n - 1) distances for a group of n.
  template <class Sample>
  requires requires(Distance const& call, Sample const& sample) {
    { call(sample, sample) } -> std::convertible_to<double>;
  }
  void operator()(std::span<Sample const> samples, std::span<outcome> outcomes) const {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      double total = 0;
      for (std::size_t j = 0; j < samples.size(); ++j) {
        if (j != i) total += static_cast<double>(distance(samples[i], samples[j]));
      }
      outcomes[i] = samples.size() < 2 ? outcome::none("a group of one has no distances")
                                       : outcome::of(total / static_cast<double>(samples.size() - 1), true);
    }
  }
};

/// A bonus for responses that differ from the others by distance(sample, sample).  It passes whatever its value.
template <class Distance>
[[nodiscard]] distance_reward<Distance> mean_distance(Distance distance) {
  return {std::move(distance)};
}

/// What a response adds to a measure of the group; made by `marginal`.
template <class Measure>
struct marginal_reward {
  Measure measure;
  static constexpr std::string_view name = "marginal";

  /// The measure is taken n + 1 times for a group of n.
  template <class Sample>
  requires std::copyable<Sample> && requires(Measure const& call, std::span<Sample const> samples) {
    { call(samples) } -> std::convertible_to<double>;
  }
  void operator()(std::span<Sample const> samples, std::span<outcome> outcomes) const {
    if (samples.empty()) return;
    auto const whole = static_cast<double>(measure(samples));
    std::vector<Sample> others(samples.begin() + 1, samples.end());  // all but sample i
    for (std::size_t i = 0; i < samples.size(); ++i) {
      outcomes[i] = outcome::of(whole - static_cast<double>(measure(std::span<Sample const>(others))), true);
      if (i < others.size()) others[i] = samples[i];
    }
  }
};

/// measure(group) - measure(group without the response), e.g. of the number of distinct answers: only a response that
/// nobody else gave adds to it.  It passes whatever its value.
template <class Measure>
[[nodiscard]] marginal_reward<Measure> marginal(Measure measure) {
  return {std::move(measure)};
}

}  // namespace reward
RLVR_NAMESPACE_END
