// SPDX-License-Identifier: MIT
// Golden cases of the family kl.
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/kernel/vocabulary_kl.hpp>
#include <rlvr/rl/controller.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/returns.hpp>
#include <rlvr/rl/vocabulary_kl.hpp>

#include "logits.hpp"
#include "named_kl.hpp"
#include "policy_loss_batch.hpp"
#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace golden {
namespace {

// One number of each value.
template <class T>
void compare_values(test_case<T>& test, std::vector<rlvr::kl_value<T>> const& found, std::vector<T> const& weight) {
  std::vector<T> values, gradient;
  for (std::size_t i = 0; i < found.size(); ++i) {
    values.push_back(found[i].value);
    gradient.push_back(weight[i] * found[i].d_log_prob);
  }
  test.output("kl", values);
  test.gradient("logp", gradient);
}

template <class T>
void kl_token(test_case<T>& test) {
  auto const log_prob = test.flat("logp"), reference = test.flat("ref_logp"), weight = test.flat("grad_out");
  named_kl const estimator = read_kl(test.text("estimator"), test.parameter("input_clamp", rlvr::unlimited),
                                     test.parameter("output_clamp", rlvr::unlimited));
  bool const straight = test.parameter("straight_through", 0) != 0;
  compare_values(test,
                 straight ? test::map(rlvr::straight_through{estimator}, log_prob, reference)
                          : test::map(estimator, log_prob, reference),
                 weight);
}

template <class T>
void kl_token_is(test_case<T>& test) {
  auto const log_prob = test.flat("logp"), reference = test.flat("ref_logp"), weight = test.flat("grad_out");
  bool const ratio = test.has("old_logp");
  auto const old = ratio ? test.flat("old_logp") : log_prob;
  std::vector<rlvr::token_sample<T>> samples;
  for (std::size_t i = 0; i < log_prob.size(); ++i)
    samples.push_back({.log_prob = log_prob[i], .old_log_prob = old[i], .reference_log_prob = reference[i]});
  rlvr::ratio_weighted const weighted{read_kl(test.text("estimator"), test.parameter("input_clamp", rlvr::unlimited)),
                                      ratio ? rlvr::kl_weight::importance_ratio : rlvr::kl_weight::score_function,
                                      test.parameter("output_clamp", rlvr::unlimited),
                                      test.parameter("detach_weight_where_clamped", 0) != 0};
  compare_values(test, test::map(weighted, samples), weight);
}

// Divergences of rows, whose logits become weight times their gradient.
template <class T, class Divergence>
struct divergence_body {
  Divergence divergence{};
  rlvr::vocabulary_kl_settings settings{};
  std::size_t vocabulary = 0;
  T* logits = nullptr;
  T const* reference = nullptr;
  T const* weight = nullptr;
  T* values = nullptr;

  template <class Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    T const value =
        rlvr::kernel::vocabulary_kl_row(group, divergence, logits + row * vocabulary, reference + row * vocabulary,
                                        vocabulary, settings, weight ? weight[row] : T(1));
    group.once([&] { values[row] = value; });
  }
};

// Values and gradients of a divergence over rows of logits.
template <class T, class Divergence>
void compare_rows(test_case<T>& test, Divergence const& divergence, rlvr::vocabulary_kl_settings const& settings) {
  logit_rows<T> rows(test.rows("logits"));
  logit_rows<T> const reference(test.rows("ref_logits"));
  auto const weight = test::to_storage(test.flat("grad_out"));
  test::storage<T> values(rows.rows);
  settings.validate();
  divergence.validate();
  test::for_each_row(rows.rows,
                     divergence_body<T, Divergence>{divergence, settings, rows.vocabulary, rows.logits.data(),
                                                    reference.logits.data(), weight.data(), values.data()});
  test.output("kl", to_vector(values));
  test.gradient("logits", rows.values());
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
  rlvr::kl_in_reward<named_kl> const rule{
      .estimator = read_kl(name, input, output), .beta = beta, .count_epsilon = 1e-8};
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    flags const counts(mask[i]);
    std::vector<T> const penalised = test::map(rule, rewards[i], log_prob[i], reference[i]);
    measured +=
        static_cast<double>(rule.template apply<T>(rewards[i], log_prob[i], reference[i], counts.view(), rewards[i]));
    for (std::size_t t = 0; t < penalised.size(); ++t)
      if (counts[t]) rewards[i][t] = penalised[t];
  }
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
    rule.lowest = test.parameters().at("reward_clip").at(0).number();
    rule.highest = test.parameters().at("reward_clip").at(1).number();
  }
  matrix<T> result = kl;
  for (std::size_t i = 0; i < kl.size(); ++i) {
    flags counts(mask[i]);
    if (rlvr::detail::count_tokens(counts.view(), 0, mask[i].size()) == 0) counts[mask[i].size() - 1] = true;
    rule.apply<T>(reward[i], kl[i], counts.view(), result[i]);
  }
  test.output("token_rewards", result);
}

// Expectations over the policy of an estimator and of its gradient, probabilities of sampling held fixed: one row per
// action, whose logits become what that action adds to the gradient.
template <class T, class Estimator>
struct expectation_body {
  Estimator estimator{};
  std::size_t vocabulary = 0;
  T const* reference = nullptr;
  T* logits = nullptr;  ///< a copy per action
  T* values = nullptr;

  template <class Group>
  RLVR_HD void operator()(Group const& group, std::size_t action) const {
    namespace kernel = rlvr::kernel;
    T* const line = logits + action * vocabulary;
    T const* const input = line;
    using kernel::softmax_statistics;  // or the group's own
    auto const p = softmax_statistics(group, input, vocabulary, 1);
    auto const g = softmax_statistics(group, reference, vocabulary, 1);
    T const log_prob = kernel::log_probability(p, input[action], 1);
    rlvr::kl_value<T> const kl = estimator(log_prob, kernel::log_probability(g, reference[action], 1));
    group.sync();  // every thread has read the row
    kernel::replace_by_gradient(group, line, vocabulary, 1, p, static_cast<std::int32_t>(action),
                                std::exp(log_prob) * kl.d_log_prob, 0);
    group.once([&] { values[action] = std::exp(log_prob) * kl.value; });
  }
};

// k3 with the term of the score function.
struct scored_k3 {
  template <class T>
  [[nodiscard]] RLVR_HD rlvr::kl_value<T> operator()(T log_prob, T reference_log_prob) const {
    return rlvr::ratio_weighted{rlvr::k3{}, rlvr::kl_weight::score_function}(
        rlvr::token_sample<T>{.log_prob = log_prob, .reference_log_prob = reference_log_prob});
  }
};

template <class T>
void kl_gradient_facts(test_case<T>& test) {
  auto const logits = test.flat("logits");
  auto const reference = test::to_storage(test.flat("ref_logits"));
  std::size_t const n = logits.size();
  auto const enumerate = [&](std::string const& name, auto estimator) {
    logit_rows<T> actions(matrix<T>(n, logits));
    test::storage<T> values(n);
    test::for_each_row(n, expectation_body<T, decltype(estimator)>{estimator, n, reference.data(),
                                                                   actions.logits.data(), values.data()});
    T value{};
    std::vector<T> gradient(n);
    for (std::size_t a = 0; a < n; ++a) value += values[a];
    for (std::size_t i = 0; i < n * n; ++i) gradient[i % n] += actions.logits[i];
    test.output("E_value_" + name, value);
    test.output("E_grad_" + name, gradient);
  };
  enumerate("k1", named_kl{named_kl::kind::k1});
  enumerate("k2", named_kl{named_kl::kind::k2});
  enumerate("k3", named_kl{named_kl::kind::k3});
  enumerate("k3_with_score_term", scored_k3{});
  logit_rows<T> exact(matrix<T>{logits});
  test::storage<T> values(1);
  test::for_each_row(1, divergence_body<T, rlvr::reverse_kl>{
                            {}, {}, n, exact.logits.data(), reference.data(), nullptr, values.data()});
  test.output("kl_exact", values[0]);
  test.gradient("logits", exact.values());
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
