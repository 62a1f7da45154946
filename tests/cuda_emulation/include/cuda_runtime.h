// SPDX-License-Identifier: MIT
/// @file
/// Stands before the toolkit's header of this name on the include path: takes the toolkit's types and declarations,
/// then gives a host compiler what only nvcc knows.  Kernels then run on the engine.  __CUDACC__ stays undefined.
#pragma once
#pragma GCC system_header  // for #include_next

#include_next <cuda_runtime.h>

#include <cuda_emulation/builtins.hpp>
#include <cuda_emulation/launch.hpp>

#define RLVR_CUDA_EMULATION 1
// Works with and without a leading `::`.
#define cudaLaunchKernelEx cuda_emulation::launch_kernel_ex
