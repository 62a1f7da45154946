// SPDX-License-Identifier: MIT
/// @file
/// ops::linear_policy_loss on the backend under test, whose headers cost a unit seconds.
#pragma once

#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>

#include "grpo.hpp"
#include <cstddef>
#include <cstdint>
#include <vector>

namespace golden {

/// Hidden states, a head, and what is known of the tokens; records left empty are absent.
struct fused_input {
  std::size_t rows = 0, width = 0, vocabulary = 0;
  std::vector<float> hidden, weight;  ///< row-major
  float temperature = 1;
  std::size_t chunk_rows = 128;
  std::vector<std::int32_t> target;
  std::vector<float> scale, advantage, old_log_prob, reference_log_prob;
};

/// Per row, and the gradients of sum_i scale_i * loss_i.
struct fused_output {
  std::vector<float> log_prob, loss, hidden_gradient, weight_gradient;
};

[[nodiscard]] fused_output evaluate_fused(fused_input const& input, rlvr::cross_entropy const& objective);
[[nodiscard]] fused_output evaluate_fused(fused_input const& input,
                                          rlvr::kl_penalised<grpo_policy, rlvr::k3> const& objective);

}  // namespace golden
