// SPDX-License-Identifier: MIT
/// @file
/// Every objective of rl/, alone and in combinators, the KL estimators, and the pass over a sequence with its metrics.
#pragma once

#include <rlvr/core/dual.hpp>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/importance_objectives.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/loss_metrics.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/presets.hpp>
#include <rlvr/rl/sequence_objectives.hpp>
#include <rlvr/rl/sequence_pass.hpp>

#include "functors_support.hpp"

namespace functors {

/// Touches every operation of the dual numbers.
struct all_dual_operations {
  double low = 0.8;

  template <class Sample>
  RLVR_HD auto operator()(Sample const& s) const {
    auto ratio = exp(s.log_prob - s.old_log_prob);
    auto x = -min(ratio * s.advantage, clamp(ratio, low, 1.2f) * s.advantage) + max(s.entropy, 0) / 2;
    x += abs(s.log_prob) + log(1 + ratio) + log1p(ratio) + sqrt(ratio) + expm1(s.log_prob) + tanh(s.log_prob);
    x += sigmoid(s.log_prob) + pow(ratio, 2) + pow(ratio, 0.5f);
    x *= s.sequence.length;
    x -= 1;
    x /= 2.0f;
    bool const positive = s.advantage > 0 && ratio <= 2 && ratio >= 0 && !(ratio == 1) && 0 < ratio && 2 >= ratio;
    return positive ? x : stop_gradient(x) + 1.0 / ratio + min(1, ratio) - max(0.5, min(ratio, 2) * s.log_prob);
  }
};

/// Objectives of one token.
struct token_objectives {
  rlvr::ppo_clip clip{};
  rlvr::ppo_clip dual_clip{.low = 0.2, .high = 0.28, .dual_clip = 3, .max_log_ratio = 5};
  rlvr::reinforce reinforce{};
  rlvr::cross_entropy cross_entropy{};
  rlvr::weighted_policy_gradient cispo = rlvr::cispo(), capped = rlvr::cispo_capped(), masked = rlvr::cispo_masked(),
                                 truncated = rlvr::truncated_policy_gradient();
  rlvr::topr topr{};
  rlvr::sapo sapo{};
  rlvr::direct_reward direct{};
  rlvr::dppo kl_region{};
  rlvr::dppo variation{.region = {.divergence = rlvr::probability_divergence::total_variation}};
  rlvr::trust_region_policy_gradient trust{};
  rlvr::reference_policy_gradient reference{};
  rlvr::squared_log_ratio squared{};
  rlvr::kl_cov kl_cov{};

  template <class T, bool Named>
  RLVR_HD void operator()(rlvr::token_sample<T> const& s, sink<T, Named>& out) const {
    out("ppo_clip", clip(s));
    out("ppo_clip with dual clip", dual_clip(s));
    out("reinforce", reinforce(s));
    out("cross_entropy", cross_entropy(s));
    out("cispo", cispo(s));
    out("cispo_capped", capped(s));
    out("cispo_masked", masked(s));
    out("truncated_policy_gradient", truncated(s));
    out("topr", topr(s));
    out("sapo", sapo(s));
    out("direct_reward", direct(s));
    out("dppo", kl_region(s));
    out("dppo, total variation", variation(s));
    out("trust_region_policy_gradient", trust(s));
    out("reference_policy_gradient", reference(s));
    out("squared_log_ratio", squared(s));
    out("kl_cov", kl_cov(s));
  }
};

/// What is composed of objectives.
struct combined_objectives {
  rlvr::kl_penalised<rlvr::ppo_clip, rlvr::k3> penalised{{}, {}, 0.1};
  rlvr::kl_penalised<rlvr::reinforce, rlvr::ratio_weighted<rlvr::k3>> weighted_penalty{{}, {}, 0.1};
  rlvr::entropy_regularised<rlvr::ppo_clip> regularised{{}, 0.1};
  rlvr::weighted_sum<rlvr::ppo_clip, rlvr::cross_entropy> sum{0.5, {}, 0.5, {}};
  rlvr::importance_weighted<rlvr::ppo_clip> weighted{};
  rlvr::restricted_to<rlvr::ppo_clip> selected{};
  rlvr::restricted_to<rlvr::ppo_clip> others{{}, rlvr::token_choice::not_selected};
  rlvr::differentiated<all_dual_operations> dual{};
  std::remove_cvref_t<decltype(rlvr::presets::verl.objective)> verl = rlvr::presets::verl.objective;
  std::remove_cvref_t<decltype(rlvr::presets::one_shot_rlvr.objective)> one_shot =
      rlvr::presets::one_shot_rlvr.objective;

  template <class T, bool Named>
  RLVR_HD void operator()(rlvr::token_sample<T> const& s, sink<T, Named>& out) const {
    out("kl_penalised", penalised(s));
    out("kl_penalised, ratio_weighted", weighted_penalty(s));
    out("entropy_regularised", regularised(s));
    out("weighted_sum", sum(s));
    out("importance_weighted", weighted(s));
    out("restricted_to", selected(s));
    out("restricted_to not selected", others(s));
    out("differentiated", dual(s));
    out("preset verl", verl(s));
    out("preset one_shot_rlvr", one_shot(s));
  }
};

/// Estimators of KL.
struct kl_estimators {
  rlvr::k1 first{};
  rlvr::k2 second{};
  rlvr::k3 third{};
  rlvr::k3 clamped{20, 10};
  rlvr::absolute_kl absolute{};
  rlvr::reverse_k3 reverse{};
  rlvr::straight_through<rlvr::k3> straight{};
  rlvr::ratio_weighted<rlvr::k1> weighted{};
  rlvr::ratio_weighted<rlvr::k3> scored{{}, rlvr::kl_weight::score_function, 10, true};
  rlvr::ratio_weighted<rlvr::k2> behaviour{{}, rlvr::kl_weight::behaviour_ratio};
  rlvr::sequence_ratio_weighted<rlvr::k3> sequence{};
  rlvr::kl_in_reward<rlvr::k1> in_reward{{}, 0.1};

  template <class T, bool Named>
  RLVR_HD void operator()(rlvr::token_sample<T> const& s, sink<T, Named>& out) const {
    out("k1", first(s.log_prob, s.reference_log_prob));
    out("k2", second(s.log_prob, s.reference_log_prob));
    out("k3", third(s.log_prob, s.reference_log_prob));
    out("k3 clamped", clamped(s.log_prob, s.reference_log_prob));
    out("absolute_kl", absolute(s.log_prob, s.reference_log_prob));
    out("reverse_k3", reverse(s.log_prob, s.reference_log_prob));
    out("straight_through", straight(s.log_prob, s.reference_log_prob));
    out("ratio_weighted", weighted(s));
    out("ratio_weighted, score function", scored(s));
    out("ratio_weighted, behaviour", behaviour(s));
    out("sequence_ratio_weighted", sequence(s));
    out("kl_in_reward", in_reward(s.advantage, s.log_prob, s.reference_log_prob));
  }
};

/// A response.
template <class T>
struct response {
  static constexpr std::int64_t length = 4;
  rlvr::token_sample<T> tokens[length];
};

/// Objectives of a sequence: the pass before the loss, losses, metrics.
struct sequence_objectives {
  rlvr::ppo_clip clip{};
  rlvr::sequence_clip gspo = rlvr::gspo(), gspo_token = rlvr::gspo_token();
  rlvr::gmpo gmpo{};
  rlvr::vespo vespo{};
  rlvr::kl_penalised<rlvr::sequence_clip, rlvr::sequence_ratio_weighted<rlvr::k3>> penalised{rlvr::gspo(), {}, 0.1};
  rlvr::weighted_sum<rlvr::sequence_clip, rlvr::reinforce> sum{0.5, rlvr::gspo(), 0.5, {}};

  template <class T, bool Named>
  RLVR_HD void operator()(response<T> const& given, sink<T, Named>& out) const {
    run("sequence: ppo_clip", clip, given, out);
    run("gspo", gspo, given, out);
    run("gspo_token", gspo_token, given, out);
    run("gmpo", gmpo, given, out);
    run("vespo", vespo, given, out);
    run("sequence: kl_penalised", penalised, given, out);
    run("sequence: weighted_sum", sum, given, out);
    out("vespo_weight", vespo.weight(given.tokens[1].log_prob, given.tokens[1].advantage));
  }

 private:
  template <class Objective, class T, bool Named>
  RLVR_HD static void run(char const* name, Objective const& objective, response<T> const& given, sink<T, Named>& out) {
    auto const record = rlvr::summarise_sequence<T>(
        objective, response<T>::length, [](std::int64_t t) { return t != 2; },
        [&](std::int64_t t) { return given.tokens[t]; });
    out(name, record);
    for (std::int64_t t = 0; t < response<T>::length; ++t) {
      rlvr::token_sample<T> sample = given.tokens[t];
      sample.sequence = record;
      out(name, objective(sample));
    }
  }
};

/// Metrics of a response, twice.
struct metrics_section {
  rlvr::ppo_clip clip{};
  rlvr::loss_metrics empty{.max_log_ratio = 20};

  template <class T, bool Named>
  RLVR_HD void operator()(response<T> const& given, sink<T, Named>& out) const {
    rlvr::loss_metrics metrics = empty;
    for (auto const& sample : given.tokens) metrics.add(sample, clip(sample));
    rlvr::loss_metrics const part = metrics;
    metrics += part;
    auto const put = [&](double x) { out("loss_metrics", x); };
    put(metrics.clip_fraction_low());
    put(metrics.clip_fraction_high());
    put(metrics.clip_fraction(1e-8));
    put(metrics.dual_clip_fraction());
    put(metrics.approximate_kl());
    put(metrics.approximate_kl_k3());
    put(metrics.mean_loss());
    put(metrics.mean_kl());
    put(metrics.mean_entropy());
    put(metrics.log_ratio_quantile(0.9));
    put(metrics.fraction(metrics.outside.above_positive + metrics.outside.below_negative));
  }
};

}  // namespace functors
