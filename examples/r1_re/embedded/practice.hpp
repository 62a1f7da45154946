// SPDX-License-Identifier: MIT
/// @file
/// Reading practice: an endless supply of guidelines whose every name, cue and entity is an invented word.
/// Nothing can be answered from memory, so a model that solves these tasks has learnt to read: find the
/// cue in the sentence, find the same letters in the guideline, and tell the actor by the grammar.
/// The invented words are built from English-like syllables and endings of many shapes, so that a
/// byte-level BPE learnt from them splits unseen words into pieces it has met; a word that occurs in
/// one of the two domains or in a frame is never produced.
#pragma once

#include "domains.hpp"
#include "task.hpp"
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace r1_re::embedded {

/// What kind of word to invent; decides the endings.
enum class word_kind { entity, cue, name, modifier };

/// Sizes of a practice task; bounds are inclusive.
struct practice_options {
  std::size_t min_relations = 4, max_relations = 10;
  std::size_t min_cues = 1, max_cues = 3;  ///< per relation
  std::size_t sentences = 8;
  bool held_out_frames = false;  ///< also use the frames kept for tests
};

/// An invented guideline and labelled sentences under it.
struct practice_task {
  std::vector<relation_spec> relations;
  std::vector<sample> samples;
};

namespace detail {

inline constexpr std::array<std::string_view, 50> onsets{
    "b",  "c",  "d",  "f",  "g",  "h",  "j",  "k",  "l",  "m",  "n",  "p",  "r",  "s",  "t",   "v",  "w",
    "y",  "z",  "x",  "bl", "br", "ch", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "ph", "pl",  "pr", "qu",
    "sc", "sh", "sk", "sl", "sm", "sn", "sp", "st", "sw", "th", "tr", "tw", "wh", "ps", "str", ""};
inline constexpr std::size_t single_onsets = 17;  ///< the first ones of `onsets`
inline constexpr std::array<std::string_view, 20> vowels{"a",  "e",  "i",  "o",  "u",  "a",  "e",  "i",  "o",  "y",
                                                         "ai", "au", "ea", "ee", "ia", "io", "oa", "oe", "oo", "ou"};
inline constexpr std::array<std::string_view, 30> codas{"b",  "c",  "ck", "d",  "ft", "g", "l",  "lt", "m",  "mp",
                                                        "n",  "nd", "ng", "nt", "p",  "r", "rd", "rk", "rm", "rn",
                                                        "rt", "s",  "sk", "ss", "st", "t", "x",  "ct", "f",  "n"};
inline constexpr std::array<std::string_view, 32> entity_endings{
    "er",  "or", "ist", "ing", "ness", "ment", "ine", "in", "ia", "is",  "al", "age", "ure", "ity", "ion", "ation",
    "ose", "ic", "um",  "us",  "on",   "ol",   "ide", "le", "ow", "ism", "y",  "et",  "an",  "ant", "oma", "gram"};
inline constexpr std::array<std::string_view, 12> cue_endings{"ed",  "ed",  "ed",  "ed",  "ed",  "ed",
                                                              "ded", "ted", "ied", "led", "ned", "t"};
inline constexpr std::array<std::string_view, 10> name_endings{"s",     "s",    "es",  "s",  "ates",
                                                               "ments", "ines", "ers", "ks", ""};
inline constexpr std::array<std::string_view, 12> modifier_endings{"ous", "al", "y",    "ic", "ent", "ish",
                                                                   "ful", "ar", "less", "id", "ive", ""};
/// Prepositional phrases with one slot for a word.
inline constexpr std::array<std::string_view, 16> phrases{
    "in the {}",     "near the {}",       "at the {}",      "during the {}",   "on the {}",  "after {}",
    "before the {}", "throughout the {}", "behind the {}",  "with {}",         "without {}", "for the {}",
    "under the {}",  "within the {}",     "despite the {}", "across the {} {}"};

inline void collect(std::set<std::string>& words, std::string_view text) {
  for (auto& word : split_words(text, " .,;:{}()\"")) {
    for (char& letter : word) {
      if (letter >= 'A' && letter <= 'Z') {
        letter = static_cast<char>(letter - 'A' + 'a');
      }
    }
    words.insert(std::move(word));
  }
}

}  // namespace detail

/// Every word of both domains, of the frames and of the files' layout, in lower case: what no invented
/// word may equal.
[[nodiscard]] inline std::set<std::string> reserved_words() {
  std::set<std::string> words;
  for (auto const& domain : {general_domain(), clinical_domain()}) {
    for (auto const& relation : domain.relations) {
      auto const& spec = relation.spec;
      for (auto const& text : {spec.name, spec.definition, spec.first_role, spec.second_role}) {
        detail::collect(words, text);
      }
      for (auto const* list : {&spec.cues, &relation.first, &relation.second}) {
        for (auto const& word : *list) {
          detail::collect(words, word);
        }
      }
    }
    for (auto const& text : domain.distractors) {
      detail::collect(words, text);
    }
    for (auto const& text : domain.modifiers) {
      detail::collect(words, text);
    }
  }
  detail::collect(words, direction_rule);
  detail::collect(words,
                  "comment cue cues direction rule relations definition role directed true examples sentence "
                  "answer name general clinical");
  for (auto const& frame : frames) {
    detail::collect(words, frame.text);
  }
  for (auto const& phrase : detail::phrases) {
    detail::collect(words, phrase);
  }
  return words;
}

/// Invents words of 2 to 4 syllables, each different from all before and from the reserved ones.
class word_maker {
 public:
  word_maker(splitmix64& random, std::set<std::string> const& reserved) : random_(&random), reserved_(&reserved) {}

  /// A new word in lower case; names are capitalised.
  [[nodiscard]] std::string operator()(word_kind kind) {
    for (;;) {
      auto word = stem(kind) + std::string(ending(kind));
      if (word.size() < 4 || word.size() > 16 || reserved_->contains(word) || !used_.insert(word).second) {
        continue;
      }
      if (kind == word_kind::name) {
        word.front() = static_cast<char>(word.front() - 'a' + 'A');
      }
      return word;
    }
  }

 private:
  // Three entities in ten have no ending: their own last syllable is one.
  [[nodiscard]] std::string_view ending(word_kind kind) {
    switch (kind) {
      case word_kind::cue:
        return random_->pick(detail::cue_endings);
      case word_kind::name:
        return random_->pick(detail::name_endings);
      case word_kind::modifier:
        return random_->pick(detail::modifier_endings);
      default:
        return random_->chance(30) ? std::string_view{} : random_->pick(detail::entity_endings);
    }
  }

  [[nodiscard]] std::string stem(word_kind kind) {
    auto const count = kind == word_kind::entity ? random_->between(1, 3) : random_->between(1, 2);
    std::string word;
    for (std::size_t syllable = 0; syllable < count; ++syllable) {
      // Most syllables start with one consonant, as most English ones do.
      word +=
          random_->chance(60) ? detail::onsets[random_->below(detail::single_onsets)] : random_->pick(detail::onsets);
      word += random_->pick(detail::vowels);
      if (syllable + 1 == count || random_->chance(35)) {
        word += random_->pick(detail::codas);
      }
    }
    return word;
  }

  splitmix64* random_;
  std::set<std::string> const* reserved_;
  std::set<std::string> used_;
};

/// Task `index` of stream `seed`: a function of its arguments alone.
[[nodiscard]] inline practice_task make_practice_task(std::uint64_t seed, std::uint64_t index,
                                                      practice_options const& options = {}) {
  static std::set<std::string> const reserved = reserved_words();
  auto random = keyed_random(seed, index);
  word_maker invent(random, reserved);

  practice_task task;
  task.relations.resize(random.between(options.min_relations, options.max_relations));
  for (auto& relation : task.relations) {
    relation.name = invent(word_kind::name);
    relation.first_role = invent(word_kind::entity);
    relation.second_role = invent(word_kind::entity);
    relation.definition = "A " + relation.first_role + " acts on a " + relation.second_role + ".";
    relation.cues.resize(random.between(options.min_cues, options.max_cues));
    for (auto& cue : relation.cues) {
      cue = invent(word_kind::cue);
    }
  }
  for (std::size_t item = 0; item < options.sentences; ++item) {
    auto const& relation = random.pick(task.relations);
    std::string distractor;
    for (char const letter : random.pick(detail::phrases)) {
      if (letter == '{') {
        distractor += invent(word_kind::entity);
      }
      if (letter != '{' && letter != '}') {
        distractor += letter;
      }
    }
    frame_words words;
    words.e1 = invent(word_kind::entity);
    words.e2 = invent(word_kind::entity);
    words.cue = random.pick(relation.cues);
    words.modifier = invent(word_kind::modifier);
    words.distractor = std::move(distractor);
    bool const passive = random.chance(50);
    task.samples.push_back(make_sample(draw_frame(random, passive, options.held_out_frames), relation, words));
  }
  return task;
}

}  // namespace r1_re::embedded
