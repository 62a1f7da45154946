// SPDX-License-Identifier: MIT
/// @file
/// What counts as a word.  Published text scores differ mostly in this, so each tokenisation bears the name of the
/// program whose figures it reproduces:
///
///   `split_words`     runs between white space, as Python's `str.split()`
///   `tokenise_13a`    the rules of NIST's mteval-v13a script, sacreBLEU's default (Post 2018, arXiv 1804.08771)
///   `tokenise_rouge`  runs of [a-z0-9] of the lower-cased text, as the rouge_score package; stems if asked for
///
/// The last two return text whose words stand between blanks; `split_words` takes it apart.  White
/// space is what Unicode calls so and U+001C to U+001F.  Only ASCII letters are folded: the two letters outside ASCII
/// whose lower-case form is one inside (the Kelvin sign and the dotted capital I) separate words here. Linear in the
/// text; bytes that are no UTF-8 are ordinary characters.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/measures/porter_stemmer.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

[[nodiscard]] constexpr bool is_ascii_digit(char byte) noexcept { return byte >= '0' && byte <= '9'; }

/// The letter in lower case if it is one of A to Z.
[[nodiscard]] constexpr char lower_ascii(char byte) noexcept {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

/// The text with A to Z in lower case.
[[nodiscard]] inline std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char byte) { return lower_ascii(byte); });
  return lower;
}

namespace detail {

[[nodiscard]] constexpr bool is_white_space(char32_t point) noexcept {
  return (point >= 0x09 && point <= 0x0D) || (point >= 0x1C && point <= 0x20) || point == 0x85 || point == 0xA0 ||
         point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 || point == 0x2029 ||
         point == 0x202F || point == 0x205F || point == 0x3000;
}

/// How many bytes of white space stand at an offset; 0 if it is something else.
[[nodiscard]] constexpr std::size_t white_space_at(std::string_view text, std::size_t at) noexcept {
  auto const byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return is_white_space(byte) ? 1 : 0;
  text::utf8_sequence const next = text::decode_utf8_front(text.substr(at));
  return next.well_formed && is_white_space(next.code_point) ? next.bytes : 0;
}

/// Every occurrence, from the left, not overlapping.
[[nodiscard]] inline std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0;;) {
    std::size_t const next = text.find(from, at);
    out += text.substr(at, next - at);
    if (next == std::string_view::npos) return out;
    out += to;
    at = next + from.size();
  }
}

/// One pass over pairs of neighbouring bytes that do not overlap: where `matches(first, second)`, `write` says what
/// stands instead.
template <class Matches, class Write>
[[nodiscard]] std::string rewrite_pairs(std::string_view text, Matches matches, Write write) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (at + 1 < text.size() && matches(text[at], text[at + 1])) {
      write(out, text[at], text[at + 1]);
      ++at;
    } else {
      out += text[at];
    }
  }
  return out;
}

/// ASCII punctuation that 13a always sets apart: all but the apostrophe, comma, hyphen and full stop.
[[nodiscard]] constexpr bool stands_alone_13a(char byte) noexcept {
  constexpr std::string_view marks = "!\"#$%&()*+/:;<=>?@[\\]^_`{|}~";
  return marks.find(byte) != std::string_view::npos;
}

}  // namespace detail

/// The words between white space, in order; views into the text.
[[nodiscard]] inline std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const gap = detail::white_space_at(text, at);
    if (gap == 0) {
      ++at;
      continue;
    }
    if (at > begin) words.push_back(text.substr(begin, at - begin));
    at += gap;
    begin = at;
  }
  if (text.size() > begin) words.push_back(text.substr(begin));
  return words;
}

/// The text with blanks round what mteval-v13a takes for words: punctuation stands alone, except apostrophes, full
/// stops and commas between digits, and hyphens not after a digit; four SGML entities are resolved.
[[nodiscard]] inline std::string tokenise_13a(std::string_view text) {
  // White space at the end goes first, so that a hyphen there is not taken for a broken word.
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const gap = detail::white_space_at(text, at);
    at += gap == 0 ? 1 : gap;
    if (gap == 0) end = at;
  }
  std::string line = detail::replace_all(text.substr(0, end), "<skipped>", "");
  line = detail::replace_all(line, "-\n", "");
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (line.find('&') != std::string::npos) {
    line = detail::replace_all(line, "&quot;", "\"");
    line = detail::replace_all(line, "&amp;", "&");
    line = detail::replace_all(line, "&lt;", "<");
    line = detail::replace_all(line, "&gt;", ">");
  }
  std::string apart;
  apart.reserve(line.size() + line.size() / 4);
  apart += ' ';
  for (char const byte : line) {
    if (detail::stands_alone_13a(byte)) {
      apart += ' ';
      apart += byte;
      apart += ' ';
    } else {
      apart += byte;
    }
  }
  apart += ' ';
  auto const is_stop = [](char byte) { return byte == '.' || byte == ','; };
  apart = detail::rewrite_pairs(
      apart, [&](char first, char second) { return !is_ascii_digit(first) && is_stop(second); },
      [](std::string& out, char first, char second) { (((out += first) += ' ') += second) += ' '; });
  apart = detail::rewrite_pairs(
      apart, [&](char first, char second) { return is_stop(first) && !is_ascii_digit(second); },
      [](std::string& out, char first, char second) { (((out += ' ') += first) += ' ') += second; });
  return detail::rewrite_pairs(
      apart, [](char first, char second) { return is_ascii_digit(first) && second == '-'; },
      [](std::string& out, char first, char second) { (((out += first) += ' ') += second) += ' '; });
}

/// The lower-cased runs of ASCII letters and digits with a blank after each; words of more than three letters are
/// replaced by their stems if asked for.
[[nodiscard]] inline std::string tokenise_rouge(std::string_view text, bool stem = false) {
  std::string out;
  out.reserve(text.size() + 1);
  std::string word;
  auto const close = [&] {
    if (word.empty()) return;
    out += stem && word.size() > 3 ? porter_stem(word) : word;
    out += ' ';
    word.clear();
  };
  for (char const raw : text) {
    char const byte = lower_ascii(raw);
    if (is_ascii_digit(byte) || (byte >= 'a' && byte <= 'z')) {
      word += byte;
    } else {
      close();
    }
  }
  close();
  return out;
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
