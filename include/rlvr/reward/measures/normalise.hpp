// SPDX-License-Identifier: MIT
/// @file
/// Brings short answers into a form in which equal answers are equal texts: the four steps of the SQuAD evaluation
/// (arXiv 1606.05250), each of which can be switched off, always in this order:
///
///   1. A to Z become a to z;
///   2. ASCII punctuation is removed (so "e.g." becomes "eg", and "-1" becomes "1": not for numbers);
///   3. the words a, an, the, as written so, give way to blanks;
///   4. runs of white space become one blank, none is left at the ends.
///
/// An article is a word of its own if neither a letter, a digit nor `_` touches it; outside ASCII, only white space,
/// U+2000 to U+206F (dashes, quotes, format characters) and the signs of Latin-1 do not count as letters.  Linear in
/// the text.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/measures/words.hpp>
#include <rlvr/text/utf8.hpp>

#include <cstddef>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

/// Which steps `normalise_answer` takes.
struct normalisation {
  bool lower_case = true;
  bool remove_punctuation = true;
  bool remove_articles = true;
  bool join_white_space = true;
};

[[nodiscard]] constexpr bool is_ascii_punctuation(char byte) noexcept {
  return (byte >= '!' && byte <= '/') || (byte >= ':' && byte <= '@') || (byte >= '[' && byte <= '`') ||
         (byte >= '{' && byte <= '~');
}

namespace detail {

/// Whether a code point may be part of a word: letters, digits, `_`, and in doubt yes.
[[nodiscard]] constexpr bool joins_words(char32_t point) noexcept {
  if (point < 0x80) {
    auto const byte = static_cast<char>(point);
    return is_ascii_digit(byte) || (lower_ascii(byte) >= 'a' && lower_ascii(byte) <= 'z') || byte == '_';
  }
  if (point >= 0xA0 && point <= 0xBF) {  // superscripts, ordinals, fractions and the micro sign join
    constexpr std::u32string_view joining = U"\u00AA\u00B2\u00B3\u00B5\u00B9\u00BA\u00BC\u00BD\u00BE";
    return joining.find(point) != std::u32string_view::npos;
  }
  return point != 0xD7 && point != 0xF7 && !is_white_space(point) && !(point >= 0x2000 && point <= 0x206F);
}

[[nodiscard]] inline std::string without_articles(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  auto const emit = [&out](std::string_view word) {
    bool const article = word == "a" || word == "an" || word == "the";
    out += article ? std::string_view(" ") : word;
  };
  std::size_t begin = 0;  // of the word that is being read
  for (std::size_t at = 0; at < text.size();) {
    text::utf8_sequence const next = text::decode_utf8_front(text.substr(at));
    if (!next.well_formed || joins_words(next.code_point)) {
      at += next.bytes;
      continue;
    }
    emit(text.substr(begin, at - begin));
    out += text.substr(at, next.bytes);
    at += next.bytes;
    begin = at;
  }
  emit(text.substr(begin));
  return out;
}

}  // namespace detail

/// The answer after the chosen steps.
[[nodiscard]] inline std::string normalise_answer(std::string_view answer, normalisation const& steps = {}) {
  std::string text = steps.lower_case ? lower_ascii(answer) : std::string(answer);
  if (steps.remove_punctuation) std::erase_if(text, is_ascii_punctuation);
  if (steps.remove_articles) text = detail::without_articles(text);
  if (!steps.join_white_space) return text;
  std::string joined;
  joined.reserve(text.size());
  for (std::string_view const word : split_words(text)) {
    if (!joined.empty()) joined += ' ';
    joined += word;
  }
  return joined;
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
