// SPDX-License-Identifier: MIT
/// @file
/// What the tests of the checker share: device memory, launches without the library's checks, expected reports.
#pragma once

#include <cuda_emulation/engine.hpp>
#include <cuda_runtime.h>

#include "failure_of.hpp"
#include <cstddef>
#include <initializer_list>
#include <string>
#include <support/catch.hpp>
#include <type_traits>
#include <vector>

namespace checker_tests {

template <class... Parameters>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            std::type_identity_t<Parameters>... arguments) {
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = grid;
  configuration.blockDim = block;
  configuration.dynamicSmemBytes = shared_bytes;
  ::cudaLaunchKernelEx(&configuration, kernel, arguments...);
}

/// Device memory of `count` elements, uninitialised or with bytes of zero.
template <class T>
class device_array {
 public:
  explicit device_array(std::size_t count, bool zeros = false) {
    void* block = nullptr;
    REQUIRE(cudaMalloc(&block, count * sizeof(T)) == cudaSuccess);
    data_ = static_cast<T*>(block);
    if (zeros) cudaMemset(data_, 0, count * sizeof(T));
  }
  ~device_array() { cudaFree(data_); }
  device_array(device_array const&) = delete;
  device_array& operator=(device_array const&) = delete;
  [[nodiscard]] T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

/// What the action is stopped for in each order of threads; reports do not depend on it.
template <class Action>
std::vector<std::string> failures_in_every_order(Action action) {
  using cuda_emulation::schedule;
  auto& settings = cuda_emulation::current_settings();
  auto const before = settings;
  std::vector<std::string> messages;
  for (auto const order : {schedule::forward, schedule::reverse, schedule::shuffled}) {
    settings.order = order;
    messages.push_back(failure_of(action));
  }
  settings = before;
  return messages;
}

template <class Action>
void require_report(std::initializer_list<char const*> texts, Action action) {
  for (std::string const& message : failures_in_every_order(action))
    for (char const* const text : texts) REQUIRE_THAT(message, Catch::Contains(text));
}

template <class Action>
void require_no_report(Action action) {
  for (std::string const& message : failures_in_every_order(action)) REQUIRE(message == "");
}

}  // namespace checker_tests
