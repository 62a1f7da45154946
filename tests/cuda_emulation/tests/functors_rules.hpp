// SPDX-License-Identifier: MIT
/// @file
/// Everything else in rl/ that is host and device code: aggregations, advantages, corrections, the critic, the shaping
/// of rewards, optimiser and schedules.
#pragma once

#include <rlvr/rl/adamw_rule.hpp>
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/controller.hpp>
#include <rlvr/rl/correction.hpp>
#include <rlvr/rl/gae.hpp>
#include <rlvr/rl/group_advantage.hpp>
#include <rlvr/rl/mismatch.hpp>
#include <rlvr/rl/multi_reward.hpp>
#include <rlvr/rl/optimal_baseline.hpp>
#include <rlvr/rl/returns.hpp>
#include <rlvr/rl/reward_shaping.hpp>
#include <rlvr/rl/schedule.hpp>

#include "functors_support.hpp"

namespace functors {

/// Aggregations, schedules and rules of lengths; the input is a length or a step.
struct length_rules {
  rlvr::batch_statistics batch{};
  rlvr::token_mean token{};
  rlvr::sequence_mean_token_mean mean_mean{};
  rlvr::sequence_mean_token_sum mean_sum{};
  rlvr::constant_length constant{.length = 0, .rows = rlvr::count_rows::all};
  rlvr::token_sum sum{};
  rlvr::prompt_mean prompt{};
  rlvr::row_denominator denominator{};
  rlvr::micro_batch_mean micro{3};
  rlvr::scaled_by<rlvr::token_mean> scaled{0.5, {}};
  rlvr::constant_schedule flat{10};
  rlvr::linear_schedule linear{10, 100, 0.1};
  rlvr::cosine_schedule cosine{10, 100, 0.1};
  rlvr::soft_overlong soft{.max_length = 60, .buffer = 30};
  rlvr::linear_overlong hard{.max_length = 60, .buffer = 30};

  template <class T, bool Named>
  RLVR_HD void operator()(std::int64_t length, sink<T, Named>& out) const {
    rlvr::batch_statistics whole = batch;
    whole.add_sequence(3);
    whole.add_sequence(length);
    whole += whole;
    out("token_mean", token.scale<T>(whole, length));
    out("sequence_mean_token_mean", mean_mean.scale<T>(whole, length));
    out("sequence_mean_token_sum", mean_sum.scale<T>(whole, length));
    out("constant_length", constant.scale<T>(whole, length));
    out("token_sum", sum.scale<T>(whole, length));
    out("prompt_mean", prompt.scale<T>(whole, length));
    out("row_denominator", denominator.scale<T>(whole, length));
    out("micro_batch_mean", micro.scale<T>(whole, length));
    out("scaled_by", scaled.template scale<T>(whole, length));
    out("constant_schedule", flat(length));
    out("linear_schedule", linear(length));
    out("cosine_schedule", cosine(length));
    out("soft_overlong", soft(length));
    out("linear_overlong", hard(length));
    out("length_adaptive_lambda", rlvr::length_adaptive_lambda(0.05, length));
  }
};

/// The rewards of a group.
template <class T>
struct rewards_of_group {
  static constexpr std::int64_t most = 5;
  std::int64_t count = most;
  T rewards[most] = {};
  std::int64_t lengths[most] = {};
};

/// Advantages.
struct advantage_estimators {
  rlvr::group_z_score z_score{};
  rlvr::group_z_score population{.epsilon = 1e-4, .ddof = 0, .unscorable = rlvr::unscorable_rule::as_zero};
  rlvr::group_mean_baseline mean{};
  rlvr::leave_one_out others{};
  rlvr::no_baseline none{};
  rlvr::gpg_baseline gpg{.alpha = 1.5};
  rlvr::mean_relative relative{};
  rlvr::leave_one_out_z_score others_z{};
  rlvr::top_two_margin margin{};
  rlvr::length_weighted_baseline weighted{};
  rlvr::whitening whiten{};
  rlvr::reward_normalisation normalise{.mean = rlvr::statistic_scope::group, .deviation = rlvr::statistic_scope::batch};
  rlvr::mean_between between{0.1, 0.95};
  rlvr::spread_above spread{};
  rlvr::running_baseline running{};

  template <class T, bool Named>
  RLVR_HD void operator()(rewards_of_group<T> const& group, sink<T, Named>& out) const {
    run("group_z_score", z_score, group, out);
    run("group_z_score, population", population, group, out);
    run("group_mean_baseline", mean, group, out);
    run("leave_one_out", others, group, out);
    run("no_baseline", none, group, out);
    run("gpg_baseline", gpg, group, out);
    run("mean_relative", relative, group, out);
    run("leave_one_out_z_score", others_z, group, out);
    run("top_two_margin", margin, group, out);
    T found[rewards_of_group<T>::most] = {};
    auto const reward_at = [&](std::int64_t i) { return group.rewards[i]; };
    weighted.of_group(
        group.count, reward_at, [&](std::int64_t i) { return group.lengths[i]; },
        [&](std::int64_t i, double advantage) { found[i] = static_cast<T>(advantage); });
    for (T const x : found) out("length_weighted_baseline", x);
    rlvr::reward_statistics const own = rlvr::summarise_rewards(group.count, reward_at);
    rlvr::reward_statistics const other{.count = 2, .mean = 0.25, .squared_deviations = 0.125, .all_equal = false};
    rlvr::reward_statistics const batch = rlvr::merge(own, other);
    double const reward = static_cast<double>(group.rewards[0]);
    out("whitening", whiten(reward, batch));
    out("reward_normalisation", normalise(reward, own, batch));
    out("mean_between", between(own));
    out("spread_above", spread(own));
    rlvr::running_baseline state = running;
    for (T const x : group.rewards) out("running_baseline", state.score(static_cast<double>(x)));
  }

 private:
  template <class Estimator, class T, bool Named>
  RLVR_HD static void run(char const* name, Estimator const& estimator, rewards_of_group<T> const& group,
                          sink<T, Named>& out) {
    T found[rewards_of_group<T>::most] = {};
    rlvr::advantages_of_group(
        estimator, group.count, [&](std::int64_t i) { return group.rewards[i]; },
        [&](std::int64_t i, double advantage) { found[i] = static_cast<T>(advantage); });
    for (T const x : found) out(name, x);
  }
};

/// Corrections of the mismatch between sampler and trainer, and the critic's loss.
struct token_rules {
  rlvr::importance_weight truncate{.lower = 0.5, .upper = 2, .max_log_ratio = 20};
  rlvr::importance_weight mask{.lower = 0.5, .upper = 2, .beyond = rlvr::out_of_bounds::mask};
  rlvr::rejection k1{.estimator = rlvr::rejection_estimator::k1, .upper = 1};
  rlvr::rejection k2{.upper = 1};
  rlvr::rejection k3{.estimator = rlvr::rejection_estimator::k3, .upper = 1};
  rlvr::off_policy_mask off_policy{};
  rlvr::log_ratio_sum row{.sum = 1.5, .count = 3};
  rlvr::weight_statistics weights{.epsilon = 1e-8};
  rlvr::value_loss squared{};
  rlvr::value_loss clipped{.clip = 0.2, .scale = 0.5};
  rlvr::distillation_advantage distil{.limit = 2};
  rlvr::truncation_rule truncation{.coefficient = 0.5};
  rlvr::truncation_rule replaced{.coefficient = -1};
  rlvr::reward_map map{.source_low = -1, .source_high = 3, .lowest = 0.1, .highest = 0.9};
  rlvr::cumulative_score_norm norm{};

  template <class T, bool Named>
  RLVR_HD void operator()(rlvr::token_sample<T> const& s, sink<T, Named>& out) const {
    T const x = s.old_log_prob - s.behaviour_log_prob;
    out("importance_weight", truncate(s));
    out("importance_weight, masking", mask(x));
    out("importance_weight::unbounded", truncate.unbounded(x));
    out("importance_weight::inside", mask.inside(x));
    rejects("rejection k1", k1, s, out);
    rejects("rejection k2", k2, s, out);
    rejects("rejection k3", k3, s, out);
    out("off_policy_mask", off_policy(static_cast<double>(s.advantage), row.mean(1e-8)));
    out("sampling_log_prob", rlvr::sampling_log_prob(s.log_prob, s.weight));
    rlvr::weight_statistics statistics = weights;
    statistics.add(static_cast<double>(s.weight));
    statistics.add(0.75);
    statistics += statistics;
    out("weight_statistics", statistics.mean());
    out("weight_statistics", statistics.standard_deviation());
    out("weight_statistics", statistics.effective_sample_size());
    put("value_loss", squared(s.advantage, s.entropy, s.weight), out);
    put("value_loss, clipped", clipped(s.advantage, s.entropy, s.weight), out);
    out("distillation_advantage", distil(s.advantage, s.reference_log_prob, s.log_prob));
    out("truncation_rule", truncation(s.advantage, s.selected));
    out("truncation_rule, replacing", replaced(s.advantage, s.selected));
    out("reward_map", map(s.advantage));
    out("cumulative_score_norm", norm(-0.5 - static_cast<double>(s.entropy), 0.25, static_cast<double>(s.weight)));
  }

 private:
  template <class T, bool Named>
  RLVR_HD static void rejects(char const* name, rlvr::rejection const& rule, rlvr::token_sample<T> const& s,
                              sink<T, Named>& out) {
    T const divergence = rule.divergence(s.old_log_prob, s.behaviour_log_prob);
    out(name, divergence);
    out(name, rule.keeps(static_cast<double>(divergence)));
  }
  template <class T, bool Named>
  RLVR_HD static void put(char const* name, rlvr::value_loss_result<T> const& loss, sink<T, Named>& out) {
    out(name, loss.value);
    out(name, loss.d_value);
    out(name, loss.clipped);
  }
};

/// The optimiser, controllers: what has a state.
template <class T>
struct state_rules {
  rlvr::adamw_update<T> adamw = rlvr::adamw_rule{.learning_rate = 0.01}.at<T>(3);
  rlvr::fixed_coefficient fixed{};
  rlvr::adaptive_kl kl{};
  rlvr::adaptive_entropy entropy{.coefficient = 0.02};

  template <bool Named>
  RLVR_HD void operator()(rlvr::token_sample<T> const& s, sink<T, Named>& out) const {
    T parameter = s.advantage, first = s.weight, second = s.entropy;
    adamw(parameter, first, second, s.sequence.reward);
    out("adamw_update", parameter);
    out("adamw_update", first);
    out("adamw_update", second);
    double const gradient_norm = static_cast<double>(s.entropy);
    out("clip_coefficient", rlvr::clip_coefficient(gradient_norm, 1));
    rlvr::clipped_step const step = rlvr::clip_step(&gradient_norm, 1, 0.5f);
    out("clip_step", step.scale);
    out("clip_step", step.skipped);
    rlvr::fixed_coefficient constant = fixed;
    constant.update(0.1, 1);
    out("fixed_coefficient", constant.coefficient);
    rlvr::adaptive_kl adapted = kl;
    adapted.update(gradient_norm, 100);
    out("adaptive_kl", adapted.coefficient);
    rlvr::adaptive_entropy steered = entropy;
    steered.update(gradient_norm);
    out("adaptive_entropy", steered.coefficient);
    out("adaptive_entropy", steered.applied());
  }
};

}  // namespace functors
