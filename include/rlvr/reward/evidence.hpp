// SPDX-License-Identifier: MIT
/// @file
/// Does the reasoning quote the sentence it reasons about?  The text between quotation marks in <think> is compared
/// with the source:
///
///     r = (1/n) sum over quotes of  overlap(quote) * shortness(quote)
///     overlap   = longest run of words that the quote and the source share / words of the quote
///     shortness = 1 up to `free_share` of the source's words, then linear down to `whole_share_value` at all of them
///
/// Quotes of fewer than `minimum` words count 0.  The overlap is the evidence term of RAG-Zeval (arXiv 2505.22430),
/// which counts tokens; quotes in the reasoning with a bonus for being short are the idea of the citation reward in
/// R2GRPO's released code.  The shortness here is our own: without it, to quote the whole sentence pays 1.
///
/// What counts as a quote: "..", and the typographic pairs, opened and closed by their own marks, not nested; the
/// single ones only if asked for, since they are apostrophes.  A mark without its partner before the end of the line
/// opens nothing.  The source is read once, each quote in time near linear in its length (measures/verbatim_share.hpp).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/measures/normalise.hpp>
#include <rlvr/reward/measures/verbatim_share.hpp>
#include <rlvr/reward/measures/words.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/tags.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Which marks enclose a quote.
struct quote_marks {
  bool straight = true;             ///< "quote"
  bool typographic = true;          ///< U+201C quote U+201D, U+201E quote U+201C or U+201D, U+00AB quote U+00BB
  bool single_typographic = false;  ///< U+2018 quote U+2019, whose end is an apostrophe too
};

/// The quotes of a text in order, without their marks, at most `limit`; views into the text.  Linear.
[[nodiscard]] inline std::vector<std::string_view> find_quotes(std::string_view text, quote_marks const& marks = {},
                                                               std::size_t limit = 1000) {
  struct pair {
    std::string_view open;
    std::string_view close;
    std::string_view other_close;
    bool active;
  };
  std::array const pairs{pair{"\"", "\"", "\"", marks.straight}, pair{"\u201C", "\u201D", "\u201D", marks.typographic},
                         pair{"\u201E", "\u201C", "\u201D", marks.typographic},
                         pair{"\u00AB", "\u00BB", "\u00BB", marks.typographic},
                         pair{"\u2018", "\u2019", "\u2019", marks.single_typographic}};
  std::vector<std::string_view> quotes;
  pair const* opened = nullptr;
  std::size_t begin = 0;  // of the quote that is open
  for (std::size_t at = 0; at < text.size() && quotes.size() < limit;) {
    if (text[at] == '\n') opened = nullptr;
    std::size_t step = 1;
    std::string_view const rest = text.substr(at, 3);
    if (opened != nullptr) {
      for (std::string_view const close : {opened->close, opened->other_close}) {
        if (opened == nullptr || !rest.starts_with(close)) continue;
        quotes.push_back(text.substr(begin, at - begin));
        opened = nullptr;
        step = close.size();
      }
    } else {
      for (pair const& each : pairs) {
        if (!each.active || opened != nullptr || !rest.starts_with(each.open)) continue;
        opened = &each;
        step = each.open.size();
        begin = at + step;
      }
    }
    at += step;
  }
  return quotes;
}

/// How evidence is measured.
struct evidence_measure {
  std::size_t minimum = 2;       ///< words of a quote that counts; RAG-Zeval: 10 tokens, of whole passages
  double free_share = 0.5;       ///< of the source's words: up to here a quote is short
  double whole_share_value = 0;  ///< shortness of a quote as long as the source; 1: length does not matter
  bool case_folded = true;       ///< A to Z

  /// @throws argument_error where a parameter is outside its range
  void validate() const {
    if (!(free_share >= 0 && free_share <= 1)) throw argument_error("evidence: free_share must lie in [0, 1]");
    if (!(whole_share_value >= 0 && whole_share_value <= 1))
      throw argument_error("evidence: whole_share_value must lie in [0, 1]");
  }

  /// The factor for a quote of so many words from a source of so many.
  [[nodiscard]] constexpr double shortness(std::size_t quote_words, std::size_t source_words) const noexcept {
    if (source_words == 0) return 0;
    double const share = std::min(1.0, static_cast<double>(quote_words) / static_cast<double>(source_words));
    if (share <= free_share) return 1;
    return 1 - (1 - whole_share_value) * (share - free_share) / (1 - free_share);
  }

  /// Overlap and shortness of one quote, multiplied; in [0, 1].
  [[nodiscard]] double operator()(std::string_view quote, std::string_view source) const {
    return (*this)(std::span(&quote, 1), source);
  }

  /// The mean over quotes; 0 if there is none.
  [[nodiscard]] double operator()(std::span<std::string_view const> quotes, std::string_view source) const {
    auto const own = words(source);
    measures::verbatim_share<std::string> const overlap(own, minimum);
    double sum = 0;
    for (std::string_view const quote : quotes) {
      auto const quoted = words(quote);
      sum += overlap(quoted) * shortness(quoted.size(), own.size());
    }
    return quotes.empty() ? 0 : sum / static_cast<double>(quotes.size());
  }

 private:
  [[nodiscard]] std::vector<std::string> words(std::string_view text) const {
    std::string const folded = case_folded ? measures::lower_ascii(text) : std::string(text);
    std::vector<std::string> out;
    for (std::string_view word : measures::split_words(folded)) {  // "storm," is the word storm
      while (!word.empty() && measures::is_ascii_punctuation(word.back())) word.remove_suffix(1);
      while (!word.empty() && measures::is_ascii_punctuation(word.front())) word.remove_prefix(1);
      if (!word.empty()) out.emplace_back(word);
    }
    return out;
  }
};

/// `weight` times the measure of the quotes in the reasoning; `source` is what may be quoted: sample.sentence.
/// A response that breaks the form gets `format_wrong`.
struct evidence_reward {
  double weight = 1;
  double format_wrong = 0;
  std::size_t quote_limit = 32;  ///< quotes beyond this many count 0 each
  quote_marks marks{};
  evidence_measure measure{};
  text::response_policy policy{};
  static constexpr std::string_view name = "evidence";

  /// @throws argument_error if the measure is misconfigured or the sentence holds no word
  template <response_sample Sample>
  requires requires(Sample const& sample) { std::string_view(sample.sentence); }
  [[nodiscard]] outcome operator()(Sample const& sample) const {
    measure.validate();
    if (measures::split_words(sample.sentence).empty()) {
      throw argument_error("evidence: the sentence holds no word, expected the text that may be quoted");
    }
    text::joined_response const response(sample.prefill, sample.completion);
    text::tagged_response const parsed = text::parse_think_answer(response.view(), policy);
    if (!parsed.ok()) return outcome::of(format_wrong, false, reward_class::bad_format, text::describe(parsed));
    auto const quotes = find_quotes(parsed.think, marks, count_limit);
    std::span<std::string_view const> const counted(quotes.data(), std::min(quotes.size(), quote_limit));
    double const mean = measure(counted, sample.sentence);
    double const share = quotes.empty() ? 0 : static_cast<double>(counted.size()) / static_cast<double>(quotes.size());
    outcome result = outcome::of(weight * mean * share, mean > 0);
    result.parts = {{"overlap", mean}, {"quotes", static_cast<double>(quotes.size())}};
    if (quotes.empty()) result.diagnosis = "the reasoning quotes nothing";
    return result;
  }

 private:
  static constexpr std::size_t count_limit = 100000;
};

}  // namespace reward
RLVR_NAMESPACE_END
