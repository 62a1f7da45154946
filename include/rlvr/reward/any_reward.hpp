// SPDX-License-Identifier: MIT
/// @file
/// Rewards whose type is chosen at run time, so that a configuration file or a scripting language composes what C++
/// composes at compile time:
///
///     using reward = any_reward<relation_sample>;
///     reward const whole = sum(std::vector{term{0.9, reward(r1_re{})}, term{0.1, reward(other), "brevity"}});
///
/// An `any_reward` holds any reward of a sample; copies share it.  It is a reward itself, so every combinator takes it.
/// `sum` and `stages` over a vector give the outcomes of the same composition at compile time, to the last diagnosis.
///
/// A held reward whose type denies thread safety is called by one thread at a time; the others wait for it, deadline or
/// not.  `is_parallel` tells whether that can happen.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/component.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Any reward of a sample.  May be called from several threads at once.
template <class Sample>
class any_reward {
 public:
  template <class Reward>
  requires(!std::same_as<Reward, any_reward> && sample_reward<Reward, Sample>)  // in this order: no endless recursion
      any_reward(Reward reward)
      : name(reward_name(reward)), held_(std::make_shared<holder<Reward>>(std::move(reward))) {}

  /// What the held reward says.  Never throws: what it throws is an error of this response.
  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    return held_->call(sample, context);
  }

  /// Whether all that is held may run on several threads at once; otherwise calls wait for each other.
  [[nodiscard]] bool is_parallel() const noexcept { return held_->is_parallel(); }

  std::string name;  ///< in metrics and in the paths of parts; the held reward's own unless it is changed

 private:
  struct holder_base {
    holder_base() = default;
    holder_base(holder_base const&) = delete;
    holder_base& operator=(holder_base const&) = delete;
    virtual ~holder_base() = default;
    [[nodiscard]] virtual outcome call(Sample const& sample, call_context const& context) const = 0;
    [[nodiscard]] virtual bool is_parallel() const noexcept = 0;
  };

  template <class Reward>
  struct holder final : holder_base {
    explicit holder(Reward&& reward) : inner(std::move(reward)) {}

    [[nodiscard]] outcome call(Sample const& sample, call_context const& context) const override {
      if constexpr (is_thread_safe<Reward>) {
        return evaluate(inner, sample, context);
      } else {
        std::lock_guard const lock(one_at_a_time);
        return evaluate(inner, sample, context);
      }
    }
    [[nodiscard]] bool is_parallel() const noexcept override {
      if constexpr (requires { inner.is_parallel(); }) {
        return inner.is_parallel();
      } else {
        return is_thread_safe<Reward>;
      }
    }

    Reward inner;
    mutable std::mutex one_at_a_time;
  };

  std::shared_ptr<holder_base const> held_;
};

namespace detail {

/// sum_i w_i r_i of rewards known at run time.
template <class Sample>
struct any_sum {
  std::vector<term<any_reward<Sample>>> terms;

  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    gathering whole = empty_sum();
    for (std::size_t i = 0; i < terms.size(); ++i) {
      std::string const name = term_name(terms[i], i + 1);
      add_term(whole, terms[i].weight, name, evaluate_as(name, terms[i].reward, sample, context));
    }
    return whole.result();
  }
  [[nodiscard]] bool is_parallel() const noexcept {
    return std::all_of(terms.begin(), terms.end(), [](auto const& each) { return each.reward.is_parallel(); });
  }
};

/// r_1 + r_2 + ... of rewards known at run time.
template <class Sample>
struct any_stages {
  std::vector<any_reward<Sample>> stages;

  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    staging whole;
    for (any_reward<Sample> const& each : stages) {
      if (!whole.run(each, sample, context)) break;
    }
    return whole.result();
  }
  [[nodiscard]] bool is_parallel() const noexcept {
    return std::all_of(stages.begin(), stages.end(), [](auto const& each) { return each.is_parallel(); });
  }
};

}  // namespace detail

/// The weighted sum of its terms.  @throws argument_error if there is none, or a weight is not finite
template <class Sample>
[[nodiscard]] any_reward<Sample> sum(std::vector<term<any_reward<Sample>>> terms) {
  if (terms.empty()) throw argument_error("sum: found no term, expected at least one");
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (std::isfinite(terms[i].weight)) continue;
    throw argument_error("sum: the weight of " + detail::term_name(terms[i], i + 1) + " is " +
                         std::to_string(terms[i].weight) + ", expected a finite number");
  }
  return detail::any_sum<Sample>{std::move(terms)};
}

/// Stage k is evaluated only if stage k-1 passed.  @throws argument_error if there is none
template <class Sample>
[[nodiscard]] any_reward<Sample> stages(std::vector<any_reward<Sample>> rewards) {
  if (rewards.empty()) throw argument_error("stages: found no reward, expected at least one");
  return detail::any_stages<Sample>{std::move(rewards)};
}

}  // namespace reward
RLVR_NAMESPACE_END
