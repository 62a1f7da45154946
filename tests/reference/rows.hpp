// SPDX-License-Identifier: MIT
/// @file
/// Row-wise layers in double: RMSNorm, rotary positions, SwiGLU.  Gradients follow from the chain rule written out for
/// one output at a time (a Jacobian), not from the closed forms that the library uses.
#pragma once

#include <cmath>
#include <cstdint>
#include <reference/matrix.hpp>
#include <vector>

namespace reference {

inline matrix rms_norm(matrix const& x, std::vector<double> const& w, double epsilon) {
  matrix y(x.rows, x.columns);
  for (std::size_t i = 0; i < x.rows; ++i) {
    double squares = 0;
    for (std::size_t j = 0; j < x.columns; ++j) squares += std::pow(x(i, j), 2);
    double const rms = std::sqrt(squares / static_cast<double>(x.columns) + epsilon);
    for (std::size_t j = 0; j < x.columns; ++j) y(i, j) = x(i, j) / rms * w[j];
  }
  return y;
}

/// dx_k = sum_j dy_j dy_j/dx_k with dy_j/dx_k = w_j ([j = k] / r - x_j x_k / (n r^3)), r the root mean square.
inline matrix rms_norm_input_gradient(matrix const& x, std::vector<double> const& w, double epsilon, matrix const& dy) {
  matrix dx(x.rows, x.columns);
  auto const n = static_cast<double>(x.columns);
  for (std::size_t i = 0; i < x.rows; ++i) {
    double squares = 0;
    for (std::size_t j = 0; j < x.columns; ++j) squares += x(i, j) * x(i, j);
    double const r = std::sqrt(squares / n + epsilon);
    for (std::size_t k = 0; k < x.columns; ++k)
      for (std::size_t j = 0; j < x.columns; ++j) {
        double const jacobian = w[j] * ((j == k ? 1 / r : 0.0) - x(i, j) * x(i, k) / (n * r * r * r));
        dx(i, k) += dy(i, j) * jacobian;
      }
  }
  return dx;
}

inline std::vector<double> rms_norm_weight_gradient(matrix const& x, double epsilon, matrix const& dy) {
  matrix const normalised = rms_norm(x, std::vector<double>(x.columns, 1.0), epsilon);
  std::vector<double> dw(x.columns);
  for (std::size_t i = 0; i < x.rows; ++i)
    for (std::size_t j = 0; j < x.columns; ++j) dw[j] += dy(i, j) * normalised(i, j);
  return dw;
}

/// Rotates the pairs (j, j + half) of every head as complex numbers by angle = direction * position * theta^(-2j/size).
/// `position` is any array of integers, one per row.
template <class Positions>
matrix rope(matrix const& x, Positions const& position, std::size_t head_size, double theta, double direction) {
  matrix y = x;
  std::size_t const half = head_size / 2;
  for (std::size_t i = 0; i < x.rows; ++i)
    for (std::size_t head = 0; head < x.columns; head += head_size)
      for (std::size_t j = 0; j < half; ++j) {
        double const frequency = std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(head_size));
        double const angle = direction * position[i] * frequency;
        double const radius = std::hypot(x(i, head + j), x(i, head + half + j));
        double const start = std::atan2(x(i, head + half + j), x(i, head + j));
        y(i, head + j) = radius * std::cos(start + angle);
        y(i, head + half + j) = radius * std::sin(start + angle);
      }
  return y;
}

inline double silu(double x) { return x / (1 + std::exp(-x)); }

/// silu'(x) by the quotient rule.
inline double silu_derivative(double x) {
  double const e = std::exp(-std::abs(x));  // the derivative of x e^x / (1 + e^x), for either sign without overflow
  return x >= 0 ? (1 + e + x * e) / ((1 + e) * (1 + e)) : e * (1 + e + x) / ((1 + e) * (1 + e));
}

inline matrix swiglu(matrix const& gate, matrix const& up) {
  matrix y(gate.rows, gate.columns);
  for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] = silu(gate.values[i]) * up.values[i];
  return y;
}

}  // namespace reference
