// SPDX-License-Identifier: MIT
/// @file
/// Drawing the next token of many sequences (kernel/sample.hpp).
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/core/shape.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/kernel/sample.hpp>
#include <rlvr/kernel/token_loss.hpp>

#include <cstdint>
#include <limits>

RLVR_NAMESPACE_BEGIN
namespace ops {

/// ids[i] ~ softmax(logits[i] / temperature), filtered; keyed, so a sequence's draws do not depend on its neighbours.
struct sample_tokens {
  matrix_view<float const> logits;  ///< [rows, vocabulary]
  sampling_settings settings{};
  sample_key const* key = nullptr;  ///< [rows]
  std::int32_t* id = nullptr;       ///< [rows], written
  float* log_prob = nullptr;        ///< [rows]: of the drawn token under softmax(logits / temperature) over the whole
                                    ///< vocabulary (greedy: temperature 1); null: skipped
  float* entropy = nullptr;         ///< [rows], of the same distribution; null: skipped
  float* kept_mass = nullptr;       ///< [rows], probability of what the filters kept; null: skipped

  void validate() const {
    if (logits.rows == 0) return;
    if (logits.columns == 0) throw shape_error("sample_tokens: the vocabulary is empty");
    if (!key || !id) throw argument_error("sample_tokens: key and id are required");
    if (settings.temperature != 0.0f && !(settings.temperature >= std::numeric_limits<float>::min() &&
                                          settings.temperature <= std::numeric_limits<float>::max()))
      throw argument_error("sample_tokens: the temperature must be 0 (greedy), or positive and finite");
    if (settings.top_k < 0) throw argument_error("sample_tokens: top_k must not be negative");
    if (settings.vocabulary_limit < 0) throw argument_error("sample_tokens: vocabulary_limit must not be negative");
    if (!(settings.top_p > 0.0f && settings.top_p <= 1.0f))
      throw argument_error("sample_tokens: top_p is not in (0, 1]");
    if (!(settings.min_p >= 0.0f && settings.min_p <= 1.0f))
      throw argument_error("sample_tokens: min_p is not in [0, 1]");
  }
};

}  // namespace ops
RLVR_NAMESPACE_END
