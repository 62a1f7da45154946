// SPDX-License-Identifier: MIT
// Golden cases of the advantage, aggregation and KL families for the operations that rlvr/rl has.
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/kl.hpp>

#include "golden_support.hpp"
#include <memory>
#include <span>

namespace {

using golden::json;
using golden::matrix;
using golden::number;
using golden::parameter;

template <class T>
std::vector<T> row_sums(matrix<T> const& rows) {
  std::vector<T> sums;
  for (auto const& row : rows) {
    T sum = 0;
    for (T x : row) sum += x;
    sums.push_back(sum);
  }
  return sums;
}

template <class T>
matrix<T> per_token(std::vector<T> const& per_row, matrix<T> const& mask) {
  matrix<T> result = mask;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    for (T& x : result[i]) x = x != T(0) ? per_row[i] : T(0);
  }
  return result;
}

template <class T, class Estimator>
std::vector<T> by_group(Estimator const& estimator, std::vector<T> const& rewards, std::vector<int> const& group) {
  std::vector<T> advantages(rewards.size());
  rlvr::group_advantages(estimator, std::span<T const>(rewards), std::span<int const>(group), std::span<T>(advantages));
  return advantages;
}

template <class T, class Estimator>
std::vector<T> by_size(Estimator const& estimator, std::vector<T> const& rewards, std::size_t group_size) {
  std::vector<T> advantages(rewards.size());
  rlvr::group_advantages(estimator, std::span<T const>(rewards), group_size, std::span<T>(advantages));
  return advantages;
}

// Whitens the entries of a matrix whose mask is set; the others become 0.
template <class T>
matrix<T> whitened(rlvr::whitening const& rule, matrix<T> values, matrix<T> const& mask) {
  std::vector<T> flat;
  std::size_t const count = [&] {
    std::size_t total = 0;
    for (auto const& line : mask) total += line.size();
    return total;
  }();
  auto const counts = std::make_unique<bool[]>(count);
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t t = 0; t < values[i].size(); ++t) {
      counts[flat.size()] = mask[i][t] != T(0);
      flat.push_back(values[i][t]);
    }
  }
  rule.apply(std::span<T>(flat), std::span<bool const>(counts.get(), count));
  std::size_t next = 0;
  for (auto& line : values) {
    for (T& x : line) x = flat[next++];
  }
  return values;
}

rlvr::singleton_rule singleton_of(json const& test) {
  auto const text = test.at("params").at("singleton").get<std::string>();
  return text == "zero" ? rlvr::singleton_rule::zero : rlvr::singleton_rule::keep_reward;
}

template <class T>
void run_grouped(json const& test, std::string const& op) {
  auto const& inputs = test.at("inputs");
  auto const mask = golden::rows<T>(inputs.at("mask"));
  auto const rewards = row_sums(golden::rows<T>(inputs.at("token_rewards")));
  auto const group = inputs.at("group").get<std::vector<int>>();
  std::vector<T> advantages;
  if (op == "grpo") {
    advantages = by_group(rlvr::group_z_score{.epsilon = parameter(test, "eps", 0),
                                              .ddof = static_cast<int>(parameter(test, "ddof", 1)),
                                              .singleton = singleton_of(test)},
                          rewards, group);
  } else if (op == "rloo") {
    advantages = by_group(rlvr::leave_one_out{.singleton = singleton_of(test)}, rewards, group);
  } else {
    auto const keep = rlvr::singleton_rule::keep_reward;
    advantages = by_group(rlvr::group_mean_baseline{.singleton = keep}, rewards, group);
  }
  auto result = per_token(advantages, mask);
  if (op == "reinforce_pp_baseline") result = whitened(rlvr::whitening{.mean_epsilon = 1e-8}, result, mask);
  golden::check(test, "advantages", result, test.at("outputs").at("advantages"));
}

template <class T>
void run_multi_reward(json const& test) {
  auto const weights = golden::row<T>(test.at("params").at("weights"));
  std::vector<T> totals;
  for (auto const& parts : golden::rows<T>(test.at("inputs").at("rewards"))) {
    T total = 0;
    bool any = false;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      if (std::isnan(parts[k])) continue;
      total += weights[k] * parts[k];
      any = true;
    }
    totals.push_back(any ? total : std::numeric_limits<T>::quiet_NaN());
  }
  auto const size = static_cast<std::size_t>(parameter(test, "group_size", 0));
  auto const advantages = test.at("params").at("scale") == "group"
                              ? by_size(rlvr::group_z_score{.epsilon = parameter(test, "eps", 0)}, totals, size)
                              : by_size(rlvr::group_mean_baseline{}, totals, size);
  golden::check(test, "advantages", advantages, test.at("outputs").at("advantages"));
}

template <class T>
void run_variance_stability(json const& test) {
  auto const rewards = golden::row<T>(test.at("inputs").at("rewards"));
  auto const& outputs = test.at("outputs");
  auto const reward_at = [&](std::int64_t i) { return rewards[static_cast<std::size_t>(i)]; };
  if (outputs.contains("group_std")) {
    auto const all = rlvr::summarise_rewards(static_cast<std::int64_t>(rewards.size()), reward_at);
    golden::check(test, "group_std", static_cast<T>(all.standard_deviation(1)), outputs.at("group_std"));
    for (std::size_t skipped = 0; skipped < rewards.size(); ++skipped) {
      auto const others = rlvr::summarise_rewards(static_cast<std::int64_t>(rewards.size()) - 1, [&](std::int64_t i) {
        auto const place = static_cast<std::size_t>(i);
        return rewards[place < skipped ? place : place + 1];
      });
      golden::check(test, "loo_std", static_cast<T>(others.standard_deviation(1)), outputs.at("loo_std")[skipped]);
    }
  } else {
    auto const advantages = by_size(rlvr::group_z_score{.epsilon = parameter(test, "eps", 0)}, rewards, rewards.size());
    golden::check(test, "advantages", advantages, outputs.at("advantages"));
  }
}

template <class T, class Kl>
void run_kl_token(json const& test, Kl const& estimator) {
  auto const& inputs = test.at("inputs");
  auto const log_prob = golden::rows<T>(inputs.at("logp"));
  auto const reference = golden::rows<T>(inputs.at("ref_logp"));
  bool const has_old = inputs.contains("old_logp");
  auto const old = has_old ? golden::rows<T>(inputs.at("old_logp")) : log_prob;
  double tokens = 0;
  for (auto const& line : log_prob) tokens += static_cast<double>(line.size());
  bool const weighted = inputs.contains("grad_out");
  auto const upstream =
      weighted ? golden::rows<T>(inputs.at("grad_out"))
               : matrix<T>(log_prob.size(), std::vector<T>(log_prob[0].size(), static_cast<T>(1 / tokens)));
  matrix<T> values = log_prob;
  matrix<T> gradients = log_prob;
  for (std::size_t i = 0; i < log_prob.size(); ++i) {
    for (std::size_t t = 0; t < log_prob[i].size(); ++t) {
      rlvr::kl_value<T> kl{};
      if constexpr (rlvr::kl_estimator<Kl, T>) {
        kl = estimator(log_prob[i][t], reference[i][t]);
      } else {
        kl = estimator(rlvr::token_sample<T>{
            .log_prob = log_prob[i][t], .old_log_prob = old[i][t], .reference_log_prob = reference[i][t]});
      }
      values[i][t] = kl.value;
      gradients[i][t] = kl.d_log_prob * upstream[i][t];
    }
  }
  golden::check(test, "kl", values, test.at("outputs").at("kl"));
  golden::check(test, "d_logp", gradients, test.at("grads").at("logp"));
}

// Calls `f` with the estimator that the case names.
template <class F>
void with_estimator(json const& test, double output_clamp, F f) {
  double const in = parameter(test, "input_clamp", rlvr::unlimited);
  auto const name = test.at("params").at("estimator").get<std::string>();
  if (name == "k1") return f(rlvr::k1{in, output_clamp});
  if (name == "k2") return f(rlvr::k2{in, output_clamp});
  if (name == "k3") return f(rlvr::k3{in, output_clamp});
  if (name == "abs") return f(rlvr::absolute_kl{in, output_clamp});
  REQUIRE(name.rfind("k3_reversed", 0) == 0);
  f(rlvr::reverse_k3{in, output_clamp});
}

template <class T>
void run_kl(json const& test, std::string const& op) {
  double const out = parameter(test, "output_clamp", rlvr::unlimited);
  if (op == "kl_token_is") {
    with_estimator(test, rlvr::unlimited, [&](auto estimator) {
      auto const weight =
          test.at("inputs").contains("old_logp") ? rlvr::kl_weight::importance_ratio : rlvr::kl_weight::score_function;
      bool const detach = parameter(test, "detach_weight_where_clamped", 0) != 0;
      run_kl_token<T>(test, rlvr::ratio_weighted{estimator, weight, out, detach});
    });
  } else if (op == "kl_in_reward") {
    auto const& inputs = test.at("inputs");
    auto const scores = golden::rows<T>(inputs.at("scores"));
    auto const log_prob = golden::rows<T>(inputs.at("old_logp"));
    auto const reference = golden::rows<T>(inputs.at("ref_logp"));
    auto const mask = golden::rows<T>(inputs.at("mask"));
    matrix<T> rewards = scores;
    with_estimator(test, out, [&](auto estimator) {
      rlvr::kl_in_reward const penalty{estimator, parameter(test, "beta", 0)};
      for (std::size_t i = 0; i < scores.size(); ++i) {
        for (std::size_t t = 0; t < scores[i].size(); ++t) {
          if (mask[i][t] != T(0)) rewards[i][t] = penalty(scores[i][t], log_prob[i][t], reference[i][t]);
        }
      }
    });
    golden::check(test, "token_rewards", rewards, test.at("outputs").at("token_rewards"));
  } else {
    with_estimator(test, out, [&](auto estimator) {
      if (parameter(test, "straight_through", 0) != 0) return run_kl_token<T>(test, rlvr::straight_through{estimator});
      run_kl_token<T>(test, estimator);
    });
  }
}

}  // namespace

TEMPLATE_TEST_CASE("golden advantages", "[golden]", float, double) {
  using T = TestType;
  golden::coverage coverage{"grpo",
                            "dr_grpo",
                            "rloo",
                            "reinforce_pp_baseline",
                            "masked_whiten",
                            "group_reward_norm",
                            "reward_norm",
                            "grpo_multi_reward",
                            "variance_stability"};
  for (auto const& test : golden::cases("advantage")) {
    if (!coverage.claims(test)) continue;
    auto const op = test.at("op").get<std::string>();
    auto const& inputs = test.at("inputs");
    auto const& outputs = test.at("outputs");
    if (op == "masked_whiten") {
      auto const mask = golden::rows<T>(inputs.at("mask"));
      rlvr::whitening const rule{.epsilon = parameter(test, "eps", 0),
                                 .ddof = static_cast<int>(parameter(test, "ddof", 1)),
                                 .shift_mean = parameter(test, "shift_mean", 1) != 0,
                                 .mean_epsilon = parameter(test, "eps_mean", 0)};
      auto const found = whitened(rule, golden::rows<T>(inputs.at("x")), mask);
      // Peers leave arithmetic on garbage at masked positions; here they are 0.
      for (std::size_t i = 0; i < mask.size(); ++i) {
        for (std::size_t t = 0; t < mask[i].size(); ++t) {
          if (mask[i][t] != T(0)) golden::check(test, "whitened", found[i][t], outputs.at("whitened")[i][t]);
        }
      }
    } else if (op == "group_reward_norm") {
      auto const rewards = golden::row<T>(inputs.at("rewards"));
      auto const size = static_cast<std::size_t>(parameter(test, "group_size", 0));
      auto const found = parameter(test, "divide_by_group_std", 0) != 0
                             ? by_size(rlvr::group_z_score{.epsilon = parameter(test, "eps", 0)}, rewards, size)
                             : by_size(rlvr::group_mean_baseline{}, rewards, size);
      golden::check(test, "advantages", found, outputs.at("advantages"));
    } else if (op == "reward_norm") {
      // The grid of means and deviations; this part has the two where both come from one place, and none.
      auto const mean = test.at("params").at("mean");
      auto const deviation = test.at("params").at("std");
      if (mean.is_null() || (!deviation.is_null() && mean != deviation)) continue;
      auto const rewards = golden::row<T>(inputs.at("rewards"));
      auto const size = mean == "batch" ? rewards.size() : static_cast<std::size_t>(parameter(test, "group_size", 0));
      auto const found = deviation.is_null()
                             ? by_size(rlvr::group_mean_baseline{}, rewards, size)
                             : by_size(rlvr::group_z_score{.epsilon = parameter(test, "eps", 0)}, rewards, size);
      golden::check(test, "advantages", found, outputs.at("advantages"));
    } else if (op == "grpo_multi_reward") {
      if (test.at("params").at("aggregation") != "sum_then_normalize" || test.at("params").at("scale") == "batch") {
        continue;
      }
      run_multi_reward<T>(test);
    } else if (op == "variance_stability") {
      run_variance_stability<T>(test);
    } else {
      run_grouped<T>(test, op);
    }
    coverage.ran(test);
  }
  coverage.require_all();
}

TEMPLATE_TEST_CASE("golden KL estimators", "[golden]", float, double) {
  golden::coverage coverage{"kl_token", "kl_token_is", "kl_in_reward"};
  for (auto const& test : golden::cases("kl")) {
    if (!coverage.claims(test)) continue;
    run_kl<TestType>(test, test.at("op").get<std::string>());
    coverage.ran(test);
  }
  coverage.require_all();
  CHECK(coverage.count("kl_token") == 67);

  golden::coverage overflow{"kl_overflow"};
  for (auto const& test : golden::cases("policy_loss")) {
    if (!overflow.claims(test)) continue;
    run_kl<TestType>(test, "kl_token");
    overflow.ran(test);
  }
  overflow.require_all();
}
