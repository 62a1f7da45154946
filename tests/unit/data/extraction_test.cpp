// SPDX-License-Identifier: MIT
#include <rlvr/data/docred.hpp>
#include <rlvr/data/pubtator.hpp>
#include <rlvr/data/text2kgbench.hpp>
#include <rlvr/reward/document_pairs.hpp>
#include <rlvr/reward/triples.hpp>

#include "shared_data.hpp"
#include <filesystem>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::data;
using text::extraction_example;

namespace {

// The facts of an example as the model would write them, each entity by its first name; all but the last `left_out`.
std::string answer_of(extraction_example const& example, bool pairs, std::size_t left_out = 0) {
  std::string answer;
  for (std::size_t i = 0; i + left_out < example.facts.size(); ++i) {
    auto const& [subject, relation, object, evidence] = example.facts[i];
    answer += reward::normalise_white_space(example.entities[subject].names.front()) + " | ";
    if (!pairs) answer += relation + " | ";
    answer += reward::normalise_white_space(example.entities[object].names.front()) + "\n";
  }
  return answer;
}

reward::outcome score(extraction_example const& example, std::string const& answer, bool pairs,
                      reward::fact_matching const& matching) {
  std::string const completion = "<think>x</think><answer>" + answer + "</answer>";
  reward::extraction_sample const sample{.completion = completion, .gold = &example};
  if (pairs) return reward::document_pairs_reward{.matching = matching}(sample);
  reward::triples_reward judge;
  judge.matching = matching;
  return judge(sample);
}

// Perfect predictions have the best reward on every record.
void check_perfect(std::vector<extraction_example> const& examples, bool pairs) {
  std::size_t imperfect = 0;
  for (extraction_example const& example : examples) {
    std::string const answer = answer_of(example, pairs);
    for (reward::fact_matching const& matching :
         {reward::exact_facts, reward::normalised_facts, reward::credited_facts}) {
      reward::outcome const result = score(example, answer, pairs, matching);
      imperfect += result.value == Approx(3).epsilon(1e-12) && result.kind == reward::reward_class::correct ? 0 : 1;
    }
  }
  CHECK(imperfect == 0);
}

std::size_t fact_count(std::vector<extraction_example> const& examples) {
  std::size_t count = 0;
  for (auto const& example : examples) count += example.facts.size();
  return count;
}

}  // namespace

TEST_CASE("a mention of two concepts names both") {
  auto const examples = parse_pubtator(
      "12|t|Drug A\n12|a|caused liver and renal failure.\n12\t0\t6\tDrug A\tChemical\tC1\n"
      "12\t14\t37\tliver and renal failure\tDisease\tD1|D2\tliver failure|renal failure\n12\tCID\tC1\tD2\n",
      "x.txt");
  CHECK(score(examples[0], "drug a | renal failure", true, reward::normalised_facts).value == 3);
  // The composite mention names both diseases, one of which is gold; the other disease alone is wrong.
  CHECK(score(examples[0], "Drug A | liver and renal failure", true, reward::exact_facts).value == 3);
  CHECK(score(examples[0], "Drug A | liver failure", true, reward::exact_facts).value == 1);
}

TEST_CASE("the whole of BC5CDR") {
  auto const folder = shared_data("data/ood/bc5cdr");
  if (!folder) return;
  struct expected {
    char const* name;
    std::size_t pairs, chemicals, diseases;
  };
  // The published figures.
  for (expected const& set : {expected{"Training", 1038, 5203, 4182}, expected{"Development", 1012, 5347, 4244},
                              expected{"Test", 1066, 5385, 4424}}) {
    auto const path = (*folder / ("CDR_" + std::string(set.name) + "Set.PubTator.txt")).string();
    std::size_t chemicals = 0, diseases = 0;
    std::vector<extraction_example> examples;
    for_each_pubtator(format::read_file(path, std::size_t{1} << 28), path, [&](pubtator_document const& document) {
      for (pubtator_mention const& each : document.mentions) ++(each.type == "Chemical" ? chemicals : diseases);
      examples.push_back(example_of(document, path));
    });
    CHECK(examples.size() == 500);
    CHECK(fact_count(examples) == set.pairs);
    CHECK(chemicals == set.chemicals);
    CHECK(diseases == set.diseases);
    check_perfect(examples, true);
    if (set.pairs != 1066) continue;
    // Abstract 8701013: famotidine induces delirium.
    CHECK(examples[0].id == "8701013");
    auto const f1 = [&](std::string const& answer) {
      return *reward::find_part(score(examples[0], answer, true, reward::normalised_facts), "pair_f1");
    };
    CHECK(f1("FAMOTIDINE | delirium\nD015738 | D003693") == 1);
    CHECK(f1("famotidine | delirium\nfamotidine | ulcers") == Approx(2.0 / 3));
    CHECK(f1("famotidine | ulcers\nfamotidine | delirium\nfamotidine | death") == Approx(0.5));
    CHECK(f1("delirium | famotidine") == 0);
    CHECK(f1("") == 0);
  }
}

TEST_CASE("the whole of Re-DocRED") {
  auto const folder = shared_data("data/ood/re_docred");
  auto const names_file = shared_data("data/ood/fewrel1_wiki/pid2name.json");
  if (!folder || !names_file) return;
  auto const names = read_relation_names(names_file->string());
  for (auto const& [name, facts] : {std::pair("dev_revised.json", 17284), std::pair("test_revised.json", 17448)}) {
    auto const examples = read_docred((*folder / name).string(), names);
    CHECK(examples.size() == 500);
    CHECK(fact_count(examples) == static_cast<std::size_t>(facts));
    check_perfect(examples, false);
    if (facts != 17284) continue;
    extraction_example const& racer = examples.front();
    CHECK(racer.id == "Willi Schneider (skeleton racer)");
    CHECK(racer.entities[0].names == std::vector<std::string>{"Wilfried \" Willi \" Schneider", "Schneider"});
    // Without the last of n facts F1 is 2 (n - 1) / (2 n - 1).
    auto const n = static_cast<double>(racer.facts.size());
    auto const result = score(racer, answer_of(racer, false, 1), false, reward::exact_facts);
    CHECK(*reward::find_part(result, "triple_f1") == Approx(2 * (n - 1) / (2 * n - 1)));
  }
}

TEST_CASE("the whole of Text2KGBench") {
  auto const folder = shared_data("data/ood/text2kgbench_wikidata_tekgen");
  if (!folder) return;
  std::size_t ontologies = 0, relations = 0, sentences = 0, facts = 0, unseen = 0, training = 0;
  for (auto const& entry : std::filesystem::directory_iterator(*folder / "ontologies")) {
    auto const ontology = read_text2kgbench_ontology(entry.path().string());
    ++ontologies;
    relations += ontology.guide.relations.size();
    auto const read = [&](std::string const& name) { return read_text2kgbench((*folder / name).string(), &ontology); };
    auto const gold = read("ground_truth/" + ontology.id + "_ground_truth.jsonl");
    auto const extra = read("unseen_sentences/ground_truth/" + ontology.id + "_unseen_ground_truth.jsonl");
    auto const train = read("train/" + ontology.id + "_train.jsonl");
    sentences += gold.size();
    facts += fact_count(gold);
    unseen += fact_count(extra);
    training += fact_count(train);
    check_perfect(gold, false);
    check_perfect(extra, false);
    check_perfect(train, false);
    if (ontology.id != "ont_1_movie") continue;
    // Gold: Bleach : Hell Verse | director | Noriyuki Abe, and | publication date | 01 January 2010.
    extraction_example const& bleach = gold.front();
    CHECK(bleach.id == "ont_1_movie_test_1");
    CHECK(bleach.entities[1].types == std::vector<std::string>{"human"});
    std::string const guess = "Bleach : Hell Verse | director | Noriyuki Abe\nBleach : Hell Verse | director | Bleach";
    // One of two and one wrong: F1_t = 1/2; entities {Bleach : Hell Verse, Noriyuki Abe, Bleach}: F1_e = 4/6.
    CHECK(score(bleach, guess, false, reward::exact_facts).value == Approx(1 + 2 * (0.3 * 4 / 6 + 0.7 / 2)));
    std::string const loose = "bleach: hell verse | director | noriyuki abe";
    CHECK(*reward::find_part(score(bleach, loose, false, reward::exact_facts), "triple_f1") == 0);
    CHECK(*reward::find_part(score(bleach, loose, false, reward::normalised_facts), "triple_f1") == Approx(2.0 / 3));
    // {hell, verse} of {bleach, hell, verse}, {abe} of {noriyuki, abe}: (2/3 + 1/2) / 2 = 7/12, times 2/3.
    std::string const partial = "Hell Verse | director | Abe";
    CHECK(*reward::find_part(score(bleach, partial, false, reward::overlapping_facts), "triple_f1") == Approx(2.0 / 3));
    CHECK(*reward::find_part(score(bleach, partial, false, reward::credited_facts), "triple_f1") == Approx(7.0 / 18));
  }
  CHECK(ontologies == 10);
  CHECK(relations == 101 - 2);
  CHECK(sentences == 4062);
  CHECK(facts == 7232);
  CHECK(unseen == 174);
  CHECK(training == 5335);
}
