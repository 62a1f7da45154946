// SPDX-License-Identifier: MIT
/// @file
/// The arithmetic of a block that keeps a tile of rows in shared memory while tiles of other rows stream past it, on
/// tensor cores: what attention_tile.cuh is for plain arithmetic.
///
/// A warp has 16 rows.  Scores leave a product in the places in which weights enter the next one (mma.cuh), so they
/// stay in registers.  Where a block has 16 rows only (decoding, wide heads), its warps share them: each computes the
/// scores of some passing rows, all get all scores through shared memory and make the same weights, and each has some
/// columns of the result.  Who computes a number changes nothing about it: scores are summed along the head, results
/// along the passing rows, always in one order, and a row's scores are folded by the same four lanes.
///
/// Numbers are rounded to bfloat16 on their way into shared memory.  A tile lies there as factors are read, in pairs:
/// rows of pairs where the sum runs along the head, columns of pairs where it runs along the rows.  A row or column is
/// 4 registers longer than its numbers: the 8 x 4 registers that a warp reads at once then lie in 32 banks (the strides
/// 20, 36, 68 and 132 are 4 times an odd number).
#pragma once

#include <rlvr/backend/cuda/attention_tile.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/backend/cuda/mma.cuh>
#include <rlvr/core/math.hpp>

#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// The launch policy of a kernel of attention on tensor cores.
struct mma_tile {
  unsigned head;          ///< columns of a row; a smaller head_size is padded with zeros
  unsigned columns;       ///< rows of a tile that passes
  unsigned row_warps;     ///< times 16 rows that stay
  unsigned column_warps;  ///< that share 16 rows
  unsigned blocks;        ///< of a multiprocessor at once: what shared memory grants

  [[nodiscard]] RLVR_HD constexpr unsigned rows() const { return 16 * row_warps; }
  [[nodiscard]] RLVR_HD constexpr unsigned warps() const { return row_warps * column_warps; }
  [[nodiscard]] RLVR_HD constexpr unsigned threads() const { return warp_size * warps(); }
  /// Registers from row to row of a tile that lies in rows.
  [[nodiscard]] RLVR_HD constexpr unsigned row_stride() const { return head / 2 + 4; }
  /// Registers from column to column of a tile that lies in columns.
  [[nodiscard]] RLVR_HD constexpr unsigned column_stride() const { return columns / 2 + 4; }
  /// Floats from row to row of scores that warps exchange, and all of them: none where each warp has its own rows.
  [[nodiscard]] RLVR_HD constexpr unsigned score_stride() const { return columns + 8; }
  [[nodiscard]] RLVR_HD constexpr unsigned exchanged() const { return column_warps > 1 ? rows() * score_stride() : 1; }
  [[nodiscard]] RLVR_HD constexpr bool valid() const {
    return head % 16 == 0 && columns % 32 == 0 && head % (8 * column_warps) == 0 && columns % (8 * column_warps) == 0 &&
           (row_warps == 1 || column_warps == 1) && rows() <= threads() && columns <= threads();
  }
};

namespace detail {

/// Columns [column, column + 4) of a row in memory, zeros where there are none.  @param from  the row, or null
[[nodiscard]] __device__ inline fragment<4> row_piece(float const* from, unsigned column, std::size_t size,
                                                      bool vectors) {
  fragment<4> piece{{0.0f, 0.0f, 0.0f, 0.0f}};
  if (!from || column >= size) return piece;
  if (vectors) return fragment<4>::load(from + column);
#pragma unroll
  for (unsigned i = 0; i < 4; ++i)
    if (column + i < size) piece.at[i] = from[column + i];
  return piece;
}

/// Writes four neighbours of a row into a tile that lies in rows.
template <mma_tile Tile>
__device__ void store_piece(std::uint32_t* tile, unsigned row, unsigned column, fragment<4> const& piece) {
  *reinterpret_cast<uint2*>(tile + row * Tile.row_stride() + column / 2) =
      make_uint2(bf16_pair(piece.at[0], piece.at[1]), bf16_pair(piece.at[2], piece.at[3]));
}

/// Copies rows into a tile that lies in rows.  Parameters as for `load_rows`.
template <mma_tile Tile, unsigned Rows, class RowAt>
__device__ void load_in_rows(std::uint32_t* tile, std::size_t size, bool vectors, RowAt&& row_at) {
  constexpr unsigned per_row = Tile.head / 4;
#pragma unroll 4
  for (unsigned i = threadIdx.x; i < Rows * per_row; i += Tile.threads()) {
    unsigned const row = i / per_row;
    unsigned const column = i % per_row * 4;
    store_piece<Tile>(tile, row, column, row_piece(row_at(row), column, size, vectors));
  }
}

/// Copies a passing tile in columns, and in rows too unless `rows` is null.  A warp reads 16 pairs of rows at 8
/// neighbouring columns, whole sectors of memory, and no two of the 32 registers that it then writes lie in one bank;
/// to write rows too it takes 8 pairs at 16 columns, which costs two turns for either.
template <mma_tile Tile, bool InRows, class RowAt>
__device__ void load_in_columns(std::uint32_t* columns, std::uint32_t* rows, std::size_t size, bool vectors,
                                RowAt&& row_at) {
  constexpr unsigned row_pairs = Tile.columns / 2;
  constexpr unsigned deep = InRows ? 8 : 16;  // pairs of rows of a warp
  constexpr unsigned wide = warp_size / deep;
#pragma unroll 2
  for (unsigned i = threadIdx.x; i < row_pairs * (Tile.head / 4); i += Tile.threads()) {
    unsigned const pair = i % deep + i / warp_size % (row_pairs / deep) * deep;
    unsigned const column = (i / deep % wide + i / (wide * row_pairs) * wide) * 4;
    fragment<4> const first = row_piece(row_at(2 * pair), column, size, vectors);
    fragment<4> const second = row_piece(row_at(2 * pair + 1), column, size, vectors);
#pragma unroll
    for (unsigned c = 0; c < 4; ++c)
      columns[(column + c) * Tile.column_stride() + pair] = bf16_pair(first.at[c], second.at[c]);
    if constexpr (InRows) {
      store_piece<Tile>(rows, 2 * pair, column, first);
      store_piece<Tile>(rows, 2 * pair + 1, column, second);
    }
  }
}

/// A warp's share of a tile.
template <mma_tile Tile>
struct mma_warp {
  static_assert(Tile.valid());
  static constexpr unsigned column_blocks = Tile.columns / 8;
  static constexpr unsigned own_column_blocks = column_blocks / Tile.column_warps;
  static constexpr unsigned pieces = Tile.head / 8 / Tile.column_warps;  ///< of 8 columns of the result

  /// Of the warp's rows with all passing rows.
  struct scores {
    mma_sums at[column_blocks];
  };
  /// Of the warp's rows, its columns of the result.
  struct sums {
    mma_sums at[pieces];
  };

  [[nodiscard]] static __device__ unsigned index() { return threadIdx.x / warp_size; }
  [[nodiscard]] static __device__ unsigned first_row() { return index() / Tile.column_warps * 16; }
  /// Among the warps that share rows.
  [[nodiscard]] static __device__ unsigned share() { return index() % Tile.column_warps; }
  /// The lane's two rows, r = 0 or 1.
  [[nodiscard]] static __device__ unsigned row(unsigned r) { return first_row() + mma_lane::group() + 8 * r; }
  /// The lane's passing row i (0 or 1) of block n.
  [[nodiscard]] static __device__ unsigned column(unsigned n, unsigned i) { return n * 8 + 2 * mma_lane::pair() + i; }
  /// The first of the lane's two elements of piece p.
  [[nodiscard]] static __device__ unsigned element(unsigned p) {
    return (share() * pieces + p) * 8 + 2 * mma_lane::pair();
  }
  /// Whether the lane is the one of four, and the warp the one of those that share rows, to write what all hold.
  [[nodiscard]] static __device__ bool writes() { return share() == 0 && mma_lane::pair() == 0; }

  /// Dot products of staying with passing rows.  The warps that share rows leave theirs in `exchange`: a barrier and
  /// `finish_products` follow.
  static __device__ void dot_products(std::uint32_t const* staying, std::uint32_t const* passing, float* exchange,
                                      scores& result) {
    if constexpr (Tile.column_warps == 1) {
      multiply(staying, passing, result.at);
    } else {
      mma_sums own[own_column_blocks];
      unsigned const first = share() * own_column_blocks;
      multiply(staying, passing + first * 8 * Tile.row_stride(), own);
#pragma unroll
      for (unsigned n = 0; n < own_column_blocks; ++n)
#pragma unroll
        for (unsigned r = 0; r < 2; ++r)
          *reinterpret_cast<float2*>(exchange + row(r) * Tile.score_stride() + column(first + n, 0)) =
              make_float2(own[n].at[2 * r], own[n].at[2 * r + 1]);
    }
  }

  static __device__ void finish_products(float const* exchange, scores& result) {
    if constexpr (Tile.column_warps > 1) {
#pragma unroll
      for (unsigned n = 0; n < column_blocks; ++n)
#pragma unroll
        for (unsigned r = 0; r < 2; ++r) {
          auto const two = fragment<2>::load(exchange + row(r) * Tile.score_stride() + column(n, 0));
          result.at[n].at[2 * r] = two.at[0];
          result.at[n].at[2 * r + 1] = two.at[1];
        }
    }
  }

  /// Adds sum_j weights[row][j] passing[j] to the warp's columns; weights are rounded to bfloat16.
  /// @param passing  in columns
  static __device__ void add_weighted(scores const& weights, std::uint32_t const* passing, sums& result) {
#pragma unroll
    for (unsigned k = 0; k < Tile.columns / 16; ++k) {
      mma_sums const& first = weights.at[2 * k];
      mma_sums const& second = weights.at[2 * k + 1];
      mma_left const left{{bf16_pair(first.at[0], first.at[1]), bf16_pair(first.at[2], first.at[3]),
                           bf16_pair(second.at[0], second.at[1]), bf16_pair(second.at[2], second.at[3])}};
      std::uint32_t const* const from = passing + share() * pieces * 8 * Tile.column_stride() + k * 8;
#pragma unroll
      for (unsigned p = 0; p < pieces; ++p)
        mma_add(result.at[p], left, mma_right::load(from + p * 8 * Tile.column_stride(), Tile.column_stride()));
    }
  }

  /// Writes the lane's elements of its row r, of which `size` exist.  @param vectors  as for `load_rows`
  static __device__ void store_row(sums const& result, unsigned r, float* to, std::size_t size, bool vectors) {
#pragma unroll
    for (unsigned p = 0; p < pieces; ++p) {
      fragment<2> const two{{result.at[p].at[2 * r], result.at[p].at[2 * r + 1]}};
      if (vectors) {
        if (element(p) < size) two.store(to + element(p));
      } else {
#pragma unroll
        for (unsigned i = 0; i < 2; ++i)
          if (element(p) + i < size) to[element(p) + i] = two.at[i];
      }
    }
  }

  /// Adds them to a row in memory.
  static __device__ void add_row(sums& result, unsigned r, float* to, std::size_t size, bool vectors) {
#pragma unroll
    for (unsigned p = 0; p < pieces; ++p)
#pragma unroll
      for (unsigned i = 0; i < 2; ++i)
        if (element(p) + i < size) result.at[p].at[2 * r + i] += to[element(p) + i];
    store_row(result, r, to, size, vectors);
  }

 private:
  /// Products of the warp's rows with `Count` blocks of 8 passing rows.
  template <unsigned Count>
  static __device__ void multiply(std::uint32_t const* staying, std::uint32_t const* passing,
                                  mma_sums (&result)[Count]) {
#pragma unroll
    for (unsigned n = 0; n < Count; ++n) result[n] = {{0.0f, 0.0f, 0.0f, 0.0f}};
#pragma unroll 4
    for (unsigned d = 0; d < Tile.head / 16; ++d) {
      mma_left const left = mma_left::load(staying + first_row() * Tile.row_stride() + d * 8, Tile.row_stride());
#pragma unroll
      for (unsigned n = 0; n < Count; ++n)
        mma_add(result[n], left, mma_right::load(passing + n * 8 * Tile.row_stride() + d * 8, Tile.row_stride()));
    }
  }
};

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
