// SPDX-License-Identifier: MIT
/// @file
/// The engine's variables, settings from the environment, and the small entries that kernels call.
#include "engine/state.hpp"

#include <cstdlib>
#include <string>
#include <utility>

namespace cuda_emulation {

engine_state state;
checker_hooks checker;
builtin_variables builtins;
std::string (*resolve_program_counter)(void const*) = nullptr;

namespace {

statistics counters;

void read_order(std::string const& text, settings& result) {
  std::string const shuffled = "shuffled";
  if (text == "forward") {
    result.order = schedule::forward;
  } else if (text == "reverse") {
    result.order = schedule::reverse;
  } else if (text.compare(0, shuffled.size(), shuffled) == 0) {
    result.order = schedule::shuffled;
    std::string const rest = text.substr(shuffled.size());
    if (rest.empty()) return;
    char* end = nullptr;
    if (rest.size() > 1) result.seed = std::strtoull(rest.c_str() + 1, &end, 10);
    if (rest[0] != ':' || end == nullptr || *end != '\0')
      throw failure("RLVR_EMULATION_ORDER: found " + text + ", expected shuffled:SEED");
  } else {
    throw failure("RLVR_EMULATION_ORDER: found " + text + ", expected forward, reverse or shuffled:SEED");
  }
}

settings settings_from_environment() {
  settings result;
#if defined(RLVR_EMULATION_ASAN)
  result.guard_device_memory = false;
#endif
  if (char const* const order = std::getenv("RLVR_EMULATION_ORDER")) read_order(order, result);
  if (char const* const defer = std::getenv("RLVR_EMULATION_DEFER")) result.defer_streams = *defer == '1';
  return result;
}

}  // namespace

settings& current_settings() {
  static settings current = settings_from_environment();
  return current;
}

statistics& current_statistics() { return counters; }

void trap(char const* what, char const* file, int line) {
  state.quiet = true;
  std::string message = what;
  message.append(" at ").append(place(file, line));
  fail(std::move(message));
}

void atomic_access(void const volatile* address, std::size_t bytes, void const* program_counter) {
  if (checker.atomic != nullptr) checker.atomic(address, bytes, program_counter);
}

void memory_fence() {
  if (checker.fence != nullptr) checker.fence();
}

}  // namespace cuda_emulation
