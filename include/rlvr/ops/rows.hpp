// SPDX-License-Identifier: MIT
/// @file
/// Row-wise ops of a transformer.  Each names its body in kernel/, where the formula stands.
#pragma once

#include <rlvr/core/dtype.hpp>
#include <rlvr/core/shape.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/core/weight_view.hpp>
#include <rlvr/kernel/elementwise.hpp>
#include <rlvr/kernel/rms_norm.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

RLVR_NAMESPACE_BEGIN
namespace ops {

/// RMSNorm of every row (kernel/rms_norm.hpp).
struct rms_norm : kernel::rms_norm_args {
  void validate() const {
    require_extent("rms_norm: rows of the output", output.rows, input.rows);
    require_extent("rms_norm: columns of the output", output.columns, input.columns);
  }
};

/// Gradients of RMSNorm: of the input, and added to `weight_gradient` ([width], null: skipped).
struct rms_norm_gradient : kernel::rms_norm_gradient_args {
  float* weight_gradient = nullptr;

  void validate() const {
    require_extent("rms_norm_gradient: rows of the gradient", output_gradient.rows, input.rows);
    require_extent("rms_norm_gradient: columns of the gradient", output_gradient.columns, input.columns);
    require_extent("rms_norm_gradient: rows of the input gradient", input_gradient.rows, input.rows);
    require_extent("rms_norm_gradient: columns of the input gradient", input_gradient.columns, input.columns);
    if (weight_gradient && input_gradient.data == output_gradient.data)
      throw argument_error("rms_norm_gradient: in place only without a weight gradient");
  }
};

/// Rotary positions, in place (kernel/elementwise.hpp).
struct rope : kernel::rope_args {
  void validate() const {
    require_extent("rope: columns of the sine table", sine.columns, cosine.columns);
    if (cosine.columns == 0 || values.columns % (2 * cosine.columns) != 0)
      throw shape_error("rope: " + std::to_string(values.columns) + " columns are not whole heads of " +
                        std::to_string(2 * cosine.columns));
  }
};

/// out = silu(gate) * up
struct swiglu {
  matrix_view<float const> gate;
  matrix_view<float const> up;
  matrix_view<float> out;

  void validate() const {
    require_extent("swiglu: rows of up", up.rows, gate.rows);
    require_extent("swiglu: columns of up", up.columns, gate.columns);
    require_extent("swiglu: rows of out", out.rows, gate.rows);
    require_extent("swiglu: columns of out", out.columns, gate.columns);
  }
};

/// Gradients of SwiGLU; they may overwrite gate and up.
struct swiglu_gradient {
  matrix_view<float const> gate;
  matrix_view<float const> up;
  matrix_view<float const> out_gradient;
  matrix_view<float> gate_gradient;
  matrix_view<float> up_gradient;

  void validate() const {
    require_extent("swiglu_gradient: rows of up", up.rows, gate.rows);
    require_extent("swiglu_gradient: columns of up", up.columns, gate.columns);
    require_extent("swiglu_gradient: rows of the gradient", out_gradient.rows, gate.rows);
    require_extent("swiglu_gradient: columns of the gradient", out_gradient.columns, gate.columns);
    require_extent("swiglu_gradient: rows of the gate gradient", gate_gradient.rows, gate.rows);
    require_extent("swiglu_gradient: columns of the gate gradient", gate_gradient.columns, gate.columns);
    require_extent("swiglu_gradient: rows of the up gradient", up_gradient.rows, gate.rows);
    require_extent("swiglu_gradient: columns of the up gradient", up_gradient.columns, gate.columns);
  }
};

/// values[i] += bias for every row i
struct add_bias {
  matrix_view<float> values;
  float const* bias;
  void validate() const {}
};

/// bias_gradient += sum over rows of output_gradient
struct bias_gradient {
  matrix_view<float const> output_gradient;
  float* gradient;
  void validate() const {}
};

/// destination = source
struct copy_rows {
  matrix_view<float const> source;
  matrix_view<float> destination;

  void validate() const {
    require_extent("copy_rows: rows", destination.rows, source.rows);
    require_extent("copy_rows: columns", destination.columns, source.columns);
  }
};

/// output[i] = source[index[i]]; the source may be an embedding in bfloat16
struct gather_rows {
  weight_view source;
  std::int32_t const* index;
  matrix_view<float> output;
  void validate() const { require_extent("gather_rows: columns", output.columns, source.columns); }
};

/// destination[index[i]] = source[i]; indices differ
struct scatter_rows {
  matrix_view<float const> source;
  std::int32_t const* index;
  matrix_view<float> destination;
  void validate() const { require_extent("scatter_rows: columns", destination.columns, source.columns); }
};

/// destination[index[i]] += source[i], i ascending; indices may repeat.  The gradient of `gather_rows`, and with token
/// ids as the index that of an embedding.
struct scatter_add_rows {
  matrix_view<float const> source;
  std::int32_t const* index;
  matrix_view<float> destination;
  void validate() const { require_extent("scatter_add_rows: columns", destination.columns, source.columns); }
};

/// destination = source, rounded to nearest even: weights in bfloat16 from their master copy
struct round_to_bfloat16 {
  std::span<float const> source;
  std::span<bf16> destination;
  void validate() const { require_extent("round_to_bfloat16: elements", destination.size(), source.size()); }
};

}  // namespace ops
RLVR_NAMESPACE_END
