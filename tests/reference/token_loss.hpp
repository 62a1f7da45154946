// SPDX-License-Identifier: MIT
/// @file
/// A language model's head and a loss over its tokens in double.  Objectives are plain functions of two numbers whose
/// derivatives are taken by central differences; softmax and entropy go through their whole Jacobians.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <reference/matrix.hpp>
#include <vector>

namespace reference {

/// Softmax of one row and what a token reads off it.
struct token_row {
  std::vector<double> log_probability;
  double log_prob = 0, entropy = 0;
};

inline token_row token_statistics(std::vector<double> const& logits, double temperature, std::int32_t target) {
  double highest = -std::numeric_limits<double>::infinity();
  for (double const l : logits) highest = std::max(highest, l / temperature);
  double total = 0;
  for (double const l : logits) total += std::exp(l / temperature - highest);
  token_row row;
  for (double const l : logits) {
    double const log_p = l / temperature - highest - std::log(total);
    row.log_probability.push_back(log_p);
    if (std::exp(log_p) > 0) row.entropy -= std::exp(log_p) * log_p;
  }
  row.log_prob = row.log_probability[static_cast<std::size_t>(target)];
  return row;
}

/// Gradient of f with respect to the raw logits, given f's derivatives at (log_prob, entropy).
inline std::vector<double> logit_gradient(token_row const& row, double temperature, std::int32_t target,
                                          double by_log_prob, double by_entropy) {
  std::size_t const n = row.log_probability.size();
  std::vector<double> p(n), gradient(n);
  for (std::size_t k = 0; k < n; ++k) p[k] = std::exp(row.log_probability[k]);
  for (std::size_t j = 0; j < n; ++j) {
    double entropy_slope = 0;  // sum_k dH/dp_k dp_k/dl_j
    if (by_entropy != 0)
      for (std::size_t k = 0; k < n; ++k)
        if (p[k] > 0) entropy_slope -= (row.log_probability[k] + 1) * p[k] * ((k == j ? 1 : 0) - p[j]);
    double const log_prob_slope = (j == static_cast<std::size_t>(target) ? 1 : 0) - p[j];
    gradient[j] = (by_log_prob * log_prob_slope + by_entropy * entropy_slope) / temperature;
  }
  return gradient;
}

/// What a token is compared with.
struct token_record {
  std::int32_t target = 0;  ///< negative: masked
  double scale = 1, advantage = 0, old_log_prob = 0, reference_log_prob = 0, behaviour_log_prob = 0;
  double mean_log_ratio = 0;  ///< of the token's sequence
};

/// loss(log_prob, entropy, record)
using objective = std::function<double(double, double, token_record const&)>;

struct slopes {
  double by_log_prob, by_entropy;
};

inline slopes derivatives(objective const& f, double log_prob, double entropy, token_record const& record) {
  double const h = 1e-6;
  return {(f(log_prob + h, entropy, record) - f(log_prob - h, entropy, record)) / (2 * h),
          (f(log_prob, entropy + h, record) - f(log_prob, entropy - h, record)) / (2 * h)};
}

struct loss_results {
  std::vector<double> log_prob, entropy, loss;
  matrix hidden_gradient, weight_gradient;
  double total = 0;  ///< sum of scale * loss
};

/// The head and its loss over a batch; masked rows count nothing.
inline loss_results linear_policy_loss(matrix const& hidden, matrix const& weight, double temperature,
                                       std::vector<token_record> const& records, objective const& f,
                                       bool with_gradients = true) {
  loss_results results;
  results.hidden_gradient = matrix(hidden.rows, hidden.columns);
  results.weight_gradient = matrix(weight.rows, weight.columns);
  for (std::size_t i = 0; i < hidden.rows; ++i) {
    token_record const& record = records[i];
    if (record.target < 0) {
      results.log_prob.push_back(0);
      results.entropy.push_back(0);
      results.loss.push_back(0);
      continue;
    }
    std::vector<double> logits(weight.rows);
    for (std::size_t v = 0; v < weight.rows; ++v)
      for (std::size_t k = 0; k < hidden.columns; ++k) logits[v] += hidden(i, k) * weight(v, k);
    token_row const row = token_statistics(logits, temperature, record.target);
    results.log_prob.push_back(row.log_prob);
    results.entropy.push_back(row.entropy);
    results.loss.push_back(f(row.log_prob, row.entropy, record));
    results.total += record.scale * results.loss.back();
    if (!with_gradients) continue;
    slopes const slope = derivatives(f, row.log_prob, row.entropy, record);
    auto const d_logits = logit_gradient(row, temperature, record.target, record.scale * slope.by_log_prob,
                                         record.scale * slope.by_entropy);
    for (std::size_t v = 0; v < weight.rows; ++v)
      for (std::size_t k = 0; k < hidden.columns; ++k) {
        results.hidden_gradient(i, k) += d_logits[v] * weight(v, k);
        results.weight_gradient(v, k) += d_logits[v] * hidden(i, k);
      }
  }
  return results;
}

/// -min(r A, clip(r, 1 - low, 1 + high) A), for A < 0 at most -A cap.
inline double clipped_surrogate(double log_prob, token_record const& t, double low, double high,
                                double cap = std::numeric_limits<double>::infinity()) {
  double const ratio = std::exp(log_prob - t.old_log_prob);
  double const kept = std::min(std::max(ratio, 1 - low), 1 + high);
  double const gain = std::min(ratio * t.advantage, kept * t.advantage);
  return t.advantage < 0 ? std::min(-gain, -t.advantage * cap) : -gain;
}

/// e^d - d - 1 with d = reference - log_prob.
inline double schulman_k3(double log_prob, token_record const& t) {
  double const d = t.reference_log_prob - log_prob;
  return std::exp(d) - d - 1;
}

}  // namespace reference
