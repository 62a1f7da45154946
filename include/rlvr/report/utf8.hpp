// SPDX-License-Identifier: MIT
/// @file
/// Model text is bytes, reports are UTF-8: decoding that never fails.
///
/// A malformed sequence becomes one U+FFFD per *maximal subpart* (Unicode Standard, section 3.9, table 3-8): the
/// longest prefix that could still have begun a well-formed sequence is replaced as a whole.  That is what browsers
/// and Python's errors="replace" do.
#pragma once

#include <rlvr/core/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace report {

/// U+FFFD.
inline constexpr char32_t replacement_character = 0xFFFD;

/// The first code point of a text, or U+FFFD for a malformed start, and how many bytes it takes (at least 1).
struct decoded_front {
  char32_t code_point = replacement_character;
  std::size_t bytes = 1;
  bool well_formed = false;
};

/// @pre text is not empty
[[nodiscard]] constexpr decoded_front decode_front(std::string_view text) noexcept {
  auto const byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  unsigned const lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  if (lead < 0xC2 || lead > 0xF4) return {};
  std::size_t const length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte alone decides on overlong forms, surrogates and values past U+10FFFF (table 3-7).
  unsigned const lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned const highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t value = lead & (0x7FU >> length);
  for (std::size_t at = 1; at < length; ++at) {
    bool const fits =
        at < text.size() && byte(at) >= (at == 1 ? lowest : 0x80U) && byte(at) <= (at == 1 ? highest : 0xBFU);
    if (!fits) return {replacement_character, at, false};
    value = value << 6 | (byte(at) & 0x3FU);
  }
  return {value, length, true};
}

/// Appends a code point in UTF-8; what is no scalar value (surrogates, past U+10FFFF) becomes U+FFFD.
inline void append_code_point(std::string& out, char32_t code_point) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000)) code_point = replacement_character;
  auto const put = [&out](char32_t value) { out += static_cast<char>(static_cast<unsigned char>(value)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

/// Calls f(code_point) for each code point, malformed ones as U+FFFD.
template <class F>
constexpr void for_each_code_point(std::string_view text, F&& f) {
  while (!text.empty()) {
    decoded_front const front = decode_front(text);
    f(front.code_point);
    text.remove_prefix(front.bytes);
  }
}

/// Well-formed UTF-8 with U+FFFD where the argument is malformed.
[[nodiscard]] inline std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_each_code_point(text, [&out](char32_t code_point) { append_code_point(out, code_point); });
  return out;
}

/// Number of code points: the width on a terminal for the scripts whose letters are one cell wide.
[[nodiscard]] constexpr std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for_each_code_point(text, [&count](char32_t) { ++count; });
  return count;
}

/// Appends one code point so that a reader sees it and nothing interprets it.  Controls show as control pictures
/// (ESC as U+241B), which also keeps terminal escape sequences of model text from acting; invisible format characters
/// (zero width, bidirectional overrides, tags, byte order mark), with which text can be made to look like another, show
/// as their number in brackets; noncharacters become U+FFFD.  Line feed and tab pass.
inline void append_visible(std::string& out, char32_t code_point) {
  bool const hidden = code_point == 0xAD || code_point == 0x61C || code_point == 0x180E ||
                      (code_point >= 0x200B && code_point <= 0x200F) ||
                      (code_point >= 0x2028 && code_point <= 0x202E) ||
                      (code_point >= 0x2060 && code_point <= 0x206F) || code_point == 0xFEFF ||
                      (code_point >= 0xE0000 && code_point <= 0xE0FFF);
  if (code_point == '\n' || code_point == '\t') {
    append_code_point(out, code_point);
  } else if (code_point < 0x20) {
    append_code_point(out, 0x2400 + code_point);
  } else if (code_point == 0x7F) {
    append_code_point(out, 0x2421);
  } else if (hidden) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    out += "[U+";
    for (int shift = code_point > 0xFFFF ? 16 : 12; shift >= 0; shift -= 4) out += digits[code_point >> shift & 0xFU];
    out += ']';
  } else if (code_point < 0xA0 && code_point >= 0x80) {
    append_code_point(out, replacement_character);
  } else if ((code_point & 0xFFFE) == 0xFFFE || (code_point >= 0xFDD0 && code_point <= 0xFDEF)) {
    append_code_point(out, replacement_character);
  } else {
    append_code_point(out, code_point);
  }
}

}  // namespace report
RLVR_NAMESPACE_END
