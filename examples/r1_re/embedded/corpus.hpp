// SPDX-License-Identifier: MIT
/// @file
/// Sentence sets of a domain, and their files: SemEval-2010 Task 8's text layout and guideline JSON.
/// Every label is equally frequent and every cue of a relation as well.  A pair of words belongs either
/// to the training or to the test side, by their places in the pools: (i + j) mod 5 == 0 is test.
#pragma once

#include "domains.hpp"
#include "task.hpp"
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace r1_re::embedded {

/// Which word pairs and frames may be used: held-out frames are for tests.
enum class split { train, test };

/// The seed of the committed files.
inline constexpr std::uint64_t committed_seed = 20250704;

/// `count` different sentences, shuffled.
/// @throws std::invalid_argument if `count` is no multiple of twice the number of relations
[[nodiscard]] inline std::vector<sample> make_corpus(domain const& domain, split split, std::size_t count,
                                                     std::uint64_t seed) {
  auto const label_count = 2 * domain.relations.size();
  if (label_count == 0 || count % label_count != 0) {
    throw std::invalid_argument("make_corpus: count must be a multiple of the number of labels");
  }
  auto random = keyed_random(seed, split == split::train ? 1 : 2);
  std::vector<sample> samples;
  std::set<std::string> seen;
  for (auto const& relation : domain.relations) {
    for (std::size_t item = 0; item < count / domain.relations.size();) {
      auto const first = random.below(relation.first.size());
      auto const second = random.below(relation.second.size());
      if (((first + second) % 5 == 0) != (split == split::test)) {
        continue;
      }
      bool const passive = item % 2 == 1;
      auto const& actor = relation.first[first];
      auto const& target = relation.second[second];
      auto const& cues = relation.spec.cues;
      frame_words const words{passive ? target : actor, passive ? actor : target, cues[item / 2 % cues.size()],
                              random.pick(domain.modifiers), random.pick(domain.distractors)};
      auto made = make_sample(draw_frame(random, passive, split == split::test), relation.spec, words);
      if (!seen.insert(made.sentence).second) {
        continue;
      }
      samples.push_back(std::move(made));
      ++item;
    }
  }
  random.shuffle(samples);
  return samples;
}

/// Four-line blocks: id TAB "sentence", label, Comment (the cue), blank.
[[nodiscard]] inline std::string semeval_text(std::vector<sample> const& samples, std::size_t first_id = 1) {
  std::string text;
  for (std::size_t index = 0; index < samples.size(); ++index) {
    auto const& sample = samples[index];
    text += std::to_string(first_id + index) + "\t\"" + sample.sentence + "\"\n" + sample.label + "\nComment: cue " +
            sample.cue + "\n\n";
  }
  return text;
}

/// The guideline as a JSON document: two examples per relation, one per direction, from the training side.
[[nodiscard]] inline std::string guideline_json(domain const& domain, std::uint64_t seed) {
  auto random = keyed_random(seed, 3);
  auto relations = nlohmann::ordered_json::array();
  for (auto const& [spec, first, second] : domain.relations) {
    auto examples = nlohmann::ordered_json::array();
    for (bool const passive : {false, true}) {
      std::size_t actor = 0;
      std::size_t target = 0;
      while ((actor + target) % 5 == 0) {
        actor = random.below(first.size());
        target = random.below(second.size());
      }
      frame_words const words{passive ? second[target] : first[actor], passive ? first[actor] : second[target],
                              random.pick(spec.cues), random.pick(domain.modifiers), random.pick(domain.distractors)};
      auto const made = make_sample(draw_frame(random, passive, false), spec, words);
      examples.push_back({{"sentence", made.sentence}, {"answer", made.label}});
    }
    relations.push_back({{"name", spec.name},
                         {"definition", spec.definition},
                         {"first_role", spec.first_role},
                         {"second_role", spec.second_role},
                         {"directed", true},
                         {"cues", spec.cues},
                         {"examples", std::move(examples)}});
  }
  nlohmann::ordered_json const document{
      {"name", domain.name}, {"direction_rule", direction_rule}, {"relations", std::move(relations)}};
  return document.dump(2) + "\n";
}

/// A file name under examples/r1_re/data and its content.
struct data_file {
  std::string name, content;
};

/// The five committed files.
[[nodiscard]] inline std::vector<data_file> committed_files() {
  auto const general = general_domain();
  auto const clinical = clinical_domain();
  return {
      {"general_train.txt", semeval_text(make_corpus(general, split::train, 960, committed_seed), 1)},
      {"general_test.txt", semeval_text(make_corpus(general, split::test, 240, committed_seed), 961)},
      {"clinical_test.txt", semeval_text(make_corpus(clinical, split::test, 240, committed_seed), 1)},
      {"general_guideline.json", guideline_json(general, committed_seed)},
      {"clinical_guideline.json", guideline_json(clinical, committed_seed)},
  };
}

}  // namespace r1_re::embedded
