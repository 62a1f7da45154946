// SPDX-License-Identifier: MIT
/// @file
/// The backward pass of attention by queries (formulas: attention_gradient.cuh).  A block keeps a tile of rows (query,
/// query head) as the forward pass does, makes their D, which it leaves for the kernel by keys, and walks the context
/// in tiles of keys.  The gradient of the queries is written once.
#pragma once

#include <rlvr/backend/cuda/attention_rows.cuh>
#include <rlvr/backend/cuda/attention_tasks.hpp>
#include <rlvr/backend/cuda/attention_tile.cuh>
#include <rlvr/backend/cuda/block_group.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/ops/attention.hpp>

#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// Tiles of both kernels of the backward pass: `rows` stay, `columns` pass.
[[nodiscard]] RLVR_HD constexpr attention_tile gradient_tile(unsigned head) {
  if (head > 128) return {.head = head, .rows = 16, .columns = 16, .lanes = 16, .threads = 128, .blocks = 2};
  return {.head = head, .rows = 32, .columns = 32, .lanes = 8, .threads = 128, .blocks = head > 64 ? 2u : 3u};
}

namespace detail {

/// What the kernels of the backward pass read and write.
struct attention_gradient_arguments {
  attention_span const* spans;
  ops::key_range const* ranges;
  query_tile const* tiles;
  query_visit const* visits;
  key_task const* tasks;
  key_sum const* sums;
  head_layout heads;
  matrix_view<float const> query;
  matrix_view<float const> key;
  matrix_view<float const> value;
  matrix_view<float const> output;
  ops::attention_statistics statistics;
  matrix_view<float const> output_gradient;
  matrix_view<float> query_gradient;
  matrix_view<float> key_gradient;
  matrix_view<float> value_gradient;
  matrix_view<float> output_products;  ///< D: [queries, heads]
  float* partial;                      ///< [slots, key/value heads, 2, rows of a tile, head_size]
  std::size_t rows;                    ///< of a tile of keys
  bool vectors;                        ///< rows can be read and written 16 bytes at a time
};

/// What the backward pass keeps of a row of queries.
struct row_statistics {
  float maximum;
  float inverse_normaliser;
  float output_product;

  /// Of the score's probability.
  [[nodiscard]] __device__ float probability(float score, float scale) const {
    return math::exp(math::multiply_add(score, scale, -maximum)) * inverse_normaliser;
  }
  /// dS for a probability and its gradient.
  [[nodiscard]] __device__ float score_gradient(float probability, float gradient, float scale) const {
    return probability * (gradient - output_product) * scale;
  }
};

/// Shared memory of the kernel by queries.
template <attention_tile Tile>
struct query_gradient_shared {
  alignas(16) float query[Tile.rows * Tile.stride()];
  alignas(16) float output_gradient[Tile.rows * Tile.stride()];
  alignas(16) float key[Tile.columns * Tile.stride()];
  alignas(16) float value[Tile.columns * Tile.stride()];
  alignas(16) float weights[Tile.rows * Tile.weight_stride()];
  tile_row rows[Tile.rows];
  std::int64_t key_rows[Tile.columns];  ///< of the next tile; -1: beyond the context
};

/// dO . O of a row; all of its lanes get it.  Every thread of the block calls it.
template <attention_tile Tile>
[[nodiscard]] __device__ float output_product(float const* output, float const* output_gradient, std::size_t size) {
  float sum = 0.0f;
  if (output)
    for (std::size_t i = tile_thread<Tile>::lane(); i < size; i += Tile.lanes)
      sum = math::multiply_add(output[i], output_gradient[i], sum);
  __syncwarp();
  return warp_reduce<Tile.lanes>(sum, plus{});
}

/// A block per (tile, key/value head), the heads of a tile next to each other.
template <unsigned Head>
__global__ void __launch_bounds__(gradient_tile(Head).threads, gradient_tile(Head).blocks)
    attention_query_gradient_kernel(attention_gradient_arguments op) {
  constexpr attention_tile Tile = gradient_tile(Head);
  using thread = tile_thread<Tile>;
  auto& shared = *dynamic_shared<query_gradient_shared<Tile>>();
  std::size_t const size = op.heads.size;
  std::size_t const key_head = blockIdx.x % op.heads.key_value_heads;
  query_tile const tile = op.tiles[blockIdx.x / op.heads.key_value_heads];
  attention_span const span = op.spans[tile.span];
  std::int64_t const context = tile_context(span, tile.first_row + Tile.rows - 1, op.heads.group);
  context_walk walk(op.ranges + span.first_range, context);

  if (threadIdx.x < Tile.rows)
    shared.rows[threadIdx.x] = tile_row::of(span, tile.first_row + threadIdx.x, key_head, op.heads.group);
  if (threadIdx.x < Tile.columns) shared.key_rows[threadIdx.x] = walk.row(threadIdx.x);
  __syncthreads();
  load_rows<Tile, Tile.rows>(shared.query, size, op.vectors,
                             [&](unsigned i) { return shared.rows[i].in(op.query, size); });
  load_rows<Tile, Tile.rows>(shared.output_gradient, size, op.vectors,
                             [&](unsigned i) { return shared.rows[i].in(op.output_gradient, size); });
  __syncthreads();

  row_statistics statistics[thread::rows];
#pragma unroll
  for (unsigned r = 0; r < thread::rows; ++r) {
    tile_row const at = shared.rows[thread::row(r)];
    float const product =
        output_product<Tile>(at.in(op.output, size), shared.output_gradient + thread::row(r) * Tile.stride(), size);
    statistics[r] = {0.0f, 0.0f, product};
    if (at.row < 0) continue;
    auto const row = static_cast<std::size_t>(at.row);
    auto const head = static_cast<std::size_t>(at.head);
    statistics[r].maximum = op.statistics.maximum(row, head);
    statistics[r].inverse_normaliser = op.statistics.inverse_normaliser(row, head);
    if (thread::lane() == 0) op.output_products(row, head) = product;
  }

  auto const depth = static_cast<unsigned>(math::ceil_div<std::size_t>(size, 4) * 4);
  typename thread::sums sums;
  thread::clear(sums);
  for (std::int64_t first = 0; first < context; first += Tile.columns) {
    load_rows<Tile, Tile.columns>(shared.key, size, op.vectors,
                                  [&](unsigned i) { return key_row(op.key, shared.key_rows[i], key_head, size); });
    load_rows<Tile, Tile.columns>(shared.value, size, op.vectors,
                                  [&](unsigned i) { return key_row(op.value, shared.key_rows[i], key_head, size); });
    __syncthreads();
    if (threadIdx.x < Tile.columns) shared.key_rows[threadIdx.x] = walk.row(first + Tile.columns + threadIdx.x);
    typename thread::scores scores;
    typename thread::scores gradients;
    thread::dot_products(shared.query, shared.key, depth, scores);
    thread::dot_products(shared.output_gradient, shared.value, depth, gradients);
#pragma unroll
    for (unsigned r = 0; r < thread::rows; ++r) {
      unsigned const visible = clipped(shared.rows[thread::row(r)].sees - first, Tile.columns);
#pragma unroll
      for (unsigned c = 0; c < thread::columns; ++c) {
        float const probability = statistics[r].probability(scores.at[r][c], op.heads.scale);
        float const gradient = statistics[r].score_gradient(probability, gradients.at[r][c], op.heads.scale);
        scores.at[r][c] = thread::column(c) < visible ? gradient : 0.0f;
      }
    }
    thread::store_weights(scores, shared.weights);
    __syncwarp();  // a row's weights are read by its own lanes alone
    thread::add_weighted(shared.weights, shared.key, sums);
    __syncthreads();  // the next tile overwrites this one
  }

#pragma unroll
  for (unsigned r = 0; r < thread::rows; ++r) {
    float* const to = shared.rows[thread::row(r)].in(op.query_gradient, size);
    if (to) thread::store_row(sums.at[r], to, size, op.vectors);
  }
}

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
