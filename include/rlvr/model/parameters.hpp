// SPDX-License-Identifier: MIT
/// @file
/// The weights: one flat arena and named views into it.  Gradients and the optimiser's moments are arenas of the same
/// layout, so that a step of the optimiser is one pass over four flat arrays.  Names and shapes are Hugging Face's.
///
/// `parameters` owns them in float.  `bf16_parameters` adds a bfloat16 copy of the same layout, from which products
/// take their weights while norms and biases stay float; the optimiser steps the float master copy (mixed precision,
/// Micikevicius et al., arXiv 1710.03740).  A forward pass takes either, as `model_weights`.
#pragma once

#include <rlvr/core/dtype.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/model_config.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/core/weight_view.hpp>
#include <rlvr/ops/execute.hpp>
#include <rlvr/ops/rows.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace model {

/// A named tensor in the arena.
struct parameter_info {
  std::string name;
  std::vector<std::size_t> shape;  ///< one or two extents
  std::size_t offset = 0;          ///< first element in the arena

  [[nodiscard]] std::size_t size() const {
    std::size_t count = 1;
    for (std::size_t const extent : shape) count *= extent;
    return count;
  }
};

/// The weights of one decoder layer; a null pointer or an empty matrix is a part that the family lacks.
template <class Matrix, class Vector>
struct basic_layer_parameters {
  Vector input_norm = nullptr;
  Matrix query, key, value, output;
  Vector query_bias = nullptr;
  Vector key_bias = nullptr;
  Vector value_bias = nullptr;
  Vector output_bias = nullptr;
  Vector query_norm = nullptr;
  Vector key_norm = nullptr;
  Vector post_attention_norm = nullptr;
  Matrix gate, up, down;
};

/// All weights of the model, as views.
template <class Matrix, class Vector>
struct basic_parameter_views {
  Matrix embedding;
  std::vector<basic_layer_parameters<Matrix, Vector>> layers;
  Vector final_norm = nullptr;
  Matrix head;  ///< the embedding where they are tied
};

/// Floats to write: weights and gradients.
using parameter_views = basic_parameter_views<matrix_view<float>, float*>;
using layer_parameters = basic_layer_parameters<matrix_view<float>, float*>;
/// To read, matrices in float or bfloat16.
using weight_views = basic_parameter_views<weight_view, float const*>;
using layer_weights = basic_layer_parameters<weight_view, float const*>;

/// Where each tensor of a configuration lies.
class parameter_layout {
 public:
  /// @throws argument_error if the configuration contradicts itself, shape_error if it does not fit into memory
  explicit parameter_layout(model_config const& config) : config_(config) {
    config.validate();
    auto const hidden = static_cast<std::size_t>(config.hidden_size);
    auto const inner = static_cast<std::size_t>(config.intermediate_size);
    auto const attention = static_cast<std::size_t>(config.attention_size());
    auto const key_value = static_cast<std::size_t>(config.key_value_size());
    auto const head = static_cast<std::size_t>(config.head_dim);
    auto const vocabulary = static_cast<std::size_t>(config.vocab_size);
    add("model.embed_tokens.weight", {vocabulary, hidden});
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(config.num_hidden_layers); ++i) {
      std::string const layer = "model.layers." + std::to_string(i) + ".";
      add(layer + "input_layernorm.weight", {hidden});
      add_linear(layer + "self_attn.q_proj", attention, hidden, config.qkv_bias);
      add_linear(layer + "self_attn.k_proj", key_value, hidden, config.qkv_bias);
      add_linear(layer + "self_attn.v_proj", key_value, hidden, config.qkv_bias);
      add_linear(layer + "self_attn.o_proj", hidden, attention, config.output_bias);
      if (config.qk_norm) {
        add(layer + "self_attn.q_norm.weight", {head});
        add(layer + "self_attn.k_norm.weight", {head});
      }
      add(layer + "post_attention_layernorm.weight", {hidden});
      add(layer + "mlp.gate_proj.weight", {inner, hidden});
      add(layer + "mlp.up_proj.weight", {inner, hidden});
      add(layer + "mlp.down_proj.weight", {hidden, inner});
    }
    add("model.norm.weight", {hidden});
    if (!config.tie_word_embeddings) add("lm_head.weight", {vocabulary, hidden});
  }

  [[nodiscard]] model_config const& config() const noexcept { return config_; }
  /// In the order of the arena.
  [[nodiscard]] std::vector<parameter_info> const& tensors() const noexcept { return tensors_; }
  /// Elements of the arena, all tensors; a tied head counts once.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Views into an arena of `size()` elements.
  [[nodiscard]] parameter_views views(float* arena) const { return views_into<parameter_views>(arena, arena); }
  /// The same, to read: matrices from `matrices`, norms and biases from `vectors`.
  template <weight_element Weight>
  [[nodiscard]] weight_views weights(Weight const* matrices, float const* vectors) const {
    return views_into<weight_views>(matrices, vectors);
  }

 private:
  template <class Views, class Weight, class Element>
  [[nodiscard]] Views views_into(Weight* matrices, Element* vectors) const {
    std::size_t next = 0;
    auto const vector = [&]() { return vectors + tensors_[next++].offset; };
    auto const weight = [&]() {
      parameter_info const& info = tensors_[next++];
      return matrix_view<Weight>(matrices + info.offset, info.shape[0], info.shape[1]);
    };
    Views result;
    result.embedding = weight();
    result.layers.resize(static_cast<std::size_t>(config_.num_hidden_layers));
    for (auto& layer : result.layers) {
      layer.input_norm = vector();
      layer.query = weight();
      if (config_.qkv_bias) layer.query_bias = vector();
      layer.key = weight();
      if (config_.qkv_bias) layer.key_bias = vector();
      layer.value = weight();
      if (config_.qkv_bias) layer.value_bias = vector();
      layer.output = weight();
      if (config_.output_bias) layer.output_bias = vector();
      if (config_.qk_norm) {
        layer.query_norm = vector();
        layer.key_norm = vector();
      }
      layer.post_attention_norm = vector();
      layer.gate = weight();
      layer.up = weight();
      layer.down = weight();
    }
    result.final_norm = vector();
    result.head = config_.tie_word_embeddings ? result.embedding : weight();
    return result;
  }
  void add(std::string name, std::vector<std::size_t> shape) {
    std::size_t const count = element_count(shape);
    tensors_.push_back({std::move(name), std::move(shape), size_});
    size_ = checked_add(size_, count);
  }
  void add_linear(std::string const& name, std::size_t outputs, std::size_t inputs, bool bias) {
    add(name + ".weight", {outputs, inputs});
    if (bias) add(name + ".bias", {outputs});
  }

  model_config config_;
  std::vector<parameter_info> tensors_;
  std::size_t size_ = 0;
};

/// What a forward pass reads, whoever owns it: valid as long as the owner stays where it is.
class model_weights {
 public:
  model_weights(model_config const& config, weight_views const& views) : config_(&config), views_(&views) {}

  [[nodiscard]] model_config const& config() const noexcept { return *config_; }
  [[nodiscard]] weight_views const& views() const noexcept { return *views_; }

 private:
  model_config const* config_;
  weight_views const* views_;
};

/// Weights in the memory of a backend.
template <class Memory>
class parameters {
 public:
  explicit parameters(model_config const& config)
      : layout_(config),
        arena_(layout_.size()),
        views_(layout_.views(arena_.data())),
        weights_(layout_.weights(arena_.data(), arena_.data())) {}

  [[nodiscard]] model_config const& config() const noexcept { return layout_.config(); }
  [[nodiscard]] parameter_layout const& layout() const noexcept { return layout_; }
  [[nodiscard]] parameter_views const& views() const noexcept { return views_; }
  [[nodiscard]] std::span<float> arena() const noexcept { return arena_.span(); }
  /// One tensor's elements.
  [[nodiscard]] std::span<float> values(parameter_info const& info) const {
    return arena_.span().subspan(info.offset, info.size());
  }
  /// To run the model with.
  operator model_weights() const { return {config(), weights_}; }

 private:
  parameter_layout layout_;
  buffer<float, Memory> arena_;
  parameter_views views_;
  weight_views weights_;
};

/// The bfloat16 copy of weights whose master copy is float; `refresh` after the master has changed, unless the step of
/// the optimiser has written the copy as well.
template <class Memory>
class bf16_parameters {
 public:
  /// The copy is zero until `refresh`.  @param master  must outlive the copy
  explicit bf16_parameters(parameters<Memory> const& master)
      : config_(master.config()),
        master_(master.arena()),
        arena_(master.layout().size()),
        weights_(master.layout().weights(arena_.data(), master.arena().data())) {}

  [[nodiscard]] model_config const& config() const noexcept { return config_; }
  /// In the master's layout; places of norms and biases are not read.
  [[nodiscard]] std::span<bf16> arena() const noexcept { return arena_.span(); }
  /// Rounds the master copy to nearest even.
  template <class Context>
  void refresh(Context& context) const {
    execute(context, ops::round_to_bfloat16{.source = master_, .destination = arena_.span()});
  }
  /// To run the model with.
  operator model_weights() const { return {config_, weights_}; }

 private:
  model_config config_;
  std::span<float const> master_;
  buffer<bf16, Memory> arena_;
  weight_views weights_;
};

/// Initial weights for training from scratch: normal with standard deviation `deviation`, the two projections that
/// write to the residual stream divided by sqrt(2 layers) (GPT-2's rule), norms 1, biases 0.  A function of the seed.
/// @param arena  host memory of layout.size() elements
inline void initialise(parameter_layout const& layout, float* arena, std::uint64_t seed, double deviation = 0.02) {
  double const residual =
      deviation / std::sqrt(2.0 * static_cast<double>(math::max<std::int64_t>(1, layout.config().num_hidden_layers)));
  for (std::size_t t = 0; t < layout.tensors().size(); ++t) {
    parameter_info const& info = layout.tensors()[t];
    float* const values = arena + info.offset;
    if (info.shape.size() == 1) {
      float const value = info.name.ends_with(".bias") ? 0.0f : 1.0f;
      for (std::size_t i = 0; i < info.size(); ++i) values[i] = value;
      continue;
    }
    bool const writes_residual = info.name.ends_with("o_proj.weight") || info.name.ends_with("down_proj.weight");
    random_stream stream(seed, t);
    for (std::size_t i = 0; i < info.size(); ++i) {
      // Box-Muller, one normal per pair of uniforms.
      double const radius = std::sqrt(-2.0 * std::log(1.0 - stream.uniform()));
      double const normal = radius * std::cos(2.0 * std::numbers::pi * stream.uniform());
      values[i] = static_cast<float>(normal * (writes_residual ? residual : deviation));
    }
  }
}

}  // namespace model
RLVR_NAMESPACE_END
