// SPDX-License-Identifier: MIT
/// @file
/// A weight matrix whose storage type is known when the program runs, so that an op takes float and bfloat16 weights
/// without becoming a template.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/tensor_view.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// What weights are stored as.
template <class T>
concept weight_element = std::same_as < std::remove_const_t<T>,
float > || std::same_as<std::remove_const_t<T>, bf16>;

/// A read-only `matrix_view` of floats or of bfloat16; made from either.
struct weight_view {
  void const* data = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t stride = 0;  ///< in elements, >= columns
  dtype type = dtype::f32;

  constexpr weight_view() = default;
  template <weight_element T>
  constexpr weight_view(matrix_view<T> m)
      : data(m.data),
        rows(m.rows),
        columns(m.columns),
        stride(m.stride),
        type(std::is_same_v<std::remove_const_t<T>, float> ? dtype::f32 : dtype::bf16) {}
  template <weight_element T>
  constexpr weight_view(T* first, std::size_t row_count, std::size_t column_count)
      : weight_view(matrix_view<T>(first, row_count, column_count)) {}

  /// Rows [first, first + count).
  [[nodiscard]] weight_view middle_rows(std::size_t first, std::size_t count) const {
    weight_view part = *this;
    part.data = static_cast<unsigned char const*>(data) + first * stride * size_of(type);
    part.rows = count;
    return part;
  }
  /// The matrix as what it is.  @pre T is the type that is stored
  template <weight_element T>
  [[nodiscard]] matrix_view<T const> as() const {
    return {static_cast<T const*>(data), rows, columns, stride};
  }
};

RLVR_NAMESPACE_END
