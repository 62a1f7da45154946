// SPDX-License-Identifier: MIT
/// @file
/// The shaping rules of rl/reward_shaping.hpp as rewards of a sample, so that they compose and show in the metrics.
///
///   overlong_shaping    a penalty for length alone, to be added: soft_overlong (DAPO) or linear_overlong
///   repetition_shaping  a penalty for repeated n-grams of tokens, to be added
///   truncated_shaping   the inner reward, scaled or replaced where the length limit ended the response
///   cosine_shaping      a value from the length and whether the inner reward passes
///
/// The sample brings its own token count: a reward sees text, and counting again with another tokenizer would shape
/// another length than the one that was generated.  Shaped values make every group look varied, so filters of groups
/// must be given the inner reward (see rl/reward_shaping.hpp).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/rl/reward_shaping.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// A sample that knows how many tokens its completion has.
template <class Sample>
concept counted_sample = requires(Sample const& sample) {
  { sample.token_count } -> std::convertible_to<std::int64_t>;
};
/// A sample that knows whether the length limit ended its completion.
template <class Sample>
concept truncatable_sample = requires(Sample const& sample) {
  { sample.truncated } -> std::convertible_to<bool>;
};
/// A sample that has the tokens of its completion: a contiguous range of integers.
template <class Sample>
concept tokenised_sample = requires(Sample const& sample) {
  std::span(sample.tokens);
};

/// What length alone costs: 0 or less.  Passes where nothing is taken off.
/// @tparam Penalty  soft_overlong, linear_overlong, or any function of a token count that has `validate()`
template <class Penalty = soft_overlong>
struct overlong_shaping {
  Penalty penalty{};
  static constexpr std::string_view name = "overlong";

  /// @throws argument_error if the penalty is misconfigured
  template <counted_sample Sample>
  [[nodiscard]] outcome operator()(Sample const& sample) const {
    penalty.validate();
    double const value = penalty(static_cast<std::int64_t>(sample.token_count));
    outcome result = outcome::of(value, value >= 0);
    if (value < 0) result.diagnosis = std::to_string(sample.token_count) + " tokens are too many";
    return result;
  }
};

/// What repetition costs: 0 or less.  Passes where nothing is taken off.
struct repetition_shaping {
  repetition_penalty penalty{};
  static constexpr std::string_view name = "repetition";

  /// @throws argument_error if the penalty is misconfigured
  template <tokenised_sample Sample>
  [[nodiscard]] outcome operator()(Sample const& sample) const {
    penalty.validate();
    std::span const tokens(sample.tokens);
    using Token = std::remove_const_t<typename decltype(tokens)::element_type>;
    double const value = penalty(std::span<Token const>(tokens));
    return outcome::of(value, value >= 0);
  }
};

/// The inner reward under a truncation rule.  A truncated response does not pass; part "whole" is what it would have
/// earned.  Outcomes without a value stay as they are.
template <class Reward>
struct truncated_shaping {
  Reward inner;
  truncation_rule rule{};
  static constexpr std::string_view name = "truncation";
  static constexpr bool thread_safe = is_thread_safe<Reward>;

  template <truncatable_sample Sample>
  requires sample_reward<Reward, Sample>
  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    outcome result = evaluate(inner, sample, context);
    if (!result.has_value() || !sample.truncated) return result;
    result.parts.push_back({"whole", result.value});
    result.value = rule(result.value, true);
    result.passed = false;
    result.diagnosis += result.diagnosis.empty() ? "cut off at the length limit" : " (cut off at the length limit)";
    return result;
  }
};
template <class Reward>
truncated_shaping(Reward) -> truncated_shaping<Reward>;
template <class Reward>
truncated_shaping(Reward, truncation_rule) -> truncated_shaping<Reward>;

/// The cosine reward: right is what the inner reward passes.  The class, the diagnosis and whether it passes are those
/// of the inner reward; part "inner" is its value.  Outcomes without a value stay as they are.
template <class Reward>
struct cosine_shaping {
  Reward inner;
  cosine_length rule{};
  static constexpr std::string_view name = "cosine";
  static constexpr bool thread_safe = is_thread_safe<Reward>;

  /// @throws argument_error if the rule is misconfigured
  template <counted_sample Sample>
  requires sample_reward<Reward, Sample>
  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    rule.validate();
    outcome result = evaluate(inner, sample, context);
    if (!result.has_value()) return result;
    result.parts.push_back({"inner", result.value});
    result.value = rule(static_cast<std::int64_t>(sample.token_count), result.passed);
    return result;
  }
};
template <class Reward>
cosine_shaping(Reward) -> cosine_shaping<Reward>;
template <class Reward>
cosine_shaping(Reward, cosine_length) -> cosine_shaping<Reward>;

}  // namespace reward
RLVR_NAMESPACE_END
