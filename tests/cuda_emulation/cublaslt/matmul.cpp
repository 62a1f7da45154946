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
constexpr std::uintptr_t smallest_alignment = 4;

bool strides_fit(matrix_description const& matrix) {
  std::uint64_t const line = matrix.order == CUBLASLT_ORDER_ROW ? matrix.columns : matrix.rows;
  return matrix.rows > 0 && matrix.columns > 0 && matrix.batches > 0 && matrix.stride > 0 &&
         static_cast<std::uint64_t>(matrix.stride) >= line;
}

bool is_plain_order(matrix_description const& matrix) {
  return matrix.order == CUBLASLT_ORDER_COL || matrix.order == CUBLASLT_ORDER_ROW;
}

bool types_fit(matmul_description const& product, matrix_description const& a, matrix_description const& b,
               matrix_description const& c, matrix_description const& d) {
  bool const computes = product.compute_type == CUBLAS_COMPUTE_32F ||
                        product.compute_type == CUBLAS_COMPUTE_32F_PEDANTIC ||
                        product.compute_type == CUBLAS_COMPUTE_32F_FAST_TF32;
  bool const known = is_supported(a.type) && is_supported(d.type);
  return computes && product.scale_type == CUDA_R_32F && known && a.type == b.type && c.type == d.type &&
         (d.type == a.type || d.type == CUDA_R_32F);
}

bool shapes_fit(matmul_description const& product, matrix_description const& a, matrix_description const& b,
                matrix_description const& c, matrix_description const& d) {
  bool const a_plain = product.a_operation == CUBLAS_OP_N, b_plain = product.b_operation == CUBLAS_OP_N;
  bool const inner = (a_plain ? a.columns : a.rows) == (b_plain ? b.rows : b.columns);
  bool const outer = (a_plain ? a.rows : a.columns) == d.rows && (b_plain ? b.columns : b.rows) == d.columns;
  bool const batches = a.batches == d.batches && b.batches == d.batches && c.batches == d.batches;
  return inner && outer && batches && c.rows == d.rows && c.columns == d.columns;
}

/// First and one past the last byte that a matrix occupies.
struct byte_range {
  char const* begin;
  std::size_t bytes;
};
byte_range range_of(void const* data, matrix_description const& matrix) {
  auto const rows = static_cast<std::int64_t>(matrix.rows), columns = static_cast<std::int64_t>(matrix.columns);
  std::int64_t const last = (matrix.batches - 1) * matrix.batch_stride + matrix.offset(rows - 1, columns - 1);
  return {static_cast<char const*>(data), static_cast<std::size_t>(last + 1) * size_of(matrix.type)};
}
bool overlap(byte_range const& x, byte_range const& y) {
  return x.begin < y.begin + y.bytes && y.begin < x.begin + x.bytes;
}

void require_vector(void const* data, std::size_t elements, std::int32_t type, cudaDataType_t result_type,
                    char const* what) {
  require_device_range(data, elements * size_of(type_or(type, result_type)), what);
}

/// Fails if the product would touch memory that is not its own.
void require_operands(product_call const& call) {
  byte_range const a = range_of(call.a_data, call.a), b = range_of(call.b_data, call.b);
  byte_range const d = range_of(call.d_data, call.d);
  require_device_range(a.begin, a.bytes, "cublasLtMatmul's A");
  require_device_range(b.begin, b.bytes, "cublasLtMatmul's B");
  require_device_range(d.begin, d.bytes, "cublasLtMatmul's D");
  if (call.beta != 0 || call.beta_pointer != nullptr)
    require_device_range(call.c_data, range_of(call.c_data, call.c).bytes, "cublasLtMatmul's C");
  if (overlap(a, d) || overlap(b, d)) fail("cublasLtMatmul: the result overlaps an operand");
  epilogue_parts parts{};
  (void)split_epilogue(call.product.epilogue, parts);
  if (parts.adds_bias || parts.sums_a || parts.sums_b || parts.sums_result)
    require_vector(call.product.bias, parts.sums_b ? call.d.columns : call.d.rows, call.product.bias_type, call.d.type,
                   "cublasLtMatmul's bias");
  if (parts.stores_argument || parts.gelu_gradient)
    require_vector(call.product.auxiliary,
                   (call.d.columns - 1) * static_cast<std::size_t>(call.product.auxiliary_stride) + call.d.rows,
                   call.product.auxiliary_type, call.d.type, "cublasLtMatmul's auxiliary matrix");
}

bool is_aligned(void const* data, std::uintptr_t bytes) {
  return bytes == 0 || reinterpret_cast<std::uintptr_t>(data) % bytes == 0;
}

/// Whether the pointers are as aligned as the heuristic was told, or as every algorithm needs.
bool pointers_fit(product_call const& call, algorithm_description const* algorithm) {
  auto const fits = [&](void const* data, std::uint16_t algorithm_description::*promised) {
    std::uintptr_t const asked = algorithm == nullptr ? 0 : algorithm->*promised;
    return is_aligned(data, std::max(smallest_alignment, asked));
  };
  return fits(call.a_data, &algorithm_description::a_alignment) &&
         fits(call.b_data, &algorithm_description::b_alignment) &&
         fits(call.d_data, &algorithm_description::d_alignment) &&
         (call.c_data == nullptr || fits(call.c_data, &algorithm_description::c_alignment));
}

/// The factor as the host gives it, or where the device finds it.
void read_factors(product_call& call, void const* alpha, void const* beta) {
  if (call.product.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE) {
    require_device_range(alpha, sizeof(float), "cublasLtMatmul's alpha");
    require_device_range(beta, sizeof(float), "cublasLtMatmul's beta");
    call.alpha_pointer = alpha;
    call.beta_pointer = beta;
  } else {
    call.alpha = *static_cast<float const*>(alpha);
    call.beta = *static_cast<float const*>(beta);
  }
}

}  // namespace

cublasStatus_t check_product(matmul_description const& product, matrix_description const& a,
                             matrix_description const& b, matrix_description const& c, matrix_description const& d) {
  epilogue_parts parts{};
  bool const known_modes =
      product.pointer_mode == CUBLASLT_POINTER_MODE_HOST || product.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE;
  if (!types_fit(product, a, b, c, d) || !known_modes || !split_epilogue(product.epilogue, parts) ||
      !is_plain_order(a) || !is_plain_order(b) || !is_plain_order(c) || !is_plain_order(d))
    return CUBLAS_STATUS_NOT_SUPPORTED;
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
                    nullptr,
                    nullptr,
                    1,
                    0};
  cublasStatus_t const legal = check_product(call.product, call.a, call.b, call.c, call.d);
  if (legal != CUBLAS_STATUS_SUCCESS) return legal;
  algorithm_description const* const chosen = algorithm == nullptr ? nullptr : &description_of(algorithm);
  if (chosen != nullptr && (chosen->marker != algorithm_marker || workspace_bytes < workspace_of(*chosen, call.d)))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (workspace_bytes > 0 && !is_aligned(workspace, workspace_alignment)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!pointers_fit(call, chosen)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (workspace_bytes > 0)
    cuda_emulation::require_device_range(workspace, workspace_bytes, "cublasLtMatmul's workspace");
  read_factors(call, alpha, beta);
  require_operands(call);
  cuda_emulation::enqueue(stream, [call] {
    require_operands(call);  // a graph may run long after the call
    cuda_emulation::unlock_device_memory const open;
    compute(call);
  });
  return CUBLAS_STATUS_SUCCESS;
}
