// SPDX-License-Identifier: MIT
// Answer equivalence against hand-written classes and against the gold answers of GSM8K and MATH-500, where they are.
#include <rlvr/reward/exact_match.hpp>
#include <rlvr/reward/numeric_answer.hpp>

#include "../data/shared_data.hpp"
#include <chrono>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>
#include <vector>

using namespace rlvr::reward;

namespace {

std::string repeated(std::string const& unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

std::vector<nlohmann::json> json_lines(std::filesystem::path const& path) {
  std::ifstream file(path);
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

/// 1234567 as 1,234,567.
std::string grouped(std::string const& digits) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

}  // namespace

TEST_CASE("answers fall into the classes that a reader would make") {
  // Every answer of a row equals every other of the row, and none of another row.
  std::vector<std::vector<std::string>> const classes{
      {"42",
       "42.0",
       "42.",
       " $42$ ",
       "\\$42",
       "42.00",
       "+42",
       "042",
       "42 dollars",
       "\\text{42}",
       "84/2",
       "(42)",
       "x = 42",
       "42 \\text{ cm}^2",
       "42^\\circ",
       "42°",
       "42 miles per hour",
       "$\\left(42\\right)$",
       "4200\\%",
       "€42"},
      {"-42",
       "\xe2\x88\x92"
       "42",
       "- 42", "-$42", "-84/2", "-42.0"},
      {"1/3", "\\frac{1}{3}", "\\dfrac13", "\\frac 1 3", "2/6", "\\tfrac{2}{6}", "1 / 3", "\\frac{-1}{-3}", ".1/.3"},
      {"-1/3", "\\frac{-1}{3}", "-\\frac{1}{3}", "\\frac{1}{-3}"},
      {"0.333"},
      {"0.3333333333333333"},
      {"3 1/2", "3.5", "7/2", "3\\frac{1}{2}", "3 \\frac12", "350%", "3\\,\\frac{1}{2}"},
      {"31/2", "15.5"},
      {"0", "-0", "0.00", "0/5", "0%", "\\$0"},
      {"1234567", "1,234,567", "1{,}234{,}567", "1\\,234\\,567", "1,\\!234,\\!567", "$1,234,567.00"},
      {"123456789012345678901234567890", "123,456,789,012,345,678,901,234,567,890", "246913578024691357802469135780/2",
       "123456789012345678901234567890.0"},
      {"123456789012345678901234567891"},
      {"0.1234567890123456789012345", "0.12345678901234567890123450"},
      {"(1, 2)", "\\left( 1, 2 \\right)", "(1.0,4/2)"},
      {"(2, 1)"},
      {"[1, 2]"},
      {"(1, 2]"},
      {"\\{1, 2\\}", "\\{2,1\\}", "1, 2", "2,1", "\\left\\{ 1, \\frac{4}{2} \\right\\}"},
      {"\\{1, 2, 3\\}", "3, 2, 1"},
      {"1/0"},
      {"\\sqrt{2}", "\\sqrt2", "\\sqrt 2"},
      {"2\\sqrt{2}", "2 \\sqrt{2}"},
      {"\\frac{\\pi}{2}", "\\dfrac{\\pi}{2}"},
      {"Evelyn", "\\text{Evelyn}", "\\mathrm{Evelyn}.", " Evelyn"},
      {"E", "(E)", "\\textbf{(E)}"},
      {"2516_8"},
      {"6 - 5i", "6-5i"},
      {"1+1"},
      {"2"},
      {"Paris, France"},
      {"France, Paris"},
  };
  for (std::size_t row = 0; row < classes.size(); ++row) {
    for (std::string const& left : classes[row]) {
      for (std::size_t other = 0; other < classes.size(); ++other) {
        for (std::string const& right : classes[other]) {
          INFO("'" << left << "' as " << canonical_answer(left) << ", '" << right << "' as "
                   << canonical_answer(right));
          if (equivalent_answers(left, right) != (row == other)) FAIL_CHECK("row " << row << " and row " << other);
        }
      }
    }
  }
  CHECK_FALSE(equivalent_answers("", ""));
  CHECK_FALSE(equivalent_answers(" $ $ ", "\\,"));
}

TEST_CASE("fractions agree with arithmetic on machine integers") {
  std::mt19937 engine(7);
  std::uniform_int_distribution<int> part(1, 12);
  std::size_t equal = 0;
  for (int i = 0; i < 4000; ++i) {
    int const a = part(engine), b = part(engine), c = part(engine), d = part(engine);
    bool const same = equivalent_answers(std::to_string(a) + "/" + std::to_string(b),
                                         "\\frac{" + std::to_string(c) + "}{" + std::to_string(d) + "}");
    equal += same ? 1 : 0;
    if (same != (a * d == b * c)) FAIL_CHECK(a << "/" << b << " and " << c << "/" << d);
  }
  CHECK(equal > 50);
}

TEST_CASE("the policy decides on units, percentages, names, case and tolerance") {
  CHECK_FALSE(equivalent_answers("5 parsecs", "5"));
  std::vector<std::string_view> const units{"parsecs"};
  CHECK(equivalent_answers("5 Parsecs", "5", {.units = units}));
  CHECK_FALSE(equivalent_answers("5 cm", "5", {.units = units}));
  CHECK(equivalent_answers("50%", "0.5"));
  CHECK_FALSE(equivalent_answers("50%", "50"));
  CHECK(equivalent_answers("50%", "50", {.percent_is_ratio = false}));
  CHECK_FALSE(equivalent_answers("x=5", "5", {.assignment_dropped = false}));
  CHECK_FALSE(equivalent_answers("x=y=5", "5"));
  CHECK_FALSE(equivalent_answers("YES", "yes"));
  CHECK(equivalent_answers("YES", "yes", {.case_folded = true}));
  CHECK(equivalent_answers("1/3", "0.333", {.tolerance = 1e-3}));
  CHECK_FALSE(equivalent_answers("1/3", "0.333", {.tolerance = 1e-4}));
  CHECK_FALSE(equivalent_answers("1/3", "abc", {.tolerance = 1}));
}

TEST_CASE("the final answer is the last balanced box, tag or hash line of the closing text") {
  CHECK(last_boxed("\\boxed{1} and \\boxed{\\frac{1}{2}}.") == "\\frac{1}{2}");
  CHECK(last_boxed("\\boxed{1} and \\boxed{2") == "1");
  CHECK(last_boxed("\\boxed{ {2 }") == std::nullopt);
  CHECK(last_boxed("{ \\fbox {3} ") == "3");
  CHECK(last_boxed("\\boxed{\\left\\{1\\right.}") == "\\left\\{1\\right.");
  CHECK(last_boxed("\\boxed 5 {6}") == std::nullopt);
  CHECK(last_boxed("boxed{5}") == std::nullopt);
  CHECK(last_boxed("\\") == std::nullopt);
  CHECK(last_hash_answer("#### 1\n#### 42 \nmore") == "42");
  CHECK(extract_answer("<think>\\boxed{1}</think>\\boxed{2}") == "2");
  CHECK(extract_answer("<think>\\boxed{1}</think>nothing") == std::nullopt);
  CHECK(extract_answer("<think>\\boxed{1}") == std::nullopt);
  CHECK(extract_answer("<think>\\boxed{1}</think>", {.after_reasoning = false}) == "1");
  CHECK(extract_answer("\\boxed{2}<answer>It is \\boxed{3}</answer>") == "3");
  CHECK(extract_answer("\\boxed{2}<answer>3</answer>") == "3");
  CHECK(extract_answer("\\boxed{2}<answer>3</answer>", {.from_tags = false}) == "2");
  CHECK(extract_answer("\\boxed{ } #### 7") == "7");
  CHECK(extract_answer("#### 7", {.from_hashes = false}) == std::nullopt);
}

TEST_CASE("the numeric reward is 1 for the gold answer and 0 otherwise") {
  numeric_answer_reward const reward;
  auto const score = [&](std::string_view completion, std::string_view gold) {
    return reward(answer_sample{.completion = completion, .gold = gold});
  };
  CHECK(score("so \\boxed{12.80}", "12.8").value == 1);  // the example of 1-shot RLVR, pi_1, has such a gold answer
  CHECK(score("so \\boxed{12.80}", "12.8").kind == reward_class::correct);
  CHECK(score("so \\boxed{12.7}", "12.8").value == 0);
  CHECK(score("so \\boxed{12.7}", "12.8").diagnosis == "'12.7' instead of '12.8'");
  CHECK(score("12.8", "12.8").kind == reward_class::bad_format);
  CHECK(score("\\boxed{12.8} or \\boxed{9}", "12.8").value == 0);
  CHECK_THROWS_AS(score("\\boxed{}", " "), rlvr::argument_error);
}

TEST_CASE("gold answers of GSM8K equal their own variants and nothing near them") {
  std::size_t answers = 0;
  for (char const* const name : {"test_first300.jsonl", "train_first500.jsonl"}) {
    auto const path = shared_data(std::string("data/related/gsm8k/") + name);
    if (!path) return;
    for (auto const& row : json_lines(*path)) {
      ++answers;
      std::string const solution = row["answer"];
      auto const found = extract_answer(solution);
      REQUIRE(found);
      std::string digits(*found);
      std::erase(digits, ',');
      REQUIRE(digits.find_first_not_of("-0123456789") == std::string::npos);
      CAPTURE(digits);
      std::string const plain = digits.substr(digits.front() == '-' ? 1 : 0);
      std::string const sign = digits.front() == '-' ? "-" : "";
      for (std::string const& same : {digits, sign + grouped(plain), sign + "$" + plain, digits + ".0", digits + ".",
                                      "\\boxed{" + digits + "}", digits + " dollars"}) {
        auto const boxed = extract_answer(same);
        if (!equivalent_answers(boxed ? *boxed : same, digits)) FAIL_CHECK(same);
      }
      CHECK_FALSE(equivalent_answers(std::to_string(std::stoll(digits) + 1), digits));
      CHECK_FALSE(equivalent_answers(digits + ".5", digits));
      CHECK_FALSE(equivalent_answers(digits + "0", digits + "1"));
    }
  }
  CHECK(answers == 800);
}

TEST_CASE("each gold answer of MATH-500 is in the last box of its solution") {
  auto const path = shared_data("data/related/math500/test.jsonl");
  if (!path) return;
  std::size_t found = 0;
  std::size_t rows = 0;
  for (auto const& row : json_lines(*path)) {
    ++rows;
    std::string const solution = row["solution"];
    std::string const answer = row["answer"];
    auto const boxed = last_boxed(solution);
    CAPTURE(answer, boxed.value_or("none"));
    bool const same = boxed && equivalent_answers(*boxed, answer);
    found += same ? 1 : 0;
    if (!same) FAIL_CHECK(solution.substr(solution.size() - std::min<std::size_t>(solution.size(), 80)));
    CHECK(equivalent_answers("$ " + answer + "\\, $.", answer));
    CHECK_FALSE(equivalent_answers(answer + "1", answer));
  }
  CHECK(rows == 500);
  CHECK(found == 500);
}

TEST_CASE("hostile answers take linear time and throw nothing") {
  for (std::string const& unit :
       {std::string("\\boxed{"), std::string("{"), std::string("}"), std::string("("), std::string("1,"),
        std::string("9"), std::string("\\frac{1}"), std::string("\\"), std::string("\\text{"), std::string("#### "),
        std::string("1 cm "), std::string("\xff\xfe"), std::string(1, '\0'), std::string("<think>"),
        std::string("<answer>"), std::string("(1"), std::string("\\sqrt")}) {
    std::string const text = repeated(unit, 1 << 15);
    CAPTURE(unit);
    auto const start = std::chrono::steady_clock::now();
    (void)extract_answer(text);
    (void)equivalent_answers(text, "5");
    (void)equivalent_answers("5/" + text, text + "/7", {.tolerance = 0.5});
    (void)equivalent_answers("(" + text + ")", "\\{" + text + "\\}");
    std::chrono::duration<double, std::milli> const elapsed = std::chrono::steady_clock::now() - start;
    CHECK(elapsed.count() < test::time_limit(400));
  }
}

TEST_CASE("exact match compares normalised texts") {
  exact_match_reward const reward;
  auto const score = [&](std::string_view completion, std::string_view gold) {
    return reward(answer_sample{.completion = completion, .gold = gold});
  };
  CHECK(score("<think>x</think><answer> The Storm.</answer>", "storm").value == 1);
  CHECK(score("<think>x</think><answer>storms</answer>", "storm").value == -1);
  CHECK(score("<answer>storm</answer>", "storm").value == -1);
  CHECK(score("<answer>storm</answer>", "storm").kind == reward_class::bad_format);
  CHECK(score("<answer>storm</answer>", "storm").diagnosis == "tag <think> is missing");
  CHECK_THROWS_AS(score("", "the"), rlvr::argument_error);  // nothing left of it
  CHECK_THROWS_AS(score("", ""), rlvr::argument_error);
  exact_match_reward lenient;
  lenient.contract = answer_contract::lenient;
  CHECK(lenient(answer_sample{.completion = "so <answer>storm</answer>", .gold = "storm"}).value == 1);
}

TEST_CASE("choices are read as a letter, a marked letter or the text of an option") {
  std::vector<std::string_view> const options{"True", "False", "A cat", "Uncertain"};
  auto const choice = [&](std::string_view text) { return read_choice(text, 4, options); };
  for (std::string_view const text :
       {"B", "(B)", "B.", "B)", "(b)", "b", "B: False", "(B) false", "False.", "**B**", "(B): False", " B \n"}) {
    CAPTURE(text);
    CHECK(choice(text) == 1u);
  }
  CHECK(choice("a cat") == 2u);
  CHECK(choice("A cat") == 2u);  // the article is no letter of a choice
  for (std::string_view const text : {"E", "(B", "B) True", "AB", "B or C", "", "()", "B B", "Falsehood"}) {
    CAPTURE(text);
    CHECK_FALSE(choice(text));
  }
  CHECK_FALSE(read_choice("same", 2, std::vector<std::string_view>{"same", "Same"}));
  CHECK(read_choice("(C)", 3) == 2u);
  CHECK_FALSE(read_choice("(D)", 3));

  answer_sample sample{.completion = "<think>x</think><answer>(B)</answer>", .gold = "False", .options = options};
  CHECK(exact_match_reward{}(sample).value == 1);
  sample.gold = "A";
  CHECK(exact_match_reward{}(sample).value == -1);
  sample.gold = "maybe";
  CHECK_THROWS_AS(exact_match_reward{}(sample), rlvr::argument_error);
}

TEST_CASE("the released form of RuleReasoner without its loophole") {
  exact_match_reward const reward = rule_reasoner_released();
  auto const value = [&](std::string_view completion) {
    return reward(answer_sample{.completion = completion, .gold = "true"}).value;
  };
  CHECK(value("so <think>x</think> then <answer>True</answer>.") == 1);
  CHECK(value("<think>x</think><answer>False</answer>") == 0);
  CHECK(value("x</think><answer>False</answer>") == -1);
  CHECK(value("x</think><answer>True</answer>") == -1);  // the loophole: pays 1 where a missing tag counts as -1
  CHECK(value("<answer>True</answer><think>x</think>") == -1);
}
