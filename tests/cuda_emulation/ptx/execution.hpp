// SPDX-License-Identifier: MIT
/// @file
/// Runs a grid of a kernel's blocks, one after another.
#pragma once

#include "ptx/program.hpp"
#include <cstddef>
#include <vector>
#include <vector_types.h>

namespace cuda_emulation::ptx {

/// @param dynamic_bytes  dynamic shared memory  @param parameters  the kernel's parameter block
void run_grid(program const& kernel, dim3 grid, dim3 block, std::size_t dynamic_bytes,
              std::vector<unsigned char> const& parameters);

}  // namespace cuda_emulation::ptx
