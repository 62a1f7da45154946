// SPDX-License-Identifier: MIT
/// @file
/// What an emulated kernel was stopped for.
#pragma once

#include <cuda_emulation/engine.hpp>

#include <string>

/// The message of the `failure` that the action ends with; empty if it ends well.
template <class Action>
std::string failure_of(Action action) {
  try {
    action();
  } catch (cuda_emulation::failure const& caught) {
    return caught.what();
  }
  return {};
}
