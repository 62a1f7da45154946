// SPDX-License-Identifier: MIT
/// @file
/// One reward out of several:
///
///     either(f, g, ...)     the first that applies; a failure ends the search and is the result
///     fallback(f, g, ...)   the first that has a value; failures and time-outs are passed over, and told
///
/// `either` is for data of several tasks, where each reward knows its own; `fallback` for a judge with a substitute.
/// A fallback makes the reward of a sample depend on whether a service answered: watch how often it does (the part
/// "fallback" is the place of the reward that gave the value, from 0).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/component.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <cstddef>
#include <string>
#include <tuple>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// The first of several rewards that will do; made by `either` and `fallback`.
template <bool AfterFailures, class... Rewards>
struct first_reward {
  std::tuple<Rewards...> choices;
  static constexpr bool thread_safe = (is_thread_safe<Rewards> && ...);

  /// The chosen outcome; its value is a part under its name.  Later rewards are not called.  If there is none, the
  /// whole does not apply, or for a fallback has the status of the last failure.
  template <class Sample>
  requires(sample_reward<Rewards, Sample>&&...) [[nodiscard]] outcome operator()(
      Sample const& sample, call_context const& context = {}) const {
    outcome whole = outcome::none("no choice applies");
    std::string failures;
    std::size_t place = 0;
    auto const decides = [&](auto const& choice) {
      std::string const name = detail::component_name(choice, "choice", ++place);
      outcome component = detail::evaluate_as(name, choice, sample, context);
      if (component.status == outcome_status::not_applicable) return false;
      bool const failed = !component.has_value();
      if (failed) {
        detail::take_failure(whole, name, component);
        if (!AfterFailures) return true;
        (failures += whole.diagnosis) += "; ";
        return false;
      }
      whole = outcome::of(component.value, component.passed, component.kind);
      detail::append_parts(whole, name, component);
      if (AfterFailures) whole.parts.push_back({"fallback", static_cast<double>(place - 1)});
      ((whole.diagnosis += failures) += name);
      if (!component.diagnosis.empty()) (whole.diagnosis += ": ") += component.diagnosis;
      return true;
    };
    std::apply([&](auto const&... choice) { (void)(decides(choice) || ...); }, choices);
    return whole;
  }
};

/// The first reward that applies.  An error is an error: it does not make the next one apply.
template <class... Rewards>
[[nodiscard]] first_reward<false, Rewards...> either(Rewards... rewards) {
  static_assert(sizeof...(Rewards) > 0, "either() needs at least one reward");
  return {std::tuple<Rewards...>(std::move(rewards)...)};
}

/// The first reward that has a value.
template <class... Rewards>
[[nodiscard]] first_reward<true, Rewards...> fallback(Rewards... rewards) {
  static_assert(sizeof...(Rewards) > 0, "fallback() needs at least one reward");
  return {std::tuple<Rewards...>(std::move(rewards)...)};
}

}  // namespace reward
RLVR_NAMESPACE_END
