// SPDX-License-Identifier: MIT
/// @file
/// A loaded objective where the library expects the type of one: in ops::linear_policy_loss, and so in the learner and
/// the trainers over it, on `context` and `linked_context`.  Settings are then a matter of configuration:
///
///     rlvr::cuda::runtime_objective const loaded(text, "my_objective");
///     learner.accumulate(batch, rlvr::cuda::runtime_loss<>{&loaded});
///
/// Losses over tokens alone: the records of sequences are filled where the host knows that an objective reads them.
#pragma once

#include <rlvr/backend/cuda/linked.cuh>
#include <rlvr/backend/cuda/runtime_objective.cuh>
#include <rlvr/ops/execute.hpp>
#include <rlvr/ops/linear.hpp>
#include <rlvr/ops/linear_policy_loss.hpp>
#include <rlvr/ops/run_losses.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// The values of an objective without any.
struct no_runtime_values {};

/// A token objective whose code is on the device.
template <class Values = no_runtime_values>
struct runtime_loss {
  runtime_objective const* loaded = nullptr;  ///< outlives the context's graphs
  [[no_unique_address]] Values values{};      ///< its members, where it was compiled with `parameter_bytes`

  /// Declared, not defined: no other backend can evaluate it.
  template <std::floating_point T>
  [[nodiscard]] loss_value<T> operator()(token_sample<T> const& sample) const;
};

static_assert(token_objective<runtime_loss<>> && token_objective<runtime_loss<double>>);

/// A context that can project chunks of rows onto the vocabulary, with a stream.
template <class Context>
concept runs_runtime_heads = ops::runs_head_products<Context> && requires(Context& context) {
  { context.stream() } -> std::same_as<cudaStream_t>;
};

namespace detail {

/// As ops/run_losses.hpp, the loss by a kernel that was compiled at run time.
template <runs_runtime_heads Context, class Values>
void run_runtime_loss(Context& context, ops::linear_policy_loss<runtime_loss<Values>> const& op) {
  float const inverse_temperature = 1.0f / op.head.temperature;
  ops::detail::run_loss(context, op, [&](std::size_t first, matrix_view<float> logits) {
    runtime_loss_rows const rows{logits, inverse_temperature, op.records, op.results, first};
    if constexpr (std::is_same_v<Values, no_runtime_values>)
      op.objective.loaded->launch(context.stream(), rows);
    else
      op.objective.loaded->launch(context.stream(), rows, op.objective.values);
  });
}

}  // namespace detail

template <runs_runtime_heads Context, class Values>
void run(Context& context, ops::linear_policy_loss<runtime_loss<Values>> const& op) {
  detail::run_runtime_loss(context, op);
}

/// This op is no other unit's: it has no kernel of the program.
template <class Values>
void run(linked_context& context, ops::linear_policy_loss<runtime_loss<Values>> const& op) {
  detail::run_runtime_loss(context, op);
}

}  // namespace cuda
RLVR_NAMESPACE_END
