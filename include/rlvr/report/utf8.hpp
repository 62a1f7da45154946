// SPDX-License-Identifier: MIT
/// @file
/// Model text is bytes, reports are UTF-8: decoding that never fails.
///
/// A malformed sequence becomes one U+FFFD per maximal subpart (text/utf8.hpp), as browsers show it.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/text/utf8.hpp>

#include <cstddef>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace report {

/// U+FFFD.
inline constexpr char32_t replacement_character = 0xFFFD;

/// Appends a code point in UTF-8; what is no scalar value (surrogates, past U+10FFFF) becomes U+FFFD.
inline void append_code_point(std::string& out, char32_t code_point) {
  bool const is_scalar = code_point < 0xD800 || (code_point > 0xDFFF && code_point <= 0x10FFFF);
  text::append_utf8(out, is_scalar ? code_point : replacement_character);
}

/// Calls f(code_point) for each code point, malformed ones as U+FFFD.
template <class F>
constexpr void for_each_code_point(std::string_view bytes, F&& f) {
  while (!bytes.empty()) {
    text::utf8_sequence const front = text::decode_utf8_subpart(bytes);
    f(front.well_formed ? front.code_point : replacement_character);
    bytes.remove_prefix(front.bytes);
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
