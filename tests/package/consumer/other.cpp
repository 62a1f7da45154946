// SPDX-License-Identifier: MIT
// The same headers in a second unit: a function that lacks `inline` would be defined twice.
#include <rlvr/backend/cpu/matmul.hpp>
#include <rlvr/data/semeval.hpp>
#include <rlvr/format/safetensors.hpp>
#include <rlvr/report/tables.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/text/pre_tokenizer.hpp>

double loss_in_other_unit();

double loss_in_other_unit() {
  rlvr::token_sample<double> const sample{.log_prob = -1.0, .old_log_prob = -1.0, .advantage = 2.0};
  return rlvr::ppo_clip{}(sample).value;
}
