// SPDX-License-Identifier: MIT
/// @file
/// Supervised fine-tuning: cross-entropy of responses, mean over the response tokens of the batch.  The warm start of
/// R1-RE learns reasoning traces with it; the baseline learns bare labels.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/rl/adamw_rule.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/train/learner.hpp>
#include <rlvr/train/metrics.hpp>
#include <rlvr/train/token_batch.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace train {

/// A prompt and what should follow it.
struct sft_example {
  std::vector<std::int32_t> prompt;    ///< after the group's prefix
  std::vector<std::int32_t> response;  ///< with the end token
};

/// Examples below one shared prefix (a guideline), which is computed once.
struct sft_group {
  std::vector<std::int32_t> prefix;  ///< may be empty
  std::vector<sft_example> examples;
};

/// Packs groups into one tree.  Scales are those of the token mean over everything packed here.
[[nodiscard]] inline token_batch pack(std::span<sft_group const> groups) {
  token_batch batch;
  for (sft_group const& group : groups) {
    std::int64_t const root = batch.tree.add_segment(group.prefix);
    for (sft_example const& example : group.examples)
      batch.add_response(example.response, batch.tree.add_segment(example.prompt, root));
  }
  batch.set_scales(token_mean{}, batch.statistics());
  return batch;
}

/// Settings of an update.
struct update_settings {
  adamw_rule rule{};
  double factor = 1.0;         ///< of the learning rate, from a schedule
  double max_grad_norm = 1.0;  ///< the gradient is scaled down to it
};

/// One step on the examples.  Metrics: loss, grad_norm, learning_rate, num_tokens (tokens through the layers).
template <class Context>
step_record sft_step(learner<Context>& model, std::span<sft_group const> groups, update_settings const& settings) {
  token_batch const batch = pack(groups);
  token_losses const losses = model.accumulate(batch, cross_entropy{});
  update_result const update = model.update(settings.rule, settings.factor, settings.max_grad_norm);
  step_record record;
  record.phase = std::string(phase::sft);
  record.set(metric::loss, losses.total);
  record.set(metric::grad_norm, update.grad_norm);
  record.set(metric::learning_rate, settings.rule.learning_rate * settings.factor);
  record.set(metric::num_tokens, static_cast<double>(batch.tree.size()));
  if (update.skipped) record.set(metric::skipped_update, 1.0);
  return record;
}

}  // namespace train
RLVR_NAMESPACE_END
