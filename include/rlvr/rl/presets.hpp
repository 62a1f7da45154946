// SPDX-License-Identifier: MIT
/// @file
/// The GRPO settings of known systems as bundles of this library's values.  Copy one and change a member:
///
///   auto settings = rlvr::presets::r1_re;
///   settings.objective.beta = 0;
///
/// The numbers are those systems' defaults at the versions named; what a source does not state is marked so.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/rl/adamw_rule.hpp>
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>

#include <cstdint>

RLVR_NAMESPACE_BEGIN

/// A complete GRPO step in values.
template <class Objective, class Advantage, class Aggregation>
requires(
    token_objective<Objective>&& advantage_estimator<Advantage>&& loss_aggregation<Aggregation>) struct grpo_settings {
  Objective objective{};
  Advantage advantage{};
  Aggregation aggregation{};
  adamw_rule optimiser{};
  std::int64_t group_size = 8;  ///< responses per prompt
  double temperature = 1;       ///< of sampling
};

namespace presets {

/// Parts of verl's defaults (commit 1dda039b9c63) that the systems built on it share.
inline constexpr group_z_score verl_advantage{.epsilon = 1e-6, .ddof = 1, .singleton = singleton_rule::keep_reward};
inline constexpr k3 verl_k3{.input_clamp = 20, .output_clamp = 10};
inline constexpr adamw_rule verl_optimiser{
    .learning_rate = 1e-6, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01};

/// verl (commit 1dda039b9c63): `core_algos.compute_policy_loss_vanilla`, `kl_penalty` with low_var_kl, `agg_loss`
/// token-mean, `compute_grpo_outcome_advantage`.  The KL loss is off by default (use_kl_loss false), its coefficient
/// would be 0.001.  verl demands a group size; 5 is our choice.
inline constexpr grpo_settings<kl_penalised<ppo_clip, k3>, group_z_score, token_mean> verl{
    .objective = {{.low = 0.2, .high = 0.2, .dual_clip = 3, .max_log_ratio = 20}, verl_k3, 0.0},
    .advantage = verl_advantage,
    .aggregation = {},
    .optimiser = verl_optimiser,
    .group_size = 5,
    .temperature = 1};

/// TRL (commit f2cd57710ae3): `GRPOConfig` with loss_type "dapo" (sum over global completion tokens), beta 0,
/// epsilon 0.2, scale_rewards "group", num_generations 8, learning_rate 1e-6; the optimiser is transformers' default
/// AdamW, whose weight decay is 0.
inline constexpr grpo_settings<kl_penalised<ppo_clip, k3>, group_z_score, token_mean> trl{
    .objective = {{.low = 0.2, .high = 0.2}, {}, 0.0},
    .advantage = {.epsilon = 1e-4, .ddof = 1, .singleton = singleton_rule::zero},
    .aggregation = {},
    .optimiser = {.learning_rate = 1e-6, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0},
    .group_size = 8,
    .temperature = 1};

/// R1-RE (arXiv 2507.04642): GRPO in verl with a KL term, 16 responses per prompt, learning rate 1e-6 (as summaries of
/// the paper report).  The KL coefficient, the clip range and the temperature are not stated there: they are verl's.
inline constexpr grpo_settings<kl_penalised<ppo_clip, k3>, group_z_score, token_mean> r1_re{
    .objective = {{.low = 0.2, .high = 0.2, .dual_clip = 3, .max_log_ratio = 20}, verl_k3, 0.001},
    .advantage = verl_advantage,
    .aggregation = {},
    .optimiser = verl_optimiser,
    .group_size = 16,
    .temperature = 1};

/// RuleReasoner (arXiv 2506.08672, its released configuration on verl): GRPO without KL and without entropy bonus, one
/// update per rollout batch, token mean, 64 responses sampled at temperature 0.8, learning rate 1e-6, clip 0.2.
inline constexpr grpo_settings<kl_penalised<ppo_clip, k3>, group_z_score, token_mean> rule_reasoner{
    .objective = {{.low = 0.2, .high = 0.2, .dual_clip = 3, .max_log_ratio = 20}, verl_k3, 0.0},
    .advantage = verl_advantage,
    .aggregation = {},
    .optimiser = verl_optimiser,
    .group_size = 64,
    .temperature = 0.8};

/// Table-R1-Zero (arXiv 2505.23621, its released configuration on verl): no KL, clip-higher 0.20 / 0.28, dual clip 10,
/// token mean, 16 responses, learning rate 1e-6, temperature 1.
inline constexpr grpo_settings<kl_penalised<ppo_clip, k3>, group_z_score, token_mean> table_r1{
    .objective = {{.low = 0.2, .high = 0.28, .dual_clip = 10, .max_log_ratio = 20}, verl_k3, 0.0},
    .advantage = verl_advantage,
    .aggregation = {},
    .optimiser = verl_optimiser,
    .group_size = 16,
    .temperature = 1};

/// 1-shot RLVR (arXiv 2504.20571, section 2 and its released configuration on verl): policy loss + 0.001 KL (k3) -
/// 0.001 entropy, clip 0.2, 8 responses at temperature 0.6, learning rate 1e-6, weight decay 0.01.  Dual clip,
/// log-ratio clamp and aggregation are verl's.
inline constexpr grpo_settings<entropy_regularised<kl_penalised<ppo_clip, k3>>, group_z_score, token_mean>
    one_shot_rlvr{
        .objective = {{{.low = 0.2, .high = 0.2, .dual_clip = 3, .max_log_ratio = 20}, verl_k3, 0.001}, 0.001},
        .advantage = verl_advantage,
        .aggregation = {},
        .optimiser = verl_optimiser,
        .group_size = 8,
        .temperature = 0.6};

/// DAPO (arXiv 2503.14476): clip-higher 0.2 / 0.28 (eq. 10), token mean over the batch (eq. 12), no KL.  16 responses,
/// temperature 1, learning rate 1e-6 and weight decay 0.1 are those of its released run (volcengine/verl @
/// 03150d4fa825, recipe/dapo/run_dapo_qwen2.5_32b.sh).  Its dynamic sampling and soft overlong punishment belong to the
/// rewards. Dual clip is not part of it and off here; epsilon and the other numbers are verl's, on which it was run.
inline constexpr grpo_settings<kl_penalised<ppo_clip, k3>, group_z_score, token_mean> dapo{
    .objective = {{.low = 0.2, .high = 0.28, .max_log_ratio = 20}, verl_k3, 0.0},
    .advantage = verl_advantage,
    .aggregation = {},
    .optimiser = {.learning_rate = 1e-6, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.1},
    .group_size = 16,
    .temperature = 1};

/// Dr. GRPO (arXiv 2503.20783, section 3): rewards less their group's mean, without the division by the standard
/// deviation, and token sums over a constant length instead of each response's own; no KL.  8 responses, temperature 1,
/// learning rate 1e-6 and the constant, its generation limit of 3000 (set yours), as in its released run
/// (sail-sg/understand-r1-zero @ 14046dcaa53d).  The clip range and the optimiser's other numbers are our choice.
inline constexpr grpo_settings<kl_penalised<ppo_clip, k3>, group_mean_baseline, constant_length> dr_grpo{
    .objective = {{.low = 0.2, .high = 0.2}, {}, 0.0},
    .advantage = {},
    .aggregation = {.length = 3000, .rows = count_rows::all},
    .optimiser = {.learning_rate = 1e-6, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0},
    .group_size = 8,
    .temperature = 1};

}  // namespace presets

RLVR_NAMESPACE_END
