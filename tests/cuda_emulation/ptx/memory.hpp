// SPDX-License-Identifier: MIT
/// @file
/// From an address of a space to this process's memory, with the checks that a device would make, and more.
#pragma once

#include "ptx/warp.hpp"
#include <string_view>

namespace cuda_emulation::ptx {

struct opcode;

/// Where a lane's address points to.
struct resolved {
  unsigned char* pointer;
  bool checked;  ///< global and shared memory, which the checker watches
};

/// @throws failure if the address is none of the space, or misaligned
[[nodiscard]] resolved resolve(warp& self, instruction const& at, unsigned lane, std::uint64_t address, unsigned bytes);
/// Reads the space from the modifiers; without one it is generic.
[[nodiscard]] memory_space space_named_by(opcode const& op);

}  // namespace cuda_emulation::ptx
