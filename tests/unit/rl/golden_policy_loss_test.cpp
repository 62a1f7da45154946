// SPDX-License-Identifier: MIT
// Golden cases of the policy-loss and aggregation families: objectives and aggregations together, loss and gradients.
// Objectives that this library leaves to its users are written as they would write them, with `differentiate`.
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>

#include "golden_support.hpp"
#include <cstdint>

namespace {

using golden::json;
using golden::matrix;
using golden::parameter;

struct aggregation_of_case {
  std::string mode;
  double epsilon = 0;
  double row_epsilon = 0;
  rlvr::count_rows rows = rlvr::count_rows::non_empty;
  std::int64_t length = 0;
  std::int64_t global_tokens = 0;
  std::int64_t global_sequences = 0;
  double factor = 1;  // data-parallel size, or 1 / accumulation steps

  template <class T>
  matrix<T> scales(matrix<T> const& mask) const {
    rlvr::batch_statistics batch{};
    std::vector<std::int64_t> lengths;
    for (auto const& line : mask) {
      std::int64_t count = 0;
      for (T m : line) count += m != T(0) ? 1 : 0;
      lengths.push_back(count);
      batch.add_sequence(count);
    }
    if (global_tokens > 0) batch.tokens = global_tokens;
    if (global_sequences > 0) batch.non_empty_sequences = global_sequences;
    matrix<T> result = mask;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      auto const padded = static_cast<std::int64_t>(mask[i].size());
      for (T& x : result[i]) {
        if (x == T(0)) continue;
        x = static_cast<T>(factor) * scale<T>(batch, lengths[i], length > 0 ? length : padded);
      }
    }
    return result;
  }

  template <class T>
  T scale(rlvr::batch_statistics const& batch, std::int64_t tokens, std::int64_t constant) const {
    if (mode == "token_mean") return rlvr::token_mean{epsilon}.scale<T>(batch, tokens);
    if (mode == "token_sum") return rlvr::token_sum{}.scale<T>(batch, tokens);
    if (mode == "seq_mean_token_sum") {
      return rlvr::sequence_mean_token_sum{rows, row_epsilon}.scale<T>(batch, tokens);
    }
    if (mode == "seq_mean_token_mean") {
      return rlvr::sequence_mean_token_mean{rows, epsilon, row_epsilon}.scale<T>(batch, tokens);
    }
    auto const counted = mode == "sum_norm_legacy" ? rlvr::count_rows::one : rows;
    REQUIRE((mode == "seq_mean_token_sum_norm" || mode == "sum_norm_legacy"));
    return rlvr::constant_length{constant, counted, row_epsilon}.scale<T>(batch, tokens);
  }
};

aggregation_of_case read_aggregation(json const& settings) {
  json const test{{"params", settings}};
  return {.mode = settings.at("mode").get<std::string>(),
          .epsilon = parameter(test, "eps", 0),
          .row_epsilon = parameter(test, "eps_rows", 0),
          .rows = settings.contains("rows") ? rlvr::count_rows::all : rlvr::count_rows::non_empty,
          .length = static_cast<std::int64_t>(parameter(test, "loss_scale", 0)),
          .global_tokens = static_cast<std::int64_t>(parameter(test, "global_tokens", 0)),
          .global_sequences = static_cast<std::int64_t>(parameter(test, "global_seqs", 0)),
          .factor = parameter(test, "dp_size", 1)};
}

aggregation_of_case aggregation_for(json const& test) {
  auto const& params = test.at("params");
  if (params.contains("agg")) {
    if (params.at("agg").is_object()) return read_aggregation(params.at("agg"));
    return {.mode = "token_sum"};
  }
  if (!params.contains("loss_type")) return {.mode = "token_sum"};
  auto const type = params.at("loss_type").get<std::string>();
  auto const all = rlvr::count_rows::all;
  aggregation_of_case result{.mode = "", .factor = 1 / parameter(test, "grad_accum", 1)};
  if (type == "grpo" || type == "sapo") {
    result.mode = "seq_mean_token_mean";
    result.rows = all;
  } else if (type == "dr_grpo") {
    result.mode = "seq_mean_token_sum_norm";
    result.rows = all;
    result.length = static_cast<std::int64_t>(parameter(test, "max_len", 0));
  } else {
    REQUIRE((type == "bnpo" || type == "dapo" || type == "cispo"));
    result.mode = "token_mean";
    if (type != "bnpo") result.factor = 1;  // the global token count covers the accumulation
    result.global_tokens = static_cast<std::int64_t>(parameter(test, "global_tokens", 0));
  }
  return result;
}

// Evaluates an objective on every token of a case and compares loss, token losses, gradients and clip fractions.
template <class T, class Objective>
void compare(json const& test, Objective const& objective, bool clips = false) {
  static_assert(rlvr::token_objective<Objective, T>);
  auto const& inputs = test.at("inputs");
  auto const& outputs = test.at("outputs");
  auto const log_prob = golden::rows<T>(inputs.at("logp"));
  auto const optional = [&](char const* name) {
    return inputs.contains(name) ? golden::broadcast<T>(inputs.at(name), log_prob) : log_prob;
  };
  auto const old = optional("old_logp");
  auto const reference = optional("ref_logp");
  auto const entropy = optional("entropy");
  auto const behaviour = optional("rollout_logp");
  auto const advantage = golden::broadcast<T>(inputs.at("adv"), log_prob);
  matrix<T> mask = log_prob;
  for (auto& line : mask) line.assign(line.size(), T(1));
  if (inputs.contains("mask")) mask = golden::rows<T>(inputs.at("mask"));
  char const* const weight_name = inputs.contains("is_weights") ? "is_weights"
                                  : inputs.contains("is_ratio") ? "is_ratio"
                                                                : "weights";
  bool const weighted = inputs.contains(weight_name);
  auto const weight = optional(weight_name);
  auto const scales = aggregation_for(test).template scales<T>(mask);

  matrix<T> gradients = log_prob;
  matrix<T> entropy_gradients = log_prob;
  T loss = 0;
  double tokens = 0;
  double clipped = 0;
  double capped = 0;
  double moved = 0;
  for (std::size_t i = 0; i < log_prob.size(); ++i) {
    for (std::size_t t = 0; t < log_prob[i].size(); ++t) {
      gradients[i][t] = entropy_gradients[i][t] = 0;
      if (mask[i][t] == T(0)) continue;
      rlvr::token_sample<T> const sample{.log_prob = log_prob[i][t],
                                         .old_log_prob = old[i][t],
                                         .reference_log_prob = reference[i][t],
                                         .behaviour_log_prob = behaviour[i][t],
                                         .advantage = advantage[i][t],
                                         .entropy = entropy[i][t]};
      auto const value = [&] {
        if constexpr (requires { objective.kl; }) {
          // The importance weight belongs to the policy term alone.
          double const w = weighted ? static_cast<double>(weight[i][t]) : 1;
          rlvr::weighted_sum const policy{w, objective.objective, 0, rlvr::cross_entropy{}};
          return rlvr::kl_penalised{policy, objective.kl, objective.beta}(sample);
        } else {
          return rlvr::weighted_sum{weighted ? static_cast<double>(weight[i][t]) : 1, objective, 0,
                                    rlvr::cross_entropy{}}(sample);
        }
      }();
      if (outputs.contains("token_loss")) {
        auto const& expected = outputs.at("token_loss");
        golden::check(test, "token_loss", value.value, expected.front().is_array() ? expected[i][t] : expected[t]);
      }
      loss += scales[i][t] * value.value;
      gradients[i][t] = scales[i][t] * value.d_log_prob;
      entropy_gradients[i][t] = scales[i][t] * value.d_entropy;
      tokens += 1;
      clipped += value.clip == rlvr::clip_region::low || value.clip == rlvr::clip_region::high ? 1 : 0;
      capped += value.clip == rlvr::clip_region::dual ? 1 : 0;
      double const limit = parameter(test, "log_ratio_clamp", rlvr::unlimited);
      moved += std::max(-limit, std::min(limit, static_cast<double>(old[i][t]) - static_cast<double>(log_prob[i][t])));
    }
  }
  golden::check(test, "loss", loss, outputs.at("loss"));
  golden::check(test, "d_logp", gradients, test.at("grads").at("logp"));
  if (test.at("grads").contains("entropy")) {
    golden::check(test, "d_entropy", entropy_gradients, test.at("grads").at("entropy"));
  }
  if (clips && outputs.contains("pg_clipfrac")) {
    golden::check(test, "pg_clipfrac", static_cast<T>(clipped / (tokens + 1e-8)), outputs.at("pg_clipfrac"));
    golden::check(test, "pg_clipfrac_lower", static_cast<T>(capped / (tokens + 1e-8)), outputs.at("pg_clipfrac_lower"));
    golden::check(test, "ppo_kl", static_cast<T>(moved / (tokens + 1e-8)), outputs.at("ppo_kl"));
  }
}

rlvr::ppo_clip ppo_of(json const& test) {
  return {.low = parameter(test, "eps_low", 0.2),
          .high = parameter(test, "eps_high", 0.2),
          .dual_clip = parameter(test, "dual_clip", rlvr::unlimited),
          .max_log_ratio = parameter(test, "log_ratio_clamp", rlvr::unlimited),
          .ratio_cap = parameter(test, "delta", rlvr::unlimited)};
}

template <class T>
void run_grpo(json const& test) {
  auto const ppo = ppo_of(test);
  double const beta = parameter(test, "beta", 0);
  if (golden::has_parameter(test, "bias_correct_kl")) {
    compare<T>(test, rlvr::kl_penalised{ppo, rlvr::ratio_weighted{rlvr::k3{}}, beta});
  } else if (golden::has_parameter(test, "entropy_coef")) {
    compare<T>(test, rlvr::entropy_regularised{ppo, parameter(test, "entropy_coef", 0)});
  } else {
    compare<T>(test, rlvr::kl_penalised{ppo, rlvr::k3{}, beta});
  }
}

// What is no token objective: sequence-level ratios, masks over rows or quantiles, rollout correction, and an entropy
// bonus whose aggregation differs from that of the policy loss.
bool needs_more(json const& test) {
  auto const& params = test.at("params");
  if (params.value("level", "token") != "token") return true;
  for (auto const* name : {"correction", "off_policy_threshold", "top_entropy_quantile"}) {
    if (golden::has_parameter(test, name)) return true;
  }
  if (golden::has_parameter(test, "entropy_coef") && params.at("loss_type") == "grpo") return true;
  return false;
}

template <class T>
void run_user_written(json const& test, std::string const& op) {
  double const low = 1 - parameter(test, "eps_low", 0.2);
  double const high = 1 + parameter(test, "eps_high", 0.2);
  double const limit = parameter(test, "log_ratio_clamp", rlvr::unlimited);
  if (op == "dro" || op == "kimi15") {
    double const beta = parameter(test, op == "dro" ? "beta" : "tau", 0);
    compare<T>(test, rlvr::differentiate([=](auto s) {
                 auto const difference = s.log_prob - s.old_log_prob;
                 return -s.advantage * s.log_prob + 0.5 * beta * difference * difference;
               }));
  } else if (op == "cispo" || op == "cispo_flat") {
    compare<T>(test, rlvr::differentiate([=](auto s) {
                 auto const ratio = exp(clamp(s.log_prob - s.old_log_prob, -limit, limit));
                 return -stop_gradient(clamp(ratio, low, high)) * s.advantage * s.log_prob;
               }));
  } else if (op == "cispo_masked") {
    compare<T>(test, rlvr::differentiate([=](auto s) {
                 auto const ratio = exp(s.log_prob - s.old_log_prob);
                 bool const drop = (s.advantage > 0 && ratio > high) || (s.advantage < 0 && ratio < low);
                 return (drop ? 0 : -1) * stop_gradient(clamp(ratio, low, high)) * s.advantage * s.log_prob;
               }));
  } else if (op == "tis_pg") {
    compare<T>(test, rlvr::differentiate([](auto s) {
                 auto const ratio = exp(s.log_prob - s.old_log_prob);
                 return -stop_gradient(clamp(ratio, 0, 1)) * s.advantage * s.log_prob;
               }));
  } else {
    REQUIRE(op == "sapo");
    double const positive = parameter(test, "tau_pos", 1);
    double const negative = parameter(test, "tau_neg", 1.05);
    compare<T>(test, rlvr::kl_penalised{rlvr::differentiate([=](auto s) {
                                          auto const ratio = exp(clamp(s.log_prob - s.old_log_prob, -limit, limit));
                                          double const tau = s.advantage > 0 ? positive : negative;
                                          return -4 / tau * s.advantage / (1 + exp(-tau * (ratio - 1)));
                                        }),
                                        rlvr::k3{}, parameter(test, "beta", 0)});
  }
}

}  // namespace

TEMPLATE_TEST_CASE("golden policy losses", "[golden]", float, double) {
  using T = TestType;
  golden::coverage coverage{"ppo_clip", "ppo_clip_flat", "grpo_loss",  "reinforce", "gpg",  "prime_ce",    "dro",
                            "kimi15",   "cispo",         "cispo_flat", "tis_pg",    "sapo", "cispo_masked"};
  for (auto const& test : golden::cases("policy_loss")) {
    if (!coverage.claims(test) || needs_more(test)) continue;
    auto const op = test.at("op").get<std::string>();
    if (op == "ppo_clip" || op == "ppo_clip_flat") {
      compare<T>(test, ppo_of(test), true);
    } else if (op == "grpo_loss") {
      run_grpo<T>(test);
    } else if (op == "reinforce" || op == "gpg") {
      compare<T>(test, rlvr::reinforce{});
    } else if (op == "prime_ce") {
      compare<T>(test, rlvr::cross_entropy{});
    } else {
      run_user_written<T>(test, op);
    }
    coverage.ran(test);
  }
  coverage.require_all();
  CHECK(coverage.count("ppo_clip") == 28);
  CHECK(coverage.count("grpo_loss") >= 30);
}

TEMPLATE_TEST_CASE("golden aggregations", "[golden]", float, double) {
  using T = TestType;
  golden::coverage coverage{"aggregate", "grad_accumulation", "reduction_weights"};
  for (auto const& test : golden::cases("aggregation")) {
    if (!coverage.claims(test)) continue;
    auto const op = test.at("op").get<std::string>();
    auto const mask = golden::rows<T>(test.at("inputs").at("mask"));
    if (op == "reduction_weights") {
      auto const reduction = test.at("params").at("reduction").get<std::string>();
      aggregation_of_case settings{.mode = "token_mean"};
      if (reduction == "sequence_mean") settings = {.mode = "seq_mean_token_mean", .rows = rlvr::count_rows::all};
      if (reduction == "seq_mean_token_sum_norm") {
        settings = {.mode = reduction,
                    .rows = rlvr::count_rows::all,
                    .length = static_cast<std::int64_t>(parameter(test, "max_len", 0))};
      }
      if (reduction == "token_mean_legacy" || reduction == "prompt_mean") continue;
      auto const weights = settings.scales<T>(mask);
      for (std::size_t i = 0; i < mask.size(); ++i) {
        for (std::size_t t = 0; t < mask[i].size(); ++t) {
          if (mask[i][t] != T(0)) {
            golden::check(test, "weights", weights[i][t], test.at("outputs").at("weights")[i][t]);
          }
        }
      }
    } else {
      auto const settings =
          op == "aggregate" ? read_aggregation(test.at("params")) : aggregation_of_case{.mode = "token_mean"};
      auto const values = golden::rows<T>(test.at("inputs").at("x"));
      auto const scales = settings.scales<T>(mask);
      T loss = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t t = 0; t < values[i].size(); ++t) {
          if (mask[i][t] != T(0)) loss += scales[i][t] * values[i][t];
        }
      }
      golden::check(test, "loss", loss, test.at("outputs").at("loss"));
      if (test.at("grads").contains("x")) golden::check(test, "d_x", scales, test.at("grads").at("x"));
    }
    coverage.ran(test);
  }
  coverage.require_all();
  CHECK(coverage.count("aggregate") == 55);
}
