// SPDX-License-Identifier: MIT
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/format.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/reward/summary.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward;
using Catch::Matchers::Contains;

namespace {

rlvr::text::guideline const guide = rlvr::text::semeval2010_guideline();

relation_sample sample_of(std::string_view completion, std::string_view gold = "Cause-Effect(e1,e2)") {
  return {.completion = completion, .gold = rlvr::text::parse_label(guide, gold).value(), .guide = &guide};
}

constexpr char const* right = "<think>because</think><answer>Cause-Effect(e1,e2)</answer>";
constexpr char const* swapped_response = "<think>because</think><answer>Cause-Effect(e2,e1)</answer>";
constexpr char const* wrong = "<think>because</think><answer>Other</answer>";
constexpr char const* unknown = "<think>because</think><answer>Cause</answer>";
constexpr char const* unclosed = "<think>because<answer>Cause-Effect(e1,e2)</answer>";

}  // namespace

TEST_CASE("the truth table of R1-RE: 3, -0.5, -3") {
  r1_re const reward;
  CHECK(reward(sample_of(right)).value == 3);
  CHECK(reward(sample_of(swapped_response)).value == -0.5);
  CHECK(reward(sample_of(wrong)).value == -0.5);
  CHECK(reward(sample_of(unknown)).value == -3);
  CHECK(reward(sample_of(unclosed)).value == -3);

  CHECK(reward(sample_of(right)).passed);
  CHECK_FALSE(reward(sample_of(swapped_response)).passed);
  CHECK(reward(sample_of(right)).parts == std::vector<outcome_part>{{"format", 1}, {"metric", 2}});
  CHECK(reward(sample_of(wrong)).parts == std::vector<outcome_part>{{"format", 1}, {"metric", -1.5}});
  CHECK(reward(sample_of(unclosed)).parts == std::vector<outcome_part>{{"format", -3}});
  CHECK(reward(sample_of(unclosed)).diagnosis == "tag </think> is missing");
  CHECK(reward(sample_of(swapped_response)).diagnosis == "Cause-Effect(e2,e1) instead of Cause-Effect(e1,e2)");

  r1_re const robust = r1_re_robustness();
  CHECK(robust(sample_of(right)).value == 3);
  CHECK(robust(sample_of(swapped_response)).value == -1);
  CHECK(robust(sample_of(unclosed)).value == -3);

  r1_re lenient;
  lenient.invalid_label_is_format_failure = false;
  CHECK(lenient(sample_of(unknown)).value == -0.5);
  CHECK(lenient(sample_of(unknown)).kind == reward_class::invalid_label);
  CHECK(lenient(sample_of(unclosed)).value == -3);

  r1_re undirected;
  undirected.directed = false;
  CHECK(undirected(sample_of(swapped_response)).value == 3);
  CHECK(undirected(sample_of(wrong)).value == -0.5);
}

TEST_CASE("swapping the arguments of any directed label turns 3 into -0.5") {
  for (std::string const& label : rlvr::text::label_texts(guide)) {
    std::string const completion = "<think>x</think><answer>" + label + "</answer>";
    CHECK(r1_re{}(sample_of(completion, label)).value == 3);
    if (label == "Other") continue;
    std::string other = label;
    std::swap(other[other.size() - 5], other[other.size() - 2]);
    outcome const result = r1_re{}(sample_of(completion, other));
    CHECK(result.value == -0.5);
    CHECK(result.kind == reward_class::wrong_direction);
    CHECK(r1_re{}(sample_of(completion, "Other")).kind == reward_class::wrong_label);
  }
}

TEST_CASE("the published group of rewards has the published moments") {
  std::vector<outcome> group;
  for (char const* completion : {right, swapped_response, wrong, unclosed})
    group.push_back(r1_re{}(sample_of(completion)));
  outcome_summary const summary = summarise(group);
  CHECK(summary.mean == -0.25);
  CHECK(summary.deviation == Approx(2.136001).margin(5e-7));
  CHECK(summary.rate(reward_class::correct) == 0.25);
  CHECK(summary.of_class(reward_class::bad_format) == 1);
  REQUIRE(summary.parts.size() == 2);
  CHECK(summary.parts[1].name == "metric");
  CHECK(summary.parts[1].count == 3);
  CHECK(summary.parts[1].mean == Approx(-1.0 / 3));
}

TEST_CASE("r1_re equals the stages it is made of") {
  auto const staged = stages(relation_format_reward{}, relation_match_reward{});
  for (char const* completion : {right, swapped_response, wrong, unknown, unclosed, ""}) {
    CAPTURE(completion);
    outcome const expected = r1_re{}(sample_of(completion));
    CHECK(staged(sample_of(completion)) == expected);
  }
}

TEST_CASE("the single rewards stand alone") {
  CHECK(format_reward{}(sample_of(unknown)).value == 1);
  CHECK(format_reward{}(sample_of(unclosed)).value == -3);
  CHECK(format_reward{}(sample_of(unclosed)).kind == reward_class::bad_format);
  CHECK(format_reward{.policy = rlvr::text::talkative_response}(sample_of(std::string("Yes. ") + right)).passed);
  CHECK(relation_format_reward{}(sample_of(unknown)).kind == reward_class::invalid_label);
  CHECK(relation_format_reward{.label_required = false}(sample_of(unknown)).passed);
  CHECK(relation_match_reward{}(sample_of(right)).value == 2);
  CHECK(relation_match_reward{}(sample_of(unclosed)).value == -1.5);
  CHECK(undirected_relation_match()(sample_of(swapped_response)).value == 2);
}

TEST_CASE("a sample that cannot be judged is an error, not a number") {
  relation_sample sample = sample_of(right);
  sample.guide = nullptr;
  CHECK_THROWS_AS(r1_re{}(sample), rlvr::argument_error);
  CHECK(evaluate(r1_re{}, sample).kind == reward_class::error);
  sample.guide = &guide;
  sample.gold.relation = 99;
  CHECK(evaluate(r1_re{}, sample).status == outcome_status::error);
  CHECK_THROWS_WITH(classify(guide, "Cause-Effect", right), Contains("'Cause-Effect' is no label of guideline"));
}
