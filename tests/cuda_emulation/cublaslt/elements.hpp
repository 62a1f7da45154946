// SPDX-License-Identifier: MIT
/// @file
/// Elements of the types that products are made of.
#pragma once

#include <cuda_bf16.h>

#include <cstddef>
#include <cstdint>
#include <library_types.h>

namespace cuda_emulation::cublaslt {

[[nodiscard]] inline bool is_supported(cudaDataType_t type) { return type == CUDA_R_32F || type == CUDA_R_16BF; }

/// Bytes of an element of a supported type.
[[nodiscard]] inline std::size_t size_of(cudaDataType_t type) { return type == CUDA_R_32F ? 4 : 2; }

[[nodiscard]] inline double load(void const* data, cudaDataType_t type, std::int64_t index) {
  if (type == CUDA_R_32F) return double{static_cast<float const*>(data)[index]};
  return double{__bfloat162float(static_cast<__nv_bfloat16 const*>(data)[index])};
}

}  // namespace cuda_emulation::cublaslt
