// SPDX-License-Identifier: MIT
// Golden cases of the family advantage that work on tokens: returns, token baselines, whitening.
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/optimal_baseline.hpp>
#include <rlvr/rl/returns.hpp>

#include "advantage_support.hpp"
#include "named_kl.hpp"

namespace golden {

void add_token_advantages(registry& all);

namespace {

// REINFORCE++ of verl: returns that run past tokens that do not count, then whitening.
template <class T>
void run_reinforce_pp(test_case<T>& test) {
  packed<T> tokens(test.rows("mask"));
  auto const rewards = test.rows("token_rewards");
  rlvr::discounted_returns const rule{.gamma = test.parameter("gamma")};
  for (std::size_t i = 0; i < tokens.rows; ++i) rule.apply(view(rewards, i), tokens.mask(i), tokens.row(i));
  test.output("returns", tokens.values);
  whiten(rlvr::whitening{.mean_epsilon = 1e-8}, std::span<T>(tokens.values), tokens.mask());
  test.output("advantages", tokens.values);
}

// The whole response's reward and a penalty per token, discounted.
template <class T>
packed<T> judged_returns(test_case<T> const& test, std::vector<T> const& rewards, rlvr::terminal_reward const& terminal,
                         double gamma) {
  packed<T> tokens(test.rows("mask"));
  auto const kl = test.rows("kl");
  for (std::size_t i = 0; i < tokens.rows; ++i) {
    std::span<T> const row = tokens.row(i);
    terminal.apply(rewards[i], view(kl, i), tokens.mask(i), row);
    rlvr::discounted_returns{.gamma = gamma}.apply(std::span<T const>(row), tokens.mask(i), row);
  }
  return tokens;
}

template <class T>
void run_openrlhf_estimator(test_case<T>& test) {
  std::string const op = test.operation();
  std::vector<T> rewards = test.flat("rewards");
  auto const size = static_cast<std::size_t>(test.parameter("group_size"));
  if (op == "openrlhf_rloo") rewards = by_size(rlvr::leave_one_out{}, rewards, size);
  if (op == "openrlhf_reinforce_baseline" || op == "openrlhf_dr_grpo")
    rewards = by_size(rlvr::group_mean_baseline{}, rewards, size);
  if (op == "openrlhf_group_norm")
    rewards = by_size(rlvr::group_z_score{.epsilon = test.parameter("eps"), .ddof = 1}, rewards, size);
  rlvr::terminal_reward terminal{.kl_coefficient = test.parameter("kl_coef")};
  if (test.has_parameter("reward_clip")) {
    terminal.lowest = test.parameters().at("reward_clip").at(0).number();
    terminal.highest = test.parameters().at("reward_clip").at(1).number();
  }
  packed<T> tokens = judged_returns(test, rewards, terminal, test.parameter("gamma", 1));
  test.output("returns", tokens.values);
  if (op == "openrlhf_reinforce" || op == "openrlhf_reinforce_baseline") {
    bool const divide = test.name().find("nostd1") == std::string::npos;
    whiten(
        rlvr::whitening{
            .epsilon = 0, .ddof = 0, .min_variance = 1e-8, .masked = rlvr::masked_rule::transform, .divide = divide},
        std::span<T>(tokens.values), tokens.mask());
  }
  test.output("advantages", tokens.values);
}

template <class T>
void run_greedy_baseline(test_case<T>& test) {
  packed<T> tokens(test.rows("mask"));
  auto const rewards = test.rows("token_rewards");
  auto const baseline = test.flat("baseline");
  for (std::size_t i = 0; i < tokens.rows; ++i) rlvr::reward_to_go(view(rewards, i), tokens.mask(i), tokens.row(i));
  test.output("returns", tokens.values);
  for (std::size_t i = 0; i < tokens.rows; ++i)
    rlvr::greedy_baseline(std::span<T const>(tokens.row(i)), tokens.mask(i), baseline[i], tokens.row(i));
  test.output("advantages", tokens.values);
}

template <class T>
void run_optimal_token_baseline(test_case<T>& test) {
  packed<T> returns(test.rows("mask"));
  packed<T> weights(test.rows("mask"));
  packed<T> advantages(test.rows("mask"));
  auto const rewards = test.rows("token_rewards");
  auto const log_prob = test.rows("old_logp");
  auto const squares = test.rows("sum_pi_squared");
  auto const importance = test.has("is_weights") ? test.rows("is_weights") : matrix<T>(returns.rows);
  auto const group = test.integers("group");
  // The recorded inputs are rounded, so that a token's squared norm may be a little below 0.
  rlvr::cumulative_score_norm const norm{.floor = -rlvr::unlimited};
  for (std::size_t i = 0; i < returns.rows; ++i) {
    rlvr::reward_to_go(view(rewards, i), returns.mask(i), returns.row(i));
    norm.apply(view(log_prob, i), view(squares, i), view(importance, i), weights.mask(i), weights.row(i));
  }
  rlvr::optimal_token_baseline const rule{
      .epsilon = test.parameter("eps"),
      .zero_tail = test.parameter("zero_tail") != 0,
      .alignment = test.operation() == "otb" ? rlvr::token_alignment::column : rlvr::token_alignment::counting_token};
  rlvr::for_each_group(view(group), [&](std::span<std::size_t const> members) {
    std::vector<rlvr::baseline_row<T>> rows;
    for (std::size_t const i : members)
      rows.push_back({returns.row(i), weights.row(i), returns.mask(i), advantages.row(i)});
    rule.apply(std::span<rlvr::baseline_row<T> const>(rows));
  });
  test.output("returns", returns.values);
  test.output("advantages", advantages.values);
}

template <class T>
void run_whitening(test_case<T>& test) {
  packed<T> tokens(test.rows("mask"));
  tokens.values = test.flat("x");
  rlvr::whitening const rule{.epsilon = test.parameter("eps"),
                             .ddof = static_cast<int>(test.parameter("ddof", 1)),
                             .shift_mean = test.parameter("shift_mean", 1) != 0,
                             .mean_epsilon = test.parameter("eps_mean", 0),
                             .masked = rlvr::masked_rule::transform};
  whiten(rule, std::span<T>(tokens.values), tokens.mask());
  test.output("whitened", tokens.values);
}

// Population variance, raised to 1e-8; the map is applied to every position.
constexpr rlvr::whitening population_whitening{
    .epsilon = 0, .ddof = 0, .min_variance = 1e-8, .masked = rlvr::masked_rule::transform};

template <class T>
void run_global_reinforce_pp(test_case<T>& test) {
  packed<T> tokens(test.rows("mask"));
  std::vector<T> rewards = test.flat("rewards");
  if (test.parameter("minus_group_mean") != 0)
    rewards = by_group(rlvr::group_mean_baseline{}, rewards, test.integers("group"));
  tokens.fill(rewards);
  if (test.parameter("kl_in_reward") != 0) {
    // The clamps of NeMo-RL's KL.
    rlvr::kl_in_reward const penalty{read_kl(test.text("kl_type"), 20, 10), test.parameter("kl_coef")};
    tokens.values = test::map(penalty, tokens.values, test.flat("logp"), test.flat("ref_logp"));
  }
  whiten(population_whitening, std::span<T>(tokens.values), tokens.mask());
  test.output("advantages", tokens.values);
}

}  // namespace

void add_token_advantages(registry& all) {
  auto const add = [&](char const* operation, auto run) { all.add("advantage", operation, run); };
  add("reinforce_pp", [](auto& test) { run_reinforce_pp(test); });
  add("remax", [](auto& test) { run_greedy_baseline(test); });
  add("otb", [](auto& test) { run_optimal_token_baseline(test); });
  add("tir_otb", [](auto& test) { run_optimal_token_baseline(test); });
  add("masked_whiten", [](auto& test) { run_whitening(test); });
  add("reinforce_pp_global", [](auto& test) { run_global_reinforce_pp(test); });
  for (char const* const operation : {"openrlhf_rloo", "openrlhf_reinforce_baseline", "openrlhf_group_norm",
                                      "openrlhf_dr_grpo", "openrlhf_reinforce"})
    add(operation, [](auto& test) { run_openrlhf_estimator(test); });
  add("reinforce_pp_returns", [](auto& test) {
    rlvr::terminal_reward const terminal{.kl_coefficient = test.parameter("kl_coef")};
    test.output("returns", judged_returns(test, test.flat("rewards"), terminal, test.parameter("gamma")).values);
  });
  add("discounted_returns", [](auto& test) {
    auto rows = test.rows("token_rewards");
    for (auto& row : rows) rlvr::discounted_returns{.gamma = test.parameter("gamma")}.apply(view(row), std::span(row));
    test.output("returns", rows);
  });
  add("masked_normalize_rows", [](auto& test) {
    packed tokens(test.rows("mask"));
    tokens.values = test.flat("x");
    rlvr::whitening const rule{.epsilon = 0, .ddof = 0, .min_variance = 1e-8};
    for (std::size_t i = 0; i < tokens.rows; ++i) whiten(rule, tokens.row(i), tokens.mask(i));
    test.output("normalized", tokens.values);
  });
  add("raw_reward", [](auto& test) {
    packed tokens(test.rows("mask"));
    tokens.fill(test.flat("rewards"));
    if (test.parameter("normalize") != 0) whiten(population_whitening, std::span(tokens.values), tokens.mask());
    test.output("advantages", tokens.values);
  });
  add("opd", [](auto& test) {
    packed tokens(test.rows("mask"));
    auto const teacher = test.flat("teacher_logp");
    auto const log_prob = test.flat("logp");
    auto const distilled = test::map(rlvr::distillation_advantage{}, tokens.values, teacher, log_prob);
    for (std::size_t i = 0; i < tokens.values.size(); ++i)
      if (tokens.mask()[i]) tokens.values[i] = distilled[i];
    test.output("advantages", tokens.values);
  });
}

}  // namespace golden
