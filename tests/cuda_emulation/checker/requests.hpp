// SPDX-License-Identifier: MIT
/// @file
/// Warp requests: how many 32-byte sectors of global memory, and how many passes over the banks of shared memory, the
/// accesses of a warp's lanes need.  Counted with RLVR_EMULATION_PROFILE=1 alone, as it is costly.
///
/// Lanes run one after another here, so requests are put together again: the n-th execution of an instruction by each
/// lane of a warp is one request.  Loops whose lanes take different numbers of turns are so counted as if in step.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuda_emulation::checking::requests {

enum class kind : std::uint8_t { global_load, global_store, shared };

void begin_block();
[[nodiscard]] bool are_counted();
void record(kind what, std::uintptr_t address, std::size_t bytes, void const* program_counter);
/// Adds the block's requests to the statistics.
void end_block();

}  // namespace cuda_emulation::checking::requests
