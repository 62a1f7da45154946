// SPDX-License-Identifier: MIT
/// @file
/// The product C = A B^T of gemm_tiles.hpp for many rows of A on AVX-512: the same sums in the same order, hence the
/// same bits, two columns of C in one register of sixteen lanes.  B is packed for it, pair by pair, into a block that
/// stays in the cache while the rows of A pass by.
#pragma once

#include <rlvr/backend/cpu/gemm_tiles.hpp>
#include <rlvr/core/config.hpp>
#include <rlvr/core/math.hpp>

#include <cstddef>
#include <cstring>

RLVR_NAMESPACE_BEGIN
namespace cpu {

/// Sizes of the product by pairs.
struct pair_sizes {
  static constexpr std::size_t rows = 6;  ///< of a tile: 24 sums, 6 rows and a pair are 31 of 32 registers
  static constexpr std::size_t pairs = 4;
  static constexpr std::size_t columns = 2 * pairs;
  static constexpr std::size_t least_rows = 16;  ///< with fewer, packing takes longer than it saves

  /// Columns of C whose rows of B are packed at once, a multiple of `columns`.
  [[nodiscard]] static constexpr std::size_t block(std::size_t depth) {
    return math::max<std::size_t>(1, 8192 / (padded(depth) * columns + 1)) * columns;
  }
  /// Whole lanes of a sum over k.
  [[nodiscard]] static constexpr std::size_t padded(std::size_t depth) {
    return math::ceil_div(depth, lane_count) * lane_count;
  }
  /// Floats of scratch memory.
  [[nodiscard]] static constexpr std::size_t scratch(std::size_t depth) { return block(depth) * padded(depth); }
};

#if defined(__AVX512F__) && defined(__AVX512DQ__)

namespace detail {

/// Eight rows of B: for each eight k the eight floats of row after row, zeros beyond `depth`.
inline void pack_pairs(float const* b, std::size_t b_stride, std::size_t depth, float* packed) {
  for (std::size_t k = 0; k < depth; k += lane_count)
    for (std::size_t j = 0; j < pair_sizes::columns; ++j, packed += lane_count) {
      lanes values;
      if (k + lane_count <= depth)
        load(values, b + j * b_stride + k);
      else
        load_partial(values, b + j * b_stride + k, depth - k);
      store(packed, values);
    }
}

// Written so because GCC 12 warns that the plain intrinsics read something uninitialised (its bug 105593).

/// Eight lanes, and once more.
[[gnu::always_inline]] inline __m512 twice(__m256 x) { return _mm512_maskz_broadcast_f32x8(0xFFFF, x); }
[[gnu::always_inline]] inline __m256 lower(__m512 x) { return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7); }
[[gnu::always_inline]] inline __m256 upper(__m512 x) {
  return __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
}

/// 6 x 8 outputs of C.
inline void pair_tile(float const* a, std::size_t a_stride, float const* packed, std::size_t depth, float* c,
                      std::size_t c_stride, bool accumulate) {
  constexpr std::size_t rows = pair_sizes::rows;
  constexpr std::size_t pairs = pair_sizes::pairs;
  __m512 sums[rows][pairs] = {};
  __m512 x[rows];
  auto const add_products = [&]() __attribute__((always_inline)) {
#  pragma GCC unroll 16
    for (std::size_t p = 0; p < pairs; ++p, packed += 2 * lane_count) {
      __m512 const y = _mm512_loadu_ps(packed);
#  pragma GCC unroll 16
      for (std::size_t i = 0; i < rows; ++i) sums[i][p] = _mm512_fmadd_ps(x[i], y, sums[i][p]);
    }
  };
  std::size_t k = 0;
  for (; k + lane_count <= depth; k += lane_count) {
#  pragma GCC unroll 16
    for (std::size_t i = 0; i < rows; ++i) x[i] = twice(_mm256_loadu_ps(a + i * a_stride + k));
    add_products();
  }
  if (k < depth) {
#  pragma GCC unroll 16
    for (std::size_t i = 0; i < rows; ++i) {
      lanes values;
      load_partial(values, a + i * a_stride + k, depth - k);
      x[i] = twice(values);
    }
    add_products();
  }
#  pragma GCC unroll 16
  for (std::size_t i = 0; i < rows; ++i)
#  pragma GCC unroll 16
    for (std::size_t p = 0; p < pairs; p += 2) {
      float* const out = c + i * c_stride + 2 * p;
      half_lanes value;
      fold4(value, lower(sums[i][p]), upper(sums[i][p]), lower(sums[i][p + 1]), upper(sums[i][p + 1]));
      if (accumulate) {
        half_lanes before;
        std::memcpy(&before, out, sizeof before);
        value = before + value;
      }
      std::memcpy(out, &value, sizeof value);
    }
}

}  // namespace detail

/// As multiply_transposed, to the bit.  @param scratch  pair_sizes::scratch(depth) floats
inline void multiply_transposed_packed(float const* a, std::size_t a_stride, float const* b, std::size_t b_stride,
                                       std::size_t rows, std::size_t columns, std::size_t depth, float* c,
                                       std::size_t c_stride, bool accumulate, float* scratch) {
  std::size_t const whole_rows = rows < pair_sizes::least_rows ? 0 : rows / pair_sizes::rows * pair_sizes::rows;
  std::size_t const whole_columns = whole_rows ? columns / pair_sizes::columns * pair_sizes::columns : 0;
  std::size_t const size = pair_sizes::columns * pair_sizes::padded(depth);  // of eight packed rows
  for (std::size_t first = 0; first < whole_columns; first += pair_sizes::block(depth)) {
    std::size_t const tiles = math::min(pair_sizes::block(depth), whole_columns - first) / pair_sizes::columns;
    for (std::size_t t = 0; t < tiles; ++t)
      detail::pack_pairs(b + (first + t * pair_sizes::columns) * b_stride, b_stride, depth, scratch + t * size);
    for (std::size_t i = 0; i < whole_rows; i += pair_sizes::rows)
      for (std::size_t t = 0; t < tiles; ++t)
        detail::pair_tile(a + i * a_stride, a_stride, scratch + t * size, depth,
                          c + i * c_stride + first + t * pair_sizes::columns, c_stride, accumulate);
  }
  if (whole_columns < columns)
    multiply_transposed(a, a_stride, b + whole_columns * b_stride, b_stride, whole_rows, columns - whole_columns, depth,
                        c + whole_columns, c_stride, accumulate);
  if (whole_rows < rows)
    multiply_transposed(a + whole_rows * a_stride, a_stride, b, b_stride, rows - whole_rows, columns, depth,
                        c + whole_rows * c_stride, c_stride, accumulate);
}

#else

/// As multiply_transposed; without AVX-512 nothing is gained by packing.
inline void multiply_transposed_packed(float const* a, std::size_t a_stride, float const* b, std::size_t b_stride,
                                       std::size_t rows, std::size_t columns, std::size_t depth, float* c,
                                       std::size_t c_stride, bool accumulate, float*) {
  multiply_transposed(a, a_stride, b, b_stride, rows, columns, depth, c, c_stride, accumulate);
}

#endif

}  // namespace cpu
RLVR_NAMESPACE_END
