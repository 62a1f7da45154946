// SPDX-License-Identifier: MIT
// Golden cases of the family kl.
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/kernel/vocabulary_kl.hpp>
#include <rlvr/rl/controller.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/returns.hpp>
#include <rlvr/rl/vocabulary_kl.hpp>

#include "policy_loss_batch.hpp"
#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace golden {
namespace {

// Calls use(estimator) with the one that a case names.
template <class Use>
auto with_estimator(std::string const& name, double input_clamp, double output_clamp, Use const& use) {
  if (name == "k1") return use(rlvr::k1{input_clamp, output_clamp});
  if (name == "k2") return use(rlvr::k2{input_clamp, output_clamp});
  if (name == "k3") return use(rlvr::k3{input_clamp, output_clamp});
  if (name == "abs") return use(rlvr::absolute_kl{input_clamp, output_clamp});
  if (name.starts_with("k3_reversed")) return use(rlvr::reverse_k3{input_clamp, output_clamp});
  throw std::runtime_error("unknown estimator " + name);
}

template <class T>
void kl_token(test_case<T>& test) {
  auto const log_prob = test.flat("logp"), reference = test.flat("ref_logp"), weight = test.flat("grad_out");
  std::vector<T> values, gradient;
  bool const straight = test.parameter("straight_through", 0) != 0;
  for (std::size_t i = 0; i < log_prob.size(); ++i) {
    rlvr::kl_value<T> const found =
        with_estimator(test.text("estimator"), test.parameter("input_clamp", rlvr::unlimited),
                       test.parameter("output_clamp", rlvr::unlimited), [&](auto estimator) {
                         return straight ? rlvr::straight_through{estimator}(log_prob[i], reference[i])
                                         : estimator(log_prob[i], reference[i]);
                       });
    values.push_back(found.value);
    gradient.push_back(weight[i] * found.d_log_prob);
  }
  test.output("kl", values);
  test.gradient("logp", gradient);
}

template <class T>
void kl_token_is(test_case<T>& test) {
  auto const log_prob = test.flat("logp"), reference = test.flat("ref_logp"), weight = test.flat("grad_out");
  bool const ratio = test.has("old_logp");
  auto const old = ratio ? test.flat("old_logp") : log_prob;
  std::vector<T> values, gradient;
  for (std::size_t i = 0; i < log_prob.size(); ++i) {
    rlvr::token_sample<T> const sample{
        .log_prob = log_prob[i], .old_log_prob = old[i], .reference_log_prob = reference[i]};
    rlvr::kl_value<T> const found = with_estimator(
        test.text("estimator"), test.parameter("input_clamp", rlvr::unlimited), rlvr::unlimited, [&](auto estimator) {
          return rlvr::ratio_weighted{estimator,
                                      ratio ? rlvr::kl_weight::importance_ratio : rlvr::kl_weight::score_function,
                                      test.parameter("output_clamp", rlvr::unlimited),
                                      test.parameter("detach_weight_where_clamped", 0) != 0}(sample);
        });
    values.push_back(found.value);
    gradient.push_back(weight[i] * found.d_log_prob);
  }
  test.output("kl", values);
  test.gradient("logp", gradient);
}

// Values and gradients of a divergence over rows of logits.
template <class T, class Divergence>
void compare_rows(test_case<T>& test, Divergence const& divergence, rlvr::vocabulary_kl_settings const& settings) {
  matrix<T> const logits = test.rows("logits"), reference = test.rows("ref_logits");
  auto const weight = test.flat("grad_out");
  std::vector<T> values;
  matrix<T> gradient = logits;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    values.push_back(rlvr::vocabulary_kl<T>(divergence, logits[i], reference[i], gradient[i], settings));
    for (T& slope : gradient[i]) slope *= weight[i];
  }
  test.output("kl", values);
  test.gradient("logits", gradient);
}

template <class T>
void kl_full_vocab_skewed(test_case<T>& test) {
  double const skew = test.parameter("skew_lambda");
  auto const objective = test.text("objective");
  rlvr::vocabulary_kl_settings const settings{.temperature = test.parameter("student_temperature", 1)};
  if (objective == "skewed_forward_kl") return compare_rows(test, rlvr::skewed_forward_kl{skew}, settings);
  if (objective == "skewed_reverse_kl") return compare_rows(test, rlvr::skewed_reverse_kl{skew}, settings);
  throw std::runtime_error("unknown objective " + objective);
}

template <class T>
void kl_controller(test_case<T>& test) {
  auto const measured = test.flat("current_kl");
  auto const steps = test.integers("n_steps");
  std::vector<double> coefficients;
  auto const run = [&](auto controller) {
    for (std::size_t i = 0; i < measured.size(); ++i) {
      controller.update(static_cast<double>(measured[i]), steps[i]);
      coefficients.push_back(controller.coefficient);
    }
  };
  if (test.text("kind") == "fixed") {
    run(rlvr::fixed_coefficient{test.parameter("init")});
  } else {
    run(rlvr::adaptive_kl{test.parameter("init"), test.parameter("target"), test.parameter("horizon")});
  }
  test.output("coef", coefficients);
}

template <class T>
void kl_in_reward(test_case<T>& test) {
  matrix<T> rewards = test.rows("scores");
  matrix<T> const log_prob = test.rows("old_logp"), reference = test.rows("ref_logp"), mask = test.rows("mask");
  double const beta = test.parameter("beta");
  std::string const name = test.text("estimator");
  // The peer's k3 is always clamped.
  double const input = test.parameter("input_clamp", name == "k3" ? 20 : rlvr::unlimited);
  double const output = test.parameter("output_clamp", name == "k3" ? 10 : rlvr::unlimited);
  double measured = 0;
  with_estimator(name, input, output, [&](auto estimator) {
    rlvr::kl_in_reward<decltype(estimator)> const rule{.estimator = estimator, .beta = beta, .count_epsilon = 1e-8};
    for (std::size_t i = 0; i < rewards.size(); ++i)
      measured += static_cast<double>(
          rule.template apply<T>(rewards[i], log_prob[i], reference[i], flags(mask[i]).view(), rewards[i]));
  });
  measured /= static_cast<double>(rewards.size());
  rlvr::adaptive_kl controller{beta, test.parameter("target", 0.1), test.parameter("horizon", 10000)};
  if (test.text("controller", "adaptive") == "adaptive")
    controller.update(measured, static_cast<std::int64_t>(rewards.size()));
  test.output("token_rewards", rewards);
  test.output("current_kl", measured);
  test.output("next_coef", controller.coefficient);
}

// The peer penalises masked positions too, and rewards the last column of a row without tokens.
template <class T>
void kl_in_reward_terminal(test_case<T>& test) {
  auto const reward = test.flat("reward");
  matrix<T> const kl = test.rows("kl"), mask = test.rows("mask");
  rlvr::terminal_reward rule{.kl_coefficient = test.parameter("beta"), .penalise_masked = true};
  if (test.has_parameter("reward_clip")) {
    rule.lowest = number(test.parameters().at("reward_clip").at(0));
    rule.highest = number(test.parameters().at("reward_clip").at(1));
  }
  matrix<T> result = kl;
  for (std::size_t i = 0; i < kl.size(); ++i) {
    flags counts(mask[i]);
    if (rlvr::detail::count_tokens(counts.view(), 0, mask[i].size()) == 0) counts[mask[i].size() - 1] = true;
    rule.apply<T>(reward[i], kl[i], counts.view(), result[i]);
  }
  test.output("token_rewards", result);
}

// Expectations over the policy of an estimator and of its gradient, probabilities of sampling held fixed.
template <class T>
void kl_gradient_facts(test_case<T>& test) {
  auto const logits = test.flat("logits"), reference = test.flat("ref_logits");
  std::size_t const n = logits.size();
  rlvr::single_thread_group const group;
  auto const p = rlvr::kernel::softmax_statistics(group, logits.data(), n, 1);
  auto const g = rlvr::kernel::softmax_statistics(group, reference.data(), n, 1);
  auto const enumerate = [&](std::string const& value_name, std::string const& gradient_name, auto estimator) {
    T value{};
    std::vector<T> gradient(n);
    for (std::size_t a = 0; a < n; ++a) {
      T const log_prob = rlvr::kernel::log_probability(p, logits[a], 1);
      rlvr::kl_value<T> const kl = estimator(log_prob, rlvr::kernel::log_probability(g, reference[a], 1));
      value += std::exp(log_prob) * kl.value;
      std::vector<T> row = logits;
      rlvr::kernel::replace_by_gradient(group, row.data(), n, 1, p, static_cast<std::int32_t>(a),
                                        std::exp(log_prob) * kl.d_log_prob, 0);
      for (std::size_t j = 0; j < n; ++j) gradient[j] += row[j];
    }
    test.output(value_name, value);
    test.output(gradient_name, gradient);
  };
  enumerate("E_value_k1", "E_grad_k1", rlvr::k1{});
  enumerate("E_value_k2", "E_grad_k2", rlvr::k2{});
  enumerate("E_value_k3", "E_grad_k3", rlvr::k3{});
  enumerate("E_value_k3_with_score_term", "E_grad_k3_with_score_term", [](T log_prob, T reference_log_prob) {
    return rlvr::ratio_weighted{rlvr::k3{}, rlvr::kl_weight::score_function}(
        rlvr::token_sample<T>{.log_prob = log_prob, .reference_log_prob = reference_log_prob});
  });
  std::vector<T> gradient(n);
  test.output("kl_exact", rlvr::vocabulary_kl<T>(rlvr::reverse_kl{}, logits, reference, gradient));
  test.gradient("logits", gradient);
}

}  // namespace

void add_kl(registry& all) {
  all.add("kl", "kl_token", [](auto& test) { kl_token(test); });
  all.add("kl", "kl_token_is", [](auto& test) { kl_token_is(test); });
  all.add("kl", "kl_full_vocab", [](auto& test) {
    compare_rows(test, rlvr::jensen_shannon{test.parameter("alpha")},
                 {.temperature = test.parameter("student_temperature", 1)});
  });
  all.add("kl", "kl_full_vocab_skewed", [](auto& test) { kl_full_vocab_skewed(test); });
  all.add("kl", "kl_topk", [](auto& test) {
    compare_rows(test, rlvr::jensen_shannon{test.parameter("alpha")},
                 {.top_k = static_cast<std::size_t>(test.parameter("k")), .tail = test.parameter("add_tail", 0) != 0});
  });
  all.add("kl", "kl_controller", [](auto& test) { kl_controller(test); });
  all.add("kl", "kl_in_reward", [](auto& test) { kl_in_reward(test); });
  all.add("kl", "kl_in_reward_terminal", [](auto& test) { kl_in_reward_terminal(test); });
  all.add("kl", "kl_gradient_facts", [](auto& test) { kl_gradient_facts(test); });
}

}  // namespace golden
