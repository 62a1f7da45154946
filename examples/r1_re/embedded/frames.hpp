// SPDX-License-Identifier: MIT
/// @file
/// The grammar that all embedded tasks share: sentence frames in which one cue word links e1 and e2.
/// In every frame e1 stands first, as in SemEval-2010 Task 8; the grammar alone says who acts on whom.
/// Slots: {1} e1, {2} e2, {c} cue, {m} a modifier, {d} a distractor phrase of time, place or manner.
/// Cues are verbs whose past tense and past participle are one form, so every frame takes every cue.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace r1_re::embedded {

/// One sentence frame.
struct frame {
  std::string_view text;
  bool passive;   ///< e2 acts on e1: passives, object relatives, object clefts
  bool held_out;  ///< appears in test sets only: a new combination of pieces that other frames hold
};

inline constexpr std::array frames{
    frame{"the {1} {c} the {2} {d}.", false, false},
    frame{"the {1} has {c} the {2} {d}.", false, false},
    frame{"{d}, the {1} had {c} the {2}.", false, false},
    frame{"it was the {1} that {c} the {2} {d}.", false, false},
    frame{"the {1} that {c} the {2} was there {d}.", false, false},
    frame{"the {m} {1} clearly {c} the {2} {d}.", false, false},
    frame{"we know that the {1} {c} the {2} {d}.", false, false},
    frame{"it was the {m} {1} that had {c} the {2}.", false, false},
    frame{"here is the {1} that has {c} the {2} {d}.", false, false},
    frame{"the {1}, having {c} the {m} {2} {d}, was no longer there.", false, false},
    frame{"the {1} may have {c} the {2} {d}.", false, false},
    frame{"no one doubts that the {m} {1} has {c} the {2} {d}.", false, false},
    frame{"the {1}, {d}, {c} the {m} {2}.", false, false},
    frame{"the {1} is said to have {c} the {2} {d}.", false, false},
    frame{"we know that, {d}, it was the {1} that {c} the {2}.", false, true},
    frame{"here is the {m} {1} that {c} the {2} {d}.", false, true},

    frame{"the {1} was {c} by the {2} {d}.", true, false},
    frame{"the {1} has been {c} by the {2} {d}.", true, false},
    frame{"{d}, the {1} had been {c} by the {2}.", true, false},
    frame{"it was the {1} that the {2} {c} {d}.", true, false},
    frame{"the {1} that the {2} {c} was there {d}.", true, false},
    frame{"the {m} {1} was clearly {c} by the {2} {d}.", true, false},
    frame{"we know that the {1} was {c} by the {2} {d}.", true, false},
    frame{"it was the {m} {1} that was {c} by the {2}.", true, false},
    frame{"here is the {1} that the {2} has {c} {d}.", true, false},
    frame{"the {1}, {c} by the {m} {2} {d}, was no longer there.", true, false},
    frame{"the {1} may have been {c} by the {2} {d}.", true, false},
    frame{"no one doubts that the {m} {1} has been {c} by the {2} {d}.", true, false},
    frame{"the {1}, {d}, was {c} by the {m} {2}.", true, false},
    frame{"the {1} is said to have been {c} by the {2} {d}.", true, false},
    frame{"we know that, {d}, it was the {1} that the {2} {c}.", true, true},
    frame{"here is the {m} {1} that was {c} by the {2} {d}.", true, true},
};

/// What fills the slots of a frame.
struct frame_words {
  std::string e1, e2, cue, modifier, distractor;
};

/// The sentence with its markers; the first letter is capitalised.
[[nodiscard]] inline std::string fill(frame const& frame, frame_words const& words) {
  std::string sentence;
  for (std::size_t at = 0; at < frame.text.size(); ++at) {
    if (frame.text[at] != '{') {
      sentence += frame.text[at];
      continue;
    }
    switch (frame.text[at + 1]) {
      case '1':
        sentence += "<e1>" + words.e1 + "</e1>";
        break;
      case '2':
        sentence += "<e2>" + words.e2 + "</e2>";
        break;
      case 'c':
        sentence += words.cue;
        break;
      case 'm':
        sentence += words.modifier;
        break;
      default:
        sentence += words.distractor;
        break;
    }
    at += 2;
  }
  if (sentence.front() >= 'a' && sentence.front() <= 'z') {
    sentence.front() = static_cast<char>(sentence.front() - 'a' + 'A');
  }
  return sentence;
}

}  // namespace r1_re::embedded
