// SPDX-License-Identifier: MIT
/// @file
/// The three products of a linear layer y = x W^T with W stored [out, in] as in Hugging Face's files.
///
/// `linear_forward` promises that a row of the output depends on its row of the input alone, bit for bit: the same in
/// any batch.  The gradients promise the same bits for the same batch, whatever the thread count.
///
/// Weights are float or bfloat16; activations and gradients are float, and so are all sums.  Beside a bfloat16 weight a
/// backend with tensor cores rounds the other operand to bfloat16 as well (CUDA does, the CPU does not).
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/core/shape.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/core/weight_view.hpp>

RLVR_NAMESPACE_BEGIN
namespace ops {

/// output[rows, out] = input[rows, in] weight[out, in]^T + bias[out], and what was there or `residual` added to it
struct linear_forward {
  matrix_view<float const> input;
  weight_view weight;
  matrix_view<float> output;
  bool accumulate = false;              ///< adds to what `output` holds
  float const* bias = nullptr;          ///< [out]; null: none
  matrix_view<float const> residual{};  ///< [rows, out]; without data: none.  It may be `output` itself

  void validate() const {
    require_extent("linear_forward: columns of the weight", weight.columns, input.columns);
    require_extent("linear_forward: rows of the output", output.rows, input.rows);
    require_extent("linear_forward: columns of the output", output.columns, weight.rows);
    if (!residual.data) return;
    if (accumulate) throw argument_error("linear_forward: adds either to its output or to a residual, not to both");
    require_extent("linear_forward: rows of the residual", residual.rows, output.rows);
    require_extent("linear_forward: columns of the residual", residual.columns, output.columns);
    if (residual.data == output.data)
      require_extent("linear_forward: stride of a residual that is the output", residual.stride, output.stride);
  }
};

/// input_gradient[rows, in] (+)= output_gradient[rows, out] weight[out, in]
struct linear_input_gradient {
  matrix_view<float const> output_gradient;
  weight_view weight;
  matrix_view<float> input_gradient;
  bool accumulate = false;

  void validate() const {
    require_extent("linear_input_gradient: rows of the weight", weight.rows, output_gradient.columns);
    require_extent("linear_input_gradient: rows of the gradient", input_gradient.rows, output_gradient.rows);
    require_extent("linear_input_gradient: columns of the gradient", input_gradient.columns, weight.columns);
  }
};

/// weight_gradient[out, in] += output_gradient[rows, out]^T input[rows, in]
struct linear_weight_gradient {
  matrix_view<float const> output_gradient;
  matrix_view<float const> input;
  matrix_view<float> weight_gradient;
  dtype operands = dtype::f32;  ///< bf16, beside bfloat16 weights: a backend with tensor cores rounds both operands

  void validate() const {
    require_extent("linear_weight_gradient: rows of the input", input.rows, output_gradient.rows);
    require_extent("linear_weight_gradient: rows of the gradient", weight_gradient.rows, output_gradient.columns);
    require_extent("linear_weight_gradient: columns of the gradient", weight_gradient.columns, input.columns);
  }
};

}  // namespace ops
RLVR_NAMESPACE_END
