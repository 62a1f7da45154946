// SPDX-License-Identifier: MIT
/// @file
/// Warp collectives (`warp_collective` is declared in <cuda_emulation/engine.hpp>).
#pragma once

namespace cuda_emulation::collectives {

/// Sets up the warps of a block.
void begin_block();

/// A collective may have waited for nobody but this thread.
void thread_ended(int thread);

}  // namespace cuda_emulation::collectives
