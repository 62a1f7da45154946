// SPDX-License-Identifier: MIT
/// @file
/// What the combinators share: how a component's outcome enters the whole's, and how it is evaluated under its name.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace reward {
namespace detail {

/// Copies a component's value and parts into the whole.
inline void append_parts(outcome& whole, std::string const& name, outcome const& component) {
  if (component.has_value()) whole.parts.push_back({name, component.value});
  for (outcome_part const& part : component.parts) {
    std::string path = name;
    whole.parts.push_back({std::move((path += '/') += part.name), part.value});
  }
}

/// Makes the whole what a component without a value is.
inline void take_failure(outcome& whole, std::string const& name, outcome const& component) {
  whole.status = component.status;
  whole.kind = component.kind;
  whole.value = 0;
  whole.passed = false;
  whole.diagnosis = name;
  (whole.diagnosis += ": ") += component.diagnosis;
}

/// Turns a sum that left the finite numbers into an error.
[[nodiscard]] inline outcome checked(outcome whole) {
  if (whole.has_value() && !std::isfinite(whole.value)) {
    whole.status = outcome_status::error;
    whole.kind = reward_class::error;
    whole.value = 0;
    whole.passed = false;
    whole.diagnosis = "the combined reward is not a finite number";
  }
  return whole;
}

/// The component's name in parts and diagnoses; `fallback` and its place where it has none.
template <class Reward>
[[nodiscard]] std::string component_name(Reward const& reward, char const* fallback, std::size_t place) {
  std::string name = reward_name(reward);
  if (name.empty()) (name += fallback) += std::to_string(place);
  return name;
}

/// Evaluates a component under its name; an observer hears of it.
template <class Sample, sample_reward<Sample> Reward>
[[nodiscard]] outcome evaluate_as(std::string_view name, Reward const& reward, Sample const& sample,
                                  call_context const& context) {
  if (context.observer == nullptr) return evaluate(reward, sample, context);
  call_context inside = context;
  inside.parent = context.observer->begin(context.parent, name);
  outcome result = evaluate(reward, sample, inside);
  context.observer->end(inside.parent, result);
  return result;
}

/// Outcomes of a group for a reward of either kind.
template <class Reward, class Sample>
concept member_reward = sample_reward<Reward, Sample> || group_reward<Reward, Sample>;
template <class Sample, member_reward<Sample> Reward>
void evaluate_members(Reward const& reward, std::span<Sample const> samples, std::span<outcome> outcomes,
                      call_context const& context) {
  if constexpr (sample_reward<Reward, Sample>) {
    for (std::size_t i = 0; i < samples.size(); ++i) outcomes[i] = evaluate(reward, samples[i], context);
  } else {
    evaluate_group(reward, samples, outcomes, context);
  }
}

/// What combinators share that evaluate all their components: those that do not apply are left out, and a failure
/// becomes the whole's.
struct gathering {
  outcome whole;
  double value;           ///< of the whole, if it has one
  bool stopped = false;   ///< a component failed or timed out
  std::size_t count = 0;  ///< components with a value

  /// @param nothing  the diagnosis where no component applies
  gathering(char const* nothing, double start) : whole(outcome::none(nothing)), value(start) {}

  /// Takes parts and failures over.  @returns whether the component's value counts
  bool add(std::string const& name, outcome const& component) {
    append_parts(whole, name, component);
    // An error outranks a time-out: the first of the higher rank is reported.
    bool const outranks = !stopped || (component.status == outcome_status::error && whole.status != component.status);
    if (component.status == outcome_status::error || component.status == outcome_status::timed_out) {
      if (outranks) take_failure(whole, name, component);
      stopped = true;
    }
    if (stopped || !component.has_value()) return false;
    if (count++ == 0) {
      whole.status = outcome_status::value;
      whole.passed = true;
      whole.kind = reward_class::scored;
      whole.diagnosis.clear();
    }
    return true;
  }

  /// Passing needs all; the class is the first one other than `scored`; diagnoses are listed.
  void agree(std::string const& name, outcome const& component) {
    whole.passed = whole.passed && component.passed;
    if (whole.kind == reward_class::scored) whole.kind = component.kind;
    if (component.diagnosis.empty()) return;
    if (!whole.diagnosis.empty()) whole.diagnosis += "; ";
    ((whole.diagnosis += name) += ": ") += component.diagnosis;
  }

  /// Passing, class and diagnosis of this component alone.
  void adopt(std::string const& name, outcome const& component) {
    whole.passed = component.passed;
    whole.kind = component.kind;
    whole.diagnosis = name;
    if (!component.diagnosis.empty()) (whole.diagnosis += ": ") += component.diagnosis;
  }

  [[nodiscard]] outcome result() {
    if (whole.has_value()) whole.value = value;
    return checked(std::move(whole));
  }
};

}  // namespace detail

}  // namespace reward
RLVR_NAMESPACE_END
