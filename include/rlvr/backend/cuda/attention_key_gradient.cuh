// SPDX-License-Identifier: MIT
/// @file
/// The backward pass of attention by keys (formulas: attention_gradient.cuh).  A block keeps a tile of keys and walks
/// the rows (query, query head) that see them, span after span in the plan's order.  The gradients of keys and values
/// are added to once.
///
/// Keys that many queries see (the prefix of a whole batch) are the work of several blocks, each with its share of the
/// visits; their sums go to scratch memory and are added up in the plan's order by a kernel of its own.
#pragma once

#include <rlvr/backend/cuda/attention_query_gradient.cuh>
#include <rlvr/backend/cuda/attention_rows.cuh>
#include <rlvr/backend/cuda/attention_tasks.hpp>
#include <rlvr/backend/cuda/attention_tile.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/math.hpp>

#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {
namespace detail {

/// A row that passes a tile of keys.
struct passing_row {
  tile_row at;
  row_statistics statistics;
  unsigned visible;  ///< how many of the tile's keys it sees
};

/// Walks the rows that see a task's keys, `columns` at a time.  All threads of a block hold the same.
class visit_walk {
 public:
  __device__ visit_walk(attention_gradient_arguments const& op, key_task const& task)
      : visit_(task.visits_begin), end_(task.visits_end), offset_(task.offset) {
    open(op);
  }

  [[nodiscard]] __device__ bool done() const { return visit_ == end_; }

  /// Writes row i of the current ones.
  __device__ void read(attention_gradient_arguments const& op, std::size_t key_head, unsigned i,
                       passing_row& to) const {
    query_visit const visit = op.visits[visit_];
    passing_row result{{-1, 0, 0}, {0.0f, 0.0f, 0.0f}, 0u};
    if (row_ + i < visit.query_end * static_cast<std::int64_t>(op.heads.group)) {
      result.at = tile_row::of(op.spans[visit.span], row_ + i, key_head, op.heads.group);
      auto const row = static_cast<std::size_t>(result.at.row);
      auto const head = static_cast<std::size_t>(result.at.head);
      result.statistics = {op.statistics.maximum(row, head), op.statistics.inverse_normaliser(row, head),
                           op.output_products(row, head)};
      result.visible = clipped(result.at.sees - visit.position - offset_, static_cast<unsigned>(op.rows));
    }
    to = result;
  }

  __device__ void advance(attention_gradient_arguments const& op, unsigned columns) {
    row_ += columns;
    if (row_ < op.visits[visit_].query_end * static_cast<std::int64_t>(op.heads.group)) return;
    ++visit_;
    open(op);
  }

 private:
  /// Goes to the first row of this visit, or of a later one, that sees the first key.
  __device__ void open(attention_gradient_arguments const& op) {
    for (; visit_ < end_; ++visit_) {
      query_visit const visit = op.visits[visit_];
      std::int64_t const first =
          math::max(visit.query_begin, visit.position + offset_ - op.spans[visit.span].context_before);
      row_ = first * static_cast<std::int64_t>(op.heads.group);
      if (first < visit.query_end) return;
    }
  }

  std::int64_t visit_;
  std::int64_t end_;
  std::int64_t offset_;
  std::int64_t row_ = 0;
};

/// Shared memory of the kernel by keys.
template <attention_tile Tile>
struct key_gradient_shared {
  alignas(16) float key[Tile.rows * Tile.stride()];
  alignas(16) float value[Tile.rows * Tile.stride()];
  alignas(16) float query[Tile.columns * Tile.stride()];
  alignas(16) float output_gradient[Tile.columns * Tile.stride()];
  alignas(16) float probabilities[Tile.rows * Tile.weight_stride()];
  alignas(16) float gradients[Tile.rows * Tile.weight_stride()];
  passing_row passing[2][Tile.columns];  ///< of this and of the next tile
};

/// A block per (task, key/value head), the heads of a task next to each other.
template <unsigned Head>
__global__ void __launch_bounds__(gradient_tile(Head).threads, gradient_tile(Head).blocks)
    attention_key_gradient_kernel(attention_gradient_arguments op) {
  constexpr attention_tile Tile = gradient_tile(Head);
  using thread = tile_thread<Tile>;
  auto& shared = *dynamic_shared<key_gradient_shared<Tile>>();
  std::size_t const size = op.heads.size;
  std::size_t const key_head = blockIdx.x % op.heads.key_value_heads;
  key_task const task = op.tasks[blockIdx.x / op.heads.key_value_heads];
  auto const key_at = [&](unsigned i) { return i < task.key_count ? task.key_begin + i : -1; };

  visit_walk walk(op, task);
  unsigned now = 0;
  if (threadIdx.x < Tile.columns) walk.read(op, key_head, threadIdx.x, shared.passing[now][threadIdx.x]);
  load_rows<Tile, Tile.rows>(shared.key, size, op.vectors,
                             [&](unsigned i) { return key_row(op.key, key_at(i), key_head, size); });
  load_rows<Tile, Tile.rows>(shared.value, size, op.vectors,
                             [&](unsigned i) { return key_row(op.value, key_at(i), key_head, size); });
  __syncthreads();

  auto const depth = static_cast<unsigned>(math::ceil_div<std::size_t>(size, 4) * 4);
  typename thread::sums key_sums;
  typename thread::sums value_sums;
  thread::clear(key_sums);
  thread::clear(value_sums);
  for (; !walk.done(); now = 1 - now) {
    passing_row const* const passing = shared.passing[now];
    load_rows<Tile, Tile.columns>(shared.query, size, op.vectors,
                                  [&](unsigned i) { return passing[i].at.in(op.query, size); });
    load_rows<Tile, Tile.columns>(shared.output_gradient, size, op.vectors,
                                  [&](unsigned i) { return passing[i].at.in(op.output_gradient, size); });
    walk.advance(op, Tile.columns);
    if (!walk.done() && threadIdx.x < Tile.columns)
      walk.read(op, key_head, threadIdx.x, shared.passing[1 - now][threadIdx.x]);
    __syncthreads();
    typename thread::scores scores;
    typename thread::scores gradients;
    thread::dot_products(shared.key, shared.query, depth, scores);
    thread::dot_products(shared.value, shared.output_gradient, depth, gradients);
#pragma unroll
    for (unsigned c = 0; c < thread::columns; ++c) {
      passing_row const& at = passing[thread::column(c)];
#pragma unroll
      for (unsigned r = 0; r < thread::rows; ++r) {
        bool const seen = thread::row(r) < at.visible;
        float const probability = at.statistics.probability(scores.at[r][c], op.heads.scale);
        float const gradient = at.statistics.score_gradient(probability, gradients.at[r][c], op.heads.scale);
        scores.at[r][c] = seen ? probability : 0.0f;
        gradients.at[r][c] = seen ? gradient : 0.0f;
      }
    }
    thread::store_weights(scores, shared.probabilities);
    thread::store_weights(gradients, shared.gradients);
    __syncwarp();  // a row's weights are read by its own lanes alone
    thread::add_weighted(shared.probabilities, shared.output_gradient, value_sums);
    thread::add_weighted(shared.gradients, shared.query, key_sums);
    __syncthreads();  // the next tile overwrites this one
  }

#pragma unroll
  for (unsigned r = 0; r < thread::rows; ++r) {
    unsigned const i = thread::row(r);
    if (i >= task.key_count) continue;
    if (task.slot < 0) {
      auto const row = static_cast<std::size_t>(task.key_begin + i);
      thread::add_row(key_sums.at[r], op.key_gradient.row(row) + key_head * size, size, op.vectors);
      thread::add_row(value_sums.at[r], op.value_gradient.row(row) + key_head * size, size, op.vectors);
    } else {
      std::size_t const slot = static_cast<std::size_t>(task.slot) * op.heads.key_value_heads + key_head;
      float* const keys = op.partial + (2 * slot * Tile.rows + i) * size;
      thread::store_row(key_sums.at[r], keys, size, op.vectors);
      thread::store_row(value_sums.at[r], keys + Tile.rows * size, size, op.vectors);
    }
  }
}

/// Adds up the sums of tiles that several tasks shared.  A block per (tile, key/value head).
template <unsigned Head>
__global__ void __launch_bounds__(gradient_tile(Head).threads, gradient_tile(Head).blocks)
    attention_key_sum_kernel(attention_gradient_arguments op) {
  constexpr attention_tile Tile = gradient_tile(Head);
  std::size_t const size = op.heads.size;
  std::size_t const heads = op.heads.key_value_heads;
  std::size_t const key_head = blockIdx.x % heads;
  key_sum const sum = op.sums[blockIdx.x / heads];
  std::size_t const half = op.rows * size;
  for (std::size_t i = threadIdx.x; i < static_cast<std::size_t>(sum.key_count) * size; i += Tile.threads) {
    float key = 0.0f;
    float value = 0.0f;
    for (std::int64_t slot = sum.slots_begin; slot < sum.slots_end; ++slot) {
      float const* const from = op.partial + (static_cast<std::size_t>(slot) * heads + key_head) * 2 * half + i;
      key += from[0];
      value += from[half];
    }
    auto const row = static_cast<std::size_t>(sum.key_begin) + i / size;
    std::size_t const column = key_head * size + i % size;
    op.key_gradient(row, column) += key;
    op.value_gradient(row, column) += value;
  }
}

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
