// SPDX-License-Identifier: MIT
/// @file
/// ROUGE-N and ROUGE-L (Lin 2004) of one hypothesis against one reference, as the rouge_score package computes them:
///
///     ROUGE-N: matched = n-grams in common, as multisets;   ROUGE-L: matched = longest common subsequence in words
///     precision = matched / those of the hypothesis,   recall = matched / those of the reference,
///     F1 = 2 * precision * recall / (precision + recall)
///
/// All are 0 if nothing matches, so also for two empty texts.  Words are runs of [a-z0-9] of the lower-cased text
/// (words.hpp), optionally stemmed (porter_stemmer.hpp).
///
/// ROUGE-N: near linear (n_grams.hpp).  ROUGE-L: at most h r / 64 steps (sequences.hpp), and since a reply may be long,
/// words after the first `max_words` of a text match nothing there; they still count in the denominators.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/measures/n_grams.hpp>
#include <rlvr/reward/measures/overlap.hpp>
#include <rlvr/reward/measures/sequences.hpp>
#include <rlvr/reward/measures/words.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

struct rouge_options {
  bool stem = false;              ///< compare stems of words of more than three letters
  std::size_t max_words = 65536;  ///< words of each text that ROUGE-L aligns
};

namespace detail {

[[nodiscard]] inline overlap_score rouge_of(std::size_t matched, std::size_t hypothesis, std::size_t reference) {
  if (matched == 0) return {};
  double const precision = static_cast<double>(matched) / static_cast<double>(hypothesis);
  double const recall = static_cast<double>(matched) / static_cast<double>(reference);
  return {precision, recall, 2 * precision * recall / (precision + recall)};
}

}  // namespace detail

/// Overlap of n-grams.
/// @throws argument_error if order is 0
[[nodiscard]] inline overlap_score rouge_n(std::string_view hypothesis, std::string_view reference, std::size_t order,
                                           rouge_options const& options = {}) {
  if (order == 0) throw argument_error("ROUGE-N of order 0 was asked for; 1 and 2 are usual");
  std::string const hypothesis_text = tokenise_rouge(hypothesis, options.stem);
  std::string const reference_text = tokenise_rouge(reference, options.stem);
  std::vector<std::string_view> const words = split_words(hypothesis_text);
  std::vector<std::string_view> const gold = split_words(reference_text);
  if (order > std::min(words.size(), gold.size())) return {};
  n_gram_matcher matcher(words, std::span(&gold, 1));
  n_gram_match match = matcher.next();
  for (std::size_t n = 1; n < order; ++n) match = matcher.next();
  return detail::rouge_of(match.matched, match.hypothesis, match.references);
}

/// Longest common subsequence in words.
[[nodiscard]] inline overlap_score rouge_l(std::string_view hypothesis, std::string_view reference,
                                           rouge_options const& options = {}) {
  std::string const hypothesis_text = tokenise_rouge(hypothesis, options.stem);
  std::string const reference_text = tokenise_rouge(reference, options.stem);
  std::vector<std::string_view> const words = split_words(hypothesis_text);
  std::vector<std::string_view> const gold = split_words(reference_text);
  auto const head = [&](std::vector<std::string_view> const& all) {
    return std::span(all).first(std::min(all.size(), options.max_words));
  };
  std::size_t const matched = longest_common_subsequence(head(words), head(gold));
  return detail::rouge_of(matched, words.size(), gold.size());
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
