// SPDX-License-Identifier: MIT
// What the handlers of the family advantage share: a batch of rows in one piece, and estimators by group.
#pragma once

#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/returns.hpp>

#include "case.hpp"
#include <memory>
#include <span>

namespace golden {

/// Rows of equal length with their mask, row-major.
template <class T>
struct packed {
  explicit packed(matrix<T> const& mask_rows)
      : rows(mask_rows.size()),
        columns(mask_rows.empty() ? 0 : mask_rows[0].size()),
        flags(std::make_unique<bool[]>(rows * columns)),
        values(rows * columns, T(0)) {
    for (std::size_t i = 0; i < rows * columns; ++i) flags[i] = mask_rows[i / columns][i % columns] != T(0);
  }

  [[nodiscard]] std::span<bool const> mask() const { return {flags.get(), values.size()}; }
  [[nodiscard]] std::span<bool const> mask(std::size_t i) const { return mask().subspan(i * columns, columns); }
  [[nodiscard]] std::span<T> row(std::size_t i) { return std::span<T>(values).subspan(i * columns, columns); }
  [[nodiscard]] std::vector<std::int64_t> lengths() const {
    std::vector<std::int64_t> result(rows, 0);
    for (std::size_t i = 0; i < rows; ++i)
      for (bool const counts : mask(i)) result[i] += counts ? 1 : 0;
    return result;
  }
  /// Gives every row its number.
  void spread(std::vector<T> const& per_row) {
    for (std::size_t i = 0; i < rows; ++i) rlvr::spread_over_tokens(per_row.at(i), mask(i), row(i));
  }
  /// Gives every row its number, at the positions that do not count as well.
  void fill(std::vector<T> const& per_row) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = per_row.at(i / columns);
  }

  std::size_t rows = 0;
  std::size_t columns = 0;
  std::unique_ptr<bool[]> flags;
  std::vector<T> values;
};

template <class T>
std::span<T const> view(std::vector<T> const& values) {
  return values;
}
template <class T>
std::span<T const> view(matrix<T> const& values, std::size_t i) {
  return values.at(i);
}

template <class T, class Estimator>
std::vector<T> by_group(Estimator const& estimator, std::vector<T> const& rewards,
                        std::vector<std::int64_t> const& group) {
  std::vector<T> advantages(rewards.size());
  rlvr::group_advantages(estimator, view(rewards), view(group), std::span<T>(advantages));
  return advantages;
}

template <class T, class Estimator>
std::vector<T> by_size(Estimator const& estimator, std::vector<T> const& rewards, std::size_t group_size) {
  std::vector<T> advantages(rewards.size());
  rlvr::group_advantages(estimator, view(rewards), group_size, std::span<T>(advantages));
  return advantages;
}

template <class T>
std::vector<T> row_sums(matrix<T> const& rows) {
  std::vector<T> sums;
  for (auto const& row : rows) {
    auto const all = std::make_unique<bool[]>(row.size());
    std::fill_n(all.get(), row.size(), true);
    sums.push_back(static_cast<T>(rlvr::masked_sum(view(row), std::span<bool const>(all.get(), row.size()))));
  }
  return sums;
}

/// Ids of consecutive groups.
inline std::vector<std::int64_t> consecutive_groups(std::size_t responses, std::size_t group_size) {
  std::vector<std::int64_t> group(responses);
  for (std::size_t i = 0; i < responses; ++i) group[i] = static_cast<std::int64_t>(i / group_size);
  return group;
}

}  // namespace golden
