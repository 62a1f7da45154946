// SPDX-License-Identifier: MIT
/// @file
/// Names within a function body: registers, variables and labels, each visible in its block and the blocks in it.
#pragma once

#include "ptx/program.hpp"
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cuda_emulation::ptx {

/// Where a variable lies.
struct symbol {
  memory_space space = memory_space::generic;
  std::uint64_t address = 0;
  bool dynamic = false;  ///< begins where static shared memory ends
};

class scope_stack {
 public:
  void push() { scopes_.emplace_back(); }
  /// Ends a block: labels that it knows are resolved, others are left to the block around it.
  void pop();
  [[nodiscard]] bool empty() const { return scopes_.empty(); }

  void add_register(std::string_view name, slot index) { scopes_.back().registers[std::string(name)] = index; }
  void add_variable(std::string_view name, symbol const& at) { scopes_.back().variables[std::string(name)] = at; }
  void add_label(std::string_view name, std::uint32_t at) { scopes_.back().labels[std::string(name)] = at; }
  /// Calls `set` with the label's position when it is known.
  void on_label(std::string_view name, std::function<void(std::uint32_t)> set) {
    scopes_.back().wanted.emplace_back(std::string(name), std::move(set));
  }

  [[nodiscard]] std::optional<slot> find_register(std::string_view name) const;
  [[nodiscard]] std::optional<symbol> find_variable(std::string_view name) const;

 private:
  struct scope {
    std::map<std::string, slot, std::less<>> registers;
    std::map<std::string, symbol, std::less<>> variables;
    std::map<std::string, std::uint32_t, std::less<>> labels;
    std::vector<std::pair<std::string, std::function<void(std::uint32_t)>>> wanted;
  };
  std::vector<scope> scopes_;
};

/// The slot of a special register such as "%tid.x".
[[nodiscard]] std::optional<slot> find_special_register(std::string_view name);

}  // namespace cuda_emulation::ptx
