// SPDX-License-Identifier: MIT
/// @file
/// The last error of the runtime.
#pragma once

#include <driver_types.h>

namespace cuda_emulation {

/// Keeps an error for cudaGetLastError and hands it on.
cudaError_t remember(cudaError_t result);

}  // namespace cuda_emulation
