// SPDX-License-Identifier: MIT
/// @file
/// A decoder of the Llama family in double, one sequence at a time, one loop per formula: the oracle of model/.
#pragma once

#include <rlvr/core/model_config.hpp>
#include <rlvr/model/parameters.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace reference {

using rows = std::vector<std::vector<double>>;

/// log_prob[t] of token t + 1, entropy[t] of the distribution after token t.
struct sequence_values {
  std::vector<double> log_prob;
  std::vector<double> entropy;
};

/// Weights by name.
class transformer {
 public:
  transformer(rlvr::model::parameter_layout const& layout, std::span<double const> weights)
      : layout_(layout), config_(layout.config()), weights_(weights) {}

  [[nodiscard]] sequence_values run(std::span<std::int32_t const> tokens) const {
    std::size_t const length = tokens.size();
    auto const hidden = static_cast<std::size_t>(config_.hidden_size);
    rows x(length, std::vector<double>(hidden));
    for (std::size_t t = 0; t < length; ++t)
      for (std::size_t j = 0; j < hidden; ++j)
        x[t][j] = at("model.embed_tokens.weight")[static_cast<std::size_t>(tokens[t]) * hidden + j];
    for (std::int64_t i = 0; i < config_.num_hidden_layers; ++i) layer("model.layers." + std::to_string(i) + ".", x);
    rows const normed = norm(x, "model.norm.weight");
    std::string const head = config_.tie_word_embeddings ? "model.embed_tokens" : "lm_head";
    rows const logits = linear(normed, head, static_cast<std::size_t>(config_.vocab_size));
    sequence_values out;
    for (std::size_t t = 0; t < length; ++t) {
      double const largest = *std::max_element(logits[t].begin(), logits[t].end());
      double sum = 0;
      for (double const z : logits[t]) sum += std::exp(z - largest);
      double const log_sum = largest + std::log(sum);
      double entropy = 0;
      for (double const z : logits[t]) entropy -= std::exp(z - log_sum) * (z - log_sum);
      out.entropy.push_back(entropy);
      if (t + 1 < length) out.log_prob.push_back(logits[t][static_cast<std::size_t>(tokens[t + 1])] - log_sum);
    }
    return out;
  }

 private:
  [[nodiscard]] bool has(std::string const& name) const {
    return std::any_of(layout_.tensors().begin(), layout_.tensors().end(),
                       [&](auto const& info) { return info.name == name; });
  }
  [[nodiscard]] double const* at(std::string const& name) const {
    for (auto const& info : layout_.tensors())
      if (info.name == name) return weights_.data() + info.offset;
    throw std::out_of_range(name);
  }

  /// x W^T + b
  [[nodiscard]] rows linear(rows const& x, std::string const& name, std::size_t outputs) const {
    double const* const weight = at(name + ".weight");
    double const* const bias = has(name + ".bias") ? at(name + ".bias") : nullptr;
    rows y(x.size(), std::vector<double>(outputs));
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t o = 0; o < outputs; ++o) {
        double sum = bias ? bias[o] : 0.0;
        for (std::size_t i = 0; i < x[t].size(); ++i) sum += x[t][i] * weight[o * x[t].size() + i];
        y[t][o] = sum;
      }
    return y;
  }

  [[nodiscard]] rows norm(rows x, std::string const& name) const {
    double const* const weight = at(name);
    for (auto& row : x) {
      double square = 0;
      for (double const v : row) square += v * v;
      double const scale = 1 / std::sqrt(square / static_cast<double>(row.size()) + config_.rms_norm_eps);
      for (std::size_t j = 0; j < row.size(); ++j) row[j] *= scale * weight[j];
    }
    return x;
  }

  /// Splits into heads, norms them if there are weights, rotates them: [head][token][head_dim].
  [[nodiscard]] std::vector<rows> heads(rows const& x, std::string const& norm_name, bool rotate) const {
    auto const size = static_cast<std::size_t>(config_.head_dim);
    std::vector<rows> result(x[0].size() / size, rows(x.size()));
    for (std::size_t h = 0; h < result.size(); ++h) {
      for (std::size_t t = 0; t < x.size(); ++t)
        result[h][t].assign(x[t].begin() + static_cast<std::ptrdiff_t>(h * size),
                            x[t].begin() + static_cast<std::ptrdiff_t>((h + 1) * size));
      if (has(norm_name)) result[h] = norm(result[h], norm_name);
      if (!rotate) continue;
      for (std::size_t t = 0; t < x.size(); ++t)
        for (std::size_t j = 0; j < size / 2; ++j) {
          double const angle = static_cast<double>(t) * frequency(j);
          double const a = result[h][t][j], b = result[h][t][j + size / 2];
          result[h][t][j] = a * std::cos(angle) - b * std::sin(angle);
          result[h][t][j + size / 2] = b * std::cos(angle) + a * std::sin(angle);
        }
    }
    return result;
  }

  [[nodiscard]] double frequency(std::size_t j) const {
    double const plain =
        std::pow(config_.rope_theta, -2.0 * static_cast<double>(j) / static_cast<double>(config_.head_dim));
    rlvr::rope_scaling const& s = config_.scaling;
    if (s.kind == rlvr::rope_scaling_kind::none) return plain;
    if (s.kind == rlvr::rope_scaling_kind::linear) return plain / s.factor;
    double const turns = static_cast<double>(s.original_max_position_embeddings) * plain / (2 * std::numbers::pi);
    double const t = std::clamp((turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor), 0.0, 1.0);
    return plain * (t + (1 - t) / s.factor);
  }

  void layer(std::string const& name, rows& x) const {
    auto const query_size = static_cast<std::size_t>(config_.num_attention_heads * config_.head_dim);
    auto const key_size = static_cast<std::size_t>(config_.num_key_value_heads * config_.head_dim);
    auto const head_size = static_cast<std::size_t>(config_.head_dim);
    auto const hidden = static_cast<std::size_t>(config_.hidden_size);
    auto const inner = static_cast<std::size_t>(config_.intermediate_size);
    std::string const attention = name + "self_attn.";
    rows const n = norm(x, name + "input_layernorm.weight");
    auto const q = heads(linear(n, attention + "q_proj", query_size), attention + "q_norm.weight", true);
    auto const k = heads(linear(n, attention + "k_proj", key_size), attention + "k_norm.weight", true);
    auto const v = heads(linear(n, attention + "v_proj", key_size), "no norm", false);
    rows attended(x.size(), std::vector<double>(query_size, 0.0));
    for (std::size_t h = 0; h < q.size(); ++h) {
      std::size_t const shared = h * k.size() / q.size();
      for (std::size_t t = 0; t < x.size(); ++t) {
        std::vector<double> weight(t + 1);
        double sum = 0;
        for (std::size_t u = 0; u <= t; ++u) {
          double score = 0;
          for (std::size_t j = 0; j < head_size; ++j) score += q[h][t][j] * k[shared][u][j];
          weight[u] = std::exp(score / std::sqrt(static_cast<double>(head_size)));
          sum += weight[u];
        }
        for (std::size_t u = 0; u <= t; ++u)
          for (std::size_t j = 0; j < head_size; ++j)
            attended[t][h * head_size + j] += weight[u] / sum * v[shared][u][j];
      }
    }
    add(x, linear(attended, attention + "o_proj", hidden));
    rows const m = norm(x, name + "post_attention_layernorm.weight");
    rows gate = linear(m, name + "mlp.gate_proj", inner);
    rows const up = linear(m, name + "mlp.up_proj", inner);
    for (std::size_t t = 0; t < gate.size(); ++t)
      for (std::size_t j = 0; j < inner; ++j) gate[t][j] *= up[t][j] / (1 + std::exp(-gate[t][j]));
    add(x, linear(gate, name + "mlp.down_proj", hidden));
  }

  static void add(rows& x, rows const& y) {
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t j = 0; j < x[t].size(); ++j) x[t][j] += y[t][j];
  }

  rlvr::model::parameter_layout const& layout_;
  rlvr::model_config const& config_;
  std::span<double const> weights_;
};

}  // namespace reference
