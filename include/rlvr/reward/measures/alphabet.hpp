// SPDX-License-Identifier: MIT
/// @file
/// Numbers for the distinct elements of a sequence, so that words, n-grams and letters can be compared and looked up as
/// whole numbers.  Sorting and binary search: deterministic, and no text can be written that makes it slow.
#pragma once

#include <rlvr/core/config.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures::detail {

/// The distinct elements of a sequence, numbered in ascending order.
template <class T>
class alphabet {
 public:
  explicit alphabet(std::span<T const> sequence) : letters_(sequence.begin(), sequence.end()) {
    std::sort(letters_.begin(), letters_.end());
    letters_.erase(std::unique(letters_.begin(), letters_.end()), letters_.end());
  }

  [[nodiscard]] std::size_t size() const noexcept { return letters_.size(); }

  /// The number of an element; `size()` if the sequence lacks it.
  [[nodiscard]] std::size_t find(T const& element) const {
    auto const place = std::lower_bound(letters_.begin(), letters_.end(), element);
    if (place == letters_.end() || element < *place) return letters_.size();
    return static_cast<std::size_t>(place - letters_.begin());
  }

  /// The numbers of many elements, in order.
  [[nodiscard]] std::vector<std::size_t> numbers(std::span<T const> elements) const {
    std::vector<std::size_t> result;
    result.reserve(elements.size());
    for (T const& element : elements) result.push_back(find(element));
    return result;
  }

 private:
  std::vector<T> letters_;
};

}  // namespace reward::measures::detail
RLVR_NAMESPACE_END
