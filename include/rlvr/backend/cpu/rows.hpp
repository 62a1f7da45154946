// SPDX-License-Identifier: MIT
/// @file
/// The row-wise ops on the CPU: the shared bodies with one thread per row (ops/run_rows.hpp), and with one per tile of
/// columns where rows are summed.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/ops/rows.hpp>
#include <rlvr/ops/run_rows.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace cpu {
namespace detail {

inline constexpr std::size_t column_tile = 64;

}  // namespace detail

inline void run(context& ctx, ops::rms_norm_gradient const& op) {
  if (op.weight_gradient)
    ctx.parallel_pieces(op.input.columns, detail::column_tile, [&](std::size_t first, std::size_t count, std::size_t) {
      kernel::rms_norm_weight_gradient_columns(single_thread_group{}, op.input, op.inverse_rms, op.output_gradient,
                                               op.weight_gradient, first, count);
    });
  ctx.for_each_row(op.input.rows, op.input.columns, kernel::rms_norm_gradient_body{op});
}

inline void run(context& ctx, ops::bias_gradient const& op) {
  ctx.parallel_pieces(op.output_gradient.columns, detail::column_tile,
                      [&](std::size_t first, std::size_t count, std::size_t) {
                        kernel::column_sums(single_thread_group{}, op.output_gradient, op.gradient, first, count);
                      });
}

inline void run(context& ctx, ops::scatter_add_rows const& op) {
  ctx.parallel_pieces(op.source.columns, detail::column_tile, [&](std::size_t first, std::size_t count, std::size_t) {
    for (std::size_t row = 0; row < op.source.rows; ++row)
      kernel::add_row(single_thread_group{}, op.source.row(row) + first,
                      op.destination.row(static_cast<std::size_t>(op.index[row])) + first, count);
  });
}

}  // namespace cpu
RLVR_NAMESPACE_END
