// SPDX-License-Identifier: MIT
/// @file
/// Places, threads and deadlocks, in words.
#include "engine/report.hpp"

#include "engine/state.hpp"
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace cuda_emulation {
namespace {

constexpr std::size_t threads_listed = 4;

template <class Extent>
std::string text(Extent const& index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

std::string situation(fiber const& thread) {
  if (thread.state == fiber_state::done) return "have returned";
  return std::string("wait in ") + thread.what + " at " + place(thread.file, thread.line);
}

std::string listing(std::vector<int> const& threads) {
  std::string result = " (threads";
  for (std::size_t index = 0; index < threads.size() && index < threads_listed; ++index)
    result += " " + std::to_string(threads[index]);
  return result + (threads.size() > threads_listed ? " ...)" : ")");
}

}  // namespace

std::string place(char const* file, int line) {
  char const* const slash = std::strrchr(file, '/');
  return std::string(slash != nullptr ? slash + 1 : file) + ":" + std::to_string(line);
}

std::string running_thread() {
  return "block " + text(builtins.block_index) + " thread " + text(builtins.thread_index);
}

std::string deadlock_report() {
  std::map<std::string, std::vector<int>> groups;
  for (int thread = 0; thread < state.thread_count; ++thread)
    groups[situation(state.fibers[static_cast<std::size_t>(thread)])].push_back(thread);
  std::string result = "deadlock in block " + text(builtins.block_index) + ":";
  for (auto const& [what, threads] : groups)
    result += "\n    " + std::to_string(threads.size()) + " threads " + what + listing(threads);
  return result;
}

}  // namespace cuda_emulation
