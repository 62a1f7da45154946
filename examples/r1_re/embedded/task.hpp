// SPDX-License-Identifier: MIT
/// @file
/// What the embedded tasks are made of: a relation of a guideline, a labelled sentence with the facts a
/// reasoning chain needs, and the two texts the miniature reads and writes (`guideline_lines`,
/// `reasoning_trace`).
#pragma once

#include "frames.hpp"
#include "random.hpp"
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace r1_re::embedded {

/// One directed relation of a guideline: its first role acts on its second.
struct relation_spec {
  std::string name;
  std::string definition;
  std::string first_role;
  std::string second_role;
  std::vector<std::string> cues;  ///< each belongs to this relation alone
};

/// One sentence, its gold label and why it has that label.
struct sample {
  std::string sentence;  ///< with <e1>..</e1> and <e2>..</e2>
  std::string label;     ///< Name(e1,e2) or Name(e2,e1)
  std::string cue;       ///< as it stands in the sentence and in the guideline
  std::string relation;  ///< Name
  bool passive = false;  ///< e2 acts on e1
  std::string e1, e2;
  std::size_t frame = 0;  ///< index into `frames`
};

/// Name(e1,e2), or Name(e2,e1) if e2 acts.
[[nodiscard]] inline std::string directed_label(std::string const& relation, bool passive) {
  return relation + (passive ? "(e2,e1)" : "(e1,e2)");
}

/// The chain the miniature should write between <think> and </think>: the cue copied from the sentence,
/// the relation found beside it in the guideline, then who acts.
[[nodiscard]] inline std::string reasoning_trace(sample const& sample) {
  return sample.cue + " = " + sample.relation + ". " + (sample.passive ? "e2" : "e1") + " acted.";
}

/// The guideline as the miniature reads it: one line "cue = Name" per cue, in an order drawn from `seed`.
[[nodiscard]] inline std::string guideline_lines(std::vector<relation_spec> const& relations, std::uint64_t seed) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (auto const& relation : relations) {
    for (auto const& cue : relation.cues) {
      entries.emplace_back(cue, relation.name);
    }
  }
  splitmix64 random(seed);
  random.shuffle(entries);
  std::string text;
  for (auto const& [cue, name] : entries) {
    text += cue + " = " + name + "\n";
  }
  return text;
}

/// Fills one frame and records what the label follows from.
[[nodiscard]] inline sample make_sample(std::size_t frame_index, relation_spec const& relation,
                                        frame_words const& words) {
  auto const& chosen = frames[frame_index];
  return {fill(chosen, words),
          directed_label(relation.name, chosen.passive),
          words.cue,
          relation.name,
          chosen.passive,
          words.e1,
          words.e2,
          frame_index};
}

/// A frame of the wanted voice, drawn with equal chances from those admitted.
[[nodiscard]] inline std::size_t draw_frame(splitmix64& random, bool passive, bool with_held_out) {
  std::vector<std::size_t> admitted;
  for (std::size_t index = 0; index < frames.size(); ++index) {
    if (frames[index].passive == passive && (with_held_out || !frames[index].held_out)) {
      admitted.push_back(index);
    }
  }
  return random.pick(admitted);
}

}  // namespace r1_re::embedded
