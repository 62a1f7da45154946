// SPDX-License-Identifier: MIT
/// @file
/// Register-tiled products of float matrices, single-threaded, for the CPU backend.
///
/// The promise that everything else stands on: **an output element depends on its own row and column alone**.  Its sum
/// runs over k in ascending order with one accumulator per lane, whatever tile it falls into and however many rows the
/// call has.  So a sequence's forward pass has the same bits alone, in any batch and in any prefix tree.  Libraries
/// choose kernels by shape (Eigen and OpenBLAS sum remainder rows in another order), which is why the products of
/// the forward pass are written here.
///
/// `multiply_transposed` (C = A B^T, rows of both contiguous in k) keeps 8 lanes over k and folds them at the end.
/// `multiply` (C = A B with any strides of A) broadcasts A's elements over 16 columns of B: one chain per element.
/// Neither packs: their operands are weights in Hugging Face's [out, in] layout, and stay there.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/math.hpp>

#include <cstddef>
#include <cstring>

#if defined(__AVX__)
#  include <immintrin.h>
#endif

RLVR_NAMESPACE_BEGIN
namespace cpu {

/// Eight floats: one AVX register, or two of SSE or NEON.
typedef float lanes __attribute__((vector_size(32)));
inline constexpr std::size_t lane_count = 8;

namespace detail {

[[gnu::always_inline]] inline void load(lanes& to, float const* from) { std::memcpy(&to, from, sizeof to); }
[[gnu::always_inline]] inline void store(float* to, lanes const& from) { std::memcpy(to, &from, sizeof from); }

[[gnu::always_inline]] inline void multiply_add(lanes& sum, lanes const& a, lanes const& b) {
#if defined(__FMA__) && defined(__AVX__)
  sum = _mm256_fmadd_ps(a, b, sum);  // written out: contraction of a * b + c depends on compiler flags
#else
  sum += a * b;
#endif
}

[[gnu::always_inline]] inline void broadcast(lanes& to, float const& value) {
#if defined(__AVX__)
  to = _mm256_broadcast_ss(&value);
#else
  to = lanes{value, value, value, value, value, value, value, value};
#endif
}

/// The first `count` (1..7) floats, zeros after them.
[[gnu::always_inline]] inline void load_partial(lanes& to, float const* from, std::size_t count) {
  to = lanes{};
  std::memcpy(&to, from, count * sizeof(float));
}

/// Half of `lanes`.
typedef float half_lanes __attribute__((vector_size(16)));

/// x[i] + x[i + 4]
[[gnu::always_inline]] inline void add_halves(half_lanes& to, lanes const& x) {
  to = __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
}

/// The one order in which eight lanes become a number: y_i = x_i + x_(i+4), then (y_0 + y_2) + (y_1 + y_3).
[[gnu::always_inline]] inline float fold(lanes const& x) {
  half_lanes y;
  add_halves(y, x);
  return (y[0] + y[2]) + (y[1] + y[3]);
}

/// Four folds at once, each in that same order.
[[gnu::always_inline]] inline void fold4(half_lanes& to, lanes const& a, lanes const& b, lanes const& c,
                                         lanes const& d) {
  half_lanes ya, yb, yc, yd;
  add_halves(ya, a);
  add_halves(yb, b);
  add_halves(yc, c);
  add_halves(yd, d);
  half_lanes const ab = __builtin_shufflevector(ya, yb, 0, 1, 4, 5) + __builtin_shufflevector(ya, yb, 2, 3, 6, 7);
  half_lanes const cd = __builtin_shufflevector(yc, yd, 0, 1, 4, 5) + __builtin_shufflevector(yc, yd, 2, 3, 6, 7);
  to = __builtin_shufflevector(ab, cd, 0, 2, 4, 6) + __builtin_shufflevector(ab, cd, 1, 3, 5, 7);
}

/// Rows x Columns outputs of C = A B^T at once.
template <std::size_t Rows, std::size_t Columns>
inline void transposed_tile(float const* a, std::size_t a_stride, float const* b, std::size_t b_stride,
                            std::size_t depth, float* c, std::size_t c_stride, bool accumulate) {
  lanes sums[Rows][Columns] = {};
  lanes x[Rows];
  lanes y;
  std::size_t k = 0;
  for (; k + lane_count <= depth; k += lane_count) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) load(x[i], a + i * a_stride + k);
#pragma GCC unroll 16
    for (std::size_t j = 0; j < Columns; ++j) {
      load(y, b + j * b_stride + k);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < Rows; ++i) multiply_add(sums[i][j], x[i], y);
    }
  }
  if (k < depth) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) load_partial(x[i], a + i * a_stride + k, depth - k);
#pragma GCC unroll 16
    for (std::size_t j = 0; j < Columns; ++j) {
      load_partial(y, b + j * b_stride + k, depth - k);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < Rows; ++i) multiply_add(sums[i][j], x[i], y);
    }
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Rows; ++i) {
    float* const out = c + i * c_stride;
    if constexpr (Columns % 4 == 0) {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Columns; j += 4) {
        half_lanes value;
        fold4(value, sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]);
        if (accumulate) {
          half_lanes before;
          std::memcpy(&before, out + j, sizeof before);
          value = before + value;
        }
        std::memcpy(out + j, &value, sizeof value);
      }
    } else {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Columns; ++j) {
        float const value = fold(sums[i][j]);
        out[j] = accumulate ? out[j] + value : value;
      }
    }
  }
}

/// All columns for `Rows` rows.  `Columns` keeps about twelve accumulators busy.
template <std::size_t Rows, std::size_t Columns>
inline void transposed_rows(float const* a, std::size_t a_stride, float const* b, std::size_t b_stride,
                            std::size_t depth, std::size_t columns, float* c, std::size_t c_stride, bool accumulate) {
  std::size_t j = 0;
  for (; j + Columns <= columns; j += Columns)
    transposed_tile<Rows, Columns>(a, a_stride, b + j * b_stride, b_stride, depth, c + j, c_stride, accumulate);
  for (; j < columns; ++j)
    transposed_tile<Rows, 1>(a, a_stride, b + j * b_stride, b_stride, depth, c + j, c_stride, accumulate);
}

/// Rows x (Vectors * 8) outputs of C = A B at once; one chain over k per element, continued from C if accumulating.
template <std::size_t Rows, std::size_t Vectors>
inline void broadcast_tile(float const* a, std::size_t a_row, std::size_t a_column, float const* b,
                           std::size_t b_stride, std::size_t depth, float* c, std::size_t c_stride, bool accumulate) {
  lanes sums[Rows][Vectors] = {};
  if (accumulate)
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i)
#pragma GCC unroll 16
      for (std::size_t v = 0; v < Vectors; ++v) load(sums[i][v], c + i * c_stride + v * lane_count);
  for (std::size_t k = 0; k < depth; ++k) {
    lanes y[Vectors];
#pragma GCC unroll 16
    for (std::size_t v = 0; v < Vectors; ++v) load(y[v], b + k * b_stride + v * lane_count);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
      lanes x;
      broadcast(x, a[i * a_row + k * a_column]);
#pragma GCC unroll 16
      for (std::size_t v = 0; v < Vectors; ++v) multiply_add(sums[i][v], x, y[v]);
    }
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Rows; ++i)
#pragma GCC unroll 16
    for (std::size_t v = 0; v < Vectors; ++v) store(c + i * c_stride + v * lane_count, sums[i][v]);
}

template <std::size_t Rows>
inline void broadcast_rows(float const* a, std::size_t a_row, std::size_t a_column, float const* b,
                           std::size_t b_stride, std::size_t depth, std::size_t columns, float* c, std::size_t c_stride,
                           bool accumulate) {
  std::size_t j = 0;
  for (; j + 2 * lane_count <= columns; j += 2 * lane_count)
    broadcast_tile<Rows, 2>(a, a_row, a_column, b + j, b_stride, depth, c + j, c_stride, accumulate);
  for (; j + lane_count <= columns; j += lane_count)
    broadcast_tile<Rows, 1>(a, a_row, a_column, b + j, b_stride, depth, c + j, c_stride, accumulate);
  for (; j < columns; ++j)
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
      float sum = accumulate ? c[i * c_stride + j] : 0.0f;
      for (std::size_t k = 0; k < depth; ++k)
        sum = math::multiply_add(a[i * a_row + k * a_column], b[k * b_stride + j], sum);
      c[i * c_stride + j] = sum;
    }
}

}  // namespace detail

/// C[rows, columns] (+)= A[rows, depth] B[columns, depth]^T.
inline void multiply_transposed(float const* a, std::size_t a_stride, float const* b, std::size_t b_stride,
                                std::size_t rows, std::size_t columns, std::size_t depth, float* c,
                                std::size_t c_stride, bool accumulate) {
  // B is walked in blocks that stay in the first-level cache while the rows of A pass by.
  std::size_t const block = math::max<std::size_t>(24, 24576 / (depth * sizeof(float) + 1) / 24 * 24);
  for (std::size_t first = 0; first < columns; first += block) {
    std::size_t const width = math::min(block, columns - first);
    float const* const panel = b + first * b_stride;
    std::size_t i = 0;
    for (; i + 3 <= rows; i += 3)
      detail::transposed_rows<3, 4>(a + i * a_stride, a_stride, panel, b_stride, depth, width, c + i * c_stride + first,
                                    c_stride, accumulate);
    if (i + 2 <= rows) {
      detail::transposed_rows<2, 4>(a + i * a_stride, a_stride, panel, b_stride, depth, width, c + i * c_stride + first,
                                    c_stride, accumulate);
      i += 2;
    }
    if (i < rows)
      detail::transposed_rows<1, 8>(a + i * a_stride, a_stride, panel, b_stride, depth, width, c + i * c_stride + first,
                                    c_stride, accumulate);
  }
}

/// C[rows, columns] (+)= A B with A(i, k) = a[i * a_row + k * a_column] and B[depth, columns].
inline void multiply(float const* a, std::size_t a_row, std::size_t a_column, float const* b, std::size_t b_stride,
                     std::size_t rows, std::size_t columns, std::size_t depth, float* c, std::size_t c_stride,
                     bool accumulate) {
  // Long sums are cut so that a slice of B stays in the second-level cache; a chain continues where it stopped.
  std::size_t const slice = math::max<std::size_t>(64, 262144 / (columns * sizeof(float) + 1));
  for (std::size_t k = 0; k < depth || k == 0; k += slice) {
    std::size_t const length = math::min(slice, depth - k);
    float const* const left = a + k * a_column;
    float const* const right = b + k * b_stride;
    bool const continues = accumulate || k > 0;
    std::size_t i = 0;
    for (; i + 6 <= rows; i += 6)
      detail::broadcast_rows<6>(left + i * a_row, a_row, a_column, right, b_stride, length, columns, c + i * c_stride,
                                c_stride, continues);
    if (i + 4 <= rows) {
      detail::broadcast_rows<4>(left + i * a_row, a_row, a_column, right, b_stride, length, columns, c + i * c_stride,
                                c_stride, continues);
      i += 4;
    }
    for (; i + 2 <= rows; i += 2)
      detail::broadcast_rows<2>(left + i * a_row, a_row, a_column, right, b_stride, length, columns, c + i * c_stride,
                                c_stride, continues);
    if (i < rows)
      detail::broadcast_rows<1>(left + i * a_row, a_row, a_column, right, b_stride, length, columns, c + i * c_stride,
                                c_stride, continues);
    if (depth == 0) break;
  }
}

}  // namespace cpu
RLVR_NAMESPACE_END
