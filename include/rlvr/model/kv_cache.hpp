// SPDX-License-Identifier: MIT
/// @file
/// Keys and values of past tokens, as a tree: segments own ranges of rows, children attend to their ancestors' ranges,
/// and a range is given back when its last user is done.
#pragma once

#include <rlvr/core/model_config.hpp>
#include <rlvr/core/replay_key.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/ops/attention.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace model {

/// Hands out contiguous ranges of rows, first fit, and takes them back.
class row_allocator {
 public:
  explicit row_allocator(std::int64_t rows) : free_{{0, rows}} {}

  /// nullopt: no gap is long enough.
  [[nodiscard]] std::optional<ops::key_range> allocate(std::int64_t count) {
    for (std::size_t i = 0; i < free_.size(); ++i) {
      if (free_[i].count < count) continue;
      ops::key_range const taken{free_[i].begin, count};
      free_[i].begin += count;
      free_[i].count -= count;
      if (free_[i].count == 0) free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
      return taken;
    }
    return std::nullopt;
  }

  /// Gives a range back and joins it with its neighbours.
  void release(ops::key_range range) {
    if (range.count == 0) return;
    std::size_t i = 0;
    while (i < free_.size() && free_[i].begin < range.begin) ++i;
    free_.insert(free_.begin() + static_cast<std::ptrdiff_t>(i), range);
    if (i + 1 < free_.size() && free_[i].begin + free_[i].count == free_[i + 1].begin) {
      free_[i].count += free_[i + 1].count;
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
    if (i > 0 && free_[i - 1].begin + free_[i - 1].count == free_[i].begin) {
      free_[i - 1].count += free_[i].count;
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  /// Rows that are not in use.
  [[nodiscard]] std::int64_t available() const {
    std::int64_t count = 0;
    for (ops::key_range const& range : free_) count += range.count;
    return count;
  }

 private:
  std::vector<ops::key_range> free_;  ///< ascending, never adjacent
};

/// Storage of `rows` tokens for every layer.
template <class Memory>
class kv_cache {
 public:
  kv_cache(model_config const& config, std::int64_t rows)
      : layers_(static_cast<std::size_t>(config.num_hidden_layers)),
        rows_(static_cast<std::size_t>(rows)),
        width_(static_cast<std::size_t>(config.key_value_size())),
        storage_(checked_multiply(checked_multiply(2 * layers_, rows_), width_)) {}

  [[nodiscard]] std::int64_t rows() const noexcept { return static_cast<std::int64_t>(rows_); }
  void fingerprint(replay_key& key) const {
    key.add(storage_);
    key.add(rows_);
  }
  [[nodiscard]] matrix_view<float> keys(std::size_t layer) const { return block(2 * layer); }
  [[nodiscard]] matrix_view<float> values(std::size_t layer) const { return block(2 * layer + 1); }

 private:
  [[nodiscard]] matrix_view<float> block(std::size_t index) const {
    return {storage_.data() + index * rows_ * width_, rows_, width_};
  }

  std::size_t layers_;
  std::size_t rows_;
  std::size_t width_;
  buffer<float, Memory> storage_;
};

}  // namespace model
RLVR_NAMESPACE_END
