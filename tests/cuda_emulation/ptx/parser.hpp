// SPDX-License-Identifier: MIT
/// @file
/// A PTX module as text, taken apart down to functions and variables; bodies stay text until a kernel is launched.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cuda_emulation::ptx {

/// ".align 8 .b8 name[32]".
struct declaration {
  std::string name;
  unsigned alignment = 1, element_bytes = 0;
  std::uint64_t elements = 1;
  std::string initialiser;  ///< what stands behind '=', empty if nothing does

  [[nodiscard]] std::uint64_t bytes() const { return element_bytes * elements; }
};
[[nodiscard]] declaration parse_declaration(std::string_view text);

struct function_text {
  std::string name;
  bool is_kernel = false;
  std::vector<declaration> results, parameters;
  std::string body;
};

struct module_text {
  std::vector<std::string> files;  ///< by .file number
  std::map<std::string, function_text, std::less<>> functions;
  std::vector<declaration> device_variables;  ///< .global and .const
  std::vector<declaration> shared_variables;
  std::vector<std::string> dynamic_shared;  ///< names of `extern __shared__` arrays
};
[[nodiscard]] module_text parse_module(std::string_view text);
/// The operands of a body's calls, the functions' names among them.
[[nodiscard]] std::vector<std::string_view> called_names(std::string_view body);

}  // namespace cuda_emulation::ptx
