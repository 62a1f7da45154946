// SPDX-License-Identifier: MIT
/// @file
/// __syncthreads and its variants.
///
/// A barrier belongs to a place in the source: threads that wait at two places are a mistake, even where hardware would
/// let them pass.  So is a barrier that opens because the missing threads have returned.
#include "engine/barrier.hpp"

#include "engine/scheduler.hpp"
#include "engine/state.hpp"
#include <cstring>
#include <string>

namespace cuda_emulation {
namespace barrier {
namespace {

struct open_barrier {
  int waiting = 0, true_predicates = 0;
  barrier_kind kind{};
  char const* file = "";
  int line = 0;

  [[nodiscard]] bool is_at(barrier_kind other_kind, char const* other_file, int other_line) const {
    return kind == other_kind && line == other_line && (file == other_file || std::strcmp(file, other_file) == 0);
  }
  [[nodiscard]] int result() const {
    switch (kind) {
      case barrier_kind::count:
        return true_predicates;
      case barrier_kind::all:
        return true_predicates == waiting;
      case barrier_kind::any:
        return true_predicates != 0;
      case barrier_kind::plain:
        break;
    }
    return 0;
  }
};
open_barrier current;

std::string missing_threads() {
  return "barrier at " + place(current.file, current.line) + " passed after " + std::to_string(state.exited) + " of " +
         std::to_string(state.thread_count) + " threads of the block had returned; every thread must reach it";
}

std::string two_places(char const* file, int line) {
  return "divergent barrier: this thread is at " + place(file, line) + ", " + std::to_string(current.waiting) +
         " others wait at " + place(current.file, current.line);
}

/// Opens the barrier.  @param passing  the thread that need not wait, -1 for none
int release(int passing) {
  if (state.exited > 0) fail(missing_threads());
  ++current_statistics().barriers;
  ++state.barrier_clock;
  int const result = current.result();
  current.waiting = 0;
  fiber* const fibers = state.fibers.data();
  for (int position = 0; position < state.thread_count; ++position) {
    int const thread = scheduler::descending() ? state.thread_count - 1 - position : position;
    if (thread == passing || fibers[thread].state != fiber_state::at_barrier) continue;
    fibers[thread].result = static_cast<std::uint64_t>(result);
    scheduler::wake(thread);
  }
  return result;
}

}  // namespace

void begin_block() { current.waiting = 0; }

void thread_ended() {
  if (current.waiting > 0 && current.waiting == state.live) release(-1);
}

}  // namespace barrier

int block_barrier(barrier_kind kind, int predicate, char const* file, int line) {
  quiet_scope const quiet;
  auto& current = barrier::current;
  if (state.current < 0) throw failure("__syncthreads at " + place(file, line) + " is called outside a kernel");
  if (current.waiting > 0 && !current.is_at(kind, file, line)) fail(barrier::two_places(file, line));
  if (current.waiting == 0) current = {0, 0, kind, file, line};
  ++current.waiting;
  current.true_predicates += predicate != 0;
  if (current.waiting == state.live) return barrier::release(state.current);
  int const self = state.current;
  scheduler::wait(fiber_state::at_barrier, "__syncthreads", file, line);
  return static_cast<int>(state.fibers.data()[self].result);
}

}  // namespace cuda_emulation
