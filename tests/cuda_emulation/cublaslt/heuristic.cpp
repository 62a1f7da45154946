// SPDX-License-Identifier: MIT
/// @file
/// Preferences and the choice of an algorithm.  The algorithms differ in what they need, not in what they compute: the
/// second one splits the sum and wants a workspace, so that callers that forget either are found.
#include "cublaslt/attributes.hpp"
#include "cublaslt/descriptions.hpp"
#include <algorithm>
#include <cstring>
#include <new>

namespace cuda_emulation::cublaslt {
namespace {

constexpr std::uint32_t default_alignment = 256;
constexpr std::uint32_t all_reduction_schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
constexpr std::uint64_t tile_threshold = 64;

template <class Visitor>
cublasStatus_t visit(preference_description& preference, cublasLtMatmulPreferenceAttributes_t attribute,
                     Visitor visitor) {
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_SEARCH_MODE:
      return visitor(preference.search_mode);
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

template <class Algorithm, class Visitor>
cublasStatus_t visit_algorithm(Algorithm& algorithm, cublasLtMatmulAlgoConfigAttributes_t attribute, Visitor visitor) {
  switch (attribute) {
    case CUBLASLT_ALGO_CONFIG_ID:
      return visitor(algorithm.id);
    case CUBLASLT_ALGO_CONFIG_TILE_ID:
      return visitor(algorithm.tile);
    case CUBLASLT_ALGO_CONFIG_SPLITK_NUM:
      return visitor(algorithm.split_k);
    case CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME:
      return visitor(algorithm.reduction_scheme);
    case CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING:
      return visitor(algorithm.swizzling);
    case CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION:
      return visitor(algorithm.custom_option);
    case CUBLASLT_ALGO_CONFIG_STAGES_ID:
      return visitor(algorithm.stages);
    case CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID:
      return visitor(algorithm.inner_shape);
    case CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID:
      return visitor(algorithm.cluster_shape);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

algorithm_description plain_algorithm(preference_description const& preference, matrix_description const& d) {
  bool const wide = d.rows >= tile_threshold && d.columns >= tile_threshold;
  algorithm_description result{};
  result.marker = algorithm_marker;
  result.id = wide ? 66 : 65;
  result.tile = wide ? CUBLASLT_MATMUL_TILE_128x128 : CUBLASLT_MATMUL_TILE_64x64;
  result.stages = CUBLASLT_MATMUL_STAGES_32x4;
  result.split_k = 1;
  result.reduction_scheme = CUBLASLT_REDUCTION_SCHEME_NONE;
  result.a_alignment = static_cast<std::uint16_t>(preference.a_alignment);
  result.b_alignment = static_cast<std::uint16_t>(preference.b_alignment);
  result.c_alignment = static_cast<std::uint16_t>(preference.c_alignment);
  result.d_alignment = static_cast<std::uint16_t>(preference.d_alignment);
  return result;
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
  return static_cast<std::size_t>(algorithm.split_k) * d.rows * d.columns * sizeof(float) *
         static_cast<std::size_t>(d.batches);
}

}  // namespace cuda_emulation::cublaslt

using namespace cuda_emulation::cublaslt;

extern "C" {

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t handle, std::size_t bytes) {
  if (handle == nullptr || bytes < sizeof(preference_description)) return CUBLAS_STATUS_INVALID_VALUE;
  new (handle) preference_description{0,
                                      CUBLASLT_SEARCH_BEST_FIT,
                                      all_reduction_schemes,
                                      default_alignment,
                                      default_alignment,
                                      default_alignment,
                                      default_alignment};
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
cublasStatus_t cublasLtMatmulPreferenceGetAttribute(cublasLtMatmulPreference_t handle,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, void* buffer,
                                                    std::size_t bytes, std::size_t* written) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  return visit(description_of(handle), attribute, attribute_reader{buffer, bytes, written});
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
  algorithm_description algorithm = plain_algorithm(asked, description_of(d));
  report(results[(*found)++], algorithm, description_of(d));
  algorithm.split_k = 2;
  algorithm.reduction_scheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  bool const may_split = (asked.reduction_schemes & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) != 0 &&
                         workspace_of(algorithm, description_of(d)) <= asked.workspace_bytes;
  if (wanted > 1 && may_split) report(results[(*found)++], algorithm, description_of(d));
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a,
                                       cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       cublasLtMatmulAlgo_t const* algorithm, cublasLtMatmulHeuristicResult_t* result) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (algorithm == nullptr || result == nullptr || description_of(algorithm).marker != algorithm_marker)
    return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t const legal = check_product(description_of(product), description_of(a), description_of(b),
                                             description_of(c), description_of(d));
  if (legal == CUBLAS_STATUS_SUCCESS) report(*result, description_of(algorithm), description_of(d));
  return legal;
}

cublasStatus_t cublasLtMatmulAlgoConfigSetAttribute(cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute, void const* buffer,
                                                    std::size_t bytes) {
  if (algorithm == nullptr || attribute == CUBLASLT_ALGO_CONFIG_ID) return CUBLAS_STATUS_INVALID_VALUE;
  return visit_algorithm(description_of(algorithm), attribute, attribute_writer{buffer, bytes});
}
cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(cublasLtMatmulAlgo_t const* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute, void* buffer,
                                                    std::size_t bytes, std::size_t* written) {
  if (algorithm == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  return visit_algorithm(description_of(algorithm), attribute, attribute_reader{buffer, bytes, written});
}

}  // extern "C"
