// SPDX-License-Identifier: MIT
/// @file
/// Loads modules: variables get device memory and their initial values, kernels are linked on demand.
#include "ptx/modules.hpp"

#include "engine/state.hpp"
#include "ptx/linker.hpp"
#include "ptx/parser.hpp"
#include "ptx/text.hpp"
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cuda_emulation::ptx {
namespace {

struct variable_symbol {
  std::string name;
  std::size_t bytes;
};

/// What the program loaded while it ran.  Two of these may have kernels of one name.
struct loaded_library {
  loaded_module module;
  std::map<std::string, std::unique_ptr<program>, std::less<>> kernels;
};

/// Everything that the program registered.  Registration runs before main, in any order.
struct registry {
  std::vector<std::string> texts;  ///< not loaded yet
  std::deque<loaded_module> modules;
  std::unordered_map<void const*, std::string> kernels;
  std::unordered_map<void const*, variable_symbol> variables;
  std::map<std::string, std::unique_ptr<program>, std::less<>> programs;
  std::unordered_map<void const*, std::unique_ptr<loaded_library>> libraries;
};

registry& all() {
  static registry instance;
  return instance;
}

/// The value of an initialiser: a number, "name", "name+4", "generic(name)+4".
std::uint64_t initial_value(loaded_module const& module, std::string_view text) {
  if (is_number(text)) return number(text);
  if (starts_with(text, "generic(")) {
    std::size_t const close = text.find(')');
    std::string const inside(trimmed(text.substr(8, close - 8)));
    return initial_value(module, inside + std::string(text.substr(close + 1)));
  }
  std::size_t const plus = text.find('+');
  auto const found = module.addresses.find(trimmed(text.substr(0, plus)));
  if (found == module.addresses.end()) throw failure("PTX: cannot initialise with " + std::string(text));
  return found->second + (plus == std::string_view::npos ? 0 : number(trimmed(text.substr(plus + 1))));
}

/// Writes the values of "{1, 2, {3, 4}}" or of a single number.
void initialise(loaded_module const& module, declaration const& variable, unsigned char*& at, std::string_view text) {
  if (!text.empty() && text[0] == '{') {
    for (std::string_view const part : split(text.substr(1, text.size() - 2), ','))
      initialise(module, variable, at, part);
    return;
  }
  std::uint64_t const value = initial_value(module, text);
  std::memcpy(at, &value, std::min<std::size_t>(variable.element_bytes, sizeof value));
  at += variable.element_bytes;
}

void load(loaded_module& module, std::string const& text) {
  module.text = parse_module(text);
  unlock_device_memory const unlocked;
  for (declaration const& variable : module.text.device_variables) {
    void* const memory = allocate_device(variable.bytes());
    if (memory == nullptr) throw failure("no device memory left for the variable " + variable.name);
    module.addresses[variable.name] = reinterpret_cast<std::uintptr_t>(memory);
  }
  for (declaration const& variable : module.text.device_variables) {
    void* const memory = reinterpret_cast<void*>(module.addresses[variable.name]);
    std::memset(memory, 0, variable.bytes());
    auto* at = static_cast<unsigned char*>(memory);
    if (!variable.initialiser.empty()) initialise(module, variable, at, variable.initialiser);
    if (checker.written_by_host != nullptr) checker.written_by_host(memory, variable.bytes());
  }
}

void load_all() {
  std::vector<std::string> const texts = std::exchange(all().texts, {});
  for (std::string const& text : texts) load(all().modules.emplace_back(), text);
}

}  // namespace

void add_module_text(std::string text) { all().texts.push_back(std::move(text)); }

void add_kernel_symbol(void const* host_symbol, std::string name) { all().kernels[host_symbol] = std::move(name); }

void add_variable_symbol(void const* host_symbol, std::string name, std::size_t bytes) {
  all().variables[host_symbol] = {std::move(name), bytes};
}

program const& find_kernel(void const* host_symbol) {
  for (auto const& [handle, library] : all().libraries)
    for (auto const& [name, kernel] : library->kernels)
      if (kernel.get() == host_symbol) return *kernel;
  auto const named = all().kernels.find(host_symbol);
  if (named == all().kernels.end()) throw failure("the launched function is no kernel of this program");
  std::string const& name = named->second;
  load_all();
  auto const linked = all().programs.find(name);
  if (linked != all().programs.end()) return *linked->second;
  for (loaded_module const& module : all().modules) {
    auto const function = module.text.functions.find(name);
    if (function == module.text.functions.end() || !function->second.is_kernel) continue;
    auto kernel = std::make_unique<program>(link_kernel(module, name));
    return *all().programs.emplace(name, std::move(kernel)).first->second;
  }
  throw failure("no PTX of the kernel " + name + ": compile with code=compute_XX and --no-compress");
}

device_variable find_variable(void const* host_symbol) {
  auto const named = all().variables.find(host_symbol);
  if (named == all().variables.end()) return {};
  load_all();
  for (loaded_module const& module : all().modules)
    if (auto const found = module.addresses.find(named->second.name); found != module.addresses.end())
      return {reinterpret_cast<void*>(found->second), named->second.bytes};
  return {};
}

void* load_library(std::string const& text) {
  auto library = std::make_unique<loaded_library>();
  load(library->module, text);
  void* const handle = library.get();
  all().libraries.emplace(handle, std::move(library));
  return handle;
}

void const* find_library_kernel(void const* library, std::string const& name) {
  auto const owner = all().libraries.find(library);
  if (owner == all().libraries.end()) return nullptr;
  loaded_library& loaded = *owner->second;
  if (auto const linked = loaded.kernels.find(name); linked != loaded.kernels.end()) return linked->second.get();
  auto const function = loaded.module.text.functions.find(name);
  if (function == loaded.module.text.functions.end() || !function->second.is_kernel) return nullptr;
  auto kernel = std::make_unique<program>(link_kernel(loaded.module, name));
  return loaded.kernels.emplace(name, std::move(kernel)).first->second.get();
}

bool unload_library(void const* library) {
  auto const owner = all().libraries.find(library);
  if (owner == all().libraries.end()) return false;
  for (auto const& [name, address] : owner->second->module.addresses) release_device(reinterpret_cast<void*>(address));
  all().libraries.erase(owner);
  return true;
}

}  // namespace cuda_emulation::ptx
