// SPDX-License-Identifier: MIT
/// @file
/// The optimiser's ops on the CPU.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/kernel/cooperative_group.hpp>
#include <rlvr/ops/optimizer.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace cpu {
namespace detail {

/// Elements of a block of the arena: fixed, so that sums do not depend on the thread count.
inline constexpr std::size_t arena_block = 16384;

}  // namespace detail

inline void run(context& ctx, ops::global_norm const& op) {
  std::vector<double> sums(math::ceil_div(op.values.size(), detail::arena_block));
  ctx.parallel_pieces(op.values.size(), detail::arena_block, [&](std::size_t first, std::size_t count, std::size_t) {
    float const* const x = op.values.data() + first;
    sums[first / detail::arena_block] = single_thread_group{}.sum(
        count, [=](std::size_t i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); });
  });
  double total = 0.0;
  for (double const sum : sums) total += sum;
  *op.result = std::sqrt(total);
}

inline void run(context& ctx, ops::adamw_step const& op) {
  adamw_update<float> const update = op.rule.at<float>(op.step, op.factor);
  float const scale = op.gradient_scale;
  ctx.parallel_pieces(op.parameter.size(), detail::arena_block, [&](std::size_t first, std::size_t count, std::size_t) {
    float* const parameter = op.parameter.data() + first;
    float* const gradient = op.gradient.data() + first;
    float* const first_moment = op.first_moment.data() + first;
    float* const second_moment = op.second_moment.data() + first;
    for (std::size_t i = 0; i < count; ++i) {
      update(parameter[i], first_moment[i], second_moment[i], gradient[i] * scale);
      gradient[i] = 0.0f;
    }
  });
}

}  // namespace cpu
RLVR_NAMESPACE_END
