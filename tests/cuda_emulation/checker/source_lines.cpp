// SPDX-License-Identifier: MIT
/// @file
/// Asks addr2line about the running program.
#include "checker/source_lines.hpp"

#include "engine/state.hpp"
#include <cstdint>
#include <cstdio>
#include <map>
#include <unistd.h>

extern "C" {
extern char const __executable_start;
}

namespace cuda_emulation::checking {
namespace {

std::string program_path() {
  char path[4096];
  auto const length = readlink("/proc/self/exe", path, sizeof path);
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : std::string();
}

std::string first_line_of(std::string const& command) {
  FILE* const output = popen(command.c_str(), "r");
  if (output == nullptr) return {};
  char line[1024] = "";
  char const* const read = std::fgets(line, sizeof line, output);
  while (std::fgetc(output) != EOF) {
  }
  pclose(output);
  std::string text = read != nullptr ? line : "";
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

/// "/path/file.cuh:12 (discriminator 3)" to "file.cuh:12".
std::string without_folder(std::string const& place) {
  std::string const text = place.substr(0, place.find(' '));
  auto const slash = text.rfind('/');
  return slash == std::string::npos ? text : text.substr(slash + 1);
}

std::string ask_addr2line(void const* return_address) {
  // The call before the return address; addresses of a position-independent program count from its beginning.
  auto const offset =
      reinterpret_cast<std::uintptr_t>(return_address) - 1 - reinterpret_cast<std::uintptr_t>(&__executable_start);
  char number[32];
  std::snprintf(number, sizeof number, "0x%llx", static_cast<unsigned long long>(offset));
  std::string const place = first_line_of("addr2line -e '" + program_path() + "' " + number + " 2>/dev/null");
  return place.empty() || place[0] == '?' ? "?" : without_folder(place);
}

}  // namespace

std::string source_line(void const* return_address) {
  if (resolve_program_counter != nullptr) return resolve_program_counter(return_address);
  static std::map<void const*, std::string> known;
  auto const [entry, is_new] = known.try_emplace(return_address);
  if (is_new) entry->second = ask_addr2line(return_address);
  return entry->second;
}

}  // namespace cuda_emulation::checking
