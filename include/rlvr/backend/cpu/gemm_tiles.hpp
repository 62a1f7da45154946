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

#if defined(__FMA__) && defined(__AVX__)
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

/// The first `count` (1..7) floats, zeros after them.
[[gnu::always_inline]] inline void load_partial(lanes& to, float const* from, std::size_t count) {
  to = lanes{};
  std::memcpy(&to, from, count * sizeof(float));
}

/// The one order in which eight lanes become a number.
[[gnu::always_inline]] inline float fold(lanes const& x) {
  return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

/// Rows x Columns outputs of C = A B^T at once.
template <std::size_t Rows, std::size_t Columns>
inline void transposed_tile(float const* a, std::size_t a_stride, float const* b, std::size_t b_stride,
                            std::size_t depth, float* c, std::size_t c_stride, bool accumulate) {
  lanes sums[Rows][Columns] = {};
  lanes x;
  lanes y[Columns];
  std::size_t k = 0;
  for (; k + lane_count <= depth; k += lane_count) {
#pragma GCC unroll 16
    for (std::size_t j = 0; j < Columns; ++j) load(y[j], b + j * b_stride + k);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
      load(x, a + i * a_stride + k);
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Columns; ++j) multiply_add(sums[i][j], x, y[j]);
    }
  }
  if (k < depth) {
#pragma GCC unroll 16
    for (std::size_t j = 0; j < Columns; ++j) load_partial(y[j], b + j * b_stride + k, depth - k);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
      load_partial(x, a + i * a_stride + k, depth - k);
#pragma GCC unroll 16
      for (std::size_t j = 0; j < Columns; ++j) multiply_add(sums[i][j], x, y[j]);
    }
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Rows; ++i)
#pragma GCC unroll 16
    for (std::size_t j = 0; j < Columns; ++j) {
      float const value = fold(sums[i][j]);
      float& out = c[i * c_stride + j];
      out = accumulate ? out + value : value;
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
      lanes const x = lanes{} + a[i * a_row + k * a_column];
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
    for (; i + 4 <= rows; i += 4)
      detail::transposed_rows<4, 3>(a + i * a_stride, a_stride, panel, b_stride, depth, width, c + i * c_stride + first,
                                    c_stride, accumulate);
    if (i + 2 <= rows) {
      detail::transposed_rows<2, 6>(a + i * a_stride, a_stride, panel, b_stride, depth, width, c + i * c_stride + first,
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
