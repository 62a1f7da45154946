// SPDX-License-Identifier: MIT
/// @file
/// What stands inside cuBLASLt's opaque structures here.
#pragma once

#include <cublasLt.h>

#include <cstdint>

namespace cuda_emulation::cublaslt {

/// Instead of a type of a bias or an auxiliary matrix: the result's.
inline constexpr std::int32_t type_of_result = -1;
[[nodiscard]] inline cudaDataType_t type_or(std::int32_t type, cudaDataType_t result_type) {
  return type == type_of_result ? result_type : static_cast<cudaDataType_t>(type);
}

/// A product: how its operands are read, and what happens to its result.
struct matmul_description {
  cublasComputeType_t compute_type;
  cudaDataType_t scale_type;
  cublasOperation_t a_operation, b_operation;
  cublasLtPointerMode_t pointer_mode;
  cublasLtEpilogue_t epilogue;
  void* bias;
  std::int32_t bias_type;  ///< type_of_result, or a cudaDataType_t
  std::int64_t bias_batch_stride;
  void* auxiliary;              ///< what an activation leaves for its gradient
  std::int32_t auxiliary_type;  ///< likewise
  std::int64_t auxiliary_stride, auxiliary_batch_stride;
};

/// Where the elements of a matrix stand.
struct matrix_description {
  cudaDataType_t type;
  std::uint64_t rows, columns;
  std::int64_t stride;  ///< elements from a column to the next, or from a row to the next in row order
  std::int64_t batch_stride;
  std::int32_t batches;
  cublasLtOrder_t order;

  /// The offset of an element in the first matrix of the batch.
  [[nodiscard]] std::int64_t offset(std::int64_t row, std::int64_t column) const {
    return order == CUBLASLT_ORDER_ROW ? row * stride + column : column * stride + row;
  }
};

/// What the heuristic may assume.
struct preference_description {
  std::uint64_t workspace_bytes;
  std::uint32_t search_mode, reduction_schemes;
  std::uint32_t a_alignment, b_alignment, c_alignment, d_alignment;
};

/// An algorithm: its configuration, and what was promised when it was chosen.
struct algorithm_description {
  std::uint32_t marker;  ///< algorithm_marker, or the structure was never filled
  std::int32_t id;
  std::uint32_t tile, stages, reduction_scheme, swizzling, custom_option;
  std::int32_t split_k;
  std::uint16_t inner_shape, cluster_shape;
  std::uint16_t a_alignment, b_alignment, c_alignment, d_alignment;
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
[[nodiscard]] inline algorithm_description& description_of(cublasLtMatmulAlgo_t* algorithm) {
  return *reinterpret_cast<algorithm_description*>(algorithm);
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
