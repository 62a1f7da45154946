// SPDX-License-Identifier: MIT
/// @file
/// What a recorded run of ops depends on: sizes, settings and every address that it has baked in.  Keys are compared
/// word by word, so that a record never runs for something that merely has the same hash.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/tensor.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

RLVR_NAMESPACE_BEGIN

/// A list of words.
class replay_key {
 public:
  void clear() noexcept { words_.clear(); }

  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void add(T value) { words_.push_back(static_cast<std::uint64_t>(value)); }
  void add(void const* address) { words_.push_back(reinterpret_cast<std::uintptr_t>(address)); }
  template <class T, memory_space Space>
  void add(buffer<T, Space> const& block) {
    add(static_cast<void const*>(block.data()));
  }
  template <class T, memory_space Space>
  void add(matrix<T, Space> const& block) {
    add(static_cast<void const*>(block.view().data));
    add(block.rows());
    add(block.columns());
  }
  void add(replay_key const& other) { words_.insert(words_.end(), other.words_.begin(), other.words_.end()); }
  /// Settings that ops hand to kernels by value.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void add_bytes(T const& value) {
    std::size_t const first = words_.size();
    words_.resize(first + (sizeof(T) + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t), 0);
    std::memcpy(words_.data() + first, &value, sizeof(T));
  }
  /// Which instantiation of a template is meant.
  template <class T>
  void add_type() {
    add(static_cast<void const*>(&type_tag<T>));
  }

  friend bool operator==(replay_key const&, replay_key const&) = default;

 private:
  template <class T>
  inline static char const type_tag = 0;

  std::vector<std::uint64_t> words_;
};

RLVR_NAMESPACE_END
