// SPDX-License-Identifier: MIT
// Hostile text before the text measures: hostile_text.hpp says what is asked of them.
#include <rlvr/reward/measures/bleu.hpp>
#include <rlvr/reward/measures/exact_number.hpp>
#include <rlvr/reward/measures/normalise.hpp>
#include <rlvr/reward/measures/overlap.hpp>
#include <rlvr/reward/measures/plain_latex.hpp>
#include <rlvr/reward/measures/rouge.hpp>
#include <rlvr/reward/measures/sequences.hpp>

#include "hostile_text.hpp"
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward::measures;
using rlvr::reward::reward_class;
using test::verifier;

namespace {

constexpr std::string_view sentence = "The smoke of the fire rose above the town, and people were running.";

/// Measures in [0, 1] of a text against the sentence: 1 would call the text right.
template <class Measure>
auto of_share(Measure measure) {
  return [measure](std::string_view text) {
    double const share = measure(text);
    return !(share >= 0 && share <= 1) ? reward_class::error
           : share == 1                ? reward_class::correct
                                       : reward_class::scored;
  };
}

/// Lengths of at most so many bytes for each byte that is read.
template <class Measure>
auto of_length(std::size_t factor, Measure measure) {
  return [factor, measure](std::string_view text) {
    return measure(text) > factor * (text.size() + sentence.size()) ? reward_class::error : reward_class::scored;
  };
}

std::vector<verifier> measure_verifiers() {
  return {
      {"BLEU", of_share([](std::string_view text) { return sentence_bleu(text, sentence) / 100; }), {{"alone"}}, 1, 4},
      {"ROUGE-1", of_share([](std::string_view text) { return rouge_n(text, sentence, 1).f1; })},
      {"ROUGE-2", of_share([](std::string_view text) { return rouge_n(text, sentence, 2).f1; })},
      {"ROUGE-L", of_share([](std::string_view text) { return rouge_l(text, sentence).f1; })},
      {"ROUGE-L of stems",
       of_share([](std::string_view text) { return rouge_l(text, sentence, {.stem = true}).f1; }),
       {{"alone"}},
       1,
       4},
      {"Jaccard", of_share([](std::string_view text) { return jaccard(split_words(text), split_words(sentence)); })},
      {"multiset F1", of_share([](std::string_view text) {
         return compare_multisets(split_words(text), split_words(sentence)).f1();
       })},
      {"normalise_answer", of_length(2, [](std::string_view text) { return normalise_answer(text).size(); })},
      {"tokenise_13a",
       of_length(4, [](std::string_view text) { return tokenise_13a(text).size(); }),
       {{"alone"}},
       1,
       4},
      {"plain_latex", of_length(2, [](std::string_view text) { return plain_latex(text).size(); }), {{"alone"}}, 1, 4},
      {"read_number", of_length(1, [](std::string_view text) { return read_number(text) ? 1U : 0U; })},
      {"common substring",
       of_length(1, [](std::string_view text) { return longest_common_substring(text, sentence); })},
      {"common substring of code points", of_length(1,
                                                    [](std::string_view text) {
                                                      return longest_common_substring(
                                                          std::u32string_view(code_points(text)),
                                                          std::u32string_view(code_points(sentence)));
                                                    })},
      {"common substring with itself",
       of_length(1,
                 [](std::string_view text) {
                   return longest_common_substring(text, text) == text.size() ? text.size() : text.size() + 1000;
                 }),
       {{"alone"}},
       2,
       8},
      {"common subsequence",
       of_length(1, [](std::string_view text) { return longest_common_subsequence(text, sentence); })},
      {"edit distance", of_length(1, [](std::string_view text) { return edit_distance(text, sentence); })},
  };
}

}  // namespace

TEST_CASE("hostile text: measures", "[hostile]") {
  auto const all = measure_verifiers();
  auto const report = test::examine(all, test::quick_plan());
  CHECK(report.faults == std::vector<std::string>{});
  CHECK(report.readings > 1000);
}

TEST_CASE("hostile text, long: measures", "[.hostile_long]") {
  auto all = measure_verifiers();
  // Minutes, and 100 bytes of memory for each byte.
  std::erase_if(all, [](verifier const& each) { return each.name == "common substring with itself"; });
  auto const report = test::examine(all, test::full_plan());
  CHECK(report.faults == std::vector<std::string>{});
  WARN(test::summary(report));
}
