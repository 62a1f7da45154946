// SPDX-License-Identifier: MIT
/// @file
/// The three products of a linear layer on cuBLASLt (product.cuh), row-major matrices read as transposed column-major
/// ones.
#pragma once

#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/backend/cuda/product.cuh>
#include <rlvr/ops/linear.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace cuda {
namespace detail {

/// A product over no terms, for which cuBLASLt has no algorithm: the output as it was, or zeros.
inline void multiply_nothing(context& ctx, matrix_view<float> output, bool accumulate) {
  if (accumulate) return;
  if (output.contiguous()) return ctx.zero(output.data, output.rows * output.columns);
  for (std::size_t row = 0; row < output.rows; ++row) ctx.zero(output.row(row), output.columns);
}

}  // namespace detail

/// output^T = weight input^T
inline void run(context& ctx, ops::linear_forward const& op) {
  if (op.output.rows == 0 || op.output.columns == 0) return;
  if (op.input.columns == 0) return detail::multiply_nothing(ctx, op.output, op.accumulate);
  ctx.multiply({.m = op.weight.rows,
                .n = op.input.rows,
                .k = op.input.columns,
                .a = op.weight.data,
                .a_stride = op.weight.stride,
                .a_transposed = true,
                .b = op.input.data,
                .b_stride = op.input.stride,
                .b_transposed = false,
                .d = op.output.data,
                .d_stride = op.output.stride,
                .accumulate = op.accumulate});
}

/// input_gradient^T = weight^T output_gradient^T
inline void run(context& ctx, ops::linear_input_gradient const& op) {
  if (op.input_gradient.rows == 0 || op.input_gradient.columns == 0) return;
  if (op.weight.rows == 0) return detail::multiply_nothing(ctx, op.input_gradient, op.accumulate);
  ctx.multiply({.m = op.weight.columns,
                .n = op.output_gradient.rows,
                .k = op.weight.rows,
                .a = op.weight.data,
                .a_stride = op.weight.stride,
                .a_transposed = false,
                .b = op.output_gradient.data,
                .b_stride = op.output_gradient.stride,
                .b_transposed = false,
                .d = op.input_gradient.data,
                .d_stride = op.input_gradient.stride,
                .accumulate = op.accumulate});
}

/// weight_gradient^T += input^T output_gradient
inline void run(context& ctx, ops::linear_weight_gradient const& op) {
  if (op.input.rows == 0 || op.weight_gradient.rows == 0 || op.weight_gradient.columns == 0) return;
  ctx.multiply({.m = op.input.columns,
                .n = op.output_gradient.columns,
                .k = op.input.rows,
                .a = op.input.data,
                .a_stride = op.input.stride,
                .a_transposed = false,
                .b = op.output_gradient.data,
                .b_stride = op.output_gradient.stride,
                .b_transposed = true,
                .d = op.weight_gradient.data,
                .d_stride = op.weight_gradient.stride,
                .accumulate = true,
                .rows_are_n = false});
}

}  // namespace cuda
RLVR_NAMESPACE_END
