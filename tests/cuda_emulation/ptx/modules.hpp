// SPDX-License-Identifier: MIT
/// @file
/// The modules of the program: from the host's symbols to kernels that can be run and variables that have addresses.
#pragma once

#include "ptx/program.hpp"
#include <cstddef>
#include <string>

namespace cuda_emulation::ptx {

/// Modules are kept as text when the program starts, and loaded when something of them is first used.
void add_module_text(std::string text);
void add_kernel_symbol(void const* host_symbol, std::string name);
void add_variable_symbol(void const* host_symbol, std::string name, std::size_t bytes);

/// The kernel behind a host symbol or a handle of `find_library_kernel`, decoded at the first call.
/// @throws failure if there is none
[[nodiscard]] program const& find_kernel(void const* host_symbol);

struct device_variable {
  void* address = nullptr;
  std::size_t bytes = 0;
};
/// The variable behind a host symbol; a null address if there is none.
[[nodiscard]] device_variable find_variable(void const* host_symbol);

/// A module that the program brings while it runs; returns its handle.  @throws failure if the text is no PTX
[[nodiscard]] void* load_library(std::string const& text);
/// A handle that can be launched; null if the library is not loaded or has no such kernel.
[[nodiscard]] void const* find_library_kernel(void const* library, std::string const& name);
/// Its kernels must not be in work.  False if it is not loaded.
bool unload_library(void const* library);

}  // namespace cuda_emulation::ptx
