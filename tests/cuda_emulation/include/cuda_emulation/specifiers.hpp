// SPDX-License-Identifier: MIT
/// @file
/// Specifiers of the device language, and threadIdx with its kin.
///
/// __shared__ becomes `static`: blocks run one after another, so a function-local static is the shared memory of the
/// block, one object per instantiation as in CUDA.  It keeps the last block's contents; the checker reports a read of
/// what the block has not written.
#pragma once

#include <cuda_emulation/engine.hpp>

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __managed__
#undef __launch_bounds__
#undef __grid_constant__
#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __constant__
#define __managed__
#define __launch_bounds__(...)
#define __grid_constant__

inline constexpr uint3 const& threadIdx = ::cuda_emulation::builtins.thread_index;
inline constexpr uint3 const& blockIdx = ::cuda_emulation::builtins.block_index;
inline constexpr dim3 const& blockDim = ::cuda_emulation::builtins.block_extent;
inline constexpr dim3 const& gridDim = ::cuda_emulation::builtins.grid_extent;
inline constexpr int warpSize = 32;
