// SPDX-License-Identifier: MIT
/// @file
/// Rewards made of rewards, by named functions:
///
///     sum(term{0.9, f}, term{0.1, g, "brevity"})   sum_i w_i r_i
///     stages(f, g, h)                              r_f, + r_g if f passed, + r_h if g passed too
///     only_if(gate, f, otherwise)                  f where the gate passes, else the value `otherwise`
///     clamp(f, low, high)   scale(f, factor, offset)   piecewise(f, {{x, y}, ...})
///
/// More of them: combinators_arithmetic.hpp, combinators_choice.hpp, memoised.hpp; of rewards known at run time alone:
/// any_reward.hpp.  `sum`, `named` and the maps of a value take group rewards too (concept.hpp, group_rewards.hpp); a
/// sum may mix both kinds and is then a group reward.
///
/// Each result is a reward again.  The components' values become parts under their names ("format"), and their own
/// parts under a path ("r1_re/format").  A component that fails or times out makes the whole fail or time out, with its
/// name in the diagnosis; it is never taken for 0.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/component.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
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
  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    return evaluate(inner, sample, context);
  }
  /// The same for a group reward.
  template <class Sample>
  requires group_reward<Reward, Sample>
  void operator()(std::span<Sample const> samples, std::span<outcome> outcomes,
                  call_context const& context = {}) const {
    evaluate_group(inner, samples, outcomes, context);
  }
};

/// Gives a reward (a lambda, say) the name that metrics show.
template <class Reward>
[[nodiscard]] named_reward<Reward> named(std::string name, Reward reward) {
  return {std::move(name), std::move(reward)};
}

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

namespace detail {

/// The name of a term in metrics.
template <class Reward>
[[nodiscard]] std::string term_name(term<Reward> const& each, std::size_t place) {
  return each.name.empty() ? component_name(each.reward, "term", place) : each.name;
}

[[nodiscard]] inline gathering empty_sum() { return {"no term applies", 0.0}; }

inline void add_term(gathering& whole, double weight, std::string const& name, outcome const& component) {
  if (!whole.add(name, component)) return;
  whole.value += weight * component.value;
  whole.agree(name, component);
}

/// Stages that are run one after the other.
class staging {
 public:
  /// @returns whether the next one may run
  template <class Sample, sample_reward<Sample> Reward>
  bool run(Reward const& stage, Sample const& sample, call_context const& context) {
    std::string const name = component_name(stage, "stage", ++place_);
    outcome component = evaluate_as(name, stage, sample, context);
    append_parts(whole_, name, component);
    if (!component.has_value()) {
      take_failure(whole_, name, component);
      return false;
    }
    whole_.value += component.value;
    whole_.passed = component.passed;
    whole_.kind = component.kind;
    whole_.diagnosis = std::move(component.diagnosis);
    return whole_.passed;
  }

  [[nodiscard]] outcome result() { return checked(std::move(whole_)); }

 private:
  outcome whole_ = outcome::of(0, true);
  std::size_t place_ = 0;
};

}  // namespace detail

/// sum_i w_i r_i; made by `sum`.
template <class... Rewards>
struct weighted_sum {
  std::tuple<term<Rewards>...> terms;
  static constexpr bool thread_safe = (is_thread_safe<Rewards> && ...);

  /// Components that do not apply are left out; if none applies, neither does the sum.  It passes if every component
  /// that applies does; its class is that of the first one that has a class other than `scored`.  All components are
  /// evaluated, so that each shows in the metrics.
  template <class Sample>
  requires(sample_reward<Rewards, Sample>&&...) [[nodiscard]] outcome operator()(
      Sample const& sample, call_context const& context = {}) const {
    detail::gathering whole = detail::empty_sum();
    for_each_term([&](auto const& each, std::string const& name) {
      detail::add_term(whole, each.weight, name, detail::evaluate_as(name, each.reward, sample, context));
    });
    return whole.result();
  }

  /// The same sum for each sample of a group; terms are rewards of a sample or of a group.
  template <class Sample>
  requires(detail::member_reward<Rewards, Sample>&&...) void operator()(std::span<Sample const> samples,
                                                                        std::span<outcome> outcomes,
                                                                        call_context const& context = {}) const {
    std::vector<detail::gathering> wholes(samples.size(), detail::empty_sum());
    std::vector<outcome> components(samples.size());
    for_each_term([&](auto const& each, std::string const& name) {
      detail::evaluate_members(each.reward, samples, std::span<outcome>(components), context);
      for (std::size_t i = 0; i < samples.size(); ++i) detail::add_term(wholes[i], each.weight, name, components[i]);
    });
    for (std::size_t i = 0; i < samples.size(); ++i) outcomes[i] = wholes[i].result();
  }

 private:
  template <class Function>
  void for_each_term(Function const& function) const {
    std::size_t place = 0;
    auto const visit = [&](auto const& each) { function(each, detail::term_name(each, ++place)); };
    std::apply([&](auto const&... each) { (visit(each), ...); }, terms);
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
  requires(sample_reward<Rewards, Sample>&&...) [[nodiscard]] outcome operator()(
      Sample const& sample, call_context const& context = {}) const {
    detail::staging whole;
    std::apply([&](auto const&... stage) { (void)(whole.run(stage, sample, context) && ...); }, stages);
    return whole.result();
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
      Sample const& sample, call_context const& context = {}) const {
    std::string const name = detail::component_name(gate, "gate", 1);
    outcome opened = detail::evaluate_as(name, gate, sample, context);
    outcome whole = outcome::of(otherwise, false, opened.kind, opened.diagnosis);
    if (opened.has_value() && opened.passed) whole = detail::evaluate_as("gated", inner, sample, context);
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
  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    return mapped(detail::evaluate_as("before", inner, sample, context));
  }
  /// The same for a group reward.
  template <class Sample>
  requires group_reward<Reward, Sample>
  void operator()(std::span<Sample const> samples, std::span<outcome> outcomes,
                  call_context const& context = {}) const {
    evaluate_group(inner, samples, outcomes, context);
    for (outcome& each : outcomes) each = mapped(std::move(each));
  }

 private:
  [[nodiscard]] outcome mapped(outcome result) const {
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
