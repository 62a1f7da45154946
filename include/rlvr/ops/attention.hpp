// SPDX-License-Identifier: MIT
/// @file
/// Causal attention with grouped key/value heads over packed prefix trees.
///
/// Queries come in spans.  The queries of a span see a list of key ranges, in the order of the sequence: the span's
/// ancestors (guideline, sentence, ...), all of them, and last its own range, of which query i sees the first
/// `own_before` + i + 1 rows.  The keys may be rows of the same packed batch (training) or of a cache (generation);
/// both use this op, which is why a token gets the same bits either way.
///
/// Values are expected to be finite: a backend may multiply those that a query of the same span does not see by 0.
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
  attention_statistics statistics{};  ///< written where given (non-null data, both or none)

  void validate() const {
    if (!plan) throw argument_error("attention: no plan");
    if (shape.key_value_heads == 0 || shape.heads % shape.key_value_heads != 0)
      throw shape_error("attention: " + std::to_string(shape.heads) + " heads cannot share " +
                        std::to_string(shape.key_value_heads) + " key/value heads");
    require_extent("attention: columns of the query", query.columns, shape.heads * shape.head_size);
    require_extent("attention: columns of the key", key.columns, shape.key_value_heads * shape.head_size);
    require_extent("attention: columns of the value", value.columns, shape.key_value_heads * shape.head_size);
    require_extent("attention: rows of the value", value.rows, key.rows);
    require_extent("attention: rows of the output", output.rows, query.rows);
    require_extent("attention: columns of the output", output.columns, query.columns);
    if (!(shape.scale >= 0.0f)) throw argument_error("attention: the scale must not be negative");
    validate(statistics.maximum);
    validate(statistics.inverse_normaliser);
    for (query_span const& span : plan->spans) validate(span);
  }

 private:
  /// Whether `count` rows from `begin` lie within `rows`, whatever the numbers.
  [[nodiscard]] static constexpr bool within(std::int64_t begin, std::int64_t count, std::size_t rows) {
    return begin >= 0 && count >= 0 && static_cast<std::size_t>(begin) <= rows &&
           static_cast<std::size_t>(count) <= rows - static_cast<std::size_t>(begin);
  }

  void validate(matrix_view<float> const& statistic) const {
    if (!statistic.data) return;
    require_extent("attention: rows of the statistics", statistic.rows, query.rows);
    require_extent("attention: columns of the statistics", statistic.columns, shape.heads);
  }

  void validate(query_span const& span) const {
    if (!within(span.begin, span.count, query.rows)) throw shape_error("attention: a span lies outside the queries");
    if (span.range_count < 1 || !within(span.first_range, span.range_count, plan->ranges.size()))
      throw shape_error("attention: a span has no ranges of its plan");
    std::int64_t context = 0;
    for (std::int64_t r = span.first_range; r < span.first_range + span.range_count; ++r) {
      key_range const& range = plan->ranges[static_cast<std::size_t>(r)];
      if (!within(range.begin, range.count, key.rows)) throw shape_error("attention: a range lies outside the keys");
      context += range.count;
    }
    key_range const& own = plan->ranges[static_cast<std::size_t>(span.first_range + span.range_count - 1)];
    if (span.own_before < 0 || span.own_before > own.count || own.count - span.own_before < span.count)
      throw shape_error("attention: a span's own range has " + std::to_string(own.count) + " keys, expected " +
                        std::to_string(span.own_before) + " before its queries and " + std::to_string(span.count) +
                        " for them");
    if (context > plan->longest_context)
      throw shape_error("attention: a span sees " + std::to_string(context) + " keys, the plan's longest_context is " +
                        std::to_string(plan->longest_context));
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
    require_extent("attention_gradient: columns of the query gradient", query_gradient.columns, forward.query.columns);
    require_extent("attention_gradient: rows of the key gradient", key_gradient.rows, forward.key.rows);
    require_extent("attention_gradient: columns of the key gradient", key_gradient.columns, forward.key.columns);
    require_extent("attention_gradient: rows of the value gradient", value_gradient.rows, forward.value.rows);
    require_extent("attention_gradient: columns of the value gradient", value_gradient.columns, forward.value.columns);
  }
};

}  // namespace ops
RLVR_NAMESPACE_END
