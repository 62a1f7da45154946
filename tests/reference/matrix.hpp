// SPDX-License-Identifier: MIT
/// @file
/// The references' matrix: doubles in row-major order, copied from the library's views and never sharing its code.
#pragma once

#include <cstddef>
#include <vector>

namespace reference {

struct matrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<double> values;

  matrix() = default;
  matrix(std::size_t row_count, std::size_t column_count, double value = 0.0)
      : rows(row_count), columns(column_count), values(row_count * column_count, value) {}

  double& operator()(std::size_t i, std::size_t j) { return values[i * columns + j]; }
  double operator()(std::size_t i, std::size_t j) const { return values[i * columns + j]; }
};

/// Any view with rows, columns and (i, j).
template <class View>
matrix copy_of(View const& view) {
  matrix result(view.rows, view.columns);
  for (std::size_t i = 0; i < view.rows; ++i)
    for (std::size_t j = 0; j < view.columns; ++j) result(i, j) = static_cast<double>(view(i, j));
  return result;
}

/// sum_ij a_ij b_ij: turns a matrix of outputs into one number whose gradient with respect to them is b.
inline double dot(matrix const& a, matrix const& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) sum += a.values[i] * b.values[i];
  return sum;
}

/// Central differences of `value()` with respect to every element of `variable`.
template <class Value>
matrix finite_differences(matrix& variable, Value&& value, double step = 1e-5) {
  matrix gradient(variable.rows, variable.columns);
  for (std::size_t i = 0; i < variable.values.size(); ++i) {
    double const before = variable.values[i];
    variable.values[i] = before + step;
    double const above = value();
    variable.values[i] = before - step;
    double const below = value();
    variable.values[i] = before;
    gradient.values[i] = (above - below) / (2 * step);
  }
  return gradient;
}

}  // namespace reference
