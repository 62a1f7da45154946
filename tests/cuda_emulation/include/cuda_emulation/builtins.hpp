// SPDX-License-Identifier: MIT
/// @file
/// The device language for a host compiler, as far as the library uses it.  Include <cuda_runtime.h> instead.
///
/// Left out on purpose: __activemask (its value depends on scheduling), inline PTX, textures, clusters.  Threads switch
/// at synchronisation points alone: a loop that waits for another thread to write memory never ends.
#pragma once

#include <cuda_emulation/intrinsics.hpp>
#include <cuda_emulation/memory_access.hpp>
#include <cuda_emulation/specifiers.hpp>
#include <cuda_emulation/synchronisation.hpp>
