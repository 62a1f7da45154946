// SPDX-License-Identifier: MIT
/// @file
/// Elements of the types that products are made of.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <library_types.h>

namespace cuda_emulation::cublaslt {

[[nodiscard]] inline bool is_supported(cudaDataType_t type) {
  return type == CUDA_R_32F || type == CUDA_R_16BF || type == CUDA_R_16F;
}

/// Bytes of an element of a supported type.
[[nodiscard]] inline std::size_t size_of(cudaDataType_t type) { return type == CUDA_R_32F ? 4 : 2; }

[[nodiscard]] inline double load(void const* data, cudaDataType_t type, std::int64_t index) {
  if (type == CUDA_R_32F) return double{static_cast<float const*>(data)[index]};
  if (type == CUDA_R_16BF) return double{__bfloat162float(static_cast<__nv_bfloat16 const*>(data)[index])};
  return double{__half2float(static_cast<__half const*>(data)[index])};
}

inline void store(void* data, cudaDataType_t type, std::int64_t index, double value) {
  auto const rounded = static_cast<float>(value);
  if (type == CUDA_R_32F) {
    static_cast<float*>(data)[index] = rounded;
  } else if (type == CUDA_R_16BF) {
    static_cast<__nv_bfloat16*>(data)[index] = __float2bfloat16(rounded);
  } else {
    static_cast<__half*>(data)[index] = __float2half(rounded);
  }
}

/// The tanh form of GELU, as cuBLASLt has it.
[[nodiscard]] inline double gelu_argument(double x) {
  return 0.7978845608028654 * (x + 0.044715 * x * x * x);  // sqrt(2 / pi)
}
[[nodiscard]] inline double gelu(double x) { return 0.5 * x * (1 + std::tanh(gelu_argument(x))); }
[[nodiscard]] inline double gelu_derivative(double x) {
  double const t = std::tanh(gelu_argument(x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}

}  // namespace cuda_emulation::cublaslt
