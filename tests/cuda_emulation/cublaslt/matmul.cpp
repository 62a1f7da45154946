// SPDX-License-Identifier: MIT
/// @file
/// cublasLtMatmul: what the library would refuse comes back as its status; what it would not notice fails.
#include "cublaslt/descriptions.hpp"
#include "cublaslt/elements.hpp"
#include "cublaslt/product.hpp"
#include "engine/state.hpp"
#include "runtime/memory.hpp"
#include <algorithm>
#include <string>

namespace cuda_emulation::cublaslt {
namespace {

constexpr std::uintptr_t workspace_alignment = 16;

bool strides_fit(matrix_description const& matrix) {
  return matrix.rows > 0 && matrix.columns > 0 && matrix.stride > 0 &&
         static_cast<std::uint64_t>(matrix.stride) >= matrix.rows;
}

bool types_fit(matmul_description const& product, matrix_description const& a, matrix_description const& b,
               matrix_description const& c, matrix_description const& d) {
  bool const computes = product.compute_type == CUBLAS_COMPUTE_32F ||
                        (product.compute_type == CUBLAS_COMPUTE_32F_FAST_TF32 && a.type == CUDA_R_32F);
  return computes && product.scale_type == CUDA_R_32F && is_supported(a.type) && a.type == b.type &&
         c.type == CUDA_R_32F && d.type == CUDA_R_32F;
}

bool shapes_fit(matmul_description const& product, matrix_description const& a, matrix_description const& b,
                matrix_description const& c, matrix_description const& d) {
  bool const a_plain = product.a_operation == CUBLAS_OP_N, b_plain = product.b_operation == CUBLAS_OP_N;
  bool const inner = (a_plain ? a.columns : a.rows) == (b_plain ? b.rows : b.columns);
  bool const outer = (a_plain ? a.rows : a.columns) == d.rows && (b_plain ? b.columns : b.rows) == d.columns;
  return inner && outer && c.rows == d.rows && c.columns == d.columns;
}

/// First and one past the last byte that a matrix occupies.
struct byte_range {
  char const* begin;
  std::size_t bytes;
};
byte_range range_of(void const* data, matrix_description const& matrix) {
  auto const rows = static_cast<std::int64_t>(matrix.rows), columns = static_cast<std::int64_t>(matrix.columns);
  std::int64_t const last = matrix.offset(rows - 1, columns - 1);
  return {static_cast<char const*>(data), static_cast<std::size_t>(last + 1) * size_of(matrix.type)};
}
bool overlap(byte_range const& x, byte_range const& y) {
  return x.begin < y.begin + y.bytes && y.begin < x.begin + x.bytes;
}

/// Fails if the product would touch memory that is not its own.
void require_operands(product_call const& call) {
  byte_range const a = range_of(call.a_data, call.a), b = range_of(call.b_data, call.b);
  byte_range const d = range_of(call.d_data, call.d);
  require_device_range(a.begin, a.bytes, "cublasLtMatmul's A");
  require_device_range(b.begin, b.bytes, "cublasLtMatmul's B");
  require_device_range(d.begin, d.bytes, "cublasLtMatmul's D");
  if (overlap(a, d) || overlap(b, d)) fail("cublasLtMatmul: the result overlaps an operand");
  if (call.beta != 0) {
    byte_range const c = range_of(call.c_data, call.c);
    require_device_range(c.begin, c.bytes, "cublasLtMatmul's C");
    bool const in_place = call.c_data == call.d_data && call.c.stride == call.d.stride;
    if (!in_place && overlap(c, d)) fail("cublasLtMatmul: the result overlaps C, which is another matrix");
  }
  if (call.adds_bias())
    require_device_range(call.product.bias, call.d.rows * size_of(call.d.type), "cublasLtMatmul's bias");
}

bool is_aligned(void const* data, std::uintptr_t bytes) { return reinterpret_cast<std::uintptr_t>(data) % bytes == 0; }

/// Whether a matrix is as aligned as its elements need, and as the heuristic was told.
bool is_aligned(void const* data, matrix_description const& matrix, alignment_description const* promised) {
  if (!is_aligned(data, size_of(matrix.type))) return false;
  return promised == nullptr ||
         (is_aligned(data, promised->pointer) &&
          static_cast<std::uint64_t>(matrix.stride) * size_of(matrix.type) % promised->stride == 0);
}

bool operands_are_aligned(product_call const& call, algorithm_description const* algorithm) {
  auto const fits = [&](void const* data, matrix_description const& matrix,
                        alignment_description algorithm_description::*promised) {
    return is_aligned(data, matrix, algorithm == nullptr ? nullptr : &(algorithm->*promised));
  };
  return fits(call.a_data, call.a, &algorithm_description::a) && fits(call.b_data, call.b, &algorithm_description::b) &&
         fits(call.d_data, call.d, &algorithm_description::d) &&
         (call.c_data == nullptr || fits(call.c_data, call.c, &algorithm_description::c));
}

}  // namespace

cublasStatus_t check_product(matmul_description const& product, matrix_description const& a,
                             matrix_description const& b, matrix_description const& c, matrix_description const& d) {
  bool const known_epilogue =
      product.epilogue == CUBLASLT_EPILOGUE_DEFAULT || product.epilogue == CUBLASLT_EPILOGUE_BIAS;
  if (!types_fit(product, a, b, c, d) || !known_epilogue) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!strides_fit(a) || !strides_fit(b) || !strides_fit(c) || !strides_fit(d) || !shapes_fit(product, a, b, c, d))
    return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace cuda_emulation::cublaslt

using namespace cuda_emulation::cublaslt;

extern "C" cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product, void const* alpha,
                                         void const* a, cublasLtMatrixLayout_t a_layout, void const* b,
                                         cublasLtMatrixLayout_t b_layout, void const* beta, void const* c,
                                         cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                                         cublasLtMatmulAlgo_t const* algorithm, void* workspace,
                                         std::size_t workspace_bytes, cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (product == nullptr || a_layout == nullptr || b_layout == nullptr || c_layout == nullptr || d_layout == nullptr ||
      alpha == nullptr || beta == nullptr || a == nullptr || b == nullptr || d == nullptr)
    return CUBLAS_STATUS_INVALID_VALUE;
  product_call call{description_of(product),
                    description_of(a_layout),
                    description_of(b_layout),
                    description_of(c_layout),
                    description_of(d_layout),
                    a,
                    b,
                    c,
                    d,
                    *static_cast<float const*>(alpha),
                    *static_cast<float const*>(beta)};
  cublasStatus_t const legal = check_product(call.product, call.a, call.b, call.c, call.d);
  if (legal != CUBLAS_STATUS_SUCCESS) return legal;
  algorithm_description const* const chosen = algorithm == nullptr ? nullptr : &description_of(algorithm);
  call.sums_in_float = chosen != nullptr && chosen->sums_in_float;
  if (chosen != nullptr && (chosen->marker != algorithm_marker || workspace_bytes < workspace_of(*chosen, call.d)))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (workspace_bytes > 0 && !is_aligned(workspace, workspace_alignment)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!operands_are_aligned(call, chosen)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (workspace_bytes > 0)
    cuda_emulation::require_device_range(workspace, workspace_bytes, "cublasLtMatmul's workspace");
  require_operands(call);
  cuda_emulation::enqueue(stream, [call] {
    require_operands(call);  // a graph may run long after the call
    cuda_emulation::unlock_device_memory const open;
    compute(call);
  });
  return CUBLAS_STATUS_SUCCESS;
}
