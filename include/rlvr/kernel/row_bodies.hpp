// SPDX-License-Identifier: MIT
/// @file
/// The row-wise bodies as values that a backend runs: `body(group, row)` works on one row with one cooperative group.
/// Trivially copyable, so that a kernel takes one as its argument.  `passes` says how often a body walks its row, from
/// which a backend judges how much work a row is.
#pragma once

#include <rlvr/core/random.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/kernel/cooperative_group.hpp>
#include <rlvr/kernel/elementwise.hpp>
#include <rlvr/kernel/rms_norm.hpp>
#include <rlvr/kernel/sample.hpp>
#include <rlvr/kernel/token_loss.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace kernel {

/// What a backend can run over rows.
template <class Body>
concept row_body = std::is_trivially_copyable_v<Body> && requires(Body const& body, std::size_t row) {
  { Body::passes } -> std::convertible_to<std::size_t>;
  body(single_thread_group{}, row);
};

struct rms_norm_body {
  static constexpr std::size_t passes = 2;
  rms_norm_args args;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    rms_norm_row(group, args, row);
  }
};

struct rms_norm_gradient_body {
  static constexpr std::size_t passes = 2;
  rms_norm_gradient_args args;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    rms_norm_gradient_row(group, args, row);
  }
};

struct rope_body {
  static constexpr std::size_t passes = 1;
  rope_args args;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    rope_row(group, args, row);
  }
};

struct swiglu_body {
  static constexpr std::size_t passes = 4;
  matrix_view<float const> gate, up;
  matrix_view<float> out;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    swiglu_row(group, gate.row(row), up.row(row), out.row(row), gate.columns);
  }
};

struct swiglu_gradient_body {
  static constexpr std::size_t passes = 4;
  matrix_view<float const> gate, up, out_gradient;
  matrix_view<float> gate_gradient, up_gradient;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    swiglu_gradient_row(group, gate.row(row), up.row(row), out_gradient.row(row), gate_gradient.row(row),
                        up_gradient.row(row), gate.columns);
  }
};

struct add_bias_body {
  static constexpr std::size_t passes = 1;
  matrix_view<float> values;
  float const* bias;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    add_bias_row(group, values.row(row), bias, values.columns);
  }
};

/// destination[to(i)] = source[from(i)]; a null index stands for i itself.
struct copy_rows_body {
  static constexpr std::size_t passes = 1;
  matrix_view<float const> source;
  std::int32_t const* from;
  matrix_view<float> destination;
  std::int32_t const* to;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    std::size_t const read = from ? static_cast<std::size_t>(from[row]) : row;
    std::size_t const write = to ? static_cast<std::size_t>(to[row]) : row;
    copy_row(group, source.row(read), destination.row(write), destination.columns);
  }
};

/// destination[i] = source[from(i)] in another storage type; a null index stands for i itself.
template <class From, class To>
struct convert_rows_body {
  static constexpr std::size_t passes = 1;
  matrix_view<From const> source;
  std::int32_t const* from;
  matrix_view<To> destination;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    std::size_t const read = from ? static_cast<std::size_t>(from[row]) : row;
    convert_row(group, source.row(read), destination.row(row), destination.columns);
  }
};

/// Log-probability and entropy of the targets of a chunk of logits.
struct token_log_prob_body {
  static constexpr std::size_t passes = 2;
  matrix_view<float> logits;
  float inverse_temperature;
  std::int32_t const* target;  ///< of the chunk's first row on, as the results
  float* log_prob;
  float* entropy;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    token_log_prob_row(group, logits.row(row), logits.columns, inverse_temperature, target[row],
                       log_prob ? log_prob + row : nullptr, entropy ? entropy + row : nullptr);
  }
};

/// Loss and gradient of a chunk of logits, whose first row has the record `first_record`.
template <token_objective Objective>
struct token_loss_body {
  static constexpr std::size_t passes = 2;
  matrix_view<float> logits;
  float inverse_temperature;
  Objective objective;
  token_records records;
  token_results results;
  std::size_t first_record;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    token_loss_row(group, logits.row(row), logits.columns, inverse_temperature, objective, records, results,
                   first_record + row);
  }
};

/// Draws a token per row and scores it under the unfiltered distribution.
struct sample_body {
  static constexpr std::size_t passes = 4;
  matrix_view<float const> logits;
  sampling_settings settings;
  sample_key const* key;
  std::int32_t* id;
  float* log_prob;  ///< null: skipped, as the two below
  float* entropy;
  float* kept_mass;

  template <cooperative_group Group>
  RLVR_HD void operator()(Group const& group, std::size_t row) const {
    float const inverse_temperature = settings.temperature > 0.0f ? 1.0f / settings.temperature : 1.0f;
    float const* const values = logits.row(row);
    sampled_token const token = sample_row(group, values, logits.columns, settings, key[row].bits());
    group.once([&] {
      id[row] = token.id;
      if (kept_mass) kept_mass[row] = token.kept_mass;
    });
    if (log_prob || entropy)
      token_log_prob_row(group, values, logits.columns, inverse_temperature, token.id,
                         log_prob ? log_prob + row : nullptr, entropy ? entropy + row : nullptr);
  }
};

}  // namespace kernel
RLVR_NAMESPACE_END
