// SPDX-License-Identifier: MIT
/// @file
/// Attention over packed prefix trees on the GPU, backward.
///
/// With P = exp(s - m) / l from the statistics of the forward pass, and D_i = dO_i . O_i,
///
///   dP_ij = dO_i . v_j,   dS_ij = P_ij (dP_ij - D_i) scale,
///   dq_i = sum_j dS_ij k_j,   dk_j = sum_i dS_ij q_i,   dv_j = sum_i P_ij dO_i
///
/// (Dao et al., FlashAttention, 2022).  P is computed again from queries and keys, in either kernel:
///
///   - by queries: a block keeps a tile of rows (query, query head) as forward does, makes their D, which it leaves for
///     the second kernel, and walks the context in tiles of keys; dq is written once;
///   - by keys: a block keeps a tile of keys and walks the rows that see them, span after span in the plan's order; dk
///     and dv are added to their gradients once.
///
/// Arithmetic is float; where the context asks for tensor cores and the device has them, the kernels of
/// attention_mma_gradient.cuh run in place of the first two.  Statistics belong to the operands that forward saw, so
/// the setting must not change between an op and its gradient.
///
/// No gradient is summed with atomics, so equal plans give equal bits.  Keys that many queries see (the prefix of a
/// whole batch) are the work of several blocks, each with its share of the visits; their sums go to scratch memory and
/// are added up in the plan's order by a third kernel.  Shares depend on the plan alone, not on the device.
///
/// Memory: a tile that passes is 2 x columns x head_size floats, read for `attention_tile::rows` rows that stay.
#pragma once

#include <rlvr/backend/cuda/attention_key_gradient.cuh>
#include <rlvr/backend/cuda/attention_mma_gradient.cuh>
#include <rlvr/backend/cuda/attention_plan.cuh>
#include <rlvr/backend/cuda/attention_query_gradient.cuh>
#include <rlvr/backend/cuda/attention_tile.cuh>
#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/backend/cuda/mma.cuh>
#include <rlvr/core/math.hpp>
#include <rlvr/core/shape.hpp>
#include <rlvr/ops/attention.hpp>

#include <concepts>
#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// Rows (query, query head) that a block of the kernel by keys meets at most.
inline constexpr std::size_t gradient_rows_per_task = 2048;

namespace detail {

/// Rows of the tiles of both kernels.
[[nodiscard]] inline unsigned gradient_rows(unsigned head, bool tensor_cores) {
  return tensor_cores ? mma_gradient_tile(head).rows() : gradient_tile(head).rows;
}

template <unsigned Head>
void launch_attention_gradient(context& ctx, attention_gradient_arguments arguments) {
  bool const tensor_cores = ctx.attention().tensor_cores && device_has_mma();
  unsigned const rows = gradient_rows(Head, tensor_cores);
  constexpr attention_tile tile = gradient_tile(Head);
  static_assert(sizeof(query_gradient_shared<tile>) <= shared_bytes_limit);
  static_assert(sizeof(key_gradient_shared<tile>) <= shared_bytes_limit);
  static_assert(Head > 64 || sizeof(key_gradient_shared<tile>) <= 48 * 1024);
  std::size_t const heads = arguments.heads.key_value_heads;
  std::size_t const group = arguments.heads.group;
  auto const& tiles = ctx.attention_plans().query_tiles(ctx, group, rows);
  auto const& keys = ctx.attention_plans().key_schedule(
      ctx, rows, math::max<std::size_t>(1, gradient_rows_per_task / math::max<std::size_t>(1, group)));
  std::size_t const queries = arguments.query.rows;
  std::size_t const products = math::ceil_div<std::size_t>(checked_multiply(queries, heads * group), 4) * 4;
  std::size_t const slot = 2 * heads * rows * arguments.heads.size;
  float* const scratch = ctx.scratch<float>(scratch_purpose::attention,
                                            products + checked_multiply(static_cast<std::size_t>(keys.slots), slot));
  arguments.output_products = {scratch, queries, heads * group};
  arguments.partial = scratch + products;
  arguments.rows = rows;
  arguments.tiles = tiles.data();
  arguments.visits = keys.visits.data();
  arguments.tasks = keys.tasks.data();
  arguments.sums = keys.sums.data();
  if (tensor_cores) {
    launch_attention_mma_gradient<Head>(tiles.size(), keys.tasks.size(), ctx.stream(), arguments);
  } else {
    launch(attention_query_gradient_kernel<Head>, tiles.size() * heads, tile.threads,
           sizeof(query_gradient_shared<tile>), ctx.stream(), arguments);
    launch(attention_key_gradient_kernel<Head>, keys.tasks.size() * heads, tile.threads,
           sizeof(key_gradient_shared<tile>), ctx.stream(), arguments);
  }
  launch(attention_key_sum_kernel<Head>, keys.sums.size() * heads, tile.threads, 0, ctx.stream(), arguments);
}

}  // namespace detail

/// @throws unsupported_error for heads of more than 256 columns
template <std::same_as<context> Context>
void run(Context& ctx, ops::attention_gradient const& op) {
  ops::attention_forward const& forward = op.forward;
  attention_plan_cache& plans = ctx.attention_plans();
  plans.select(ctx, *forward.plan);
  std::size_t const size = forward.shape.head_size;
  bool const vectors = detail::vector_rows(forward.query, size) && detail::vector_rows(forward.key, size) &&
                       detail::vector_rows(forward.value, size) && detail::vector_rows(op.output_gradient, size) &&
                       detail::vector_rows(op.query_gradient, size) && detail::vector_rows(op.key_gradient, size) &&
                       detail::vector_rows(op.value_gradient, size);
  detail::attention_gradient_arguments const arguments{.spans = plans.spans(),
                                                       .ranges = plans.ranges(),
                                                       .tiles = nullptr,
                                                       .visits = nullptr,
                                                       .tasks = nullptr,
                                                       .sums = nullptr,
                                                       .heads = detail::head_layout::of(forward.shape),
                                                       .query = forward.query,
                                                       .key = forward.key,
                                                       .value = forward.value,
                                                       .output = forward.output,
                                                       .statistics = forward.statistics,
                                                       .output_gradient = op.output_gradient,
                                                       .query_gradient = op.query_gradient,
                                                       .key_gradient = op.key_gradient,
                                                       .value_gradient = op.value_gradient,
                                                       .output_products = {},
                                                       .partial = nullptr,
                                                       .rows = 0,
                                                       .vectors = vectors};
  switch (detail::padded_head(size)) {
    case 32:
      return detail::launch_attention_gradient<32>(ctx, arguments);
    case 64:
      return detail::launch_attention_gradient<64>(ctx, arguments);
    case 128:
      return detail::launch_attention_gradient<128>(ctx, arguments);
    default:
      return detail::launch_attention_gradient<256>(ctx, arguments);
  }
}

}  // namespace cuda
RLVR_NAMESPACE_END
