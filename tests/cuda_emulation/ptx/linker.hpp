// SPDX-License-Identifier: MIT
/// @file
/// Decodes a kernel and links the device functions that it calls.
#pragma once

#include "ptx/parser.hpp"
#include "ptx/program.hpp"
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace cuda_emulation::ptx {

/// A module whose variables have addresses.
struct loaded_module {
  module_text text;
  std::map<std::string, std::uint64_t, std::less<>> addresses;
};

/// @throws failure if the kernel is recursive or names what the module does not have
[[nodiscard]] program link_kernel(loaded_module const& module, std::string_view kernel);

}  // namespace cuda_emulation::ptx
