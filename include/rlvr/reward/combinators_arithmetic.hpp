// SPDX-License-Identifier: MIT
/// @file
/// Rewards computed from the values of others:
///
///     product(f, g, ...)                        r_f r_g ...
///     minimum(f, g, ...)   maximum(f, g, ...)   the least and the greatest value
///     threshold(f, at)                          1 and passed if r_f >= at, else 0 and not passed
///     normalised(f, low, high)                  (r_f - low) / (high - low), limited to [0, 1]
///     table(f, {{reward_class::correct, 2}})    the value that the class of f's outcome has in the table
///
/// Components that do not apply are left out; one that fails or times out makes the whole so (combinators.hpp).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/component.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

namespace detail {

/// A product passes if all its factors do.
struct multiply {
  static constexpr double start = 1;
  static constexpr char const* what = "factor";
  static void apply(gathering& whole, std::string const& name, outcome const& component) {
    whole.value *= component.value;
    whole.agree(name, component);
  }
};

/// An extreme is one of its components in all respects; the first of equal ones.
template <bool Least>
struct choose_extreme {
  static constexpr double start = 0;
  static constexpr char const* what = "choice";
  static void apply(gathering& whole, std::string const& name, outcome const& component) {
    bool const better = Least ? component.value < whole.value : component.value > whole.value;
    if (whole.count > 1 && !better) return;
    whole.value = component.value;
    whole.adopt(name, component);
  }
};

}  // namespace detail

/// A reward that evaluates all its components and folds their values; made by `product`, `minimum` and `maximum`.
template <class Fold, class... Rewards>
struct folded_reward {
  std::tuple<Rewards...> components;
  static constexpr bool thread_safe = (is_thread_safe<Rewards> && ...);

  /// Where no component applies, the whole does not.
  template <class Sample>
  requires(sample_reward<Rewards, Sample>&&...) [[nodiscard]] outcome operator()(
      Sample const& sample, call_context const& context = {}) const {
    detail::gathering whole("no component applies", Fold::start);
    std::size_t place = 0;
    auto const add = [&](auto const& each) {
      std::string const name = detail::component_name(each, Fold::what, ++place);
      outcome const component = detail::evaluate_as(name, each, sample, context);
      if (whole.add(name, component)) Fold::apply(whole, name, component);
    };
    std::apply([&](auto const&... each) { (add(each), ...); }, components);
    return whole.result();
  }
};

/// The product of the values: a reward that any factor of 0 takes away.  It passes if every factor that applies does.
template <class... Rewards>
[[nodiscard]] folded_reward<detail::multiply, Rewards...> product(Rewards... rewards) {
  static_assert(sizeof...(Rewards) > 0, "product() needs at least one factor");
  return {std::tuple<Rewards...>(std::move(rewards)...)};
}

/// The least value, with class, passing and diagnosis of the component that has it.
template <class... Rewards>
[[nodiscard]] folded_reward<detail::choose_extreme<true>, Rewards...> minimum(Rewards... rewards) {
  static_assert(sizeof...(Rewards) > 0, "minimum() needs at least one reward");
  return {std::tuple<Rewards...>(std::move(rewards)...)};
}

/// The greatest value, with class, passing and diagnosis of the component that has it.
template <class... Rewards>
[[nodiscard]] folded_reward<detail::choose_extreme<false>, Rewards...> maximum(Rewards... rewards) {
  static_assert(sizeof...(Rewards) > 0, "maximum() needs at least one reward");
  return {std::tuple<Rewards...>(std::move(rewards)...)};
}

/// A reward turned into a yes or no; made by `threshold`.
template <class Reward>
struct threshold_reward {
  Reward inner;
  double at = 0;
  std::string name{};
  static constexpr bool thread_safe = is_thread_safe<Reward>;

  template <class Sample>
  requires sample_reward<Reward, Sample>
  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    outcome result = detail::evaluate_as("before", inner, sample, context);
    if (!result.has_value()) return result;
    result.passed = result.value >= at;
    result.value = result.passed ? 1 : 0;
    return result;
  }
};

/// 1, and passed, where the value reaches `at`; else 0, and not passed.  As a gate or a stage it decides who goes on.
/// @throws argument_error unless `at` is finite
template <class Reward>
[[nodiscard]] threshold_reward<Reward> threshold(Reward reward, double at) {
  if (!std::isfinite(at)) throw argument_error("threshold: the value to reach is not a finite number");
  std::string name = reward_name(reward);
  return {std::move(reward), at, std::move(name)};
}

/// The value as a share of the way from `low` to `high`, limited to [0, 1]: rewards of different scales side by side.
/// @throws argument_error unless low < high, both finite
template <class Reward>
[[nodiscard]] auto normalised(Reward reward, double low, double high) {
  if (!std::isfinite(low) || !std::isfinite(high) || !(low < high)) {
    throw argument_error("normalised: expected finite numbers low < high");
  }
  return map(std::move(reward),
             [low, high](double value) { return std::min(std::max((value - low) / (high - low), 0.0), 1.0); });
}

/// An entry of `table`.
struct class_value {
  reward_class kind = reward_class::scored;
  double value = 0;
};

/// A reward whose value is read off its class; made by `table`.
template <class Reward>
struct class_table_reward {
  Reward inner;
  std::array<std::optional<double>, reward_class_count> values{};
  std::string name{};
  static constexpr bool thread_safe = is_thread_safe<Reward>;

  /// Class, passing, parts and diagnosis stay.
  template <class Sample>
  requires sample_reward<Reward, Sample>
  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    outcome result = detail::evaluate_as("before", inner, sample, context);
    auto const& entry = values[static_cast<std::size_t>(result.kind)];
    if (result.has_value() && entry) result.value = *entry;
    return result;
  }
};

/// The value that the table has for the class; a class that it has not keeps the reward's own value.
/// @throws argument_error if a value is not finite, a class comes twice, or it is one without a value: what failed is
///         never given a number
template <class Reward>
[[nodiscard]] class_table_reward<Reward> table(Reward reward, std::vector<class_value> const& entries) {
  std::string name = reward_name(reward);
  class_table_reward<Reward> result{std::move(reward), {}, std::move(name)};
  for (class_value const& each : entries) {
    std::string const kind(class_name(each.kind));
    if (!std::isfinite(each.value)) throw argument_error("table: the value of " + kind + " is not a finite number");
    if (each.kind == reward_class::not_applicable || each.kind == reward_class::error ||
        each.kind == reward_class::timed_out) {
      throw argument_error("table: " + kind + " has no value, expected a class of scored responses");
    }
    std::optional<double>& entry = result.values[static_cast<std::size_t>(each.kind)];
    if (entry) throw argument_error("table: the class " + kind + " comes twice");
    entry = each.value;
  }
  return result;
}

}  // namespace reward
RLVR_NAMESPACE_END
