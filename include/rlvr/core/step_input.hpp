// SPDX-License-Identifier: MIT
/// @file
/// Host values that a step reads, in memory of a backend that outlives the step.  They keep their address while they
/// fit: a step that was captured once finds what was loaded last.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/replay_key.hpp>
#include <rlvr/core/tensor.hpp>

#include <cstddef>
#include <span>

RLVR_NAMESPACE_BEGIN

/// An array that the host writes before a step and ops read in it.
template <class T, memory_space Memory>
class step_input {
 public:
  /// Ordered with the context's ops: those queued before still see the old values.
  template <class Context>
  void load(Context& context, std::span<T const> values) {
    if (values.size() > storage_.size()) storage_.reserve(math::max(values.size(), 2 * storage_.size()));
    count_ = values.size();
    if (count_) context.stage(storage_.data(), values);
  }

  /// Null if nothing is loaded.
  [[nodiscard]] T const* data() const noexcept { return count_ ? storage_.data() : nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  void fingerprint(replay_key& key) const {
    key.add(static_cast<void const*>(data()));
    key.add(count_);
  }

 private:
  buffer<T, Memory> storage_;
  std::size_t count_ = 0;
};

RLVR_NAMESPACE_END
