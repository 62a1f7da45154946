// SPDX-License-Identifier: MIT
/// @file
/// Porter's suffix stripping (M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980), with the
/// departures that the NLTK package makes by default, because published ROUGE scores are computed with it:
///
///   - words of one or two letters are left alone, a dozen irregular ones are looked up;
///   - `ies` and `ied` at the end of a word of four letters become `ie` (dies, died); elsewhere `ied` becomes `i`;
///   - a final `y` becomes `i` after a consonant that is not the whole stem (happy, but enjoy and by stay);
///   - step 2 also strips `fulli` and `logi`, turns `bli` into `ble`, and begins again once `alli` has become `al`;
///   - a stem of two letters, vowel and consonant, also counts as short (condition *o).
///
/// A letter is a consonant unless it is one of aeiou, or a y after a consonant; the measure m of a stem is how often a
/// vowel is followed by a consonant in it.  Linear in the word.
#pragma once

#include <rlvr/core/config.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

namespace detail {

[[nodiscard]] constexpr bool is_vowel_letter(char letter) noexcept {
  return letter == 'a' || letter == 'e' || letter == 'i' || letter == 'o' || letter == 'u';
}

/// The kind of a letter from the letter and what stands before it.
[[nodiscard]] constexpr bool is_consonant_after(char letter, bool first, bool after_consonant) noexcept {
  if (is_vowel_letter(letter)) return false;
  return letter != 'y' || first || !after_consonant;
}

[[nodiscard]] constexpr bool is_consonant(std::string_view word, std::size_t at) noexcept {
  std::size_t begin = at;  // of the run of y that ends here: they alternate
  while (begin > 0 && word[begin] == 'y') --begin;
  bool consonant = !is_vowel_letter(word[begin]);
  for (std::size_t i = begin; i < at; ++i) consonant = !consonant;
  return consonant;
}

/// How often a consonant follows a vowel, at most 2: no rule asks for more.
[[nodiscard]] constexpr int stem_measure(std::string_view stem) noexcept {
  int measure = 0;
  bool consonant = false;
  for (std::size_t i = 0; i < stem.size() && measure < 2; ++i) {
    bool const next = is_consonant_after(stem[i], i == 0, consonant);
    if (i > 0 && !consonant && next) ++measure;
    consonant = next;
  }
  return measure;
}

[[nodiscard]] constexpr bool has_vowel(std::string_view stem) noexcept {
  bool consonant = false;
  for (std::size_t i = 0; i < stem.size(); ++i) {
    consonant = is_consonant_after(stem[i], i == 0, consonant);
    if (!consonant) return true;
  }
  return false;
}

/// Condition *o: consonant, vowel, consonant other than w, x, y at the end; or a vowel and a consonant alone.
[[nodiscard]] constexpr bool ends_short(std::string_view stem) noexcept {
  std::size_t const size = stem.size();
  if (size == 2) return !is_consonant(stem, 0) && is_consonant(stem, 1);
  if (size < 3) return false;
  char const last = stem[size - 1];
  return is_consonant(stem, size - 3) && !is_consonant(stem, size - 2) && is_consonant(stem, size - 1) && last != 'w' &&
         last != 'x' && last != 'y';
}

struct suffix_rule {
  std::string_view suffix;
  std::string_view replacement;
};

/// Applies the first rule whose suffix the word ends in, if the measure of what is left exceeds `above`.
inline void apply_first(std::string& word, std::span<suffix_rule const> rules, int above) {
  for (suffix_rule const& rule : rules) {
    if (!word.ends_with(rule.suffix)) continue;
    std::size_t const stem = word.size() - rule.suffix.size();
    if (stem_measure(std::string_view(word).substr(0, stem)) <= above) return;
    word.resize(stem);
    word += rule.replacement;
    return;
  }
}

/// Plurals, -ed and -ing.
inline void porter_step_1(std::string& word) {
  auto const cut = [&word](std::size_t letters) { word.resize(word.size() - letters); };
  if (word.ends_with("ies")) {
    cut(word.size() == 4 ? 1 : 2);
  } else if (word.ends_with("sses")) {
    cut(2);
  } else if (word.ends_with('s') && !word.ends_with("ss")) {
    cut(1);
  }

  if (word.ends_with("ied")) {
    cut(word.size() == 4 ? 1 : 2);
  } else if (word.ends_with("eed")) {
    if (stem_measure(std::string_view(word).substr(0, word.size() - 3)) > 0) cut(1);
  } else if (std::size_t const ending = word.ends_with("ed")    ? 2
                                        : word.ends_with("ing") ? 3
                                                                : 0;
             ending > 0 && has_vowel(std::string_view(word).substr(0, word.size() - ending))) {
    cut(ending);
    std::size_t const size = word.size();
    char const last = word[size - 1];
    if (word.ends_with("at") || word.ends_with("bl") || word.ends_with("iz")) {
      word += 'e';
    } else if (size >= 2 && last == word[size - 2] && is_consonant(word, size - 1)) {
      if (last != 'l' && last != 's' && last != 'z') cut(1);
    } else if (stem_measure(word) == 1 && ends_short(word)) {
      word += 'e';
    }
  }

  std::size_t const stem = word.size() - (word.ends_with('y') ? 1 : 0);
  if (stem < word.size() && stem > 1 && is_consonant(std::string_view(word).substr(0, stem), stem - 1)) {
    word.back() = 'i';
  }
}

/// Double suffixes to single ones, m > 0.
inline void porter_step_2(std::string& word) {
  static constexpr std::array<suffix_rule, 20> rules{{
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"},   {"izer", "ize"},
      {"bli", "ble"},     {"entli", "ent"},   {"eli", "e"},     {"ousli", "ous"},   {"ization", "ize"},
      {"ation", "ate"},   {"ator", "ate"},    {"alism", "al"},  {"iveness", "ive"}, {"fulness", "ful"},
      {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"}, {"biliti", "ble"},  {"fulli", "ful"},
  }};
  if (word.ends_with("logi")) {
    // The l counts with the stem: m is 1 for geologi, 0 for logi.
    if (stem_measure(std::string_view(word).substr(0, word.size() - 3)) > 0) word.pop_back();
    return;
  }
  if (word.ends_with("alli")) {
    // What is left may have a suffix of its own: additionalli, additional, addition.
    if (stem_measure(std::string_view(word).substr(0, word.size() - 4)) == 0) return;
    word.resize(word.size() - 2);
  }
  apply_first(word, rules, 0);
}

/// -ic-, -full, -ness, m > 0.
inline void porter_step_3(std::string& word) {
  static constexpr std::array<suffix_rule, 7> rules{{
      {"icate", "ic"},
      {"ative", ""},
      {"alize", "al"},
      {"iciti", "ic"},
      {"ical", "ic"},
      {"ful", ""},
      {"ness", ""},
  }};
  apply_first(word, rules, 0);
}

/// Single suffixes, m > 1.
inline void porter_step_4(std::string& word) {
  static constexpr std::array<suffix_rule, 18> rules{{
      {"al", ""},
      {"ance", ""},
      {"ence", ""},
      {"er", ""},
      {"ic", ""},
      {"able", ""},
      {"ible", ""},
      {"ant", ""},
      {"ement", ""},
      {"ment", ""},
      {"ent", ""},
      {"ou", ""},
      {"ism", ""},
      {"ate", ""},
      {"iti", ""},
      {"ous", ""},
      {"ive", ""},
      {"ize", ""},
  }};
  if (word.ends_with("sion") || word.ends_with("tion")) {
    if (stem_measure(std::string_view(word).substr(0, word.size() - 3)) > 1) word.resize(word.size() - 3);
    return;
  }
  apply_first(word, rules, 1);
}

/// A final e, and a doubled l.
inline void porter_step_5(std::string& word) {
  if (word.ends_with('e')) {
    std::string_view const stem = std::string_view(word).substr(0, word.size() - 1);
    int const measure = stem_measure(stem);
    if (measure > 1 || (measure == 1 && !ends_short(stem))) word.pop_back();
  }
  if (word.ends_with("ll") && stem_measure(std::string_view(word).substr(0, word.size() - 1)) > 1) word.pop_back();
}

}  // namespace detail

/// The stem of a word in lower case; any other byte than a to z counts as a consonant.
[[nodiscard]] inline std::string porter_stem(std::string_view lower_case_word) {
  struct irregular {
    std::string_view word;
    std::string_view stem;
  };
  static constexpr std::array<irregular, 12> table{{
      {"skies", "sky"},
      {"dying", "die"},
      {"lying", "lie"},
      {"tying", "tie"},
      {"innings", "inning"},
      {"outings", "outing"},
      {"cannings", "canning"},
      {"inning", "inning"},
      {"outing", "outing"},
      {"canning", "canning"},
      {"news", "news"},
      {"howe", "howe"},
  }};
  for (irregular const& each : table) {
    if (lower_case_word == each.word) return std::string(each.stem);
  }
  std::string word(lower_case_word);
  if (word.size() <= 2 || word == "sky" || word == "proceed" || word == "exceed" || word == "succeed") return word;
  detail::porter_step_1(word);
  detail::porter_step_2(word);
  detail::porter_step_3(word);
  detail::porter_step_4(word);
  detail::porter_step_5(word);
  return word;
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
