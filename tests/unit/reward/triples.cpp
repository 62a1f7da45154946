// SPDX-License-Identifier: MIT
#include <rlvr/reward/process.hpp>
#include <rlvr/reward/triples.hpp>

#include <chrono>
#include <random>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>
#include <vector>

using namespace rlvr::reward;

namespace {

// F1 by its definition: every pair compared, precision and recall apart, nothing sorted.
double brute_force_f1(std::vector<std::string> const& predicted, std::vector<std::string> const& gold) {
  auto const distinct = [](std::vector<std::string> const& list) {
    std::vector<std::string> unique;
    for (std::string const& each : list) {
      bool seen = false;
      for (std::string const& other : unique) seen = seen || other == each;
      if (!seen) unique.push_back(each);
    }
    return unique;
  };
  auto const p = distinct(predicted);
  auto const g = distinct(gold);
  if (p.empty() && g.empty()) return 1;
  double hits = 0;
  for (auto const& a : p) {
    for (auto const& b : g) hits += a == b;
  }
  if (hits == 0) return 0;
  double const precision = hits / static_cast<double>(p.size());
  double const recall = hits / static_cast<double>(g.size());
  return 2 * precision * recall / (precision + recall);
}

std::string respond(std::string const& answer) { return "<think>x</think><answer>" + answer + "</answer>"; }

}  // namespace

TEST_CASE("answers are read as one triple a line") {
  CHECK(parse_triples("")->empty());
  CHECK(parse_triples(" \n\r\n\t")->empty());
  CHECK(*parse_triples(" a \t b |  r|c\r\n\nd|r2|e f ") == std::vector<triple>{{"a b", "r", "c"}, {"d", "r2", "e f"}});
  for (char const* text : {"a", "a|b", "a|b|c|d", "|b|c", "a||c", "a|b| ", "a|b|c\nd", "||", "a|b|c|"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_triples(text));
  }
  CHECK(normalise_white_space(" \ta \r\n b\n") == "a b");
  CHECK(normalise_white_space(" \n ").empty());
}

TEST_CASE("the reward is the gated, weighted F1") {
  std::vector<triple> const gold{{"aspirin", "treats", "pain"}, {"smoke", "causes", "cough"}};
  auto const score = [&](std::string const& completion) {
    return triples_reward{}(triple_sample{.completion = completion, .gold = gold});
  };
  outcome const full = score(respond("smoke|causes|cough\naspirin | treats | pain\nsmoke|causes|cough"));
  CHECK(full.value == Approx(3));
  CHECK(full.kind == reward_class::correct);
  CHECK(full.passed);

  // One of two triples and an invented one over known entities: F1_t = 2*1/4, entities {aspirin, pain, smoke} of
  // {aspirin, pain, smoke, cough}: F1_e = 2*3/7.
  outcome const half = score(respond("aspirin|treats|pain\nsmoke|treats|pain"));
  CHECK(half.value == Approx(1 + 2 * (0.3 * 6.0 / 7 + 0.7 * 0.5)));
  CHECK(*find_part(half, "entity_f1") == Approx(6.0 / 7));
  CHECK(*find_part(half, "triple_f1") == 0.5);
  CHECK(half.kind == reward_class::partial);
  CHECK_FALSE(half.passed);

  CHECK(score(respond("x|y|z")).value == 1);
  CHECK(score(respond("x|y|z")).kind == reward_class::wrong_label);
  CHECK(score(respond("")).value == 1);
  CHECK(score(respond("smoke causes cough")).value == -3);
  CHECK(score(respond("smoke causes cough")).kind == reward_class::invalid_label);
  CHECK(score("smoke|causes|cough").value == -3);
  CHECK(score("smoke|causes|cough").kind == reward_class::bad_format);

  std::string const nothing = respond(" ");
  CHECK(triples_reward{}(triple_sample{.completion = nothing}).value == Approx(3));  // empty is the right answer

  rlvr::text::guideline guide;
  guide.relations = {{.name = "treats"}, {.name = "causes"}};
  std::string const foreign = respond("smoke|worsens|cough");
  triple_sample sample{.completion = foreign, .gold = gold};
  CHECK(triples_reward{}(sample).value > 1);  // its entities are right
  sample.guide = &guide;
  CHECK(triples_reward{}(sample).kind == reward_class::invalid_label);
}

TEST_CASE("F1 agrees with brute force on random sets") {
  std::mt19937 random(3);
  char const* const names[] = {"a", "b", "c", "d"};
  auto const draw = [&] {
    std::vector<triple> list(random() % 6);
    for (triple& each : list) each = {names[random() % 4], names[random() % 2], names[random() % 4]};
    return list;
  };
  for (int round = 0; round < 5000; ++round) {
    auto const predicted = draw();
    auto const gold = draw();
    std::string answer;
    std::vector<std::string> predicted_keys, gold_keys, predicted_entities, gold_entities;
    for (triple const& each : predicted) {
      answer += " " + each.subject + "\t|" + each.relation + " | " + each.object + "\r\n";
      predicted_keys.push_back(each.subject + "," + each.relation + "," + each.object);
      predicted_entities.insert(predicted_entities.end(), {each.subject, each.object});
    }
    for (triple const& each : gold) {
      gold_keys.push_back(each.subject + "," + each.relation + "," + each.object);
      gold_entities.insert(gold_entities.end(), {each.subject, each.object});
    }
    double const entity_f1 = brute_force_f1(predicted_entities, gold_entities);
    double const triple_f1 = brute_force_f1(predicted_keys, gold_keys);
    std::string const completion = respond(answer);
    outcome const result = triples_reward{}(triple_sample{.completion = completion, .gold = gold});
    REQUIRE(*find_part(result, "entity_f1") == Approx(entity_f1).margin(1e-12));
    REQUIRE(*find_part(result, "triple_f1") == Approx(triple_f1).margin(1e-12));
    REQUIRE(result.value == Approx(1 + 2 * (0.3 * entity_f1 + 0.7 * triple_f1)));
    REQUIRE((result.kind == reward_class::correct) == (triple_f1 == 1));
  }
}

TEST_CASE("a megabyte of triples or of blanks is scored in time") {
  for (std::string const& unit : {std::string("a|r|b\n"), std::string(" "), std::string("|"), std::string("\n"),
                                  std::string("a | r | b c\n"), std::string("a\t ")}) {
    std::string answer;
    while (answer.size() < (1 << 20)) answer += unit;
    std::string const completion = respond(answer);
    auto const start = std::chrono::steady_clock::now();
    outcome const result = triples_reward{}(triple_sample{.completion = completion});
    std::chrono::duration<double, std::milli> const elapsed = std::chrono::steady_clock::now() - start;
    CAPTURE(unit, elapsed.count());
    CHECK(result.has_value());
    CHECK(elapsed.count() < test::time_limit(2000));  // quadratic work would take hours
  }
}
