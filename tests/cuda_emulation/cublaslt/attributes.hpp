// SPDX-License-Identifier: MIT
/// @file
/// How cuBLASLt is handed attributes: untyped, with their size.
#pragma once

#include <cublasLt.h>

#include <cstddef>
#include <cstring>

namespace cuda_emulation::cublaslt {

/// Writes an attribute; the size must be the field's.
struct attribute_writer {
  void const* buffer;
  std::size_t bytes;

  template <class Field>
  cublasStatus_t operator()(Field& field) const {
    if (buffer == nullptr || bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(static_cast<void*>(&field), buffer, sizeof field);
    return CUBLAS_STATUS_SUCCESS;
  }
};

}  // namespace cuda_emulation::cublaslt
