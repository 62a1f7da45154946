// SPDX-License-Identifier: MIT
/// @file
/// Cosines and sines of the rotary positions, with the "linear" and "llama3" scalings of Hugging Face's configurations.
///
///   frequency_j = theta^(-2 j / head_size);   linear: divided by the factor.
///   llama3: n = original_max_position * frequency / 2 pi (turns over the original context): n > high: unchanged;
///   n < low: divided by the factor; between, with t = (n - low) / (high - low): frequency * (t + (1 - t) / factor).
///
/// Computed in double, stored in float.
#pragma once

#include <rlvr/core/model_config.hpp>
#include <rlvr/core/replay_key.hpp>
#include <rlvr/core/tensor.hpp>

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace model {

/// Angle per position of each rotated pair: [head_size / 2].
[[nodiscard]] inline std::vector<double> inverse_frequencies(model_config const& config) {
  auto const pairs = static_cast<std::size_t>(config.head_dim) / 2;
  std::vector<double> result(pairs);
  rope_scaling const& scaling = config.scaling;
  for (std::size_t j = 0; j < pairs; ++j) {
    double const frequency =
        std::pow(config.rope_theta, -2.0 * static_cast<double>(j) / static_cast<double>(config.head_dim));
    result[j] = frequency;
    if (scaling.kind == rope_scaling_kind::linear) {
      result[j] = frequency / scaling.factor;
    } else if (scaling.kind == rope_scaling_kind::llama3) {
      double const turns =
          static_cast<double>(scaling.original_max_position_embeddings) * frequency / (2.0 * std::numbers::pi);
      if (turns < scaling.low_freq_factor) {
        result[j] = frequency / scaling.factor;
      } else if (turns <= scaling.high_freq_factor) {
        double const t = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
        result[j] = frequency * (t + (1.0 - t) / scaling.factor);
      }
    }
  }
  return result;
}

/// Tables for positions [0, positions): grows when a longer sequence arrives.
template <class Context>
class rope_table {
 public:
  /// Makes sure that `positions` rows exist.
  void require(Context& context, model_config const& config, std::size_t positions) {
    if (positions <= cosine_.rows()) return;
    std::size_t rows = 64;
    while (rows < positions) rows *= 2;
    std::vector<double> const frequency = inverse_frequencies(config);
    std::vector<float> cosine(rows * frequency.size());
    std::vector<float> sine(rows * frequency.size());
    for (std::size_t position = 0; position < rows; ++position)
      for (std::size_t j = 0; j < frequency.size(); ++j) {
        double const angle = static_cast<double>(position) * frequency[j];
        cosine[position * frequency.size() + j] = static_cast<float>(std::cos(angle));
        sine[position * frequency.size() + j] = static_cast<float>(std::sin(angle));
      }
    cosine_ = matrix<float, typename Context::memory>(rows, frequency.size());
    sine_ = matrix<float, typename Context::memory>(rows, frequency.size());
    context.upload(cosine_.view().data, cosine.data(), cosine.size());
    context.upload(sine_.view().data, sine.data(), sine.size());
  }

  void fingerprint(replay_key& key) const {
    key.add(cosine_);
    key.add(sine_);
  }
  [[nodiscard]] matrix_view<float const> cosine() const { return cosine_.view(); }
  [[nodiscard]] matrix_view<float const> sine() const { return sine_.view(); }

 private:
  matrix<float, typename Context::memory> cosine_;
  matrix<float, typename Context::memory> sine_;
};

}  // namespace model
RLVR_NAMESPACE_END
