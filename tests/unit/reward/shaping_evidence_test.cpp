// SPDX-License-Identifier: MIT
// Quotes of the sentence in the reasoning, and rewards shaped by length, repetition and truncation.
#include <rlvr/reward/answer_sample.hpp>
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/evidence.hpp>
#include <rlvr/reward/numeric_answer.hpp>
#include <rlvr/reward/shaping.hpp>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>
#include <vector>

using namespace rlvr::reward;

namespace {

struct sentence_sample {
  std::string_view completion{};
  std::string_view prefill{};
  std::string_view sentence{};
};

constexpr std::string_view storm = "The storm of last week caused severe damage to the old harbour.";  // 12 words

outcome evidence(std::string const& think, evidence_reward const& reward = {}) {
  std::string const completion = "<think>" + think + "</think><answer>x</answer>";
  return reward(sentence_sample{.completion = completion, .sentence = storm});
}

/// The longest run of words of `left` in `right`, by trying all.
std::size_t longest_run(std::vector<std::string> const& left, std::vector<std::string> const& right) {
  std::size_t longest = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    for (std::size_t j = 0; j < right.size(); ++j) {
      std::size_t length = 0;
      while (i + length < left.size() && j + length < right.size() && left[i + length] == right[j + length]) ++length;
      longest = std::max(longest, length);
    }
  }
  return longest;
}

}  // namespace

TEST_CASE("quotes are found between matching marks of one line") {
  using list = std::vector<std::string_view>;
  CHECK(find_quotes("a \"b c\" d \"e\"") == list{"b c", "e"});
  CHECK(find_quotes("“b” and „c“ and „d” and «e»") == list{"b", "c", "d", "e"});
  CHECK(find_quotes("\"a “b” c\"") == list{"a “b” c"});  // not nested
  CHECK(find_quotes("“a \"b\" c”") == list{"a \"b\" c"});
  CHECK(find_quotes("12\" pipe\n\"a\"") == list{"a"});  // a lone mark ends with its line
  CHECK(find_quotes("\"\"") == list{""});
  CHECK(find_quotes("‘a’").empty());
  CHECK(find_quotes("‘a’", {.single_typographic = true}) == list{"a"});
  CHECK(find_quotes("\"a\" “b”", {.straight = false}) == list{"b"});
  CHECK(find_quotes("\"a\" “b”", {.typographic = false}) == list{"a"});
  CHECK(find_quotes("\"a\" \"b\" \"c\"", {}, 2) == list{"a", "b"});
  CHECK(find_quotes("\xe2\x80").empty());
  CHECK(find_quotes("").empty());
}

TEST_CASE("evidence is the mean overlap of the quotes") {
  CHECK(evidence("\"caused severe damage\" says it").value == 1);
  CHECK(evidence("“Caused severe damage,” it says").value == 1);            // case and marks at the edge do not count
  CHECK(evidence("\"caused heavy damage\"").value == Approx(1.0 / 3));      // one word in a row
  CHECK(evidence("\"storm caused damage\"").value == Approx(1.0 / 3));      // gaps break the run
  CHECK(evidence("\"severe damage\" and \"an earthquake\"").value == 0.5);  // the mean
  CHECK(evidence("\"storm\"").value == 0);                                  // too short
  CHECK(evidence("no quote").value == 0);
  CHECK_FALSE(evidence("no quote").passed);
  CHECK(evidence("no quote").diagnosis == "the reasoning quotes nothing");
  CHECK(evidence("\"" + std::string(storm) + "\"").value == 0);  // the whole sentence
  CHECK(evidence("\"" + std::string(storm) + "\"", {.measure = {.whole_share_value = 1}}).value == 1);
  // 8 of 12 words: 1 - (2/3 - 1/2) / (1/2) = 2/3.
  CHECK(evidence("\"of last week caused severe damage to the\"").value == Approx(2.0 / 3));
  CHECK(evidence("\"severe damage\"", {.weight = 0.5}).value == 0.5);
  CHECK(*find_part(evidence("\"severe damage\""), "quotes") == 1);
  // Quotes beyond the limit count 0: 2 of 4.
  CHECK(evidence("\"severe damage\" \"severe damage\" \"severe damage\" \"severe damage\"", {.quote_limit = 2}).value ==
        0.5);
  // What is quoted in the answer does not count, nor does a response without the form.
  evidence_reward const reward;
  CHECK(reward(sentence_sample{.completion = "<think>x</think><answer>\"severe damage\"</answer>", .sentence = storm})
            .value == 0);
  CHECK(reward(sentence_sample{.completion = "\"severe damage\"", .sentence = storm}).kind == reward_class::bad_format);
  CHECK_THROWS_AS(reward(sentence_sample{.completion = "", .sentence = " "}), rlvr::argument_error);
  CHECK_THROWS_AS(evidence("x", {.measure = {.free_share = 2}}), rlvr::argument_error);
  CHECK_THROWS_AS(evidence("x", {.measure = {.whole_share_value = -1}}), rlvr::argument_error);
}

TEST_CASE("the overlap agrees with trying all runs") {
  std::mt19937 engine(11);
  evidence_measure const measure{.minimum = 1, .whole_share_value = 1};
  for (int round = 0; round < 300; ++round) {
    auto const draw = [&](std::size_t most) {
      std::vector<std::string> words(1 + engine() % most);
      for (std::string& word : words) word = std::string(1, static_cast<char>('a' + engine() % 3));
      return words;
    };
    auto const join = [](std::vector<std::string> const& words) {
      std::string text;
      for (std::string const& word : words) text += word + " ";
      return text;
    };
    auto const quote = draw(8);
    auto const source = draw(12);
    double const expected = static_cast<double>(longest_run(quote, source)) / static_cast<double>(quote.size());
    if (measure(join(quote), join(source)) != Approx(expected).margin(1e-12))
      FAIL_CHECK(join(quote) << "in " << join(source));
  }
}

TEST_CASE("a megabyte of quotes takes linear time") {
  for (std::string_view const unit : {"\"", "“", "„", "\"a b\"", "\"\n", "”", "\xe2", "a "}) {
    std::string think;
    while (think.size() < 1u << 19) think += unit;
    auto const start = std::chrono::steady_clock::now();
    outcome const result = evidence(think);
    std::chrono::duration<double, std::milli> const elapsed = std::chrono::steady_clock::now() - start;
    CAPTURE(unit);
    CHECK(result.value == 0);
    CHECK(elapsed.count() < test::time_limit(500));
  }
}

TEST_CASE("shaping reads the token count of the sample") {
  overlong_shaping<> const soft{.penalty = {.max_length = 100, .buffer = 20}};
  CHECK(soft(answer_sample{.token_count = 80}).value == 0);
  CHECK(soft(answer_sample{.token_count = 80}).passed);
  CHECK(soft(answer_sample{.token_count = 90}).value == -0.5);
  CHECK_FALSE(soft(answer_sample{.token_count = 90}).passed);
  CHECK(soft(answer_sample{.token_count = 90}).diagnosis == "90 tokens are too many");
  overlong_shaping<rlvr::linear_overlong> const linear{
      .penalty = {.max_length = 100, .buffer = 20, .factor = 2, .capped = false}};
  CHECK(linear(answer_sample{.token_count = 110}).value == -3);
  CHECK_THROWS_AS((overlong_shaping<>{.penalty = {.max_length = 1, .buffer = 2}}(answer_sample{})),
                  rlvr::argument_error);

  std::vector<std::int32_t> const tokens{1, 2, 1, 2, 1};  // bigrams 12 21 12 21: two of four are new
  repetition_shaping const repetition{.penalty = {.ngram_size = 2, .penalty = -1}};
  CHECK(repetition(answer_sample{.tokens = tokens}).value == -0.5);
  CHECK_FALSE(repetition(answer_sample{.tokens = tokens}).passed);
  CHECK(repetition(answer_sample{}).value == 0);
}

TEST_CASE("truncation and cosine shaping wrap a reward") {
  answer_sample right{.completion = "\\boxed{5}", .gold = "5", .token_count = 50};
  answer_sample wrong = right;
  wrong.gold = "6";

  truncated_shaping const scaled{numeric_answer_reward{}, rlvr::truncation_rule{0.25}};
  CHECK(scaled(right).value == 1);
  CHECK(scaled(right).passed);
  right.truncated = true;
  CHECK(scaled(right).value == 0.25);
  CHECK_FALSE(scaled(right).passed);
  CHECK(*find_part(scaled(right), "whole") == 1);
  CHECK(scaled(right).diagnosis == "cut off at the length limit");
  CHECK(truncated_shaping{numeric_answer_reward{}, rlvr::truncation_rule{-2}}(right).value == -2);
  right.truncated = false;

  rlvr::cosine_length const rule{.max_length = 100};
  cosine_shaping const cosine{numeric_answer_reward{}, rule};
  CHECK(cosine(right).value == Approx(0.75));  // half-way: the mean of 1 and 0.5
  CHECK(cosine(right).passed);
  CHECK(*find_part(cosine(right), "inner") == 1);
  CHECK(cosine(wrong).value == Approx(-0.75));
  CHECK_FALSE(cosine(wrong).passed);
  CHECK(cosine(wrong).kind == reward_class::wrong_label);
  right.token_count = 100;
  CHECK(cosine(right).value == -1);
  right.gold = "";  // the inner reward throws: an error stays one
  CHECK(cosine(right).status == outcome_status::error);
  CHECK(scaled(right).status == outcome_status::error);

  // They compose: 1 for the answer, -0.5 for the length.
  auto const whole = sum(term{1.0, numeric_answer_reward{}}, term{1.0, overlong_shaping<>{{100, 20, -1}}});
  CHECK(whole(answer_sample{.completion = "\\boxed{5}", .gold = "5", .token_count = 90}).value == 0.5);
}
