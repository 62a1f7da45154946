// SPDX-License-Identifier: MIT
// One header of each component, used.
#include <rlvr/backend/cpu/matmul.hpp>
#include <rlvr/data/semeval.hpp>
#include <rlvr/format/safetensors.hpp>
#include <rlvr/report/tables.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/text/pre_tokenizer.hpp>

#include <cstdio>

double loss_in_other_unit();

int main() {
  rlvr::cpu::context context(1);
  rlvr::token_sample<double> const sample{.log_prob = -1.0, .old_log_prob = -1.0, .advantage = 2.0};
  double const here = rlvr::ppo_clip{}(sample).value;
  rlvr::text::pattern const words(R"(\w+)");
  std::printf("%.6f %.6f\n", here, loss_in_other_unit());
  return here == loss_in_other_unit() && here == -2.0 ? 0 : 1;
}
