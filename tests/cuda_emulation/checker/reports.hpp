// SPDX-License-Identifier: MIT
/// @file
/// What the checker found in a launch.
#pragma once

#include "checker/shadow.hpp"
#include <string>

namespace cuda_emulation::checking {

enum class mistake { out_of_bounds, host_memory, uninitialised, race };

/// Whether a report of this mistake at this instruction would be the first one, and there is room for it.
[[nodiscard]] bool is_new_mistake(mistake kind, void const* program_counter);
/// Keeps a report, with the line of the instruction and the running thread, until the block ends.
void report(mistake kind, void const* program_counter, std::string message);
/// Ends the kernel at once: going on would fault, or destroy what belongs to others.
[[noreturn]] void report_and_stop(mistake kind, void const* program_counter, std::string message);

void forget_reports();
/// Fails the launch if there are reports.
void deliver_reports();

/// "block (1,0,0) thread (3,0,0)"
[[nodiscard]] std::string thread_of(access_record const& access);

}  // namespace cuda_emulation::checking
