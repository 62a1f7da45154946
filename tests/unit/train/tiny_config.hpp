// SPDX-License-Identifier: MIT
/// @file
/// A model that trains in milliseconds.
#pragma once

#include <rlvr/core/model_config.hpp>

#include <cstdint>

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

}  // namespace test
