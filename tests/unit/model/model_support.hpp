// SPDX-License-Identifier: MIT
/// @file
/// Tiny models with random weights, random trees, and bits for comparison.
#pragma once

#include <rlvr/cpu.hpp>
#include <rlvr/train/learner.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace model_support {

using ids = std::vector<std::int32_t>;
using learner = rlvr::train::learner<rlvr::cpu::context>;
using generator = std::mt19937_64;

inline constexpr std::int32_t vocabulary = 37;

/// Odd sizes; every switch of the family.
[[nodiscard]] inline rlvr::model_config tiny(rlvr::model_family family) {
  rlvr::model_config config;
  config.family = family;
  config.vocab_size = vocabulary;
  config.hidden_size = 20;
  config.intermediate_size = 28;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 6;
  config.max_position_embeddings = 128;
  config.eos_token_ids = {1};
  config.tie_word_embeddings = family == rlvr::model_family::qwen2;
  config.qkv_bias = family == rlvr::model_family::qwen2;
  config.qk_norm = family == rlvr::model_family::qwen3;
  if (family == rlvr::model_family::llama) config.scaling = {rlvr::rope_scaling_kind::llama3, 8, 1, 4, 64};
  return config;
}

inline constexpr rlvr::model_family families[] = {rlvr::model_family::llama, rlvr::model_family::qwen2,
                                                  rlvr::model_family::qwen3};

/// Weights of a size at which attention and gates are far from linear; norms and biases are random as well.
inline void randomise(learner& model, std::uint64_t seed) {
  generator random(seed);
  std::normal_distribution<float> normal(0.0f, 0.35f);
  for (auto const& info : model.weights().layout().tensors())
    for (float& w : model.weights().values(info))
      w = normal(random) + (info.name.ends_with("norm.weight") ? 1.0f : 0.0f);
}

[[nodiscard]] inline ids random_ids(generator& random, std::size_t count) {
  ids result(count);
  for (auto& id : result) id = static_cast<std::int32_t>(random() % vocabulary);
  return result;
}

/// A sequence cut where sharing ends: what stands before, and the tokens that are scored.
struct cut_sequence {
  ids before;
  ids scored;
};

/// A random tree whose inner and outer segments are all scored, and the same as sequences.
struct random_tree {
  rlvr::train::token_batch batch;
  std::vector<cut_sequence> sequences;

  random_tree(generator& random, std::size_t depth) {
    std::size_t const roots = 1 + random() % 2;
    for (std::size_t r = 0; r < roots; ++r) {
      ids const root = random_ids(random, 1 + random() % 9);
      grow(random, batch.tree.add_segment(root), root, depth);
    }
    batch.set_scales(rlvr::token_mean{}, batch.statistics());
  }

 private:
  void grow(generator& random, std::int64_t parent, ids const& before, std::size_t depth) {
    if (depth == 0) return;
    std::size_t const children = 1 + random() % 3;
    for (std::size_t c = 0; c < children; ++c) {
      ids const own = random_ids(random, random() % 8);  // now and then empty
      batch.add_response(own, parent);
      sequences.push_back({before, own});
      ids whole = before;
      whole.insert(whole.end(), own.begin(), own.end());
      grow(random, static_cast<std::int64_t>(batch.tree.segments().size()) - 1, whole, depth - 1);
    }
  }
};

/// Sequences side by side, nothing shared.
[[nodiscard]] inline rlvr::train::token_batch flat(std::vector<cut_sequence> const& sequences) {
  rlvr::train::token_batch batch;
  for (auto const& sequence : sequences) batch.add_response(sequence.scored, batch.tree.add_segment(sequence.before));
  batch.set_scales(rlvr::token_mean{}, batch.statistics());
  return batch;
}

[[nodiscard]] inline std::vector<std::uint32_t> bits(std::span<float const> values) {
  std::vector<std::uint32_t> result;
  for (float const v : values) result.push_back(std::bit_cast<std::uint32_t>(v));
  return result;
}

/// Log-probs, then entropies.
[[nodiscard]] inline std::vector<std::uint32_t> forward_bits(learner& model, rlvr::train::token_batch const& batch,
                                                             rlvr::train::head_settings const& head = {}) {
  std::vector<float> log_prob, entropy;
  model.log_probs(model.weights(), batch, head, log_prob, &entropy);
  log_prob.insert(log_prob.end(), entropy.begin(), entropy.end());
  return bits(log_prob);
}

}  // namespace model_support
