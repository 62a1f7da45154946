// SPDX-License-Identifier: MIT
/// @file
/// A batch is one packed prefix tree, never padded: the tokens of all segments back to back, where a segment names its
/// parent (or none), continues the parent's positions, and attends to its ancestors and, causally, to itself.
///
/// In R1-RE the tree is guideline (once for the batch) -> sentence (once per group) -> responses.  A plain sequence is
/// a tree of one segment.  Every shared token is computed once, in the forward and in the backward pass.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/ops/attention.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace model {

/// Consecutive tokens of a tree.
struct segment {
  std::int64_t begin = 0;           ///< first row
  std::int64_t count = 0;           ///< tokens
  std::int64_t parent = -1;         ///< index of an earlier segment; -1: a root
  std::int64_t first_position = 0;  ///< number of tokens before it in its sequence
};

/// Tokens, positions and segments of a batch.
class prefix_tree {
 public:
  static constexpr std::int64_t no_parent = -1;

  /// Appends a segment and returns its index.  An empty segment is allowed.
  /// @throws argument_error if the parent is not an earlier segment
  std::int64_t add_segment(std::span<std::int32_t const> tokens, std::int64_t parent = no_parent) {
    if (parent < no_parent || parent >= static_cast<std::int64_t>(segments_.size()))
      throw argument_error("prefix_tree: parent " + std::to_string(parent) + " is not one of " +
                           std::to_string(segments_.size()) + " earlier segments");
    segment added{.begin = static_cast<std::int64_t>(tokens_.size()),
                  .count = static_cast<std::int64_t>(tokens.size()),
                  .parent = parent,
                  .first_position = 0};
    if (parent != no_parent) {
      segment const& above = segments_[static_cast<std::size_t>(parent)];
      added.first_position = above.first_position + above.count;
    }
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    for (std::int64_t i = 0; i < added.count; ++i)
      positions_.push_back(static_cast<std::int32_t>(added.first_position + i));
    segments_.push_back(added);
    return static_cast<std::int64_t>(segments_.size()) - 1;
  }

  [[nodiscard]] std::span<std::int32_t const> tokens() const noexcept { return tokens_; }
  [[nodiscard]] std::span<std::int32_t const> positions() const noexcept { return positions_; }
  [[nodiscard]] std::span<segment const> segments() const noexcept { return segments_; }
  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }

  /// The longest sequence: 1 + the largest position.
  [[nodiscard]] std::size_t longest_sequence() const {
    std::int32_t longest = -1;
    for (std::int32_t const position : positions_) longest = position > longest ? position : longest;
    return static_cast<std::size_t>(longest + 1);
  }

  /// The row whose hidden state predicts token `offset` of a segment: the row before it, or the last row of the nearest
  /// non-empty ancestor.  -1 for the first token of a sequence, which nothing predicts.
  [[nodiscard]] std::int64_t predicting_row(std::int64_t index, std::int64_t offset) const {
    segment const* at = &segments_[static_cast<std::size_t>(index)];
    if (offset > 0) return at->begin + offset - 1;
    while (at->parent != no_parent) {
      at = &segments_[static_cast<std::size_t>(at->parent)];
      if (at->count > 0) return at->begin + at->count - 1;
    }
    return -1;
  }

  /// Who attends to what, with the batch's own rows as keys.
  [[nodiscard]] ops::attention_plan plan() const {
    ops::attention_plan result;
    std::vector<ops::key_range> ancestors;
    for (segment const& at : segments_) {
      if (at.count == 0) continue;
      ancestors.clear();
      for (std::int64_t up = at.parent; up != no_parent; up = segments_[static_cast<std::size_t>(up)].parent) {
        segment const& above = segments_[static_cast<std::size_t>(up)];
        if (above.count > 0) ancestors.insert(ancestors.begin(), {above.begin, above.count});
      }
      result.add_span(at.begin, at.count, ancestors, {at.begin, at.count}, 0);
    }
    return result;
  }

 private:
  std::vector<std::int32_t> tokens_;
  std::vector<std::int32_t> positions_;
  std::vector<segment> segments_;
};

}  // namespace model
RLVR_NAMESPACE_END
