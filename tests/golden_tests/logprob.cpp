// SPDX-License-Identifier: MIT
// Golden cases of the family logprob.  The `linear_*` operations run twice in float: composed from the row bodies, and
// through the op of the backend, where the bias is a column of ones.
#include <rlvr/kernel/cross_entropy.hpp>
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/rl/objective.hpp>

#include "fused_op.hpp"
#include "logits.hpp"
#include "policy_loss_batch.hpp"
#include <limits>

namespace golden {
namespace {

// The target with ignored rows as the library marks them.
template <class T>
std::vector<std::int32_t> targets_of(test_case<T> const& test) {
  double const ignored = test.parameter("ignore_index", -100);
  std::vector<std::int32_t> result;
  for (std::int64_t const target : test.integers("target"))
    result.push_back(static_cast<double>(target) == ignored ? -1 : static_cast<std::int32_t>(target));
  return result;
}

// Log-probs of rows, whose logits become factor times their gradient.
template <class T>
struct log_prob_body {
  std::size_t vocabulary = 0;
  T* logits = nullptr;
  T inverse_temperature{};
  std::int32_t const* target = nullptr;
  T const* factor = nullptr;
  T* log_prob = nullptr;

  template <class Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    T* const line = logits + row * vocabulary;
    T const* const input = line;
    rlvr::kernel::token_log_prob_row(group, input, vocabulary, inverse_temperature, target[row], log_prob + row,
                                     nullptr);
    if (target[row] < 0) {
      group.for_each(vocabulary, [=](std::size_t j) { line[j] = T(0); });
    } else {
      using rlvr::kernel::softmax_statistics;  // or the group's own
      auto const s = softmax_statistics(group, input, vocabulary, inverse_temperature);
      group.sync();  // every thread has read the row
      rlvr::kernel::replace_by_gradient(group, line, vocabulary, inverse_temperature, s, target[row],
                                        factor[row] * inverse_temperature, 0);
    }
  }
};

template <class T>
std::vector<T> log_probs(logit_rows<T>& rows, std::vector<std::int32_t> const& target, T inverse_temperature,
                         std::vector<T> const& factor) {
  auto const targets = test::to_storage(target);
  auto const factors = test::to_storage(factor);
  test::storage<T> result(rows.rows, std::numeric_limits<T>::quiet_NaN());
  test::for_each_row(rows.rows, log_prob_body<T>{rows.vocabulary, rows.logits.data(), inverse_temperature,
                                                 targets.data(), factors.data(), result.data()});
  return to_vector(result);
}

template <class T>
void selected_logprob(test_case<T>& test) {
  logit_rows<T> rows(test.rows("logits"));
  T const inverse = static_cast<T>(1 / test.parameter("temperature", 1));
  test.output("logp", log_probs(rows, targets_of(test), inverse, test.flat("grad_out")));
  test.gradient("logits", rows.values());
}

// Log-probs and entropies of rows; the log-prob is that among the tokens kept, where `keep` is not null.
template <class T>
struct log_prob_entropy_body {
  std::size_t vocabulary = 0;
  T* logits = nullptr;
  T inverse_temperature{};
  std::int32_t const* target = nullptr;
  bool const* keep = nullptr;
  T const* by_log_prob = nullptr;
  T const* by_entropy = nullptr;
  T* log_prob = nullptr;
  T* entropy = nullptr;

  template <class Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    namespace kernel = rlvr::kernel;
    T* const line = logits + row * vocabulary;
    T const* const input = line;
    using kernel::softmax_statistics;  // or the group's own
    auto const s = softmax_statistics(group, input, vocabulary, inverse_temperature);
    T const from_log_prob = by_log_prob[row] * inverse_temperature;
    T const from_entropy = by_entropy[row] * inverse_temperature;
    T const logit = input[target[row]];
    T found{};
    if (!keep) {
      found = kernel::log_probability(s, logit, inverse_temperature);
      group.sync();  // every thread has read the row
      kernel::replace_by_gradient(group, line, vocabulary, inverse_temperature, s, target[row], from_log_prob,
                                  from_entropy);
    } else {
      kernel::kept_tokens const kept{keep + row * vocabulary, target[row]};
      auto const restricted = softmax_statistics(group, input, vocabulary, inverse_temperature, kept);
      found = kernel::log_probability(restricted, logit, inverse_temperature);
      group.sync();  // every thread has read the row
      kernel::replace_by_gradient(group, line, vocabulary, inverse_temperature, s, restricted, kept, target[row],
                                  from_log_prob, from_entropy);
    }
    group.once([&] {
      log_prob[row] = found;
      entropy[row] = s.entropy;
    });
  }
};

// Bools in memory that the backend can read.
template <class T>
test::storage<unsigned char> stored_flags(std::vector<T> const& numbers) {
  test::storage<unsigned char> result;
  for (T const x : numbers) result.push_back(x != T(0));
  return result;
}

template <class T>
void selected_logprob_entropy(test_case<T>& test) {
  logit_rows<T> rows(test.rows("logits"));
  bool const differentiable = test.parameter("entropy_differentiable", 1) != 0;
  auto const target = test::to_storage(targets_of(test));
  auto const keep = test.has("keep") ? stored_flags(test.flat("keep")) : test::storage<unsigned char>();
  auto const by_log_prob = test::to_storage(test.flat("grad_out"));
  auto const by_entropy =
      differentiable ? test::to_storage(test.flat("grad_out_entropy")) : test::storage<T>(rows.rows);
  test::storage<T> log_prob(rows.rows), entropy(rows.rows);
  static_assert(sizeof(bool) == sizeof(unsigned char));
  test::for_each_row(
      rows.rows, log_prob_entropy_body<T>{.vocabulary = rows.vocabulary,
                                          .logits = rows.logits.data(),
                                          .inverse_temperature = static_cast<T>(1 / test.parameter("temperature", 1)),
                                          .target = target.data(),
                                          .keep = keep.empty() ? nullptr : reinterpret_cast<bool const*>(keep.data()),
                                          .by_log_prob = by_log_prob.data(),
                                          .by_entropy = by_entropy.data(),
                                          .log_prob = log_prob.data(),
                                          .entropy = entropy.data()});
  test.output("logp", to_vector(log_prob));
  test.output("entropy", to_vector(entropy));
  test.gradient("logits", rows.values());
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

  [[nodiscard]] logit_rows<T> logits() const {
    std::vector<T> result;
    for (auto const& row : hidden)
      for (auto const& line : weight) {
        T sum = 0;
        for (std::size_t k = 0; k < line.size(); ++k) sum += row[k] * line[k];
        result.push_back(sum);
      }
    return {result, weight.size()};
  }

  matrix<T> hidden, weight;
  bool biased;
};

template <class T>
struct linear_gradient {
  explicit linear_gradient(linear_head<T> const& head)
      : hidden(head.hidden.size(), std::vector<T>(head.hidden[0].size())),
        weight(head.weight.size(), std::vector<T>(head.weight[0].size())) {}

  void add(linear_head<T> const& head, logit_rows<T> const& d_logits) {
    for (std::size_t row = 0; row < hidden.size(); ++row)
      for (std::size_t v = 0; v < weight.size(); ++v) {
        T const slope = d_logits.logits[row * weight.size() + v];
        for (std::size_t k = 0; k < weight[v].size(); ++k) {
          hidden[row][k] += slope * head.weight[v][k];
          weight[v][k] += slope * head.hidden[row][k];
        }
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

// sum_i scale_i * cross_entropy(log_prob_i) through the fused op; log-probs and losses per row.
struct fused_rows {
  fused_rows(linear_head<float> const& head, float temperature, std::vector<std::int32_t> const& target,
             std::vector<float> const& scale)
      : gradient(head) {
    std::size_t const width = head.hidden[0].size();
    fused_input input{.rows = head.hidden.size(),
                      .width = width,
                      .vocabulary = head.weight.size(),
                      .hidden = {},
                      .weight = {},
                      .temperature = temperature,
                      .chunk_rows = 2,
                      .target = target,
                      .scale = scale,
                      .advantage = {},
                      .old_log_prob = {},
                      .reference_log_prob = {}};
    for (auto const& row : head.hidden) input.hidden.insert(input.hidden.end(), row.begin(), row.end());
    for (auto const& row : head.weight) input.weight.insert(input.weight.end(), row.begin(), row.end());
    found = evaluate_fused(input, rlvr::cross_entropy{});
    for (std::size_t i = 0; i < found.hidden_gradient.size(); ++i)
      gradient.hidden[i / width][i % width] = found.hidden_gradient[i];
    for (std::size_t i = 0; i < found.weight_gradient.size(); ++i)
      gradient.weight[i / width][i % width] = found.weight_gradient[i];
  }

  fused_output found;
  linear_gradient<float> gradient;
};

template <class T>
void linear_selected_logprob(test_case<T>& test) {
  linear_head<T> const head(test);
  auto const target = targets_of(test);
  std::vector<T> const grad_out = test.flat("grad_out");
  double const temperature = test.parameter("temperature", 1);
  logit_rows<T> rows = head.logits();
  linear_gradient<T> gradient(head);
  test.output("logp", log_probs(rows, target, static_cast<T>(1 / temperature), grad_out));
  gradient.add(head, rows);
  gradient.compare(test, head.biased);
  if constexpr (std::is_same_v<T, float>) {
    std::vector<float> scale = grad_out;
    for (float& factor : scale) factor = -factor;  // the loss is -log p
    fused_rows fused(head, static_cast<float>(temperature), target, scale);
    test.output("logp", fused.found.log_prob);
    fused.gradient.compare(test, head.biased);
  }
}

// Cross-entropies of rows, whose logits become scale times their gradient.
template <class T>
struct cross_entropy_body {
  std::size_t vocabulary = 0;
  T* logits = nullptr;
  rlvr::cross_entropy_rule rule{};
  std::int32_t const* target = nullptr;
  T const* scale = nullptr;
  T* loss = nullptr;

  template <class Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    T const found =
        rlvr::kernel::cross_entropy_row(group, logits + row * vocabulary, vocabulary, rule, target[row], scale[row]);
    group.once([&] { loss[row] = found; });
  }
};

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
    scale.assign(target.size(), scales_by_length<T>(rlvr::token_mean{}, statistics, 1)[1]);
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
  logit_rows<T> rows = head.logits();
  auto const targets = test::to_storage(target);
  auto const scales = test::to_storage(scale);
  test::storage<T> losses(rows.rows);
  test::for_each_row(rows.rows, cross_entropy_body<T>{rows.vocabulary, rows.logits.data(), rule, targets.data(),
                                                      scales.data(), losses.data()});
  gradient.add(head, rows);
  compare(to_vector(losses), gradient);
  if constexpr (std::is_same_v<T, float>) {
    if (rule.label_smoothing != 0 || rule.z_loss != 0 || rule.softcap != 0) return;
    fused_rows fused(head, 1, target, scale);
    compare(fused.found.loss, fused.gradient);
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
