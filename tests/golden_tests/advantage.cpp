// SPDX-License-Identifier: MIT
// Golden cases of the family advantage: one advantage per response, from the rewards of a group.  Those that work on
// tokens are in advantage_tokens.cpp.
#include <rlvr/rl/group_advantage.hpp>
#include <rlvr/rl/multi_reward.hpp>
#include <rlvr/rl/reward_shaping.hpp>

#include "advantage_support.hpp"

namespace golden {

void add_token_advantages(registry& all);

namespace {

constexpr auto over_batch = rlvr::statistic_scope::batch;

template <class T>
rlvr::singleton_rule singleton_of(test_case<T> const& test) {
  std::string const text = test.text("singleton", "raw reward");
  return text == "zero" || text == "advantage 0" ? rlvr::singleton_rule::zero : rlvr::singleton_rule::keep_reward;
}

template <class T>
std::size_t group_size_of(test_case<T> const& test) {
  return static_cast<std::size_t>(test.parameter("group_size"));
}

template <class T>
rlvr::group_z_score z_score_of(test_case<T> const& test) {
  return {.epsilon = test.parameter("eps"),
          .ddof = static_cast<int>(test.parameter("ddof", 1)),
          .singleton = singleton_of(test)};
}

template <class T>
rlvr::statistic_scope scope_of(test_case<T> const& test, char const* parameter) {
  std::string const text = test.text(parameter, "none");
  if (text == "none") return rlvr::statistic_scope::none;
  if (text == "group") return rlvr::statistic_scope::group;
  if (text == "batch") return rlvr::statistic_scope::batch;
  throw std::runtime_error("no scope '" + text + "'");
}

// Advantages of group g against the mean weighted by lengths.
template <class T>
struct length_weighted_body {
  rlvr::length_weighted_baseline rule{};
  std::int64_t const* members = nullptr;
  std::int64_t const* offsets = nullptr;
  T const* rewards = nullptr;
  std::int64_t const* lengths = nullptr;
  T* advantages = nullptr;

  RLVR_HD void operator()(std::size_t g) const {
    std::int64_t const* const member = members + offsets[g];
    rule.of_group(
        offsets[g + 1] - offsets[g], [=, *this](std::int64_t i) { return rewards[member[i]]; },
        [=, *this](std::int64_t i) { return lengths[member[i]]; },
        [=, *this](std::int64_t i, double advantage) { advantages[member[i]] = static_cast<T>(advantage); });
  }
};

template <class T>
std::vector<T> length_weighted(rlvr::length_weighted_baseline const& rule, std::vector<T> const& rewards,
                               std::vector<std::int64_t> const& lengths, std::vector<std::int64_t> const& group) {
  stored_groups const groups(group);
  auto const stored = test::to_storage(rewards);
  auto const stored_lengths = test::to_storage(lengths);
  test::storage<T> advantages(rewards.size());
  test::for_each_index(groups.size(), length_weighted_body<T>{rule, groups.members.data(), groups.offsets.data(),
                                                              stored.data(), stored_lengths.data(), advantages.data()});
  return {advantages.begin(), advantages.end()};
}

// grpo, dr_grpo, rloo, opo, gpg, grpo_passk, reinforce_pp_baseline: rewards per token in, advantages per token out.
template <class T>
void run_outcome(test_case<T>& test) {
  packed<T> tokens(test.rows("mask"));
  std::vector<T> const rewards = row_sums(test.rows("token_rewards"));
  auto const group = test.integers("group");
  std::string const op = test.operation();
  std::vector<T> advantages(rewards.size());
  if (op == "rloo") {
    advantages = by_group(rlvr::leave_one_out{.singleton = singleton_of(test)}, rewards, group);
  } else if (op == "opo") {
    advantages = length_weighted(rlvr::length_weighted_baseline{.singleton = singleton_of(test)}, rewards,
                                 tokens.lengths(), group);
  } else if (op == "gpg") {
    rlvr::gpg_baseline const rule{
        .alpha = rlvr::gpg_scale(view(rewards)), .f = test.parameter("f_norm", 1), .singleton = singleton_of(test)};
    advantages = by_group(rule, rewards, group);
  } else if (op == "grpo_passk") {
    advantages = by_group(rlvr::top_two_margin{.divide_by_std = test.parameter("divide_by_group_std") != 0,
                                               .epsilon = test.parameter("eps"),
                                               .ddof = static_cast<int>(test.parameter("ddof", 1))},
                          rewards, group);
  } else if (op == "reinforce_pp_baseline" || test.parameter("divide_by_group_std") == 0) {
    advantages = by_group(rlvr::group_mean_baseline{.singleton = singleton_of(test)}, rewards, group);
  } else {
    advantages = by_group(z_score_of(test), rewards, group);
  }
  tokens.spread(advantages);
  if (op == "reinforce_pp_baseline")
    whiten(rlvr::whitening{.mean_epsilon = 1e-8}, std::span<T>(tokens.values), tokens.mask());
  test.output("advantages", tokens.values);
}

template <class T>
void run_multi_reward(test_case<T>& test) {
  std::vector<T> const rewards = test.flat("rewards");
  std::vector<T> weights;
  flatten(test.parameters().at("weights"), weights);
  std::size_t const responses = rewards.size() / weights.size();
  std::vector<T> advantages(responses);
  rlvr::multi_reward const rule{.aggregation = test.text("aggregation") == "sum_then_normalize"
                                                   ? rlvr::reward_aggregation::sum_then_normalise
                                                   : rlvr::reward_aggregation::normalise_then_sum,
                                .scale = scope_of(test, "scale"),
                                .epsilon = test.parameter("eps"),
                                .ddof = static_cast<int>(test.parameter("ddof", 1))};
  auto const group = consecutive_groups(responses, group_size_of(test));
  rule.apply(view(rewards), view(weights), view(group), std::span<T>(advantages));
  test.output("advantages", advantages);
}

// gdpo ends in a whitening over tokens, gdpo_sample in a normalisation over responses.
template <class T>
void run_gdpo(test_case<T>& test) {
  bool const over_tokens = test.operation() == "gdpo";
  std::vector<T> const rewards = test.flat("rewards");
  std::vector<T> weights;
  flatten(test.parameters().at("weights"), weights);
  auto const group = test.integers("group");
  std::vector<T> sums(group.size());
  rlvr::group_z_score const rule{
      .epsilon = test.parameter("eps"),
      .ddof = static_cast<int>(test.parameter("ddof", 1)),
      .singleton = over_tokens ? rlvr::singleton_rule::keep_reward : rlvr::singleton_rule::zero};
  rlvr::normalise_then_sum(rule, view(rewards), view(weights), view(group), std::span<T>(sums));
  if (over_tokens) {
    packed<T> tokens(test.rows("mask"));
    tokens.spread(sums);
    whiten(rlvr::whitening{.mean_epsilon = 1e-8}, std::span<T>(tokens.values), tokens.mask());
    test.output("advantages", tokens.values);
  } else {
    rlvr::reward_normalisation const last{.mean = over_batch, .deviation = over_batch, .epsilon = 0};
    last.apply(view(sums), view(group), std::span<T>(sums));
    test.output("advantages", sums);
  }
}

template <class T>
void run_rloo_kl(test_case<T>& test) {
  std::vector<T> totals = row_sums(test.rows("rewards"));
  packed<T> const tokens(test.rows("mask"));
  auto const log_ratio = test.rows("logratio");
  rlvr::reward_map clip{};
  if (test.has_parameter("reward_clip")) {
    clip.lowest = test.parameters().at("reward_clip").at(0).number();
    clip.highest = test.parameters().at("reward_clip").at(1).number();
  }
  totals = test::map(clip, totals);
  for (std::size_t i = 0; i < totals.size(); ++i) {
    double const kl = rlvr::masked_sum(view(log_ratio, i), tokens.mask(i));
    totals[i] -= static_cast<T>(test.parameter("beta") * kl);
  }
  auto advantages = by_size(rlvr::leave_one_out{}, totals, group_size_of(test));
  if (test.parameter("normalize") != 0) {
    rlvr::reward_normalisation const rule{
        .mean = over_batch, .deviation = over_batch, .epsilon = test.parameter("eps")};
    auto const group = consecutive_groups(totals.size(), group_size_of(test));
    rlvr::exclude_without_baseline(view(totals), view(group), std::span<T>(advantages));
    rule.apply(view(advantages), view(group), std::span<T>(advantages));
  }
  test.output("advantages", advantages);
}

template <class T>
void run_leave_one_out_std(test_case<T>& test) {
  std::vector<T> const rewards = test.flat("rewards");
  auto const group = test.integers("group");
  bool const others = test.parameter("leave_one_out") != 0;
  bool const divide = test.parameter("normalize") != 0;
  double const epsilon = test.parameter("eps");
  int const ddof = static_cast<int>(test.parameter("ddof", 1));
  if (others && divide) {
    test.output("advantages", by_group(rlvr::leave_one_out_z_score{.epsilon = epsilon, .ddof = ddof}, rewards, group));
  } else if (others) {
    test.output("advantages", by_group(rlvr::leave_one_out{}, rewards, group));
  } else if (divide) {
    test.output("advantages", by_group(rlvr::group_z_score{.epsilon = epsilon, .ddof = ddof}, rewards, group));
  } else {
    test.output("advantages", by_group(rlvr::group_mean_baseline{}, rewards, group));
  }
}

template <class T>
void run_length_penalty(test_case<T>& test) {
  std::vector<T> const rewards = test.flat("rewards");
  auto const output = test.flat("out");
  auto const total = test.flat("tot");
  auto const turns = test.flat("turns");
  std::vector<rlvr::response_cost> costs(rewards.size());
  for (std::size_t i = 0; i < costs.size(); ++i)
    costs[i] = {.output_tokens = static_cast<double>(output[i]),
                .input_tokens = static_cast<double>(total[i] - output[i]),
                .turns = static_cast<double>(turns[i])};
  std::vector<T> advantages(rewards.size());
  rlvr::length_penalised_baseline{.output_weight = test.parameter("output_weight"),
                                  .input_weight = test.parameter("input_weight"),
                                  .turns_weight = test.parameter("turns_weight")}
      .apply(view(rewards), std::span<rlvr::response_cost const>(costs), std::span<T>(advantages));
  test.output("advantages", advantages);
}

template <class T>
void run_running_baseline(test_case<T>& test) {
  std::vector<T> advantages = test.flat("rewards");
  auto const agent = test.integers("agent");
  std::map<std::int64_t, rlvr::running_baseline> baselines;
  for (std::size_t i = 0; i < advantages.size(); ++i) {
    rlvr::running_baseline const fresh{.decay = test.parameter("decay"), .value = test.parameter("init")};
    auto& baseline = baselines.try_emplace(agent[i], fresh).first->second;
    advantages[i] = static_cast<T>(baseline.score(static_cast<double>(advantages[i])));
  }
  test.output("advantages", advantages);
}

template <class T>
void run_variance_stability(test_case<T>& test) {
  std::vector<T> const rewards = test.flat("rewards");
  auto const count = static_cast<std::int64_t>(rewards.size());
  auto const reward_at = [&](std::int64_t i) { return rewards[static_cast<std::size_t>(i)]; };
  if (test.expects("group_std"))
    test.output("group_std", rlvr::summarise_rewards(count, reward_at).standard_deviation(1));
  std::vector<double> others;
  for (std::int64_t i = 0; i < count; ++i)
    others.push_back(rlvr::summarise_rewards(count - 1, [&](std::int64_t j) {
                       return reward_at(j < i ? j : j + 1);
                     }).standard_deviation(1));
  test.output("loo_std", others);
  if (test.expects("advantages"))
    test.output("advantages", by_size(rlvr::group_z_score{.epsilon = test.parameter("eps")}, rewards, rewards.size()));
}

}  // namespace

void add_advantage(registry& all) {
  add_token_advantages(all);
  auto const add = [&](char const* operation, auto run) { all.add("advantage", operation, run); };
  for (char const* const operation : {"grpo", "dr_grpo", "rloo", "opo", "gpg", "grpo_passk", "reinforce_pp_baseline"})
    add(operation, [](auto& test) { run_outcome(test); });
  add("grpo_multi_reward", [](auto& test) { run_multi_reward(test); });
  add("gdpo", [](auto& test) { run_gdpo(test); });
  add("gdpo_sample", [](auto& test) { run_gdpo(test); });
  add("rloo_kl", [](auto& test) { run_rloo_kl(test); });
  add("grpo_loo_std", [](auto& test) { run_leave_one_out_std(test); });
  add("grpo_length_penalty", [](auto& test) { run_length_penalty(test); });
  add("rae", [](auto& test) { run_running_baseline(test); });
  add("variance_stability", [](auto& test) { run_variance_stability(test); });
  add("maxrl", [](auto& test) {
    auto const rewards = test.flat("rewards");
    test.output("advantages", by_size(rlvr::mean_relative{}, rewards, rewards.size()));
  });
  add("group_reward_norm", [](auto& test) {
    auto const rewards = test.flat("rewards");
    bool const divide = test.parameter("divide_by_group_std") != 0;
    auto const size = group_size_of(test);
    test.output("advantages", divide ? by_size(z_score_of(test), rewards, size)
                                     : by_size(rlvr::group_mean_baseline{}, rewards, size));
  });
  add("reward_norm", [](auto& test) {
    auto rewards = test.flat("rewards");
    rlvr::reward_normalisation const rule{.mean = scope_of(test, "mean"),
                                          .deviation = scope_of(test, "std"),
                                          .epsilon = test.parameter("eps"),
                                          .ddof = static_cast<int>(test.parameter("ddof", 1))};
    rule.apply(view(rewards), group_size_of(test), std::span(rewards));
    test.output("advantages", rewards);
  });
}

}  // namespace golden
