// SPDX-License-Identifier: MIT
/// @file
/// What a reward is: any callable on a sample (one response), or on a group (all responses to one prompt).
///
/// It may return an `outcome`, a number (which passes if positive; not finite: an error), a bool (1 or 0), or an
/// optional number (none: not applicable).  The call operator is const and, unless the type says otherwise by
/// `static constexpr bool thread_safe = false`, may run on several threads at once.  A member `name` (anything
/// a string_view can be made from) names it in metrics.  A last parameter of type `call_context const&`, if there is
/// one, tells the deadline.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/guideline.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// One response to a relation classification prompt.  Holds views: the text outlives the sample.
struct relation_sample {
  std::string_view completion{};           ///< what the model wrote, end-of-sequence token removed
  text::relation_label gold{};             ///< a label of `guide`
  text::guideline const* guide = nullptr;  ///< the guideline the prompt showed
  std::string_view prompt{};               ///< for rewards that look at it; never parsed as part of the response
  std::string_view prefill{};              ///< the begin of the response if the prompt wrote it
  bool truncated = false;                  ///< the length limit ended the completion
  std::size_t group = 0;                   ///< which prompt of the batch
};

/// A sample whose response text a format reward can read.
template <class Sample>
concept response_sample = requires(Sample const& sample) {
  { sample.completion } -> std::convertible_to<std::string_view>;
  { sample.prefill } -> std::convertible_to<std::string_view>;
};

/// What a reward may return.
template <class Result>
concept reward_result = std::same_as<Result, outcome> || std::convertible_to<Result, double> ||
    std::same_as<Result, std::optional<double>> || std::same_as<Result, std::optional<float>>;

namespace detail {

/// The call itself, with the context if the reward wants it.
template <class Reward, class... Arguments>
concept takes_context = requires(Reward const& reward, Arguments... arguments, call_context const& context) {
  reward(arguments..., context);
};
template <class Reward, class... Arguments>
requires takes_context<Reward, Arguments const&...>
decltype(auto) call(Reward const& reward, call_context const& context, Arguments const&... arguments) {
  return reward(arguments..., context);
}
template <class Reward, class... Arguments>
requires(!takes_context<Reward, Arguments const&...> && requires(Reward const& reward, Arguments const&... arguments) {
  reward(arguments...);
}) decltype(auto) call(Reward const& reward, call_context const&, Arguments const&... arguments) {
  return reward(arguments...);
}

}  // namespace detail

/// A reward of one response.
template <class Reward, class Sample = relation_sample>
concept sample_reward = requires(Reward const& reward, Sample const& sample, call_context const& context) {
  { detail::call(reward, context, sample) } -> reward_result;
};

/// A reward that sees all responses to one prompt at once and writes one outcome for each, in order.
template <class Reward, class Sample = relation_sample>
concept group_reward = requires(Reward const& reward, std::span<Sample const> samples, std::span<outcome> outcomes,
                                call_context const& context) {
  { detail::call(reward, context, samples, outcomes) } -> std::same_as<void>;
};

/// Whether a reward may be called from several threads: true unless its type denies it.
template <class Reward>
inline constexpr bool is_thread_safe = [] {
  if constexpr (requires { Reward::thread_safe; }) {
    return static_cast<bool>(Reward::thread_safe);
  } else {
    return true;
  }
}();

/// The reward's own name, or an empty text.
template <class Reward>
[[nodiscard]] std::string reward_name([[maybe_unused]] Reward const& reward) {
  if constexpr (requires { std::string_view(reward.name); }) {
    return std::string(std::string_view(reward.name));
  } else {
    return {};
  }
}

/// Calls a reward and makes an outcome of whatever it returns or throws: an exception concerns this response alone and
/// becomes an error that carries its message.
template <class Sample, sample_reward<Sample> Reward>
[[nodiscard]] outcome evaluate(Reward const& reward, Sample const& sample, call_context const& context = {}) {
  try {
    auto result = detail::call(reward, context, sample);
    using Result = decltype(result);
    if constexpr (std::same_as<Result, outcome>) {
      if (result.has_value() && !std::isfinite(result.value))
        return outcome::failed("the reward is not a finite number");
      return result;
    } else if constexpr (std::convertible_to<Result, double>) {
      return outcome::of(static_cast<double>(result));
    } else {
      return result ? outcome::of(static_cast<double>(*result)) : outcome::none("the reward does not apply");
    }
  } catch (std::exception const& problem) {
    return outcome::failed(problem.what());
  } catch (...) {
    return outcome::failed("the reward threw something that is no std::exception");
  }
}

/// Calls a group reward on one group.  If it throws, or leaves an outcome unwritten, those outcomes are errors.
/// @throws argument_error unless there is room for as many outcomes as there are samples
template <class Sample, class Reward>
requires group_reward<Reward, Sample>
void evaluate_group(Reward const& reward, std::span<Sample const> samples, std::span<outcome> outcomes,
                    call_context const& context = {}) {
  if (samples.size() != outcomes.size()) {
    throw argument_error("evaluate_group: " + std::to_string(samples.size()) + " samples, but room for " +
                         std::to_string(outcomes.size()) + " outcomes");
  }
  auto const fail_all = [&](char const* why) {
    for (outcome& each : outcomes) each = outcome::failed(why);
  };
  fail_all("the group reward wrote no outcome for this sample");
  try {
    detail::call(reward, context, samples, outcomes);
  } catch (std::exception const& problem) {
    fail_all(problem.what());
  } catch (...) {
    fail_all("the group reward threw something that is no std::exception");
  }
  for (outcome& each : outcomes) {
    if (each.has_value() && !std::isfinite(each.value)) each = outcome::failed("the reward is not a finite number");
  }
}

}  // namespace reward
RLVR_NAMESPACE_END
