// SPDX-License-Identifier: MIT
#include <rlvr/reward/fact_matcher.hpp>
#include <rlvr/reward/measures/assignment.hpp>
#include <rlvr/reward/triples.hpp>

#include "documents.hpp"
#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::reward;
using test::counts;
using test::document;
using text::extraction_example;

namespace {

fact_scores compare(extraction_example const& gold, std::string const& answer, fact_matching const& matching,
                    text::guideline const* guide = nullptr, answer_form form = answer_form::triples,
                    bool ids_are_names = false) {
  auto const facts = parse_facts(answer, form, "CID");
  REQUIRE(facts);
  return fact_matcher(gold, matching, guide, ids_are_names).score(*facts);
}

// The greatest total weight by trying every order of the longer side.
double best_by_permutation(std::vector<std::vector<double>> weights) {
  if (weights.empty() || weights.front().empty()) return 0;
  if (weights.size() > weights.front().size()) {
    std::vector<std::vector<double>> turned(weights.front().size(), std::vector<double>(weights.size()));
    for (std::size_t i = 0; i < weights.size(); ++i) {
      for (std::size_t j = 0; j < weights[i].size(); ++j) turned[j][i] = weights[i][j];
    }
    weights = turned;
  }
  std::vector<std::size_t> order(weights.front().size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  double best = 0;
  do {
    double total = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) total += weights[i][order[i]];
    best = std::max(best, total);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

// |words of both| / |words of either|, of texts that are normal already.
double word_jaccard(std::string const& left, std::string const& right) {
  auto const words = [](std::string const& text) {
    std::set<std::string> set;
    std::string word;
    for (char const byte : text + " ") {
      if (byte != ' ') {
        word += byte;
      } else if (!word.empty()) {
        set.insert(word);
        word.clear();
      }
    }
    return set;
  };
  auto const l = words(left);
  auto const r = words(right);
  double shared = 0;
  for (auto const& word : l) shared += static_cast<double>(r.count(word));
  return shared / (static_cast<double>(l.size() + r.size()) - shared);
}

}  // namespace

TEST_CASE("the best assignment is not the greedy one") {
  using measures::weighted_pair;
  std::vector<weighted_pair> const pairs{{0, 0, 0.9}, {0, 1, 0.8}, {1, 0, 0.8}};
  CHECK(measures::best_assignment(pairs, 2, 2) == std::vector<weighted_pair>{{0, 1, 0.8}, {1, 0, 0.8}});
  CHECK(measures::best_assignment({}, 3, 0).empty());
  std::vector<weighted_pair> const worthless{{0, 0, 0.0}};
  CHECK(measures::best_assignment(worthless, 1, 1).empty());
  std::vector<weighted_pair> const twice{{0, 0, 0.2}, {0, 0, 0.5}, {0, 0, 0.1}};
  CHECK(measures::best_assignment(twice, 1, 1) == std::vector<weighted_pair>{{0, 0, 0.5}});
  for (weighted_pair const& bad : {weighted_pair{1, 0, 1.0}, weighted_pair{0, 1, 1.0}, weighted_pair{0, 0, -1.0},
                                   weighted_pair{0, 0, 1.0 / 0.0}}) {
    std::vector<weighted_pair> const list{bad};
    CHECK_THROWS_AS(measures::best_assignment(list, 1, 1), argument_error);
  }
}

TEST_CASE("the assignment agrees with all permutations") {
  std::mt19937 random(11);
  for (int round = 0; round < 1500; ++round) {
    std::size_t const rows = random() % 7;
    std::size_t const columns = random() % 6;
    unsigned const density = 1 + random() % 4;  // of 4: sparse graphs have several components
    std::vector<std::vector<double>> weights(rows, std::vector<double>(columns, 0.0));
    std::vector<measures::weighted_pair> pairs;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        if (random() % 4 >= density) continue;
        weights[i][j] = static_cast<double>(random() % 9) / 8;
        pairs.push_back({i, j, weights[i][j]});
      }
    }
    std::shuffle(pairs.begin(), pairs.end(), random);
    auto const chosen = measures::best_assignment(pairs, rows, columns);
    std::set<std::size_t> left, right;
    double total = 0;
    for (auto const& each : chosen) {
      REQUIRE(left.insert(each.left).second);
      REQUIRE(right.insert(each.right).second);
      REQUIRE(each.weight == weights[each.left][each.right]);
      total += each.weight;
    }
    REQUIRE(total == Approx(best_by_permutation(weights)).margin(1e-12));
  }
}

TEST_CASE("names are compared by policy") {
  std::vector<triple> const gold_triples{{"The Byte, Inc.", "based in", "New York City"}, {"A", "based in", "Rome"}};
  extraction_example const gold = example_of(gold_triples);
  // Exact: one of two; entities {A, Rome} of four, three wrong ones.
  std::string const answer = "byte inc | Based In | new york city!\nA | based  in | Rome\nthe | based in | Rome";
  fact_scores const exact = compare(gold, answer, exact_facts);
  CHECK(exact.facts.count == counts(1, 3, 2));
  CHECK(exact.entities.count == counts(2, 5, 4));
  CHECK(exact.unknown_names == 3);
  // Normalised: "the" is no "A", though nothing of either survives the removal of articles.
  fact_scores const normal = compare(gold, answer, normalised_facts);
  CHECK(normal.facts.count == counts(2, 3, 2));
  CHECK(normal.entities.count == counts(4, 5, 4));
  CHECK(normal.facts.f1() == Approx(0.8));
  CHECK(normal.unknown_names == 1);
  // Overlap: {york, city} of {new, york, city} is 2/3, {byte} of {byte, inc} is 1/2.
  fact_scores const similar = compare(gold, "Byte | based in | York city\n", overlapping_facts);
  CHECK(similar.facts.count == counts(1, 1, 2));
  CHECK(similar.entities.count == counts(2, 2, 4));
  CHECK(similar.facts.f1() == Approx(2.0 / 3));
  // Credited: the fact is worth (1/2 + 2/3) / 2 = 7/12: F1 = 7/12 * 2/3.
  fact_scores const credited = compare(gold, "Byte | based in | York city\n", credited_facts);
  CHECK(credited.facts.quality == Approx(7.0 / 12));
  CHECK(credited.facts.f1() == Approx(7.0 / 18));
  CHECK(credited.facts.precision() == Approx(7.0 / 12));
  CHECK(credited.facts.recall() == Approx(7.0 / 24));
  CHECK(credited.entities.f1() == Approx(2 * (0.5 + 2.0 / 3) / 6));
  fact_matching strict = overlapping_facts;
  strict.threshold = 0.6;
  CHECK(compare(gold, "Byte | based in | York city\n", strict).facts.count == counts(0, 1, 2));
  CHECK(compare(gold, "Byte | based in | York city\n", strict).entities.count == counts(1, 2, 4));
}

TEST_CASE("white space is what Unicode calls so") {
  std::vector<triple> const triples{{"New\xC2\xA0York", "is\xE2\x80\x83in", "US"}};
  CHECK(compare(example_of(triples), "New York | is in | US", exact_facts).facts.f1() == 1);
  CHECK(compare(example_of(triples), "new York | is in | US", exact_facts).facts.f1() == 0);
  CHECK(compare(example_of(triples), "NewYork | is in | US", normalised_facts).facts.f1() == 0);
  std::vector<triple> const invisible{{"\xC2\xA0", "r", "\xE2\x80\x83"}};
  CHECK(compare(example_of(invisible), "\xE2\x80\x83|r|\xC2\xA0", exact_facts).facts.f1() == 0);
}

TEST_CASE("overlap assigns predictions to gold one to one") {
  // "red fox" overlaps with both gold objects, "red fox cub" with the second alone at 0.5.
  std::vector<triple> const triples{{"x", "saw", "red fox"}, {"x", "saw", "fox cub"}};
  extraction_example const gold = example_of(triples);
  fact_matching third = overlapping_facts;
  third.threshold = 0.3;
  CHECK(compare(gold, "x|saw|red fox", third).facts.count == counts(1, 1, 2));
  CHECK(compare(gold, "x|saw|red fox\nx|saw|red dog", third).facts.count == counts(2, 2, 2));
  CHECK(compare(gold, "x|saw|fox\nx|saw|fox fox\nx|saw|the Fox", third).facts.count == counts(1, 1, 2));
  CHECK(compare(gold, "x|saw|fox\nx|saw|red\nx|saw|cub", third).facts.count == counts(2, 3, 2));
}

TEST_CASE("overlap: near misses are wrong, repetitions are not") {
  extraction_example const gold = document();
  // Two names of Ada, one of her words: the fact is found once, and "Lovelace Ada Byron" is left over.
  std::string const answer =
      "Ada|born in|London\nLovelace Ada Byron|born in|London\nCountess of Lovelace|born in|London";
  for (fact_matching const& policy : {overlapping_facts, credited_facts}) {
    fact_scores const scores = compare(gold, answer, policy);
    CHECK(scores.facts.count == counts(1, 2, 4));
    CHECK(scores.facts.quality == 1);
    CHECK(scores.entities.count == counts(2, 3, 4));
  }
  // "Byron" is exactly both; of two more guesses the one that overlaps with another fact is assigned to it.
  fact_scores const byron =
      compare(gold, "Ada|father|Byron\nAda|mother|Byron\nAda|mother|Isabella Byron", overlapping_facts);
  CHECK(byron.facts.count == counts(2, 3, 4));
}

TEST_CASE("any name of an entity names it") {
  extraction_example const gold = document();
  fact_scores const perfect = compare(gold,
                                      "Ada | born in | London\nCountess of Lovelace | father | Lord Byron\n"
                                      "Ada Lovelace|mother|Anne Isabella Byron\nLord Byron|spouse|Anne Isabella Byron",
                                      exact_facts);
  CHECK(perfect.facts.count == counts(4, 4, 4));
  CHECK(perfect.entities.count == counts(4, 4, 4));  // the engine takes part in nothing
  // Two names, one fact; the engine is known but no part of the gold.
  fact_scores const same = compare(gold, "Ada|born in|London\nAda Lovelace|born in|London", exact_facts);
  CHECK(same.facts.count == counts(1, 1, 4));
  CHECK(same.entities.count == counts(2, 2, 4));
  CHECK(compare(gold, "Ada|born in|Paris\nAda Lovelace|born in|Paris", exact_facts).facts.count == counts(0, 1, 4));
  fact_scores const engine = compare(gold, "Ada|born in|Analytical Engine\nAda|born in|Paris", exact_facts);
  CHECK(engine.facts.count == counts(0, 2, 4));
  CHECK(engine.entities.count == counts(1, 3, 4));
  CHECK(engine.unknown_names == 1);
  // "Byron" is two people: each fact that it can state is found, and "Byron | spouse | Byron" states the one.
  fact_scores const byron = compare(gold, "Ada|father|Byron\nAda|mother|Byron\nByron|spouse|Byron", exact_facts);
  CHECK(byron.facts.count == counts(3, 3, 4));
  CHECK(byron.entities.count == counts(3, 3, 4));
  CHECK(compare(gold, "London|born in|Ada", exact_facts).facts.count == counts(0, 1, 4));
}

TEST_CASE("facts that text cannot tell apart are all found") {
  extraction_example gold = document();
  gold.entities[3].names = gold.entities[2].names = {"Byron"};
  gold.facts[2].relation = "father";
  std::string const answer = "Ada|born in|London\nAda|father|Byron\nAda|father|Byron\nByron|spouse|Byron";
  for (fact_matching const& policy : {exact_facts, normalised_facts, overlapping_facts, credited_facts}) {
    CHECK(compare(gold, answer, policy).facts.f1() == 1);
    CHECK(compare(gold, answer, policy).entities.f1() == 1);
  }
}

TEST_CASE("with types, an entity is its name and its type") {
  extraction_example const gold = document();
  auto const typed = [&](std::string const& answer, fact_matching const& policy) {
    return compare(gold, answer, policy, nullptr, answer_form::typed_triples);
  };
  std::string const right = "Ada|PER|born in|London|LOC";
  std::string const wrong = "Ada|PER|born in|London|ORG";
  for (fact_matching const& policy : {exact_facts, normalised_facts, overlapping_facts}) {
    CHECK(typed(right, with_types(policy)).facts.count == counts(1, 1, 4));
    CHECK(typed(wrong, with_types(policy)).facts.count == counts(0, 1, 4));
    CHECK(typed(wrong, with_types(policy)).entities.count == counts(1, 2, 4));
    CHECK(typed(wrong, policy).facts.count == counts(1, 1, 4));
    // No type in the gold: any is right.
    CHECK(typed("Analytical Engine|XYZ|born in|London|LOC", with_types(policy)).unknown_names == 0);
  }
  CHECK(typed("Ada|per|born in|London|loc", with_types(exact_facts)).facts.count == counts(0, 1, 4));
  CHECK(typed("Ada|per|born in|London|loc", with_types(normalised_facts)).facts.count == counts(1, 1, 4));
}

TEST_CASE("symmetric relations hold both ways") {
  extraction_example const gold = document();
  text::guideline guide;
  guide.relations = {{.name = "spouse"}, {.name = "born in"}, {.name = "father"}};
  for (fact_matching const& policy : {exact_facts, normalised_facts, overlapping_facts}) {
    std::string const both = "Anne Isabella Byron|spouse|Lord Byron\nLord Byron|spouse|Anne Isabella Byron\n";
    guide.relations[0].directed = false;
    CHECK(compare(gold, both, policy, &guide).facts.count == counts(1, 1, 4));
    CHECK(compare(gold, "Anne Isabella Byron|spouse|Lord Byron", policy, &guide).facts.count == counts(1, 1, 4));
    CHECK(compare(gold, "London|born in|Ada", policy, &guide).facts.count == counts(0, 1, 4));
    guide.relations[0].directed = true;
    CHECK(compare(gold, both, policy, &guide).facts.count == counts(1, 2, 4));
  }
  // A relation is known if the guideline has it or the gold has ("mother").
  CHECK(compare(gold, "Ada|mother|Byron", exact_facts, &guide).unknown_relations == 0);
  CHECK(compare(gold, "Ada|aunt|Byron\nAda|aunt|London\nAda|uncle|x", exact_facts, &guide).unknown_relations == 2);
  CHECK(compare(gold, "Ada|aunt|Byron", exact_facts).unknown_relations == 0);
}

TEST_CASE("counts by relation add up") {
  extraction_example const gold = document();
  auto const facts =
      parse_facts("Ada|father|Byron\nAda|father|London\nAda|born in|London\nAda|aunt|Byron", answer_form::triples);
  for (fact_matching const& policy : {exact_facts, overlapping_facts}) {
    fact_matcher const matcher(gold, policy);
    std::vector<set_score> by_relation;
    fact_scores const scores = matcher.score(*facts, &by_relation);
    CHECK(matcher.relations() == std::vector<std::string>{"born in", "father", "mother", "spouse"});
    CHECK(by_relation == std::vector<set_score>{counts(1, 1, 1), counts(1, 2, 1), counts(0, 0, 1), counts(0, 0, 1)});
    CHECK(scores.facts.count == counts(2, 4, 4));  // the aunt has no row
  }
}

TEST_CASE("overlap agrees with brute force on random facts") {
  std::mt19937 random(5);
  char const* const words[] = {"red", "fox", "old", "dog"};
  auto const draw_name = [&] {
    std::set<std::string> chosen;  // in one order: names of the same words are the same
    for (auto count = 1 + random() % 3; count > 0; --count) chosen.insert(words[random() % 4]);
    std::string name;
    for (std::string const& word : chosen) name += (name.empty() ? "" : " ") + word;
    return name;
  };
  auto const draw = [&](std::size_t most) {
    std::set<std::vector<std::string>> list;  // distinct
    for (auto count = random() % (most + 1); count > 0; --count)
      list.insert({draw_name(), random() % 2 ? "r" : "q", draw_name()});
    return std::vector<std::vector<std::string>>(list.begin(), list.end());
  };
  for (int round = 0; round < 800; ++round) {
    auto const predicted = draw(4);
    auto const gold = draw(4);
    std::string answer;
    for (auto const& each : predicted) answer += each[0] + "|" + each[1] + "|" + each[2] + "\n";
    std::vector<triple> triples;
    for (auto const& each : gold) triples.push_back({each[0], each[1], each[2]});
    fact_matching policy = round % 2 == 0 ? overlapping_facts : credited_facts;
    policy.threshold = 0.4;
    std::vector<std::vector<double>> weights(predicted.size(), std::vector<double>(gold.size(), 0.0));
    for (std::size_t i = 0; i < predicted.size(); ++i) {
      for (std::size_t j = 0; j < gold.size(); ++j) {
        double const subject = word_jaccard(predicted[i][0], gold[j][0]);
        double const object = word_jaccard(predicted[i][2], gold[j][2]);
        if (predicted[i][1] != gold[j][1] || subject < 0.4 || object < 0.4) continue;
        weights[i][j] = policy.partial_credit ? (subject + object) / 2 : 1.0;
      }
    }
    double const total = best_by_permutation(weights);
    double const sizes = static_cast<double>(predicted.size() + gold.size());
    double const f1 = sizes == 0 ? 1 : 2 * total / sizes;
    REQUIRE(compare(example_of(triples), answer, policy).facts.f1() == Approx(f1).margin(1e-12));
  }
}

TEST_CASE("properties of the figures") {
  std::mt19937 random(8);
  char const* const names[] = {"a", "B b", "c c c", "d"};
  for (int round = 0; round < 400; ++round) {
    std::vector<triple> gold, predicted;
    for (std::vector<triple>* const list : {&gold, &predicted}) {
      for (auto count = random() % 6; count > 0; --count) {
        list->push_back({names[random() % 4], random() % 2 ? "r" : "q", names[random() % 4]});
      }
    }
    auto const text = [](std::vector<triple> const& list) {
      std::string answer;
      for (triple const& each : list) answer += each.subject + " | " + each.relation + " | " + each.object + "\n";
      return answer;
    };
    for (fact_matching const& policy : {exact_facts, normalised_facts, overlapping_facts, credited_facts}) {
      fact_scores const forward = compare(example_of(gold), text(predicted), policy);
      fact_scores const backward = compare(example_of(predicted), text(gold), policy);
      // Precision of the one is recall of the other, and perfect is 1.
      REQUIRE(forward.facts.f1() == Approx(backward.facts.f1()));
      REQUIRE(forward.facts.precision() == Approx(backward.facts.recall()));
      REQUIRE(compare(example_of(gold), text(gold), policy).facts.f1() == 1);
      REQUIRE(compare(example_of(gold), text(gold), policy).entities.f1() == 1);
      // Order and repetition change nothing; another wrong fact never helps.
      std::vector<triple> shuffled = predicted;
      shuffled.insert(shuffled.end(), predicted.begin(), predicted.end());
      std::shuffle(shuffled.begin(), shuffled.end(), random);
      fact_scores const again = compare(example_of(gold), text(shuffled), policy);
      REQUIRE(again.facts.count == forward.facts.count);
      REQUIRE(again.facts.f1() == Approx(forward.facts.f1()));
      fact_scores const padded = compare(example_of(gold), text(predicted) + "zz | r | yy\n", policy);
      REQUIRE((padded.facts.f1() < forward.facts.f1() || forward.facts.f1() == 0));
    }
  }
}
