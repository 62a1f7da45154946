// SPDX-License-Identifier: MIT
// Hostile text before the rewards of relation extraction: hostile_text.hpp says what is asked of them.
#include <rlvr/reward/document_pairs.hpp>
#include <rlvr/reward/evidence.hpp>
#include <rlvr/reward/format.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/reward/relation.hpp>
#include <rlvr/reward/triples.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include "hostile_text.hpp"
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward;
using test::hostile_place;
using test::verifier;

namespace {

auto const guide = rlvr::text::semeval2010_guideline();
auto const gold = *rlvr::text::parse_label(guide, "Cause-Effect(e1,e2)");
std::vector<triple> const gold_triples{{"smoke", "Cause-Effect", "fire"}, {"a", "Component-Whole", "b"}};
rlvr::text::extraction_example const gold_example = example_of(gold_triples);
rlvr::text::extraction_example const gold_pairs = example_of(std::vector<triple>{{"smoke", "r", "fire"}});

std::vector<hostile_place> label_places() {
  using enum hostile_place::right;
  return {{"alone"},
          {"reasoning", "<think>", "</think><answer>Cause-Effect(e1,e2)</answer>", maybe},
          {"answer", "<think>t</think><answer>", "</answer>"},
          {"after the label", "<think>t</think><answer>Cause-Effect(e1,e2)", "</answer>", if_blank},
          {"after the answer", "<think>t</think><answer>Cause-Effect(e1,e2)</answer>", "", if_blank}};
}

std::vector<hostile_place> fact_places() {
  return {{"answer", "<think>t</think><answer>", "</answer>"},
          {"last name", "<think>t</think><answer>smoke | Cause-Effect | fire\na | Component-Whole | b", "</answer>",
           hostile_place::right::if_space}};
}

/// A sample whose sentence may be quoted.
struct quoting_sample {
  std::string_view completion{};
  std::string_view prefill{};
  std::string_view sentence = "the smoke of the fire rose";
};

template <class Reward>
auto of_relation(Reward reward) {
  return [reward](std::string_view text) {
    return evaluate(reward, relation_sample{.completion = text, .gold = gold, .guide = &guide}).kind;
  };
}

template <class Reward>
auto of_facts(Reward reward, rlvr::text::extraction_example const& example) {
  return [reward, &example](std::string_view text) {
    return evaluate(reward, extraction_sample{.completion = text, .gold = &example}).kind;
  };
}

std::vector<verifier> relation_verifiers() {
  r1_re talkative;
  talkative.policy = rlvr::text::talkative_response;
  r1_re answer_only;
  answer_only.policy = rlvr::text::answer_only_response;
  auto talkative_places = label_places();
  talkative_places.back().correct = hostile_place::right::maybe;
  auto lenient_places = label_places();
  lenient_places.back().correct = hostile_place::right::maybe;
  triples_reward typed;
  typed.form = answer_form::typed_triples;
  typed.matching.types = true;
  typed.unknown_relation_fails = false;
  return {
      {"r1_re", of_relation(r1_re{}), label_places()},
      {"r1_re, talkative", of_relation(talkative), talkative_places},
      {"r1_re, answer only", of_relation(answer_only), {{"alone"}, {"answer", "<answer>", "</answer>"}}},
      {"format", of_relation(format_reward{})},
      {"relation_format", of_relation(relation_format_reward{})},
      {"relation_match", of_relation(relation_match_reward{})},
      {"undirected relation_match", of_relation(undirected_relation_match())},
      {"relation_credit", of_relation(relation_credit_reward{})},
      {"lenient contract", [](std::string_view text) { return judge_relation_leniently(guide, gold, text).kind; },
       lenient_places, 1, 4},
      {"triples", of_facts(triples_reward{}, gold_example), fact_places()},
      {"typed triples", of_facts(typed, gold_example), {{"answer", "<think>t</think><answer>", "</answer>"}}},
      {"document_pairs",
       of_facts(document_pairs_reward{}, gold_pairs),
       {{"answer", "<think>t</think><answer>", "</answer>"}}},
      {"evidence",
       [](std::string_view text) { return evaluate(evidence_reward{}, quoting_sample{.completion = text}).kind; },
       {{"reasoning", "<think>", "</think><answer>x</answer>"}},
       1,
       4},
  };
}

}  // namespace

TEST_CASE("hostile text: rewards of relation extraction", "[hostile]") {
  auto const all = relation_verifiers();
  auto const report = test::examine(all, test::quick_plan());
  CHECK(report.faults == std::vector<std::string>{});
  CHECK(report.readings > 1000);
}

TEST_CASE("hostile text, long: rewards of relation extraction", "[.hostile_long]") {
  auto const all = relation_verifiers();
  auto const report = test::examine(all, test::full_plan());
  CHECK(report.faults == std::vector<std::string>{});
  WARN(test::summary(report));
}
