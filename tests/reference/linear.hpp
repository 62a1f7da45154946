// SPDX-License-Identifier: MIT
/// @file
/// Products of a linear layer y = x W^T in double, one multiplication after the other.
#pragma once

#include <reference/matrix.hpp>

namespace reference {

inline matrix linear_forward(matrix const& x, matrix const& w) {
  matrix y(x.rows, w.rows);
  for (std::size_t i = 0; i < x.rows; ++i)
    for (std::size_t o = 0; o < w.rows; ++o)
      for (std::size_t k = 0; k < x.columns; ++k) y(i, o) += x(i, k) * w(o, k);
  return y;
}

inline matrix linear_input_gradient(matrix const& dy, matrix const& w) {
  matrix dx(dy.rows, w.columns);
  for (std::size_t i = 0; i < dy.rows; ++i)
    for (std::size_t k = 0; k < w.columns; ++k)
      for (std::size_t o = 0; o < w.rows; ++o) dx(i, k) += dy(i, o) * w(o, k);
  return dx;
}

inline matrix linear_weight_gradient(matrix const& dy, matrix const& x) {
  matrix dw(dy.columns, x.columns);
  for (std::size_t o = 0; o < dy.columns; ++o)
    for (std::size_t k = 0; k < x.columns; ++k)
      for (std::size_t i = 0; i < dy.rows; ++i) dw(o, k) += dy(i, o) * x(i, k);
  return dw;
}

}  // namespace reference
