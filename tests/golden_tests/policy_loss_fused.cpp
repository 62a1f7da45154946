// SPDX-License-Identifier: MIT
// Golden cases of the family policy_loss: GRPO's losses fused with the vocabulary projection, in double from the parts,
// in float through the op.
#include "fused_op.hpp"
#include <cmath>

namespace golden {
namespace {

// Hidden states and head with the bias as one more column: its gradient is that column's.
template <class T>
struct head {
  explicit head(test_case<T> const& test)
      : rows(test.raw("target").size() * test.raw("target").at(0).size()),
        vocabulary(test.rows("weight").size()),
        width(test.rows("weight").front().size() + (test.has("bias") ? 1 : 0)) {
    std::size_t const plain = test.rows("weight").front().size();
    auto const widen = [&](std::vector<T> const& values, std::vector<T> const& last) {
      std::vector<T> result;
      for (std::size_t i = 0; i < values.size() / plain; ++i) {
        result.insert(result.end(), values.begin() + static_cast<std::ptrdiff_t>(i * plain),
                      values.begin() + static_cast<std::ptrdiff_t>((i + 1) * plain));
        if (!last.empty()) result.push_back(last[i]);
      }
      return result;
    };
    bool const biased = test.has("bias");
    hidden = widen(test.flat("hidden"), biased ? std::vector<T>(rows, T(1)) : std::vector<T>{});
    weight = widen(test.flat("weight"), biased ? test.flat("bias") : std::vector<T>{});
  }

  void compare(test_case<T>& test, std::vector<T> const& d_hidden, std::vector<T> const& d_weight) const {
    std::size_t const plain = test.has("bias") ? width - 1 : width;
    auto const columns = [&](std::vector<T> const& values, std::size_t first, std::size_t last) {
      std::vector<T> result;
      for (std::size_t i = 0; i < values.size(); ++i)
        if (i % width >= first && i % width < last) result.push_back(values[i]);
      return result;
    };
    test.gradient("hidden", columns(d_hidden, 0, plain));
    test.gradient("weight", columns(d_weight, 0, plain));
    if (test.has("bias")) test.gradient("bias", columns(d_weight, plain, width));
  }

  std::size_t rows, vocabulary, width;
  std::vector<T> hidden, weight;
};

// The samples of a fused case; log_prob is not known yet.
template <class T>
struct fused_batch {
  std::vector<std::int64_t> target;
  std::vector<T> old, reference, advantage;
  flags mask;
  std::vector<std::int64_t> offsets{0};

  explicit fused_batch(test_case<T> const& test)
      : target(test.integers("target")),
        old(test.flat("old_logp")),
        reference(test.flat("ref_logp")),
        mask(test.flat("mask")) {
    std::size_t const rows = test.raw("mask").size();
    std::size_t const length = target.size() / rows;
    auto const given = test.flat("adv");
    for (std::size_t i = 0; i < target.size(); ++i) advantage.push_back(given[given.size() == rows ? i / length : i]);
    for (std::size_t i = 1; i <= rows; ++i) offsets.push_back(static_cast<std::int64_t>(i * length));
  }
};

// In double, from the parts: product, softmax, the loss, and back.
void run_fused(test_case<double>& test) {
  head<double> const h(test);
  fused_batch<double> const batch(test);
  double const temperature = test.parameter("temperature", 1);
  std::vector<double> probability(h.rows * h.vocabulary);
  std::vector<rlvr::token_sample<double>> samples;
  for (std::size_t i = 0; i < h.rows; ++i) {
    double* const row = probability.data() + i * h.vocabulary;
    double largest = -rlvr::unlimited, normaliser = 0;
    for (std::size_t v = 0; v < h.vocabulary; ++v) {
      for (std::size_t k = 0; k < h.width; ++k) row[v] += h.hidden[i * h.width + k] * h.weight[v * h.width + k];
      row[v] /= temperature;
      largest = std::max(largest, row[v]);
    }
    for (std::size_t v = 0; v < h.vocabulary; ++v) normaliser += std::exp(row[v] - largest);
    double const log_prob = row[static_cast<std::size_t>(batch.target[i])] - largest - std::log(normaliser);
    for (std::size_t v = 0; v < h.vocabulary; ++v) row[v] = std::exp(row[v] - largest) / normaliser;
    samples.push_back({.log_prob = log_prob,
                       .old_log_prob = batch.old[i],
                       .reference_log_prob = batch.reference[i],
                       .advantage = batch.advantage[i],
                       .selected = true});
  }
  packed_batch<double> packed(std::move(samples), flags(test.flat("mask")), h.rows / (batch.offsets.size() - 1));
  auto const found = evaluate_grpo(test, packed);
  test.output("loss", found.loss);
  std::vector<double> d_hidden(h.hidden.size()), d_weight(h.weight.size());
  for (std::size_t i = 0; i < h.rows; ++i) {
    for (std::size_t v = 0; v < h.vocabulary; ++v) {
      double const hit = static_cast<std::int64_t>(v) == batch.target[i] ? 1 : 0;
      double const d_logit = found.d_log_prob[i] * (hit - probability[i * h.vocabulary + v]) / temperature;
      for (std::size_t k = 0; k < h.width; ++k) {
        d_hidden[i * h.width + k] += d_logit * h.weight[v * h.width + k];
        d_weight[v * h.width + k] += d_logit * h.hidden[i * h.width + k];
      }
    }
  }
  h.compare(test, d_hidden, d_weight);
}

// In float, with the op.
void run_fused(test_case<float>& test) {
  head<float> const h(test);
  fused_batch<float> const batch(test);
  auto const aggregation = aggregation_of(test, h.rows / (batch.offsets.size() - 1));
  auto const statistics = aggregation.statistics(rlvr::count_batch(batch.mask.view(), batch.offsets));
  std::vector<std::int32_t> target(h.rows);
  std::vector<float> scale(h.rows);
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    auto const first = static_cast<std::size_t>(batch.offsets[row]);
    auto const last = static_cast<std::size_t>(batch.offsets[row + 1]);
    std::int64_t length = 0;
    for (std::size_t i = first; i < last; ++i) length += batch.mask[i] ? 1 : 0;
    for (std::size_t i = first; i < last; ++i) {
      target[i] = batch.mask[i] ? static_cast<std::int32_t>(batch.target[i]) : -1;
      scale[i] = aggregation.scale<float>(statistics, length);
    }
  }
  fused_output const found = evaluate_fused(
      {.rows = h.rows,
       .width = h.width,
       .vocabulary = h.vocabulary,
       .hidden = h.hidden,
       .weight = h.weight,
       .temperature = static_cast<float>(test.parameter("temperature", 1)),
       .target = target,
       .scale = scale,
       .advantage = batch.advantage,
       .old_log_prob = batch.old,
       .reference_log_prob = batch.reference},
      rlvr::kl_penalised<grpo_policy, rlvr::k3>{read_grpo_policy(test), rlvr::k3{}, test.parameter("beta", 0)});
  double loss = 0;
  for (std::size_t i = 0; i < h.rows; ++i) loss += static_cast<double>(scale[i]) * static_cast<double>(found.loss[i]);
  test.output("loss", static_cast<float>(loss));
  h.compare(test, found.hidden_gradient, found.weight_gradient);
}

}  // namespace

void add_policy_loss_fused(registry& all) {
  all.add("policy_loss", "fused_linear_grpo", []<class T>(test_case<T>& test) { run_fused(test); });
}

}  // namespace golden
