// SPDX-License-Identifier: MIT
/// @file
/// What stands inside cuBLASLt's opaque structures here.
#pragma once

#include <cublasLt.h>

#include <cstddef>
#include <cstdint>

namespace cuda_emulation::cublaslt {

/// A product: how its operands are read, and what is added to its result.
struct matmul_description {
  cublasComputeType_t compute_type;
  cudaDataType_t scale_type;
  cublasOperation_t a_operation, b_operation;
  cublasLtEpilogue_t epilogue;
  void const* bias;  ///< of the result's type
};

/// Where the elements of a column-major matrix stand.
struct matrix_description {
  cudaDataType_t type;
  std::uint64_t rows, columns;
  std::int64_t stride;  ///< elements from a column to the next

  [[nodiscard]] std::int64_t offset(std::int64_t row, std::int64_t column) const { return column * stride + row; }
};

/// What the heuristic may assume.
struct preference_description {
  std::uint64_t workspace_bytes;
  std::uint32_t reduction_schemes;
  std::uint32_t a_alignment, b_alignment, c_alignment, d_alignment;
};

/// Bytes that a matrix' first element, and the distance of its columns, are multiples of.
struct alignment_description {
  std::uint32_t pointer, stride;
};

/// An algorithm: how it sums, and what was promised when it was chosen.
struct algorithm_description {
  std::uint32_t marker;  ///< algorithm_marker, or the structure was never filled
  std::int32_t split_k;
  bool sums_in_float;  ///< instead of in double: another algorithm gives other bits
  alignment_description a, b, c, d;
};
inline constexpr std::uint32_t algorithm_marker = 0x616c676f;

static_assert(sizeof(matmul_description) <= sizeof(cublasLtMatmulDescOpaque_t));
static_assert(sizeof(matrix_description) <= sizeof(cublasLtMatrixLayoutOpaque_t));
static_assert(sizeof(preference_description) <= sizeof(cublasLtMatmulPreferenceOpaque_t));
static_assert(sizeof(algorithm_description) <= sizeof(cublasLtMatmulAlgo_t));

[[nodiscard]] inline matmul_description& description_of(cublasLtMatmulDesc_t handle) {
  return *reinterpret_cast<matmul_description*>(handle);
}
[[nodiscard]] inline matrix_description& description_of(cublasLtMatrixLayout_t handle) {
  return *reinterpret_cast<matrix_description*>(handle);
}
[[nodiscard]] inline preference_description& description_of(cublasLtMatmulPreference_t handle) {
  return *reinterpret_cast<preference_description*>(handle);
}
[[nodiscard]] inline algorithm_description const& description_of(cublasLtMatmulAlgo_t const* algorithm) {
  return *reinterpret_cast<algorithm_description const*>(algorithm);
}

/// Whether cublasLtMatmul accepts types, shapes, strides and epilogue; the status that it returns.
[[nodiscard]] cublasStatus_t check_product(matmul_description const& product, matrix_description const& a,
                                           matrix_description const& b, matrix_description const& c,
                                           matrix_description const& d);

/// Bytes of workspace that the algorithm needs for the result.
[[nodiscard]] std::size_t workspace_of(algorithm_description const& algorithm, matrix_description const& d);

}  // namespace cuda_emulation::cublaslt
