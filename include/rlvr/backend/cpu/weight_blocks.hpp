// SPDX-License-Identifier: MIT
/// @file
/// How the products of the CPU backend cut their operands.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/core/config.hpp>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/core/weight_view.hpp>
#include <rlvr/kernel/elementwise.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace cpu::detail {

/// A tile's edge: about `pieces` tiles, none thinner than `least`, a multiple of 8.
[[nodiscard]] constexpr std::size_t tile_edge(std::size_t extent, std::size_t pieces, std::size_t least) {
  std::size_t const edge = math::max(least, math::ceil_div(extent, pieces));
  return math::ceil_div(edge, std::size_t{8}) * 8;
}

/// Calls visit(first row, block as floats, scratch) for each block of the weight's rows, in order and at least once:
/// the whole of a float weight, and so much of a bfloat16 one as a first-level cache holds.
/// @param extra  floats of scratch memory that `visit` is handed
template <class Visit>
void for_each_weight_block(context& ctx, std::size_t thread, weight_view weight, std::size_t extra, Visit&& visit) {
  std::size_t const height =
      weight.type == dtype::f32 ? 0 : math::min(math::max<std::size_t>(24, 8192 / (weight.columns + 1)), weight.rows);
  float* const scratch = ctx.scratch(thread, extra + height * weight.columns);
  if (weight.type == dtype::f32) return visit(std::size_t{0}, weight.as<float>(), scratch);
  matrix_view<bf16 const> const source = weight.as<bf16>();
  for (std::size_t first = 0; first == 0 || first < weight.rows; first += height) {
    matrix_view<float> const part{scratch + extra, math::min(height, weight.rows - first), weight.columns};
    for (std::size_t i = 0; i < part.rows; ++i)
      kernel::convert_row(single_thread_group{}, source.row(first + i), part.row(i), part.columns);
    visit(first, part, scratch);
  }
}

}  // namespace cpu::detail
RLVR_NAMESPACE_END
