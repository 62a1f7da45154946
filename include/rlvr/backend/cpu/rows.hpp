// SPDX-License-Identifier: MIT
/// @file
/// The row-wise ops on the CPU: the shared bodies of kernel/ with one thread per row, or per tile of columns where
/// rows are summed.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/ops/rows.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace cpu {
namespace detail {

/// Elements a task should touch at least, so that waking a thread pays.
inline constexpr std::size_t task_elements = 16384;

template <class Body>
void for_each_row(context& ctx, std::size_t rows, std::size_t width, Body&& body) {
  std::size_t const grain = math::max<std::size_t>(1, task_elements / (width + 1));
  ctx.parallel_pieces(rows, grain, [&](std::size_t first, std::size_t count, std::size_t) {
    for (std::size_t row = first; row < first + count; ++row) body(row);
  });
}

inline constexpr std::size_t column_tile = 64;

}  // namespace detail

inline void run(context& ctx, ops::rms_norm const& op) {
  detail::for_each_row(ctx, op.input.rows, op.input.columns,
                       [&](std::size_t row) { kernel::rms_norm_row(single_thread_group{}, op, row); });
}

inline void run(context& ctx, ops::rms_norm_gradient const& op) {
  if (op.weight_gradient)
    ctx.parallel_pieces(op.input.columns, detail::column_tile, [&](std::size_t first, std::size_t count, std::size_t) {
      kernel::rms_norm_weight_gradient_columns(single_thread_group{}, op.input, op.inverse_rms, op.output_gradient,
                                               op.weight_gradient, first, count);
    });
  detail::for_each_row(ctx, op.input.rows, op.input.columns,
                       [&](std::size_t row) { kernel::rms_norm_gradient_row(single_thread_group{}, op, row); });
}

inline void run(context& ctx, ops::rope const& op) {
  detail::for_each_row(ctx, op.values.rows, op.values.columns,
                       [&](std::size_t row) { kernel::rope_row(single_thread_group{}, op, row); });
}

inline void run(context& ctx, ops::swiglu const& op) {
  detail::for_each_row(ctx, op.gate.rows, 4 * op.gate.columns, [&](std::size_t row) {
    kernel::swiglu_row(single_thread_group{}, op.gate.row(row), op.up.row(row), op.out.row(row), op.gate.columns);
  });
}

inline void run(context& ctx, ops::swiglu_gradient const& op) {
  detail::for_each_row(ctx, op.gate.rows, 4 * op.gate.columns, [&](std::size_t row) {
    kernel::swiglu_gradient_row(single_thread_group{}, op.gate.row(row), op.up.row(row), op.out_gradient.row(row),
                                op.gate_gradient.row(row), op.up_gradient.row(row), op.gate.columns);
  });
}

inline void run(context& ctx, ops::add_bias const& op) {
  detail::for_each_row(ctx, op.values.rows, op.values.columns, [&](std::size_t row) {
    kernel::add_bias_row(single_thread_group{}, op.values.row(row), op.bias, op.values.columns);
  });
}

inline void run(context& ctx, ops::bias_gradient const& op) {
  ctx.parallel_pieces(op.output_gradient.columns, detail::column_tile,
                      [&](std::size_t first, std::size_t count, std::size_t) {
                        kernel::column_sums(single_thread_group{}, op.output_gradient, op.gradient, first, count);
                      });
}

inline void run(context& ctx, ops::copy_rows const& op) {
  detail::for_each_row(ctx, op.source.rows, op.source.columns, [&](std::size_t row) {
    kernel::copy_row(single_thread_group{}, op.source.row(row), op.destination.row(row), op.source.columns);
  });
}

inline void run(context& ctx, ops::gather_rows const& op) {
  detail::for_each_row(ctx, op.output.rows, op.output.columns, [&](std::size_t row) {
    kernel::copy_row(single_thread_group{}, op.source.row(static_cast<std::size_t>(op.index[row])), op.output.row(row),
                     op.output.columns);
  });
}

inline void run(context& ctx, ops::scatter_rows const& op) {
  detail::for_each_row(ctx, op.source.rows, op.source.columns, [&](std::size_t row) {
    kernel::copy_row(single_thread_group{}, op.source.row(row),
                     op.destination.row(static_cast<std::size_t>(op.index[row])), op.source.columns);
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
