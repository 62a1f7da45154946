// SPDX-License-Identifier: MIT
/// @file
/// The three products of a linear layer on the CPU.
///
/// The forward product is ours, because a row's bits must not depend on the batch (gemm_tiles.hpp, gemm_pairs.hpp). The
/// two gradient products have no such duty.  Where there are fused multiply-adds they are ours too (gemm_packed.hpp),
/// elsewhere Eigen's (matmul_eigen.hpp).  Either way the number of threads does not change a bit.
///
/// A bfloat16 weight is widened block by block into the thread's scratch memory; activations stay as they are.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/backend/cpu/gemm_packed.hpp>
#include <rlvr/backend/cpu/gemm_pairs.hpp>
#include <rlvr/backend/cpu/gemm_tiles.hpp>
#include <rlvr/backend/cpu/weight_blocks.hpp>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/core/weight_view.hpp>
#include <rlvr/kernel/elementwise.hpp>
#include <rlvr/ops/linear.hpp>

#include <cstddef>

#if !defined(__FMA__) || !defined(__AVX__)
#  include <rlvr/backend/cpu/matmul_eigen.hpp>
#endif

RLVR_NAMESPACE_BEGIN
namespace cpu {
namespace detail {

/// The part of a forward product that lies in rows [i, i + count) and columns [j, j + width).
inline void forward_tile(context& ctx, std::size_t thread, ops::linear_forward const& op, std::size_t i,
                         std::size_t count, std::size_t j, std::size_t width) {
  matrix_view<float> const output = op.output.middle_rows(i, count).middle_columns(j, width);
  bool const copies_residual = op.residual.data && op.residual.data != op.output.data;
  for (std::size_t row = 0; copies_residual && row < count; ++row)
    kernel::copy_row(single_thread_group{}, op.residual.row(i + row) + j, output.row(row), width);
  std::size_t const depth = op.input.columns;
  bool const packs = count >= pair_sizes::least_rows;
  for_each_weight_block(ctx, thread, op.weight.middle_rows(j, width), packs ? pair_sizes::scratch(depth) : 0,
                        [&](std::size_t first, matrix_view<float const> weight, float* scratch) {
                          multiply_transposed_packed(op.input.row(i), op.input.stride, weight.data, weight.stride,
                                                     count, weight.rows, depth, output.data + first, output.stride,
                                                     op.accumulate || op.residual.data, scratch);
                        });
  for (std::size_t row = 0; op.bias && row < count; ++row)
    kernel::add_bias_row(single_thread_group{}, output.row(row), op.bias + j, width);
}

/// multiply_packed, cut into one piece for each thread: between panels where there are enough of them, since then no
/// part of B is packed twice, else between rows.
template <weight_element T>
void multiply_packed_in_parallel(context& ctx, matrix_view<float const> a, bool transposed, matrix_view<T const> b,
                                 matrix_view<float> c, bool accumulate) {
  if (c.rows == 0 || c.columns == 0) return;
  bool const is_small = c.rows * c.columns * b.rows < 32768;  // not worth waking a thread
  std::size_t const pieces = is_small ? 1 : ctx.threads();
  bool const by_columns = !transposed && c.columns >= pieces * packed_sizes::columns;
  std::size_t const unit = by_columns ? packed_sizes::columns : packed_sizes::rows;
  std::size_t const extent = by_columns ? c.columns : c.rows;
  std::size_t const edge = math::ceil_div(math::ceil_div(extent, unit), pieces) * unit;
  ctx.parallel_pieces(extent, edge, [&](std::size_t first, std::size_t count, std::size_t thread) {
    std::size_t const rows = by_columns ? c.rows : count;
    std::size_t const columns = by_columns ? count : c.columns;
    float* const scratch = ctx.scratch(thread, packed_scratch(rows, columns, transposed));
    if (by_columns)
      multiply_packed(a, transposed, b.middle_columns(first, count), c.middle_columns(first, count), accumulate,
                      scratch);
    else
      multiply_packed(transposed ? a.middle_columns(first, count) : a.middle_rows(first, count), transposed, b,
                      c.middle_rows(first, count), accumulate, scratch);
  });
}

}  // namespace detail

inline void run(context& ctx, ops::linear_forward const& op) {
  std::size_t const rows = op.input.rows;
  std::size_t const columns = op.weight.rows;
  std::size_t const depth = op.input.columns;
  if (rows == 0 || columns == 0) return;
  if (rows * columns * depth < 32768)  // not worth waking a thread
    return detail::forward_tile(ctx, 0, op, 0, rows, 0, columns);
  // Tiles of rows x columns; results do not depend on their borders.
  std::size_t const row_edge = 192;
  std::size_t const column_edge = rows >= 2 * row_edge * ctx.threads() ? columns : detail::tile_edge(columns, 8, 24);
  std::size_t const column_tiles = math::ceil_div(columns, column_edge);
  ctx.parallel_for(math::ceil_div(rows, row_edge) * column_tiles, [&](std::size_t tile, std::size_t thread) {
    std::size_t const i = tile / column_tiles * row_edge;
    std::size_t const j = tile % column_tiles * column_edge;
    detail::forward_tile(ctx, thread, op, i, math::min(row_edge, rows - i), j, math::min(column_edge, columns - j));
  });
}

#if defined(__FMA__) && defined(__AVX__)

inline void run(context& ctx, ops::linear_input_gradient const& op) {
  if (op.weight.type == dtype::bf16)
    detail::multiply_packed_in_parallel(ctx, op.output_gradient, false, op.weight.as<bf16>(), op.input_gradient,
                                        op.accumulate);
  else
    detail::multiply_packed_in_parallel(ctx, op.output_gradient, false, op.weight.as<float>(), op.input_gradient,
                                        op.accumulate);
}

inline void run(context& ctx, ops::linear_weight_gradient const& op) {
  detail::multiply_packed_in_parallel(ctx, op.output_gradient, true, op.input, op.weight_gradient, true);
}

#else

inline void run(context& ctx, ops::linear_input_gradient const& op) { portable::input_gradient(ctx, op); }
inline void run(context& ctx, ops::linear_weight_gradient const& op) { portable::weight_gradient(ctx, op); }

#endif

}  // namespace cpu
RLVR_NAMESPACE_END
