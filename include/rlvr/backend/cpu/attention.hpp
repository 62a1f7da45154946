// SPDX-License-Identifier: MIT
/// @file
/// Attention over prefix trees on the CPU.  A block of queries meets its key ranges one after the other; scores of a
/// query lie in one row, in the order of the sequence, so the softmax and the weighted sum of values are the same
/// operations in the same order however the sequence is cut into segments.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/backend/cpu/gemm_tiles.hpp>
#include <rlvr/kernel/cooperative_group.hpp>
#include <rlvr/ops/attention.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace cpu {
namespace detail {

inline constexpr std::size_t query_block = 32;

/// Some queries of one span.
struct attention_block {
  ops::query_span const* span;
  std::size_t first;  ///< within the span
  std::size_t count;
  std::size_t context;  ///< keys that the block's last query sees
};

[[nodiscard]] inline std::vector<attention_block> attention_blocks(ops::attention_plan const& plan) {
  std::vector<attention_block> blocks;
  for (ops::query_span const& span : plan.spans) {
    std::size_t ancestors = 0;
    for (std::int64_t r = 0; r + 1 < span.range_count; ++r)
      ancestors += static_cast<std::size_t>(plan.ranges[static_cast<std::size_t>(span.first_range + r)].count);
    auto const total = static_cast<std::size_t>(span.count);
    for (std::size_t first = 0; first < total; first += query_block) {
      std::size_t const count = math::min(query_block, total - first);
      blocks.push_back({&span, first, count, ancestors + static_cast<std::size_t>(span.own_before) + first + count});
    }
  }
  return blocks;
}

/// Calls visit(first key row, number of keys, first column of the scores) for every range a block sees.
template <class Visit>
void for_each_range(ops::attention_plan const& plan, attention_block const& block, Visit&& visit) {
  std::size_t column = 0;
  for (std::int64_t r = 0; r < block.span->range_count; ++r) {
    ops::key_range const& range = plan.ranges[static_cast<std::size_t>(block.span->first_range + r)];
    std::size_t const count = math::min(static_cast<std::size_t>(range.count), block.context - column);
    if (count) visit(static_cast<std::size_t>(range.begin), count, column);
    column += count;
  }
}

/// scores[i, column] = query_i . key_column for the block's queries of one head.
inline void attention_scores(ops::attention_forward const& op, attention_block const& block, std::size_t head,
                             float* scores, std::size_t stride) {
  std::size_t const size = op.shape.head_size;
  std::size_t const key_column = head / op.shape.group() * size;
  float const* const query = op.query.row(static_cast<std::size_t>(block.span->begin) + block.first) + head * size;
  for_each_range(*op.plan, block, [&](std::size_t begin, std::size_t count, std::size_t column) {
    multiply_transposed(query, op.query.stride, op.key.row(begin) + key_column, op.key.stride, block.count, count, size,
                        scores + column, stride, false);
  });
}

/// Keys that query i of the block sees.
[[nodiscard]] inline std::size_t visible_keys(attention_block const& block, std::size_t i) {
  return block.context - (block.count - 1 - i);
}

}  // namespace detail

inline void run(context& ctx, ops::attention_forward const& op) {
  std::vector<detail::attention_block> const blocks = detail::attention_blocks(*op.plan);
  std::size_t const heads = op.shape.heads;
  std::size_t const size = op.shape.head_size;
  auto const stride = math::ceil_div(static_cast<std::size_t>(op.plan->longest_context), lane_count) * lane_count;
  auto const one_head = [&](detail::attention_block const& block, std::size_t head, float* scores) {
    single_thread_group const group;
    std::size_t const first_row = static_cast<std::size_t>(block.span->begin) + block.first;
    detail::attention_scores(op, block, head, scores, stride);
    float inverse[detail::query_block];
    for (std::size_t i = 0; i < block.count; ++i) {
      float* const row = scores + i * stride;
      std::size_t const keys = detail::visible_keys(block, i);
      float const scale = op.shape.scale;
      float const maximum = group.max(keys, [=](std::size_t j) { return row[j]; }) * scale;
      group.for_each(keys, [=](std::size_t j) { row[j] = math::exp(math::multiply_add(row[j], scale, -maximum)); });
      inverse[i] = 1.0f / group.sum(keys, [=](std::size_t j) { return row[j]; });
      for (std::size_t j = keys; j < block.context; ++j) row[j] = 0.0f;
      if (op.statistics.maximum.data) {
        op.statistics.maximum(first_row + i, head) = maximum;
        op.statistics.inverse_normaliser(first_row + i, head) = inverse[i];
      }
    }
    std::size_t const value_column = head / op.shape.group() * size;
    float* const out = op.output.row(first_row) + head * size;
    detail::for_each_range(*op.plan, block, [&](std::size_t begin, std::size_t count, std::size_t column) {
      multiply(scores + column, stride, 1, op.value.row(begin) + value_column, op.value.stride, block.count, size,
               count, out, op.output.stride, column > 0);
    });
    for (std::size_t i = 0; i < block.count; ++i) {
      float* const row = out + i * op.output.stride;
      float const factor = inverse[i];
      group.for_each(size, [=](std::size_t j) { row[j] *= factor; });
    }
  };
  // A task is a block with all of its heads, or one head of it where blocks are few.
  bool const by_head = blocks.size() < 8 * ctx.threads();
  ctx.parallel_for(by_head ? blocks.size() * heads : blocks.size(), [&](std::size_t task, std::size_t thread) {
    float* const scores = ctx.scratch(thread, detail::query_block * stride);
    if (by_head)
      one_head(blocks[task / heads], task % heads, scores);
    else
      for (std::size_t head = 0; head < heads; ++head) one_head(blocks[task], head, scores);
  });
}

/// One task per key/value head walks all blocks in order: sums into keys and values have one order.
inline void run(context& ctx, ops::attention_gradient const& op) {
  ops::attention_forward const& forward = op.forward;
  std::vector<detail::attention_block> const blocks = detail::attention_blocks(*forward.plan);
  std::size_t const size = forward.shape.head_size;
  std::size_t const shared = forward.shape.group();
  auto const stride = math::ceil_div(static_cast<std::size_t>(forward.plan->longest_context), lane_count) * lane_count;
  ctx.parallel_for(forward.shape.key_value_heads, [&](std::size_t key_head, std::size_t thread) {
    single_thread_group const group;
    float* const probabilities = ctx.scratch(thread, 2 * detail::query_block * stride);
    float* const gradients = probabilities + detail::query_block * stride;
    std::size_t const key_column = key_head * size;
    for (detail::attention_block const& block : blocks) {
      std::size_t const first_row = static_cast<std::size_t>(block.span->begin) + block.first;
      for (std::size_t head = key_head * shared; head < (key_head + 1) * shared; ++head) {
        detail::attention_scores(forward, block, head, probabilities, stride);
        float const* const out_gradient = op.output_gradient.row(first_row) + head * size;
        detail::for_each_range(*forward.plan, block, [&](std::size_t begin, std::size_t count, std::size_t column) {
          multiply_transposed(out_gradient, op.output_gradient.stride, forward.value.row(begin) + key_column,
                              forward.value.stride, block.count, count, size, gradients + column, stride, false);
        });
        for (std::size_t i = 0; i < block.count; ++i) {
          float* const p = probabilities + i * stride;
          float* const g = gradients + i * stride;
          std::size_t const keys = detail::visible_keys(block, i);
          float const maximum = forward.statistics.maximum(first_row + i, head);
          float const inverse = forward.statistics.inverse_normaliser(first_row + i, head);
          float const scale = forward.shape.scale;
          float const* const out = forward.output.row(first_row + i) + head * size;
          float const* const d_out = out_gradient + i * op.output_gradient.stride;
          float const dot = group.sum(size, [=](std::size_t j) { return out[j] * d_out[j]; });
          group.for_each(keys, [=](std::size_t j) {
            float const probability = math::exp(math::multiply_add(p[j], scale, -maximum)) * inverse;
            p[j] = probability;
            g[j] = probability * (g[j] - dot) * scale;
          });
          for (std::size_t j = keys; j < block.context; ++j) p[j] = g[j] = 0.0f;
        }
        float const* const query = forward.query.row(first_row) + head * size;
        float* const query_gradient = op.query_gradient.row(first_row) + head * size;
        detail::for_each_range(*forward.plan, block, [&](std::size_t begin, std::size_t count, std::size_t column) {
          multiply(gradients + column, stride, 1, forward.key.row(begin) + key_column, forward.key.stride, block.count,
                   size, count, query_gradient, op.query_gradient.stride, column > 0);
          multiply(gradients + column, 1, stride, query, forward.query.stride, count, size, block.count,
                   op.key_gradient.row(begin) + key_column, op.key_gradient.stride, true);
          multiply(probabilities + column, 1, stride, out_gradient, op.output_gradient.stride, count, size, block.count,
                   op.value_gradient.row(begin) + key_column, op.value_gradient.stride, true);
        });
      }
    }
  });
}

}  // namespace cpu
RLVR_NAMESPACE_END
