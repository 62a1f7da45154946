// SPDX-License-Identifier: MIT
/// @file
/// What happens to rewards before they become advantages, and which groups are worth training on.
///
///   soft_overlong        0 up to max - buffer tokens, then linear to `lowest`, reached at max and kept beyond
///                        DAPO, Yu et al. 2025 (2503.14476), eq. 13
///   linear_overlong      -factor (length - (max - buffer)) / buffer past max - buffer, beyond max capped at -factor
///                        (OpenRLHF) or not (verl's DAPO manager, NeMo-RL)
///   truncation_rule      the reward of a response that hit the length limit: scaled, or replaced
///   repetition_penalty   (1 - distinct n-grams / n-grams) * penalty
///   cosine_length        half a cosine over the length between two values for right and two for wrong responses
///                        Yeo et al. 2025, "Demystifying Long Chain-of-Thought Reasoning in LLMs" (2502.03373)
///   reward_map           linear map of a source range to a target range (NeMo-RL), with a clamp
///   mean_between         keep a group where low < mean < high, both strict
///   spread_above         keep a group where its standard deviation exceeds a threshold
///
/// The two filters are dynamic sampling (DAPO, section 3.2): groups that are all right or all wrong have advantage 0
/// and only dilute the mean over tokens.  Give them the *raw* reward of the verifier: a length penalty makes the spread
/// of every group positive and switches the filter off (NeMo-RL issue 2431, verl issue 4268).
///
/// Bias: shaping changes the objective on purpose.  Filtering drops prompts whose group carried no gradient
/// (`spread_above` at 0), which changes the weights of the prompts that stay, not the direction of theirs.
///
/// Edge cases: rewards that are not finite pass through the penalties; filters leave them out and drop a group without
/// a finite reward.  Sources: TRL @ f2cd57710ae3, OpenRLHF @ 3c3be6234e0c, NeMo-RL @ 7ea279abfbeb, slime @
/// 624b824a898a, ROLL @ 8eb27cc2dc34, verl @ 1dda039b9c63.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/sort.hpp>
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

RLVR_NAMESPACE_BEGIN

/// A penalty to add to the reward: 0, falling to `lowest`.
struct soft_overlong {
  std::int64_t max_length = 20480;  ///< DAPO: 16384 expected + 4096 of buffer
  std::int64_t buffer = 4096;       ///< tokens over which the penalty grows
  double lowest = -1;

  [[nodiscard]] RLVR_HD constexpr double operator()(std::int64_t length) const {
    if (length <= max_length - buffer) return 0;
    if (length >= max_length) return lowest;
    return lowest * static_cast<double>(length - (max_length - buffer)) / static_cast<double>(buffer);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (buffer < 0 || buffer > max_length)
      throw argument_error("soft_overlong: buffer " + text_of(buffer) + " must lie in [0, max_length]");
  }
};

/// A penalty to add to the reward: 0, falling by `factor` over `buffer` tokens.
struct linear_overlong {
  std::int64_t max_length = 20480;
  std::int64_t buffer = 4096;
  double factor = 1;
  bool capped = true;  ///< true: never below -factor (OpenRLHF); false: it goes on falling (verl, NeMo-RL)

  [[nodiscard]] RLVR_HD constexpr double operator()(std::int64_t length) const {
    std::int64_t const excess = length - (max_length - buffer);
    if (excess <= 0) return 0;
    if (capped && excess >= buffer) return -factor;
    return -factor * static_cast<double>(excess) / static_cast<double>(buffer);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (buffer < (capped ? 0 : 1) || buffer > max_length)
      throw argument_error("linear_overlong: buffer " + text_of(buffer) + " must lie in [1, max_length]");
  }
};

/// What a response that was cut off at the length limit gets.
struct truncation_rule {
  double coefficient = 0;  ///< >= 0: times the reward (0: nothing, 1: no change); < 0: instead of the reward

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T operator()(T reward, bool truncated) const {
    if (!truncated) return reward;
    if (coefficient < 0) return static_cast<T>(coefficient);
    return coefficient == 0 ? T(0) : static_cast<T>(coefficient) * reward;
  }
};

/// A penalty for repeating oneself: `penalty` times the fraction of n-grams that occurred before.  Sequences shorter
/// than an n-gram get 0.  O(n-grams log n-grams) comparisons.
struct repetition_penalty {
  std::size_t ngram_size = 3;  ///< tokens of an n-gram
  double penalty = -1;         ///< for a sequence that is all repetition, in the limit of its length

  /// @param tokens  words or token ids
  template <std::integral Token>
  [[nodiscard]] double operator()(std::span<Token const> tokens) const {
    if (ngram_size == 0 || tokens.size() < ngram_size) return 0;
    std::size_t const count = tokens.size() - ngram_size + 1;
    std::vector<std::size_t> begins(count);
    for (std::size_t i = 0; i < count; ++i) begins[i] = i;
    auto const first_difference = [&](std::size_t a, std::size_t b) {
      std::size_t at = 0;
      while (at < ngram_size && tokens[a + at] == tokens[b + at]) ++at;
      return at;
    };
    detail::sort_stably(begins, [&](std::size_t a, std::size_t b) {
      std::size_t const at = first_difference(a, b);
      return at < ngram_size && tokens[a + at] < tokens[b + at];
    });
    std::size_t distinct = 1;
    for (std::size_t i = 1; i < count; ++i)
      distinct += first_difference(begins[i], begins[i - 1]) == ngram_size ? 0 : 1;
    return penalty * (1 - static_cast<double>(distinct) / static_cast<double>(count));
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (ngram_size == 0) throw argument_error("repetition_penalty: ngram_size must be positive");
  }
};

/// A reward from correctness and length n, instead of the verifier's: with L = max_length,
///
///     r = long + (short - long) (1 + cos(pi n / L)) / 2      n < L,  short and long of the response's kind
///     r = exceeded                                           n >= L
///
/// Right responses lose by length; wrong ones gain, so that a model that does not know yet is not taught to give up
/// early.  The defaults are our choice: the order of the paper's values (right above wrong at every length) within
/// [-1, 1].
struct cosine_length {
  std::int64_t max_length = 16384;
  double right_short = 1;   ///< of a right response, in the limit of no tokens
  double right_long = 0.5;  ///< of a right response, in the limit of max_length
  double wrong_short = -1;
  double wrong_long = -0.5;
  double exceeded = -1;  ///< at max_length and beyond, right or wrong

  [[nodiscard]] RLVR_HD double operator()(std::int64_t length, bool right) const {
    if (length >= max_length) return exceeded;
    constexpr double pi = 3.14159265358979323846;
    double const progress = static_cast<double>(length < 0 ? 0 : length) / static_cast<double>(max_length);
    double const at_zero = right ? right_short : wrong_short;
    double const at_limit = right ? right_long : wrong_long;
    return at_limit + (at_zero - at_limit) * (1 + std::cos(pi * progress)) / 2;
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (max_length < 1) throw argument_error("cosine_length: max_length " + text_of(max_length) + " must be positive");
    double const worst = right_short < right_long ? right_short : right_long;
    double const best = wrong_short < wrong_long ? wrong_long : wrong_short;
    if (!(worst > best)) throw argument_error("cosine_length: a right response must earn more than any wrong one");
  }
};

/// clamp(target_low + (r - source_low) (target_high - target_low) / (source_high - source_low)).
struct reward_map {
  double source_low = 0;
  double source_high = 1;
  double target_low = 0;
  double target_high = 1;
  double lowest = -unlimited;  ///< clamp after the map
  double highest = unlimited;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T operator()(T reward) const {
    double const slope = (target_high - target_low) / (source_high - source_low);
    double const mapped = target_low + (static_cast<double>(reward) - source_low) * slope;
    return static_cast<T>(mapped < lowest ? lowest : (mapped > highest ? highest : mapped));
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(source_low < source_high)) throw argument_error("reward_map: source_low must be less than source_high");
    if (!(lowest <= highest)) throw argument_error("reward_map: lowest must not exceed highest");
  }
};

/// Requirements on a filter: from the statistics of a group's raw rewards, whether to train on it.
template <class Filter>
concept group_filter = std::is_trivially_copyable_v<Filter> &&
    requires(Filter const& filter, reward_statistics const& group) {
  { filter(group) } -> std::same_as<bool>;
};

/// low < mean < high.
struct mean_between {
  double low = 0;   ///< OpenRLHF: 0; ROLL's difficulty_mask: 0.1
  double high = 1;  ///< OpenRLHF: 1; ROLL: 0.95

  [[nodiscard]] RLVR_HD constexpr bool operator()(reward_statistics const& group) const {
    return group.count > 0 && low < group.mean && group.mean < high;
  }
};

/// std > threshold.
struct spread_above {
  double threshold = 1e-6;  ///< slime; NeMo-RL and verl: 0
  int ddof = 1;

  [[nodiscard]] RLVR_HD bool operator()(reward_statistics const& group) const {
    return !group.all_equal && group.standard_deviation(ddof) > threshold;
  }
};

static_assert(group_filter<mean_between> && group_filter<spread_above>);

/// keep[i]: whether the group of the i-th response passes.  Groups are runs of `group_size` neighbours.
/// @param raw_rewards  as the verifier gave them, before any shaping
/// Throws shape_error where the sizes do not fit.
template <group_filter Filter, std::floating_point T>
void filter_groups(Filter const& filter, std::span<T const> raw_rewards, std::size_t group_size, std::span<bool> keep) {
  if (raw_rewards.size() != keep.size() || group_size == 0 || raw_rewards.size() % group_size != 0)
    throw shape_error("filter_groups: " + text_of(raw_rewards.size()) + " rewards and " + text_of(keep.size()) +
                      " flags do not form groups of " + text_of(group_size));
  for (std::size_t begin = 0; begin < keep.size(); begin += group_size) {
    reward_statistics const group = summarise_rewards(static_cast<std::int64_t>(group_size), [&](std::int64_t i) {
      return raw_rewards[begin + static_cast<std::size_t>(i)];
    });
    bool const kept = filter(group);
    for (std::size_t i = 0; i < group_size; ++i) keep[begin + i] = kept;
  }
}

/// keep[i]: whether the group of the i-th response passes; the response belongs to the prompt `group[i]`.
/// Throws shape_error where the sizes differ.
template <group_filter Filter, std::floating_point T, std::integral Id>
void filter_groups(Filter const& filter, std::span<T const> raw_rewards, std::span<Id const> group,
                   std::span<bool> keep) {
  if (raw_rewards.size() != keep.size() || raw_rewards.size() != group.size())
    throw shape_error("filter_groups: " + text_of(raw_rewards.size()) + " rewards, " + text_of(group.size()) +
                      " group ids and " + text_of(keep.size()) + " flags must be equally many");
  for_each_group(group, [&](std::span<std::size_t const> members) {
    reward_statistics const own = summarise_rewards(static_cast<std::int64_t>(members.size()), [&](std::int64_t i) {
      return raw_rewards[members[static_cast<std::size_t>(i)]];
    });
    bool const kept = filter(own);
    for (std::size_t const i : members) keep[i] = kept;
  });
}

RLVR_NAMESPACE_END
