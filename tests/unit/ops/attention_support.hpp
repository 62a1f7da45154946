// SPDX-License-Identifier: MIT
/// @file
/// Random prefix trees for the tests of attention.
#pragma once

#include <rlvr/ops/attention.hpp>

#include "harness.hpp"
#include <reference/attention.hpp>
#include <support/backend.hpp>

namespace test {

/// A segment of a packed tree; its tokens are rows [begin, begin + length).
struct segment {
  int parent;  ///< -1: a root
  std::size_t begin, length;
};

/// Segments in a packed order in which parents need not stand right before their children.
struct tree {
  std::vector<segment> segments;
  std::size_t tokens = 0;

  void add(int parent, std::size_t length) {
    segments.push_back({parent, tokens, length});
    tokens += length;
  }

  /// Ancestors from the root down.
  [[nodiscard]] std::vector<rlvr::ops::key_range> ancestors(segment const& s) const {
    std::vector<rlvr::ops::key_range> ranges;
    for (int at = s.parent; at >= 0; at = segments[static_cast<std::size_t>(at)].parent) {
      segment const& above = segments[static_cast<std::size_t>(at)];
      ranges.insert(ranges.begin(), {static_cast<std::int64_t>(above.begin), static_cast<std::int64_t>(above.length)});
    }
    return ranges;
  }

  [[nodiscard]] rlvr::ops::attention_plan plan() const {
    rlvr::ops::attention_plan result;
    for (segment const& s : segments) {
      auto const begin = static_cast<std::int64_t>(s.begin);
      auto const length = static_cast<std::int64_t>(s.length);
      result.add_span(begin, length, ancestors(s), {begin, length}, 0);
    }
    return result;
  }

  /// The keys that every token sees, by definition: all tokens of all ancestors, then its own segment up to itself.
  [[nodiscard]] std::vector<std::vector<std::size_t>> visible() const {
    std::vector<std::vector<std::size_t>> lists(tokens);
    for (segment const& s : segments)
      for (std::size_t i = 0; i < s.length; ++i) {
        auto& list = lists[s.begin + i];
        for (int at = s.parent; at >= 0; at = segments[static_cast<std::size_t>(at)].parent) {
          segment const& above = segments[static_cast<std::size_t>(at)];
          for (std::size_t n = 0; n < above.length; ++n) list.push_back(above.begin + n);
        }
        for (std::size_t n = 0; n <= i; ++n) list.push_back(s.begin + n);
      }
    return lists;
  }
};

/// A tree of the given depth with one or two roots and up to three children a segment; lengths up to `longest`,
/// 0 among them.
inline tree random_tree(std::mt19937& engine, int depth, std::size_t longest) {
  tree result;
  std::vector<int> level;
  for (std::size_t roots = 1 + engine() % 2; roots > 0; --roots) {
    level.push_back(static_cast<int>(result.segments.size()));
    result.add(-1, 1 + engine() % longest);
  }
  for (int at = 1; at < depth; ++at) {
    std::vector<int> next;
    for (std::size_t child = 0; child < 3; ++child)
      for (int const parent : level) {
        if (child > 0 && engine() % 2) continue;
        next.push_back(static_cast<int>(result.segments.size()));
        result.add(parent, engine() % 8 == 0 ? 0 : 1 + engine() % longest);
      }
    level = next;
  }
  return result;
}

/// A sequence cut at the given places: a chain of segments, each the parent of the next.
[[nodiscard]] inline tree chain(std::vector<std::size_t> const& lengths) {
  tree result;
  for (std::size_t const length : lengths) result.add(static_cast<int>(result.segments.size()) - 1, length);
  return result;
}

/// Sizes of the heads of a case.
struct heads {
  std::size_t query, key_value, size;

  [[nodiscard]] rlvr::ops::attention_shape shape() const {
    return {.heads = query,
            .key_value_heads = key_value,
            .head_size = size,
            .scale = 1.0f / std::sqrt(static_cast<float>(size))};
  }
  friend std::ostream& operator<<(std::ostream& out, heads const& h) {
    return out << h.query << "/" << h.key_value << "x" << h.size;
  }
};

inline constexpr heads head_cases[] = {{1, 1, 1}, {1, 1, 2}, {2, 1, 8}, {4, 2, 7}, {3, 3, 16}, {9, 3, 64}, {6, 2, 33}};

/// Inputs and outputs of one attention over `tokens` rows; query, key and value lie side by side in one matrix, as
/// the output of a fused projection does.
struct attention_data {
  attention_data(heads const& counts, std::size_t tokens)
      : h(counts),
        packed(tokens, (counts.query + 2 * counts.key_value) * counts.size),
        out(tokens, counts.query * counts.size, 3),
        maximum(tokens, counts.query),
        inverse(tokens, counts.query, 1) {}

  heads h;
  guarded packed, out, maximum, inverse;

  [[nodiscard]] rlvr::matrix_view<float> query() { return packed.view().middle_columns(0, h.query * h.size); }
  [[nodiscard]] rlvr::matrix_view<float> key() {
    return packed.view().middle_columns(h.query * h.size, h.key_value * h.size);
  }
  [[nodiscard]] rlvr::matrix_view<float> value() {
    return packed.view().middle_columns((h.query + h.key_value) * h.size, h.key_value * h.size);
  }
  [[nodiscard]] rlvr::ops::attention_forward forward(rlvr::ops::attention_plan const& plan) {
    return {.shape = h.shape(),
            .plan = &plan,
            .query = query(),
            .key = key(),
            .value = value(),
            .output = out.view(),
            .statistics = {maximum.view(), inverse.view()}};
  }
};

}  // namespace test
