// SPDX-License-Identifier: MIT
/// @file
/// The vocabulary projection and everything that follows it, fused and chunked: logits are never materialised for the
/// whole batch.
///
/// `linear_policy_loss` takes hidden states and the head's weight and works in chunks of rows: product -> token body
/// (kernel/token_loss.hpp: softmax, objective, gradient written over the logits) -> two products.  Each row of logits
/// is whole when its log-prob, and so its ratio and clip, are known: nothing is recomputed.  Memory is
/// chunk_rows x vocabulary, whatever the objective.  Forward results do not depend on chunk_rows, in any bit; weight
/// gradients differ in the order of their sums.
#pragma once

#include <rlvr/core/shape.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/core/weight_view.hpp>
#include <rlvr/kernel/token_loss.hpp>

#include <cstddef>
#include <limits>
#include <string>

RLVR_NAMESPACE_BEGIN
namespace ops {

/// Hidden states and the head they meet.
struct linear_head {
  matrix_view<float const> hidden;  ///< [rows, width], after the final norm
  weight_view weight;               ///< [vocabulary, width]
  float temperature = 1.0f;         ///< logits are divided by it before the softmax
  std::size_t chunk_rows = 128;     ///< rows whose logits exist at one time

  void validate() const {
    require_extent("linear head: columns of the weight", weight.columns, hidden.columns);
    if (weight.rows == 0) throw shape_error("linear head: the vocabulary is empty");
    if (!(temperature >= std::numeric_limits<float>::min() && temperature <= std::numeric_limits<float>::max()))
      throw argument_error("linear head: the temperature must be positive and finite");
    if (chunk_rows == 0) throw argument_error("linear head: chunk_rows must be positive");
  }
};

/// Log-probability and entropy of given tokens, without gradients (old and reference policies, evaluation).
struct linear_log_prob {
  linear_head head;
  std::int32_t const* target = nullptr;  ///< [rows]; negative: masked, both results are 0
  float* log_prob = nullptr;             ///< [rows]; null: skipped
  float* entropy = nullptr;              ///< [rows]; null: skipped

  void validate() const {
    head.validate();
    if (!target && head.hidden.rows) throw argument_error("linear_log_prob: no targets");
  }
};

/// Loss and gradients of any token objective over the head.
template <token_objective Objective>
struct linear_policy_loss {
  linear_head head;
  Objective objective{};
  token_records records;               ///< entry i belongs to row i of `head.hidden`
  token_results results{};             ///< per row; the batch's loss is sum_i scale_i * loss_i.value
  matrix_view<float> hidden_gradient;  ///< [rows, width], written
  matrix_view<float> weight_gradient;  ///< [vocabulary, width], added to

  void validate() const {
    head.validate();
    if (!records.target && head.hidden.rows) throw argument_error("linear_policy_loss: no targets");
    if (records.sequence && !records.sequence_index && head.hidden.rows)
      throw argument_error("linear_policy_loss: sequence records need sequence_index");
    require_extent("linear_policy_loss: rows of the hidden gradient", hidden_gradient.rows, head.hidden.rows);
    require_extent("linear_policy_loss: columns of the hidden gradient", hidden_gradient.columns, head.hidden.columns);
    require_extent("linear_policy_loss: rows of the weight gradient", weight_gradient.rows, head.weight.rows);
    require_extent("linear_policy_loss: columns of the weight gradient", weight_gradient.columns, head.weight.columns);
  }
};

}  // namespace ops
RLVR_NAMESPACE_END
