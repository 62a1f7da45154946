// SPDX-License-Identifier: MIT
/// @file
/// The one-to-one assignment of greatest total weight in a bipartite graph: which predicted item is compared with
/// which gold item when several come into question.  Taking the best pair first is wrong: with weights a1 = 0.9,
/// a2 = 0.8, b1 = 0.8 it finds 0.9, the best assignment has a2 + b1 = 1.6.
///
/// Algorithm: the graph falls into connected components; each is solved by shortest augmenting paths with potentials
/// (the Hungarian method in the form of Jonker and Volgenant, Computing 38, 1987) on a dense matrix whose rows are the
/// smaller side.  With equal weights the result has the greatest number of pairs.  For a component of r rows and c >= r
/// columns: time O(r^2 c), memory O(r c); the rest is O(n log n) in the number of pairs.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

/// An item of the left list, one of the right list, and what it is worth to assign them to each other.
struct weighted_pair {
  std::size_t left = 0;
  std::size_t right = 0;
  double weight = 0;
  friend bool operator==(weighted_pair const&, weighted_pair const&) = default;
};

namespace detail {

/// The column of each row in the assignment of least total cost; `cost` is row-major, rows <= columns.
[[nodiscard]] inline std::vector<std::size_t> cheapest_columns(std::vector<double> const& cost, std::size_t rows,
                                                               std::size_t columns) {
  // Rows and columns count from 1 here; column 0 stands for "none".
  std::vector<double> row_potential(rows + 1, 0.0);
  std::vector<double> column_potential(columns + 1, 0.0);
  std::vector<std::size_t> row_of(columns + 1, 0);
  std::vector<std::size_t> previous(columns + 1, 0);
  std::vector<double> distance(columns + 1);
  std::vector<char> reached(columns + 1);
  for (std::size_t row = 1; row <= rows; ++row) {
    std::fill(distance.begin(), distance.end(), std::numeric_limits<double>::infinity());
    std::fill(reached.begin(), reached.end(), char{0});
    std::size_t at = 0;
    row_of[0] = row;
    while (row_of[at] != 0) {
      reached[at] = 1;
      std::size_t const from = row_of[at];
      std::size_t nearest = 0;
      double step = std::numeric_limits<double>::infinity();
      for (std::size_t column = 1; column <= columns; ++column) {
        if (reached[column] != 0) continue;
        double const reduced = cost[(from - 1) * columns + column - 1] - row_potential[from] - column_potential[column];
        if (reduced < distance[column]) {
          distance[column] = reduced;
          previous[column] = at;
        }
        if (distance[column] < step) {
          step = distance[column];
          nearest = column;
        }
      }
      for (std::size_t column = 0; column <= columns; ++column) {
        if (reached[column] != 0) {
          row_potential[row_of[column]] += step;
          column_potential[column] -= step;
        } else {
          distance[column] -= step;
        }
      }
      at = nearest;
    }
    for (; at != 0; at = previous[at]) row_of[at] = row_of[previous[at]];
  }
  std::vector<std::size_t> column_of(rows, 0);
  for (std::size_t column = 1; column <= columns; ++column) {
    if (row_of[column] != 0) column_of[row_of[column] - 1] = column - 1;
  }
  return column_of;
}

/// Solves one connected component; writes its assigned pairs to their left item's place.
inline void assign_component(std::span<weighted_pair const> pairs, std::vector<weighted_pair>& by_left) {
  std::vector<std::size_t> left;
  std::vector<std::size_t> right;
  for (weighted_pair const& each : pairs) {
    left.push_back(each.left);
    right.push_back(each.right);
  }
  for (std::vector<std::size_t>* const side : {&left, &right}) {
    std::sort(side->begin(), side->end());
    side->erase(std::unique(side->begin(), side->end()), side->end());
  }
  auto const position = [](std::vector<std::size_t> const& side, std::size_t item) {
    return static_cast<std::size_t>(std::lower_bound(side.begin(), side.end(), item) - side.begin());
  };
  bool const left_is_rows = left.size() <= right.size();
  std::size_t const rows = left_is_rows ? left.size() : right.size();
  std::size_t const columns = left_is_rows ? right.size() : left.size();
  std::vector<double> cost(rows * columns, 0.0);
  for (weighted_pair const& each : pairs) {
    std::size_t const l = position(left, each.left);
    std::size_t const r = position(right, each.right);
    double& cell = cost[(left_is_rows ? l : r) * columns + (left_is_rows ? r : l)];
    cell = std::min(cell, -each.weight);
  }
  std::vector<std::size_t> const column_of = cheapest_columns(cost, rows, columns);
  for (std::size_t row = 0; row < rows; ++row) {
    double const weight = -cost[row * columns + column_of[row]];
    if (weight == 0) continue;  // no such pair: the row stays alone
    std::size_t const l = left_is_rows ? row : column_of[row];
    std::size_t const r = left_is_rows ? column_of[row] : row;
    by_left[left[l]] = {left[l], right[r], weight};
  }
}

}  // namespace detail

/// The pairs of the best assignment, by their left item.  Pairs of weight 0 are as good as absent; of equal pairs the
/// heaviest counts.
/// @param pairs        what may be assigned to what
/// @param left_count   items of the left list
/// @param right_count  items of the right list
/// @throws argument_error for an index beyond its list, or a weight that is negative or not finite
[[nodiscard]] inline std::vector<weighted_pair> best_assignment(std::span<weighted_pair const> pairs,
                                                                std::size_t left_count, std::size_t right_count) {
  std::vector<std::size_t> parent(left_count + right_count);
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  auto const root = [&](std::size_t item) {
    while (parent[item] != item) item = parent[item] = parent[parent[item]];
    return item;
  };
  std::vector<weighted_pair> edges;
  edges.reserve(pairs.size());
  for (weighted_pair const& each : pairs) {
    if (each.left >= left_count || each.right >= right_count || !std::isfinite(each.weight) || each.weight < 0) {
      throw argument_error("best_assignment: pair (" + std::to_string(each.left) + ", " + std::to_string(each.right) +
                           ") of weight " + std::to_string(each.weight) + ", expected indices below " +
                           std::to_string(left_count) + " and " + std::to_string(right_count) +
                           " and a finite weight >= 0");
    }
    if (each.weight == 0) continue;
    parent[root(each.left)] = root(left_count + each.right);
    edges.push_back(each);
  }
  std::vector<std::size_t> position(left_count + right_count, left_count);
  std::vector<std::vector<weighted_pair>> components;
  for (weighted_pair const& each : edges) {
    std::size_t& at = position[root(each.left)];
    if (at == left_count) {
      at = components.size();
      components.emplace_back();
    }
    components[at].push_back(each);
  }
  std::vector<weighted_pair> by_left(left_count);  // weight 0: alone
  for (std::vector<weighted_pair> const& each : components) detail::assign_component(each, by_left);
  std::erase_if(by_left, [](weighted_pair const& each) { return each.weight == 0; });
  return by_left;
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
