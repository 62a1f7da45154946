// SPDX-License-Identifier: MIT
/// @file
/// Figures about the mismatch between the sampler and the trainer.  Over the N tokens that count, with o the trainer's
/// log-prob at the start of the step, b the sampler's, x = o - b, w the importance weight in use (rl/correction.hpp):
///
///   effective sample size   E[w]^2 / E[w^2], as a share of the sample: 1 for equal weights, 0 where all are 0
///   kl, k3_kl               E[-x], E[e^x - x - 1]: KL(sampler || trainer); the second is never negative
///   chi_square              E[e^2x] - 1 over tokens; over rows with the sum of x in place of x
///   perplexity              e^(-mean of o) of a row, of b likewise; figures over rows are means of rows
///   log-perplexity difference  mean of b - o of a row; its e^ is the perplexity ratio
///
/// A log-prob of -inf counts as -10^6, exponents are clamped, moments of weights are merged without cancellation: all
/// figures are finite; without tokens or rows they are 0.  Parts of a batch (micro-batches, ranks) add up with `+=`.
///
/// Source: verl 1dda039b9c63 `compute_offpolicy_metrics` and `compute_is_metrics`, which adds 1e-8 to counts and
/// divides by zero where all weights are 0.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/correction.hpp>
#include <rlvr/rl/importance_ratio.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/same_length.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// Moments of importance weights over the tokens that count.
struct weight_statistics {
  double epsilon = 0;  ///< added to the count, and to the mean in the effective sample size (verl: 1e-8)
  reward_statistics moments{};

  /// Adds the weight of a token; one that is not finite is left out.
  RLVR_HD void add(double weight) {
    if (std::isfinite(weight)) moments = merge(moments, reward_statistics{.count = 1, .mean = weight});
  }
  /// Adds another part of the batch; its epsilon must be the same.
  RLVR_HD constexpr weight_statistics& operator+=(weight_statistics const& part) {
    moments = merge(moments, part.moments);
    return *this;
  }
  [[nodiscard]] RLVR_HD constexpr double mean() const { return moments.mean * share(); }
  /// Of the population: sqrt(E[w^2] - E[w]^2).
  [[nodiscard]] RLVR_HD double standard_deviation() const {
    if (moments.count == 0) return 0;
    double const padded = static_cast<double>(moments.count) + epsilon;
    return std::sqrt(moments.squared_deviations / padded + moments.mean * mean() * epsilon / padded);
  }
  /// E[w]^2 / E[w^2] in (0, 1]; 0 where all weights are 0.
  [[nodiscard]] RLVR_HD constexpr double effective_sample_size() const {
    if (moments.count == 0) return 0;
    double const padded = static_cast<double>(moments.count) + epsilon;
    double const mean_square = moments.squared_deviations / padded + moments.mean * mean();
    double const scale = mean() + epsilon;
    return mean_square > 0 ? scale * scale / mean_square : 0;
  }

 private:
  /// N / (N + epsilon).
  [[nodiscard]] RLVR_HD constexpr double share() const {
    double const count = static_cast<double>(moments.count);
    return moments.count > 0 ? count / (count + epsilon) : 0;
  }
};

/// How far apart sampler and trainer are: add rows, read figures.
struct mismatch_statistics {
  // Settings.
  double epsilon = 0;                       ///< added to counts of tokens (verl: 1e-8)
  count_rows rows = count_rows::non_empty;  ///< `all`: a row without tokens counts with perplexity 1 (verl)
  double max_log_ratio = 20;                ///< clamp of x in chi-square (verl)

  // Sums over tokens.
  std::int64_t tokens = 0;
  double sum_kl = 0;
  double sum_k3 = 0;
  double sum_squared_ratio = 0;

  // Sums over rows.
  std::int64_t sequences = 0;
  double sum_training_perplexity = 0;
  double sum_rollout_perplexity = 0;
  double sum_perplexity_ratio = 0;
  double sum_training_log_perplexity = 0;
  double sum_rollout_log_perplexity = 0;
  double sum_absolute_difference = 0;
  double sum_squared_sequence_ratio = 0;
  double largest_difference = -unlimited;  ///< of log-perplexities, trainer's minus sampler's
  double smallest_difference = unlimited;

  /// Adds one row.  Throws shape_error where the sizes differ.
  template <std::floating_point T>
  void add(std::span<T const> old_log_prob, std::span<T const> behaviour_log_prob, std::span<bool const> mask) {
    detail::require_same_length("mismatch_statistics", mask.size(), old_log_prob.size(), behaviour_log_prob.size());
    double sum_old = 0, sum_behaviour = 0, sum_ratio = 0;
    std::int64_t length = 0;
    for (std::size_t t = 0; t < mask.size(); ++t) {
      if (!mask[t]) continue;
      double const o = math::max(static_cast<double>(old_log_prob[t]), least_log_prob);
      double const b = math::max(static_cast<double>(behaviour_log_prob[t]), least_log_prob);
      sum_old += o;
      sum_behaviour += b;
      sum_ratio += o - b;
      sum_kl += b - o;
      sum_k3 += k3{.input_clamp = largest_exponent}(b, o).value;
      sum_squared_ratio += squared_ratio(o - b);
      ++length;
    }
    tokens += length;
    if (length == 0 && rows == count_rows::non_empty) return;
    double const divisor = length > 0 ? static_cast<double>(length) + epsilon : 1;
    double const training = -sum_old / divisor;
    double const rollout = -sum_behaviour / divisor;
    double const difference = training - rollout;
    ++sequences;
    sum_training_log_perplexity += training;
    sum_rollout_log_perplexity += rollout;
    sum_training_perplexity += bounded_exp(training);
    sum_rollout_perplexity += bounded_exp(rollout);
    sum_perplexity_ratio += bounded_exp(difference);
    sum_absolute_difference += difference < 0 ? -difference : difference;
    largest_difference = math::max(largest_difference, difference);
    smallest_difference = math::min(smallest_difference, difference);
    sum_squared_sequence_ratio += squared_ratio(sum_ratio);
  }

  /// Adds another part of the batch; the settings must be the same.
  mismatch_statistics& operator+=(mismatch_statistics const& part) {
    tokens += part.tokens;
    sum_kl += part.sum_kl;
    sum_k3 += part.sum_k3;
    sum_squared_ratio += part.sum_squared_ratio;
    sequences += part.sequences;
    sum_training_perplexity += part.sum_training_perplexity;
    sum_rollout_perplexity += part.sum_rollout_perplexity;
    sum_perplexity_ratio += part.sum_perplexity_ratio;
    sum_training_log_perplexity += part.sum_training_log_perplexity;
    sum_rollout_log_perplexity += part.sum_rollout_log_perplexity;
    sum_absolute_difference += part.sum_absolute_difference;
    sum_squared_sequence_ratio += part.sum_squared_sequence_ratio;
    largest_difference = math::max(largest_difference, part.largest_difference);
    smallest_difference = math::min(smallest_difference, part.smallest_difference);
    return *this;
  }

  /// A sum over tokens as their mean; 0 without tokens.
  [[nodiscard]] double token_mean(double sum) const {
    return tokens > 0 ? sum / (static_cast<double>(tokens) + epsilon) : 0;
  }
  /// A sum over rows as their mean; 0 without rows.
  [[nodiscard]] double row_mean(double sum) const { return sequences > 0 ? sum / static_cast<double>(sequences) : 0; }
  /// KL(sampler || trainer) by k1.
  [[nodiscard]] double kl() const { return token_mean(sum_kl); }
  /// The same by k3.
  [[nodiscard]] double k3_kl() const { return token_mean(sum_k3); }
  /// Mean over rows of the trainer's perplexity over the sampler's.
  [[nodiscard]] double perplexity_ratio() const { return row_mean(sum_perplexity_ratio); }
  /// E[e^2x] - 1 over tokens.
  [[nodiscard]] double chi_square() const { return tokens > 0 ? token_mean(sum_squared_ratio) - 1 : 0; }
  /// The same over rows, with the products of their ratios.
  [[nodiscard]] double sequence_chi_square() const {
    return sequences > 0 ? row_mean(sum_squared_sequence_ratio) - 1 : 0;
  }

 private:
  static constexpr double largest_exponent = 300;  // the square of the exponential still fits

  [[nodiscard]] static double bounded_exp(double x) { return std::exp(math::min(x, largest_exponent)); }
  [[nodiscard]] double squared_ratio(double x) const {
    double const limit = math::min(max_log_ratio, largest_exponent);
    double const ratio = detail::importance_ratio_of(x, limit).value;
    return ratio * ratio;
  }
};

static_assert(std::is_trivially_copyable_v<weight_statistics> && std::is_trivially_copyable_v<mismatch_statistics>);

RLVR_NAMESPACE_END
