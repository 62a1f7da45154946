// SPDX-License-Identifier: MIT
/// @file
/// A model that trains in milliseconds.
#pragma once

#include <rlvr/core/model_config.hpp>

#include <cstdint>
#include <vector>

namespace test {

inline rlvr::model_config tiny_config(std::int64_t layers) {
  rlvr::model_config config;
  config.vocab_size = 12;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_hidden_layers = layers;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 8;
  config.max_position_embeddings = 64;
  config.tie_word_embeddings = true;
  return config;
}

/// Llama's heads, and Qwen's with norms and biases.
inline std::vector<rlvr::model_config> tiny_families() {
  rlvr::model_config const llama = tiny_config(2);
  rlvr::model_config qwen = tiny_config(2);
  qwen.qkv_bias = true;
  qwen.qk_norm = true;
  qwen.tie_word_embeddings = false;
  return {llama, qwen};
}

}  // namespace test
