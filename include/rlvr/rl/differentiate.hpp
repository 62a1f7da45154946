// SPDX-License-Identifier: MIT
/// @file
/// A token objective from plain arithmetic, without writing a derivative:
///
///   auto clip = rlvr::differentiate([](auto s) {
///     auto ratio = exp(s.log_prob - s.old_log_prob);
///     return -min(ratio * s.advantage, clamp(ratio, 0.8, 1.2) * s.advantage);
///   });
///
/// The function is evaluated on dual numbers (rlvr/core/dual.hpp, which also lists the functions it may call and what
/// they do at a kink).  `log_prob` and `entropy` are the variables, all other members constants; `stop_gradient(x)`
/// cuts.  Constants are plain scalars, captured by value where they are not literals; the function must be trivially
/// copyable and return a dual.
///
/// In a CUDA kernel the function has to be callable on the device: a struct whose generic `operator()` is RLVR_HD.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/dual.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <concepts>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// What `differentiate` takes: trivially copyable, from a sample of duals to a dual.
template <class Function, class T = float>
concept differentiable_objective = std::is_trivially_copyable_v<Function> &&
    requires(Function const& function, token_sample<dual<T>> const& sample) {
  { function(sample) } -> std::same_as<dual<T>>;
};

/// The objective that `differentiate` returns.
template <differentiable_objective Function>
struct differentiated {
  Function function;

  RLVR_HD_OR_HOST
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr loss_value<T> operator()(token_sample<T> const& sample) const {
    token_sample<dual<T>> const variables{.log_prob = {sample.log_prob, T(1), T(0)},
                                          .old_log_prob = {sample.old_log_prob},
                                          .reference_log_prob = {sample.reference_log_prob},
                                          .behaviour_log_prob = {sample.behaviour_log_prob},
                                          .advantage = {sample.advantage},
                                          .entropy = {sample.entropy, T(0), T(1)},
                                          .sequence = {.length = {sample.sequence.length},
                                                       .mean_log_ratio = {sample.sequence.mean_log_ratio},
                                                       .index = sample.sequence.index,
                                                       .mean_advantage = {sample.sequence.mean_advantage},
                                                       .reward = {sample.sequence.reward},
                                                       .term = {sample.sequence.term},
                                                       .mean_kl = {sample.sequence.mean_kl}},
                                          .weight = {sample.weight},
                                          .selected = sample.selected};
    dual<T> const loss = function(variables);
    return {.value = loss.value, .d_log_prob = loss.d_log_prob, .d_entropy = loss.d_entropy};
  }
};

/// Turns `function`, a generic callable `dual<T> (token_sample<dual<T>>)`, into a token objective.
template <differentiable_objective Function>
[[nodiscard]] RLVR_HD constexpr differentiated<Function> differentiate(Function function) {
  return {function};
}

RLVR_NAMESPACE_END
