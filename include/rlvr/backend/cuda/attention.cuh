// SPDX-License-Identifier: MIT
/// @file
/// Attention over packed prefix trees on the GPU, forward.
///
/// A block has a tile of rows (query, query head) of one span and one key/value head.  It walks the span's context in
/// tiles of keys and keeps, per row, the largest score so far m, the sum l of exp(s - m), and the weighted sum a of
/// values; a tile with a larger score rescales what was there:
///
///   m' = max(m, max_j s_j),   l' = l exp(m - m') + sum_j exp(s_j - m'),   a' = a exp(m - m') + sum_j exp(s_j - m') v_j
///
/// and out = a / l at the end (online softmax: Milakov and Gimelshein 2018; Dao et al., FlashAttention, 2022).
///
/// Tiles of keys follow the *context*: tile t has the keys at positions [t n, (t + 1) n) of the sequence, which may lie
/// in several ranges.  Were tiles cut at the ends of ranges, the rescalings, and with them the last bits, would depend
/// on how a sequence is cut into segments.  A tile that a row sees nothing of changes nothing: m' = m, exp(0) = 1, and
/// the sums gain exact zeros.  So a token has the same bits alone, in any tree, and from a cache.
///
/// Memory: a block reads its rows of the query once and writes their output once; each tile of n keys is 2 n head_size
/// floats, read once for all rows of the block, of which there are `attention_tile::rows`.  Nothing of the size of the
/// scores exists outside shared memory.
///
/// Storage and arithmetic are float.  `forward_tile` says which tile a shape gets.  Where the context asks for tensor
/// cores and the device has them, the kernel of attention_mma.cuh runs in place of the one here.
#pragma once

#include <rlvr/backend/cuda/attention_mma.cuh>
#include <rlvr/backend/cuda/attention_plan.cuh>
#include <rlvr/backend/cuda/attention_rows.cuh>
#include <rlvr/backend/cuda/attention_tile.cuh>
#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/math.hpp>
#include <rlvr/ops/attention.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// Tiles of the forward pass.  Keys come 32 at a time in all of them: that number, unlike the others, changes bits.
/// @param few_rows  spans have few rows (decoding): a warp serves two rows rather than sixteen
[[nodiscard]] RLVR_HD constexpr attention_tile forward_tile(unsigned head, bool few_rows) {
  if (few_rows)
    return {.head = head, .rows = 8, .columns = 32, .lanes = 32, .threads = 128, .blocks = head > 128 ? 2u : 4u};
  if (head > 128) return {.head = head, .rows = 16, .columns = 32, .lanes = 16, .threads = 128, .blocks = 2};
  return {.head = head, .rows = 64, .columns = 32, .lanes = 8, .threads = 128, .blocks = head > 64 ? 2u : 4u};
}

namespace detail {

/// Shared memory of the forward kernel.
template <attention_tile Tile>
struct forward_shared {
  alignas(16) float query[Tile.rows * Tile.stride()];
  alignas(16) float key[Tile.columns * Tile.stride()];
  alignas(16) float value[Tile.columns * Tile.stride()];
  alignas(16) float weights[Tile.rows * Tile.weight_stride()];
  tile_row rows[Tile.rows];
  std::int64_t key_rows[Tile.columns];  ///< of the next tile; -1: beyond the context
};

/// The state of a thread's rows.
template <attention_tile Tile>
struct row_softmax {
  using thread = tile_thread<Tile>;
  float maximum[thread::rows];
  float normaliser[thread::rows];

  __device__ void clear() {
#pragma unroll
    for (unsigned r = 0; r < thread::rows; ++r) {
      maximum[r] = rlvr::detail::lowest_value<float>();
      normaliser[r] = 0.0f;
    }
  }

  /// Takes in the scores of row r, of which it sees the first `visible`, makes them weights and rescales the sums.
  __device__ void update(unsigned r, unsigned visible, float scale, float (&scores)[thread::columns],
                         fragment<thread::width> (&sums)[thread::pieces]) {
#pragma unroll
    for (unsigned c = 0; c < thread::columns; ++c)
      if (thread::column(c) >= visible) scores[c] = rlvr::detail::lowest_value<float>();
    // In this order of arguments a product that is no number (-infinity * 0) leaves the maximum as it was.
    float const largest = math::max(maximum[r], thread::fold_row(scores, cuda::maximum{}) * scale);
    float const correction = math::exp(maximum[r] - largest);
#pragma unroll
    for (unsigned c = 0; c < thread::columns; ++c) {
      float const weight = math::exp(math::multiply_add(scores[c], scale, -largest));
      scores[c] = thread::column(c) < visible ? weight : 0.0f;
    }
    normaliser[r] = math::multiply_add(normaliser[r], correction, thread::fold_row(scores, plus{}));
    maximum[r] = largest;
#pragma unroll
    for (unsigned p = 0; p < thread::pieces; ++p)
#pragma unroll
      for (unsigned i = 0; i < thread::width; ++i) sums[p].at[i] *= correction;
  }
};

/// A block per (tile, key/value head), the heads of a tile next to each other.
template <unsigned Head, bool FewRows>
__global__ void __launch_bounds__(forward_tile(Head, FewRows).threads, forward_tile(Head, FewRows).blocks)
    attention_forward_kernel(attention_forward_arguments op) {
  constexpr attention_tile Tile = forward_tile(Head, FewRows);
  using thread = tile_thread<Tile>;
  forward_shared<Tile>& shared = *dynamic_shared<forward_shared<Tile>>();
  std::size_t const size = op.heads.size;
  std::size_t const group = op.heads.group;
  std::size_t const key_head = blockIdx.x % op.heads.key_value_heads;
  query_tile const tile = op.tiles[blockIdx.x / op.heads.key_value_heads];
  attention_span const span = op.spans[tile.span];
  std::int64_t const context = tile_context(span, tile.first_row + Tile.rows - 1, group);
  context_walk walk(op.ranges + span.first_range, context);

  if (threadIdx.x < Tile.rows)
    shared.rows[threadIdx.x] = tile_row::of(span, tile.first_row + threadIdx.x, key_head, group);
  if (threadIdx.x < Tile.columns) shared.key_rows[threadIdx.x] = walk.row(threadIdx.x);
  __syncthreads();
  load_rows<Tile, Tile.rows>(shared.query, size, op.vectors,
                             [&](unsigned i) { return shared.rows[i].in(op.query, size); });
  auto const depth = static_cast<unsigned>(math::ceil_div<std::size_t>(size, 4) * 4);

  row_softmax<Tile> softmax;
  typename thread::sums sums;
  softmax.clear();
  thread::clear(sums);
  for (std::int64_t first = 0; first < context; first += Tile.columns) {
    load_rows<Tile, Tile.columns>(shared.key, size, op.vectors,
                                  [&](unsigned i) { return key_row(op.key, shared.key_rows[i], key_head, size); });
    load_rows<Tile, Tile.columns>(shared.value, size, op.vectors,
                                  [&](unsigned i) { return key_row(op.value, shared.key_rows[i], key_head, size); });
    __syncthreads();
    if (threadIdx.x < Tile.columns) shared.key_rows[threadIdx.x] = walk.row(first + Tile.columns + threadIdx.x);
    typename thread::scores scores;
    thread::dot_products(shared.query, shared.key, depth, scores);
#pragma unroll
    for (unsigned r = 0; r < thread::rows; ++r)
      softmax.update(r, clipped(shared.rows[thread::row(r)].sees - first, Tile.columns), op.heads.scale, scores.at[r],
                     sums.at[r]);
    thread::store_weights(scores, shared.weights);
    __syncwarp();  // a row's weights are read by its own lanes alone
    thread::add_weighted(shared.weights, shared.value, sums);
    __syncthreads();  // the next tile overwrites this one
  }

#pragma unroll
  for (unsigned r = 0; r < thread::rows; ++r) {
    tile_row const at = shared.rows[thread::row(r)];
    if (at.row < 0) continue;
    float const inverse = 1.0f / softmax.normaliser[r];
#pragma unroll
    for (unsigned p = 0; p < thread::pieces; ++p)
#pragma unroll
      for (unsigned i = 0; i < thread::width; ++i)  // + 0: a sum of zeros has one sign, whatever keys it skipped
        sums.at[r][p].at[i] = math::multiply_add(sums.at[r][p].at[i], inverse, 0.0f);
    thread::store_row(sums.at[r], at.in(op.output, size), size, op.vectors);
    if (op.statistics.maximum.data && thread::lane() == 0) {
      auto const head = static_cast<std::size_t>(at.head);
      op.statistics.maximum(static_cast<std::size_t>(at.row), head) = softmax.maximum[r];
      op.statistics.inverse_normaliser(static_cast<std::size_t>(at.row), head) = inverse;
    }
  }
}

template <unsigned Head, bool FewRows>
void launch_attention_forward(context& ctx, attention_forward_arguments arguments) {
  constexpr attention_tile tile = forward_tile(Head, FewRows);
  using shared = forward_shared<tile>;
  static_assert(sizeof(shared) <= shared_bytes_limit && (Head > 64 || sizeof(shared) <= 48 * 1024));
  auto const& tiles = ctx.attention_plans().query_tiles(ctx, arguments.heads.group, tile.rows);
  arguments.tiles = tiles.data();
  launch(attention_forward_kernel<Head, FewRows>, tiles.size() * arguments.heads.key_value_heads, tile.threads,
         sizeof(shared), ctx.stream(), arguments);
}

/// Whether the current plan's spans have so few rows that most of a larger tile would be empty.
[[nodiscard]] inline bool few_rows(attention_plan_cache const& plans, std::size_t group, unsigned head) {
  return plans.longest_span(group) <= 2 * forward_tile(head, true).rows;
}

/// The same on tensor cores, with tiles of as many rows.
template <unsigned Head>
void launch_attention_mma(context& ctx, attention_forward_arguments arguments) {
  bool const few = few_rows(ctx.attention_plans(), arguments.heads.group, Head);
  unsigned const rows = forward_tile(Head, few).rows;
  auto const& tiles = ctx.attention_plans().query_tiles(ctx, arguments.heads.group, rows);
  arguments.tiles = tiles.data();
  constexpr bool always_few = forward_tile(Head, false).rows <= mma_forward_tile(Head, true).rows();
  static_assert(forward_tile(Head, true).rows <= mma_forward_tile(Head, true).rows());
  static_assert(always_few || forward_tile(Head, false).rows <= mma_forward_tile(Head, false).rows());
  if (few || always_few)
    launch_attention_mma<Head, true>(tiles.size(), rows, ctx.stream(), arguments);
  else
    launch_attention_mma<Head, always_few>(tiles.size(), rows, ctx.stream(), arguments);
}

template <unsigned Head>
void launch_attention_forward(context& ctx, attention_forward_arguments const& arguments) {
  if (ctx.attention().tensor_cores && device_has_mma())
    launch_attention_mma<Head>(ctx, arguments);
  else if (few_rows(ctx.attention_plans(), arguments.heads.group, Head))
    launch_attention_forward<Head, true>(ctx, arguments);
  else
    launch_attention_forward<Head, false>(ctx, arguments);
}

}  // namespace detail

/// @throws unsupported_error for heads of more than 256 columns
template <std::same_as<context> Context>
void run(Context& ctx, ops::attention_forward const& op) {
  attention_plan_cache& plans = ctx.attention_plans();
  plans.select(ctx, *op.plan);
  std::size_t const size = op.shape.head_size;
  bool const vectors = detail::vector_rows(op.query, size) && detail::vector_rows(op.key, size) &&
                       detail::vector_rows(op.value, size) && detail::vector_rows(op.output, size);
  detail::attention_forward_arguments const arguments{.spans = plans.spans(),
                                                      .ranges = plans.ranges(),
                                                      .tiles = nullptr,
                                                      .heads = detail::head_layout::of(op.shape),
                                                      .query = op.query,
                                                      .key = op.key,
                                                      .value = op.value,
                                                      .output = op.output,
                                                      .statistics = op.statistics,
                                                      .vectors = vectors};
  switch (detail::padded_head(size)) {
    case 32:
      return detail::launch_attention_forward<32>(ctx, arguments);
    case 64:
      return detail::launch_attention_forward<64>(ctx, arguments);
    case 128:
      return detail::launch_attention_forward<128>(ctx, arguments);
    default:
      return detail::launch_attention_forward<256>(ctx, arguments);
  }
}

}  // namespace cuda
RLVR_NAMESPACE_END
