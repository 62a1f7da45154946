// SPDX-License-Identifier: MIT
/// @file
/// Preferences and the choice of an algorithm.  As on a device the choice depends on the number of columns and on the
/// alignment that is promised, and changes the bits of the result.  The second algorithm splits the sum and wants a
/// workspace, so that callers that forget either are found.
#include "cublaslt/attributes.hpp"
#include "cublaslt/descriptions.hpp"
#include "cublaslt/elements.hpp"
#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace cuda_emulation::cublaslt {
namespace {

constexpr std::uint32_t default_alignment = 256;
constexpr std::uint32_t widest_load = 16;  // bytes that a thread loads at once
constexpr std::uint64_t tile_columns = 64;
constexpr std::uint32_t all_reduction_schemes = CUBLASLT_REDUCTION_SCHEME_MASK;

template <class Visitor>
cublasStatus_t visit(preference_description& preference, cublasLtMatmulPreferenceAttributes_t attribute,
                     Visitor visitor) {
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return visitor(preference.workspace_bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return visitor(preference.reduction_schemes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      return visitor(preference.a_alignment);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      return visitor(preference.b_alignment);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      return visitor(preference.c_alignment);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return visitor(preference.d_alignment);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

/// What the caller promises of a matrix.
alignment_description promised(std::uint32_t pointer, matrix_description const& matrix) {
  std::uint64_t const bits = static_cast<std::uint64_t>(matrix.stride) * size_of(matrix.type) | widest_load;
  return {pointer, std::uint32_t{1} << std::countr_zero(bits)};
}
std::uint32_t narrowest(algorithm_description const& algorithm) {
  std::uint32_t least = widest_load;
  for (alignment_description const& matrix : {algorithm.a, algorithm.b, algorithm.c, algorithm.d})
    least = std::min({least, matrix.pointer, matrix.stride});
  return least;
}

void report(cublasLtMatmulHeuristicResult_t& result, algorithm_description const& algorithm,
            matrix_description const& d) {
  result = {};
  std::memcpy(&result.algo, &algorithm, sizeof algorithm);
  result.workspaceSize = workspace_of(algorithm, d);
  result.state = CUBLAS_STATUS_SUCCESS;
  result.wavesCount = 1.0f;
}

}  // namespace

std::size_t workspace_of(algorithm_description const& algorithm, matrix_description const& d) {
  if (algorithm.split_k <= 1) return 0;
  return static_cast<std::size_t>(algorithm.split_k) * d.rows * d.columns * sizeof(float);
}

}  // namespace cuda_emulation::cublaslt

using namespace cuda_emulation::cublaslt;

extern "C" {

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t handle, std::size_t bytes) {
  if (handle == nullptr || bytes < sizeof(preference_description)) return CUBLAS_STATUS_INVALID_VALUE;
  new (handle) preference_description{
      0, all_reduction_schemes, default_alignment, default_alignment, default_alignment, default_alignment};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* handle) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = new cublasLtMatmulPreferenceOpaque_t{};
  return cublasLtMatmulPreferenceInit_internal(*handle, sizeof **handle);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t handle,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, void const* buffer,
                                                    std::size_t bytes) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  return visit(description_of(handle), attribute, attribute_writer{buffer, bytes});
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (wanted < 1 || results == nullptr || found == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *found = 0;
  cublasStatus_t const legal = check_product(description_of(product), description_of(a), description_of(b),
                                             description_of(c), description_of(d));
  if (legal != CUBLAS_STATUS_SUCCESS) return legal;
  preference_description const& asked = description_of(preference);
  algorithm_description algorithm{algorithm_marker,
                                  1,
                                  false,
                                  promised(asked.a_alignment, description_of(a)),
                                  promised(asked.b_alignment, description_of(b)),
                                  promised(asked.c_alignment, description_of(c)),
                                  promised(asked.d_alignment, description_of(d))};
  algorithm.sums_in_float = description_of(d).columns < tile_columns || narrowest(algorithm) < widest_load;
  report(results[(*found)++], algorithm, description_of(d));
  algorithm.split_k = 2;
  bool const may_split = (asked.reduction_schemes & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) != 0 &&
                         workspace_of(algorithm, description_of(d)) <= asked.workspace_bytes;
  if (wanted > 1 && may_split) report(results[(*found)++], algorithm, description_of(d));
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
