// SPDX-License-Identifier: MIT
/// @file
/// What generation is asked and what it answers (model/generate.hpp), and the memory that it may keep between calls.
#pragma once

#include <rlvr/core/model_config.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/core/step_input.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/model/kv_cache.hpp>
#include <rlvr/ops/sample_tokens.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace model {

/// A prompt and how often to continue it.
struct generation_prompt {
  std::vector<std::int32_t> tokens;  ///< after the shared prefix; may be empty if the prefix is not
  std::uint32_t id = 0;              ///< part of the random key; the same id draws the same tokens
  std::uint32_t samples = 1;         ///< group size
};

struct generation_options {
  sampling_settings sampling{};
  std::size_t max_new_tokens = 128;
  std::vector<std::int32_t> stop_ids;  ///< a sequence ends after one of them (it is kept)
  std::size_t max_active = 64;         ///< sequences that decode side by side
  std::int64_t cache_rows = 0;         ///< tokens that the cache holds; 0: enough for max_active sequences
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
};

enum class finish_reason : std::uint8_t {
  stop,   ///< a stop id was drawn
  length  ///< max_new_tokens were drawn: truncated
};

/// One continuation, by token ids; text is for rewards and people.
struct generated_sequence {
  std::size_t prompt = 0;  ///< index of its prompt
  std::uint32_t sample = 0;
  std::vector<std::int32_t> tokens;
  std::vector<float> log_probs;  ///< of each token under softmax(logits / temperature), whole vocabulary
  std::vector<float> entropies;
  std::vector<float> kept_mass;  ///< probability of what top-k, top-p and min-p kept; 1 without them
  finish_reason finish = finish_reason::length;
};

/// The memory of calls of `generate`: the cache of keys and values above all.  It grows to what the largest call
/// needed. With the same memory (and runner) a later call replays the decode steps whose shapes an earlier one has
/// captured.
template <class Memory>
class generation_memory {
 public:
  /// A cache of at least `rows` rows; one that suffices is used again.
  [[nodiscard]] kv_cache<Memory>& cache(model_config const& config, std::int64_t rows) {
    if (!cache_ || layers_ != config.num_hidden_layers || width_ != config.key_value_size() || cache_->rows() < rows) {
      cache_.reset();  // before the new one, so that they need not both fit
      cache_.emplace(config, rows);
      layers_ = config.num_hidden_layers;
      width_ = config.key_value_size();
    }
    return *cache_;
  }

  step_input<std::int32_t, Memory> row_index;  ///< of sequences without a token: their prompts
  step_input<sample_key, Memory> keys;
  matrix<float, Memory> prefix_hidden;  ///< the last hidden state of the prefix
  matrix<float, Memory> prompt_hidden;  ///< of each prompt
  matrix<float, Memory> hidden;         ///< [active, hidden]
  matrix<float, Memory> logits;         ///< [active, vocabulary]
  matrix<float, Memory> drawn;          ///< [3, active]: log-prob, entropy, kept mass
  buffer<std::int32_t, Memory> ids;     ///< [active]

 private:
  std::optional<kv_cache<Memory>> cache_;
  std::int64_t layers_ = 0;
  std::int64_t width_ = 0;
};

}  // namespace model
RLVR_NAMESPACE_END
