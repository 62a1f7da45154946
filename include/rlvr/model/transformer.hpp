// SPDX-License-Identifier: MIT
/// @file
/// The transformer of the Llama family (Llama, Qwen2, Qwen3), forward and hand-written backward, over any context.
///
///   h = x + W_o attention(rope(norm_q(W_q n + b_q)), rope(norm_k(W_k n + b_k)), W_v n + b_v),   n = rms_norm(x)
///   y = h + W_down (silu(W_gate m) * W_up m),                                                   m = rms_norm(h)
///
/// and after the last layer a final rms_norm.  The vocabulary projection is not here: `ops::linear_policy_loss` and its
/// kin take the hidden states of the rows that need it.
#pragma once

#include <rlvr/core/model_config.hpp>
#include <rlvr/core/step_input.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/core/weight_view.hpp>
#include <rlvr/model/activations.hpp>
#include <rlvr/model/kv_cache.hpp>
#include <rlvr/model/parameters.hpp>
#include <rlvr/model/prefix_tree.hpp>
#include <rlvr/model/rope_table.hpp>
#include <rlvr/ops/attention.hpp>
#include <rlvr/ops/execute.hpp>
#include <rlvr/ops/linear.hpp>
#include <rlvr/ops/rows.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

RLVR_NAMESPACE_BEGIN
namespace model {

/// Which activations a training forward pass keeps for its backward pass.
enum class activation_policy {
  keep_all,   ///< every layer keeps its own
  recompute,  ///< layers keep their input alone and run forward again in the backward pass: less memory, ~1/3 more time
};

/// Runs the model.  Owns activations; the weights are arguments.  One runner serves one caller at a time.
template <class Context>
class transformer {
 public:
  using memory = typename Context::memory;

  explicit transformer(Context& context, activation_policy policy = activation_policy::keep_all)
      : context_(&context), policy_(policy) {}

  /// Training forward pass over a packed prefix tree.
  /// @return hidden states after the final norm, [tree.size(), hidden_size]; valid until the next call
  /// @throws argument_error if a token id is outside the vocabulary
  matrix_view<float const> forward(model_weights const& weights, prefix_tree const& tree) {
    load(weights.config(), tree);
    return run_forward(weights);
  }

  /// The host's half of `forward`: makes room and brings tokens, positions and the plan to the device.
  /// @throws argument_error if a token id is outside the vocabulary
  void load(model_config const& config, prefix_tree const& tree) {
    check_tokens(config, tree.tokens());
    rows_ = tree.size();
    plan_ = tree.plan();
    tokens_.load(*context_, tree.tokens());
    positions_.load(*context_, tree.positions());
    context_->load_plan(plan_, rows_);
    rope_.require(*context_, config, tree.longest_sequence());
    auto const layers = static_cast<std::size_t>(config.num_hidden_layers);
    residual_.resize(layers + 1);
    for (auto& x : residual_) x.resize(rows_, static_cast<std::size_t>(config.hidden_size));
    kept_.resize(policy_ == activation_policy::keep_all ? layers : math::min<std::size_t>(layers, 1));
    for (auto& kept : kept_) kept.resize(config, rows_);
    final_.resize(rows_, static_cast<std::size_t>(config.hidden_size));
    final_inverse_rms_.reserve(rows_);
  }

  /// Makes room for `run_backward`.
  void load_backward(model_config const& config) { gradient_.resize(config, rows_); }

  /// The device's half of `forward`: ops alone.  @pre load
  matrix_view<float const> run_forward(model_weights const& weights) {
    model_config const& config = weights.config();
    auto const layers = static_cast<std::size_t>(config.num_hidden_layers);
    execute(
        *context_,
        ops::gather_rows{.source = weights.views().embedding, .index = tokens_.data(), .output = residual_[0].view()});
    for (std::size_t i = 0; i < layers; ++i) run_layer(weights, i, nullptr);
    execute(*context_, ops::rms_norm{{.input = residual_[layers].view(),
                                      .weight = weights.views().final_norm,
                                      .output = final_.view(),
                                      .inverse_rms = final_inverse_rms_.data(),
                                      .epsilon = static_cast<float>(config.rms_norm_eps)}});
    return final_.view();
  }

  /// Backward pass of the last `forward`.
  /// @param hidden_gradient  [rows, hidden_size], with respect to what `forward` returned
  /// @param gradients        added to
  void backward(model_weights const& weights, matrix_view<float const> hidden_gradient,
                parameter_views const& gradients) {
    load_backward(weights.config());
    run_backward(weights, hidden_gradient, gradients);
  }

  /// The device's half of `backward`.  @pre load_backward
  void run_backward(model_weights const& weights, matrix_view<float const> hidden_gradient,
                    parameter_views const& gradients) {
    model_config const& config = weights.config();
    auto const layers = static_cast<std::size_t>(config.num_hidden_layers);
    execute(*context_, ops::rms_norm_gradient{{.input = residual_[layers].view(),
                                               .weight = weights.views().final_norm,
                                               .inverse_rms = final_inverse_rms_.data(),
                                               .output_gradient = hidden_gradient,
                                               .input_gradient = gradient_.residual.view(),
                                               .accumulate = false},
                                              gradients.final_norm});
    for (std::size_t i = layers; i-- > 0;) {
      if (policy_ == activation_policy::recompute) run_layer(weights, i, nullptr);
      run_layer_backward(weights, i, gradients.layers[i]);
    }
    execute(*context_,
            ops::scatter_add_rows{
                .source = gradient_.residual.view(), .index = tokens_.data(), .destination = gradients.embedding});
  }

  /// Inference forward pass of new tokens whose past lies in a cache; their keys and values join it.
  /// @param tokens, positions  the new tokens
  /// @param cache_rows         where each token's key and value go
  /// @param plan               ranges are rows of the cache
  /// @return hidden states after the final norm; valid until the next call
  matrix_view<float const> extend(model_weights const& weights, std::span<std::int32_t const> tokens,
                                  std::span<std::int32_t const> positions, std::span<std::int32_t const> cache_rows,
                                  ops::attention_plan const& plan, kv_cache<memory>& cache) {
    load(weights.config(), tokens, positions, cache_rows, plan, cache);
    return run_extend(weights, cache);
  }

  /// The host's half of `extend`.
  void load(model_config const& config, std::span<std::int32_t const> tokens, std::span<std::int32_t const> positions,
            std::span<std::int32_t const> cache_rows, ops::attention_plan const& plan, kv_cache<memory> const& cache) {
    check_tokens(config, tokens);
    rows_ = tokens.size();
    plan_ = plan;
    tokens_.load(*context_, tokens);
    positions_.load(*context_, positions);
    cache_rows_.load(*context_, cache_rows);
    context_->load_plan(plan_, static_cast<std::size_t>(cache.rows()));
    std::int32_t longest = 0;
    for (std::int32_t const position : positions) longest = math::max(longest, position + 1);
    rope_.require(*context_, config, static_cast<std::size_t>(longest));
    if (residual_.empty()) residual_.resize(1);  // a training pass's stay
    residual_[0].resize(rows_, static_cast<std::size_t>(config.hidden_size));
    if (kept_.empty()) kept_.resize(1);
    kept_[0].resize(config, rows_);
    final_.resize(rows_, static_cast<std::size_t>(config.hidden_size));
  }

  /// The device's half of `extend`: ops alone.  @pre load
  matrix_view<float const> run_extend(model_weights const& weights, kv_cache<memory>& cache) {
    model_config const& config = weights.config();
    execute(
        *context_,
        ops::gather_rows{.source = weights.views().embedding, .index = tokens_.data(), .output = residual_[0].view()});
    for (std::size_t i = 0; i < static_cast<std::size_t>(config.num_hidden_layers); ++i) run_layer(weights, i, &cache);
    execute(*context_, ops::rms_norm{{.input = residual_[0].view(),
                                      .weight = weights.views().final_norm,
                                      .output = final_.view(),
                                      .inverse_rms = nullptr,
                                      .epsilon = static_cast<float>(config.rms_norm_eps)}});
    return final_.view();
  }

  /// Adds what a captured `run_...` has baked in.
  void fingerprint(replay_key& key, model_weights const& weights) const {
    model_config const& config = weights.config();
    for (auto const size : {config.num_attention_heads, config.num_key_value_heads, config.head_dim}) key.add(size);
    key.add_bytes(config.rms_norm_eps);
    key.add(policy_);
    key.add(weights.views().embedding.data);
    key.add(weights.views().embedding.type);
    key.add(weights.views().embedding.rows);
    key.add(static_cast<void const*>(weights.views().final_norm));
    key.add(weights.views().head.data);
    for (auto const& layer : weights.views().layers) {
      key.add(layer.query.data);
      key.add(static_cast<void const*>(layer.query_bias));
      key.add(static_cast<void const*>(layer.input_norm));
      key.add(layer.down.data);
    }
    key.add(rows_);
    tokens_.fingerprint(key);
    positions_.fingerprint(key);
    cache_rows_.fingerprint(key);
    rope_.fingerprint(key);
    for (auto const& x : residual_) key.add(x);
    for (auto const& kept : kept_) kept.fingerprint(key);
    key.add(final_);
    key.add(final_inverse_rms_);
    gradient_.fingerprint(key);
  }

 private:
  static void check_tokens(model_config const& config, std::span<std::int32_t const> tokens) {
    for (std::int32_t const token : tokens)
      if (token < 0 || static_cast<std::int64_t>(token) >= static_cast<std::int64_t>(config.vocab_size))
        throw argument_error("transformer: token id " + std::to_string(token) + " is outside the vocabulary of " +
                             std::to_string(config.vocab_size));
  }

  [[nodiscard]] static ops::attention_shape shape_of(model_config const& config) {
    return {.heads = static_cast<std::size_t>(config.num_attention_heads),
            .key_value_heads = static_cast<std::size_t>(config.num_key_value_heads),
            .head_size = static_cast<std::size_t>(config.head_dim),
            .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_dim)))};
  }

  /// A projection with its bias, added to the residual stream where there is one.
  void project(matrix_view<float const> input, weight_view weight, float const* bias, matrix_view<float> output,
               matrix_view<float const> residual = {}) {
    execute(*context_, ops::linear_forward{
                           .input = input, .weight = weight, .output = output, .bias = bias, .residual = residual});
  }

  /// Rows of heads: [rows * heads, head_size].
  [[nodiscard]] static matrix_view<float> by_head(matrix_view<float> m, std::size_t head_size) {
    return {m.data, m.rows * (m.columns / head_size), head_size};
  }

  void rotate(matrix_view<float> values, float direction) {
    execute(*context_, ops::rope{{.values = values,
                                  .position = positions_.data(),
                                  .cosine = rope_.cosine(),
                                  .sine = rope_.sine(),
                                  .direction = direction}});
  }

  /// Norm over each head, then rotation; without a norm the rotation is in place and `normed` is `raw`.
  void prepare_heads(model_config const& config, matrix_view<float> raw, float const* weight, matrix_view<float> normed,
                     float* inverse_rms) {
    auto const head_size = static_cast<std::size_t>(config.head_dim);
    if (weight)
      execute(*context_, ops::rms_norm{{.input = by_head(raw, head_size),
                                        .weight = weight,
                                        .output = by_head(normed, head_size),
                                        .inverse_rms = inverse_rms,
                                        .epsilon = static_cast<float>(config.rms_norm_eps)}});
    rotate(normed, 1.0f);
  }

  /// residual_[i] -> residual_[i + 1]; with a cache residual_[0] is updated in place.
  void run_layer(model_weights const& weights, std::size_t i, kv_cache<memory>* cache) {
    model_config const& config = weights.config();
    layer_weights const& layer = weights.views().layers[i];
    layer_activations<memory>& kept = kept_[cache || kept_.size() == 1 ? 0 : i];
    matrix_view<float> const x = cache ? residual_[0].view() : residual_[i].view();
    matrix_view<float> const y = cache ? residual_[0].view() : residual_[i + 1].view();
    matrix_view<float> const middle = cache ? residual_[0].view() : kept.middle.view();
    auto const epsilon = static_cast<float>(config.rms_norm_eps);

    execute(*context_, ops::rms_norm{{.input = x,
                                      .weight = layer.input_norm,
                                      .output = kept.attention_input.view(),
                                      .inverse_rms = kept.attention_inverse_rms.data(),
                                      .epsilon = epsilon}});
    project(kept.attention_input.view(), layer.query, layer.query_bias, kept.query_raw.view());
    project(kept.attention_input.view(), layer.key, layer.key_bias, kept.key_raw.view());
    project(kept.attention_input.view(), layer.value, layer.value_bias, kept.value.view());
    prepare_heads(config, kept.query_raw.view(), layer.query_norm, kept.query(), kept.query_inverse_rms.data());
    prepare_heads(config, kept.key_raw.view(), layer.key_norm, kept.key(), kept.key_inverse_rms.data());
    if (cache) {
      std::int32_t const* const rows = cache_rows_.data();
      execute(*context_, ops::scatter_rows{.source = kept.key(), .index = rows, .destination = cache->keys(i)});
      execute(*context_,
              ops::scatter_rows{.source = kept.value.view(), .index = rows, .destination = cache->values(i)});
    }
    execute(*context_, attention(config, kept, cache, i));
    project(kept.attended.view(), layer.output, layer.output_bias, middle, x);

    execute(*context_, ops::rms_norm{{.input = middle,
                                      .weight = layer.post_attention_norm,
                                      .output = kept.mlp_input.view(),
                                      .inverse_rms = kept.mlp_inverse_rms.data(),
                                      .epsilon = epsilon}});
    project(kept.mlp_input.view(), layer.gate, nullptr, kept.gate.view());
    project(kept.mlp_input.view(), layer.up, nullptr, kept.up.view());
    execute(*context_, ops::swiglu{.gate = kept.gate.view(), .up = kept.up.view(), .out = kept.activated.view()});
    project(kept.activated.view(), layer.down, nullptr, y, middle);
  }

  [[nodiscard]] ops::attention_forward attention(model_config const& config, layer_activations<memory>& kept,
                                                 kv_cache<memory>* cache, std::size_t i) {
    return {.shape = shape_of(config),
            .plan = &plan_,
            .query = kept.query(),
            .key = cache ? cache->keys(i) : kept.key(),
            .value = cache ? cache->values(i) : kept.value.view(),
            .output = kept.attended.view(),
            .statistics = {kept.attention_maximum.view(), kept.attention_inverse_normaliser.view()}};
  }

  /// gradient_.residual holds d y on entry and d x on return.
  void run_layer_backward(model_weights const& weights, std::size_t i, layer_parameters const& gradients) {
    model_config const& config = weights.config();
    layer_weights const& layer = weights.views().layers[i];
    layer_activations<memory>& kept = kept_[kept_.size() == 1 ? 0 : i];
    auto const head_size = static_cast<std::size_t>(config.head_dim);
    matrix_view<float> const dx = gradient_.residual.view();
    matrix_view<float> const d_input = gradient_.branch.view();

    // y = middle + W_down (silu(gate) * up)
    linear_backward(dx, kept.activated.view(), layer.down, gradients.down, gradient_.activated.view(), false);
    execute(*context_, ops::swiglu_gradient{.gate = kept.gate.view(),
                                            .up = kept.up.view(),
                                            .out_gradient = gradient_.activated.view(),
                                            .gate_gradient = kept.gate.view(),
                                            .up_gradient = kept.up.view()});
    linear_backward(kept.gate.view(), kept.mlp_input.view(), layer.gate, gradients.gate, d_input, false);
    linear_backward(kept.up.view(), kept.mlp_input.view(), layer.up, gradients.up, d_input, true);
    norm_backward(kept.middle.view(), layer.post_attention_norm, kept.mlp_inverse_rms.data(), d_input, dx,
                  gradients.post_attention_norm);

    // middle = x + W_o attention
    matrix_view<float> const d_attended = gradient_.attended.view();
    linear_backward(dx, kept.attended.view(), layer.output, gradients.output, d_attended, false);
    if (gradients.output_bias)
      execute(*context_, ops::bias_gradient{.output_gradient = dx, .gradient = gradients.output_bias});
    matrix_view<float> const d_query = gradient_.query.view();
    matrix_view<float> const d_key = gradient_.key.view();
    matrix_view<float> const d_value = gradient_.value.view();
    context_->zero(d_key.data, d_key.rows * d_key.columns);
    context_->zero(d_value.data, d_value.rows * d_value.columns);
    execute(*context_, ops::attention_gradient{.forward = attention(config, kept, nullptr, i),
                                               .output_gradient = d_attended,
                                               .query_gradient = d_query,
                                               .key_gradient = d_key,
                                               .value_gradient = d_value});
    rotate(d_query, -1.0f);
    rotate(d_key, -1.0f);
    matrix_view<float> d_query_raw = d_query;
    matrix_view<float> d_key_raw = d_key;
    if (layer.query_norm) {
      d_query_raw = gradient_.query_raw.view();
      d_key_raw = gradient_.key_raw.view();
      head_norm_backward(by_head(kept.query_raw.view(), head_size), layer.query_norm, kept.query_inverse_rms.data(),
                         by_head(d_query, head_size), by_head(d_query_raw, head_size), gradients.query_norm);
      head_norm_backward(by_head(kept.key_raw.view(), head_size), layer.key_norm, kept.key_inverse_rms.data(),
                         by_head(d_key, head_size), by_head(d_key_raw, head_size), gradients.key_norm);
    }
    if (gradients.query_bias) {
      execute(*context_, ops::bias_gradient{.output_gradient = d_query_raw, .gradient = gradients.query_bias});
      execute(*context_, ops::bias_gradient{.output_gradient = d_key_raw, .gradient = gradients.key_bias});
      execute(*context_, ops::bias_gradient{.output_gradient = d_value, .gradient = gradients.value_bias});
    }
    matrix_view<float const> const n = kept.attention_input.view();
    linear_backward(d_query_raw, n, layer.query, gradients.query, d_input, false);
    linear_backward(d_key_raw, n, layer.key, gradients.key, d_input, true);
    linear_backward(d_value, n, layer.value, gradients.value, d_input, true);
    norm_backward(residual_[i].view(), layer.input_norm, kept.attention_inverse_rms.data(), d_input, dx,
                  gradients.input_norm);
  }

  void linear_backward(matrix_view<float const> output_gradient, matrix_view<float const> input, weight_view weight,
                       matrix_view<float> weight_gradient, matrix_view<float> input_gradient, bool accumulate) {
    execute(*context_, ops::linear_weight_gradient{.output_gradient = output_gradient,
                                                   .input = input,
                                                   .weight_gradient = weight_gradient,
                                                   .operands = weight.type});
    execute(*context_, ops::linear_input_gradient{.output_gradient = output_gradient,
                                                  .weight = weight,
                                                  .input_gradient = input_gradient,
                                                  .accumulate = accumulate});
  }

  /// Adds to the residual's gradient.
  void norm_backward(matrix_view<float const> input, float const* weight, float const* inverse_rms,
                     matrix_view<float const> output_gradient, matrix_view<float> residual, float* weight_gradient) {
    execute(*context_, ops::rms_norm_gradient{{.input = input,
                                               .weight = weight,
                                               .inverse_rms = inverse_rms,
                                               .output_gradient = output_gradient,
                                               .input_gradient = residual,
                                               .accumulate = true},
                                              weight_gradient});
  }

  void head_norm_backward(matrix_view<float const> input, float const* weight, float const* inverse_rms,
                          matrix_view<float const> output_gradient, matrix_view<float> input_gradient,
                          float* weight_gradient) {
    execute(*context_, ops::rms_norm_gradient{{.input = input,
                                               .weight = weight,
                                               .inverse_rms = inverse_rms,
                                               .output_gradient = output_gradient,
                                               .input_gradient = input_gradient,
                                               .accumulate = false},
                                              weight_gradient});
  }

  Context* context_;
  activation_policy policy_;
  rope_table<Context> rope_;
  std::size_t rows_ = 0;
  ops::attention_plan plan_;
  step_input<std::int32_t, memory> tokens_;
  step_input<std::int32_t, memory> positions_;
  step_input<std::int32_t, memory> cache_rows_;
  std::vector<matrix<float, memory>> residual_;  ///< inputs of the layers, and the output of the last
  std::vector<layer_activations<memory>> kept_;
  matrix<float, memory> final_;
  buffer<float, memory> final_inverse_rms_;
  layer_gradients<memory> gradient_;
};

}  // namespace model
RLVR_NAMESPACE_END
