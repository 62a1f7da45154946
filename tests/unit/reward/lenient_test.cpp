// SPDX-License-Identifier: MIT
// The lenient contract on the rows of tests/adversarial/visible.jsonl that state it, and graded credit for direction.
#include <rlvr/reward/relation.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>

using namespace rlvr::reward;
using nlohmann::json;
using rlvr::text::last_answer_block;

TEST_CASE("the lenient contract on every visible row that states it") {
  std::ifstream file(RLVR_TEST_DATA "/adversarial/visible.jsonl");
  auto const guide = rlvr::text::semeval2010_guideline();
  std::size_t stated = 0;
  for (std::string line; std::getline(file, line);) {
    json const row = json::parse(line);
    if (!row.contains("lenient_answer") || row["lenient_answer"] == "?") continue;
    ++stated;
    CAPTURE(row["id"].get<std::string>(), row["why"].get<std::string>());
    std::string completion = row.value("completion", "");
    if (row.contains("completion_parts")) {
      for (json const& part : row["completion_parts"]) {
        REQUIRE(part.is_array());
        for (int i = 0; i < part.at(1).get<int>(); ++i) completion += part.at(0).get<std::string>();
      }
    }
    std::string const prefill = row.value("prefill", "");
    rlvr::text::joined_response const response(prefill, completion);
    auto const answer = last_answer_block(response.view());
    json const& expected = row["lenient_answer"];
    CHECK(answer.has_value() == !expected.is_null());
    if (answer && !expected.is_null()) CHECK(*answer == expected.get<std::string>());
    auto const gold = rlvr::text::parse_label(guide, row["gold"].get<std::string>());
    REQUIRE(gold);
    relation_verdict const verdict = judge_relation_leniently(guide, *gold, completion, prefill);
    CHECK(verdict.format_ok == !expected.is_null());
    CHECK((verdict.kind == reward_class::correct) == (expected == row["gold"]));
    CHECK(verdict.diagnosis.empty() == (verdict.kind == reward_class::correct));
  }
  CHECK(stated == 27);
}

TEST_CASE("the last answer block is read outside the reasoning only") {
  CHECK(last_answer_block("<answer> A </answer>") == "A");
  CHECK(last_answer_block("<answer>A</answer></answer>") == "A");
  CHECK(last_answer_block("<answer>A<answer>B</answer>") == "B");
  CHECK(last_answer_block("<answer>A</answer><think>why not <answer>B</answer>") == "A");
  CHECK(last_answer_block("draft <answer>A</answer></think><answer>B</answer>") == "B");
  for (std::string_view const none :
       {"", "A", "<answer>", "</answer>A<answer>", "<answer>A</answer><answer></answer>",
        "<answer>A</answer><answer>\xe2\x80\x8b</answer>", "<answer>A</answer><answer>B", "<think><answer>A</answer>",
        "<answer>A</answer></think>", "<think><answer>A</answer></think>B", "<answer>A<think></answer>",
        "<Answer>A</Answer>", "<answer >A</answer>"}) {
    CAPTURE(none);
    CHECK_FALSE(last_answer_block(none));
  }
  CHECK(last_answer_block("[A]", {.answer_open = "[", .answer_close = "]"}) == "A");
  CHECK(rlvr::text::closing_text("<think>a</think>b<think>c") == "b");
  CHECK(rlvr::text::closing_text("abc") == "abc");
}

TEST_CASE("megabytes of tags are read leniently in linear time") {
  for (std::string_view const unit :
       {"<think>", "</think>", "<answer>", "</answer>", "<answer", "<", "<answer></answer>"}) {
    std::string text;
    while (text.size() < 1u << 20) text += unit;
    auto const start = std::chrono::steady_clock::now();
    CHECK_FALSE(last_answer_block(text));
    std::chrono::duration<double, std::milli> const elapsed = std::chrono::steady_clock::now() - start;
    CAPTURE(unit);
    CHECK(elapsed.count() < test::time_limit(500));
  }
}

TEST_CASE("graded credit pays for the relation before its direction") {
  auto const guide = rlvr::text::semeval2010_guideline();
  auto const score = [&](std::string_view answer) {
    std::string const completion = "<think>x</think><answer>" + std::string(answer) + "</answer>";
    return relation_credit_reward{}(relation_sample{
        .completion = completion, .gold = *rlvr::text::parse_label(guide, "Cause-Effect(e1,e2)"), .guide = &guide});
  };
  CHECK(score("Cause-Effect(e1,e2)").value == 2);
  CHECK(score("Cause-Effect(e1,e2)").passed);
  CHECK(score("Cause-Effect(e2,e1)").value == 0);
  CHECK_FALSE(score("Cause-Effect(e2,e1)").passed);
  CHECK(score("Cause-Effect(e2,e1)").kind == reward_class::wrong_direction);
  CHECK(score("Other").value == -1.5);
  CHECK(score("nonsense").kind == reward_class::invalid_label);
  CHECK(score("Cause-Effect(e2,e1)</answer>").kind == reward_class::bad_format);
  CHECK(score("Cause-Effect(e2,e1)</answer>").value == -1.5);
}
