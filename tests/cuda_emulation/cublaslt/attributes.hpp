// SPDX-License-Identifier: MIT
/// @file
/// How cuBLASLt hands attributes in and out: untyped, with their size.
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

/// Reads an attribute; with 0 bytes only its size is told.
struct attribute_reader {
  void* buffer;
  std::size_t bytes;
  std::size_t* written;

  template <class Field>
  cublasStatus_t operator()(Field const& field) const {
    if (bytes == 0 && written == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    if (written != nullptr) *written = sizeof field;
    if (bytes == 0) return CUBLAS_STATUS_SUCCESS;
    if (buffer == nullptr || bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(buffer, &field, sizeof field);
    return CUBLAS_STATUS_SUCCESS;
  }
};

}  // namespace cuda_emulation::cublaslt
