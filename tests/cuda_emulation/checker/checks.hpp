// SPDX-License-Identifier: MIT
/// @file
/// The way of one access through all checks.
#pragma once

#include <cstddef>

namespace cuda_emulation::checking {

enum class access_kind { load, store, atomic_load, atomic_store, atomic_update };

/// An access of the running thread.  Does nothing outside a kernel, before constructors have run too.
void check_access(void const* address, std::size_t bytes, access_kind kind, void const* program_counter);

}  // namespace cuda_emulation::checking
