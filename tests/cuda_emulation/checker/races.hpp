// SPDX-License-Identifier: MIT
/// @file
/// The race rule: two accesses to a byte, one of them a write and not both atomic, must be ordered.
///
/// What orders them does not depend on the schedule that happened to run:
///  - the program order of one thread;
///  - a block barrier between them, seen as a larger barrier clock;
///  - __syncwarp, which joins the vector clocks of the lanes it names.  Shuffles and votes order nothing, as in CUDA;
///  - between blocks: a thread that executed a fence and then an atomic has released what is ordered before, and a
///    later atomic on the same address acquires it ("the last block adds up").
#pragma once

#include "checker/shadow.hpp"
#include "engine/state.hpp"

namespace cuda_emulation::checking::races {

/// Which earlier access collides, if one does.
struct collision {
  bool found = false;
  bool earlier_writes = false;
  access_record earlier;
};

void begin_block();
void warp_synchronised(warp_state& warp, int index, unsigned mask);
void fence();
/// An atomic access of the running thread: it acquires what was released there, and releases.
void acquire_and_release(void const* address, bool release);

/// The running thread's access to bytes of a word, as of now.
[[nodiscard]] access_record access_now(unsigned bytes, bool atomic);
[[nodiscard]] collision find_collision(access_history const& history, access_record const& now, bool write,
                                       bool shared);
void remember(access_history& history, access_record const& now, bool write, bool shared);

}  // namespace cuda_emulation::checking::races
