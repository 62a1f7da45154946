// SPDX-License-Identifier: MIT
/// @file
/// Errors of the CUDA runtime and of cuBLASLt as exceptions.  Every call of theirs in the library goes through `check`,
/// at once: an error that surfaces three calls later names the wrong one.
#pragma once

#if !defined(__CUDACC__) && !defined(RLVR_CUDA_EMULATION) && !defined(RLVR_CUDA_LINKED)
#  error "This header needs nvcc; host code may include <rlvr/backend/cuda/linked.cuh>, or <rlvr/cpu.hpp>"
#endif

#include <rlvr/core/error.hpp>

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <string>

RLVR_NAMESPACE_BEGIN
namespace cuda {

/// A call of the CUDA runtime or of cuBLASLt failed.
class cuda_error : public error {
 public:
  explicit cuda_error(std::string const& message, int code, source_place where = source_place::current())
      : error(message, where), code_(code) {}

  /// The cudaError_t or cublasStatus_t.
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

/// @param call  the function's name, for the message
/// @throws cuda_error unless the result is a success
inline void check(cudaError_t result, char const* call, source_place where = source_place::current()) {
  if (result == cudaSuccess) return;
  (void)cudaGetLastError();  // an error that is not sticky must not be reported again
  throw cuda_error(std::string(call) + ": " + cudaGetErrorName(result) + ": " + cudaGetErrorString(result),
                   static_cast<int>(result), where);
}

/// @overload
inline void check(cublasStatus_t result, char const* call, source_place where = source_place::current()) {
  if (result == CUBLAS_STATUS_SUCCESS) return;
  throw cuda_error(std::string(call) + ": " + cublasLtGetStatusName(result), static_cast<int>(result), where);
}

}  // namespace cuda
RLVR_NAMESPACE_END
