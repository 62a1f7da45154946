// SPDX-License-Identifier: MIT
/// @file
/// A batch ready for a loss: a packed prefix tree and, for every token that is scored, the row that predicts it.
///
/// Supervised fine-tuning and policy gradients use the same batch and the same pass; they differ in the objective and
/// in which arrays are filled.  Scored tokens lie in the order in which they were added.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/model/prefix_tree.hpp>
#include <rlvr/ops/linear_policy_loss.hpp>
#include <rlvr/rl/aggregate.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace train {

/// Tokens to learn from.
struct token_batch {
  model::prefix_tree tree;
  std::vector<std::int32_t> row;          ///< [scored] hidden row that predicts the token
  std::vector<std::int32_t> target;       ///< [scored] the token
  std::vector<std::int32_t> sequence;     ///< [scored] index of its response
  std::vector<std::int64_t> lengths;      ///< [sequences] scored tokens
  std::vector<float> scale;               ///< [scored] weight in the loss, see `set_scales`
  std::vector<float> advantage;           ///< [scored] or empty
  std::vector<float> old_log_prob;        ///< [scored] or empty
  std::vector<float> reference_log_prob;  ///< [scored] or empty
  std::vector<float> behaviour_log_prob;  ///< [scored] or empty: old_log_prob
  std::vector<float> weight;              ///< [scored] importance weights, or empty: 1
  std::vector<std::uint8_t> selected;     ///< [scored] chosen by a selection of rl/token_selection.hpp, or empty
  std::vector<float> reward;              ///< [sequences] or empty: 0

  [[nodiscard]] std::size_t scored() const noexcept { return target.size(); }

  /// Appends a response below a segment; every token of it is scored.
  /// @return index of the response
  /// @throws argument_error if nothing stands before its first token
  std::int32_t add_response(std::span<std::int32_t const> tokens, std::int64_t parent) {
    std::int64_t const segment = tree.add_segment(tokens, parent);
    auto const index = static_cast<std::int32_t>(lengths.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::int64_t const predicting = tree.predicting_row(segment, static_cast<std::int64_t>(i));
      if (predicting < 0) throw argument_error("token_batch: a response needs a token before it");
      row.push_back(static_cast<std::int32_t>(predicting));
      target.push_back(tokens[i]);
      sequence.push_back(index);
    }
    lengths.push_back(static_cast<std::int64_t>(tokens.size()));
    return index;
  }

  /// Counts of this batch; sum those of all parts of a step for its global statistics.
  [[nodiscard]] batch_statistics statistics() const {
    batch_statistics result;
    for (std::int64_t const length : lengths) result.add_sequence(length);
    return result;
  }

  /// What a loss reads per token, in host memory; without targets and scales.
  [[nodiscard]] token_records records() const noexcept {
    auto const data = []<class Value>(std::vector<Value> const& values) {
      return values.empty() ? nullptr : values.data();
    };
    return {.advantage = data(advantage),
            .old_log_prob = data(old_log_prob),
            .reference_log_prob = data(reference_log_prob),
            .behaviour_log_prob = data(behaviour_log_prob),
            .weight = data(weight),
            .selected = data(selected)};
  }

  /// Fills `scale` from the statistics of the whole step, so that parts add up to one big batch.
  template <loss_aggregation Aggregation>
  void set_scales(Aggregation const& aggregation, batch_statistics const& global) {
    scale.resize(scored());
    for (std::size_t i = 0; i < scored(); ++i)
      scale[i] = aggregation.template scale<float>(global, lengths[static_cast<std::size_t>(sequence[i])]);
  }
};

}  // namespace train
RLVR_NAMESPACE_END
