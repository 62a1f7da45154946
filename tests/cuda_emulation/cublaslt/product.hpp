// SPDX-License-Identifier: MIT
/// @file
/// One call of cublasLtMatmul, with everything it needs when the stream reaches it.
#pragma once

#include "cublaslt/descriptions.hpp"
#include <cstdint>

namespace cuda_emulation::cublaslt {

/// d = op(a) op(b) alpha + beta c + bias, one element of the bias for each row.
struct product_call {
  matmul_description product;
  matrix_description a, b, c, d;
  void const* a_data;
  void const* b_data;
  void const* c_data;
  void* d_data;
  float alpha, beta;
  bool sums_in_float = false;

  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(d.rows); }
  [[nodiscard]] std::int64_t columns() const { return static_cast<std::int64_t>(d.columns); }
  [[nodiscard]] std::int64_t depth() const {
    return static_cast<std::int64_t>(product.a_operation == CUBLAS_OP_N ? a.columns : a.rows);
  }
  [[nodiscard]] bool adds_bias() const { return product.epilogue == CUBLASLT_EPILOGUE_BIAS; }
};

/// Computes the product; device memory must be accessible.  Every element is summed in the order of k, so with one
/// algorithm a column's result does not depend on how many there are.
void compute(product_call const& call);

}  // namespace cuda_emulation::cublaslt
