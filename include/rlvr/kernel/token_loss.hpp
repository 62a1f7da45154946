// SPDX-License-Identifier: MIT
/// @file
/// One row of logits and any token objective over its target, fused: with log p_t and H as in kernel/softmax.hpp, a
/// loss f(log p_t, H) with scale c puts c (f_l d log p_t + f_H d H) / T over the raw logits.  The row is read while it
/// is in cache, written once, and never stored for the whole batch (Liger, arXiv 2410.10989, has the idea for fixed
/// losses; here the objective is a template parameter).
#pragma once

#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/kernel/cooperative_group.hpp>
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/rl/token_sample.hpp>

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
  float const* weight = nullptr;              ///< importance weights (rl/correction.hpp); null: 1
  std::uint8_t const* selected = nullptr;     ///< not 0: chosen by a pass over the batch; null: none is
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
  if (records.weight) sample.weight = records.weight[row];
  sample.selected = records.selected && records.selected[row] != 0;
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
  row_statistics<float> const s = softmax_statistics(group, logits, vocabulary, inverse_temperature);
  float const log_prob = log_probability(s, logits[target], inverse_temperature);
  loss_value<float> const loss = objective(make_token_sample(records, record, log_prob, s.entropy));
  group.once([&] {
    if (results.log_prob) results.log_prob[record] = log_prob;
    if (results.entropy) results.entropy[record] = s.entropy;
    if (results.loss) results.loss[record] = loss;
  });
  float const scale = (records.scale ? records.scale[record] : 1.0f) * inverse_temperature;
  group.sync();  // every thread has read logits[target] before any thread overwrites it
  replace_by_gradient(group, logits, vocabulary, inverse_temperature, s, target, scale * loss.d_log_prob,
                      scale * loss.d_entropy);
}

}  // namespace kernel
RLVR_NAMESPACE_END
