// SPDX-License-Identifier: MIT
/// @file
/// Memory that host code and the ops under test can both touch: ordinary memory for the CPU, managed memory where the
/// tests are built for CUDA (RLVR_TEST_CUDA).  Whatever an op dereferences lives in it.
#pragma once

#include <cstddef>
#include <vector>

#if defined(RLVR_TEST_CUDA)
#  include <cuda_runtime.h>

#  include <new>
#endif

namespace test {

#if defined(RLVR_TEST_CUDA)

/// An allocator of managed memory, which host and device may use in turns.
template <class T>
struct managed_allocator {
  using value_type = T;

  managed_allocator() = default;
  template <class U>
  managed_allocator(managed_allocator<U> const&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) {
    void* block = nullptr;
    if (count && cudaMallocManaged(&block, count * sizeof(T)) != cudaSuccess) throw std::bad_alloc();
    return static_cast<T*>(block);
  }
  void deallocate(T* block, std::size_t) noexcept { (void)cudaFree(block); }

  template <class U>
  friend bool operator==(managed_allocator const&, managed_allocator<U> const&) noexcept {
    return true;
  }
};

template <class T>
using storage = std::vector<T, managed_allocator<T>>;

#else

template <class T>
using storage = std::vector<T>;

#endif

/// A copy that ops can read.
template <class T>
[[nodiscard]] storage<T> to_storage(std::vector<T> const& values) {
  return storage<T>(values.begin(), values.end());
}

}  // namespace test
