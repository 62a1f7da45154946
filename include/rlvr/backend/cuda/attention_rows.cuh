// SPDX-License-Identifier: MIT
/// @file
/// Where the rows of attention lie: from rows of a span and positions of its context to rows of matrices.
#pragma once

#include <rlvr/backend/cuda/attention_tasks.hpp>
#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/ops/attention.hpp>

#include <cstddef>
#include <cstdint>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {
namespace detail {

/// `ops::attention_shape` for kernels.
struct head_layout {
  std::size_t size;
  std::size_t key_value_heads;
  std::size_t group;  ///< query heads that share a key/value head
  float scale;

  [[nodiscard]] static head_layout of(ops::attention_shape const& shape) {
    return {shape.head_size, shape.key_value_heads, shape.group(), shape.scale};
  }
};

/// What the forward kernels read and write.
struct attention_forward_arguments {
  attention_span const* spans;
  ops::key_range const* ranges;
  query_tile const* tiles;
  head_layout heads;
  matrix_view<float const> query;
  matrix_view<float const> key;
  matrix_view<float const> value;
  matrix_view<float> output;
  ops::attention_statistics statistics;
  bool vectors;  ///< rows can be read and written 16 bytes at a time
};

/// Where a row of a block's tile lies.
struct tile_row {
  std::int64_t row;   ///< of the query; -1: beyond the span
  std::int64_t head;  ///< query head
  std::int64_t sees;  ///< keys of the context

  [[nodiscard]] static __device__ tile_row of(attention_span const& span, std::int64_t row, std::size_t key_head,
                                              std::size_t group) {
    auto const shared = static_cast<std::int64_t>(group);
    std::int64_t const query = row / shared;
    if (query >= span.query_count) return {-1, 0, span.context_before + span.query_count};
    return {span.query_begin + query, static_cast<std::int64_t>(key_head) * shared + row % shared,
            span.context_before + query + 1};
  }

  /// The row in a matrix of heads, or null.
  template <class T>
  [[nodiscard]] __device__ T* in(matrix_view<T> const& view, std::size_t head_size) const {
    return row < 0 ? nullptr : view.row(static_cast<std::size_t>(row)) + static_cast<std::size_t>(head) * head_size;
  }
};

/// Keys of the context that a tile of rows sees: its last row sees most.
[[nodiscard]] __device__ inline std::int64_t tile_context(attention_span const& span, std::int64_t last_row,
                                                          std::size_t group) {
  std::int64_t const query = math::min(last_row / static_cast<std::int64_t>(group), span.query_count - 1);
  return span.context_before + query + 1;
}

/// Finds the rows of keys by their position in a span's context.
class context_walk {
 public:
  __device__ context_walk(ops::key_range const* first, std::int64_t context) : range_(first), context_(context) {}

  /// The key row at a position, -1 beyond the context.  @pre positions never decrease from call to call
  [[nodiscard]] __device__ std::int64_t row(std::int64_t position) {
    if (position >= context_) return -1;
    while (position - begin_ >= range_->count) {
      begin_ += range_->count;
      ++range_;
    }
    return range_->begin + (position - begin_);
  }

 private:
  ops::key_range const* range_;
  std::int64_t context_;
  std::int64_t begin_ = 0;  ///< position of the range's first key
};

/// A row of keys or values at one head; null for row -1.
[[nodiscard]] __device__ inline float const* key_row(matrix_view<float const> const& view, std::int64_t row,
                                                     std::size_t key_head, std::size_t head_size) {
  return row < 0 ? nullptr : view.row(static_cast<std::size_t>(row)) + key_head * head_size;
}

/// How many of `columns` passing rows come before the place that is `distance` after the first.
[[nodiscard]] __device__ inline unsigned clipped(std::int64_t distance, unsigned columns) {
  return distance <= 0                                    ? 0u
         : distance >= static_cast<std::int64_t>(columns) ? columns
                                                          : static_cast<unsigned>(distance);
}

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
