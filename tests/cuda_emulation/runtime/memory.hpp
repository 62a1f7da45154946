// SPDX-License-Identifier: MIT
/// @file
/// What the parts of the runtime and the tests ask about device memory.
#pragma once

#include "engine/state.hpp"
#include <cstddef>

namespace cuda_emulation {

/// Bytes of device memory that were allocated and not released: 0 at the end of a program without leaks.
[[nodiscard]] std::size_t live_device_bytes();

/// Whether [address, address + bytes) lies within one live allocation.
[[nodiscard]] bool is_live(void const* address, std::size_t bytes);

/// Fails unless [address, address + bytes) lies within one live allocation.
void require_device_range(void const* address, std::size_t bytes, char const* what);

/// Whether the address lies in page-locked host memory.
[[nodiscard]] bool is_pinned(void const* address);

}  // namespace cuda_emulation
