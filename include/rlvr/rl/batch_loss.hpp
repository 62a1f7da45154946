// SPDX-License-Identifier: MIT
/// @file
/// A whole policy loss on plain spans: token objective + aggregation + metrics, without tensors or a model.
///
///   loss = sum over rows i and tokens t of scale_i * objective(sample_it).value
///
/// with the gradients by log_prob and entropy of every position.  Rows are packed: row i is [row_offsets[i],
/// row_offsets[i + 1]) of the samples.  Positions whose mask is false get gradient 0 and are never read, so they may
/// hold anything.  Sequence-level objectives need `summarise_sequences` (rl/sequence_pass.hpp) first.
///
/// The sum is in double and the scale depends on global counts only: splitting a batch into parts, with the statistics
/// of the whole, gives the same gradients by the same arithmetic (to the bit, unless the compiler fuses multiply-adds
/// of two call sites differently), and losses that add up to within rounding.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/loss_metrics.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

RLVR_NAMESPACE_BEGIN

/// Where `batch_loss` puts what it finds beside the loss; an empty span, or null, is not written.
template <std::floating_point T>
struct batch_loss_results {
  std::span<T> d_log_prob{};              ///< d loss / d log_prob
  std::span<T> d_entropy{};               ///< d loss / d entropy
  std::span<loss_value<T>> token_loss{};  ///< unscaled; zero where masked
  loss_metrics* metrics = nullptr;        ///< added to
};

/// The loss of packed rows.
/// @param batch  statistics of the whole optimiser step (`count_batch` where this is all of it)
template <std::floating_point T, token_objective<T> Objective, loss_aggregation Aggregation>
T batch_loss(Objective const& objective, Aggregation const& aggregation, batch_statistics const& batch,
             std::span<token_sample<T> const> samples, std::span<bool const> mask,
             std::span<std::int64_t const> row_offsets, batch_loss_results<T> results = {}) {
  detail::require_packed_rows("batch_loss", samples.size(), mask.size(), row_offsets);
  auto const fits = [&](std::size_t size) { return size == 0 || size == samples.size(); };
  if (!fits(results.d_log_prob.size()) || !fits(results.d_entropy.size()) || !fits(results.token_loss.size()))
    throw shape_error("batch_loss: results must be as long as the samples, or empty");
  double total = 0;
  for (std::size_t row = 0; row + 1 < row_offsets.size(); ++row) {
    auto const first = static_cast<std::size_t>(row_offsets[row]);
    auto const last = static_cast<std::size_t>(row_offsets[row + 1]);
    T const scale = aggregation.template scale<T>(batch, detail::count_tokens(mask, first, last));
    for (std::size_t t = first; t < last; ++t) {
      loss_value<T> const loss = mask[t] ? objective(samples[t]) : loss_value<T>{};
      total += static_cast<double>(scale) * static_cast<double>(loss.value);
      if (mask[t] && results.metrics != nullptr) results.metrics->add(samples[t], loss);
      if (!results.d_log_prob.empty()) results.d_log_prob[t] = scale * loss.d_log_prob;
      if (!results.d_entropy.empty()) results.d_entropy[t] = scale * loss.d_entropy;
      if (!results.token_loss.empty()) results.token_loss[t] = loss;
    }
  }
  return static_cast<T>(total);
}

RLVR_NAMESPACE_END
