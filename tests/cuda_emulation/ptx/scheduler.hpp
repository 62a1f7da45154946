// SPDX-License-Identifier: MIT
/// @file
/// Runs the lanes of a warp.
///
/// The lanes with the smallest program counter run, until they reach other lanes, which then join them: nvcc lays code
/// out so that lanes meet again behind a branch.  Progress does not depend on it: lanes that wait in a collective or at
/// a barrier let the others run.
#pragma once

#include "ptx/warp.hpp"

namespace cuda_emulation::ptx {

/// Runs until every lane has returned or waits, or the turn's instructions are used up.
/// @return whether the turn ended early: lanes could go on
bool run_warp(warp& self);

/// Where the lanes of a warp wait, one line for each place: for reports.
[[nodiscard]] std::string waiting_places(warp const& self);

}  // namespace cuda_emulation::ptx
