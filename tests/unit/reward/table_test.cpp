// SPDX-License-Identifier: MIT
// The rewards of Table-R1: published figures, what the form asks for, real questions.
#include <rlvr/reward/table.hpp>

#include "../data/shared_data.hpp"
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>
#include <vector>

using namespace rlvr::reward;
using rlvr::argument_error;
using rlvr::text::json_document;
using rlvr::text::json_node;
using rlvr::text::read_json;

namespace {

using texts = std::vector<std::string_view>;

std::string block(std::string const& answer) { return "```json\n{\"answer\": " + answer + "}\n```"; }
std::string response(std::string const& inside) {
  return "<think>Look it up.</think>\n<answer>\n" + inside + "\n</answer>";
}

outcome score(std::string const& text, texts const& gold, table_reward const& reward = {},
              table_task task = table_task::question) {
  return reward(table_sample{.completion = text, .gold = gold, .task = task});
}

double value_of(std::string const& text, texts const& gold, table_reward const& reward = {},
                table_task task = table_task::question) {
  outcome const result = score(text, gold, reward, task);
  REQUIRE(result.has_value());
  return result.value;
}

}  // namespace

TEST_CASE("Table-R1: the published figures") {
  auto const free_form =
      score(response(block("\"the cat sat on the mat\"")), {"the cat is on the mat"}, {}, table_task::free_form);
  CHECK(free_form.value == Approx(1.606626).margin(5e-7));
  CHECK(*find_part(free_form, "bleu") == Approx(0.379918).margin(5e-7));
  CHECK(*find_part(free_form, "rouge_l") == Approx(0.833333).margin(5e-7));
  CHECK(*find_part(free_form, "format") == 1);
  CHECK(free_form.kind == reward_class::partial);
  CHECK_FALSE(free_form.passed);
  CHECK(value_of(response(block("\"on the mat\"")), {"on the mat"}, {}, table_task::free_form) == Approx(2));

  CHECK(value_of(response(block("[\"1,000\"]")), {"1000"}) == 2);
  CHECK(value_of(response(block("[\"a\", \"b\"]")), {"b", "a"}) == 2);
  CHECK(value_of(response(block("[\"a\"]")), {"b"}) == 1);              // right form, wrong answer
  CHECK(value_of("The answer is {\"answer\": [\"b\"]}.", {"b"}) == 1);  // the other way round
  std::string many = "[\"1\"";
  for (int i = 0; i < 99; ++i) many += ",\"1\"";
  texts const hundred(100, "1");
  CHECK(value_of(response(block(many + "]")), hundred) == 2);
  CHECK(value_of(response(block(many + ",\"1\"]")), hundred) == 0);
  CHECK(value_of(response(block("[]")), {"b"}) == 0);

  CHECK(value_of(response(block("\"entailed\"")), {"entailed"}, {}, table_task::verification) == 2);
  CHECK(value_of(response(block("\"refuted\"")), {"entailed"}, {}, table_task::verification) == 1);
  CHECK(value_of("{\"answer\": \"refuted\"}", {"refuted"}, {}, table_task::verification) == 1);
  CHECK(value_of(response(block("\"maybe\"")), {"refuted"}, {}, table_task::verification) == 0);
  CHECK(value_of("I have no answer.", {"b"}) == 0);
}

TEST_CASE("Table-R1: what breaks the form, and what it costs") {
  table_reward strict;
  strict.accuracy_needs_format = true;
  std::string const right = block("[\"b\"]");
  for (std::string const& text :
       {"<think>t</think><answer>" + right, "x" + response(right), response(right) + "x",
        response(right) + response(right), "<answer>" + right + "</answer>", response("{\"answer\": [\"b\"]}"),
        response("```\n{\"answer\": [\"b\"]}\n```"), response(block("\"b\"")),
        response("```json\n{\"answer\": [\"b\"], \"x\": 1}\n```"), response(right + right),
        response("```json\n{\"answer\": [\"b\"]"), "<think>" + right + "</think> <answer>b</answer>"}) {
    INFO(text);
    bool const found = text != response("```json\n{\"answer\": [\"b\"]");
    outcome const lenient = score(text, {"b"});
    CHECK(lenient.value == (found ? 1 : 0));
    CHECK(lenient.kind == reward_class::bad_format);
    CHECK_FALSE(lenient.passed);
    CHECK_FALSE(lenient.diagnosis.empty());
    CHECK(value_of(text, {"b"}, strict) == 0);
  }
  // Numbers in the list: right, but not the form.
  CHECK(value_of(response(block("[5]")), {"5"}) == 1);
  CHECK(value_of(response(block("[5]")), {"5"}, strict) == 0);
  CHECK(value_of(response(block("5")), {"5.001"}) == 1);
  // Items that are neither text nor number.
  CHECK(value_of(response(block("[\"b\", true]")), {"b", "1"}) == 0);
  CHECK(value_of(response(block("[null]")), {"b"}) == 0);
  CHECK(value_of(response(block("[[\"b\"]]")), {"b"}) == 0);
  // Text round the block inside the answer, white space outside, an empty reasoning.
  outcome const good = score("<think></think><answer>So: " + right + " Done.</answer>\n", {"b"}, strict);
  CHECK(good.value == 2);
  CHECK(good.kind == reward_class::correct);
  CHECK(good.passed);
  CHECK(good.diagnosis.empty());
  outcome const wrong = score(response(right), {"c"}, strict);
  CHECK(wrong.value == 1);
  CHECK(wrong.kind == reward_class::wrong_label);

  std::array<std::string_view, 1> const gold{"b"};
  std::string const rest = "t</think><answer>" + right + "</answer>";
  CHECK(strict(table_sample{.completion = rest, .gold = gold, .prefill = "<think>"}).value == 2);
}

TEST_CASE("Table-R1: where an answer is taken from") {
  // The answer block first, fenced JSON first in it; then everything, the reasoning too.
  CHECK(value_of("<think>" + block("[\"x\"]") + "</think><answer>{\"answer\": [\"b\"]}</answer>", {"b"}) == 1);
  CHECK(value_of(response("{\"answer\": [\"x\"]} " + block("[\"b\"]")), {"b"}) == 2);
  CHECK(value_of("<think>{\"answer\": [\"b\"]}</think><answer>b</answer>", {"b"}) == 1);
  std::string const two = "{\"answer\": [\"a\"]} {\"answer\": [\"b\"]}";
  table_reward reward;
  CHECK(value_of(two, {"a"}, reward) == 1);
  CHECK(value_of(two, {"b"}, reward) == 0);
  reward.choice = rlvr::text::json_choice::last;
  CHECK(value_of(two, {"b"}, reward) == 1);
  reward.choice = rlvr::text::json_choice::only;
  CHECK(value_of(two, {"b"}, reward) == 0);
  // A free answer without JSON is all of the text; a list is joined.
  CHECK(value_of("the cat", {"the cat"}, {}, table_task::free_form) == Approx(1));
  CHECK(value_of("{\"answer\": null}", {"answer null"}, {}, table_task::free_form) > 0);
  CHECK(value_of(response(block("[\"the\", \"cat \", 1.50, true]")), {"the cat 1.50 True"}, {},
                 table_task::free_form) == Approx(2));
  CHECK(value_of(response(block("\"\"")), {"the cat"}, {}, table_task::free_form) == 1);
}

TEST_CASE("Table-R1: an answer that had to be repaired earns what one asks for") {
  std::string const text = response("{'answer': ['b',]}");
  table_reward reward;
  CHECK(value_of(text, {"b"}, reward) == 0);
  reward.repairs = rlvr::text::all_json_repairs;
  CHECK(value_of(text, {"b"}, reward) == 1);
  reward.repaired_factor = 0.5;
  outcome const result = score(text, {"b"}, reward);
  CHECK(result.value == 0.5);
  CHECK(*find_part(result, "repaired") == 1);
  CHECK(value_of(response(block("[\"b\"]")), {"b"}, reward) == 2);
  CHECK(*find_part(score(response(block("[\"b\"]")), {"b"}, reward), "repaired") == 0);
}

TEST_CASE("Table-R1: the staged form of base models") {
  table_reward reward;
  reward.format = table_format::staged;
  auto const form = [&](std::string const& text, table_task task = table_task::question) {
    return reward.format_score(text, task);
  };
  CHECK(form("no") == 0);
  CHECK(form("<think>a</think> x <answer>b</answer>") == 0);
  CHECK(form("<think>a</think>") == 0);
  CHECK(form("<think></answer>") == 0);
  CHECK(form("<think>a</think><answer></answer") == 0);
  CHECK(form("<think>a</think><answer>b</answer><answer>c</answer>") == Approx(0.3));
  CHECK(form("<think>a</think>x</think>\n<answer>c</answer>") == Approx(0.3));
  CHECK(form(response("b")) == Approx(0.5));
  CHECK(form(response("{\"answer\": [\"b\"]}")) == Approx(0.5));
  CHECK(form(response(block("[b]"))) == Approx(0.5));
  CHECK(form(response(block("[1]"))) == Approx(0.8));
  CHECK(form(response(block("[\"b\"]"))) == 1);
  CHECK(form(response(block("\"b\"")), table_task::verification) == Approx(0.8));
  CHECK(form(response(block("\"refuted\"")), table_task::verification) == 1);
  CHECK(form(response(block("null")), table_task::free_form) == Approx(0.8));
  CHECK(form(response(block("{}")), table_task::free_form) == 1);
  CHECK(value_of(response(block("[5]")), {"5"}, reward) == Approx(1.8));
  CHECK(value_of(response("b"), {"b"}, reward) == 0);  // nothing to score: the form earns nothing
}

TEST_CASE("Table-R1: the release matches greedily and misses a pairing that exact matching finds") {
  std::string const close = response(block("[\"1.000\", \"1.009\"]"));
  CHECK(value_of(close, {"1.005", "0.995"}) == 2);
  CHECK(value_of(close, {"1.005", "0.995"}, table_r1_released()) == 1);
}

TEST_CASE("Table-R1: bad gold and settings are refused") {
  std::string const text = response(block("[\"b\"]"));
  CHECK_THROWS_AS(score(text, {}), argument_error);
  CHECK_THROWS_AS(score(text, texts(101, "b")), argument_error);
  CHECK_THROWS_AS(score(text, {"a", "b"}, {}, table_task::free_form), argument_error);
  CHECK_THROWS_AS(score(text, {"true"}, {}, table_task::verification), argument_error);
  table_reward reward;
  reward.tolerance = std::nan("");
  CHECK_THROWS_AS(score(text, {"b"}, reward), argument_error);
  reward = {};
  reward.repaired_factor = -1;
  CHECK_THROWS_AS(score(text, {"b"}, reward), argument_error);
}

TEST_CASE("Table-R1: a megabyte of anything is scored in linear time") {
  table_reward reward;
  reward.repairs = rlvr::text::all_json_repairs;
  for (char const* const unit :
       {"</think>", "<answer>", "<think>", "{\"answer\":", "```json", "[\"1\",", "1", "{'answer':["}) {
    std::string inside;
    while (inside.size() < 1'000'000) inside += unit;
    INFO(unit);
    auto const begin = std::chrono::steady_clock::now();
    (void)score(response(block("[" + inside + "]")), {"b"}, reward);
    (void)score("<think>" + inside + "</answer>", {"b"}, reward);
    double const taken = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    CHECK(taken < test::time_limit(500));
  }
}

TEST_CASE("real questions and statements: the gold answer earns 2, another one 1") {
  auto const rows = [](std::string const& name) {
    std::vector<json_document> all;
    auto const path = shared_data("data/related/" + name);
    if (!path) return all;
    std::ifstream file(*path);
    for (std::string line; std::getline(file, line);) {
      auto row = read_json(line);
      REQUIRE(row);
      all.push_back(*std::move(row));
    }
    CHECK(all.size() == 200);
    return all;
  };
  auto const list = [](texts const& answers) {
    std::string out = "[";
    for (std::string_view const each : answers) {
      out += out.size() > 1 ? ", \"" : "\"";
      for (char const byte : each) (out += byte == '"' || byte == '\\' ? "\\" : "") += byte;
      out += '"';
    }
    return out + "]";
  };
  for (auto const& row : rows("wikitablequestions/unseen_first200.jsonl")) {
    texts gold;
    auto const answers = row.root().find("answers");
    REQUIRE(answers);
    for (json_node const each : *answers) gold.push_back(each.string());
    texts reversed(gold.rbegin(), gold.rend());
    INFO(list(gold));
    CHECK(value_of(response(block(list(reversed))), gold) == 2);
    CHECK(value_of(response(block(list(reversed))), gold, table_r1_released()) == 2);
    std::string const other = std::string(reversed.back()) + "?";
    reversed.back() = other;
    CHECK(value_of(response(block(list(reversed))), gold) == 1);
    reversed.pop_back();
    CHECK(value_of(response(block(list(reversed))), gold) == (reversed.empty() ? 0 : 1));
  }
  for (auto const& row : rows("tabfact/smalltest_first200.jsonl")) {
    std::string const gold = row.root().find("label")->boolean() ? "entailed" : "refuted";
    CHECK(value_of(response(block('"' + gold + '"')), {gold}, {}, table_task::verification) == 2);
    double const guess = value_of(response(block("\"entailed\"")), {gold}, {}, table_task::verification);
    CHECK(guess == (gold == "entailed" ? 2 : 1));
  }
}
