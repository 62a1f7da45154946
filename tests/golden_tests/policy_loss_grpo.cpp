// SPDX-License-Identifier: MIT
// Golden cases of the family policy_loss: TRL's and Liger's GRPO losses, composed of the library's parts, and the same
// fused with the vocabulary projection.
#include <rlvr/backend/cpu/losses.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/ops/execute.hpp>
#include <rlvr/rl/importance_objectives.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/sequence_objectives.hpp>
#include <rlvr/rl/token_selection.hpp>

#include "policy_loss_batch.hpp"
#include <cmath>

namespace golden {
namespace {

// Calls `visit` with the policy term that the case describes.
template <class T, class Visit>
void with_policy(test_case<T> const& test, Visit const& visit) {
  double const cap = test.parameter("delta", rlvr::unlimited);
  auto const level = test.text("level", "token");
  if (test.text("loss_type") == "cispo") return visit(rlvr::cispo_capped(test.parameter("eps_high")));
  if (level == "token")
    return visit(
        rlvr::ppo_clip{.low = test.parameter("eps_low"), .high = test.parameter("eps_high"), .ratio_cap = cap});
  visit(rlvr::sequence_clip{
      .low = test.parameter("eps_low"),
      .high = test.parameter("eps_high"),
      .ratio_cap = cap,
      .gradient = level == "sequence" ? rlvr::sequence_gradient::sequence : rlvr::sequence_gradient::token});
}

// Calls `visit` with policy term and KL.
template <class T, class Visit>
void with_objective(test_case<T> const& test, Visit const& visit) {
  double const beta = test.parameter("beta", 0);
  bool const corrected = test.parameter("bias_correct_kl", 0) != 0;
  bool const sequence = test.text("level", "token") == "sequence";
  with_policy(test, [&](auto const& policy) {
    auto const weighted = rlvr::importance_weighted{rlvr::restricted_to{policy}};
    if (!corrected) return visit(rlvr::kl_penalised{weighted, rlvr::k3{}, beta});
    if (!sequence) return visit(rlvr::kl_penalised{weighted, rlvr::ratio_weighted{rlvr::k3{}}, beta});
    visit(rlvr::kl_penalised{weighted, rlvr::sequence_ratio_weighted{rlvr::k3{}}, beta});
  });
}

// Selects the tokens that keep their policy term.
template <class T>
void select_tokens(test_case<T> const& test, packed_batch<T>& batch) {
  flags selected(batch.samples.size(), true);
  if (test.has_parameter("top_entropy_quantile"))
    // The parameter is the share of tokens that stay.
    rlvr::select_high_entropy<T>(batch.column(&rlvr::token_sample<T>::entropy), batch.mask.view(),
                                 1 - test.parameter("top_entropy_quantile"), selected.span());
  for (std::size_t i = 0; i < batch.samples.size(); ++i) batch.samples[i].selected = selected[i];
}

template <class T>
void run_grpo(test_case<T>& test) {
  packed_batch<T> batch(test);
  select_tokens(test, batch);
  drop_off_policy_rows(test, batch);
  with_objective(test, [&](auto const& objective) {
    auto found = evaluate(test, batch, objective);
    if (test.has_parameter("entropy_coef")) {
      // A mean over tokens under every aggregation of the policy term.
      rlvr::entropy_regularised const bonus{rlvr::weighted_sum{0, rlvr::reinforce{}, 0, rlvr::reinforce{}},
                                            test.parameter("entropy_coef")};
      auto aggregation = aggregation_of(test, batch.padded_length);
      aggregation.mode = named_aggregation::kind::tokens;
      found += evaluate(batch, bonus, aggregation, aggregation.statistics(batch.statistics()));
    }
    compare_loss(test, found);
    compare_metrics(test, batch, found);
  });
}

// Hidden states and head with the bias as one more column: its gradient is that column's.
template <class T>
struct head {
  explicit head(test_case<T> const& test)
      : rows(test.raw("target").size() * test.raw("target").front().size()),
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

// In double, from the parts: product, softmax, batch_loss, and back.
void run_fused(test_case<double>& test) {
  head<double> const h(test);
  fused_batch<double> const batch(test);
  double const temperature = test.parameter("temperature", 1);
  auto const aggregation = aggregation_of(test, h.rows / (batch.offsets.size() - 1));
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
  with_objective(test, [&](auto const& objective) {
    std::vector<double> d_log_prob(h.rows);
    rlvr::summarise_sequences<double>(objective, samples, batch.mask.view(), batch.offsets);
    auto const statistics = aggregation.statistics(rlvr::count_batch(batch.mask.view(), batch.offsets));
    test.output("loss", rlvr::batch_loss<double>(objective, aggregation, statistics, samples, batch.mask.view(),
                                                 batch.offsets, {.d_log_prob = d_log_prob}));
    std::vector<double> d_hidden(h.hidden.size()), d_weight(h.weight.size());
    for (std::size_t i = 0; i < h.rows; ++i) {
      for (std::size_t v = 0; v < h.vocabulary; ++v) {
        double const hit = static_cast<std::int64_t>(v) == batch.target[i] ? 1 : 0;
        double const d_logit = d_log_prob[i] * (hit - probability[i * h.vocabulary + v]) / temperature;
        for (std::size_t k = 0; k < h.width; ++k) {
          d_hidden[i * h.width + k] += d_logit * h.weight[v * h.width + k];
          d_weight[v * h.width + k] += d_logit * h.hidden[i * h.width + k];
        }
      }
    }
    h.compare(test, d_hidden, d_weight);
  });
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
  std::vector<float> d_hidden(h.hidden.size()), d_weight(h.weight.size());
  std::vector<rlvr::loss_value<float>> losses(h.rows);
  rlvr::cpu::context context(1);
  with_policy(test, [&](auto const& policy) {
    rlvr::kl_penalised const objective{policy, rlvr::k3{}, test.parameter("beta", 0)};
    rlvr::ops::linear_policy_loss<std::remove_const_t<decltype(objective)>> const op{
        .head = {.hidden = {h.hidden.data(), h.rows, h.width},
                 .weight = {h.weight.data(), h.vocabulary, h.width},
                 .temperature = static_cast<float>(test.parameter("temperature", 1))},
        .objective = objective,
        .records = {.target = target.data(),
                    .scale = scale.data(),
                    .advantage = batch.advantage.data(),
                    .old_log_prob = batch.old.data(),
                    .reference_log_prob = batch.reference.data()},
        .results = {.loss = losses.data()},
        .hidden_gradient = {d_hidden.data(), h.rows, h.width},
        .weight_gradient = {d_weight.data(), h.vocabulary, h.width}};
    rlvr::execute(context, op);
  });
  double loss = 0;
  for (std::size_t i = 0; i < h.rows; ++i) loss += static_cast<double>(scale[i]) * static_cast<double>(losses[i].value);
  test.output("loss", static_cast<float>(loss));
  h.compare(test, d_hidden, d_weight);
}

}  // namespace

void add_policy_loss_grpo(registry& all) {
  all.add("policy_loss", "grpo_loss", []<class T>(test_case<T>& test) { run_grpo(test); });
  all.add("policy_loss", "fused_linear_grpo", []<class T>(test_case<T>& test) { run_fused(test); });
}

}  // namespace golden
