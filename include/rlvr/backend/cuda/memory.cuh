// SPDX-License-Identifier: MIT
/// @file
/// Memory spaces of the CUDA backend for `buffer` and `matrix` (core/tensor.hpp).  They allocate outside ops: a model's
/// activations grow to their largest batch and stay.
#pragma once

#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/core/tensor.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// Global memory of the current device, zeroed when `allocate` returns.
struct device_memory {
  [[nodiscard]] static void* allocate(std::size_t bytes) {
    void* block = nullptr;
    check(cudaMalloc(&block, bytes), "cudaMalloc");
    // Zero before any stream can use it: streams of contexts do not wait for the default stream.
    check(cudaMemsetAsync(block, 0, bytes, cudaStreamPerThread), "cudaMemsetAsync");
    check(cudaStreamSynchronize(cudaStreamPerThread), "cudaStreamSynchronize");
    return block;
  }
  /// Waits for the device: work that uses the block may be queued.
  static void release(void* block) noexcept { (void)cudaFree(block); }
};

/// Page-locked host memory, which copies to and from the device need in order not to wait.  Zeroed.
struct pinned_memory {
  [[nodiscard]] static void* allocate(std::size_t bytes) {
    void* block = nullptr;
    check(cudaMallocHost(&block, bytes), "cudaMallocHost");
    std::memset(block, 0, bytes);
    return block;
  }
  static void release(void* block) noexcept { (void)cudaFreeHost(block); }
};

static_assert(memory_space<device_memory> && memory_space<pinned_memory>);

}  // namespace cuda
RLVR_NAMESPACE_END
