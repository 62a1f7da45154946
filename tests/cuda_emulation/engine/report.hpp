// SPDX-License-Identifier: MIT
/// @file
/// Text for people.
#pragma once

#include <string>

namespace cuda_emulation {

/// Which threads of the block wait where; call it when none of them can go on.
[[nodiscard]] std::string deadlock_report();

}  // namespace cuda_emulation
