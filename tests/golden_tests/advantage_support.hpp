// SPDX-License-Identifier: MIT
/// @file
/// What the handlers of the family advantage share: a batch of rows in one piece, and estimators by group.
#pragma once

#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/returns.hpp>

#include "case.hpp"
#include <memory>
#include <span>
#include <support/evaluate.hpp>

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

/// Ids of consecutive groups.
inline std::vector<std::int64_t> consecutive_groups(std::size_t responses, std::size_t group_size) {
  std::vector<std::int64_t> group(responses);
  for (std::size_t i = 0; i < responses; ++i) group[i] = static_cast<std::int64_t>(i / group_size);
  return group;
}

/// Responses sorted by group: group g has members[offsets[g]], ..., members[offsets[g + 1] - 1].
struct stored_groups {
  explicit stored_groups(std::vector<std::int64_t> const& group);

  [[nodiscard]] std::size_t size() const { return offsets.size() - 1; }

  test::storage<std::int64_t> members, offsets{0};
};

/// Advantages of group g.
template <class T, class Estimator>
struct group_body {
  Estimator estimator{};
  std::int64_t const* members = nullptr;
  std::int64_t const* offsets = nullptr;
  T const* rewards = nullptr;
  T* advantages = nullptr;

  RLVR_HD void operator()(std::size_t g) const {
    std::int64_t const* const member = members + offsets[g];
    rlvr::advantages_of_group(
        estimator, offsets[g + 1] - offsets[g], [=, *this](std::int64_t i) { return rewards[member[i]]; },
        [=, *this](std::int64_t i, double advantage) { advantages[member[i]] = static_cast<T>(advantage); });
  }
};

/// What `group_advantages` gives, evaluated by the backend.
template <class T, class Estimator>
std::vector<T> by_group(Estimator const& estimator, std::vector<T> const& rewards,
                        std::vector<std::int64_t> const& group) {
  stored_groups const groups(group);
  auto const stored = test::to_storage(rewards);
  test::storage<T> advantages(rewards.size());
  test::for_each_index(groups.size(), group_body<T, Estimator>{estimator, groups.members.data(), groups.offsets.data(),
                                                               stored.data(), advantages.data()});
  return {advantages.begin(), advantages.end()};
}

template <class T, class Estimator>
std::vector<T> by_size(Estimator const& estimator, std::vector<T> const& rewards, std::size_t group_size) {
  return by_group(estimator, rewards, consecutive_groups(rewards.size(), group_size));
}

/// A whitening with the statistics that it needs.
struct whitened_number {
  rlvr::whitening rule{};
  rlvr::reward_statistics batch{};

  [[nodiscard]] RLVR_HD double operator()(double x) const { return rule(x, batch); }
};

/// `rule.apply`, with the map of each number evaluated by the backend.
template <class T>
void whiten(rlvr::whitening const& rule, std::span<T> values, std::span<bool const> mask);

/// Sums of rows, all of whose entries count.
template <class T>
[[nodiscard]] std::vector<T> row_sums(matrix<T> const& rows);

}  // namespace golden
