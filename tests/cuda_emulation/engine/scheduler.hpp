// SPDX-License-Identifier: MIT
/// @file
/// Who runs next: a queue of ready threads, served first come first served, or at random in the shuffled order.
#pragma once

#include "engine/state.hpp"

namespace cuda_emulation::scheduler {

/// Fixes the order of a grid; the random numbers begin anew, so that a launch can be repeated alone.
void begin_grid();

/// True if threads that are released together run from the last one to the first.
[[nodiscard]] bool descending();

/// A random number below `bound`.
[[nodiscard]] std::uint64_t random_below(std::uint64_t bound);

/// Runs all threads of the block from their begin to their end, or to a standstill, or to a failure.
void run_threads(thread_body const& body);

/// The running thread waits until somebody wakes it.
/// @param what, file, line  for the report of a deadlock
void wait(fiber_state why, char const* what, char const* file, int line);
void wake(int thread);

}  // namespace cuda_emulation::scheduler
