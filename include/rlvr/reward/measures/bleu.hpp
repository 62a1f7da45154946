// SPDX-License-Identifier: MIT
/// @file
/// BLEU (Papineni et al. 2002) of a sentence or a corpus, as sacreBLEU computes it (Post 2018, arXiv 1804.08771), but
/// in [0, 1] instead of percent:
///
///     BLEU = min(1, exp(1 - r / h)) * exp( (1/N) sum_{n=1..N} log p_n ),   p_n = matched_n / total_n
///
/// h: words of the hypothesis; r: words of the reference nearest to it in length (of two, the shorter); matched_n: see
/// n_grams.hpp.  No match of any order, or an empty hypothesis: 0.  Orders whose p_n is 0 are smoothed (Chen and Cherry
/// 2014): `floor` (method 1), `add_k` (method 2, orders above 1), `exp` (method 3: the i-th such order counts as 2^-i /
/// total_n).  Effective order: N is the largest order that the hypothesis has n-grams of, so that a reply of three
/// words is not 0; it is on here, since rewards score sentences (sacreBLEU's sentence score warns without it).
///
/// Folds ASCII case only.  O((H + R) log R) time for H words of the hypothesis and R of the references, linear memory.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/measures/n_grams.hpp>
#include <rlvr/reward/measures/words.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

/// What becomes of orders without a match.
enum class bleu_smoothing : std::uint8_t { none, floor, add_k, exp };

/// How BLEU takes texts apart (words.hpp).
enum class bleu_tokenisation : std::uint8_t { mteval_13a, white_space };

/// The largest order that can be asked for.
inline constexpr std::size_t bleu_order_limit = 8;

struct bleu_options {
  std::size_t max_order = 4;  ///< 1 to `bleu_order_limit`
  bool effective_order = true;
  bleu_smoothing smoothing = bleu_smoothing::exp;
  std::optional<double> smoothing_value{};  ///< of floor (0.1 if none is given) and add_k (1)
  bool lower_case = false;                  ///< fold A to Z first
  bleu_tokenisation tokenisation = bleu_tokenisation::mteval_13a;
};

/// What BLEU needs to know of a hypothesis; sums over sentences give the corpus score.
struct bleu_counts {
  std::array<std::size_t, bleu_order_limit> matched{};  ///< by order, from 1
  std::array<std::size_t, bleu_order_limit> total{};    ///< n-grams of the hypothesis
  std::size_t hypothesis_words = 0;
  std::size_t reference_words = 0;  ///< of the reference nearest in length
  friend bool operator==(bleu_counts const&, bleu_counts const&) = default;

  bleu_counts& operator+=(bleu_counts const& other) noexcept {
    for (std::size_t i = 0; i < bleu_order_limit; ++i) {
      matched[i] += other.matched[i];
      total[i] += other.total[i];
    }
    hypothesis_words += other.hypothesis_words;
    reference_words += other.reference_words;
    return *this;
  }
};

namespace detail {

inline void check_bleu(bleu_options const& options) {
  if (options.max_order == 0 || options.max_order > bleu_order_limit) {
    throw argument_error("BLEU of an order that is 0 or above 8 was asked for; 4 is usual");
  }
  if (options.smoothing_value && !(std::isfinite(*options.smoothing_value) && *options.smoothing_value >= 0)) {
    throw argument_error("the smoothing value of BLEU must be finite and not negative; 0.1 and 1 are usual");
  }
}

}  // namespace detail

/// BLEU from counts, in [0, 1].
/// @throws argument_error for an order or a smoothing value out of range
[[nodiscard]] inline double bleu_score(bleu_counts const& counts, bleu_options const& options = {}) {
  detail::check_bleu(options);
  auto const orders = std::span(counts.matched).first(options.max_order);
  if (std::all_of(orders.begin(), orders.end(), [](std::size_t matched) { return matched == 0; })) return 0;
  bool const adds = options.smoothing == bleu_smoothing::add_k;
  double const smoothing_value = options.smoothing_value.value_or(adds ? 1 : 0.1);
  double log_sum = 0;
  double halved = 1;
  std::size_t effective = 0;
  for (std::size_t i = 0; i < options.max_order; ++i) {
    double const added = adds && i > 0 ? smoothing_value : 0;
    double const total = static_cast<double>(counts.total[i]) + added;
    double matched = static_cast<double>(counts.matched[i]) + added;
    if (total == 0) break;
    ++effective;
    if (matched == 0 && options.smoothing == bleu_smoothing::exp) matched = halved /= 2;
    if (matched == 0 && options.smoothing == bleu_smoothing::floor) matched = smoothing_value;
    if (matched == 0) return 0;
    log_sum += std::log(matched / total);
  }
  if (effective < options.max_order && !options.effective_order) return 0;
  double const words = static_cast<double>(counts.hypothesis_words);
  double const brevity = std::min(0.0, 1 - static_cast<double>(counts.reference_words) / words);
  return std::exp(brevity + log_sum / static_cast<double>(effective));
}

/// The counts of one hypothesis against its references.
/// @throws argument_error for an order or a smoothing value out of range, and without a reference
[[nodiscard]] inline bleu_counts count_bleu(std::string_view hypothesis, std::span<std::string_view const> references,
                                            bleu_options const& options = {}) {
  detail::check_bleu(options);
  if (references.empty()) throw argument_error("BLEU needs a reference; found none");
  auto const prepare = [&](std::string_view text) {
    std::string const folded = options.lower_case ? lower_ascii(text) : std::string(text);
    return options.tokenisation == bleu_tokenisation::mteval_13a ? tokenise_13a(folded) : folded;
  };
  std::vector<std::string> texts;  // hold what the words view
  texts.reserve(references.size() + 1);
  texts.push_back(prepare(hypothesis));
  std::vector<std::string_view> const words = split_words(texts.back());
  std::vector<std::vector<std::string_view>> reference_words;
  reference_words.reserve(references.size());
  for (std::string_view const reference : references) {
    texts.push_back(prepare(reference));
    reference_words.push_back(split_words(texts.back()));
  }

  bleu_counts counts;
  counts.hypothesis_words = words.size();
  auto const distance = [&](std::size_t length) {
    return length > words.size() ? length - words.size() : words.size() - length;
  };
  counts.reference_words = reference_words.front().size();
  for (auto const& reference : reference_words) {
    std::size_t const length = reference.size();
    bool const nearer = distance(length) < distance(counts.reference_words);
    bool const shorter = distance(length) == distance(counts.reference_words) && length < counts.reference_words;
    if (nearer || shorter) counts.reference_words = length;
  }
  n_gram_matcher matcher(words, reference_words);
  for (std::size_t i = 0; i < options.max_order; ++i) {
    n_gram_match const match = matcher.next();
    counts.matched[i] = match.matched;
    counts.total[i] = match.hypothesis;
  }
  return counts;
}

/// BLEU of one hypothesis, in [0, 1].  @throws as `count_bleu`
[[nodiscard]] inline double sentence_bleu(std::string_view hypothesis, std::span<std::string_view const> references,
                                          bleu_options const& options = {}) {
  return bleu_score(count_bleu(hypothesis, references, options), options);
}

/// BLEU of one hypothesis against one reference, in [0, 1].
/// @throws argument_error for an order or a smoothing value out of range
[[nodiscard]] inline double sentence_bleu(std::string_view hypothesis, std::string_view reference,
                                          bleu_options const& options = {}) {
  return sentence_bleu(hypothesis, std::span<std::string_view const>(&reference, 1), options);
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
