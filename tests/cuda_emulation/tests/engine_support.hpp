// SPDX-License-Identifier: MIT
/// @file
/// What the tests of the engine share.  Their kernels work on host memory: device memory is the runtime's affair.
#pragma once

#include <cuda_emulation/engine.hpp>
#include <cuda_runtime.h>

#include "failure_of.hpp"
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <support/catch.hpp>
#include <type_traits>
#include <utility>

namespace engine_tests {

inline constexpr unsigned full_mask = 0xffffffffu;

/// Launches without the library's checks, so that mistakes reach the engine.
template <class... Parameters>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            std::type_identity_t<Parameters>... arguments) {
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = grid;
  configuration.blockDim = block;
  configuration.dynamicSmemBytes = shared_bytes;
  ::cudaLaunchKernelEx(&configuration, kernel, arguments...);
}

/// Sets the order of threads and blocks while it lives.
class order_scope {
 public:
  explicit order_scope(cuda_emulation::schedule order, std::uint64_t seed = 1)
      : before_(cuda_emulation::current_settings()) {
    cuda_emulation::current_settings().order = order;
    cuda_emulation::current_settings().seed = seed;
  }
  ~order_scope() { cuda_emulation::current_settings() = before_; }
  order_scope(order_scope const&) = delete;
  order_scope& operator=(order_scope const&) = delete;

 private:
  cuda_emulation::settings before_;
};

/// Calls `action` in the forward, the reverse and some shuffled orders.
template <class Action>
void in_every_order(Action action) {
  using cuda_emulation::schedule;
  for (auto const order : {schedule::forward, schedule::reverse}) {
    INFO("order " << static_cast<int>(order));
    order_scope const scope(order);
    action();
  }
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("shuffled, seed " << seed);
    order_scope const scope(schedule::shuffled, seed);
    action();
  }
}

/// The action must fail in every order, with these texts in the message.
template <class Action>
void require_failure(std::initializer_list<char const*> texts, Action action) {
  in_every_order([&] {
    std::string const message = failure_of(action);
    for (char const* const text : texts) REQUIRE_THAT(message, Catch::Contains(text));
  });
}

/// A kernel must run as it should in every order; call it after a failure.
void require_engine_works();

}  // namespace engine_tests
