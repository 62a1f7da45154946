// SPDX-License-Identifier: MIT
// What meets the whole vocabulary: the fused loss, log-probabilities, sampling.
#include <rlvr/backend/cuda/losses.cuh>
#include <rlvr/rl/objective.hpp>

#include "operands.hpp"
#include <cstdint>

namespace benchmarks {
namespace {

using cases::vocabulary_case;
using cases::vocabulary_op;

operation sampling(vocabulary_case const& c) {
  auto const owner = std::make_shared<operands>();
  std::vector<rlvr::sample_key> keys(c.rows);
  for (std::size_t i = 0; i < c.rows; ++i) keys[i] = {.seed = 1, .prompt = static_cast<std::uint32_t>(i)};
  rlvr::ops::sample_tokens op{.logits = owner->matrix(c.rows, c.vocabulary, 8.0f),
                              .key = owner->copy_of(keys),
                              .id = owner->copy_of(std::vector<std::int32_t>(c.rows))};
  if (c.op == vocabulary_op::sample_filtered) {
    op.settings.top_k = 50;
    op.settings.top_p = 0.95f;
  }
  if (c.op == vocabulary_op::sample_scored) {
    op.log_prob = owner->array(c.rows).data();
    op.entropy = owner->array(c.rows).data();
  }
  return runs(owner, op);
}

operation prepare(vocabulary_case const& c) {
  if (c.samples()) return sampling(c);
  auto const owner = std::make_shared<operands>();
  std::vector<std::int32_t> target(c.rows);
  for (std::size_t i = 0; i < c.rows; ++i) target[i] = static_cast<std::int32_t>(i * 48271 % c.vocabulary);
  rlvr::ops::linear_head const head{.hidden = owner->matrix(c.rows, c.width),
                                    .weight = owner->weight(c.vocabulary, c.width, c.type, 0.1f),
                                    .chunk_rows = c.chunk_rows};
  std::int32_t const* const targets = owner->copy_of(target);
  float* const log_prob = owner->array(c.rows).data();
  float* const entropy = owner->array(c.rows).data();
  if (c.op == vocabulary_op::log_prob)
    return runs(owner,
                rlvr::ops::linear_log_prob{.head = head, .target = targets, .log_prob = log_prob, .entropy = entropy});
  rlvr::ops::linear_policy_loss<rlvr::ppo_clip> loss{};
  loss.head = head;
  loss.records.target = targets;
  loss.records.advantage = owner->array(c.rows).data();
  loss.results.log_prob = log_prob;
  loss.hidden_gradient = owner->matrix(c.rows, c.width, 0.0f);
  loss.weight_gradient = owner->matrix(c.vocabulary, c.width, 0.0f);
  return runs(owner, loss);
}

}  // namespace

void add_vocabulary_cases(std::vector<entry>& entries, bool reduced) {
  for (vocabulary_case const& full : cases::vocabulary_cases()) {
    vocabulary_case const c = sized(full, reduced);
    entries.push_back({full.name(), c.least(), c.units(), [c](rlvr::cuda::context&) { return prepare(c); }});
  }
}

}  // namespace benchmarks
