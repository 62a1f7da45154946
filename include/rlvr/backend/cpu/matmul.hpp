// SPDX-License-Identifier: MIT
/// @file
/// The three products of a linear layer on the CPU.
///
/// The forward product is ours, because a row's bits must not depend on the batch (gemm_tiles.hpp).  The two gradient
/// products have no such duty: they are Eigen's, one thread per tile, over tiles whose borders depend on the shape
/// alone, so thread count does not matter.  This is the only header that includes Eigen.
///
/// A bfloat16 weight is widened block by block into the thread's scratch memory; activations stay as they are.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/backend/cpu/gemm_tiles.hpp>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/core/weight_view.hpp>
#include <rlvr/kernel/elementwise.hpp>
#include <rlvr/ops/linear.hpp>

#include <cstddef>

#if defined(__GNUC__)
#  pragma GCC diagnostic push
#  pragma GCC diagnostic ignored "-Wunused-variable"  // Eigen 3.4's bfloat16 packets
#  pragma GCC diagnostic ignored "-Wconversion"
#  pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <Eigen/Core>
#if defined(__GNUC__)
#  pragma GCC diagnostic pop
#endif

RLVR_NAMESPACE_BEGIN
namespace cpu {
namespace detail {

using eigen_matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using eigen_stride = Eigen::OuterStride<>;

[[nodiscard]] inline auto as_eigen(matrix_view<float const> m) {
  return Eigen::Map<eigen_matrix const, Eigen::Unaligned, eigen_stride>(
      m.data, static_cast<Eigen::Index>(m.rows), static_cast<Eigen::Index>(m.columns),
      eigen_stride(static_cast<Eigen::Index>(m.stride)));
}
[[nodiscard]] inline auto as_eigen(matrix_view<float> m) {
  return Eigen::Map<eigen_matrix, Eigen::Unaligned, eigen_stride>(m.data, static_cast<Eigen::Index>(m.rows),
                                                                  static_cast<Eigen::Index>(m.columns),
                                                                  eigen_stride(static_cast<Eigen::Index>(m.stride)));
}

/// A tile's edge: about `pieces` tiles, none thinner than `least`, a multiple of 8.
[[nodiscard]] constexpr std::size_t tile_edge(std::size_t extent, std::size_t pieces, std::size_t least) {
  std::size_t const edge = math::max(least, math::ceil_div(extent, pieces));
  return math::ceil_div(edge, std::size_t{8}) * 8;
}

/// Calls visit(first row, block as floats) for each block of the weight's rows, in order and at least once: the whole
/// of a float weight, and so much of a bfloat16 one as a first-level cache holds.
template <class Visit>
void for_each_weight_block(context& ctx, std::size_t thread, weight_view weight, Visit&& visit) {
  if (weight.type == dtype::f32) return visit(std::size_t{0}, weight.as<float>());
  std::size_t const height = math::max<std::size_t>(24, 8192 / (weight.columns + 1));
  float* const block = ctx.scratch(thread, math::min(height, weight.rows) * weight.columns);
  matrix_view<bf16 const> const source = weight.as<bf16>();
  for (std::size_t first = 0; first == 0 || first < weight.rows; first += height) {
    matrix_view<float> const part{block, math::min(height, weight.rows - first), weight.columns};
    for (std::size_t i = 0; i < part.rows; ++i)
      kernel::convert_row(single_thread_group{}, source.row(first + i), part.row(i), part.columns);
    visit(first, part);
  }
}

/// The part of a forward product that lies in rows [i, i + count) and columns [j, j + width).
inline void forward_tile(context& ctx, std::size_t thread, ops::linear_forward const& op, std::size_t i,
                         std::size_t count, std::size_t j, std::size_t width) {
  matrix_view<float> const output = op.output.middle_rows(i, count).middle_columns(j, width);
  bool const copies_residual = op.residual.data && op.residual.data != op.output.data;
  for (std::size_t row = 0; copies_residual && row < count; ++row)
    kernel::copy_row(single_thread_group{}, op.residual.row(i + row) + j, output.row(row), width);
  for_each_weight_block(
      ctx, thread, op.weight.middle_rows(j, width), [&](std::size_t first, matrix_view<float const> weight) {
        multiply_transposed(op.input.row(i), op.input.stride, weight.data, weight.stride, count, weight.rows,
                            op.input.columns, output.data + first, output.stride, op.accumulate || op.residual.data);
      });
  for (std::size_t row = 0; op.bias && row < count; ++row)
    kernel::add_bias_row(single_thread_group{}, output.row(row), op.bias + j, width);
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
  std::size_t const row_edge = 64;
  std::size_t const column_edge = rows >= 2 * row_edge * ctx.threads() ? columns : detail::tile_edge(columns, 8, 24);
  std::size_t const column_tiles = math::ceil_div(columns, column_edge);
  ctx.parallel_for(math::ceil_div(rows, row_edge) * column_tiles, [&](std::size_t tile, std::size_t thread) {
    std::size_t const i = tile / column_tiles * row_edge;
    std::size_t const j = tile % column_tiles * column_edge;
    detail::forward_tile(ctx, thread, op, i, math::min(row_edge, rows - i), j, math::min(column_edge, columns - j));
  });
}

inline void run(context& ctx, ops::linear_input_gradient const& op) {
  std::size_t const rows = op.input_gradient.rows;
  if (rows == 0) return;
  std::size_t const edge = detail::tile_edge(rows, 8, 48);
  ctx.parallel_pieces(rows, edge, [&](std::size_t first, std::size_t count, std::size_t thread) {
    auto out = detail::as_eigen(op.input_gradient.middle_rows(first, count));
    matrix_view<float const> const gradient = op.output_gradient.middle_rows(first, count);
    detail::for_each_weight_block(ctx, thread, op.weight, [&](std::size_t k, matrix_view<float const> weight) {
      auto const product = detail::as_eigen(gradient.middle_columns(k, weight.rows)) * detail::as_eigen(weight);
      if (op.accumulate || k > 0)
        out.noalias() += product;
      else
        out.noalias() = product;
    });
  });
}

inline void run(context& ctx, ops::linear_weight_gradient const& op) {
  std::size_t const outputs = op.weight_gradient.rows;
  if (outputs == 0 || op.input.rows == 0) return;
  std::size_t const edge = detail::tile_edge(outputs, 8, 64);
  ctx.parallel_pieces(outputs, edge, [&](std::size_t first, std::size_t count, std::size_t) {
    detail::as_eigen(op.weight_gradient.middle_rows(first, count)).noalias() +=
        detail::as_eigen(op.output_gradient.middle_columns(first, count)).transpose() * detail::as_eigen(op.input);
  });
}

}  // namespace cpu
RLVR_NAMESPACE_END
