// SPDX-License-Identifier: MIT
// Golden cases of the family logprob.  The `linear_*` operations run twice in float: composed from the row bodies, and
// through the op of the CPU backend, where the bias is a column of ones.
#include <rlvr/backend/cpu/losses.hpp>
#include <rlvr/kernel/cross_entropy.hpp>
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/ops/execute.hpp>
#include <rlvr/rl/objective.hpp>

#include "policy_loss_batch.hpp"

namespace golden {
namespace {

constexpr rlvr::single_thread_group group{};

// The target with ignored rows as the library marks them.
template <class T>
std::vector<std::int32_t> targets_of(test_case<T> const& test) {
  double const ignored = test.parameter("ignore_index", -100);
  std::vector<std::int32_t> result;
  for (std::int64_t const target : test.integers("target"))
    result.push_back(static_cast<double>(target) == ignored ? -1 : static_cast<std::int32_t>(target));
  return result;
}

// Log-prob of a row, whose logits become factor times its gradient.
template <class T>
T log_prob_of_row(std::vector<T>& logits, std::int32_t target, T inverse_temperature, T factor) {
  T log_prob = std::numeric_limits<T>::quiet_NaN();
  rlvr::kernel::token_log_prob_row(group, logits.data(), logits.size(), inverse_temperature, target, &log_prob,
                                   nullptr);
  if (target < 0) {
    logits.assign(logits.size(), T(0));
  } else {
    auto const s = rlvr::kernel::softmax_statistics(group, logits.data(), logits.size(), inverse_temperature);
    rlvr::kernel::replace_by_gradient(group, logits.data(), logits.size(), inverse_temperature, s, target,
                                      factor * inverse_temperature, 0);
  }
  return log_prob;
}

template <class T>
void selected_logprob(test_case<T>& test) {
  matrix<T> rows = test.rows("logits");
  std::vector<T> const grad_out = test.flat("grad_out");
  auto const target = targets_of(test);
  T const inverse = static_cast<T>(1 / test.parameter("temperature", 1));
  std::vector<T> log_prob;
  for (std::size_t i = 0; i < rows.size(); ++i)
    log_prob.push_back(log_prob_of_row(rows[i], target[i], inverse, grad_out[i]));
  test.output("logp", log_prob);
  test.gradient("logits", rows);
}

template <class T>
void selected_logprob_entropy(test_case<T>& test) {
  matrix<T> rows = test.rows("logits");
  std::vector<T> const by_log_prob = test.flat("grad_out"), by_entropy = test.flat("grad_out_entropy");
  auto const target = targets_of(test);
  T const inverse = static_cast<T>(1 / test.parameter("temperature", 1));
  bool const differentiable = test.parameter("entropy_differentiable", 1) != 0;
  matrix<T> const keep = test.has("keep") ? test.rows("keep") : matrix<T>{};
  std::vector<T> log_prob, entropy;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto& row = rows[i];
    auto const s = rlvr::kernel::softmax_statistics(group, row.data(), row.size(), inverse);
    T const from_log_prob = by_log_prob[i] * inverse;
    T const from_entropy = differentiable ? by_entropy[i] * inverse : T(0);
    entropy.push_back(s.entropy);
    T const logit = row[static_cast<std::size_t>(target[i])];
    if (keep.empty()) {
      log_prob.push_back(rlvr::kernel::log_probability(s, logit, inverse));
      rlvr::kernel::replace_by_gradient(group, row.data(), row.size(), inverse, s, target[i], from_log_prob,
                                        from_entropy);
    } else {
      flags const mask(keep[i]);
      rlvr::kernel::kept_tokens const kept{mask.view().data(), target[i]};
      auto const restricted = rlvr::kernel::softmax_statistics(group, row.data(), row.size(), inverse, kept);
      log_prob.push_back(rlvr::kernel::log_probability(restricted, logit, inverse));
      rlvr::kernel::replace_by_gradient(group, row.data(), row.size(), inverse, s, restricted, kept, target[i],
                                        from_log_prob, from_entropy);
    }
  }
  test.output("logp", log_prob);
  test.output("entropy", entropy);
  test.gradient("logits", rows);
}

// The head of a case; a bias is a last column, which meets hidden states of 1.
template <class T>
struct linear_head {
  explicit linear_head(test_case<T> const& test)
      : hidden(test.rows("hidden")), weight(test.rows("weight")), biased(test.has("bias")) {
    if (!biased) return;
    std::vector<T> const bias = test.flat("bias");
    for (auto& row : hidden) row.push_back(T(1));
    for (std::size_t v = 0; v < weight.size(); ++v) weight[v].push_back(bias[v]);
  }

  [[nodiscard]] std::vector<T> logits(std::size_t row) const {
    std::vector<T> result;
    for (auto const& line : weight) {
      T sum = 0;
      for (std::size_t k = 0; k < line.size(); ++k) sum += hidden[row][k] * line[k];
      result.push_back(sum);
    }
    return result;
  }

  matrix<T> hidden, weight;
  bool biased;
};

template <class T>
struct linear_gradient {
  explicit linear_gradient(linear_head<T> const& head)
      : hidden(head.hidden.size(), std::vector<T>(head.hidden[0].size())),
        weight(head.weight.size(), std::vector<T>(head.weight[0].size())) {}

  void add(linear_head<T> const& head, std::size_t row, std::vector<T> const& d_logits) {
    for (std::size_t v = 0; v < weight.size(); ++v)
      for (std::size_t k = 0; k < weight[v].size(); ++k) {
        hidden[row][k] += d_logits[v] * head.weight[v][k];
        weight[v][k] += d_logits[v] * head.hidden[row][k];
      }
  }
  void compare(test_case<T>& test, bool biased) {
    std::vector<T> bias;
    if (biased) {
      for (auto& row : hidden) row.pop_back();
      for (auto& row : weight) {
        bias.push_back(row.back());
        row.pop_back();
      }
      test.gradient("bias", bias);
    }
    test.gradient("hidden", hidden);
    test.gradient("weight", weight);
  }

  matrix<T> hidden, weight;
};

// sum_i scale_i * objective(log_prob_i) through the fused op; log-probs and losses per row.
template <class Objective>
struct fused_rows {
  fused_rows(linear_head<float> const& head, Objective const& objective, float temperature, std::size_t chunk_rows,
             std::vector<std::int32_t> const& target, std::vector<float> const& scale)
      : log_prob(target.size()), loss(target.size()), gradient(head) {
    std::size_t const rows = head.hidden.size(), width = head.hidden[0].size(), vocabulary = head.weight.size();
    std::vector<float> hidden, weight, d_hidden(rows * width), d_weight(vocabulary * width);
    for (auto const& row : head.hidden) hidden.insert(hidden.end(), row.begin(), row.end());
    for (auto const& row : head.weight) weight.insert(weight.end(), row.begin(), row.end());
    rlvr::cpu::context context(1);
    rlvr::execute(
        context, rlvr::ops::linear_policy_loss<Objective>{.head = {.hidden = {hidden.data(), rows, width},
                                                                   .weight = {weight.data(), vocabulary, width},
                                                                   .temperature = temperature,
                                                                   .chunk_rows = chunk_rows},
                                                          .objective = objective,
                                                          .records = {.target = target.data(), .scale = scale.data()},
                                                          .results = {.log_prob = log_prob.data(), .loss = loss.data()},
                                                          .hidden_gradient = {d_hidden.data(), rows, width},
                                                          .weight_gradient = {d_weight.data(), vocabulary, width}});
    for (std::size_t i = 0; i < d_hidden.size(); ++i) gradient.hidden[i / width][i % width] = d_hidden[i];
    for (std::size_t i = 0; i < d_weight.size(); ++i) gradient.weight[i / width][i % width] = d_weight[i];
  }

  std::vector<float> log_prob;
  std::vector<rlvr::loss_value<float>> loss;
  linear_gradient<float> gradient;
};

template <class T>
void linear_selected_logprob(test_case<T>& test) {
  linear_head<T> const head(test);
  auto const target = targets_of(test);
  std::vector<T> const grad_out = test.flat("grad_out");
  double const temperature = test.parameter("temperature", 1);
  linear_gradient<T> gradient(head);
  std::vector<T> log_prob;
  for (std::size_t i = 0; i < target.size(); ++i) {
    std::vector<T> row = head.logits(i);
    log_prob.push_back(log_prob_of_row(row, target[i], static_cast<T>(1 / temperature), grad_out[i]));
    gradient.add(head, i, row);
  }
  test.output("logp", log_prob);
  gradient.compare(test, head.biased);
  if constexpr (std::is_same_v<T, float>) {
    std::vector<float> scale = grad_out;
    for (float& factor : scale) factor = -factor;  // the loss is -log p
    fused_rows fused(head, rlvr::cross_entropy{}, static_cast<float>(temperature), 2, target, scale);
    test.output("logp", fused.log_prob);
    fused.gradient.compare(test, head.biased);
  }
}

template <class T>
void linear_cross_entropy(test_case<T>& test) {
  linear_head<T> const head(test);
  auto const target = targets_of(test);
  rlvr::cross_entropy_rule const rule{.label_smoothing = test.parameter("label_smoothing", 0),
                                      .z_loss = test.parameter("lse_square_scale", 0),
                                      .softcap = test.parameter("softcap", 0)};
  rule.validate();
  auto const reduction = test.text("reduction", "mean");
  std::vector<T> scale = reduction == "none" ? test.flat("grad_out") : std::vector<T>(target.size(), T(1));
  if (reduction == "mean") {
    rlvr::batch_statistics statistics{};
    for (std::int32_t const t : target) statistics.add_sequence(t < 0 ? 0 : 1);
    scale.assign(target.size(), rlvr::token_mean{}.scale<T>(statistics, 1));
  }
  auto const compare = [&](std::vector<T> const& losses, linear_gradient<T>& gradient) {
    if (reduction == "none") {
      test.output("loss", losses);
    } else {
      double total = 0;
      for (std::size_t i = 0; i < losses.size(); ++i)
        total += static_cast<double>(scale[i]) * static_cast<double>(losses[i]);
      test.output("loss", total);
    }
    gradient.compare(test, head.biased);
  };
  linear_gradient<T> gradient(head);
  std::vector<T> losses;
  for (std::size_t i = 0; i < target.size(); ++i) {
    std::vector<T> row = head.logits(i);
    losses.push_back(rlvr::kernel::cross_entropy_row(group, row.data(), row.size(), rule, target[i], scale[i]));
    gradient.add(head, i, row);
  }
  compare(losses, gradient);
  if constexpr (std::is_same_v<T, float>) {
    if (rule.label_smoothing != 0 || rule.z_loss != 0 || rule.softcap != 0) return;
    fused_rows fused(head, rlvr::cross_entropy{}, 1, 2, target, scale);
    for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = fused.loss[i].value;
    compare(losses, fused.gradient);
  }
}

}  // namespace

void add_logprob(registry& all) {
  auto const add = [&](char const* operation, auto run) { all.add("logprob", operation, run); };
  add("selected_logprob", [](auto& test) { selected_logprob(test); });
  add("selected_logprob_entropy", [](auto& test) { selected_logprob_entropy(test); });
  add("linear_selected_logprob", [](auto& test) { linear_selected_logprob(test); });
  add("linear_cross_entropy", [](auto& test) { linear_cross_entropy(test); });
}

}  // namespace golden
