// SPDX-License-Identifier: MIT
/// @file
/// One row of logits: log-probability and entropy of the target, and (fused) any token objective with the gradient of
/// the logits.  With m = max_j l_j, z = sum_j e^(l_j - m), p_j = e^(l_j - m) / z, temperature T (l = raw / T):
///
///   log p_t = l_t - m - log z,     H = log z - sum_j p_j (l_j - m)
///   d log p_t / d l_j = [j = t] - p_j,     d H / d l_j = -p_j (log p_j + H)
///
/// and a loss f(log p_t, H) with scale c puts c (f_l d log p_t + f_H d H) / T over the raw logits.  The row is read
/// while it is in cache, written once, and never stored for the whole batch (Liger, arXiv 2410.10989, has the idea
/// for fixed losses; here the objective is a template parameter).
#pragma once

#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/kernel/cooperative_group.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN

/// What the rows of a loss are compared with, one entry per row; a null array has the default that stands there.
struct token_records {
  std::int32_t const* target = nullptr;       ///< token id; negative: the row is masked, its loss and gradient are 0
  float const* scale = nullptr;               ///< weight in the batch's loss (rl/aggregate.hpp); null: 1
  float const* advantage = nullptr;           ///< null: 0
  float const* old_log_prob = nullptr;        ///< null: the row's own log-prob, held constant (strictly on-policy)
  float const* reference_log_prob = nullptr;  ///< null: the row's own log-prob, held constant
  float const* behaviour_log_prob = nullptr;  ///< null: old_log_prob
  sequence_record<float> const* sequence = nullptr;  ///< records of sequences; null: empty records
  std::int32_t const* sequence_index = nullptr;      ///< which of them the row belongs to
};

/// What a loss reports per row; a null array is not written.
struct token_results {
  float* log_prob = nullptr;
  float* entropy = nullptr;
  loss_value<float>* loss = nullptr;  ///< unscaled
};

namespace kernel {

/// Softmax statistics of a row.
struct row_statistics {
  float maximum;             ///< of the raw logits
  float log_normaliser;      ///< log z
  float inverse_normaliser;  ///< 1 / z
  float entropy;
};

/// l_j - m with the temperature applied.  Subtracting first is exact where logits are close, and leaves no product and
/// sum next to each other that one compiler would fuse and another not.
[[nodiscard]] RLVR_HD inline float shifted_logit(float logit, float maximum, float inverse_temperature) {
  return (logit - maximum) * inverse_temperature;
}

/// Reads the row three times.  -inf logits (tokens that may not occur) have probability 0 and add 0 to the entropy.
template <cooperative_group Group>
[[nodiscard]] RLVR_HD row_statistics softmax_statistics(Group const& group, float const* logits, std::size_t vocabulary,
                                                        float inverse_temperature) {
  float const m = group.max(vocabulary, [=](std::size_t j) { return logits[j]; });
  float const z =
      group.sum(vocabulary, [=](std::size_t j) { return math::exp(shifted_logit(logits[j], m, inverse_temperature)); });
  float const weighted = group.sum(vocabulary, [=](std::size_t j) {
    float const shifted = shifted_logit(logits[j], m, inverse_temperature);
    float const e = math::exp(shifted);
    return e > 0.0f ? e * shifted : 0.0f;
  });
  float const log_z = std::log(z);
  return {m, log_z, 1.0f / z, log_z - weighted / z};
}

/// log p of a logit of the row.
[[nodiscard]] RLVR_HD inline float log_probability(row_statistics const& s, float logit, float inverse_temperature) {
  return math::multiply_add(logit - s.maximum, inverse_temperature, -s.log_normaliser);
}

/// Log-probability and entropy of one row; masked rows give 0.
template <cooperative_group Group>
RLVR_HD void token_log_prob_row(Group const& group, float const* logits, std::size_t vocabulary,
                                float inverse_temperature, std::int32_t target, float* log_prob, float* entropy) {
  if (target < 0) {  // the whole group agrees on this branch
    group.once([&] {
      if (log_prob) *log_prob = 0.0f;
      if (entropy) *entropy = 0.0f;
    });
    return;
  }
  row_statistics const s = softmax_statistics(group, logits, vocabulary, inverse_temperature);
  group.once([&] {
    if (log_prob) *log_prob = log_probability(s, logits[target], inverse_temperature);
    if (entropy) *entropy = s.entropy;
  });
}

/// The sample that row `row` of the records describes.
[[nodiscard]] RLVR_HD inline token_sample<float> make_token_sample(token_records const& records, std::size_t row,
                                                                   float log_prob, float entropy) {
  float const old = records.old_log_prob ? records.old_log_prob[row] : log_prob;
  token_sample<float> sample{};
  sample.log_prob = log_prob;
  sample.old_log_prob = old;
  sample.reference_log_prob = records.reference_log_prob ? records.reference_log_prob[row] : log_prob;
  sample.behaviour_log_prob = records.behaviour_log_prob ? records.behaviour_log_prob[row] : old;
  sample.advantage = records.advantage ? records.advantage[row] : 0.0f;
  sample.entropy = entropy;
  if (records.sequence) sample.sequence = records.sequence[records.sequence_index[row]];
  return sample;
}

/// The fused row: on return `logits` holds the gradient of scale * objective with respect to the raw logits.
/// @param record  index of the row's entry in `records` and `results`
template <cooperative_group Group, token_objective Objective>
RLVR_HD void token_loss_row(Group const& group, float* logits, std::size_t vocabulary, float inverse_temperature,
                            Objective const& objective, token_records const& records, token_results const& results,
                            std::size_t record) {
  std::int32_t const target = records.target[record];
  if (target < 0) {
    group.for_each(vocabulary, [=](std::size_t j) { logits[j] = 0.0f; });
    group.once([&] {
      if (results.log_prob) results.log_prob[record] = 0.0f;
      if (results.entropy) results.entropy[record] = 0.0f;
      if (results.loss) results.loss[record] = loss_value<float>{};
    });
    return;
  }
  row_statistics const s = softmax_statistics(group, logits, vocabulary, inverse_temperature);
  float const log_prob = log_probability(s, logits[target], inverse_temperature);
  loss_value<float> const loss = objective(make_token_sample(records, record, log_prob, s.entropy));
  group.once([&] {
    if (results.log_prob) results.log_prob[record] = log_prob;
    if (results.entropy) results.entropy[record] = s.entropy;
    if (results.loss) results.loss[record] = loss;
  });
  float const scale = (records.scale ? records.scale[record] : 1.0f) * inverse_temperature;
  float const by_log_prob = scale * loss.d_log_prob;
  float const by_entropy = scale * loss.d_entropy;
  group.sync();  // every thread has read logits[target] before any thread overwrites it
  if (by_entropy == 0.0f) {
    group.for_each(vocabulary, [=](std::size_t j) {
      logits[j] =
          -by_log_prob * (math::exp(shifted_logit(logits[j], s.maximum, inverse_temperature)) * s.inverse_normaliser);
    });
  } else {
    group.for_each(vocabulary, [=](std::size_t j) {
      float const shifted = shifted_logit(logits[j], s.maximum, inverse_temperature);
      float const p = math::exp(shifted) * s.inverse_normaliser;
      float const log_p = p > 0.0f ? shifted - s.log_normaliser : 0.0f;
      logits[j] = -p * (by_log_prob + by_entropy * (log_p + s.entropy));
    });
  }
  group.sync();
  group.once([&] { logits[target] += by_log_prob; });
}

}  // namespace kernel
RLVR_NAMESPACE_END
