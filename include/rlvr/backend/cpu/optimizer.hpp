// SPDX-License-Identifier: MIT
/// @file
/// The optimiser's ops on the CPU.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/backend/cpu/gemm_tiles.hpp>
#include <rlvr/kernel/cooperative_group.hpp>
#include <rlvr/ops/optimizer.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace cpu {
namespace detail {

/// Elements of a block of the arena: fixed, so that sums do not depend on the thread count.
inline constexpr std::size_t arena_block = 16384;

[[gnu::always_inline]] inline void square_root(lanes& x) {
#if defined(__AVX__)
  x = _mm256_sqrt_ps(x);
#else
  for (std::size_t i = 0; i < lane_count; ++i) x[i] = std::sqrt(x[i]);
#endif
}

/// rl/adamw_rule.hpp on eight parameters.  Written out because std::sqrt, which may have to set errno, keeps compilers
/// from vectorising the rule itself.
[[gnu::always_inline]] inline void adamw_lanes(adamw_update<float> const& update, float gradient_scale,
                                               float* parameter, float* gradient, float* first_moment,
                                               float* second_moment) {
  lanes p, g, m, v;
  load(p, parameter);
  load(g, gradient);
  load(m, first_moment);
  load(v, second_moment);
  g *= gradient_scale;
  m = update.beta1 * m + update.one_minus_beta1 * g;
  v = update.beta2 * v + update.one_minus_beta2 * g * g;
  lanes root = v * update.inverse_second_moment;
  square_root(root);
  store(parameter, p * update.decay - update.rate * m / (root + update.epsilon));
  store(first_moment, m);
  store(second_moment, v);
  store(gradient, lanes{});
}

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
  adamw_update<float> const update = op.update ? *op.update : op.rule.at<float>(op.step, op.factor);
  clipped_step const clipped = clip_step(op.norm, op.max_norm, op.gradient_scale);
  ctx.parallel_pieces(op.parameter.size(), detail::arena_block, [&](std::size_t first, std::size_t count, std::size_t) {
    float* const parameter = op.parameter.data() + first;
    float* const gradient = op.gradient.data() + first;
    if (clipped.skipped) {
      std::fill(gradient, gradient + count, 0.0f);
      return;
    }
    float* const first_moment = op.first_moment.data() + first;
    float* const second_moment = op.second_moment.data() + first;
    std::size_t i = 0;
    for (; i + lane_count <= count; i += lane_count)
      detail::adamw_lanes(update, clipped.scale, parameter + i, gradient + i, first_moment + i, second_moment + i);
    for (; i < count; ++i) {
      update(parameter[i], first_moment[i], second_moment[i], gradient[i] * clipped.scale);
      gradient[i] = 0.0f;
    }
    if (!op.mirror.empty())
      for (std::size_t k = 0; k < count; ++k) op.mirror[first + k] = bf16(parameter[k]);
  });
}

}  // namespace cpu
RLVR_NAMESPACE_END
