// SPDX-License-Identifier: MIT
/// @file
/// Running the bodies of kernel/row_bodies.hpp: a warp per short row, a block per long one.
///
/// Which of them depends on the row's width alone, so a row has the same bits in every batch, and the same whether it
/// is scored in a rollout or in training.
#pragma once

#include <rlvr/backend/cuda/block_group.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/math.hpp>
#include <rlvr/kernel/row_bodies.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// Widths up to which a row is a warp's or a small block's.
struct row_policy {
  std::size_t warp_width = 1024;    ///< 32 elements a lane: heads, small hidden sizes
  std::size_t block_width = 16384;  ///< hidden and intermediate sizes; vocabularies are beyond
};
inline constexpr row_policy default_row_policy{};

inline constexpr unsigned small_block = 256;
inline constexpr unsigned large_block = 1024;

namespace detail {

template <unsigned Threads, class Body>
__global__ void __launch_bounds__(Threads) block_rows_kernel(__grid_constant__ Body const body) {
  body(block_group<Threads>{}, static_cast<std::size_t>(blockIdx.x));
}

template <unsigned Threads, class Body>
__global__ void __launch_bounds__(Threads) warp_rows_kernel(__grid_constant__ Body const body, std::size_t rows) {
  std::size_t const row = static_cast<std::size_t>(blockIdx.x) * (Threads / warp_size) + threadIdx.x / warp_size;
  if (row < rows) body(warp_group{}, row);  // a warp agrees, and no barrier of the block follows
}

}  // namespace detail

/// body(group, row) for every row: what `context::for_each_row` does.
template <class Context, kernel::row_body Body>
void launch_rows(Context& ctx, std::size_t rows, std::size_t width, Body const& body) {
  cudaStream_t const stream = ctx.stream();
  if (width <= default_row_policy.warp_width)
    launch(detail::warp_rows_kernel<small_block, Body>, math::ceil_div(rows, std::size_t{small_block / warp_size}),
           small_block, 0, stream, body, rows);
  else if (width <= default_row_policy.block_width)
    launch(detail::block_rows_kernel<small_block, Body>, rows, small_block, 0, stream, body);
  else
    launch(detail::block_rows_kernel<large_block, Body>, rows, large_block, 0, stream, body);
}

}  // namespace cuda
RLVR_NAMESPACE_END
