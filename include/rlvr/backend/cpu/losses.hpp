// SPDX-License-Identifier: MIT
/// @file
/// The vocabulary's ops on the CPU: chunked log-probs and losses over the head, and sampling.
#pragma once

#include <rlvr/backend/cpu/matmul.hpp>
#include <rlvr/backend/cpu/rows.hpp>
#include <rlvr/ops/linear_policy_loss.hpp>
#include <rlvr/ops/sample_tokens.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace cpu {
namespace detail {

/// Calls visit(first row, logits of the chunk) for each chunk of rows.
template <class Visit>
void for_each_chunk(context& ctx, ops::linear_head const& head, Visit&& visit) {
  std::size_t const chunk = math::min(head.chunk_rows, head.hidden.rows);
  float* const storage = ctx.shared_scratch(chunk * head.weight.rows);
  for (std::size_t first = 0; first < head.hidden.rows; first += chunk) {
    std::size_t const count = math::min(chunk, head.hidden.rows - first);
    matrix_view<float> const logits{storage, count, head.weight.rows};
    run(ctx,
        ops::linear_forward{.input = head.hidden.middle_rows(first, count), .weight = head.weight, .output = logits});
    visit(first, logits);
  }
}

}  // namespace detail

inline void run(context& ctx, ops::linear_log_prob const& op) {
  float const inverse_temperature = 1.0f / op.head.temperature;
  detail::for_each_chunk(ctx, op.head, [&](std::size_t first, matrix_view<float> logits) {
    detail::for_each_row(ctx, logits.rows, 2 * logits.columns, [&](std::size_t row) {
      std::size_t const record = first + row;
      kernel::token_log_prob_row(single_thread_group{}, logits.row(row), logits.columns, inverse_temperature,
                                 op.target[record], op.log_prob ? op.log_prob + record : nullptr,
                                 op.entropy ? op.entropy + record : nullptr);
    });
  });
}

template <class Objective>
void run(context& ctx, ops::linear_policy_loss<Objective> const& op) {
  float const inverse_temperature = 1.0f / op.head.temperature;
  detail::for_each_chunk(ctx, op.head, [&](std::size_t first, matrix_view<float> logits) {
    detail::for_each_row(ctx, logits.rows, 2 * logits.columns, [&](std::size_t row) {
      kernel::token_loss_row(single_thread_group{}, logits.row(row), logits.columns, inverse_temperature, op.objective,
                             op.records, op.results, first + row);
    });
    run(ctx, ops::linear_input_gradient{.output_gradient = logits,
                                        .weight = op.head.weight,
                                        .input_gradient = op.hidden_gradient.middle_rows(first, logits.rows)});
    run(ctx, ops::linear_weight_gradient{.output_gradient = logits,
                                         .input = op.head.hidden.middle_rows(first, logits.rows),
                                         .weight_gradient = op.weight_gradient});
  });
}

inline void run(context& ctx, ops::sample_tokens const& op) {
  float const inverse_temperature = op.settings.temperature > 0.0f ? 1.0f / op.settings.temperature : 1.0f;
  detail::for_each_row(ctx, op.logits.rows, 4 * op.logits.columns, [&](std::size_t row) {
    single_thread_group const group;
    float const* const logits = op.logits.row(row);
    kernel::sampled_token const token =
        kernel::sample_row(group, logits, op.logits.columns, op.settings, op.key[row].bits());
    op.id[row] = token.id;
    if (op.kept_mass) op.kept_mass[row] = token.kept_mass;
    if (op.log_prob || op.entropy)
      kernel::token_log_prob_row(group, logits, op.logits.columns, inverse_temperature, token.id,
                                 op.log_prob ? op.log_prob + row : nullptr, op.entropy ? op.entropy + row : nullptr);
  });
}

}  // namespace cpu
RLVR_NAMESPACE_END
