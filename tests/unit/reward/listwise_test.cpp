// SPDX-License-Identifier: MIT
#include <rlvr/reward/listwise.hpp>
#include <rlvr/reward/masked_names.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward;
using Catch::Matchers::Contains;
using rlvr::argument_error;

namespace {

using candidates = std::vector<candidate_score>;
candidates const abc{{"a", 5}, {"b", 3}, {"c", 1}};
std::string const long_reasoning(51, 'x');

// A complete judgement with reasoning of a length.
std::string judgement(std::string const& scores, std::string const& ranking, std::string const& reasoning) {
  return "<think>" + reasoning + "</think>\n{\"scores\": {" + scores + "}, \"best-to-worst\": [" + ranking + "]}";
}
std::string const perfect = judgement(R"("a":5,"b":3,"c":1)", R"("a","b","c")", long_reasoning);

outcome scored(std::string const& text, candidates const& gold = abc, listwise_reward const& reward = {}) {
  return reward(listwise_sample{.completion = text, .prefill = {}, .gold = gold});
}
double part(outcome const& result, char const* name) {
  double const* const found = find_part(result, name);
  return found ? *found : -99;
}
double format_of(std::string const& text, candidates const& gold = abc) { return part(scored(text, gold), "format"); }

}  // namespace

TEST_CASE("listwise: the published pair term") {
  // Pairs weigh 3, 5, 3; reversed a-b costs 3, reversed a-c costs 5, the tie b-c 1.5: 1 - 9.5 / 11.
  outcome const result = scored(judgement(R"("a":3,"b":4,"c":4)", R"("b","c","a")", "x"));
  CHECK(part(result, "pairs") == Approx(1.5 / 11).epsilon(1e-12));
  CHECK(part(result, "pairs") == Approx(0.136364).margin(1e-6));
  CHECK(result.kind == reward_class::partial);
  CHECK_FALSE(result.passed);
}

TEST_CASE("listwise: a perfect judgement earns 1 in every term, gold ties included") {
  outcome const result = scored(perfect);
  for (char const* const name : {"format", "accuracy", "pairs", "distance", "near", "ranking"}) {
    CHECK(part(result, name) == Approx(1).epsilon(1e-12));
  }
  CHECK(result.value == Approx(1).epsilon(1e-12));
  CHECK(result.passed);
  CHECK(result.kind == reward_class::correct);

  candidates const tied{{"a", 4}, {"b", 4}, {"c", 2}};
  CHECK(scored(judgement(R"("a":4,"b":4,"c":2)", R"("b","a","c")", long_reasoning), tied).value == Approx(1));
  candidates const equal{{"a", 4}, {"b", 4}};
  CHECK(scored(judgement(R"("a":4,"b":4)", R"("b","a")", long_reasoning), equal).value == Approx(1));
  candidates const one{{"a", 4}};
  CHECK(scored(judgement(R"("a":4)", R"("a")", long_reasoning), one).value == Approx(1));
}

TEST_CASE("listwise: a reversed judgement earns no pair and no ranking term") {
  outcome const result = scored(judgement(R"("a":1,"b":3,"c":5)", R"("c","b","a")", long_reasoning));
  CHECK(part(result, "pairs") == 0);
  CHECK(part(result, "ranking") == 0);
  CHECK(part(result, "near") == Approx(1.0 / 3));      // b alone
  CHECK(part(result, "distance") == Approx(1.0 / 3));  // 0, 1, 0
  CHECK(result.value == Approx(0.15 + 0.85 * (2.0 / 3 / 4)));
}

TEST_CASE("listwise: terms by hand") {
  outcome const result = scored(judgement(R"("a":4,"b":3,"c":3)", R"("a","c","b")", "x"));
  CHECK(part(result, "pairs") == Approx(1 - 1.5 / 11));  // the tie b-c
  CHECK(part(result, "distance") == Approx((0.75 + 1 + 0.5) / 3));
  CHECK(part(result, "near") == Approx((0.5 + 1 + 0) / 3));
  CHECK(part(result, "ranking") == Approx((2.0 / 3 + 1) / 2));  // tau 1/3; a on top
  listwise_reward reward;
  reward.top = 2;
  CHECK(part(scored(judgement(R"("a":4,"b":3,"c":3)", R"("a","c","b")", "x"), abc, reward), "ranking") ==
        Approx((2.0 / 3 + 0.5) / 2));
  std::string const swapped = judgement(R"("a":4,"b":4,"c":3)", R"("b","a","c")", "x");
  CHECK(part(scored(swapped, abc, reward), "ranking") == Approx((2.0 / 3 + 1) / 2));  // both of the first two
  // Where a name comes first counts.
  CHECK(part(scored(judgement("", R"("a","b","c","a")", "x")), "ranking") == 1);
  reward.distance_weight = reward.near_weight = reward.ranking_weight = 0;
  outcome const pairs_only = scored(judgement(R"("a":4,"b":3,"c":3)", R"("a","c","b")", "x"), abc, reward);
  CHECK(part(pairs_only, "accuracy") == Approx(1 - 1.5 / 11));
  CHECK(pairs_only.value == Approx(0.15 * part(pairs_only, "format") + 0.85 * part(pairs_only, "accuracy")));
}

TEST_CASE("listwise: every item of the released format reward") {
  std::string const answer_text = R"({"scores":{"a":5,"b":3,"c":1},"best-to-worst":["a","b","c"]})";
  CHECK(format_of("<think>" + std::string(51, 'x') + "</think>" + answer_text) == Approx(1.0));
  CHECK(format_of("<think>" + std::string(50, 'x') + "</think>" + answer_text) == Approx(0.95));  // "exceeds 50"
  std::string umlauts;
  for (int i = 0; i < 50; ++i) umlauts += "\xC3\xA4";
  CHECK(format_of("<think>" + umlauts + "</think>" + answer_text) == Approx(0.95));  // characters, not bytes
  CHECK(format_of("<think>" + std::string(60, ' ') + "</think>" + answer_text) == Approx(0.95));
  CHECK(format_of(answer_text) == Approx(0.80));
  CHECK(format_of("</think>" + answer_text) == Approx(0.85));
  CHECK(format_of("</think><think>" + answer_text) == Approx(0.80));  // 0.05; and the JSON had to be cut out
  CHECK(format_of("x</think>```json\n" + answer_text + "\n```") == Approx(0.80));  // cut out: 0.15
  CHECK(format_of(R"({"scores":{"a":5,"b":3,"c":1},"best-to-worse":["a","b","c"]})") == Approx(0.80));
  CHECK(format_of(R"({"scores":{"a":5,"b":3,"c":1}})") == Approx(0.50));
  CHECK(format_of(R"({"best-to-worst":["a","b","c"]})") == Approx(0.30));
  CHECK(format_of(R"({"scores":{"a":5},"best-to-worst":["a","b","c"]})") == Approx(0.40 + 0.2 / 3));
  CHECK(format_of(R"({"scores":{"a":5,"b":3,"c":1},"best-to-worst":["a","c","b"]})") == Approx(0.70));
  CHECK(format_of("{}") == Approx(0.20));
  CHECK(format_of("") == 0);
  // A prefill that opens the reasoning counts.
  std::string const rest = "x</think>" + answer_text;
  listwise_sample const prefilled{.completion = rest, .prefill = "<think>", .gold = abc};
  CHECK(part(listwise_reward{}(prefilled), "format") == Approx(0.95));
}

TEST_CASE("listwise: consistency cannot be had by naming one candidate, or one again and again") {
  auto const consistency = [](candidates scores, std::vector<std::string> ranking) {
    listwise_judgement written;
    written.scores = std::move(scores);
    written.ranking = std::move(ranking);
    return ranking_consistency(written, 3);
  };
  CHECK(consistency(abc, {"a", "b", "c"}) == 1);
  CHECK(consistency({{"a", 2}, {"b", 2}, {"c", 2}}, {"c", "a", "b"}) == 1);
  CHECK(consistency(abc, {"b", "a", "c"}) == 0.5);
  CHECK(consistency(abc, {"c", "b", "a"}) == 0);
  CHECK(consistency(abc, {"a"}) == 0);
  CHECK(consistency(abc, {}) == 0);
  CHECK(consistency(abc, {"a", "a", "a"}) == 0);
  CHECK(consistency(abc, {"a", "x", "b"}) == 0);
}

TEST_CASE("listwise: leaving candidates out does not pay") {
  std::string const one = judgement(R"("a":5)", R"("a")", long_reasoning);
  CHECK(part(scored(one), "pairs") == 0);
  CHECK(part(scored(one), "ranking") == 0.5);  // only the top is right
  CHECK(scored(one).kind == reward_class::bad_format);
  CHECK_THAT(scored(one).diagnosis, Contains("1 of 3 candidates"));
  std::string const two = judgement(R"("a":5,"c":1)", R"("a","c")", long_reasoning);
  CHECK(part(scored(two), "pairs") == Approx(1.0 / 3));
  listwise_reward released;
  released.omission_costs = false;
  CHECK(part(scored(one, abc, released), "pairs") == 1);
  // Names and scores that nobody asked for count for nothing.
  CHECK(part(scored(judgement(R"("a":9,"b":0,"d":5)", R"("d","e")", "x")), "accuracy") == 0);
  CHECK(scored(judgement(R"("a":9,"b":0,"d":5)", R"("d","e")", "x")).kind == reward_class::bad_format);
  // With equal gold, silence must not be perfect.
  CHECK(part(scored("{}", {{"a", 3}, {"b", 3}}), "accuracy") == 0);
}

TEST_CASE("listwise: hostile text gets a class and a finite value") {
  std::string const bad[] = {
      "",
      "{",
      "}{",
      std::string(1 << 20, '['),
      std::string(1 << 20, '{'),
      "{\"scores\":" + std::string(1000, '[') + std::string(1000, ']') + "}",
      R"({"scores":{"a":5,"a":1,"b":3,"c":1},"best-to-worst":["a","b","c"]})",
      R"({"scores":{"a":NaN,"b":Infinity,"c":1},"best-to-worst":["a","b","c"]})",
      R"({"scores":{"a":1e999,"b":3,"c":1},"best-to-worst":["a","b","c"]})",
      R"({"scores":{"a":"5","b":true,"c":null},"best-to-worst":[1,{},[]]})",
      R"({"scores":[5,3,1],"best-to-worst":"a"})",
      R"([{"scores":{"a":5}}])",
      std::string("{\"scores\":{\"a\0\":5},\"best-to-worst\":[]}", 38),
      "<think>\xFF\xFE</think>{\"scores\":{\"\xFF\":5}}",
  };
  for (std::string const& text : bad) {
    INFO(text.substr(0, 60));
    outcome const result = scored(text);
    CHECK(result.has_value());
    CHECK(result.kind == reward_class::bad_format);
    CHECK(part(result, "accuracy") == 0);
    CHECK(result.value >= 0);
    CHECK(result.value <= 0.15);
    CHECK_FALSE(result.diagnosis.empty());
  }
  std::string many = R"({"best-to-worst":["a","b","c"],"scores":{"a":5,"b":3,"c":1)";
  for (int i = 0; many.size() < (1 << 20); ++i) many += ",\"d" + std::to_string(i) + "\":3";
  CHECK(scored(many + "}}").kind == reward_class::correct);
}

TEST_CASE("listwise: bad gold and bad configuration are named") {
  CHECK_THROWS_WITH(scored(perfect, {}), Contains("no candidate"));
  CHECK_THROWS_WITH(scored(perfect, {{"a", 1}, {"a", 2}}), Contains("twice"));
  CHECK_THROWS_WITH(scored(perfect, {{"a", 6}}), Contains("the scale is 1"));
  CHECK_THROWS_AS(scored(perfect, {{"a", std::nan("")}}), argument_error);
  CHECK_THROWS_AS(listwise_reward{}.format(listwise_judgement{}, candidates{{"a", std::nan("")}}), argument_error);
  listwise_reward reward;
  reward.near_weight = -1;
  CHECK_THROWS_WITH(scored(perfect, abc, reward), Contains("weight"));
  reward = {};
  reward.pairs_weight = reward.distance_weight = reward.near_weight = reward.ranking_weight = 0;
  CHECK_THROWS_WITH(scored(perfect, abc, reward), Contains("all four"));
  reward = {};
  reward.top = 0;
  CHECK_THROWS_AS(scored(perfect, abc, reward), argument_error);
  reward = {};
  reward.highest = reward.lowest;
  CHECK_THROWS_WITH(scored(perfect, abc, reward), Contains("scale"));
}

TEST_CASE("masked names round-trip and repeat") {
  for (std::size_t const count : {0U, 1U, 2U, 7U, 100U}) {
    masked_names const names(count, 42);
    std::set<std::string> masks;
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(names.candidate(names.mask(i)) == i);
      CHECK(names.order()[static_cast<std::size_t>(std::stoul(names.mask(i).substr(6))) - 1] == i);
      masks.insert(names.mask(i));
    }
    CHECK(masks.size() == count);
    CHECK_THROWS_AS(names.mask(count), argument_error);
  }
  auto const order = [](std::uint64_t seed) {
    masked_names const names(50, seed);
    return std::vector<std::size_t>(names.order().begin(), names.order().end());
  };
  CHECK(order(1) == order(1));
  CHECK(order(1) != order(2));
  std::vector<std::size_t> sorted = order(1);
  std::sort(sorted.begin(), sorted.end());
  CHECK(order(1) != sorted);
  masked_names const three(3, 7);
  for (char const* const text : {"", "model-", "model-0", "model-4", "model-01", "model-+1", "model--1", "model-1 ",
                                 "Model-1", "model-99999999999999999999999", "model-1x"}) {
    CHECK_FALSE(three.candidate(text).has_value());
  }
}
