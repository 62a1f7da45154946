// SPDX-License-Identifier: MIT
// The settings of a GRPO step refuse a functor that returns a number, by the name of the concept.
// first error: token_objective
// names: token_objective<
#include <rlvr/rl/presets.hpp>

#include "mistaken_objective.hpp"

int main() {
  rlvr::grpo_settings<mistaken, rlvr::group_z_score, rlvr::token_mean> const settings{};
  return settings.group_size == 0;
}
