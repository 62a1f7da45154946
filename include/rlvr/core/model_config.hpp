// SPDX-License-Identifier: MIT
/// @file
/// The architecture of a decoder of the Llama family, as plain data.  Readers of config.json (format/) fill it in, the
/// transformer (model/) is built from it; it lives here because both may know it and neither may know the other.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

RLVR_NAMESPACE_BEGIN

/// Which of Hugging Face's classes the weights belong to; names and defaults of a config.json depend on it.
enum class model_family : std::uint8_t { llama, qwen2, qwen3 };

enum class rope_scaling_kind : std::uint8_t { none, linear, llama3 };

/// How rotary frequencies are stretched for long contexts; formulas in model/rope_table.hpp.
struct rope_scaling {
  rope_scaling_kind kind = rope_scaling_kind::none;
  double factor = 1.0;
  double low_freq_factor = 1.0;                          ///< llama3 only
  double high_freq_factor = 4.0;                         ///< llama3 only
  std::int64_t original_max_position_embeddings = 8192;  ///< llama3 only

  friend bool operator==(rope_scaling const&, rope_scaling const&) = default;
};

/// Sizes and switches of a model; names as in config.json.
struct model_config {
  model_family family = model_family::llama;
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;  ///< heads of keys and values; divides num_attention_heads
  std::int64_t head_dim = 0;             ///< even; need not be hidden_size / num_attention_heads
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  rope_scaling scaling{};
  std::int64_t max_position_embeddings = 2048;
  bool tie_word_embeddings = false;
  bool qkv_bias = false;     ///< Qwen2: always; Llama: with attention_bias
  bool output_bias = false;  ///< Llama with attention_bias
  bool qk_norm = false;      ///< Qwen3: RMSNorm over each head of q and k
  std::vector<std::int32_t> eos_token_ids;
  std::optional<std::int32_t> bos_token_id;
  std::optional<std::int32_t> pad_token_id;

  /// Columns of the query projection's output.
  [[nodiscard]] std::int64_t attention_size() const { return num_attention_heads * head_dim; }
  /// Columns of the key and value projections' outputs.
  [[nodiscard]] std::int64_t key_value_size() const { return num_key_value_heads * head_dim; }

  /// @throws argument_error naming the first field that contradicts the others
  void validate() const {
    auto const positive = [](char const* field, std::int64_t value, std::int64_t most) {
      if (value < 1 || value > most)
        throw argument_error(std::string(field) + ": found " + std::to_string(value) + ", expected 1 to " +
                             std::to_string(most));
    };
    constexpr std::int64_t widest = std::int64_t{1} << 24;  // products of two sizes and four bytes stay far below 2^63
    positive("vocab_size", vocab_size, widest);
    positive("hidden_size", hidden_size, widest);
    positive("intermediate_size", intermediate_size, widest);
    positive("num_hidden_layers", num_hidden_layers, 4096);
    positive("num_attention_heads", num_attention_heads, 65536);
    positive("num_key_value_heads", num_key_value_heads, num_attention_heads);
    positive("head_dim", head_dim, 65536);
    positive("max_position_embeddings", max_position_embeddings, std::int64_t{1} << 30);
    if (num_attention_heads % num_key_value_heads != 0)
      throw argument_error("num_key_value_heads: found " + std::to_string(num_key_value_heads) +
                           ", expected a divisor of num_attention_heads " + std::to_string(num_attention_heads));
    if (head_dim % 2 != 0)
      throw argument_error("head_dim: found " + std::to_string(head_dim) + ", expected an even number");
    if (!(rms_norm_eps > 0.0 && rms_norm_eps < 1.0)) throw argument_error("rms_norm_eps: expected a number in (0, 1)");
    if (!(rope_theta > 0.0)) throw argument_error("rope_theta: expected a positive number");
    if (scaling.kind != rope_scaling_kind::none && !(scaling.factor >= 1.0))
      throw argument_error("rope scaling factor: expected at least 1");
    if (scaling.kind == rope_scaling_kind::llama3 &&
        !(scaling.low_freq_factor > 0.0 && scaling.high_freq_factor > scaling.low_freq_factor &&
          scaling.original_max_position_embeddings > 0))
      throw argument_error("rope scaling llama3: expected 0 < low_freq_factor < high_freq_factor");
  }

  friend bool operator==(model_config const&, model_config const&) = default;
};

RLVR_NAMESPACE_END
