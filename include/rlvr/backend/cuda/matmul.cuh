// SPDX-License-Identifier: MIT
/// @file
/// The three products of a linear layer on cuBLASLt (product.cuh), row-major matrices read as transposed column-major
/// ones.
///
/// A bfloat16 weight meets operands that are rounded to bfloat16 in scratch memory first: tensor cores multiply both
/// and add in float.  The weight's gradient rounds both of its operands likewise.
#pragma once

#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/backend/cuda/product.cuh>
#include <rlvr/backend/cuda/row_kernels.cuh>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/shape.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/kernel/row_bodies.hpp>
#include <rlvr/ops/linear.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {
namespace detail {

/// A contiguous copy in bfloat16.
inline matrix_view<bf16> rounded(context& ctx, matrix_view<float const> from, bf16* to) {
  matrix_view<bf16> const result{to, from.rows, from.columns};
  using body = kernel::convert_rows_body<float, bf16>;
  launch(block_rows_kernel<small_block, body>, from.rows, small_block, 0, ctx.stream(), body{from, nullptr, result});
  return result;
}

/// `columns` floats of each of `rows` rows, strides in elements.
inline void copy_lines(context& ctx, float* to, std::size_t to_stride, float const* from, std::size_t from_stride,
                       std::size_t columns, std::size_t rows) {
  check(cudaMemcpy2DAsync(to, to_stride * sizeof(float), from, from_stride * sizeof(float), columns * sizeof(float),
                          rows, cudaMemcpyDeviceToDevice, ctx.stream()),
        "cudaMemcpy2DAsync");
}

/// Bytes of a matrix, such that what follows it in scratch memory is aligned to 16 bytes.
[[nodiscard]] inline std::size_t aligned_bytes(std::size_t rows, std::size_t columns, dtype type) {
  return math::ceil_div(checked_multiply(checked_multiply(rows, columns), size_of(type)), std::size_t{16}) * 16;
}

/// A product over no terms, for which cuBLASLt has no algorithm: over one term, which is zero.
inline void multiply_nothing(context& ctx, product p) {
  std::size_t const longest = math::max(p.m, p.n);
  float* const zeros = ctx.scratch<float>(scratch_purpose::operand, longest);
  ctx.zero(zeros, longest);
  p.k = 1;
  p.type = dtype::f32;
  p.a = p.b = zeros;
  p.a_stride = p.a_transposed ? 1 : p.m;
  p.b_stride = 1;
  p.rows_are_n = false;  // every algorithm gives the same bits
  ctx.multiply(p);
}

/// A product with a weight, whose algorithm expects aligned rows: others go through scratch memory.
/// @param input  [n, k], what `p.b` is to hold
inline void multiply_by_weight(context& ctx, product p, matrix_view<float const> input) {
  if (p.k == 0) return multiply_nothing(ctx, p);
  p.b = input.data;
  p.b_stride = input.stride;
  bool const round = p.type == dtype::bf16;
  bool const copy_input = !round && !ctx.products().input_is_aligned(p);
  bool const copy_output = !ctx.products().output_is_aligned(p);
  std::size_t const input_bytes = round || copy_input ? aligned_bytes(p.n, p.k, p.type) : 0;
  std::size_t const output_bytes = copy_output ? aligned_bytes(p.n, p.m, dtype::f32) : 0;
  unsigned char* space = nullptr;
  if (input_bytes + output_bytes)
    space = ctx.scratch<unsigned char>(scratch_purpose::operand, checked_add(input_bytes, output_bytes));
  if (round) {
    p.b = rounded(ctx, input, reinterpret_cast<bf16*>(space)).data;
    p.b_stride = p.k;
  } else if (copy_input) {
    copy_lines(ctx, reinterpret_cast<float*>(space), p.k, input.data, input.stride, p.k, p.n);
    p.b = space;
    p.b_stride = p.k;
  }
  if (!copy_output) return ctx.multiply(p);
  auto* const result = reinterpret_cast<float*>(space + input_bytes);
  matrix_view<float> const output{p.d, p.n, p.m, p.d_stride};
  if (p.c) {
    copy_lines(ctx, result, p.m, p.c, p.c_stride, p.m, p.n);
    p.c = result;
  }
  p.d = result;
  p.c_stride = p.d_stride = p.m;
  ctx.multiply(p);
  copy_lines(ctx, output.data, output.stride, result, p.m, p.m, p.n);
}

}  // namespace detail

/// output^T = weight input^T
inline void run(context& ctx, ops::linear_forward const& op) {
  if (op.output.rows == 0 || op.output.columns == 0) return;
  detail::multiply_by_weight(ctx,
                             {.m = op.weight.rows,
                              .n = op.input.rows,
                              .k = op.input.columns,
                              .type = op.weight.type,
                              .a = op.weight.data,
                              .a_stride = op.weight.stride,
                              .a_transposed = true,
                              .c = op.accumulate ? op.output.data : op.residual.data,
                              .c_stride = op.accumulate ? op.output.stride : op.residual.stride,
                              .bias = op.bias,
                              .d = op.output.data,
                              .d_stride = op.output.stride},
                             op.input);
}

/// input_gradient^T = weight^T output_gradient^T
inline void run(context& ctx, ops::linear_input_gradient const& op) {
  if (op.input_gradient.rows == 0 || op.input_gradient.columns == 0) return;
  detail::multiply_by_weight(ctx,
                             {.m = op.weight.columns,
                              .n = op.output_gradient.rows,
                              .k = op.weight.rows,
                              .type = op.weight.type,
                              .a = op.weight.data,
                              .a_stride = op.weight.stride,
                              .c = op.accumulate ? op.input_gradient.data : nullptr,
                              .c_stride = op.input_gradient.stride,
                              .d = op.input_gradient.data,
                              .d_stride = op.input_gradient.stride},
                             op.output_gradient);
}

/// weight_gradient^T += input^T output_gradient
inline void run(context& ctx, ops::linear_weight_gradient const& op) {
  if (op.input.rows == 0 || op.weight_gradient.rows == 0 || op.weight_gradient.columns == 0) return;
  product p{.m = op.input.columns,
            .n = op.output_gradient.columns,
            .k = op.input.rows,
            .type = op.operands,
            .a = op.input.data,
            .a_stride = op.input.stride,
            .b = op.output_gradient.data,
            .b_stride = op.output_gradient.stride,
            .b_transposed = true,
            .c = op.weight_gradient.data,
            .c_stride = op.weight_gradient.stride,
            .d = op.weight_gradient.data,
            .d_stride = op.weight_gradient.stride,
            .rows_are_n = false};
  if (p.type == dtype::bf16) {
    std::size_t const input_bytes = detail::aligned_bytes(p.k, p.m, p.type);
    std::size_t const gradient_bytes = detail::aligned_bytes(p.k, p.n, p.type);
    auto* const space = ctx.scratch<unsigned char>(scratch_purpose::operand, checked_add(input_bytes, gradient_bytes));
    p.a = detail::rounded(ctx, op.input, reinterpret_cast<bf16*>(space)).data;
    p.a_stride = p.m;
    p.b = detail::rounded(ctx, op.output_gradient, reinterpret_cast<bf16*>(space + input_bytes)).data;
    p.b_stride = p.n;
  }
  ctx.multiply(p);
}

}  // namespace cuda
RLVR_NAMESPACE_END
