// SPDX-License-Identifier: MIT
/// @file
/// Batches for the tests of the head's losses.
#pragma once

#include <rlvr/ops/linear_policy_loss.hpp>

#include "harness.hpp"
#include <reference/token_loss.hpp>
#include <support/backend.hpp>

namespace test {

enum class masking { none, some, all };

struct loss_case {
  std::size_t rows, width, vocabulary, chunk_rows;
  float temperature;
  masking mask;
  unsigned seed;

  friend std::ostream& operator<<(std::ostream& out, loss_case const& c) {
    return out << "rows=" << c.rows << " width=" << c.width << " vocabulary=" << c.vocabulary
               << " chunk_rows=" << c.chunk_rows << " temperature=" << c.temperature << " mask="
               << (c.mask == masking::none   ? "none"
                   : c.mask == masking::some ? "some"
                                             : "all")
               << " seed=" << c.seed;
  }
};

/// Inputs of a loss: hidden states, head, and records near the policy (log-ratios of some tenths), in both types.
struct loss_batch {
  guarded hidden, weight;
  storage<std::int32_t> target, sequence_index;
  storage<float> scale, advantage, old_log_prob, reference_log_prob, behaviour_log_prob;
  storage<rlvr::sequence_record<float>> sequence;
  std::vector<reference::token_record> records;

  explicit loss_batch(loss_case const& c)
      : hidden(c.rows, c.width, c.seed % 3), weight(c.vocabulary, c.width, c.seed % 2 ? 5 : 0) {
    std::mt19937 engine(c.seed);
    hidden.randomise(engine);
    weight.randomise(engine, 2.0f);
    auto const uniform = [&](double low, double high) {
      return static_cast<float>(low + (high - low) * static_cast<double>(engine()) * 0x1p-32);
    };
    for (int s = 0; s < 3; ++s) sequence.push_back({.length = 4, .mean_log_ratio = uniform(-0.3, 0.3), .index = s});
    for (std::size_t i = 0; i < c.rows; ++i) {
      bool const masked = c.mask == masking::all || (c.mask == masking::some && i % 3 == 1);
      target.push_back(masked ? -1 : static_cast<std::int32_t>(engine() % c.vocabulary));
      records.push_back({.target = target.back()});
    }
    auto const now = reference::linear_policy_loss(
        reference::copy_of(hidden.view()), reference::copy_of(weight.view()), static_cast<double>(c.temperature),
        records, [](double, double, reference::token_record const&) { return 0.0; }, false);
    for (std::size_t i = 0; i < c.rows; ++i) {
      sequence_index.push_back(static_cast<std::int32_t>(i % 3));
      bool const masked = target[i] < 0;  // masked positions may hold anything
      scale.push_back(masked ? nan : uniform(0.1, 1));
      advantage.push_back(masked ? nan : (i % 5 == 4 ? 0.0f : uniform(-2, 2)));
      old_log_prob.push_back(masked ? nan : static_cast<float>(now.log_prob[i]) + uniform(-0.5, 0.5));
      reference_log_prob.push_back(masked ? nan : static_cast<float>(now.log_prob[i]) + uniform(-1, 1));
      behaviour_log_prob.push_back(masked ? nan : old_log_prob[i] + uniform(-0.1, 0.1));
      records[i].scale = static_cast<double>(scale[i]);
      records[i].advantage = static_cast<double>(advantage[i]);
      records[i].old_log_prob = static_cast<double>(old_log_prob[i]);
      records[i].reference_log_prob = static_cast<double>(reference_log_prob[i]);
      records[i].behaviour_log_prob = static_cast<double>(behaviour_log_prob[i]);
      records[i].mean_log_ratio = static_cast<double>(sequence[i % 3].mean_log_ratio);
    }
  }

  [[nodiscard]] rlvr::token_records library_records() const {
    return {.target = target.data(),
            .scale = scale.data(),
            .advantage = advantage.data(),
            .old_log_prob = old_log_prob.data(),
            .reference_log_prob = reference_log_prob.data(),
            .behaviour_log_prob = behaviour_log_prob.data(),
            .sequence = sequence.data(),
            .sequence_index = sequence_index.data()};
  }
  [[nodiscard]] rlvr::ops::linear_head head(loss_case const& c) {
    return {.hidden = hidden.view(), .weight = weight.view(), .temperature = c.temperature, .chunk_rows = c.chunk_rows};
  }
};

/// What a loss writes.
struct loss_outputs {
  guarded log_prob, entropy, hidden_gradient, weight_gradient;
  storage<rlvr::loss_value<float>> loss;

  explicit loss_outputs(loss_case const& c)
      : log_prob(1, c.rows),
        entropy(1, c.rows),
        hidden_gradient(c.rows, c.width, 3),
        weight_gradient(c.vocabulary, c.width, 1),
        loss(c.rows, {nan, nan, nan, nan}) {
    weight_gradient.fill(0.0f);
  }
};

template <class Objective>
loss_outputs run_loss(test::context& where, loss_case const& c, loss_batch& batch, Objective const& objective) {
  loss_outputs out(c);
  test::execute(
      where, rlvr::ops::linear_policy_loss<Objective>{
                 .head = batch.head(c),
                 .objective = objective,
                 .records = batch.library_records(),
                 .results = {.log_prob = out.log_prob.data(), .entropy = out.entropy.data(), .loss = out.loss.data()},
                 .hidden_gradient = out.hidden_gradient.view(),
                 .weight_gradient = out.weight_gradient.view()});
  return out;
}

}  // namespace test
