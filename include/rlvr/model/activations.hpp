// SPDX-License-Identifier: MIT
/// @file
/// What a layer's forward pass keeps for its backward pass, and the scratch of the backward pass.
#pragma once

#include <rlvr/core/model_config.hpp>
#include <rlvr/core/replay_key.hpp>
#include <rlvr/core/tensor.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace model {

/// Activations of one layer over `rows` tokens.
template <class Memory>
struct layer_activations {
  matrix<float, Memory> attention_input;  ///< [rows, hidden], after the norm
  buffer<float, Memory> attention_inverse_rms;
  matrix<float, Memory> query_raw;     ///< [rows, heads * head_dim]; rotated in place unless heads are normed
  matrix<float, Memory> key_raw;       ///< [rows, kv_heads * head_dim]
  matrix<float, Memory> query_normed;  ///< only where heads are normed (Qwen3)
  matrix<float, Memory> key_normed;
  buffer<float, Memory> query_inverse_rms;  ///< [rows * heads]
  buffer<float, Memory> key_inverse_rms;
  matrix<float, Memory> value;
  matrix<float, Memory> attention_maximum;             ///< [rows, heads]
  matrix<float, Memory> attention_inverse_normaliser;  ///< [rows, heads]
  matrix<float, Memory> attended;                      ///< [rows, heads * head_dim]
  matrix<float, Memory> middle;                        ///< [rows, hidden], the residual stream after attention
  matrix<float, Memory> mlp_input;                     ///< [rows, hidden], after the norm
  buffer<float, Memory> mlp_inverse_rms;
  matrix<float, Memory> gate, up, activated;  ///< [rows, intermediate]

  void resize(model_config const& config, std::size_t rows) {
    auto const hidden = static_cast<std::size_t>(config.hidden_size);
    auto const attention = static_cast<std::size_t>(config.attention_size());
    auto const key_value = static_cast<std::size_t>(config.key_value_size());
    auto const heads = static_cast<std::size_t>(config.num_attention_heads);
    auto const inner = static_cast<std::size_t>(config.intermediate_size);
    attention_input.resize(rows, hidden);
    attention_inverse_rms.reserve(rows);
    query_raw.resize(rows, attention);
    key_raw.resize(rows, key_value);
    normed_heads = config.qk_norm;
    if (normed_heads) {
      query_normed.resize(rows, attention);
      key_normed.resize(rows, key_value);
      query_inverse_rms.reserve(rows * heads);
      key_inverse_rms.reserve(rows * static_cast<std::size_t>(config.num_key_value_heads));
    }
    value.resize(rows, key_value);
    attention_maximum.resize(rows, heads);
    attention_inverse_normaliser.resize(rows, heads);
    attended.resize(rows, attention);
    middle.resize(rows, hidden);
    mlp_input.resize(rows, hidden);
    mlp_inverse_rms.reserve(rows);
    gate.resize(rows, inner);
    up.resize(rows, inner);
    activated.resize(rows, inner);
  }

  void fingerprint(replay_key& key) const {
    for (auto const* m :
         {&attention_input, &query_raw, &key_raw, &query_normed, &key_normed, &value, &attention_maximum,
          &attention_inverse_normaliser, &attended, &middle, &mlp_input, &gate, &up, &activated})
      key.add(*m);
    for (auto const* b : {&attention_inverse_rms, &query_inverse_rms, &key_inverse_rms, &mlp_inverse_rms}) key.add(*b);
  }

  /// Queries as attention sees them.
  [[nodiscard]] matrix_view<float> query() const { return normed_heads ? query_normed.view() : query_raw.view(); }
  [[nodiscard]] matrix_view<float> key() const { return normed_heads ? key_normed.view() : key_raw.view(); }

  bool normed_heads = false;
};

/// Gradients that flow through one layer at a time.
template <class Memory>
struct layer_gradients {
  matrix<float, Memory> residual;   ///< [rows, hidden]
  matrix<float, Memory> branch;     ///< [rows, hidden], of a norm's output
  matrix<float, Memory> activated;  ///< [rows, intermediate]
  matrix<float, Memory> attended;   ///< [rows, heads * head_dim]
  matrix<float, Memory> query, key, value, query_raw, key_raw;

  void resize(model_config const& config, std::size_t rows) {
    auto const hidden = static_cast<std::size_t>(config.hidden_size);
    auto const attention = static_cast<std::size_t>(config.attention_size());
    auto const key_value = static_cast<std::size_t>(config.key_value_size());
    residual.resize(rows, hidden);
    branch.resize(rows, hidden);
    activated.resize(rows, static_cast<std::size_t>(config.intermediate_size));
    attended.resize(rows, attention);
    query.resize(rows, attention);
    key.resize(rows, key_value);
    value.resize(rows, key_value);
    if (config.qk_norm) {
      query_raw.resize(rows, attention);
      key_raw.resize(rows, key_value);
    }
  }

  void fingerprint(replay_key& words) const {
    for (auto const* m : {&residual, &branch, &activated, &attended, &query, &key, &value, &query_raw, &key_raw})
      words.add(*m);
  }
};

}  // namespace model
RLVR_NAMESPACE_END
