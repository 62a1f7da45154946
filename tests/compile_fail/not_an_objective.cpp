// SPDX-License-Identifier: MIT
// A type that does not return a loss_value is no objective.
// first error: token_objective|linear_policy_loss
// names: token_objective<
#include <rlvr/ops/linear_policy_loss.hpp>

#include "mistaken_objective.hpp"

int main() {
  rlvr::ops::linear_policy_loss<mistaken> const loss{};
  return loss.head.chunk_rows == 0;
}
