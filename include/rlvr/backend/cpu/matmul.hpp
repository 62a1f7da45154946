// SPDX-License-Identifier: MIT
/// @file
/// The three products of a linear layer on the CPU.
///
/// The forward product is ours, because a row's bits must not depend on the batch (gemm_tiles.hpp).  The two gradient
/// products have no such duty: they are Eigen's, one thread per tile, over tiles whose borders depend on the shape
/// alone, so thread count does not matter.  This is the only header that includes Eigen.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/backend/cpu/gemm_tiles.hpp>
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

}  // namespace detail

inline void run(context& ctx, ops::linear_forward const& op) {
  std::size_t const rows = op.input.rows;
  std::size_t const columns = op.weight.rows;
  std::size_t const depth = op.input.columns;
  if (rows == 0 || columns == 0) return;
  if (rows * columns * depth < 32768) {  // not worth waking a thread
    multiply_transposed(op.input.data, op.input.stride, op.weight.data, op.weight.stride, rows, columns, depth,
                        op.output.data, op.output.stride, op.accumulate);
    return;
  }
  // Tiles of rows x columns; results do not depend on their borders.
  std::size_t const row_edge = 64;
  std::size_t const column_edge = rows >= 2 * row_edge * ctx.threads() ? columns : detail::tile_edge(columns, 8, 24);
  std::size_t const column_tiles = math::ceil_div(columns, column_edge);
  ctx.parallel_for(math::ceil_div(rows, row_edge) * column_tiles, [&](std::size_t tile, std::size_t) {
    std::size_t const i = tile / column_tiles * row_edge;
    std::size_t const j = tile % column_tiles * column_edge;
    multiply_transposed(op.input.row(i), op.input.stride, op.weight.row(j), op.weight.stride,
                        math::min(row_edge, rows - i), math::min(column_edge, columns - j), depth, op.output.row(i) + j,
                        op.output.stride, op.accumulate);
  });
}

inline void run(context& ctx, ops::linear_input_gradient const& op) {
  std::size_t const rows = op.input_gradient.rows;
  if (rows == 0) return;
  std::size_t const edge = detail::tile_edge(rows, 8, 48);
  ctx.parallel_pieces(rows, edge, [&](std::size_t first, std::size_t count, std::size_t) {
    auto out = detail::as_eigen(op.input_gradient.middle_rows(first, count));
    auto const product = detail::as_eigen(op.output_gradient.middle_rows(first, count)) * detail::as_eigen(op.weight);
    if (op.accumulate)
      out.noalias() += product;
    else
      out.noalias() = product;
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
