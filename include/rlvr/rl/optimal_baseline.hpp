// SPDX-License-Identifier: MIT
/// @file
/// The optimal token baseline (OTB): a baseline per position that minimises a bound on the variance of the policy
/// gradient.  With G_t the reward-to-go of a response, W_t the squared norm of its score function up to t,
///
///   W_t = sum_{s <= t} w_s,   w_s = (1 - 2 pi_s + sum_v pi_s(v)^2) rho_s^2
///   b_t = sum_j G_t^j W_t^j / (sum_j W_t^j + epsilon)      over the responses j of the group that have a token at t
///   A_t = G_t - b_t
///
/// w_s is the squared norm of the gradient of log pi_s by the logits, exactly ||onehot - softmax||^2, and rho_s an
/// importance weight of the token (1 without).  pi_s is the probability of the sampled token, sum_v pi_s(v)^2 comes
/// with the entropy out of one pass over the logits.
///
/// Which tokens of different responses are "at t" is `token_alignment`: the column, or, for responses with tool output
/// between the generated tokens (verl's tir-otb), the number of counting tokens before it.
///
/// Bias: b_t contains the response's own return, which biases the expected gradient by an amount that falls as
/// 1 / group size; in the limit of large groups it is unbiased with least variance.  Where one response
/// outlives all others it is its own baseline and A_t = 0: `zero_tail` uses b = 0 there instead.
///
/// Edge cases: groups of one have b = 0; tokens that do not count are never read and have advantage 0; positions whose
/// weights sum to 0 (every token certain) have b = 0.  Source: verl @ 1dda039b9c63, which has it alone.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/rl/returns.hpp>
#include <rlvr/rl/same_length.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN

/// W_t: the running sum of w over the tokens of a response that count.
struct cumulative_score_norm {
  double floor = 0;  ///< smallest w; rounding can put w of a certain token below 0.  -unlimited: as it falls (verl)

  /// w of one token.
  [[nodiscard]] RLVR_HD double operator()(double log_prob, double sum_pi_squared, double importance_weight = 1) const {
    double const norm = 1 - 2 * std::exp(log_prob) + sum_pi_squared;
    return (norm < floor ? floor : norm) * importance_weight * importance_weight;
  }

  /// W_t of one response.
  /// @param importance_weights  per token; empty: 1
  /// Throws shape_error where the sizes differ.
  template <std::floating_point T>
  void apply(std::span<T const> log_prob, std::span<T const> sum_pi_squared, std::span<T const> importance_weights,
             std::span<bool const> mask, std::span<T> weights) const {
    detail::require_same_length("cumulative_score_norm", mask.size(), log_prob.size(), sum_pi_squared.size(),
                                weights.size());
    if (!importance_weights.empty())
      detail::require_same_length("cumulative_score_norm", mask.size(), importance_weights.size());
    double sum = 0;
    for (std::size_t t = 0; t < mask.size(); ++t) {
      if (mask[t])
        sum += (*this)(static_cast<double>(log_prob[t]), static_cast<double>(sum_pi_squared[t]),
                       importance_weights.empty() ? 1.0 : static_cast<double>(importance_weights[t]));
      weights[t] = static_cast<T>(sum);
    }
  }
};

/// One response of a group; all spans have its length.
template <std::floating_point T>
struct baseline_row {
  std::span<T const> returns;  ///< reward-to-go
  std::span<T const> weights;  ///< `cumulative_score_norm`
  std::span<bool const> mask;
  std::span<T> advantages;  ///< receives G - b; may be `returns`
};

/// What makes two tokens of different responses comparable.
enum class token_alignment : std::uint8_t {
  column,         ///< the place in the row
  counting_token  ///< the number of counting tokens before it
};

/// A_t = G_t - b_t.
struct optimal_token_baseline {
  double epsilon = 1e-8;
  bool zero_tail = true;  ///< b = 0 for the longest response at positions >= the length of the second longest
  token_alignment alignment = token_alignment::column;

  /// Fills the advantages of one group.  Throws shape_error where the spans of a row differ in length.
  template <std::floating_point T>
  void apply(std::span<baseline_row<T> const> group) const {
    std::size_t longest = 0;
    std::size_t second = 0;
    std::size_t positions = 0;
    for (auto const& row : group) {
      detail::require_same_length("optimal_token_baseline", row.mask.size(), row.returns.size(), row.weights.size(),
                                  row.advantages.size());
      std::size_t const length = counting_tokens(row.mask);
      second = length > longest ? longest : (length > second ? length : second);
      longest = length > longest ? length : longest;
      positions = row.mask.size() > positions ? row.mask.size() : positions;
    }
    std::vector<double> weighted(positions, 0);
    std::vector<double> total(positions, 0);
    for (auto const& row : group)
      for_each_token(row, [&](std::size_t t, std::size_t position) {
        weighted[position] += static_cast<double>(row.returns[t]) * static_cast<double>(row.weights[t]);
        total[position] += static_cast<double>(row.weights[t]);
      });
    for (auto const& row : group) {
      bool const outlives = zero_tail && longest > second && counting_tokens(row.mask) == longest;
      for (std::size_t t = 0; t < row.mask.size(); ++t)
        if (!row.mask[t]) row.advantages[t] = T(0);
      for_each_token(row, [&](std::size_t t, std::size_t position) {
        bool const none = group.size() == 1 || total[position] == 0 || (outlives && position >= second);
        double const baseline = none ? 0 : weighted[position] / (total[position] + epsilon);
        row.advantages[t] = static_cast<T>(static_cast<double>(row.returns[t]) - baseline);
      });
    }
  }

 private:
  [[nodiscard]] static std::size_t counting_tokens(std::span<bool const> mask) {
    std::size_t count = 0;
    for (bool const counts : mask) count += counts ? 1 : 0;
    return count;
  }

  template <class T, class Visit>
  void for_each_token(baseline_row<T> const& row, Visit const& visit) const {
    std::size_t seen = 0;
    for (std::size_t t = 0; t < row.mask.size(); ++t) {
      if (!row.mask[t]) continue;
      visit(t, alignment == token_alignment::column ? t : seen);
      ++seen;
    }
  }
};

RLVR_NAMESPACE_END
