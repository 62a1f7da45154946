// SPDX-License-Identifier: MIT
/// @file
/// Rows of logits where the backend can work on them, for bodies over cooperative groups.
#pragma once

#include <rlvr/core/config.hpp>

#include "case.hpp"
#include <cstddef>
#include <support/evaluate.hpp>
#include <vector>

namespace golden {

/// Rows of equal length, and one number of the backend's per row.
template <class T>
struct logit_rows {
  explicit logit_rows(matrix<T> const& from) : rows(from.size()), vocabulary(from.empty() ? 0 : from[0].size()) {
    for (auto const& row : from) logits.insert(logits.end(), row.begin(), row.end());
  }
  /// Rows in one piece.
  logit_rows(std::vector<T> const& from, std::size_t columns)
      : rows(from.size() / columns), vocabulary(columns), logits(test::to_storage(from)) {}

  [[nodiscard]] std::vector<T> values() const { return {logits.begin(), logits.end()}; }

  std::size_t rows, vocabulary;
  test::storage<T> logits;
};

/// A list of results, one per row.
template <class T>
[[nodiscard]] std::vector<T> to_vector(test::storage<T> const& values) {
  return {values.begin(), values.end()};
}

}  // namespace golden
