// SPDX-License-Identifier: MIT
/// @file
/// Device memory for the tests of the PTX layer.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <vector>

namespace emulation_test {

/// An array in device memory with the values of a vector.
template <class T>
class device_array {
 public:
  explicit device_array(std::vector<T> const& values) : count_(values.size()) {
    cudaMalloc(&data_, count_ * sizeof(T));
    cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~device_array() { cudaFree(data_); }
  device_array(device_array const&) = delete;
  device_array& operator=(device_array const&) = delete;

  [[nodiscard]] T* get() const { return data_; }
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> result(count_);
    cudaDeviceSynchronize();
    cudaMemcpy(result.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost);
    return result;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace emulation_test
