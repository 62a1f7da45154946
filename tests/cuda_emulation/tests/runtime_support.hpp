// SPDX-License-Identifier: MIT
/// @file
/// What the tests of the runtime share: memory, streams and events that end with the test, and late streams.
#pragma once

#include <cuda_emulation/engine.hpp>
#include <cuda_runtime.h>

#include "failure_of.hpp"
#include <cstddef>
#include <support/catch.hpp>

namespace runtime_tests {

/// Stream work runs as late as synchronisation allows while one is alive.
class late_streams {
 public:
  late_streams() : before_(cuda_emulation::current_settings().defer_streams) {
    cuda_emulation::current_settings().defer_streams = true;
  }
  ~late_streams() {
    (void)cudaDeviceSynchronize();
    cuda_emulation::current_settings().defer_streams = before_;
  }
  late_streams(late_streams const&) = delete;
  late_streams& operator=(late_streams const&) = delete;

 private:
  bool before_;
};

class stream {
 public:
  explicit stream(unsigned flags = cudaStreamNonBlocking) {
    REQUIRE(cudaStreamCreateWithFlags(&handle_, flags) == cudaSuccess);
  }
  ~stream() { (void)cudaStreamDestroy(handle_); }
  stream(stream const&) = delete;
  stream& operator=(stream const&) = delete;
  operator cudaStream_t() const { return handle_; }

 private:
  cudaStream_t handle_ = nullptr;
};

class event {
 public:
  event() { REQUIRE(cudaEventCreate(&handle_) == cudaSuccess); }
  ~event() { (void)cudaEventDestroy(handle_); }
  event(event const&) = delete;
  event& operator=(event const&) = delete;
  operator cudaEvent_t() const { return handle_; }

 private:
  cudaEvent_t handle_ = nullptr;
};

/// Ints in device memory, zeroed, or in page-locked memory.
template <bool Pinned = false>
class ints {
 public:
  explicit ints(std::size_t count) {
    void* block = nullptr;
    if constexpr (Pinned) {
      REQUIRE(cudaMallocHost(&block, count * sizeof(int)) == cudaSuccess);
      for (std::size_t i = 0; i < count; ++i) static_cast<int*>(block)[i] = 0;
    } else {
      REQUIRE(cudaMalloc(&block, count * sizeof(int)) == cudaSuccess);
      REQUIRE(cudaMemset(block, 0, count * sizeof(int)) == cudaSuccess);
      REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    }
    data_ = static_cast<int*>(block);
  }
  ~ints() { (void)(Pinned ? cudaFreeHost(data_) : cudaFree(data_)); }
  ints(ints const&) = delete;
  ints& operator=(ints const&) = delete;
  [[nodiscard]] int* data() const { return data_; }
  [[nodiscard]] int& operator[](std::size_t index) const { return data_[index]; }

 private:
  int* data_ = nullptr;
};

/// What device memory holds once everything queued has run.
[[nodiscard]] inline int value_at(int const* device) {
  int value = -1;
  REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
  REQUIRE(cudaMemcpy(&value, device, sizeof value, cudaMemcpyDeviceToHost) == cudaSuccess);
  return value;
}

/// A kernel on a stream, without the library's checks.
template <class... Parameters, class... Arguments>
void launch_on(cudaStream_t where, unsigned threads, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = dim3(1);
  configuration.blockDim = dim3(threads);
  configuration.stream = where;
  (void)::cudaLaunchKernelEx(&configuration, kernel, static_cast<Parameters>(arguments)...);
}

}  // namespace runtime_tests
