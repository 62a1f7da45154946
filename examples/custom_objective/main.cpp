// SPDX-License-Identifier: MIT
// An objective of one's own, in three lines of arithmetic: GRPO whose trust region is as wide as the policy is unsure.
// PPO's clip allows every token the same change and drops the gradient beyond it.  Here the log-ratio is bent by tanh
// at a width that grows with the entropy of the token: a coin toss may move far, a certain token hardly, and the
// gradient fades instead of vanishing.  The derivative is nobody's work: `differentiate` makes it, the fused loss
// evaluates it.  Usage: custom_objective [--steps N]; prints the mean reward of each step.
#include <rlvr/cpu.hpp>
#include <rlvr/data/batching.hpp>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/train/grpo.hpp>

#include "guideline_json.hpp"
#include "model_folder.hpp"
#include "scoring.hpp"
#include "task.hpp"
#include <cstdio>
#include <cstdlib>
#include <string_view>

int main(int argc, char** argv) try {
  std::uint64_t const steps = argc == 3 && std::string_view(argv[1]) == "--steps" ? std::strtoull(argv[2], {}, 10) : 24;
  auto const objective = rlvr::differentiate([](auto s) {
    auto const width = 0.1 + 0.3 * stop_gradient(s.entropy);
    return -s.advantage * width * tanh((s.log_prob - s.old_log_prob) / width);
  });
  rlvr::grpo_settings<decltype(objective), rlvr::group_z_score, rlvr::token_mean> const settings{objective};

  std::string const folder = RLVR_R1_RE_FOLDER;
  r1_re::model_parts const start = r1_re::read_model(folder + "/start");
  r1_re::task const sentences = r1_re::read_task(
      "general", r1_re::read_guideline(folder + "/data/general_guideline.json"), folder + "/data/general_train.txt");
  r1_re::encoded_task const task = r1_re::encode(sentences, start.talk, *start.tokenizer);
  rlvr::cpu::context context;
  rlvr::train::learner<rlvr::cpu::context> model(context, start.config);
  context.upload(model.weights().arena().data(), start.weights.data(), start.weights.size());

  rlvr::reward::r1_re reward;
  reward.policy = r1_re::response_policy_of(start.talk);
  rlvr::data::batch_schedule const batches(task.size(), 12, 1);
  rlvr::train::rollout_batch rollouts;
  for (std::uint64_t step = 0; step < steps; ++step) {
    auto const indices = batches.batch_indices(step);
    auto const prompts = r1_re::generation_prompts(task, indices, static_cast<std::size_t>(settings.group_size));
    auto options = r1_re::sampling_of(start, 64);
    options.step = static_cast<std::uint32_t>(step);
    auto const score = [&](std::span<rlvr::model::generated_sequence const> sequences) {
      return r1_re::score_responses(task, indices, sequences, *start.tokenizer, reward, 2).outcomes;
    };
    auto const record =
        rlvr::train::grpo_step(model, nullptr, std::span<std::int32_t const>(task.prefix),
                               std::span<rlvr::model::generation_prompt const>(prompts), settings, {.epochs = 2},
                               {.rule = {.learning_rate = 1.5e-4}}, options, score, rollouts);
    std::printf("step %2d  reward %.3f\n", static_cast<int>(step + 1),
                record.find(rlvr::train::metric::reward).value_or(0));
  }
} catch (std::exception const& error) {
  std::fprintf(stderr, "custom_objective: %s\n", error.what());
  return 1;
}
