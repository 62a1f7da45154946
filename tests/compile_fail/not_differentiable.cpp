// SPDX-License-Identifier: MIT
// `differentiate` refuses a function that lost its derivative on the way.
// first error: differentiate
// names: differentiable_objective<
#include <rlvr/rl/differentiate.hpp>

int main() {
  auto const objective = rlvr::differentiate([](auto s) {
#ifdef VALID
    return -s.advantage * s.log_prob;
#else
    return -s.advantage.value * s.log_prob.value;
#endif
  });
  return objective(rlvr::token_sample<float>{}).value == 0.0f ? 0 : 1;
}
