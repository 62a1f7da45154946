// SPDX-License-Identifier: MIT
// Hostile text before the readers of JSON and what judges are asked: hostile_text.hpp says what is asked of them.
#include <rlvr/reward/grounded.hpp>
#include <rlvr/reward/listwise.hpp>
#include <rlvr/reward/verdict.hpp>
#include <rlvr/text/json_repair.hpp>

#include "hostile_text.hpp"
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward;
using test::verifier;

namespace {

std::vector<candidate_score> const gold_scores{{"k1", 5}, {"k2", 1}};
std::vector<candidate_worth> const gold_worths{{"a", 2}, {"b", 1}};

std::vector<verifier> judgement_verifiers() {
  return {
      {"comparison prompt",
       [](std::string_view text) {
         auto const prompt = comparison_prompt({.prompt = text, .first = text, .second = text}, "0123456789abcdef");
         return prompt.find(text) < prompt.size() && text.find('<') < text.size() ? reward_class::correct
                                                                                  : reward_class::scored;
       },
       {{"alone"}},
       1,
       4},
      {"listwise",
       [](std::string_view text) {
         return evaluate(listwise_reward{}, listwise_sample{.completion = text, .gold = gold_scores}).kind;
       },
       {{"alone"}, {"after the reasoning", "<think>t</think>", ""}, {"in braces", "{", "}"}}},
      {"grounded",
       [](std::string_view text) {
         return evaluate(grounded_reward{},
                         grounded_sample{.completion = text, .reference = "the smoke of the fire", .gold = gold_worths})
             .kind;
       },
       {{"alone"}, {"answer", "[{\"id\":\"a\",\"answer\":\"", "\",\"atomic_claims\":[]}]"}}},
      {"find_json",
       [](std::string_view text) {
         rlvr::text::json_search search;
         search.repairs = rlvr::text::all_json_repairs;
         (void)rlvr::text::find_json(text, search);
         return reward_class::scored;
       },
       {{"alone"}, {"object", "{\"a\":", "}"}, {"fence", "```json\n{\"a\":[", "]}\n```"}}},
  };
}

}  // namespace

TEST_CASE("hostile text: judgements in JSON", "[hostile]") {
  auto const all = judgement_verifiers();
  auto const report = test::examine(all, test::quick_plan());
  CHECK(report.faults == std::vector<std::string>{});
  CHECK(report.readings > 500);
}

TEST_CASE("hostile text, long: judgements in JSON", "[.hostile_long]") {
  auto const all = judgement_verifiers();
  auto const report = test::examine(all, test::full_plan());
  CHECK(report.faults == std::vector<std::string>{});
  WARN(test::summary(report));
}
