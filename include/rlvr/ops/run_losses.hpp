// SPDX-License-Identifier: MIT
/// @file
/// How every backend runs the ops over the vocabulary's head: in chunks of rows, product -> token body -> two products.
/// A backend offers `for_each_row`, `shared_scratch` (the chunk's logits) and the three products of ops/linear.hpp.
#pragma once

#include <rlvr/core/math.hpp>
#include <rlvr/kernel/row_bodies.hpp>
#include <rlvr/ops/execute.hpp>
#include <rlvr/ops/linear.hpp>
#include <rlvr/ops/linear_policy_loss.hpp>
#include <rlvr/ops/run_rows.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace ops {

/// A context that can project chunks of rows onto the vocabulary.
template <class Context>
concept runs_head_products = supports<Context, linear_forward> && supports<Context, linear_input_gradient> &&
    supports<Context, linear_weight_gradient> && requires(Context& context, std::size_t count) {
  { context.shared_scratch(count) } -> std::same_as<float*>;
};

/// And that can run bodies on the chunks.
template <class Context>
concept runs_heads = runs_rows<Context> && runs_head_products<Context>;

namespace detail {

/// Calls visit(first row, logits of the chunk) for each chunk of rows.
template <class Context, class Visit>
void for_each_chunk(Context& context, linear_head const& head, Visit&& visit) {
  std::size_t const chunk = math::min(head.chunk_rows, head.hidden.rows);
  float* const storage = context.shared_scratch(chunk * head.weight.rows);
  for (std::size_t first = 0; first < head.hidden.rows; first += chunk) {
    std::size_t const count = math::min(chunk, head.hidden.rows - first);
    matrix_view<float> const logits{storage, count, head.weight.rows};
    execute(context,
            linear_forward{.input = head.hidden.middle_rows(first, count), .weight = head.weight, .output = logits});
    visit(first, logits);
  }
}

/// A loss and its two gradient products, chunk by chunk; `replace(first row, logits)` replaces logits by the gradient
/// of the loss by them.
template <class Context, class Objective, class Replace>
void run_loss(Context& context, linear_policy_loss<Objective> const& op, Replace const& replace) {
  for_each_chunk(context, op.head, [&](std::size_t first, matrix_view<float> logits) {
    replace(first, logits);
    execute(context, linear_input_gradient{.output_gradient = logits,
                                           .weight = op.head.weight,
                                           .input_gradient = op.hidden_gradient.middle_rows(first, logits.rows)});
    execute(context, linear_weight_gradient{.output_gradient = logits,
                                            .input = op.head.hidden.middle_rows(first, logits.rows),
                                            .weight_gradient = op.weight_gradient,
                                            .operands = op.head.weight.type});
  });
}

}  // namespace detail

template <runs_heads Context>
void run(Context& context, linear_log_prob const& op) {
  float const inverse_temperature = 1.0f / op.head.temperature;
  detail::for_each_chunk(context, op.head, [&](std::size_t first, matrix_view<float> logits) {
    context.for_each_row(logits.rows, logits.columns,
                         kernel::token_log_prob_body{logits, inverse_temperature, op.target + first,
                                                     op.log_prob ? op.log_prob + first : nullptr,
                                                     op.entropy ? op.entropy + first : nullptr});
  });
}

template <runs_heads Context, class Objective>
void run(Context& context, linear_policy_loss<Objective> const& op) {
  using body = kernel::token_loss_body<std::remove_const_t<Objective>>;  // const or not: one kernel
  float const inverse_temperature = 1.0f / op.head.temperature;
  detail::run_loss(context, op, [&](std::size_t first, matrix_view<float> logits) {
    context.for_each_row(logits.rows, logits.columns,
                         body{logits, inverse_temperature, op.objective, op.records, op.results, first});
  });
}

}  // namespace ops
RLVR_NAMESPACE_END
