// SPDX-License-Identifier: MIT
/// @file
/// A step of GRPO (DeepSeekMath, arXiv 2402.03300) and its family: sample a group of responses per prompt, score them,
/// turn scores into group-relative advantages, and update the policy on all of their tokens.
///
/// The estimator, the objective, the KL term and the aggregation are types of `grpo_settings` (rl/presets.hpp); the
/// reward is any callable that turns sequences into outcomes.  The batch is one prefix tree: the shared prefix once,
/// each prompt once, then the responses.  The log-probs that the sampler reports have the bits of the training forward
/// pass, so they *are* the old log-probs: nothing is recomputed, and the first update of a batch has ratio 1 exactly.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/model/generate.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/reward/score_report.hpp>
#include <rlvr/reward/summary.hpp>
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/loss_metrics.hpp>
#include <rlvr/rl/presets.hpp>
#include <rlvr/train/learner.hpp>
#include <rlvr/train/metrics.hpp>
#include <rlvr/train/sft.hpp>
#include <rlvr/train/stopwatch.hpp>
#include <rlvr/train/token_batch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace train {

/// What happens to groups whose rewards are all equal.  Their advantages are 0 either way.
enum class zero_variance_policy : std::uint8_t {
  keep,  ///< their tokens count in the normaliser of the loss (most stacks)
  drop   ///< they are left out of the batch, which also saves their forward pass (prime-rl, DAPO without resampling)
};

/// How a batch of rollouts becomes updates.
struct grpo_schedule {
  std::size_t epochs = 1;               ///< passes over the batch (TRL: num_iterations)
  std::size_t mini_batches = 1;         ///< updates per pass; groups are split evenly, in order
  std::size_t max_pass_tokens = 16384;  ///< a pass through the model holds about so many tokens; more are accumulated
  zero_variance_policy zero_variance = zero_variance_policy::keep;
  bool mask_truncated = false;   ///< responses cut at the length limit add nothing to the loss
  std::size_t chunk_rows = 128;  ///< of the fused loss
  bool keep_generation = false;  ///< the rollout's memory, its cache above all, stays for the next step: on a backend
                                 ///< that captures, decode steps are then captured in the first rollouts alone
};

/// The rollouts of a step and what became of them; entry i of each array belongs to sequence i.
struct rollout_batch {
  std::vector<model::generated_sequence> sequences;
  std::vector<reward::outcome> outcomes;
  std::vector<double> advantages;
  std::string reward_name{};             ///< in metrics: rewards/<name>/mean; empty: its parts alone
  std::vector<double> reward_seconds{};  ///< that each call took, for the quantiles in metrics; may be empty
};

namespace detail {

/// The reward as advantage estimators read it: NaN where there is none.
[[nodiscard]] inline double value_or_nan(reward::outcome const& outcome) {
  return outcome.has_value() ? outcome.value : std::numeric_limits<double>::quiet_NaN();
}

/// Mean, spread and classes of the rewards; lengths.
/// @param rewards  of the outcomes, NaN where there is none
inline void describe_rollouts(rollout_batch const& batch, std::span<double const> rewards, std::size_t group_size,
                              step_record& record) {
  auto const rows = static_cast<double>(batch.sequences.size());
  double spread = 0.0;
  std::size_t flat = 0, groups = 0;
  for (std::size_t first = 0; first < rewards.size(); first += group_size) {
    reward_statistics const group = summarise_rewards(static_cast<std::int64_t>(group_size), [&](std::int64_t i) {
      return rewards[first + static_cast<std::size_t>(i)];
    });
    if (group.count < 2) continue;
    spread += group.standard_deviation(1);
    flat += group.all_equal ? 1 : 0;
    ++groups;
  }
  std::size_t shortest = std::numeric_limits<std::size_t>::max(), longest = 0, total = 0, truncated = 0;
  for (model::generated_sequence const& sequence : batch.sequences) {
    total += sequence.tokens.size();
    shortest = std::min(shortest, sequence.tokens.size());
    longest = std::max(longest, sequence.tokens.size());
    truncated += sequence.finish == model::finish_reason::length ? 1 : 0;
  }
  reward::outcome_summary const summary = reward::summarise(batch.outcomes);
  record.set(metric::reward, summary.mean);
  record.set(metric::reward_std, groups ? spread / static_cast<double>(groups) : 0.0);
  record.set(metric::frac_reward_zero_std, groups ? static_cast<double>(flat) / static_cast<double>(groups) : 0.0);
  record.set(metric::format_ok, static_cast<double>(summary.well_formed) / rows);
  record.set(metric::accuracy, summary.rate(reward::reward_class::correct));
  for (std::size_t i = 0; i < reward::reward_class_count; ++i) {
    auto const kind = static_cast<reward::reward_class>(i);
    std::string_view const name = reward::class_name(kind);
    bool const always =
        std::find(metric::reward_classes.begin(), metric::reward_classes.end(), name) != metric::reward_classes.end();
    if (always || summary.of_class(kind)) record.set(metric::reward_class(name), summary.rate(kind));
  }
  for (auto const& [name, value] : reward::reward_metrics(batch.outcomes, batch.reward_name)) {
    if (name.starts_with(metric::rewards_prefix) || name == metric::unscorable) record.set(name, value);
  }
  for (auto const& [name, share] : {std::pair{"p50", 0.50}, std::pair{"p99", 0.99}}) {
    if (batch.reward_seconds.empty()) break;
    record.set(std::string(metric::reward_time_prefix) + name, reward::quantile(batch.reward_seconds, share));
  }
  record.set(metric::mean_length, static_cast<double>(total) / rows);
  record.set(metric::min_length, static_cast<double>(shortest));
  record.set(metric::max_length, static_cast<double>(longest));
  record.set(metric::clipped_ratio, static_cast<double>(truncated) / rows);
}

/// Metrics of the loss over all updates of a step.
inline void describe_loss(loss_metrics const& tokens, bool with_reference, step_record& record) {
  record.set(metric::entropy, tokens.mean_entropy());
  if (with_reference) record.set(metric::kl, tokens.mean_kl());
  record.set(metric::clip_low, tokens.fraction(tokens.clipped_low + tokens.clipped_dual));
  record.set(metric::clip_high, tokens.clip_fraction_high());
  record.set(metric::policy_kl, tokens.approximate_kl());
  record.set(metric::ratio_low, std::exp(tokens.log_ratio_quantile(0.01)));
  record.set(metric::ratio_high, std::exp(tokens.log_ratio_quantile(0.99)));
}

}  // namespace detail

/// Samples `group_size` responses per prompt, with the learner's memory for generation (`release_generation`).
template <class Context>
[[nodiscard]] std::vector<model::generated_sequence> rollout(learner<Context>& policy,
                                                             std::span<std::int32_t const> prefix,
                                                             std::span<model::generation_prompt const> prompts,
                                                             model::generation_options const& options) {
  return policy.generate(prefix, prompts, options);
}

/// Packs groups [first, last) of the rollouts, in passes of about `schedule.max_pass_tokens` tokens.
/// A part's scales are not set yet.
[[nodiscard]] inline std::vector<token_batch> pack(rollout_batch const& rollouts, std::span<std::int32_t const> prefix,
                                                   std::span<model::generation_prompt const> prompts, std::size_t first,
                                                   std::size_t last, std::size_t group_size,
                                                   grpo_schedule const& schedule) {
  std::vector<token_batch> parts;
  std::int64_t root = 0;
  for (std::size_t p = first; p < last; ++p) {
    std::span const group(rollouts.sequences.data() + p * group_size, group_size);
    std::span const advantages(rollouts.advantages.data() + p * group_size, group_size);
    if (schedule.zero_variance == zero_variance_policy::drop &&
        std::all_of(advantages.begin(), advantages.end(), [](double a) { return a == 0.0; }))
      continue;
    if (parts.empty() || parts.back().tree.size() > schedule.max_pass_tokens) {
      parts.emplace_back();
      root = parts.back().tree.add_segment(prefix);
    }
    token_batch& batch = parts.back();
    std::int64_t const segment = batch.tree.add_segment(prompts[p].tokens, root);
    for (std::size_t s = 0; s < group_size; ++s) {
      if (schedule.mask_truncated && group[s].finish == model::finish_reason::length) continue;
      batch.add_response(group[s].tokens, segment);
      if (!rollouts.outcomes.empty()) {
        reward::outcome const& outcome = rollouts.outcomes[p * group_size + s];
        batch.reward.push_back(outcome.has_value() ? static_cast<float>(outcome.value) : 0.0f);
      }
      batch.advantage.insert(batch.advantage.end(), group[s].tokens.size(), static_cast<float>(advantages[s]));
      batch.old_log_prob.insert(batch.old_log_prob.end(), group[s].log_probs.begin(), group[s].log_probs.end());
    }
  }
  return parts;
}

/// One step: rollout, reward, advantages, updates.
/// @param reference  frozen weights for the KL term; null: no reference, the KL term is 0
/// @param prefix     tokens before every prompt (the guideline)
/// @param options    sampling; `options.sampling.temperature` also divides the logits of the loss
/// @param score      outcomes of the sequences, in their order
/// @param rollouts   receives the step's rollouts; `reward_name` and `reward_seconds`, which `score` may set, go into
///                   the metrics
template <class Context, class Settings, class Score>
step_record grpo_step(learner<Context>& policy, model::parameters<typename Context::memory> const* reference,
                      std::span<std::int32_t const> prefix, std::span<model::generation_prompt const> prompts,
                      Settings const& settings, grpo_schedule const& schedule, update_settings const& update,
                      model::generation_options const& options, Score&& score, rollout_batch& rollouts) {
  auto const group_size = static_cast<std::size_t>(settings.group_size);
  if (group_size == 0 || prompts.empty()) throw argument_error("grpo_step: no prompts or an empty group");
  for (model::generation_prompt const& prompt : prompts)
    require_extent("grpo_step: samples of a prompt", prompt.samples, group_size);
  if (!(options.sampling.temperature > 0.0f))
    throw argument_error("grpo_step: greedy rollouts of a group are all the same; expected a temperature above 0");
  step_record record;
  record.phase = std::string(phase::grpo);

  stopwatch const rollout_time;
  rollouts.sequences = rollout(policy, prefix, prompts, options);
  if (!schedule.keep_generation) policy.release_generation();
  double const rollout_seconds = rollout_time.seconds();

  stopwatch const reward_time;
  rollouts.outcomes = score(std::span<model::generated_sequence const>(rollouts.sequences));
  require_extent("grpo_step: outcomes of the reward", rollouts.outcomes.size(), rollouts.sequences.size());
  double const reward_seconds = reward_time.seconds();
  std::vector<double> rewards;
  for (reward::outcome const& outcome : rollouts.outcomes) rewards.push_back(detail::value_or_nan(outcome));
  rollouts.advantages.assign(rewards.size(), 0.0);
  group_advantages(settings.advantage, std::span<double const>(rewards), group_size,
                   std::span<double>(rollouts.advantages));
  detail::describe_rollouts(rollouts, rewards, group_size, record);

  stopwatch const update_time;
  head_settings const head{.temperature = options.sampling.temperature, .chunk_rows = schedule.chunk_rows};
  loss_metrics tokens_of_loss;
  double loss = 0.0, grad_norm = 0.0;
  std::size_t updates = 0, skipped = 0, tokens = 0;
  std::size_t const mini_batches = std::clamp<std::size_t>(schedule.mini_batches, 1, prompts.size());
  // Mini-batches are packed once: reference log-probs belong to the rollouts, not to a pass.
  std::vector<std::vector<token_batch>> mini(mini_batches);
  for (std::size_t m = 0; m < mini_batches; ++m) {
    mini[m] = pack(rollouts, prefix, prompts, m * prompts.size() / mini_batches,
                   (m + 1) * prompts.size() / mini_batches, group_size, schedule);
    batch_statistics global;
    for (token_batch const& part : mini[m]) global += part.statistics();
    for (token_batch& part : mini[m]) {
      part.set_scales(settings.aggregation, global);
      if (reference) policy.log_probs(*reference, part, head, part.reference_log_prob);
    }
  }
  for (std::size_t epoch = 0; epoch < schedule.epochs; ++epoch)
    for (std::vector<token_batch> const& parts : mini) {
      if (parts.empty()) continue;  // every group was dropped
      for (token_batch const& part : parts) {
        token_losses const losses = policy.accumulate(part, settings.objective, head);
        losses.add_to(tokens_of_loss, part);
        loss += losses.total;
        tokens += part.tree.size();
      }
      update_result const result = policy.update(update.rule, update.factor, update.max_grad_norm);
      grad_norm += result.grad_norm;
      skipped += result.skipped ? 1 : 0;
      ++updates;
    }
  auto const per_update = [&](double sum) { return updates ? sum / static_cast<double>(updates) : 0.0; };
  detail::describe_loss(tokens_of_loss, reference != nullptr, record);
  record.set(metric::loss, per_update(loss));
  record.set(metric::grad_norm, per_update(grad_norm));
  record.set(metric::learning_rate, update.rule.learning_rate * update.factor);
  record.set(metric::num_tokens, static_cast<double>(tokens));
  if (skipped) record.set(metric::skipped_update, static_cast<double>(skipped));
  record.set("time/rollout", rollout_seconds);
  record.set("time/reward", reward_seconds);
  record.set("time/update", update_time.seconds());
  return record;
}

}  // namespace train
RLVR_NAMESPACE_END
