// SPDX-License-Identifier: MIT
/// @file
/// The one place that launches kernels, and the one that names dynamic shared memory.
///
/// Grids are one-dimensional and counted in 64 bits; a kernel with two indices divides.  No work is no launch.  Limits
/// are checked before, errors at once after.
#pragma once

#if !defined(__CUDACC__) && !defined(RLVR_CUDA_EMULATION)
#  error "Kernels need nvcc; host code may include <rlvr/backend/cuda/linked.cuh>, or <rlvr/cpu.hpp>"
#endif

#include <rlvr/backend/cuda/check.cuh>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#if !defined(__CUDACC__)
/// A host compiler that executes kernels (tests/cuda_emulation) supplies the block's dynamic shared memory.
extern "C" void* rlvr_emulated_dynamic_shared_memory();
#endif

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// Lanes of a warp, on every architecture so far.
inline constexpr unsigned warp_size = 32;
/// All lanes of a warp.
inline constexpr unsigned full_mask = 0xffffffffu;

/// Runs `kernel` on `blocks` blocks of `threads` threads.
/// @param shared_bytes  dynamic shared memory of a block
/// @throws argument_error if the shape is none that a device accepts, cuda_error if the launch fails
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), std::size_t blocks, unsigned threads, std::size_t shared_bytes,
            cudaStream_t stream, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments));
  static_assert((std::is_trivially_copyable_v<std::remove_cvref_t<Parameters>> && ...),
                "kernel arguments are copied to the device byte by byte");
  if (blocks == 0) return;
  if (blocks > 0x7fffffffu) throw argument_error("launch: " + std::to_string(blocks) + " blocks, at most 2^31 - 1 fit");
  if (threads == 0 || threads > 1024)
    throw argument_error("launch: " + std::to_string(threads) + " threads a block, expected 1 to 1024");
  if (shared_bytes > 48 * 1024)  // more must be asked for, per kernel
    check(cudaFuncSetAttribute(reinterpret_cast<void const*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          "cudaFuncSetAttribute");
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), "cudaLaunchKernelEx");
}

/// The block's dynamic shared memory, aligned to 128 bytes.
template <class T>
[[nodiscard]] __device__ inline T* dynamic_shared() {
#if defined(__CUDACC__)
  extern __shared__ __align__(128) unsigned char rlvr_dynamic_shared_memory[];
  return reinterpret_cast<T*>(rlvr_dynamic_shared_memory);
#else
  return static_cast<T*>(rlvr_emulated_dynamic_shared_memory());
#endif
}

}  // namespace cuda
RLVR_NAMESPACE_END
