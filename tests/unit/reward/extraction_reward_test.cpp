// SPDX-License-Identifier: MIT
#include <rlvr/reward/document_pairs.hpp>
#include <rlvr/reward/extraction_figures.hpp>
#include <rlvr/reward/fact_matcher.hpp>
#include <rlvr/reward/triples.hpp>

#include "documents.hpp"
#include <chrono>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::reward;
using test::counts;
using test::document;
using text::extraction_example;

namespace {

std::string respond(std::string const& answer) { return "<think>x</think><answer>" + answer + "</answer>"; }

}  // namespace

TEST_CASE("the forms of an answer") {
  auto const pairs = parse_facts(" a b | c \n\n", answer_form::pairs, "r");
  REQUIRE(pairs);
  CHECK(*pairs == std::vector<proposed_fact>{{.subject = "a b", .relation = "r", .object = "c"}});
  auto const typed = parse_facts("a|PER|r|b|LOC\r\n", answer_form::typed_triples);
  REQUIRE(typed);
  CHECK(*typed == std::vector<proposed_fact>{
                      {.subject = "a", .relation = "r", .object = "b", .subject_type = "PER", .object_type = "LOC"}});
  for (char const* text : {"a", "a|b|c", "|b", "a|", "a|b\nc"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_facts(text, answer_form::pairs));
  }
  for (char const* text : {"a|r|b", "a|PER|r|b", "a|PER|r|b|LOC|x", "a||r|b|LOC"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_facts(text, answer_form::typed_triples));
  }
}

TEST_CASE("the triple reward takes examples and policies") {
  extraction_example const gold = document();
  std::string const completion = respond("ada | born in | london\nAda | father | Paris");
  triples_reward reward;
  reward.matching = normalised_facts;
  outcome const result = reward(extraction_sample{.completion = completion, .gold = &gold});
  // Facts: 1 of 2 predicted, 4 gold: 2/6.  Entities: {Ada, London, Paris}, 2 right of 4: 4/7.
  CHECK(result.value == Approx(1 + 2 * (0.3 * 4.0 / 7 + 0.7 / 3)));
  CHECK(result.kind == reward_class::partial);
  CHECK(result.diagnosis == "1 of 4 gold facts found, 1 of 2 predicted wrong, 1 names unknown");

  text::guideline guide;
  guide.relations = {{.name = "father"}, {.name = "born in"}};
  std::string const foreign = respond("Ada | born in | London\nAda | aunt | Byron");
  extraction_sample const sample{.completion = foreign, .gold = &gold, .guide = &guide};
  CHECK(reward(sample).kind == reward_class::invalid_label);
  reward.unknown_relation_fails = false;
  CHECK(*find_part(reward(sample), "triple_f1") == Approx(2.0 / 6));

  reward.matching = with_types(exact_facts);
  CHECK(evaluate(reward, sample).status == outcome_status::error);  // the form has no types
  reward.form = answer_form::typed_triples;
  CHECK(reward(sample).kind == reward_class::invalid_label);
  CHECK_THROWS_AS(reward(extraction_sample{.completion = completion}), argument_error);
  reward.form = answer_form::pairs;
  CHECK_THROWS_AS(reward(sample), argument_error);
}

TEST_CASE("pairs of concepts are compared by identifier") {
  extraction_example gold;
  gold.id = "1";
  gold.entities = {{.id = "D015738", .types = {"Chemical"}, .names = {"Famotidine", "famotidine"}},
                   {.id = "D003693", .types = {"Disease"}, .names = {"delirium", "acute confusion"}},
                   {.id = "D014456", .types = {"Disease"}, .names = {"ulcers"}}};
  gold.facts = {{.subject = 0, .relation = "CID", .object = 1, .evidence = {}}};
  auto const score = [&](std::string const& answer) {
    std::string const completion = respond(answer);
    return document_pairs_reward{}(extraction_sample{.completion = completion, .gold = &gold});
  };
  CHECK(score("famotidine | Acute confusion").value == 3);
  CHECK(score("D015738 | D003693").value == 3);
  CHECK(score("D015738|delirium\nFamotidine|delirium\nfamotidine|acute confusion").value == 3);  // one pair
  CHECK(score("D015738|delirium\nFamotidine|delirium").kind == reward_class::correct);
  CHECK(score("famotidine|delirium\nfamotidine|ulcers").value == Approx(1 + 2 * 2.0 / 3));
  CHECK(*find_part(score("famotidine|delirium\nfamotidine|x\nfamotidine|y"), "pair_f1") == 0.5);
  CHECK(score("delirium | famotidine").value == 1);
  CHECK(score("").value == 1);
  CHECK(score("famotidine causes delirium").kind == reward_class::invalid_label);
  CHECK(score("famotidine | CID | delirium").value == -3);

  document_pairs_reward reward;
  std::string const pair = respond("famotidine | delirium");
  reward.ids_are_names = false;
  CHECK(reward(extraction_sample{.completion = pair, .gold = &gold}).value == 3);
  std::string const by_id = respond("D015738 | D003693");
  CHECK(reward(extraction_sample{.completion = by_id, .gold = &gold}).value == 1);
  gold.facts.clear();
  std::string const nothing = respond("\n");
  CHECK(reward(extraction_sample{.completion = nothing, .gold = &gold}).value == 3);
  CHECK(reward(extraction_sample{.completion = pair, .gold = &gold}).value == 1);
  gold.facts = {{.subject = 0, .relation = "CID", .object = 1, .evidence = {}},
                {.subject = 0, .relation = "cures", .object = 2, .evidence = {}}};
  CHECK_THROWS_AS(reward(extraction_sample{.completion = pair, .gold = &gold}), argument_error);
}

TEST_CASE("micro and macro averages") {
  extraction_figures figures;
  auto const add = [&](std::size_t matched, std::size_t predicted, std::size_t gold, double quality = 1) {
    fact_scores scores;
    scores.facts = {counts(matched, predicted, gold), quality};
    figures.add(scores);
  };
  add(1, 2, 4);
  add(0, 0, 0);
  add(3, 3, 3);
  add(0, 2, 1);
  CHECK(figures.facts.micro().count == counts(4, 7, 8));
  CHECK(figures.facts.micro().f1() == Approx(8.0 / 15));
  CHECK(figures.facts.macro().precision == Approx((0.5 + 1 + 1 + 0) / 4));
  CHECK(figures.facts.macro().recall == Approx((0.25 + 1 + 1 + 0) / 4));
  CHECK(figures.facts.macro().f1 == Approx((1.0 / 3 + 1 + 1 + 0) / 4));
  CHECK(figures.facts.perfect() == 2);
  CHECK(figures.records == 4);
  add(2, 2, 2, 0.5);  // credited: 4 whole matches and 2 halves
  CHECK(figures.facts.micro().precision() == Approx(5.0 / 9));
}

TEST_CASE("settings and gold that contradict themselves are refused") {
  extraction_example gold = document();
  for (double const threshold : {0.0, -1.0, 1.5, 0.0 / 0.0}) {
    fact_matching policy = overlapping_facts;
    policy.threshold = threshold;
    CHECK_THROWS_AS(fact_matcher(gold, policy), argument_error);
  }
  gold.facts[0].object = 5;
  CHECK_THROWS_AS(fact_matcher(gold), argument_error);
  gold = document();
  gold.entities[1].names.clear();
  CHECK_THROWS_AS(fact_matcher(gold), argument_error);
  gold = document();
  gold.facts[1].relation.clear();
  CHECK_THROWS_AS(fact_matcher(gold), argument_error);
  std::vector<triple> many;
  for (int i = 0; i <= static_cast<int>(fact_matcher::most_overlap_facts); ++i)
    many.push_back({"a", "r", std::to_string(i)});
  CHECK_NOTHROW(fact_matcher(example_of(many), exact_facts));
  CHECK_THROWS_AS(fact_matcher(example_of(many), overlapping_facts), argument_error);
}

TEST_CASE("a hundred thousand facts are scored in time") {
  extraction_example gold;
  std::vector<triple> triples;
  for (int i = 0; i < 100; ++i)
    triples.push_back({"common word " + std::to_string(i), "r", "common word " + std::to_string(i * 7 % 100)});
  gold = example_of(triples);
  std::string near_misses, foreign;
  for (int i = 0; i < 100'000; ++i) {
    near_misses += "common word " + std::to_string(i) + "|r|common word " + std::to_string(i / 3) + "\n";
    if (i % 5 == 0) foreign += "x" + std::to_string(i) + "|r" + std::to_string(i) + "|y" + std::to_string(i) + "\n";
  }
  std::string const no_words(1 << 20, '.');
  for (std::string const& answer : {near_misses, foreign, "a|r|" + no_words}) {
    std::string const completion = respond(answer);
    for (fact_matching const& policy : {exact_facts, credited_facts}) {
      triples_reward reward;
      reward.matching = policy;
      auto const start = std::chrono::steady_clock::now();
      outcome const result = reward(extraction_sample{.completion = completion, .gold = &gold});
      std::chrono::duration<double, std::milli> const elapsed = std::chrono::steady_clock::now() - start;
      CAPTURE(static_cast<int>(policy.names), elapsed.count());
      CHECK(result.has_value());
      CHECK(elapsed.count() < test::time_limit(3000));  // comparing all with all would take minutes
    }
  }
}
