// SPDX-License-Identifier: MIT
/// @file
/// One call of cublasLtMatmul, with everything it needs when the stream reaches it.
#pragma once

#include "cublaslt/descriptions.hpp"

namespace cuda_emulation::cublaslt {

/// d = epilogue(alpha op(a) op(b) + beta c).
struct product_call {
  matmul_description product;
  matrix_description a, b, c, d;
  void const* a_data;
  void const* b_data;
  void const* c_data;
  void* d_data;
  void const* alpha_pointer;  ///< read by the device in pointer mode device; else null
  void const* beta_pointer;
  float alpha, beta;

  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(d.rows); }
  [[nodiscard]] std::int64_t columns() const { return static_cast<std::int64_t>(d.columns); }
  [[nodiscard]] std::int64_t depth() const {
    return static_cast<std::int64_t>(product.a_operation == CUBLAS_OP_N ? a.columns : a.rows);
  }
};

/// What an epilogue does, one question each.
struct epilogue_parts {
  bool adds_bias, relu, gelu, stores_argument, gelu_gradient;
  bool sums_a, sums_b, sums_result;  ///< gradients of a bias
};
/// @returns false if the epilogue is not supported
[[nodiscard]] bool split_epilogue(cublasLtEpilogue_t epilogue, epilogue_parts& parts);

/// Computes the product; device memory must be accessible.  Every element is summed in double in the order of k, so a
/// row's result does not depend on how many there are.
void compute(product_call const& call);

}  // namespace cuda_emulation::cublaslt
