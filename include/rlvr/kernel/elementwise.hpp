// SPDX-License-Identifier: MIT
/// @file
/// Bodies that touch each element of a row once: SwiGLU, rotary positions, bias, embedding rows, column sums.
#pragma once

#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/kernel/cooperative_group.hpp>

#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN
namespace kernel {

/// SwiGLU (Shazeer, arXiv 2002.05202): out = silu(gate) * up, silu(x) = x / (1 + e^-x).
template <cooperative_group Group>
RLVR_HD void swiglu_row(Group const& group, float const* gate, float const* up, float* out, std::size_t width) {
  group.for_each(width, [=](std::size_t j) { out[j] = gate[j] * math::sigmoid(gate[j]) * up[j]; });
}

/// d gate = d out * up * s (1 + gate (1 - s)) and d up = d out * silu(gate), with s = sigmoid(gate).
/// The gradients may overwrite `gate` and `up`.
template <cooperative_group Group>
RLVR_HD void swiglu_gradient_row(Group const& group, float const* gate, float const* up, float const* out_gradient,
                                 float* gate_gradient, float* up_gradient, std::size_t width) {
  group.for_each(width, [=](std::size_t j) {
    float const x = gate[j];
    float const s = math::sigmoid(x);
    float const d = out_gradient[j];
    float const u = up[j];
    up_gradient[j] = d * (x * s);
    gate_gradient[j] = d * u * (s * (1.0f + x * (1.0f - s)));
  });
}

struct rope_args {
  matrix_view<float> values;        ///< [rows, heads * head_size], rotated in place
  std::int32_t const* position;     ///< [rows], each below the table's rows
  matrix_view<float const> cosine;  ///< [positions, head_size / 2]
  matrix_view<float const> sine;    ///< [positions, head_size / 2]
  float direction;                  ///< 1: forward; -1: the inverse rotation, which is also the gradient
};

/// Rotary position embedding (Su et al., arXiv 2104.09864) in Hugging Face's half-split form: element j of a head is
/// rotated with element j + head_size / 2 by the angle position * frequency_j.
template <cooperative_group Group>
RLVR_HD void rope_row(Group const& group, rope_args const& args, std::size_t row) {
  std::size_t const half = args.cosine.columns;
  std::size_t const head_size = 2 * half;
  auto const position = static_cast<std::size_t>(args.position[row]);
  float const* const cosine = args.cosine.row(position);
  float const* const sine = args.sine.row(position);
  float const direction = args.direction;
  for (std::size_t head = 0; head < args.values.columns; head += head_size) {
    float* const low = args.values.row(row) + head;
    float* const high = low + half;
    group.for_each(half, [=](std::size_t j) {
      float const a = low[j];
      float const b = high[j];
      float const s = direction * sine[j];
      float const c = cosine[j];  // once: for all that a compiler knows, the first store changes the table
      low[j] = a * c - b * s;
      high[j] = b * c + a * s;
    });
  }
}

/// values += bias
template <cooperative_group Group>
RLVR_HD void add_bias_row(Group const& group, float* values, float const* bias, std::size_t width) {
  group.for_each(width, [=](std::size_t j) { values[j] += bias[j]; });
}

/// Adds the sums of columns [first, first + count) to `sums`, rows in ascending order.
template <cooperative_group Group>
RLVR_HD void column_sums(Group const& group, matrix_view<float const> values, float* sums, std::size_t first,
                         std::size_t count) {
  float* const out = sums + first;
  for (std::size_t row = 0; row < values.rows; ++row) {
    float const* const x = values.row(row) + first;
    group.for_each(count, [=](std::size_t j) { out[j] += x[j]; });
  }
}

template <cooperative_group Group>
RLVR_HD void copy_row(Group const& group, float const* from, float* to, std::size_t width) {
  group.for_each(width, [=](std::size_t j) { to[j] = from[j]; });
}

/// to = from, widened exactly or rounded to nearest even.
template <cooperative_group Group, class From, class To>
RLVR_HD void convert_row(Group const& group, From const* from, To* to, std::size_t width) {
  group.for_each(width, [=](std::size_t j) { to[j] = static_cast<To>(static_cast<float>(from[j])); });
}

/// to += from
template <cooperative_group Group>
RLVR_HD void add_row(Group const& group, float const* from, float* to, std::size_t width) {
  group.for_each(width, [=](std::size_t j) { to[j] += from[j]; });
}

}  // namespace kernel
RLVR_NAMESPACE_END
