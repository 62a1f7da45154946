// SPDX-License-Identifier: MIT
/// @file
/// Root-mean-square normalisation (Zhang and Sennrich, arXiv 1910.07467):
///
///   s = 1 / sqrt(mean_j x_j^2 + epsilon),   y_j = w_j x_j s
///   dx_j = s (w_j dy_j - x_j s^2 mean_k(w_k dy_k x_k)),   dw_j = sum over rows of dy_j x_j s
///
/// Used over the hidden size and, for Qwen3, over each head of q and k.
#pragma once

#include <rlvr/core/tensor_view.hpp>
#include <rlvr/kernel/cooperative_group.hpp>

#include <cmath>
#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace kernel {

struct rms_norm_args {
  matrix_view<float const> input;  ///< [rows, width]
  float const* weight;             ///< [width]
  matrix_view<float> output;       ///< [rows, width]; may be the input
  float* inverse_rms;              ///< [rows], or null: not kept
  float epsilon;
};

template <cooperative_group Group>
RLVR_HD void rms_norm_row(Group const& group, rms_norm_args const& args, std::size_t row) {
  std::size_t const width = args.input.columns;
  float const* const x = args.input.row(row);
  float* const y = args.output.row(row);
  float const mean_square = group.sum(width, [=](std::size_t j) { return x[j] * x[j]; }) / static_cast<float>(width);
  float const scale = 1.0f / std::sqrt(mean_square + args.epsilon);
  float const* const weight = args.weight;
  group.for_each(width, [=](std::size_t j) { y[j] = weight[j] * (x[j] * scale); });
  if (args.inverse_rms) group.once([&] { args.inverse_rms[row] = scale; });
}

struct rms_norm_gradient_args {
  matrix_view<float const> input;            ///< [rows, width]
  float const* weight;                       ///< [width]
  float const* inverse_rms;                  ///< [rows], from the forward pass
  matrix_view<float const> output_gradient;  ///< [rows, width]
  matrix_view<float> input_gradient;         ///< [rows, width]; may be the output gradient if not accumulating
  bool accumulate;                           ///< add to `input_gradient` (a residual branch) instead of writing it
};

template <cooperative_group Group>
RLVR_HD void rms_norm_gradient_row(Group const& group, rms_norm_gradient_args const& args, std::size_t row) {
  std::size_t const width = args.input.columns;
  float const* const x = args.input.row(row);
  float const* const dy = args.output_gradient.row(row);
  float const* const weight = args.weight;
  float* const dx = args.input_gradient.row(row);
  float const scale = args.inverse_rms[row];
  float const dot = group.sum(width, [=](std::size_t j) { return weight[j] * dy[j] * x[j]; });
  float const pull = dot * scale * scale / static_cast<float>(width);
  if (args.accumulate)
    group.for_each(width, [=](std::size_t j) { dx[j] += scale * (weight[j] * dy[j] - x[j] * pull); });
  else
    group.for_each(width, [=](std::size_t j) { dx[j] = scale * (weight[j] * dy[j] - x[j] * pull); });
}

/// Adds the weight gradient of columns [first, first + count), rows in ascending order.
template <cooperative_group Group>
RLVR_HD void rms_norm_weight_gradient_columns(Group const& group, matrix_view<float const> input,
                                              float const* inverse_rms, matrix_view<float const> output_gradient,
                                              float* weight_gradient, std::size_t first, std::size_t count) {
  float* const dw = weight_gradient + first;
  for (std::size_t row = 0; row < input.rows; ++row) {
    float const* const x = input.row(row) + first;
    float const* const dy = output_gradient.row(row) + first;
    float const scale = inverse_rms[row];
    group.for_each(count, [=](std::size_t j) { dw[j] += dy[j] * (x[j] * scale); });
  }
}

}  // namespace kernel
RLVR_NAMESPACE_END
