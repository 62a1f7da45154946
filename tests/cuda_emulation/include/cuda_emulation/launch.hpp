// SPDX-License-Identifier: MIT
/// @file
/// The typed launch that takes the place of cudaLaunchKernelEx: it keeps the arguments as CUDA's parameter buffer does.
#pragma once

#include <cuda_emulation/engine.hpp>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cuda_emulation {
namespace detail {

/// A kernel with its arguments.  Not instrumented: the copies that start a thread are no accesses of the kernel.
template <class... Parameters>
struct bound_kernel {
  void (*kernel)(Parameters...);
  std::tuple<std::remove_cvref_t<Parameters>...> arguments;

  __attribute__((no_sanitize("thread"))) static void run(void* self) {
    static_cast<bound_kernel*>(self)->call(std::index_sequence_for<Parameters...>{});
  }

 private:
  template <std::size_t... Index>
  __attribute__((no_sanitize("thread"))) void call(std::index_sequence<Index...>) {
    kernel(std::get<Index>(arguments)...);
  }
};

}  // namespace detail

/// Queues the kernel on the configuration's stream.  Mistakes are thrown as `failure`, here or where the stream runs.
template <class... Parameters, class... Arguments>
cudaError_t launch_kernel_ex(cudaLaunchConfig_t const* configuration, void (*kernel)(Parameters...),
                             Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments));
  static_assert((!std::is_reference_v<Parameters> && ...), "a kernel cannot have parameters that are references");
  if (configuration->numAttrs != 0) throw failure("cudaLaunchKernelEx: launch attributes are not emulated");
  using bound = detail::bound_kernel<Parameters...>;
  auto parameters = std::shared_ptr<bound>(
      new bound{kernel, {static_cast<std::remove_cvref_t<Parameters>>(std::forward<Arguments>(arguments))...}});
  launch_grid(reinterpret_cast<void const*>(kernel), configuration->gridDim, configuration->blockDim,
              configuration->dynamicSmemBytes, configuration->stream, thread_body{&bound::run, std::move(parameters)});
  return cudaSuccess;
}

}  // namespace cuda_emulation
