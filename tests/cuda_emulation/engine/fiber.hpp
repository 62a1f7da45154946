// SPDX-License-Identifier: MIT
/// @file
/// Fibers: stacks with guard pages and the switch between them.
///
/// A fiber runs one CUDA thread after another: a thread that ends hands its stack to the next one that has not begun,
/// so a kernel without barriers needs one stack and never switches.  The switch saves the registers that a function
/// call preserves and nothing else, which takes a tenth of the time of swapcontext (it asks the kernel for the signal
/// mask).
#pragma once

#include "engine/state.hpp"

namespace cuda_emulation::fibers {

/// Reserves the stacks of a block; does nothing after the first call.
void prepare();

/// Gives the fiber a free stack; `entry` begins there when it is switched to, and never returns.
void give_stack(fiber& target, void (*entry)());

/// Marks a stack as free.  Its owner may still run on it, until it switches away for good.
void free_stack(int stack);

/// After a failure: nothing on any stack will be continued.
void abandon_all();

/// Leaves host code for a fiber; returns when a fiber calls `return_to_host` or `end_in_host`.
void enter(fiber& target);

/// Called first on a new stack.
void entered();

/// From one fiber to another; returns when somebody switches back.
void switch_between(fiber& from, fiber& target);

/// From one fiber to the host; returns when somebody switches back.
void return_to_host(fiber& from);

/// The two ends of a fiber: what stands on its stack is given up.
[[noreturn]] void end_in(fiber& target);
[[noreturn]] void end_in_host();

}  // namespace cuda_emulation::fibers
