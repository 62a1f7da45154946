// SPDX-License-Identifier: MIT
/// @file
/// The backward pass of attention on tensor cores (formulas and division of work: attention_gradient.cuh; how a block
/// multiplies: attention_mma_tile.cuh).
///
/// Queries, keys, values and dO are rounded to bfloat16 as they are loaded, D is that of the rounded dO.  Scores, P, dP
/// and dS are float, P and dS are rounded where they are multiplied.  So the results are the gradients of attention
/// over rounded inputs for a rounded dO, but for the output in D, whose weights were rounded, and for an error of at
/// most
///
///   2^-8 sum_j |dS_ij k_j| of dq_i,   2^-8 sum_i |dS_ij q_i| of dk_j,   2^-8 sum_i |P_ij dO_i| of dv_j
///
/// besides float's own roundings.
#pragma once

#include <rlvr/backend/cuda/attention_key_gradient.cuh>
#include <rlvr/backend/cuda/attention_mma_tile.cuh>
#include <rlvr/backend/cuda/attention_query_gradient.cuh>
#include <rlvr/backend/cuda/attention_rows.cuh>
#include <rlvr/backend/cuda/attention_tasks.hpp>
#include <rlvr/backend/cuda/attention_tile.cuh>
#include <rlvr/backend/cuda/block_group.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/math.hpp>

#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// Tiles of both kernels of the backward pass.
[[nodiscard]] RLVR_HD constexpr mma_tile mma_gradient_tile(unsigned head) {
  return {.head = head,
          .columns = 32,
          .row_warps = head > 128 ? 1u : 4u,
          .column_warps = head > 128 ? 4u : 1u,
          .blocks = head > 64 ? 2u : 3u};
}

namespace detail {

/// Shared memory of the kernel by queries.
template <mma_tile Tile>
struct mma_query_gradient_shared {
  alignas(16) std::uint32_t query[Tile.rows() * Tile.row_stride()];
  alignas(16) std::uint32_t output_gradient[Tile.rows() * Tile.row_stride()];
  alignas(16) std::uint32_t key[Tile.columns * Tile.row_stride()];
  alignas(16) std::uint32_t key_columns[Tile.head * Tile.column_stride()];
  alignas(16) std::uint32_t value[Tile.columns * Tile.row_stride()];
  alignas(16) float scores[2][Tile.exchanged()];
  float output_products[Tile.rows()];
  tile_row rows[Tile.rows()];
  std::int64_t key_rows[Tile.columns];  ///< of the next tile; -1: beyond the context
};

/// Makes D of the block's rows, a warp for each: in shared memory and for the kernel by keys.
template <mma_tile Tile>
__device__ void make_output_products(mma_query_gradient_shared<Tile>& shared, attention_gradient_arguments const& op) {
  for (unsigned i = mma_warp<Tile>::index(); i < Tile.rows(); i += Tile.warps()) {
    tile_row const at = shared.rows[i];
    float const* const output = at.in(op.output, op.heads.size);
    float const* const gradient = at.in(op.output_gradient, op.heads.size);
    float sum = 0.0f;
    if (output)
      for (std::size_t c = threadIdx.x % warp_size; c < op.heads.size; c += warp_size)
        sum = math::multiply_add(output[c], static_cast<float>(bf16(gradient[c])), sum);
    __syncwarp();
    sum = warp_reduce(sum, plus{});
    if (threadIdx.x % warp_size != 0) continue;
    shared.output_products[i] = sum;
    if (output) op.output_products(static_cast<std::size_t>(at.row), static_cast<std::size_t>(at.head)) = sum;
  }
}

/// A block per (tile, key/value head), the heads of a tile next to each other.
template <unsigned Head>
__global__ void __launch_bounds__(mma_gradient_tile(Head).threads(), mma_gradient_tile(Head).blocks)
    attention_mma_query_gradient_kernel(attention_gradient_arguments op) {
  constexpr mma_tile Tile = mma_gradient_tile(Head);
  using warp = mma_warp<Tile>;
  auto& shared = *dynamic_shared<mma_query_gradient_shared<Tile>>();
  std::size_t const size = op.heads.size;
  std::size_t const key_head = blockIdx.x % op.heads.key_value_heads;
  query_tile const tile = op.tiles[blockIdx.x / op.heads.key_value_heads];
  attention_span const span = op.spans[tile.span];
  std::int64_t const context = tile_context(span, tile.first_row + Tile.rows() - 1, op.heads.group);
  context_walk walk(op.ranges + span.first_range, context);

  if (threadIdx.x < Tile.rows())
    shared.rows[threadIdx.x] = tile_row::of(span, tile.first_row + threadIdx.x, key_head, op.heads.group);
  if (threadIdx.x < Tile.columns) shared.key_rows[threadIdx.x] = walk.row(threadIdx.x);
  __syncthreads();
  load_in_rows<Tile, Tile.rows()>(shared.query, size, op.vectors,
                                  [&](unsigned i) { return shared.rows[i].in(op.query, size); });
  load_in_rows<Tile, Tile.rows()>(shared.output_gradient, size, op.vectors,
                                  [&](unsigned i) { return shared.rows[i].in(op.output_gradient, size); });
  make_output_products(shared, op);
  __syncthreads();

  row_statistics statistics[2];
#pragma unroll
  for (unsigned r = 0; r < 2; ++r) {
    tile_row const at = shared.rows[warp::row(r)];
    statistics[r] = {0.0f, 0.0f, shared.output_products[warp::row(r)]};
    if (at.row < 0) continue;
    statistics[r].maximum = op.statistics.maximum(static_cast<std::size_t>(at.row), static_cast<std::size_t>(at.head));
    statistics[r].inverse_normaliser =
        op.statistics.inverse_normaliser(static_cast<std::size_t>(at.row), static_cast<std::size_t>(at.head));
  }

  typename warp::sums sums{};
  for (std::int64_t first = 0; first < context; first += Tile.columns) {
    load_in_columns<Tile, true>(shared.key_columns, shared.key, size, op.vectors,
                                [&](unsigned i) { return key_row(op.key, shared.key_rows[i], key_head, size); });
    load_in_rows<Tile, Tile.columns>(shared.value, size, op.vectors,
                                     [&](unsigned i) { return key_row(op.value, shared.key_rows[i], key_head, size); });
    __syncthreads();
    if (threadIdx.x < Tile.columns) shared.key_rows[threadIdx.x] = walk.row(first + Tile.columns + threadIdx.x);
    typename warp::scores scores;
    typename warp::scores gradients;
    warp::dot_products(shared.query, shared.key, shared.scores[0], scores);
    warp::dot_products(shared.output_gradient, shared.value, shared.scores[1], gradients);
    if constexpr (Tile.column_warps > 1) __syncthreads();
    warp::finish_products(shared.scores[0], scores);
    warp::finish_products(shared.scores[1], gradients);
#pragma unroll
    for (unsigned r = 0; r < 2; ++r) {
      unsigned const visible = clipped(shared.rows[warp::row(r)].sees - first, Tile.columns);
#pragma unroll
      for (unsigned n = 0; n < warp::column_blocks; ++n)
#pragma unroll
        for (unsigned i = 0; i < 2; ++i) {
          float& score = scores.at[n].at[2 * r + i];
          float const probability = statistics[r].probability(score, op.heads.scale);
          float const gradient =
              statistics[r].score_gradient(probability, gradients.at[n].at[2 * r + i], op.heads.scale);
          score = warp::column(n, i) < visible ? gradient : 0.0f;
        }
    }
    warp::add_weighted(scores, shared.key_columns, sums);
    __syncthreads();  // the next tile overwrites this one
  }

#pragma unroll
  for (unsigned r = 0; r < 2; ++r) {
    float* const to = shared.rows[warp::row(r)].in(op.query_gradient, size);
    if (to) warp::store_row(sums, r, to, size, op.vectors);
  }
}

/// Shared memory of the kernel by keys.
template <mma_tile Tile>
struct mma_key_gradient_shared {
  alignas(16) std::uint32_t key[Tile.rows() * Tile.row_stride()];
  alignas(16) std::uint32_t value[Tile.rows() * Tile.row_stride()];
  alignas(16) std::uint32_t query[Tile.columns * Tile.row_stride()];
  alignas(16) std::uint32_t query_columns[Tile.head * Tile.column_stride()];
  alignas(16) std::uint32_t output_gradient[Tile.columns * Tile.row_stride()];
  alignas(16) std::uint32_t output_gradient_columns[Tile.head * Tile.column_stride()];
  alignas(16) float scores[2][Tile.exchanged()];
  passing_row passing[2][Tile.columns];  ///< of this and of the next tile
};

/// A block per (task, key/value head), the heads of a task next to each other.
template <unsigned Head>
__global__ void __launch_bounds__(mma_gradient_tile(Head).threads(), mma_gradient_tile(Head).blocks)
    attention_mma_key_gradient_kernel(attention_gradient_arguments op) {
  constexpr mma_tile Tile = mma_gradient_tile(Head);
  using warp = mma_warp<Tile>;
  auto& shared = *dynamic_shared<mma_key_gradient_shared<Tile>>();
  std::size_t const size = op.heads.size;
  std::size_t const key_head = blockIdx.x % op.heads.key_value_heads;
  key_task const task = op.tasks[blockIdx.x / op.heads.key_value_heads];
  auto const key_at = [&](unsigned i) { return i < task.key_count ? task.key_begin + i : -1; };

  visit_walk walk(op, task);
  unsigned now = 0;
  if (threadIdx.x < Tile.columns) walk.read(op, key_head, threadIdx.x, shared.passing[now][threadIdx.x]);
  load_in_rows<Tile, Tile.rows()>(shared.key, size, op.vectors,
                                  [&](unsigned i) { return key_row(op.key, key_at(i), key_head, size); });
  load_in_rows<Tile, Tile.rows()>(shared.value, size, op.vectors,
                                  [&](unsigned i) { return key_row(op.value, key_at(i), key_head, size); });
  __syncthreads();

  typename warp::sums key_sums{};
  typename warp::sums value_sums{};
  for (; !walk.done(); now = 1 - now) {
    passing_row const* const passing = shared.passing[now];
    load_in_columns<Tile, true>(shared.query_columns, shared.query, size, op.vectors,
                                [&](unsigned i) { return passing[i].at.in(op.query, size); });
    load_in_columns<Tile, true>(shared.output_gradient_columns, shared.output_gradient, size, op.vectors,
                                [&](unsigned i) { return passing[i].at.in(op.output_gradient, size); });
    walk.advance(op, Tile.columns);
    if (!walk.done() && threadIdx.x < Tile.columns)
      walk.read(op, key_head, threadIdx.x, shared.passing[1 - now][threadIdx.x]);
    __syncthreads();
    typename warp::scores scores;
    typename warp::scores gradients;
    warp::dot_products(shared.key, shared.query, shared.scores[0], scores);
    warp::dot_products(shared.value, shared.output_gradient, shared.scores[1], gradients);
    if constexpr (Tile.column_warps > 1) __syncthreads();
    warp::finish_products(shared.scores[0], scores);
    warp::finish_products(shared.scores[1], gradients);
#pragma unroll
    for (unsigned n = 0; n < warp::column_blocks; ++n)
#pragma unroll
      for (unsigned i = 0; i < 2; ++i) {
        passing_row const& at = passing[warp::column(n, i)];
#pragma unroll
        for (unsigned r = 0; r < 2; ++r) {
          float& score = scores.at[n].at[2 * r + i];
          float& gradient = gradients.at[n].at[2 * r + i];
          bool const seen = warp::row(r) < at.visible;
          float const probability = at.statistics.probability(score, op.heads.scale);
          float const score_gradient = at.statistics.score_gradient(probability, gradient, op.heads.scale);
          score = seen ? probability : 0.0f;
          gradient = seen ? score_gradient : 0.0f;
        }
      }
    warp::add_weighted(scores, shared.output_gradient_columns, value_sums);
    warp::add_weighted(gradients, shared.query_columns, key_sums);
    __syncthreads();  // the next tile overwrites this one
  }

#pragma unroll
  for (unsigned r = 0; r < 2; ++r) {
    unsigned const i = warp::row(r);
    if (i >= task.key_count) continue;
    if (task.slot < 0) {
      auto const row = static_cast<std::size_t>(task.key_begin + i);
      warp::add_row(key_sums, r, op.key_gradient.row(row) + key_head * size, size, op.vectors);
      warp::add_row(value_sums, r, op.value_gradient.row(row) + key_head * size, size, op.vectors);
    } else {
      std::size_t const slot = static_cast<std::size_t>(task.slot) * op.heads.key_value_heads + key_head;
      float* const keys = op.partial + (2 * slot * op.rows + i) * size;
      warp::store_row(key_sums, r, keys, size, op.vectors);
      warp::store_row(value_sums, r, keys + op.rows * size, size, op.vectors);
    }
  }
}

/// @pre op.rows is that of the policy
template <unsigned Head>
void launch_attention_mma_gradient(std::size_t tiles, std::size_t tasks, cudaStream_t stream,
                                   attention_gradient_arguments const& op) {
  constexpr mma_tile tile = mma_gradient_tile(Head);
  using by_queries = mma_query_gradient_shared<tile>;
  using by_keys = mma_key_gradient_shared<tile>;
  static_assert(sizeof(by_queries) <= shared_bytes_limit && sizeof(by_keys) <= shared_bytes_limit);
  launch(attention_mma_query_gradient_kernel<Head>, tiles * op.heads.key_value_heads, tile.threads(),
         sizeof(by_queries), stream, op);
  launch(attention_mma_key_gradient_kernel<Head>, tasks * op.heads.key_value_heads, tile.threads(), sizeof(by_keys),
         stream, op);
}

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
