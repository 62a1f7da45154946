// SPDX-License-Identifier: MIT
/// @file
/// Handles, descriptions of products and matrices, names of status codes.
#include "cublaslt/descriptions.hpp"

#include "cublaslt/attributes.hpp"
#include <new>

namespace cuda_emulation::cublaslt {
namespace {

template <class Visitor>
cublasStatus_t visit(matmul_description& product, cublasLtMatmulDescAttributes_t attribute, Visitor visitor) {
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return visitor(product.a_operation);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return visitor(product.b_operation);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return visitor(product.epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return visitor(product.bias);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

template <class Visitor>
cublasStatus_t visit(matrix_description& matrix, cublasLtMatrixLayoutAttribute_t attribute, Visitor visitor) {
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_LD:
      return visitor(matrix.stride);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

struct status_text {
  cublasStatus_t status;
  char const* name;
  char const* text;
};
constexpr status_text status_texts[] = {
    {CUBLAS_STATUS_SUCCESS, "CUBLAS_STATUS_SUCCESS", "success"},
    {CUBLAS_STATUS_NOT_INITIALIZED, "CUBLAS_STATUS_NOT_INITIALIZED", "the library was not initialized"},
    {CUBLAS_STATUS_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed"},
    {CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE", "an invalid value was used as an argument"},
    {CUBLAS_STATUS_ARCH_MISMATCH, "CUBLAS_STATUS_ARCH_MISMATCH", "an absent device architectural feature is required"},
    {CUBLAS_STATUS_MAPPING_ERROR, "CUBLAS_STATUS_MAPPING_ERROR", "an access to GPU memory space failed"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED", "the GPU program failed to execute"},
    {CUBLAS_STATUS_INTERNAL_ERROR, "CUBLAS_STATUS_INTERNAL_ERROR", "an internal operation failed"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED", "the functionality is not supported"},
    {CUBLAS_STATUS_LICENSE_ERROR, "CUBLAS_STATUS_LICENSE_ERROR", "the functionality needs a license"},
};

status_text text_of(cublasStatus_t status) {
  for (status_text const& known : status_texts)
    if (known.status == status) return known;
  return {status, "CUBLAS_STATUS_UNKNOWN", "an unknown status"};
}

}  // namespace
}  // namespace cuda_emulation::cublaslt

using namespace cuda_emulation::cublaslt;

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = reinterpret_cast<cublasLtHandle_t>(new char);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete reinterpret_cast<char*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}
char const* cublasLtGetStatusName(cublasStatus_t status) { return text_of(status).name; }
char const* cublasLtGetStatusString(cublasStatus_t status) { return text_of(status).text; }
std::size_t cublasLtGetVersion(void) { return CUBLAS_VERSION; }

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t handle, std::size_t bytes,
                                               cublasComputeType_t compute_type, cudaDataType_t scale_type) {
  if (handle == nullptr || bytes < sizeof(matmul_description)) return CUBLAS_STATUS_INVALID_VALUE;
  new (handle)
      matmul_description{compute_type, scale_type, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, nullptr};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* handle, cublasComputeType_t compute_type,
                                        cudaDataType_t scale_type) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = new cublasLtMatmulDescOpaque_t{};
  return cublasLtMatmulDescInit_internal(*handle, sizeof **handle, compute_type, scale_type);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t handle, cublasLtMatmulDescAttributes_t attribute,
                                              void const* buffer, std::size_t bytes) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  return visit(description_of(handle), attribute, attribute_writer{buffer, bytes});
}

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t handle, std::size_t bytes, cudaDataType type,
                                                 std::uint64_t rows, std::uint64_t columns, std::int64_t stride) {
  if (handle == nullptr || bytes < sizeof(matrix_description)) return CUBLAS_STATUS_INVALID_VALUE;
  new (handle) matrix_description{type, rows, columns, stride};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* handle, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t columns, std::int64_t stride) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = new cublasLtMatrixLayoutOpaque_t{};
  return cublasLtMatrixLayoutInit_internal(*handle, sizeof **handle, type, rows, columns, stride);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t handle,
                                                cublasLtMatrixLayoutAttribute_t attribute, void const* buffer,
                                                std::size_t bytes) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  return visit(description_of(handle), attribute, attribute_writer{buffer, bytes});
}

}  // extern "C"
