// SPDX-License-Identifier: MIT
/// @file
/// C (+)= A B of float matrices, single-threaded, near the speed of the arithmetic units: B is packed into panels a few
/// registers wide that stay in the first-level cache while the rows of A pass by (Goto and van de Geijn, "Anatomy of
/// High-Performance Matrix Multiplication", 2008).
///
/// An element of C is one chain of fused multiply-adds over k in ascending order, begun at 0 or at what C holds: its
/// bits depend on its row of A and its column of B alone, not on tiles, blocks or the width of the registers.
#pragma once

#include <rlvr/backend/cpu/gemm_tiles.hpp>
#include <rlvr/core/config.hpp>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/core/weight_view.hpp>

#include <cstddef>
#include <cstring>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace cpu {

/// The widest registers: sixteen floats of AVX-512, else `lanes`.
#if defined(__AVX512F__)
typedef float wide_lanes __attribute__((vector_size(64)));
#else
typedef lanes wide_lanes;
#endif

/// Sizes of the packed product.
struct packed_sizes {
  static constexpr std::size_t lane_count = sizeof(wide_lanes) / sizeof(float);
  static constexpr bool has_32_registers = lane_count == 16;
  static constexpr std::size_t vectors = has_32_registers ? 3 : 2;
  static constexpr std::size_t rows = has_32_registers ? 8 : 6;  ///< of a tile: 24 sums, or 12
  static constexpr std::size_t columns = vectors * lane_count;   ///< of a tile and of a panel
  static constexpr std::size_t depth = 192;                      ///< of a block: a panel fits the first-level cache
  static constexpr std::size_t unpacked_rows = 64;               ///< of A that are too few to pack B for
  static constexpr std::size_t block_rows = 256;                 ///< of A between two panels: they fit the second
};

/// Floats of scratch memory that `multiply_packed` needs.
[[nodiscard]] constexpr std::size_t packed_scratch(std::size_t rows, std::size_t columns, bool transposed) {
  std::size_t const panels = math::ceil_div(columns, packed_sizes::columns) * packed_sizes::columns;
  std::size_t const packed_rows = transposed ? math::min(rows, packed_sizes::block_rows) : 0;
  return (panels + packed_rows) * packed_sizes::depth;
}

namespace detail {

[[gnu::always_inline]] inline void multiply_add_wide(wide_lanes& sum, wide_lanes const& a, wide_lanes const& b) {
#if defined(__AVX512F__)
  sum = _mm512_fmadd_ps(a, b, sum);
#else
  multiply_add(sum, a, b);
#endif
}

[[gnu::always_inline]] inline void broadcast_wide(wide_lanes& to, float const& value) {
#if defined(__AVX512F__)
  to = _mm512_set1_ps(value);
#else
  broadcast(to, value);
#endif
}

/// Where a tile of C lies, and how much of it there is.
struct packed_tile {
  float* c;
  std::size_t stride;
  std::size_t rows, columns;
  bool accumulate;
};

/// Rows of B, as wide as a tile: packed, or where they lie.
struct panel_view {
  float const* data;
  std::size_t stride;
};

/// One tile: Rows rows of A (row i, column k at a[i * a_row + k * a_column]) times a panel.  A call: GCC 12, where it
/// inlines this into the loops around it, keeps the sums in memory.
template <std::size_t Rows>
[[gnu::noinline]] void packed_tile_product(float const* a, std::size_t a_row, std::size_t a_column, panel_view panel,
                                           std::size_t depth, packed_tile const& tile) {
  constexpr std::size_t vectors = packed_sizes::vectors;
  constexpr std::size_t lane_count = packed_sizes::lane_count;
  constexpr std::size_t columns = packed_sizes::columns;
  alignas(64) float edge[Rows * columns];
  bool const is_whole = tile.columns == columns;
  float* const c = is_whole ? tile.c : edge;
  std::size_t const stride = is_whole ? tile.stride : columns;
  if (!is_whole && tile.accumulate)
    for (std::size_t i = 0; i < Rows; ++i)
      std::memcpy(edge + i * columns, tile.c + i * tile.stride, tile.columns * sizeof(float));

  wide_lanes sums[Rows][vectors] = {};
  if (tile.accumulate)
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i)
#pragma GCC unroll 16
      for (std::size_t v = 0; v < vectors; ++v)
        std::memcpy(&sums[i][v], c + i * stride + v * lane_count, sizeof(wide_lanes));
  for (std::size_t k = 0; k < depth; ++k) {
    wide_lanes y[vectors];
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v)
      std::memcpy(&y[v], panel.data + k * panel.stride + v * lane_count, sizeof y[v]);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
      wide_lanes x;
      broadcast_wide(x, a[i * a_row + k * a_column]);
#pragma GCC unroll 16
      for (std::size_t v = 0; v < vectors; ++v) multiply_add_wide(sums[i][v], x, y[v]);
    }
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Rows; ++i)
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v)
      std::memcpy(c + i * stride + v * lane_count, &sums[i][v], sizeof(wide_lanes));
  if (!is_whole)
    for (std::size_t i = 0; i < Rows; ++i)
      std::memcpy(tile.c + i * tile.stride, edge + i * columns, tile.columns * sizeof(float));
}

/// At most Rows rows: a whole tile, or tiles of half as many, down to one.
template <std::size_t Rows>
inline void packed_tiles(float const* a, std::size_t a_row, std::size_t a_column, panel_view panel, std::size_t depth,
                         packed_tile tile) {
  while (tile.rows >= Rows) {
    packed_tile_product<Rows>(a, a_row, a_column, panel, depth, tile);
    a += Rows * a_row;
    tile.c += Rows * tile.stride;
    tile.rows -= Rows;
  }
  if constexpr (Rows > 1)
    if (tile.rows > 0) packed_tiles<Rows / 2>(a, a_row, a_column, panel, depth, tile);
}

/// Rows [k, k + depth) of B, columns from `first` on, as one panel; zeros beyond B's columns.
template <weight_element T>
inline void pack_panel(matrix_view<T const> b, std::size_t k, std::size_t depth, std::size_t first, float* panel) {
  std::size_t const width = math::min(packed_sizes::columns, b.columns - first);
  for (std::size_t i = 0; i < depth; ++i, panel += packed_sizes::columns) {
    T const* const row = b.row(k + i) + first;
    for (std::size_t j = 0; j < width; ++j) panel[j] = static_cast<float>(row[j]);
    for (std::size_t j = width; j < packed_sizes::columns; ++j) panel[j] = 0.0f;
  }
}

/// Columns [first, first + count) of `a`, rows [k, k + depth): for each row the columns one after the other.
inline void pack_columns(matrix_view<float const> a, std::size_t k, std::size_t depth, std::size_t first,
                         std::size_t count, float* packed) {
  for (std::size_t i = 0; i < depth; ++i, packed += count)
    std::memcpy(packed, a.row(k + i) + first, count * sizeof(float));
}

}  // namespace detail

/// C (+)= A B, or C (+)= A^T B if `transposed` (A is then [depth, rows]).
/// @param scratch  packed_scratch(C's rows, C's columns, transposed) floats
template <weight_element T>
inline void multiply_packed(matrix_view<float const> a, bool transposed, matrix_view<T const> b, matrix_view<float> c,
                            bool accumulate, float* scratch) {
  constexpr std::size_t width = packed_sizes::columns;
  std::size_t const panels = math::ceil_div(c.columns, width);
  // Packing pays where many tiles read a panel; what is no float, or narrower than a panel, must be packed.
  bool const packs = !std::is_same_v<T, float> || c.rows > packed_sizes::unpacked_rows;
  std::size_t const first_packed = packs ? 0 : c.columns / width;
  float* const packed_a = scratch + panels * width * packed_sizes::depth;
  for (std::size_t k = 0; k < b.rows || k == 0; k += packed_sizes::depth) {
    std::size_t const depth = math::min(packed_sizes::depth, b.rows - k);
    for (std::size_t p = first_packed; p < panels; ++p)
      detail::pack_panel<T>(b, k, depth, p * width, scratch + p * width * depth);
    auto const panel = [&](std::size_t p) -> detail::panel_view {
      if constexpr (std::is_same_v<T, float>)
        if (p < first_packed) return {b.row(k) + p * width, b.stride};
      return {scratch + p * width * depth, width};
    };
    for (std::size_t begin = 0; begin < c.rows; begin += packed_sizes::block_rows) {
      std::size_t const end = math::min(begin + packed_sizes::block_rows, c.rows);
      if (transposed)
        for (std::size_t i = begin; i < end; i += packed_sizes::rows)
          detail::pack_columns(a, k, depth, i, math::min(packed_sizes::rows, end - i), packed_a + (i - begin) * depth);
      for (std::size_t p = 0; p < panels; ++p)
        for (std::size_t i = begin; i < end; i += packed_sizes::rows) {
          std::size_t const rows = math::min(packed_sizes::rows, end - i);
          detail::packed_tiles<packed_sizes::rows>(transposed ? packed_a + (i - begin) * depth : a.row(i) + k,
                                                   transposed ? std::size_t{1} : a.stride, transposed ? rows : 1,
                                                   panel(p), depth,
                                                   {.c = c.row(i) + p * width,
                                                    .stride = c.stride,
                                                    .rows = rows,
                                                    .columns = math::min(width, c.columns - p * width),
                                                    .accumulate = accumulate || k > 0});
        }
    }
  }
}

}  // namespace cpu
RLVR_NAMESPACE_END
