// SPDX-License-Identifier: MIT
// Hostile text before the rewards of answers and verdicts: hostile_text.hpp says what is asked of them.
#include <rlvr/reward/exact_match.hpp>
#include <rlvr/reward/numeric_answer.hpp>
#include <rlvr/reward/process_reward.hpp>
#include <rlvr/reward/soft_judge.hpp>
#include <rlvr/reward/verdict.hpp>

#include "hostile_text.hpp"
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward;
using test::hostile_place;
using test::verifier;

namespace {

/// Says NO to all it reads.
struct refusing_judge {
  [[nodiscard]] judge_reply<choice_probabilities> choose(choice_request const&) const {
    return choice_probabilities{{0.25, 0.75}, std::size_t{1}};
  }
};

template <class Reward>
auto of_answer(Reward reward, std::string_view gold) {
  return [reward, gold](std::string_view text) {
    return evaluate(reward, answer_sample{.completion = text, .gold = gold}).kind;
  };
}

template <class Reward>
auto of_reference(Reward reward) {
  return [reward](std::string_view text) {
    return evaluate(reward, reference_sample{.completion = text, .reference = "smoke of the fire"}).kind;
  };
}

auto of_verdict(verdict_extractor extractor) {
  return [extractor](std::string_view text) {
    pairwise_verdict_reward reward;
    reward.extractor = extractor;
    return evaluate(reward, comparison_sample{.completion = text, .gold = pairwise_verdict::second}).kind;
  };
}

std::vector<verifier> answer_verifiers() {
  using enum hostile_place::right;
  std::vector<hostile_place> const answer{{"alone"}, {"answer", "<think>t</think><answer>", "</answer>"}};
  exact_match_reward lenient;
  lenient.contract = answer_contract::lenient;
  step_scorer const steps{[](step_request const&) -> judge_reply<std::string> { return std::string(step_question); },
                          refusing_judge{}, 1};
  return {
      {"exact_match", of_answer(exact_match_reward{}, "Cause-Effect(e1,e2)"), answer},
      {"exact_match, lenient", of_answer(lenient, "Cause-Effect(e1,e2)"), answer},
      {"rule_reasoner_released", of_answer(rule_reasoner_released(), "Cause-Effect(e1,e2)"), answer},
      {"numeric_answer",
       of_answer(numeric_answer_reward{}, "42"),
       {{"alone"},
        {"answer", "<answer>", "</answer>"},
        {"box", "\\boxed{", "}"},
        {"after 42", "\\boxed{42 smoke ", "}"}},
       4,  // a key for each element of a list
       4},
      {"verdict, window", of_verdict({})},
      {"verdict, closing",
       of_verdict(closing_verdict_extractor()),
       {{"alone"}, {"after", "<answer>[[B]]</answer>", "", if_blank}}},
      {"task type",
       [](std::string_view text) { return read_task_type(text) ? reward_class::correct : reward_class::scored; },
       {{"alone"}, {"type", "<type>Chat", "</type>", if_blank}}},
      {"soft_judge", of_reference(soft_judge_reward{refusing_judge{}})},
      {"contains_reference", of_reference(contains_reference_reward{})},
      {"contains_reference, last line", of_reference(contains_reference_reward{true})},
      {"jaccard_reference", of_reference(jaccard_reference_reward{})},
      {"process",
       [](std::string_view text) {
         auto const rate = [](step_request const&) -> judge_reply<step_score> { return step_score{1, 1, 0}; };
         return evaluate(process_reward{rate}, reference_sample{.completion = text}).kind;
       }},
      {"steps",
       [](std::string_view text) {
         return split_steps(text, 1000).size() <= 1000 ? reward_class::scored : reward_class::error;
       }},
      {"step prompt",
       [steps](std::string_view text) {
         std::vector<std::string> const all{"1", std::string(text)};
         return steps.prompt({.question = "q", .steps = all}, text).empty() ? reward_class::bad_format
                                                                            : reward_class::scored;
       }},
  };
}

}  // namespace

TEST_CASE("hostile text: rewards of answers and verdicts", "[hostile]") {
  auto const all = answer_verifiers();
  auto const report = test::examine(all, test::quick_plan());
  CHECK(report.faults == std::vector<std::string>{});
  CHECK(report.readings > 1000);
}

TEST_CASE("hostile text, long: rewards of answers and verdicts", "[.hostile_long]") {
  auto const all = answer_verifiers();
  auto const report = test::examine(all, test::full_plan());
  CHECK(report.faults == std::vector<std::string>{});
  WARN(test::summary(report));
}
