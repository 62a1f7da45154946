// SPDX-License-Identifier: MIT
/// @file
/// The arithmetic of a block that keeps one tile of rows in shared memory while tiles of other rows stream past it.
///
/// All kernels of attention are of this kind.  Forward, queries stay and keys pass: scores are dot products of staying
/// and passing rows, the result a sum of passing rows (values) with weights made of the scores.  Backward, queries stay
/// once (gradient of the queries) and keys stay once (gradients of keys and values).
///
/// A row belongs to `lanes` neighbouring lanes of a warp.  A thread computes `rows_per_thread` x `columns_per_thread`
/// scores, then `rows_per_thread` x head / lanes elements of the result, both in registers.  What the lanes of a row
/// exchange they exchange inside their warp.
///
/// A number never depends on how many rows a tile has or how many lanes share a row: a score is summed by one thread in
/// the order of the head's columns, a row of scores is folded by halves (columns j and j + n/2, then j and j + n/4,
/// ...; the first folds are those within a thread, the last those across lanes), an element of the result by one thread
/// in the order of the passing rows.  So tiles for long and for short spans give the same bits.
///
/// Shared rows are 4 floats longer than the head: 16-byte reads at one column of 8 neighbouring rows touch all 32 banks
/// once.  Rows of weights are padded so that the rows of a warp start `lanes` banks apart.
#pragma once

#include <rlvr/backend/cuda/block_group.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// The launch policy of a kernel of attention.  (Kernels are templates on what a policy is chosen by, not on the
/// policy: nvcc 13's host stubs cannot name a kernel whose template argument is a value of class type.)
struct attention_tile {
  unsigned head;     ///< columns of a row in shared memory; a smaller head_size is padded with zeros
  unsigned rows;     ///< that stay
  unsigned columns;  ///< rows of a tile that passes
  unsigned lanes;    ///< that share a row
  unsigned threads;
  unsigned blocks;  ///< of a multiprocessor at once: what shared memory grants, so that registers may not cost it

  [[nodiscard]] RLVR_HD constexpr unsigned row_groups() const { return threads / lanes; }
  [[nodiscard]] RLVR_HD constexpr unsigned rows_per_thread() const { return rows / row_groups(); }
  [[nodiscard]] RLVR_HD constexpr unsigned columns_per_thread() const { return columns / lanes; }
  /// Neighbouring elements of a result that a thread reads at once.
  [[nodiscard]] RLVR_HD constexpr unsigned width() const { return math::min(4u, head / lanes); }
  /// How often `width` elements.
  [[nodiscard]] RLVR_HD constexpr unsigned pieces() const { return head / (lanes * width()); }
  /// Floats from row to row of a tile.
  [[nodiscard]] RLVR_HD constexpr unsigned stride() const { return head + 4; }
  /// Floats from row to row of weights: the smallest that suffices and is `lanes` modulo the 32 banks.
  [[nodiscard]] RLVR_HD constexpr unsigned weight_stride() const {
    unsigned floats = columns;
    while (floats % 32 != lanes % 32) ++floats;
    return floats;
  }
  [[nodiscard]] RLVR_HD constexpr bool valid() const {
    return head % (lanes * width()) == 0 && rows % row_groups() == 0 && columns % lanes == 0 && columns % 4 == 0 &&
           warp_size % lanes == 0 && threads % warp_size == 0 && columns <= threads && rows <= threads;
  }
};

namespace detail {

/// `Width` neighbouring floats.
template <unsigned Width>
struct fragment {
  float at[Width];

  /// @pre aligned to the fragment's size
  [[nodiscard]] static __device__ fragment load(float const* from) {
    fragment result;
    if constexpr (Width == 4) {
      float4 const value = *reinterpret_cast<float4 const*>(from);
      result.at[0] = value.x, result.at[1] = value.y, result.at[2] = value.z, result.at[3] = value.w;
    } else if constexpr (Width == 2) {
      float2 const value = *reinterpret_cast<float2 const*>(from);
      result.at[0] = value.x, result.at[1] = value.y;
    } else {
      static_assert(Width == 1);
      result.at[0] = *from;
    }
    return result;
  }
  /// @overload
  __device__ void store(float* to) const {
    if constexpr (Width == 4)
      *reinterpret_cast<float4*>(to) = make_float4(at[0], at[1], at[2], at[3]);
    else if constexpr (Width == 2)
      *reinterpret_cast<float2*>(to) = make_float2(at[0], at[1]);
    else
      *to = at[0];
  }
};

/// Copies rows into a tile: whole, or zeros.  Columns from `head_size` to the tile's are zeros too.
/// @param row_at   row_at(i): the first element of row i, or null
/// @param vectors  rows begin at multiples of 16 bytes and head_size is a multiple of 4
template <attention_tile Tile, unsigned Rows, class RowAt>
__device__ void load_rows(float* tile, std::size_t head_size, bool vectors, RowAt&& row_at) {
  if (vectors) {
    constexpr unsigned per_row = Tile.head / 4;
#pragma unroll 4
    for (unsigned i = threadIdx.x; i < Rows * per_row; i += Tile.threads) {
      unsigned const row = i / per_row;
      unsigned const column = i % per_row * 4;
      float const* const from = row_at(row);
      float4 value = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      if (from && column < head_size) value = *reinterpret_cast<float4 const*>(from + column);
      *reinterpret_cast<float4*>(tile + row * Tile.stride() + column) = value;
    }
  } else {
    for (unsigned i = threadIdx.x; i < Rows * Tile.head; i += Tile.threads) {
      unsigned const row = i / Tile.head;
      unsigned const column = i % Tile.head;
      float const* const from = row_at(row);
      tile[row * Tile.stride() + column] = from && column < head_size ? from[column] : 0.0f;
    }
  }
}

/// One thread's share of a tile.
template <attention_tile Tile>
struct tile_thread {
  static_assert(Tile.valid());
  static constexpr unsigned rows = Tile.rows_per_thread();
  static constexpr unsigned columns = Tile.columns_per_thread();
  static constexpr unsigned pieces = Tile.pieces();
  static constexpr unsigned width = Tile.width();

  /// Of the thread's rows with its columns.
  struct scores {
    float at[rows][columns];
  };
  /// Of the thread's rows, its elements of the result.
  struct sums {
    fragment<width> at[rows][pieces];
  };

  /// Row r of the thread: neighbouring groups of lanes have neighbouring rows.
  [[nodiscard]] static __device__ unsigned row(unsigned r) { return threadIdx.x / Tile.lanes + r * Tile.row_groups(); }
  [[nodiscard]] static __device__ unsigned lane() { return threadIdx.x % Tile.lanes; }
  /// Passing row c of the thread.
  [[nodiscard]] static __device__ unsigned column(unsigned c) { return lane() + c * Tile.lanes; }
  /// First element of piece p of the thread.
  [[nodiscard]] static __device__ unsigned element(unsigned p) { return (p * Tile.lanes + lane()) * width; }

  /// Dot products of staying with passing rows.
  /// @param depth  columns of a row that may differ from 0, up to a multiple of 4
  static __device__ void dot_products(float const* staying, float const* passing, unsigned depth, scores& result) {
#pragma unroll
    for (unsigned r = 0; r < rows; ++r)
#pragma unroll
      for (unsigned c = 0; c < columns; ++c) result.at[r][c] = 0.0f;
#pragma unroll 2
    for (unsigned d = 0; d < depth; d += 4) {
      fragment<4> left[rows];
#pragma unroll
      for (unsigned r = 0; r < rows; ++r) left[r] = fragment<4>::load(staying + row(r) * Tile.stride() + d);
#pragma unroll
      for (unsigned c = 0; c < columns; ++c) {
        fragment<4> const right = fragment<4>::load(passing + column(c) * Tile.stride() + d);
#pragma unroll
        for (unsigned r = 0; r < rows; ++r)
#pragma unroll
          for (unsigned i = 0; i < 4; ++i)
            result.at[r][c] = math::multiply_add(left[r].at[i], right.at[i], result.at[r][c]);
      }
    }
  }

  /// Folds a row of scores; all of its lanes get the result.  Every thread of the block calls it.
  template <class Operation>
  [[nodiscard]] static __device__ float fold_row(float const (&values)[columns], Operation operation) {
    float folded[columns];
#pragma unroll
    for (unsigned c = 0; c < columns; ++c) folded[c] = values[c];
#pragma unroll
    for (unsigned half = columns / 2; half > 0; half /= 2)
#pragma unroll
      for (unsigned c = 0; c < half; ++c) folded[c] = operation(folded[c], folded[c + half]);
    return warp_reduce<Tile.lanes>(folded[0], operation);
  }

  /// Hands the thread's weights to the other lanes of its rows.  They see them after a __syncwarp.
  static __device__ void store_weights(scores const& values, float* weights) {
#pragma unroll
    for (unsigned r = 0; r < rows; ++r)
#pragma unroll
      for (unsigned c = 0; c < columns; ++c) weights[row(r) * Tile.weight_stride() + column(c)] = values.at[r][c];
  }

  static __device__ void clear(sums& result) {
#pragma unroll
    for (unsigned r = 0; r < rows; ++r)
#pragma unroll
      for (unsigned p = 0; p < pieces; ++p)
#pragma unroll
        for (unsigned i = 0; i < width; ++i) result.at[r][p].at[i] = 0.0f;
  }

  /// Adds sum_j weights[row][j] passing[j] to the thread's elements.
  static __device__ void add_weighted(float const* weights, float const* passing, sums& result) {
    // One step is four passing rows: their weights are one read.
#pragma unroll 1
    for (unsigned j = 0; j < Tile.columns; j += 4) {
      fragment<4> weight[rows];
#pragma unroll
      for (unsigned r = 0; r < rows; ++r) weight[r] = fragment<4>::load(weights + row(r) * Tile.weight_stride() + j);
#pragma unroll
      for (unsigned i = 0; i < 4; ++i)
#pragma unroll
        for (unsigned p = 0; p < pieces; ++p) {
          auto const elements = fragment<width>::load(passing + (j + i) * Tile.stride() + element(p));
#pragma unroll
          for (unsigned r = 0; r < rows; ++r)
#pragma unroll
            for (unsigned e = 0; e < width; ++e)
              result.at[r][p].at[e] = math::multiply_add(weight[r].at[i], elements.at[e], result.at[r][p].at[e]);
        }
    }
  }

  /// Writes the thread's elements of a row, of which `head_size` exist.  @param vectors  as for `load_rows`
  static __device__ void store_row(fragment<width> const (&elements)[pieces], float* to, std::size_t head_size,
                                   bool vectors) {
#pragma unroll
    for (unsigned p = 0; p < pieces; ++p) {
      if (vectors) {
        if (element(p) < head_size) elements[p].store(to + element(p));
      } else {
#pragma unroll
        for (unsigned i = 0; i < width; ++i)
          if (element(p) + i < head_size) to[element(p) + i] = elements[p].at[i];
      }
    }
  }

  /// Adds the thread's elements to a row in memory.  @param vectors  as for `load_rows`
  static __device__ void add_row(fragment<width> const (&elements)[pieces], float* to, std::size_t head_size,
                                 bool vectors) {
#pragma unroll
    for (unsigned p = 0; p < pieces; ++p) {
      if (vectors) {
        if (element(p) >= head_size) continue;
        auto sum = fragment<width>::load(to + element(p));
#pragma unroll
        for (unsigned i = 0; i < width; ++i) sum.at[i] += elements[p].at[i];
        sum.store(to + element(p));
      } else {
#pragma unroll
        for (unsigned i = 0; i < width; ++i)
          if (element(p) + i < head_size) to[element(p) + i] += elements[p].at[i];
      }
    }
  }
};

/// Whether rows of heads can be read 16 bytes at a time.
template <class T>
[[nodiscard]] bool vector_rows(matrix_view<T> const& view, std::size_t head_size) {
  return head_size % 4 == 0 && view.stride % 4 == 0 && reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
}

/// The smallest head that kernels exist for and that holds `head_size` columns.
[[nodiscard]] inline unsigned padded_head(std::size_t head_size) {
  for (unsigned const head : {32u, 64u, 128u, 256u})
    if (head_size <= head) return head;
  throw unsupported_error("attention: head_size " + std::to_string(head_size) + ", at most 256");
}

/// Most shared memory that a block of attention asks for: what the smallest devices of today grant (99 KiB).
inline constexpr std::size_t shared_bytes_limit = 99 * 1024;

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
