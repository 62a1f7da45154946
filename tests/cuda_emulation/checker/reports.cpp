// SPDX-License-Identifier: MIT
/// @file
/// Collects reports; at most four of a launch, one for each instruction and kind of mistake.
#include "checker/reports.hpp"

#include "checker/source_lines.hpp"
#include "engine/state.hpp"
#include <utility>
#include <vector>

namespace cuda_emulation::checking {
namespace {

constexpr std::size_t most_reports = 4;

struct kept_report {
  mistake kind;
  void const* program_counter;
  std::string message, thread;
};
std::vector<kept_report> reports;

std::string text(std::uint64_t linear, dim3 extent) {
  return "(" + std::to_string(linear % extent.x) + "," + std::to_string(linear / extent.x % extent.y) + "," +
         std::to_string(linear / extent.x / extent.y) + ")";
}

/// All reports, which are forgotten then.
std::string take_text() {
  std::string result;
  for (kept_report const& one : reports) {
    if (!result.empty()) result += "\n    ";
    result += source_line(one.program_counter) + ": " + one.message + ", by " + one.thread;
  }
  reports.clear();
  return result;
}

}  // namespace

bool is_new_mistake(mistake kind, void const* program_counter) {
  if (reports.size() >= most_reports) return false;
  for (kept_report const& one : reports)
    if (one.kind == kind && one.program_counter == program_counter) return false;
  return true;
}

void report(mistake kind, void const* program_counter, std::string message) {
  reports.push_back({kind, program_counter, std::move(message), running_thread()});
}

void report_and_stop(mistake kind, void const* program_counter, std::string message) {
  state.quiet = true;  // for good: fail() leaves the kernel
  if (reports.size() >= most_reports) reports.pop_back();
  report(kind, program_counter, std::move(message));
  message = std::string();  // this frame is given up: keep nothing in it
  fail(take_text());
}

void forget_reports() { reports.clear(); }

void deliver_reports() {
  if (reports.empty()) return;
  quiet_scope const quiet;
  state.failed = true;
  state.error = take_text();
}

std::string thread_of(access_record const& access) {
  return "block " + text(access.block, state.grid) + " thread " + text(access.thread, state.block);
}

}  // namespace cuda_emulation::checking
