// SPDX-License-Identifier: MIT
/// @file
/// The forward pass of attention on tensor cores (the algorithm: attention.cuh; the product: mma.cuh).
///
/// Queries, keys and values are rounded to bfloat16 on their way into shared memory.  Scores are sums in float;
/// maximum, weights and normaliser are float as in the plain kernel.  The weights are rounded too where they multiply
/// values, not where they make the normaliser: statistics have the error of float for the rounded queries and keys, and
/// an output differs from exact attention over rounded inputs by at most 2^-8 sum_j P_j |v_j|, besides float's own
/// roundings.
///
/// How a block multiplies, and how its tiles lie in shared memory: attention_mma_tile.cuh.
#pragma once

#include <rlvr/backend/cuda/attention_mma_tile.cuh>
#include <rlvr/backend/cuda/attention_rows.cuh>
#include <rlvr/backend/cuda/attention_tasks.hpp>
#include <rlvr/backend/cuda/attention_tile.cuh>
#include <rlvr/backend/cuda/block_group.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/backend/cuda/mma.cuh>
#include <rlvr/core/math.hpp>

#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// Tiles of the forward pass.  @param few_rows  a block has at most 16 rows
[[nodiscard]] RLVR_HD constexpr mma_tile mma_forward_tile(unsigned head, bool few_rows) {
  return {.head = head,
          .columns = head > 64 ? 32u : 64u,
          .row_warps = few_rows ? 1u : 4u,
          .column_warps = few_rows ? 4u : 1u,
          .blocks = head > 128 ? 2u : (head > 64 ? 3u : 4u)};
}

namespace detail {

/// Shared memory of the forward kernel.
template <mma_tile Tile>
struct mma_forward_shared {
  alignas(16) std::uint32_t query[Tile.rows() * Tile.row_stride()];
  alignas(16) std::uint32_t key[Tile.columns * Tile.row_stride()];
  alignas(16) std::uint32_t value[Tile.head * Tile.column_stride()];
  alignas(16) float scores[Tile.exchanged()];  ///< that warps exchange
  tile_row rows[Tile.rows()];
  std::int64_t key_rows[Tile.columns];  ///< of the next tile; -1: beyond the context
};

/// The state of a lane's two rows.  Four lanes hold the same.
template <mma_tile Tile>
struct mma_softmax {
  using warp = mma_warp<Tile>;
  float maximum[2];
  float normaliser[2];

  __device__ void clear() {
#pragma unroll
    for (unsigned r = 0; r < 2; ++r) {
      maximum[r] = rlvr::detail::lowest_value<float>();
      normaliser[r] = 0.0f;
    }
  }

  /// Takes in the scores of row r, of which it sees the first `visible`, makes them weights and rescales the sums.
  /// Every lane of the warp calls it.
  __device__ void update(unsigned r, unsigned visible, float scale, typename warp::scores& scores,
                         typename warp::sums& sums) {
    float highest = rlvr::detail::lowest_value<float>();
#pragma unroll
    for (unsigned n = 0; n < warp::column_blocks; ++n)
#pragma unroll
      for (unsigned i = 0; i < 2; ++i)
        if (warp::column(n, i) < visible) highest = math::max(highest, scores.at[n].at[2 * r + i]);
    // In this order of arguments a product that is no number (-infinity * 0) leaves the maximum as it was.
    float const largest = math::max(maximum[r], warp_reduce<4>(highest, cuda::maximum{}) * scale);
    float const correction = math::exp(maximum[r] - largest);
    float sum = 0.0f;
#pragma unroll
    for (unsigned n = 0; n < warp::column_blocks; ++n)
#pragma unroll
      for (unsigned i = 0; i < 2; ++i) {
        float& score = scores.at[n].at[2 * r + i];
        float const weight = math::exp(math::multiply_add(score, scale, -largest));
        score = warp::column(n, i) < visible ? weight : 0.0f;
        sum += score;
      }
    normaliser[r] = math::multiply_add(normaliser[r], correction, warp_reduce<4>(sum, plus{}));
    maximum[r] = largest;
#pragma unroll
    for (unsigned p = 0; p < warp::pieces; ++p)
#pragma unroll
      for (unsigned i = 0; i < 2; ++i) sums.at[p].at[2 * r + i] *= correction;
  }
};

/// A block per (tile, key/value head), the heads of a tile next to each other.
/// @param rows  of a tile, at most those of the policy
template <unsigned Head, bool FewRows>
__global__ void __launch_bounds__(mma_forward_tile(Head, FewRows).threads(), mma_forward_tile(Head, FewRows).blocks)
    attention_mma_kernel(attention_forward_arguments op, unsigned rows) {
  constexpr mma_tile Tile = mma_forward_tile(Head, FewRows);
  using warp = mma_warp<Tile>;
  auto& shared = *dynamic_shared<mma_forward_shared<Tile>>();
  std::size_t const size = op.heads.size;
  std::size_t const group = op.heads.group;
  std::size_t const key_head = blockIdx.x % op.heads.key_value_heads;
  query_tile const tile = op.tiles[blockIdx.x / op.heads.key_value_heads];
  attention_span const span = op.spans[tile.span];
  std::int64_t const context = tile_context(span, tile.first_row + rows - 1, group);
  context_walk walk(op.ranges + span.first_range, context);

  if (threadIdx.x < Tile.rows()) {
    std::int64_t const beyond = span.query_count * static_cast<std::int64_t>(group);
    shared.rows[threadIdx.x] =
        tile_row::of(span, threadIdx.x < rows ? tile.first_row + threadIdx.x : beyond, key_head, group);
  }
  if (threadIdx.x < Tile.columns) shared.key_rows[threadIdx.x] = walk.row(threadIdx.x);
  __syncthreads();
  load_in_rows<Tile, Tile.rows()>(shared.query, size, op.vectors,
                                  [&](unsigned i) { return shared.rows[i].in(op.query, size); });

  mma_softmax<Tile> softmax;
  typename warp::sums sums{};
  softmax.clear();
  for (std::int64_t first = 0; first < context; first += Tile.columns) {
    load_in_rows<Tile, Tile.columns>(shared.key, size, op.vectors,
                                     [&](unsigned i) { return key_row(op.key, shared.key_rows[i], key_head, size); });
    load_in_columns<Tile, false>(shared.value, nullptr, size, op.vectors,
                                 [&](unsigned i) { return key_row(op.value, shared.key_rows[i], key_head, size); });
    __syncthreads();
    if (threadIdx.x < Tile.columns) shared.key_rows[threadIdx.x] = walk.row(first + Tile.columns + threadIdx.x);
    typename warp::scores scores;
    warp::dot_products(shared.query, shared.key, shared.scores, scores);
    if constexpr (Tile.column_warps > 1) __syncthreads();
    warp::finish_products(shared.scores, scores);
#pragma unroll
    for (unsigned r = 0; r < 2; ++r)
      softmax.update(r, clipped(shared.rows[warp::row(r)].sees - first, Tile.columns), op.heads.scale, scores, sums);
    warp::add_weighted(scores, shared.value, sums);
    __syncthreads();  // the next tile overwrites this one
  }

#pragma unroll
  for (unsigned r = 0; r < 2; ++r) {
    tile_row const at = shared.rows[warp::row(r)];
    if (at.row < 0) continue;
    float const inverse = 1.0f / softmax.normaliser[r];
#pragma unroll
    for (unsigned p = 0; p < warp::pieces; ++p)
#pragma unroll
      for (unsigned i = 0; i < 2; ++i)  // + 0: a sum of zeros has one sign, whatever keys it skipped
        sums.at[p].at[2 * r + i] = math::multiply_add(sums.at[p].at[2 * r + i], inverse, 0.0f);
    warp::store_row(sums, r, at.in(op.output, size), size, op.vectors);
    if (op.statistics.maximum.data && warp::writes()) {
      auto const head = static_cast<std::size_t>(at.head);
      op.statistics.maximum(static_cast<std::size_t>(at.row), head) = softmax.maximum[r];
      op.statistics.inverse_normaliser(static_cast<std::size_t>(at.row), head) = inverse;
    }
  }
}

/// @param tiles  the plan's queries in tiles of `rows` rows
template <unsigned Head, bool FewRows>
void launch_attention_mma(std::size_t tiles, unsigned rows, cudaStream_t stream,
                          attention_forward_arguments const& arguments) {
  constexpr mma_tile tile = mma_forward_tile(Head, FewRows);
  using shared = mma_forward_shared<tile>;
  static_assert(sizeof(shared) <= shared_bytes_limit / 2);  // two blocks of a multiprocessor, where that is all
  launch(attention_mma_kernel<Head, FewRows>, tiles * arguments.heads.key_value_heads, tile.threads(), sizeof(shared),
         stream, arguments, rows);
}

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
