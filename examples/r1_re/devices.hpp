// SPDX-License-Identifier: MIT
/// @file
/// --device: the context that a command runs on.  The CUDA part is there where the program was built with it
/// (RLVR_CUDA); its ops are compiled in device_ops.cu, because nvcc cannot read this program's other libraries.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/cpu.hpp>
#if defined(RLVR_R1_RE_CUDA)
#  include <rlvr/backend/cuda/linked.cuh>
#endif

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>
#include <utility>

namespace r1_re {

inline void add_device_option(CLI::App& command, std::string& device) {
  command.add_option("--device", device, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}))->capture_default_str();
}

/// use(context) on the device.
/// @param threads  of the CPU's context; 0: all cores
/// @throws unsupported_error for a device that the program was built without, cuda_error if there is none
template <class Use>
decltype(auto) with_device(std::string const& device, std::size_t threads, Use&& use) {
  if (device == "cuda") {
#if defined(RLVR_R1_RE_CUDA)
    rlvr::cuda::linked_context context;
    return std::forward<Use>(use)(context);
#else
    throw rlvr::unsupported_error("--device: found 'cuda', this program was built for the cpu alone (RLVR_CUDA)");
#endif
  }
  rlvr::cpu::context context(threads);
  return std::forward<Use>(use)(context);
}

}  // namespace r1_re
