// SPDX-License-Identifier: MIT
// The embedded task: committed files equal the generator's output, the two domains share no content
// word, and every label follows from guideline and sentence by rules written here a second time.
#include "../../../examples/r1_re/embedded/corpus.hpp"
#include "../../../examples/r1_re/embedded/practice.hpp"
#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace r1_re::embedded;

namespace {

std::string read(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string committed(std::string const& name) {
  return read(std::string(RLVR_TEST_DATA) + "/../examples/r1_re/data/" + name);
}

// Lower-case runs of letters; markers are removed first.
std::vector<std::string> tokens(std::string text) {
  for (std::string const marker : {"<e1>", "</e1>", "<e2>", "</e2>", "(e1,e2)", "(e2,e1)"}) {
    for (auto at = text.find(marker); at != std::string::npos; at = text.find(marker)) {
      std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(at), marker.size(), ' ');
    }
  }
  std::vector<std::string> words;
  std::string word;
  for (char const letter : text + " ") {
    if (std::isalpha(static_cast<unsigned char>(letter)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

std::set<std::string> vocabulary(std::vector<std::string> const& files) {
  std::set<std::string> words;
  for (auto const& file : files) {
    for (auto const& word : tokens(committed(file))) {
      words.insert(word);
    }
  }
  return words;
}

std::size_t occurrences(std::vector<std::string> const& words, std::string const& word) {
  return static_cast<std::size_t>(std::count(words.begin(), words.end(), word));
}

// Direction from the text alone, without the frame table: whoever stands before the cue acts, unless a
// "by" follows the cue; between cue and e2 nothing else can reverse it.
bool e2_acts(std::string const& sentence, std::string const& cue) {
  auto const cue_at = sentence.find(" " + cue);
  auto const e2_at = sentence.find("<e2>");
  if (e2_at < cue_at) {
    return true;
  }
  return sentence.substr(cue_at + 1 + cue.size(), 4) == " by ";
}

void check_decidable(std::vector<relation_spec> const& relations, sample const& sample) {
  INFO(sample.sentence);
  auto const words = tokens(sample.sentence);
  std::string found_cue;
  std::string found_relation;
  std::size_t hits = 0;
  for (auto const& relation : relations) {
    for (auto const& cue : relation.cues) {
      hits += occurrences(words, cue);
      if (occurrences(words, cue) > 0) {
        found_cue = cue;
        found_relation = relation.name;
      }
    }
  }
  REQUIRE(hits == 1);
  CHECK(sample.cue == found_cue);
  CHECK(sample.relation == found_relation);
  CHECK(sample.passive == e2_acts(sample.sentence, found_cue));
  CHECK(sample.label == found_relation + (sample.passive ? "(e2,e1)" : "(e1,e2)"));
  CHECK(sample.sentence.find("<e1>" + sample.e1 + "</e1>") < sample.sentence.find("<e2>" + sample.e2 + "</e2>"));
  CHECK(sample.sentence.find("<e2>" + sample.e2 + "</e2>") != std::string::npos);
  CHECK(sample.sentence.find_first_of("{}") == std::string::npos);
}

// The words both domains may share: function words and the frames' own words, file layout, and what the
// definitions use to name the roles' grammar.  Nothing else.
std::set<std::string> const shared_words{
    // frames
    "the", "has", "had", "it", "was", "that", "there", "clearly", "we", "know", "here", "is", "having", "no", "longer",
    "may", "have", "one", "doubts", "said", "to", "been", "by",
    // prepositions and articles of distractors and definitions
    "a", "an", "in", "at", "on", "with", "without", "before", "after", "during", "under", "throughout", "for", "of",
    "or",
    // guideline layout and direction rule
    "name", "direction", "rule", "if", "acts", "as", "passives", "and", "e", "relations", "definition", "first", "role",
    "second", "directed", "true", "cues", "examples", "sentence", "answer",
    // sentence file layout
    "comment", "cue"};

}  // namespace

TEST_CASE("the committed files of the embedded task are the generator's output") {
  for (auto const& file : committed_files()) {
    INFO(file.name);
    CHECK(committed(file.name) == file.content);
  }
}

TEST_CASE("general and clinical share no word but grammar") {
  auto const general = vocabulary({"general_train.txt", "general_test.txt", "general_guideline.json"});
  auto const clinical = vocabulary({"clinical_test.txt", "clinical_guideline.json"});
  std::vector<std::string> common;
  std::ranges::set_intersection(general, clinical, std::back_inserter(common));
  for (auto const& word : common) {
    INFO(word);
    CHECK(shared_words.contains(word));
  }
  CHECK(general.size() > 350);
  CHECK(clinical.size() > 350);

  // The same for the whole vocabulary, whether or not a file happens to use it.
  std::set<std::string> reserved;
  auto const source = clinical_domain();
  for (auto const& relation : source.relations) {
    for (auto const* list : {&relation.spec.cues, &relation.first, &relation.second}) {
      for (auto const& word : *list) {
        reserved.insert(word);
      }
    }
    for (auto const& word : tokens(relation.spec.name)) {
      reserved.insert(word);
    }
  }
  std::set<std::string> other = general;
  for (auto const& relation : general_domain().relations) {
    for (auto const* list : {&relation.spec.cues, &relation.first, &relation.second}) {
      for (auto const& word : *list) {
        other.insert(word);
      }
    }
  }
  for (auto const& word : reserved) {
    INFO(word);
    CHECK_FALSE(other.contains(word));
    CHECK_FALSE(shared_words.contains(word));
  }
}

TEST_CASE("the vocabulary is as rich as promised and unambiguous") {
  for (auto const& domain : {general_domain(), clinical_domain()}) {
    CHECK(domain.relations.size() == 8);
    std::set<std::string> cues;
    std::set<std::string> entities;
    for (auto const& relation : domain.relations) {
      INFO(relation.spec.name);
      CHECK(relation.spec.cues.size() == 3);
      for (auto const& cue : relation.spec.cues) {
        CHECK(cues.insert(cue).second);
      }
      for (auto const* pool : {&relation.first, &relation.second}) {
        CHECK(std::set<std::string>(pool->begin(), pool->end()).size() >= 24);
        entities.insert(pool->begin(), pool->end());
      }
    }
    for (auto const& cue : cues) {
      CHECK_FALSE(entities.contains(cue));
    }
  }
  for (bool const passive : {false, true}) {
    CHECK(std::ranges::count_if(frames, [&](auto const& frame) { return frame.passive == passive; }) >= 12);
    CHECK(std::ranges::count_if(frames, [&](auto const& f) { return f.passive == passive && f.held_out; }) == 2);
  }
}

TEST_CASE("labels are balanced, decidable, and test pairs are new") {
  auto const general = general_domain();
  auto const clinical = clinical_domain();
  auto const train = make_corpus(general, split::train, 960, committed_seed);
  auto const test = make_corpus(general, split::test, 240, committed_seed);
  auto const foreign = make_corpus(clinical, split::test, 240, committed_seed);
  auto const check = [](domain const& domain, std::vector<sample> const& samples) {
    std::map<std::string, std::size_t> labels;
    std::set<std::string> sentences;
    for (auto const& sample : samples) {
      check_decidable(guideline_of(domain), sample);
      ++labels[sample.label];
      CHECK(sentences.insert(sample.sentence).second);
    }
    CHECK(labels.size() == 16);
    for (auto const& [label, count] : labels) {
      CHECK(count == samples.size() / 16);
    }
  };
  check(general, train);
  check(general, test);
  check(clinical, foreign);

  auto const pair = [](sample const& sample) {
    return sample.relation + (sample.passive ? " " + sample.e2 + " " + sample.e1 : " " + sample.e1 + " " + sample.e2);
  };
  std::set<std::string> seen;
  for (auto const& sample : train) {
    seen.insert(pair(sample));
    CHECK_FALSE(frames[sample.frame].held_out);
  }
  std::size_t held_out = 0;
  for (auto const& sample : test) {
    CHECK_FALSE(seen.contains(pair(sample)));
    held_out += frames[sample.frame].held_out ? 1U : 0U;
  }
  CHECK(held_out > 10);
}

TEST_CASE("guideline examples are correct and not in a test set") {
  for (auto const& [domain, file] :
       {std::pair{general_domain(), "general_test.txt"}, std::pair{clinical_domain(), "clinical_test.txt"}}) {
    auto const document = nlohmann::json::parse(guideline_json(domain, committed_seed));
    auto const test = committed(file);
    CHECK(document["relations"].size() == 8);
    for (auto const& relation : document["relations"]) {
      REQUIRE(relation["examples"].size() == 2);
      for (auto const& example : relation["examples"]) {
        auto const sentence = example["sentence"].get<std::string>();
        INFO(sentence);
        CHECK(test.find(sentence) == std::string::npos);
        std::string cue;
        for (auto const& word : relation["cues"]) {
          if (occurrences(tokens(sentence), word) == 1) {
            cue = word;
          }
        }
        REQUIRE_FALSE(cue.empty());
        CHECK(example["answer"] == directed_label(relation["name"], e2_acts(sentence, cue)));
      }
    }
  }
}

TEST_CASE("make_corpus refuses counts that cannot be balanced") {
  CHECK_THROWS_AS(make_corpus(general_domain(), split::train, 17, 1), std::invalid_argument);
}

TEST_CASE("practice tasks are decidable, invented and reproducible") {
  auto const clinical = vocabulary({"clinical_test.txt", "clinical_guideline.json"});
  std::size_t passive = 0;
  std::size_t sentences = 0;
  std::set<std::size_t> relation_counts;
  std::set<std::size_t> used_frames;
  for (std::uint64_t index = 0; index < 2000; ++index) {
    auto const task = make_practice_task(7, index);
    relation_counts.insert(task.relations.size());
    REQUIRE(task.samples.size() == 8);
    std::set<std::string> names;
    for (auto const& relation : task.relations) {
      CHECK(names.insert(relation.name).second);
      CHECK(relation.cues.size() >= 1);
      CHECK(relation.cues.size() <= 3);
      for (auto const& word : relation.cues) {
        CHECK_FALSE(clinical.contains(word));
      }
      INFO(relation.name);
      CHECK_FALSE(clinical.contains(tokens(relation.name).at(0)));
    }
    for (auto const& sample : task.samples) {
      check_decidable(task.relations, sample);
      CHECK_FALSE(clinical.contains(sample.e1));
      CHECK_FALSE(clinical.contains(sample.e2));
      CHECK_FALSE(frames[sample.frame].held_out);
      for (auto const& word : tokens(sample.sentence)) {
        if (clinical.contains(word)) {
          INFO(word);
          CHECK((shared_words.contains(word) || word == "within" || word == "despite"));
        }
      }
      passive += sample.passive ? 1U : 0U;
      ++sentences;
      used_frames.insert(sample.frame);
    }
  }
  CHECK(relation_counts == std::set<std::size_t>{4, 5, 6, 7, 8, 9, 10});
  CHECK(used_frames.size() == frames.size() - 4);
  CHECK(passive > sentences * 48 / 100);
  CHECK(passive < sentences * 52 / 100);

  auto const once = make_practice_task(7, 3);
  auto const again = make_practice_task(7, 3);
  CHECK(once.samples.at(0).sentence == again.samples.at(0).sentence);
  CHECK(once.samples.at(0).sentence != make_practice_task(7, 4).samples.at(0).sentence);
  CHECK(once.samples.at(0).sentence != make_practice_task(8, 3).samples.at(0).sentence);

  practice_options options;
  options.min_relations = options.max_relations = 2;
  options.sentences = 400;
  options.held_out_frames = true;
  std::size_t held_out = 0;
  for (auto const& sample : make_practice_task(1, 1, options).samples) {
    held_out += frames[sample.frame].held_out ? 1U : 0U;
  }
  CHECK(held_out > 20);
}

TEST_CASE("the texts of the miniature") {
  std::vector<relation_spec> const relations{{"Makes", "", "", "", {"baked", "cooked"}},
                                             {"Owns", "", "", "", {"owned"}}};
  frame_words const words{"bread", "cook", "baked", "old", "at noon"};
  auto const passive = make_sample(16, relations[0], words);
  CHECK(passive.sentence == "The <e1>bread</e1> was baked by the <e2>cook</e2> at noon.");
  CHECK(passive.label == "Makes(e2,e1)");
  CHECK(reasoning_trace(passive) == "baked = Makes. e2 acted.");
  auto const active = make_sample(2, relations[0], words);
  CHECK(active.sentence == "At noon, the <e1>bread</e1> had baked the <e2>cook</e2>.");
  CHECK(reasoning_trace(active) == "baked = Makes. e1 acted.");

  auto lines = split_words(guideline_lines(relations, 1), "\n");
  std::ranges::sort(lines);
  CHECK(lines == std::vector<std::string>{"baked = Makes", "cooked = Makes", "owned = Owns"});
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    orders.insert(guideline_lines(relations, seed));
  }
  CHECK(orders.size() == 6);
}

TEST_CASE("splitmix64 gives the reference stream") {
  // First outputs for seed 1234567, as published with the reference implementation.
  splitmix64 random(1234567);
  CHECK(random.next() == 6457827717110365317ULL);
  CHECK(random.next() == 3203168211198807973ULL);
  CHECK(random.next() == 9817491932198370423ULL);
}
