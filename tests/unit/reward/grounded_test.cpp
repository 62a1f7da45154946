// SPDX-License-Identifier: MIT
#include <rlvr/core/random.hpp>
#include <rlvr/reward/grounded.hpp>
#include <rlvr/reward/measures/sequences.hpp>

#include <cmath>
#include <span>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward;
using Catch::Matchers::Contains;
using rlvr::argument_error;

namespace {

std::vector<candidate_worth> const ab{{"A", 2}, {"B", 1}};
std::vector<candidate_worth> const abc{{"A", 3}, {"B", 2}, {"C", 1}};
std::string const reference = "t0 t1 t2 t3 t4 t5 t6 t7 t8 t9 t10 t11 t12 t13 t14 t15 t16 t17 t18 t19";

// The tokens first .. last - 1 of the reference.
std::string tokens(int first, int last) {
  std::string text;
  for (int i = first; i < last; ++i) text += (i > first ? " t" : "t") + std::to_string(i);
  return text;
}

// An answer of which `supported` of `all` claims are supported, each by this evidence.
judged_answer answer(std::string const& id, int supported, int all, std::string const& evidence = tokens(0, 10)) {
  judged_answer result{.id = id, .answer = "x", .claims = {}};
  for (int i = 0; i < all; ++i) {
    result.claims.push_back({"c", i < supported, {}, "because"});
    if (i < supported) result.claims.back().evidence = {evidence};
  }
  return result;
}
std::string json(judged_answer const& each) {
  std::string text = R"({"id":")" + each.id + R"(","answer":")" + each.answer + R"(","atomic_claims":[)";
  for (std::size_t i = 0; i < each.claims.size(); ++i) {
    atomic_claim const& claim = each.claims[i];
    text += i > 0 ? "," : "";
    text += R"({"claim":"c","is_supported":)" + std::string(claim.supported ? "true" : "false");
    text += R"(,"grounding_evidence":[)" + (claim.evidence.empty() ? "" : '"' + claim.evidence.front() + '"');
    text += R"(],"analysis":"because"})";
  }
  return text + "]}";
}
std::string json(std::vector<judged_answer> const& answers) {
  std::string text = "[";
  for (std::size_t i = 0; i < answers.size(); ++i) text += (i > 0 ? ",\n" : "") + json(answers[i]);
  return text + "]";
}
outcome scored(std::string const& text, std::vector<candidate_worth> const& gold = ab,
               grounded_reward<> const& reward = {}) {
  return reward(grounded_sample{.completion = text, .prefill = {}, .reference = reference, .gold = gold});
}
outcome scored(std::vector<judged_answer> const& answers, std::vector<candidate_worth> const& gold = ab,
               grounded_reward<> const& reward = {}) {
  return scored(json(answers), gold, reward);
}

}  // namespace

TEST_CASE("grounded: the truth table") {
  grounded_reward<> const reward;
  CHECK(reward.value(true, true, 0.8) == Approx(1.4));
  CHECK(reward.value(true, false, 0.8) == 0);
  CHECK(reward.value(false, true, 0.8) == -0.5);
  CHECK(reward.value(false, false, 0.8) == -0.5);
  CHECK(reward.value(true, true, 1) == 1.5);
  CHECK(reward.value(true, true, 0) == 1);

  // Evidence of 10 tokens, 8 of them in one run of the reference: r_e = 0.8.
  std::string const evidence = "no " + tokens(3, 11) + " no";
  outcome const right = scored({answer("B", 0, 2), answer("A", 2, 2, evidence)});
  CHECK(right.value == Approx(1.4));
  CHECK(right.kind == reward_class::correct);
  CHECK(right.passed);
  CHECK(*find_part(right, "evidence") == Approx(0.8));
  outcome const swapped = scored({answer("A", 0, 2), answer("B", 2, 2, evidence)});
  CHECK(swapped.value == 0);
  CHECK(swapped.kind == reward_class::wrong_label);
  CHECK_FALSE(swapped.passed);
  CHECK(swapped.well_formed());
  outcome const broken = scored("Here: " + json({answer("A", 2, 2, evidence), answer("B", 0, 2)}));
  CHECK(broken.value == -0.5);
  CHECK(broken.kind == reward_class::bad_format);
}

TEST_CASE("grounded: S and strict order") {
  CHECK(answer("A", 2, 3).support() == Approx(2.0 / 3));
  CHECK(answer("A", 0, 0).support() == 0);
  CHECK(scored({answer("A", 2, 2), answer("B", 1, 2)}).value > 1);
  CHECK(scored({answer("A", 1, 2), answer("B", 2, 4)}).value == 0);  // a tie
  std::vector<judged_answer> const tie_below{answer("A", 2, 2), answer("B", 1, 2), answer("C", 1, 2)};
  CHECK(scored(tie_below, abc).value == 0);
  grounded_reward<> weaker;
  weaker.rule = grounded_rule::best_on_top;
  CHECK(scored(tie_below, abc, weaker).value == Approx(1.5));
  CHECK(scored({answer("A", 1, 2), answer("B", 1, 2), answer("C", 0, 2)}, abc, weaker).value == 0);
}

TEST_CASE("grounded: evidence counts from ten tokens on") {
  auto const evidence = [](std::string const& span) {
    return *find_part(scored({answer("A", 1, 1, span), answer("B", 0, 1)}), "evidence");
  };
  CHECK(evidence(tokens(0, 9)) == 0);
  CHECK(evidence(tokens(0, 10)) == 1);
  CHECK(evidence(tokens(5, 20)) == 1);
  CHECK(evidence(tokens(0, 5) + " x " + tokens(5, 10)) == Approx(5.0 / 11));
  CHECK(evidence("a b c d e f g h i j") == 0);
  // The mean over all evidence; without any, 0.
  CHECK(*find_part(scored({answer("A", 1, 1), answer("B", 1, 2, tokens(0, 9))}), "evidence") == 0.5);
  CHECK(grounded_reward<>{}.evidence({{answer("A", 0, 3)}, ""}, reference) == 0);
  CHECK(grounded_reward<>{}.evidence({{answer("A", 1, 1)}, ""}, "") == 0);
}

TEST_CASE("grounded: evidence against the longest common substring of every pair") {
  rlvr::random_stream random(5);
  auto const draw = [&](std::size_t size) {
    std::vector<int> sequence(size);
    for (int& each : sequence) each = static_cast<int>(random.below(4));
    return sequence;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<int> const text = draw(random.below(40));
    std::vector<int> const span = draw(10 + random.below(10));
    std::size_t longest = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      for (std::size_t j = 0; j < span.size(); ++j) {
        std::size_t run = 0;
        while (i + run < text.size() && j + run < span.size() && text[i + run] == span[j + run]) ++run;
        longest = std::max(longest, run);
      }
    }
    measures::verbatim_share<int> const measure(text);
    CHECK(measure(span) == Approx(static_cast<double>(longest) / static_cast<double>(span.size())).epsilon(1e-12));
    CHECK(longest == measures::longest_common_substring(std::span<int const>(text), std::span<int const>(span)));
  }
}

TEST_CASE("grounded: each fault of the form is found and named") {
  std::string const good = json({answer("A", 1, 1), answer("B", 0, 1)});
  REQUIRE(scored(good).value == 1.5);
  auto const without = [&](std::string const& what, std::string const& instead) {
    std::string text = good;
    std::size_t const at = text.find(what);
    REQUIRE(at != std::string::npos);
    return scored(text.replace(at, what.size(), instead));
  };
  struct fault {
    char const* what;
    char const* instead;
    char const* says;
  };
  for (fault const& each : {
           fault{"\"id\"", "\"name\"", "\"id\""},
           fault{"\"A\"", "1", "\"id\""},
           fault{"\"answer\"", "\"text\"", "\"answer\""},
           fault{"\"atomic_claims\"", "\"claims\"", "\"atomic_claims\""},
           fault{"\"claim\"", "\"said\"", "\"claim\""},
           fault{"\"is_supported\"", "\"ok\"", "\"is_supported\""},
           fault{"true", "\"true\"", "\"is_supported\""},
           fault{"\"grounding_evidence\"", "\"proof\"", "\"grounding_evidence\""},
           fault{"\"analysis\"", "\"why\"", "\"analysis\""},
           fault{"[\"t0 t1 t2 t3 t4 t5 t6 t7 t8 t9\"]", "[]", "no evidence"},
           fault{"[\"t0 t1 t2 t3 t4 t5 t6 t7 t8 t9\"]", "[\" \\u200b\"]", "no evidence"},
           fault{"[\"t0 t1 t2 t3 t4 t5 t6 t7 t8 t9\"]", "[7]", "no text"},
           fault{"\"B\"", "\"A\"", "twice"},
           fault{"\"B\"", "\"D\"", "no candidate"},
           fault{"[{\"claim\"", "[3,{\"claim\"", "no object"},
           fault{"[{\"id\"", "[3,{\"id\"", "no object"},
       }) {
    INFO(each.what << " -> " << each.instead);
    outcome const result = without(each.what, each.instead);
    CHECK(result.value == -0.5);
    CHECK(result.kind == reward_class::bad_format);
    CHECK_THAT(result.diagnosis, Contains(each.says));
  }
  CHECK_THAT(scored({answer("A", 1, 1)}).diagnosis, Contains("1 of 2"));
  CHECK(scored({answer("A", 1, 1), answer("B", 0, 1), answer("A", 1, 1)}).value == -0.5);
}

TEST_CASE("grounded: hostile text gets a class and a finite value") {
  for (std::string const& text : {
           std::string(),
           std::string("null"),
           std::string("{}"),
           std::string("[]"),
           std::string("[NaN]"),
           std::string(1 << 20, '['),
           std::string(1 << 20, '"'),
           std::string("[{\"id\":\"A\",\"id\":\"B\"}]"),
           std::string("[\"\xFF\"]"),
           "[" + std::string(5000, '[') + std::string(5000, ']') + "]",
       }) {
    INFO(text.substr(0, 40));
    outcome const result = scored(text);
    CHECK(result.has_value());
    CHECK(result.value == -0.5);
    CHECK(result.kind == reward_class::bad_format);
    CHECK_FALSE(result.diagnosis.empty());
  }
  // A megabyte of claims is read, and costs no more than its length.
  judged_answer const long_one = answer("A", 5000, 5000, tokens(0, 20));
  CHECK(scored({long_one, answer("B", 0, 1)}).value == 1.5);
}

TEST_CASE("grounded: bad gold is named, whatever the judgement") {
  for (std::string const& text : {json({answer("A", 1, 1), answer("B", 0, 1)}), std::string("junk")}) {
    CHECK_THROWS_WITH(scored(text, {}), Contains("no candidate"));
    CHECK_THROWS_WITH(scored(text, {{"A", 1}, {"A", 2}}), Contains("twice"));
    CHECK_THROWS_AS(scored(text, {{"A", 1}, {"B", 1}}), argument_error);
    CHECK_THROWS_AS(scored(text, {{"A", 1}, {"B", std::nan("")}}), argument_error);
  }
}

TEST_CASE("pairwise accuracy with ties") {
  pair_accuracy figures;
  CHECK(figures.middle() == 0);
  for (int i = 0; i < 48; ++i) figures.add(1, 0.5);
  figures.add(0.5, 0.5);
  figures.add(0, 1);
  CHECK(figures.best() == Approx(0.98));
  CHECK(figures.middle() == Approx(0.97));
  CHECK(figures.worst() == Approx(0.96));
  figures.add(std::nan(""), 0);
  CHECK(figures.wrong == 2);
  // RAG-Zeval on the faithfulness of WikiEval, ties in 0.016 of the pairs: 1.000 / .992 / .984.
  pair_accuracy const published{.right = 984, .tied = 16, .wrong = 0};
  CHECK(published.best() == 1);
  CHECK(published.middle() == Approx(0.992));
  CHECK(published.worst() == Approx(0.984));
}
