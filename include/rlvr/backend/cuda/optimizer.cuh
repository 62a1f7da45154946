// SPDX-License-Identifier: MIT
/// @file
/// The optimiser's ops on the GPU: one pass over the arena each.
#pragma once

#include <rlvr/backend/cuda/block_group.cuh>
#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/backend/cuda/row_kernels.cuh>
#include <rlvr/ops/optimizer.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {
namespace detail {

/// Elements of a block of the arena: fixed, so that sums do not depend on the device.
inline constexpr std::size_t arena_block = 16384;

template <unsigned Threads>
__global__ void __launch_bounds__(Threads) square_sums_kernel(float const* values, std::size_t count, double* sums) {
  std::size_t const first = static_cast<std::size_t>(blockIdx.x) * arena_block;
  float const* const x = values + first;
  double const sum = block_group<Threads>{}.sum(math::min(arena_block, count - first), [=](std::size_t i) {
    return static_cast<double>(x[i]) * static_cast<double>(x[i]);
  });
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

template <unsigned Threads>
__global__ void __launch_bounds__(Threads) fold_norm_kernel(double const* sums, std::size_t count, double* result) {
  double const total = block_group<Threads>{}.sum(count, [=](std::size_t i) { return sums[i]; });
  if (threadIdx.x == 0) *result = std::sqrt(total);
}

/// Elements that one thread of `adamw_kernel` updates.
inline constexpr unsigned adamw_elements = 4;

/// The op's arguments as the kernel takes them.
struct adamw_arguments {
  adamw_update<float> value;  ///< used where `update` is null
  adamw_update<float> const* update;
  double const* norm;
  double max_norm;
  float gradient_scale;
  std::size_t count;
  float* parameter;
  float* gradient;
  float* first_moment;
  float* second_moment;
  bf16* mirror;
};

template <unsigned Threads>
__global__ void __launch_bounds__(Threads) adamw_kernel(adamw_arguments op) {
  adamw_update<float> const update = op.update ? *op.update : op.value;
  clipped_step const clipped = clip_step(op.norm, op.max_norm, op.gradient_scale);
  std::size_t const first = static_cast<std::size_t>(blockIdx.x) * (Threads * adamw_elements) + threadIdx.x;
#pragma unroll
  for (unsigned k = 0; k < adamw_elements; ++k) {
    std::size_t const i = first + k * Threads;
    if (i < op.count) {
      if (!clipped.skipped) {
        update(op.parameter[i], op.first_moment[i], op.second_moment[i], op.gradient[i] * clipped.scale);
        if (op.mirror) op.mirror[i] = bf16(op.parameter[i]);
      }
      op.gradient[i] = 0.0f;
    }
  }
}

}  // namespace detail

template <std::same_as<context> Context>
void run(Context& ctx, ops::global_norm const& op) {
  std::size_t const blocks = math::ceil_div(op.values.size(), detail::arena_block);
  double* const sums = ctx.template scratch<double>(scratch_purpose::reduction, math::max<std::size_t>(1, blocks));
  launch(detail::square_sums_kernel<small_block>, blocks, small_block, 0, ctx.stream(), op.values.data(),
         op.values.size(), sums);
  launch(detail::fold_norm_kernel<large_block>, 1, large_block, 0, ctx.stream(), static_cast<double const*>(sums),
         blocks, op.result);
}

template <std::same_as<context> Context>
void run(Context& ctx, ops::adamw_step const& op) {
  std::size_t const each = std::size_t{small_block} * detail::adamw_elements;
  launch(detail::adamw_kernel<small_block>, math::ceil_div(op.parameter.size(), each), small_block, 0, ctx.stream(),
         detail::adamw_arguments{.value = op.rule.at<float>(op.step, op.factor),
                                 .update = op.update,
                                 .norm = op.norm,
                                 .max_norm = op.max_norm,
                                 .gradient_scale = op.gradient_scale,
                                 .count = op.parameter.size(),
                                 .parameter = op.parameter.data(),
                                 .gradient = op.gradient.data(),
                                 .first_moment = op.first_moment.data(),
                                 .second_moment = op.second_moment.data(),
                                 .mirror = op.mirror.empty() ? nullptr : op.mirror.data()});
}

}  // namespace cuda
RLVR_NAMESPACE_END
