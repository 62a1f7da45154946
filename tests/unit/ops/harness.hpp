// SPDX-License-Identifier: MIT
/// @file
/// What every test of an op needs: guarded matrices, random values from printed seeds, and one tolerance.
#pragma once

#include <rlvr/core/dtype.hpp>
#include <rlvr/core/tensor_view.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <reference/matrix.hpp>
#include <sstream>
#include <string>
#include <support/catch.hpp>
#include <support/storage.hpp>
#include <vector>

namespace test {

inline constexpr float nan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float infinity = std::numeric_limits<float>::infinity();

/// A matrix between sentinels: before, after and in the gaps between rows.  Elements start as NaN, so what an op
/// forgets to write, or reads before it wrote it, shows.  Host code and ops may both touch it.
class guarded {
 public:
  guarded(std::size_t rows, std::size_t columns, std::size_t gap = 0)
      : rows_(rows), columns_(columns), stride_(columns + gap), storage_(2 * margin + rows * stride_, sentinel) {
    fill(nan);
  }

  [[nodiscard]] rlvr::matrix_view<float> view() { return {storage_.data() + margin, rows_, columns_, stride_}; }
  [[nodiscard]] float* data() { return storage_.data() + margin; }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }

  guarded& fill(float value) {
    for (std::size_t i = 0; i < rows_; ++i)
      for (std::size_t j = 0; j < columns_; ++j) storage_[margin + i * stride_ + j] = value;
    return *this;
  }
  /// Uniform in (-scale, scale).
  guarded& randomise(std::mt19937& engine, float scale = 1.0f) {
    for (std::size_t i = 0; i < rows_; ++i)
      for (std::size_t j = 0; j < columns_; ++j)
        storage_[margin + i * stride_ + j] = scale * (static_cast<float>(engine() >> 8) * 0x1p-23f - 1.0f);
    return *this;
  }

  /// Whether all sentinels are as they were.
  [[nodiscard]] bool intact() const {
    for (std::size_t i = 0; i < storage_.size(); ++i) {
      bool const inside = i >= margin && i < margin + rows_ * stride_ && (i - margin) % stride_ < columns_;
      if (!inside && std::bit_cast<std::uint32_t>(storage_[i]) != std::bit_cast<std::uint32_t>(sentinel)) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t margin = 32;
  static constexpr float sentinel = -7.7777e33f;
  std::size_t rows_, columns_, stride_;
  storage<float> storage_;
};

/// A matrix in bfloat16, as weights are stored: NaN between its rows and round it.
class bf16_matrix {
 public:
  /// The values of `from`, rounded.
  explicit bf16_matrix(rlvr::matrix_view<float const> from, std::size_t gap = 0)
      : rows_(from.rows),
        columns_(from.columns),
        stride_(from.columns + gap),
        storage_(2 * margin + rows_ * stride_, rlvr::bf16::from_bits(sentinel)) {
    for (std::size_t i = 0; i < rows_; ++i)
      for (std::size_t j = 0; j < columns_; ++j) view()(i, j) = rlvr::bf16(from(i, j));
  }

  [[nodiscard]] rlvr::matrix_view<rlvr::bf16> view() { return {storage_.data() + margin, rows_, columns_, stride_}; }

 private:
  static constexpr std::size_t margin = 32;
  static constexpr std::uint16_t sentinel = 0x7fc1;
  std::size_t rows_, columns_, stride_;
  storage<rlvr::bf16> storage_;
};

/// The values as bfloat16 holds them.
[[nodiscard]] inline reference::matrix rounded(reference::matrix values) {
  for (double& x : values.values) x = static_cast<double>(static_cast<float>(rlvr::bf16(static_cast<float>(x))));
  return values;
}

/// The tolerance of float: an output that sums `length` terms of size about `magnitude` may be off by
/// 6 eps sqrt(length) magnitude + 1e-7.  (Roundings of a sum walk at random; 6 covers the worst of some 10^5 outputs.)
[[nodiscard]] inline double tolerance(double length, double magnitude) {
  return 6 * static_cast<double>(std::numeric_limits<float>::epsilon()) * std::sqrt(length + 1) * magnitude + 1e-7;
}

/// "" if the outputs agree, else where they disagree most.  The magnitude of a term is at least 1: inputs are O(1).
template <class View>
[[nodiscard]] std::string mismatch(View const& found, reference::matrix const& expected, std::size_t length,
                                   double magnitude = 1.0) {
  if (found.rows != expected.rows || found.columns != expected.columns) return "shapes differ";
  double worst = 0;
  std::string place;
  for (std::size_t i = 0; i < found.rows; ++i)
    for (std::size_t j = 0; j < found.columns; ++j) {
      double const difference = std::abs(static_cast<double>(found(i, j)) - expected(i, j));
      double const limit = tolerance(static_cast<double>(length), std::fmax(magnitude, std::abs(expected(i, j))));
      double const excess = std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference / limit;
      if (excess > 1 && excess > worst) {
        worst = excess;
        std::ostringstream text;
        text.precision(9);
        text << "(" << i << ", " << j << "): found " << found(i, j) << ", expected " << expected(i, j) << ", " << excess
             << " times the tolerance";
        place = text.str();
      }
    }
  return place;
}

/// Whether two views hold the same bits.
template <class A, class B>
[[nodiscard]] bool same_bits(A const& a, B const& b) {
  if (a.rows != b.rows || a.columns != b.columns) return false;
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.columns; ++j)
      if (std::bit_cast<std::uint32_t>(static_cast<float>(a(i, j))) !=
          std::bit_cast<std::uint32_t>(static_cast<float>(b(i, j))))
        return false;
  return true;
}

/// A row vector as a matrix.
[[nodiscard]] inline reference::matrix as_row(std::vector<double> const& values) {
  reference::matrix result(1, values.size());
  result.values = values;
  return result;
}

[[nodiscard]] inline std::vector<double> row_of(guarded& values) { return reference::copy_of(values.view()).values; }

/// A matrix of uniform values in (-scale, scale).
[[nodiscard]] inline guarded random_matrix(std::mt19937& engine, std::size_t rows, std::size_t columns,
                                           float scale = 1.0f) {
  guarded values(rows, columns);
  values.randomise(engine, scale);
  return values;
}

/// A list to loop over: `for (std::size_t const n : test::sizes{1, 2, 3})`.
using sizes = std::initializer_list<std::size_t>;

/// Widths round vectors, tiles and warps, and primes.
inline constexpr std::size_t widths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 61, 127};

/// Just above the widths from which a GPU gives a row to a block instead of a warp, and to a larger block.
inline constexpr std::size_t wide = 1031, widest = 16411;

}  // namespace test

#define RLVR_CHECK_CLOSE(...) CHECK(test::mismatch(__VA_ARGS__) == "")
