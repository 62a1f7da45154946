// SPDX-License-Identifier: MIT
/// @file
/// The device's side of an objective that is compiled at run time: NVRTC reads this header before the user's source and
/// then defines the three kernels.  They run the body that the library's own kernels run, with the same groups, so an
/// objective has the same arithmetic whichever compiler saw it.
#pragma once

#include <rlvr/backend/cuda/block_group.cuh>
#include <rlvr/backend/cuda/row_kernels.cuh>
#include <rlvr/backend/cuda/runtime_loss_rows.hpp>
#include <rlvr/kernel/row_bodies.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {
namespace detail {

static_assert(runtime_warp_width == default_row_policy.warp_width &&
                  runtime_block_width == default_row_policy.block_width && runtime_small_block == small_block &&
                  runtime_large_block == large_block && runtime_warp_size == warp_size,
              "an objective compiled at run time must run as the others do");

template <class Objective>
[[nodiscard]] __device__ kernel::token_loss_body<Objective> runtime_body(runtime_loss_rows const& rows,
                                                                         Objective const& objective) {
  return {rows.logits, rows.inverse_temperature, objective, rows.records, rows.results, rows.first_record};
}

/// A warp per row.
template <class Objective>
__device__ void runtime_warp_loss(runtime_loss_rows const& rows, Objective const& objective) {
  std::size_t const row =
      static_cast<std::size_t>(blockIdx.x) * (runtime_small_block / warp_size) + threadIdx.x / warp_size;
  if (row < rows.logits.rows) runtime_body(rows, objective)(warp_group{}, row);
}

/// A block per row.
template <unsigned Threads, class Objective>
__device__ void runtime_block_loss(runtime_loss_rows const& rows, Objective const& objective) {
  runtime_body(rows, objective)(block_group<Threads>{}, static_cast<std::size_t>(blockIdx.x));
}

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
