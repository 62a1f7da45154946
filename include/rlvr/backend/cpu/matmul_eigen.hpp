// SPDX-License-Identifier: MIT
/// @file
/// The gradient products of a linear layer by Eigen: where there are no fused multiply-adds, and what our own products
/// are compared with.  One thread per tile, over tiles whose borders depend on the shape alone, so the number of
/// threads does not change a bit.  This is the only header that includes Eigen.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/backend/cpu/weight_blocks.hpp>
#include <rlvr/core/tensor_view.hpp>
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
namespace cpu::portable {

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

/// See ops::linear_input_gradient.
inline void input_gradient(context& ctx, ops::linear_input_gradient const& op) {
  std::size_t const rows = op.input_gradient.rows;
  if (rows == 0) return;
  std::size_t const edge = detail::tile_edge(rows, 8, 48);
  ctx.parallel_pieces(rows, edge, [&](std::size_t first, std::size_t count, std::size_t thread) {
    auto out = as_eigen(op.input_gradient.middle_rows(first, count));
    matrix_view<float const> const gradient = op.output_gradient.middle_rows(first, count);
    detail::for_each_weight_block(
        ctx, thread, op.weight, 0, [&](std::size_t k, matrix_view<float const> weight, float*) {
          auto const product = as_eigen(gradient.middle_columns(k, weight.rows)) * as_eigen(weight);
          if (op.accumulate || k > 0)
            out.noalias() += product;
          else
            out.noalias() = product;
        });
  });
}

/// See ops::linear_weight_gradient.
inline void weight_gradient(context& ctx, ops::linear_weight_gradient const& op) {
  std::size_t const outputs = op.weight_gradient.rows;
  if (outputs == 0 || op.input.rows == 0) return;
  std::size_t const edge = detail::tile_edge(outputs, 8, 64);
  ctx.parallel_pieces(outputs, edge, [&](std::size_t first, std::size_t count, std::size_t) {
    as_eigen(op.weight_gradient.middle_rows(first, count)).noalias() +=
        as_eigen(op.output_gradient.middle_columns(first, count)).transpose() * as_eigen(op.input);
  });
}

}  // namespace cpu::portable
RLVR_NAMESPACE_END
