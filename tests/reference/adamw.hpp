// SPDX-License-Identifier: MIT
/// @file
/// AdamW in double, in the order of the paper's algorithm 2: bias-corrected moments first, then the step.
#pragma once

#include <cmath>

namespace reference {

struct adamw_state {
  double parameter = 0, first = 0, second = 0;

  void step(int t, double gradient, double rate, double beta1, double beta2, double epsilon, double decay) {
    first = beta1 * first + (1 - beta1) * gradient;
    second = beta2 * second + (1 - beta2) * gradient * gradient;
    double const corrected_first = first / (1 - std::pow(beta1, t));
    double const corrected_second = second / (1 - std::pow(beta2, t));
    parameter = parameter - rate * (corrected_first / (std::sqrt(corrected_second) + epsilon) + decay * parameter);
  }
};

}  // namespace reference
