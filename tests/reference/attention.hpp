// SPDX-License-Identifier: MIT
/// @file
/// Attention in double from the definition: every query has an explicit list of the keys it sees; no segments, no
/// blocks, no running maxima.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <reference/matrix.hpp>
#include <vector>

namespace reference {

struct attention_problem {
  std::size_t heads, key_value_heads, head_size;
  double scale;
  std::vector<std::vector<std::size_t>> visible;  ///< key rows that each query sees
  matrix query, key, value;
};

/// Probabilities of one query and head over its visible keys.
inline std::vector<double> attention_probabilities(attention_problem const& p, std::size_t i, std::size_t head) {
  std::size_t const key_head = head / (p.heads / p.key_value_heads);
  std::vector<double> scores;
  for (std::size_t const j : p.visible[i]) {
    double score = 0;
    for (std::size_t c = 0; c < p.head_size; ++c)
      score += p.query(i, head * p.head_size + c) * p.key(j, key_head * p.head_size + c);
    scores.push_back(score * p.scale);
  }
  double const highest = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - highest);
  for (double& score : scores) score /= total;
  return scores;
}

inline matrix attention(attention_problem const& p) {
  matrix out(p.query.rows, p.query.columns);
  for (std::size_t i = 0; i < p.query.rows; ++i)
    for (std::size_t head = 0; head < p.heads; ++head) {
      std::size_t const key_head = head / (p.heads / p.key_value_heads);
      auto const probabilities = attention_probabilities(p, i, head);
      for (std::size_t n = 0; n < probabilities.size(); ++n)
        for (std::size_t c = 0; c < p.head_size; ++c)
          out(i, head * p.head_size + c) += probabilities[n] * p.value(p.visible[i][n], key_head * p.head_size + c);
    }
  return out;
}

struct attention_gradients {
  matrix query, key, value;
};

/// Through the softmax's Jacobian, dP_n/ds_m = P_n ([n = m] - P_m), element by element.
inline attention_gradients attention_gradient(attention_problem const& p, matrix const& d_out) {
  attention_gradients g{matrix(p.query.rows, p.query.columns), matrix(p.key.rows, p.key.columns),
                        matrix(p.value.rows, p.value.columns)};
  for (std::size_t i = 0; i < p.query.rows; ++i)
    for (std::size_t head = 0; head < p.heads; ++head) {
      std::size_t const q = head * p.head_size;
      std::size_t const kv = head / (p.heads / p.key_value_heads) * p.head_size;
      auto const probabilities = attention_probabilities(p, i, head);
      std::size_t const count = probabilities.size();
      std::vector<double> d_probability(count);
      double mean = 0;
      for (std::size_t n = 0; n < count; ++n) {
        for (std::size_t c = 0; c < p.head_size; ++c) {
          g.value(p.visible[i][n], kv + c) += probabilities[n] * d_out(i, q + c);
          d_probability[n] += d_out(i, q + c) * p.value(p.visible[i][n], kv + c);
        }
        mean += probabilities[n] * d_probability[n];
      }
      for (std::size_t n = 0; n < count; ++n) {
        double const d_score = probabilities[n] * (d_probability[n] - mean) * p.scale;
        for (std::size_t c = 0; c < p.head_size; ++c) {
          g.query(i, q + c) += d_score * p.key(p.visible[i][n], kv + c);
          g.key(p.visible[i][n], kv + c) += d_score * p.query(i, q + c);
        }
      }
    }
  return g;
}

}  // namespace reference
