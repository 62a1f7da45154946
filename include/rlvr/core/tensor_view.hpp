// SPDX-License-Identifier: MIT
/// @file
/// Non-owning views: what kernels take.  Trivially copyable, no checks inside; an op's `validate()` checks once.
#pragma once

#include <rlvr/core/config.hpp>

#include <cstddef>
#include <span>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// A row-major matrix: `rows` rows of `columns` elements, consecutive rows `stride` elements apart.
template <class T>
struct matrix_view {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t stride = 0;  ///< >= columns

  constexpr matrix_view() = default;
  RLVR_HD constexpr matrix_view(T* first, std::size_t row_count, std::size_t column_count)
      : data(first), rows(row_count), columns(column_count), stride(column_count) {}
  RLVR_HD constexpr matrix_view(T* first, std::size_t row_count, std::size_t column_count, std::size_t row_stride)
      : data(first), rows(row_count), columns(column_count), stride(row_stride) {}

  /// A view of mutable elements is a view of constant ones.
  /// (A template, because nvcc ignores a requires clause behind a plain conversion function.)
  template <class U>
  requires(std::is_same_v<U, T const> && !std::is_const_v<T>) RLVR_HD constexpr operator matrix_view<U>() const {
    return {data, rows, columns, stride};
  }

  [[nodiscard]] RLVR_HD constexpr T* row(std::size_t i) const { return data + i * stride; }
  [[nodiscard]] RLVR_HD constexpr T& operator()(std::size_t i, std::size_t j) const { return data[i * stride + j]; }

  /// Rows [first, first + count).
  [[nodiscard]] RLVR_HD constexpr matrix_view middle_rows(std::size_t first, std::size_t count) const {
    return {data + first * stride, count, columns, stride};
  }
  /// Columns [first, first + count).
  [[nodiscard]] RLVR_HD constexpr matrix_view middle_columns(std::size_t first, std::size_t count) const {
    return {data + first, rows, count, stride};
  }
  /// Whether the rows follow each other without a gap.
  [[nodiscard]] RLVR_HD constexpr bool contiguous() const { return stride == columns || rows <= 1; }
};

static_assert(std::is_trivially_copyable_v<matrix_view<float>>);

RLVR_NAMESPACE_END
