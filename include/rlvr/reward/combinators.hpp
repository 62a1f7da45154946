// SPDX-License-Identifier: MIT
/// @file
/// Rewards made of rewards, by named functions:
///
///     sum(term{0.9, f}, term{0.1, g, "brevity"})   sum_i w_i r_i
///     stages(f, g, h)                              r_f, + r_g if f passed, + r_h if g passed too
///     only_if(gate, f, otherwise)                  f where the gate passes, else the value `otherwise`
///     clamp(f, low, high)   scale(f, factor, offset)   piecewise(f, {{x, y}, ...})
///
/// Each result is a reward again.  The components' values become parts under their names ("format"), and their
/// own parts under a path ("r1_re/format").  A component that fails or times out makes the whole fail or time out, with
/// its name in the diagnosis; it is never taken for 0.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// A reward under another name.
template <class Reward>
struct named_reward {
  std::string name{};
  Reward inner;
  static constexpr bool thread_safe = is_thread_safe<Reward>;

  template <class Sample>
  requires sample_reward<Reward, Sample>
  [[nodiscard]] outcome operator()(Sample const& sample) const { return evaluate(inner, sample); }
};

/// Gives a reward (a lambda, say) the name that metrics show.
template <class Reward>
[[nodiscard]] named_reward<Reward> named(std::string name, Reward reward) {
  return {std::move(name), std::move(reward)};
}

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

}  // namespace detail

/// A weighted component of `sum`.
template <class Reward>
struct term {
  double weight = 1;
  Reward reward;
  std::string name{};  ///< in metrics; empty: the reward's own name, else "term1", "term2", ...
};
template <class Reward>
term(double, Reward) -> term<Reward>;
template <class Reward>
term(double, Reward, char const*) -> term<Reward>;
template <class Reward>
term(double, Reward, std::string) -> term<Reward>;

/// sum_i w_i r_i; made by `sum`.
template <class... Rewards>
struct weighted_sum {
  std::tuple<term<Rewards>...> terms;
  static constexpr bool thread_safe = (is_thread_safe<Rewards> && ...);

  /// Components that do not apply are left out; if none applies, neither does the sum.  It passes if every component
  /// that applies does; its class is that of the first one that has a class other than `scored`.  All components are
  /// evaluated, so that each shows in the metrics.
  template <class Sample>
  requires(sample_reward<Rewards, Sample>&&...) [[nodiscard]] outcome operator()(Sample const& sample) const {
    outcome whole = outcome::none("no term applies");
    bool stopped = false;
    std::size_t place = 0;
    auto const add = [&](auto const& each) {
      ++place;
      outcome component = evaluate(each.reward, sample);
      std::string const name = each.name.empty() ? detail::component_name(each.reward, "term", place) : each.name;
      detail::append_parts(whole, name, component);
      // An error outranks a time-out: the first of the higher rank is reported.
      bool const outranks = !stopped || (component.status == outcome_status::error && whole.status != component.status);
      if (component.status == outcome_status::error || component.status == outcome_status::timed_out) {
        if (outranks) detail::take_failure(whole, name, component);
        stopped = true;
      }
      if (stopped || !component.has_value()) return;
      if (!whole.has_value()) {
        whole.status = outcome_status::value;
        whole.passed = true;
        whole.kind = reward_class::scored;
        whole.diagnosis.clear();
      }
      whole.value += each.weight * component.value;
      whole.passed = whole.passed && component.passed;
      if (whole.kind == reward_class::scored) whole.kind = component.kind;
      if (!component.diagnosis.empty()) {
        if (!whole.diagnosis.empty()) whole.diagnosis += "; ";
        ((whole.diagnosis += name) += ": ") += component.diagnosis;
      }
    };
    std::apply([&](auto const&... each) { (add(each), ...); }, terms);
    return detail::checked(std::move(whole));
  }
};

/// The weighted sum of its terms.
template <class... Rewards>
[[nodiscard]] weighted_sum<Rewards...> sum(term<Rewards>... terms) {
  static_assert(sizeof...(Rewards) > 0, "sum() needs at least one term");
  return {std::tuple<term<Rewards>...>(std::move(terms)...)};
}

/// r_1 + r_2 + ... up to and including the first stage that does not pass; made by `stages`.
template <class... Rewards>
struct staged_reward {
  std::tuple<Rewards...> stages;
  static constexpr bool thread_safe = (is_thread_safe<Rewards> && ...);

  /// Later stages are not called at all.  Class and diagnosis are the last called stage's; the whole passes if all
  /// stages do.  A stage without a value gives the whole its status.
  template <class Sample>
  requires(sample_reward<Rewards, Sample>&&...) [[nodiscard]] outcome operator()(Sample const& sample) const {
    outcome whole = outcome::of(0, true);
    std::size_t place = 0;
    auto const run = [&](auto const& stage) {  // whether the next one may run
      std::string const name = detail::component_name(stage, "stage", ++place);
      outcome component = evaluate(stage, sample);
      detail::append_parts(whole, name, component);
      if (!component.has_value()) {
        detail::take_failure(whole, name, component);
        return false;
      }
      whole.value += component.value;
      whole.passed = component.passed;
      whole.kind = component.kind;
      whole.diagnosis = std::move(component.diagnosis);
      return whole.passed;
    };
    std::apply([&](auto const&... stage) { (void)(run(stage) && ...); }, stages);
    return detail::checked(std::move(whole));
  }
};

/// Stage k is evaluated only if stage k-1 passed.
template <class... Rewards>
[[nodiscard]] staged_reward<Rewards...> stages(Rewards... rewards) {
  static_assert(sizeof...(Rewards) > 0, "stages() needs at least one reward");
  return {std::tuple<Rewards...>(std::move(rewards)...)};
}

/// A reward behind a gate; made by `only_if`.
template <class Gate, class Reward>
struct gated_reward {
  Gate gate;
  Reward inner;
  double otherwise = 0;
  static constexpr bool thread_safe = is_thread_safe<Gate> && is_thread_safe<Reward>;

  /// Where the gate does not pass, the value is `otherwise` and class and diagnosis are the gate's; a gate without a
  /// value gives the whole its status.
  template <class Sample>
  requires(sample_reward<Gate, Sample>&& sample_reward<Reward, Sample>) [[nodiscard]] outcome operator()(
      Sample const& sample) const {
    std::string const name = detail::component_name(gate, "gate", 1);
    outcome opened = evaluate(gate, sample);
    outcome whole = outcome::of(otherwise, false, opened.kind, opened.diagnosis);
    if (opened.has_value() && opened.passed) whole = evaluate(inner, sample);
    detail::append_parts(whole, name, opened);
    if (!opened.has_value()) detail::take_failure(whole, name, opened);
    return whole;
  }
};

/// `reward` where `gate` (a reward or a predicate on the sample) passes, else the value `otherwise`.
template <class Gate, class Reward>
[[nodiscard]] gated_reward<Gate, Reward> only_if(Gate gate, Reward reward, double otherwise = 0) {
  return {std::move(gate), std::move(reward), otherwise};
}

/// A reward whose value goes through a function; class, parts and passing stay.  Made by the functions below.
template <class Reward, class Function>
struct mapped_reward {
  Reward inner;
  Function function;
  std::string name{};
  static constexpr bool thread_safe = is_thread_safe<Reward>;

  template <class Sample>
  requires sample_reward<Reward, Sample>
  [[nodiscard]] outcome operator()(Sample const& sample) const {
    outcome result = evaluate(inner, sample);
    if (result.has_value()) result.value = function(result.value);
    return detail::checked(std::move(result));
  }
};

/// Any function of a reward's value, under the reward's own name.
template <class Reward, class Function>
[[nodiscard]] mapped_reward<Reward, Function> map(Reward reward, Function function) {
  std::string name = reward_name(reward);
  return {std::move(reward), std::move(function), std::move(name)};
}

/// The value limited to [low, high].  @throws argument_error unless low <= high
template <class Reward>
[[nodiscard]] auto clamp(Reward reward, double low, double high) {
  if (!(low <= high)) throw argument_error("clamp: low must not exceed high");
  return map(std::move(reward), [low, high](double value) { return std::min(std::max(value, low), high); });
}

/// factor * value + offset.
template <class Reward>
[[nodiscard]] auto scale(Reward reward, double factor, double offset = 0) {
  return map(std::move(reward), [factor, offset](double value) { return factor * value + offset; });
}

/// A corner of a piecewise linear function.
struct piecewise_point {
  double x = 0;
  double y = 0;
};

/// Linear between the points, constant outside them.
/// @throws argument_error unless there is a point and the x are finite and strictly increasing
template <class Reward>
[[nodiscard]] auto piecewise(Reward reward, std::vector<piecewise_point> points) {
  if (points.empty()) throw argument_error("piecewise: no point, expected at least one");
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!std::isfinite(points[i].x) || !std::isfinite(points[i].y) || (i > 0 && !(points[i - 1].x < points[i].x))) {
      throw argument_error("piecewise: point " + std::to_string(i) + " breaks the finite, strictly increasing order");
    }
  }
  return map(std::move(reward), [points = std::move(points)](double value) {
    if (value <= points.front().x) return points.front().y;
    if (value >= points.back().x) return points.back().y;
    auto const right = std::upper_bound(points.begin(), points.end(), value,
                                        [](double x, piecewise_point const& point) { return x < point.x; });
    auto const left = right - 1;
    return left->y + (right->y - left->y) * ((value - left->x) / (right->x - left->x));
  });
}

}  // namespace reward
RLVR_NAMESPACE_END
