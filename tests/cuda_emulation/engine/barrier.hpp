// SPDX-License-Identifier: MIT
/// @file
/// The block barrier (`block_barrier` is declared in <cuda_emulation/engine.hpp>).
#pragma once

namespace cuda_emulation::barrier {

void begin_block();

/// The threads that still live may all be waiting now.
void thread_ended();

}  // namespace cuda_emulation::barrier
