// SPDX-License-Identifier: MIT
/// @file
/// Causal attention with grouped key/value heads over packed prefix trees.
///
/// Queries come in spans.  The queries of a span see a list of key ranges, in the order of the sequence: the span's
/// ancestors (guideline, sentence, ...), all of them, and last its own range, of which query i sees the first
/// `own_before` + i + 1 rows.  The keys may be rows of the same packed batch (training) or of a cache (generation);
/// both use this op, which is why a token gets the same bits either way.
///
///   out_i = sum_j softmax_j(scale q_i . k_j) v_j,   query head h uses key/value head floor(h * kv_heads / heads)
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/core/shape.hpp>
#include <rlvr/core/tensor_view.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace ops {

/// Consecutive key rows.
struct key_range {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

/// Consecutive query rows that see the same ranges.
struct query_span {
  std::int64_t begin = 0;
  std::int64_t count = 0;
  std::int64_t first_range = 0;
  std::int64_t range_count = 0;  ///< the last range is the span's own; its `count` is own_before + count
  std::int64_t own_before = 0;   ///< own keys that all queries of the span see (tokens already in the cache)

  friend bool operator==(query_span const&, query_span const&) = default;
};

/// Who attends to what: plain data, made on the host once per batch.
struct attention_plan {
  std::vector<query_span> spans;
  std::vector<key_range> ranges;
  std::int64_t longest_context = 0;  ///< most keys that a query sees

  void clear() {
    spans.clear();
    ranges.clear();
    longest_context = 0;
  }

  /// Appends a span.  @param ancestors  ranges seen as a whole, root first
  void add_span(std::int64_t begin, std::int64_t count, std::span<key_range const> ancestors, key_range own,
                std::int64_t own_before) {
    spans.push_back({begin, count, static_cast<std::int64_t>(ranges.size()),
                     static_cast<std::int64_t>(ancestors.size()) + 1, own_before});
    std::int64_t context = own.count;
    for (key_range const& range : ancestors) {
      ranges.push_back(range);
      context += range.count;
    }
    ranges.push_back(own);
    if (context > longest_context) longest_context = context;
  }
};

/// Sizes of the heads.
struct attention_shape {
  std::size_t heads = 1;
  std::size_t key_value_heads = 1;
  std::size_t head_size = 1;
  float scale = 1.0f;  ///< usually 1 / sqrt(head_size)

  /// Query heads that share a key/value head.
  [[nodiscard]] constexpr std::size_t group() const { return heads / key_value_heads; }
};

/// Softmax statistics that the backward pass needs: [queries, heads].
struct attention_statistics {
  matrix_view<float> maximum;
  matrix_view<float> inverse_normaliser;
};

struct attention_forward {
  attention_shape shape;
  attention_plan const* plan = nullptr;
  matrix_view<float const> query;     ///< [queries, heads * head_size]
  matrix_view<float const> key;       ///< [keys, key_value_heads * head_size]
  matrix_view<float const> value;     ///< [keys, key_value_heads * head_size]
  matrix_view<float> output;          ///< [queries, heads * head_size]
  attention_statistics statistics{};  ///< written where given (non-null data)

  void validate() const {
    if (!plan) throw argument_error("attention: no plan");
    if (shape.key_value_heads == 0 || shape.heads % shape.key_value_heads != 0)
      throw shape_error("attention: " + std::to_string(shape.heads) + " heads cannot share " +
                        std::to_string(shape.key_value_heads) + " key/value heads");
    require_extent("attention: columns of the query", query.columns, shape.heads * shape.head_size);
    require_extent("attention: columns of the key", key.columns, shape.key_value_heads * shape.head_size);
    require_extent("attention: columns of the value", value.columns, shape.key_value_heads * shape.head_size);
    require_extent("attention: rows of the output", output.rows, query.rows);
    require_extent("attention: columns of the output", output.columns, query.columns);
    for (query_span const& span : plan->spans) {
      if (span.begin < 0 || span.count < 0 || static_cast<std::size_t>(span.begin + span.count) > query.rows)
        throw shape_error("attention: a span lies outside the queries");
      for (std::int64_t r = span.first_range; r < span.first_range + span.range_count; ++r) {
        key_range const& range = plan->ranges[static_cast<std::size_t>(r)];
        if (range.begin < 0 || range.count < 0 || static_cast<std::size_t>(range.begin + range.count) > key.rows)
          throw shape_error("attention: a range lies outside the keys");
      }
    }
  }
};

/// Gradients of `attention_forward`.  Those of key and value are *added*: an ancestor collects from all descendants,
/// spans in the order of the plan.
struct attention_gradient {
  attention_forward forward;                 ///< as executed, with statistics
  matrix_view<float const> output_gradient;  ///< [queries, heads * head_size]
  matrix_view<float> query_gradient;         ///< written
  matrix_view<float> key_gradient;           ///< added to
  matrix_view<float> value_gradient;         ///< added to

  void validate() const {
    forward.validate();
    if (!forward.statistics.maximum.data || !forward.statistics.inverse_normaliser.data)
      throw argument_error("attention_gradient: the forward pass kept no statistics");
    require_extent("attention_gradient: rows of the output gradient", output_gradient.rows, forward.query.rows);
    require_extent("attention_gradient: columns of the output gradient", output_gradient.columns,
                   forward.query.columns);
    require_extent("attention_gradient: rows of the query gradient", query_gradient.rows, forward.query.rows);
    require_extent("attention_gradient: rows of the key gradient", key_gradient.rows, forward.key.rows);
    require_extent("attention_gradient: rows of the value gradient", value_gradient.rows, forward.value.rows);
  }
};

}  // namespace ops
RLVR_NAMESPACE_END
