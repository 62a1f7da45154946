// SPDX-License-Identifier: MIT
/// @file
/// The row-wise ops on the GPU: the shared bodies (ops/run_rows.hpp), and what sums over rows.
#pragma once

#include <rlvr/backend/cuda/block_group.cuh>
#include <rlvr/backend/cuda/column_sums.cuh>
#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/backend/cuda/row_kernels.cuh>
#include <rlvr/ops/run_rows.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

template <std::same_as<context> Context>
void run(Context& ctx, ops::rms_norm_gradient const& op) {
  if (op.weight_gradient)
    detail::add_column_sums(ctx, detail::rms_weight_term{op.input, op.inverse_rms, op.output_gradient}, op.input.rows,
                            op.input.columns, op.weight_gradient);
  ctx.for_each_row(op.input.rows, op.input.columns, kernel::rms_norm_gradient_body{op});
}

template <std::same_as<context> Context>
void run(Context& ctx, ops::bias_gradient const& op) {
  detail::add_column_sums(ctx, detail::element_term{op.output_gradient}, op.output_gradient.rows,
                          op.output_gradient.columns, op.gradient);
}

namespace detail {

/// One block per source row.  The first row with a given target adds all that have it, in ascending order, and the
/// others do nothing: every sum has one owner and one order.  Finding out costs a scan of the indices, which stay in
/// the L2 cache.
template <unsigned Threads>
__global__ void __launch_bounds__(Threads)
    scatter_add_kernel(matrix_view<float const> source, std::int32_t const* index, matrix_view<float> destination) {
  __shared__ unsigned hits[Threads / warp_size];
  block_group<Threads> const group;
  std::size_t const row = blockIdx.x;
  std::int32_t const target = index[row];
  std::int32_t const earlier = group.max(row, [=](std::size_t j) { return index[j] == target ? 1 : 0; });
  if (earlier != 1) {  // the block agrees
    float* const sums = destination.row(static_cast<std::size_t>(target));
    for (std::size_t base = row; base < source.rows; base += Threads) {
      std::size_t const mine = base + threadIdx.x;
      unsigned const votes = __ballot_sync(full_mask, mine < source.rows && index[mine] == target);
      if (threadIdx.x % warp_size == 0) hits[threadIdx.x / warp_size] = votes;
      __syncthreads();
      for (unsigned warp = 0; warp < Threads / warp_size; ++warp)
        for (unsigned rest = hits[warp]; rest != 0; rest &= rest - 1) {
          auto const bit = static_cast<unsigned>(__ffs(static_cast<int>(rest)) - 1);
          float const* const values = source.row(base + warp * warp_size + bit);
          group.for_each(source.columns, [=](std::size_t j) { sums[j] += values[j]; });
        }
      __syncthreads();  // all have read `hits`
    }
  }
}

}  // namespace detail

template <std::same_as<context> Context>
void run(Context& ctx, ops::scatter_add_rows const& op) {
  launch(detail::scatter_add_kernel<small_block>, op.source.rows, small_block, 0, ctx.stream(), op.source, op.index,
         op.destination);
}

}  // namespace cuda
RLVR_NAMESPACE_END
