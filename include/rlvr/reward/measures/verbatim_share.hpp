// SPDX-License-Identifier: MIT
/// @file
/// How much of a span stands in a reference, word for word: the evidence term of RAG-Zeval (arXiv 2505.22430),
///
///     (longest run of elements that both have) / (elements of the span)
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/measures/alphabet.hpp>
#include <rlvr/reward/measures/suffix_automaton.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

/// The share of a span that its longest run shared with the reference makes up, and 0 for a span of fewer than
/// `shortest` elements.  Reads the reference once, then each span in expected time linear in the span alone.
/// @tparam T  element (token id, word), which needs an order; views must outlive the object
template <class T>
class verbatim_share {
 public:
  /// @throws argument_error if the reference has 2^30 elements or more
  explicit verbatim_share(std::span<T const> reference, std::size_t shortest = 1)
      : letters_(reference), automaton_(reference.size()), shortest_(shortest) {
    for (T const& element : reference) automaton_.append(letters_.find(element));
  }

  /// In [0, 1]; 0 for an empty span.
  [[nodiscard]] double operator()(std::span<T const> span) const {
    if (span.empty() || span.size() < shortest_) return 0;
    detail::suffix_automaton::reader reader(automaton_);
    std::size_t longest = 0;
    for (T const& element : span) {
      std::size_t const letter = letters_.find(element);
      longest = std::max(longest, letter == letters_.size() ? reader.reset() : reader.read(letter));
    }
    return static_cast<double>(longest) / static_cast<double>(span.size());
  }

 private:
  detail::alphabet<T> letters_;
  detail::suffix_automaton automaton_;
  std::size_t shortest_;
};

}  // namespace reward::measures
RLVR_NAMESPACE_END
