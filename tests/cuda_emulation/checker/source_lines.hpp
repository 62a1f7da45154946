// SPDX-License-Identifier: MIT
/// @file
/// From an instruction to the line of the source it was made from.
#pragma once

#include <string>

namespace cuda_emulation::checking {

/// "file.cuh:12", "?" if it is not known.  Asks `resolve_program_counter` if there is one, else addr2line.
[[nodiscard]] std::string source_line(void const* return_address);

}  // namespace cuda_emulation::checking
