// SPDX-License-Identifier: MIT
/// @file
/// The three products of a linear layer y = x W^T with W stored [out, in] as in Hugging Face's files.
///
/// `linear_forward` promises that a row of the output depends on its row of the input alone, bit for bit: the same in
/// any batch.  The gradients promise the same bits for the same batch, whatever the thread count.
#pragma once

#include <rlvr/core/shape.hpp>
#include <rlvr/core/tensor_view.hpp>

RLVR_NAMESPACE_BEGIN
namespace ops {

/// output[rows, out] (+)= input[rows, in] weight[out, in]^T
struct linear_forward {
  matrix_view<float const> input;
  matrix_view<float const> weight;
  matrix_view<float> output;
  bool accumulate = false;

  void validate() const {
    require_extent("linear_forward: columns of the weight", weight.columns, input.columns);
    require_extent("linear_forward: rows of the output", output.rows, input.rows);
    require_extent("linear_forward: columns of the output", output.columns, weight.rows);
  }
};

/// input_gradient[rows, in] (+)= output_gradient[rows, out] weight[out, in]
struct linear_input_gradient {
  matrix_view<float const> output_gradient;
  matrix_view<float const> weight;
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

  void validate() const {
    require_extent("linear_weight_gradient: rows of the input", input.rows, output_gradient.rows);
    require_extent("linear_weight_gradient: rows of the gradient", weight_gradient.rows, output_gradient.columns);
    require_extent("linear_weight_gradient: columns of the gradient", weight_gradient.columns, input.columns);
  }
};

}  // namespace ops
RLVR_NAMESPACE_END
