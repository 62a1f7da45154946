// SPDX-License-Identifier: MIT
/// @file
/// Preset "start": a small model learns to read guidelines whose every word is invented (embedded/practice.hpp).  What
/// it learns is to look up, copy and tell the actor, not any relation: the start that GRPO improves on.
#pragma once

#include <rlvr/cpu.hpp>

#include "start_model.hpp"
#include <cstddef>
#include <cstdint>
#include <string>

namespace r1_re {

struct practice_run {
  std::string output;
  std::uint64_t seed = 1;
  std::size_t threads = 0;
  std::uint64_t steps = 0;  ///< 0: the number that made the committed checkpoint
};

void practise(practice_run const& options);

}  // namespace r1_re
