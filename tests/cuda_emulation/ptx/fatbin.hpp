// SPDX-License-Identifier: MIT
/// @file
/// PTX text out of the fat binary that nvcc puts into an object (--no-compress, code=compute_XX).
#pragma once

#include <string>
#include <vector>

namespace cuda_emulation::ptx {

/// The PTX modules in a fat binary.  @param wrapper  what nvcc's host code registers
[[nodiscard]] std::vector<std::string> modules_of(void const* wrapper);

}  // namespace cuda_emulation::ptx
