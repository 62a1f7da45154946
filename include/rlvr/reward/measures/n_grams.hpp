// SPDX-License-Identifier: MIT
/// @file
/// Counts the n-grams that a hypothesis shares with references, order by order: the common ground of BLEU and ROUGE-N.
///
///     matched_n = sum over distinct n-grams g of min(count in the hypothesis, largest count in one reference)
///
/// Words become numbers, and an n-gram is the pair of its first n-1 words and its last word, numbered in turn.  Only
/// what the references have gets a number, so an order costs O((H + R) log R) for H words of the hypothesis and R of
/// the references, whatever their lengths and however they repeat; memory is O(H + R).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/measures/alphabet.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

/// The n-grams of one order.
struct n_gram_match {
  std::size_t matched = 0;     ///< those of the hypothesis that a reference has, each at most as often as there
  std::size_t hypothesis = 0;  ///< those of the hypothesis
  std::size_t references = 0;  ///< those of all references
  friend bool operator==(n_gram_match const&, n_gram_match const&) = default;
};

/// Yields the matches of order 1, then 2, and so on.
class n_gram_matcher {
 public:
  /// The words are needed during this call only.
  n_gram_matcher(std::span<std::string_view const> hypothesis,
                 std::span<std::vector<std::string_view> const> references) {
    std::vector<std::string_view> words;
    for (auto const& reference : references) {
      words.insert(words.end(), reference.begin(), reference.end());
      ends_.push_back(words.size());
    }
    detail::alphabet<std::string_view> const known{std::span<std::string_view const>(words)};
    unknown_ = known.size();
    hypothesis_.words = known.numbers(hypothesis);
    references_.words = known.numbers(words);
  }

  /// The matches of the next order.
  [[nodiscard]] n_gram_match next() {
    if (order_++ == 0) {
      unknown_gram_ = unknown_;
      hypothesis_.grams = hypothesis_.words;
      references_.grams = references_.words;
    } else {
      lengthen();
    }
    return count();
  }

 private:
  using pair = std::pair<std::size_t, std::size_t>;

  /// Words as numbers, and the n-gram that begins at each of them.
  struct text_type {
    std::vector<std::size_t> words{};
    std::vector<std::size_t> grams{};
  };

  /// How many n-grams stand in so many words.
  [[nodiscard]] std::size_t grams_in(std::size_t words) const noexcept {
    return words < order_ ? 0 : words - order_ + 1;
  }

  /// Calls `visit(begin, end)` with where the n-grams of each reference begin.
  template <class Visit>
  void for_each_reference(Visit visit) const {
    std::size_t begin = 0;
    for (std::size_t const end : ends_) {
      visit(begin, begin + grams_in(end - begin));
      begin = end;
    }
  }

  [[nodiscard]] pair gram_at(text_type const& text, std::size_t at) const noexcept {
    return {text.grams[at], text.words[at + order_ - 1]};
  }

  /// From the numbers of (n-1)-grams to those of n-grams.
  void lengthen() {
    std::vector<pair> grams;
    for_each_reference([&](std::size_t begin, std::size_t end) {
      for (std::size_t at = begin; at < end; ++at) grams.push_back(gram_at(references_, at));
    });
    detail::alphabet<pair> const known{std::span<pair const>(grams)};
    for_each_reference([&](std::size_t begin, std::size_t end) {
      for (std::size_t at = begin; at < end; ++at) references_.grams[at] = known.find(gram_at(references_, at));
    });
    for (std::size_t at = 0; at < grams_in(hypothesis_.words.size()); ++at) {
      auto const [head, last] = gram_at(hypothesis_, at);
      bool const hopeless = head == unknown_gram_ || last == unknown_;
      hypothesis_.grams[at] = hopeless ? known.size() : known.find({head, last});
    }
    unknown_gram_ = known.size();
  }

  [[nodiscard]] n_gram_match count() const {
    std::vector<std::size_t> most(unknown_gram_ + 1);  // most[g]: the largest count of g in one reference
    std::vector<std::size_t> here(unknown_gram_ + 1);
    n_gram_match result;
    for_each_reference([&](std::size_t begin, std::size_t end) {
      result.references += end - begin;
      for (std::size_t at = begin; at < end; ++at) {
        std::size_t const gram = references_.grams[at];
        most[gram] = std::max(most[gram], ++here[gram]);
      }
      for (std::size_t at = begin; at < end; ++at) here[references_.grams[at]] = 0;
    });
    result.hypothesis = grams_in(hypothesis_.words.size());
    for (std::size_t at = 0; at < result.hypothesis; ++at) {
      std::size_t& left = most[hypothesis_.grams[at]];  // 0 for what no reference has
      if (left == 0) continue;
      --left;
      ++result.matched;
    }
    return result;
  }

  text_type hypothesis_;
  text_type references_;           // one behind the other
  std::vector<std::size_t> ends_;  // where each reference ends among them
  std::size_t unknown_ = 0;        // the number of a word that no reference has
  std::size_t unknown_gram_ = 0;   // the same of an n-gram
  std::size_t order_ = 0;
};

}  // namespace reward::measures
RLVR_NAMESPACE_END
