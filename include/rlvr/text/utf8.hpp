// SPDX-License-Identifier: MIT
/// @file
/// UTF-8 by the Unicode Standard, table 3-7: no overlong forms, no surrogates, nothing past U+10FFFF.  Nothing here
/// throws: what is not well formed is reported byte by byte, so that every byte of a text is accounted for.
#pragma once

#include <rlvr/core/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace text {

/// The sequence at the front of a text: a code point of 1 to 4 bytes, or bytes that begin no sequence.
struct utf8_sequence {
  char32_t code_point = 0;  ///< 0 if not well formed
  std::size_t bytes = 1;    ///< 1 to 4
  bool well_formed = false;
};

/// Decodes the first sequence of a text; where it is malformed, `bytes` counts its *maximal subpart* (Unicode Standard,
/// section 3.9, table 3-8), the longest prefix that could still have begun a sequence: what browsers and Python's
/// errors="replace" replace as a whole.  @pre text is not empty
[[nodiscard]] constexpr utf8_sequence decode_utf8_subpart(std::string_view text) noexcept {
  auto const byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  unsigned const lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  if (lead < 0xC2 || lead > 0xF4) return {};
  std::size_t const length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte alone decides on overlong forms, surrogates and values past U+10FFFF.
  unsigned const lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned const highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t value = lead & (0x7FU >> length);
  for (std::size_t at = 1; at < length; ++at) {
    bool const fits =
        at < text.size() && byte(at) >= (at == 1 ? lowest : 0x80U) && byte(at) <= (at == 1 ? highest : 0xBFU);
    if (!fits) return {0, at, false};
    value = value << 6 | (byte(at) & 0x3FU);
  }
  return {value, length, true};
}

/// Decodes the first sequence of a text; one that is malformed counts one byte.  @pre text is not empty
[[nodiscard]] constexpr utf8_sequence decode_utf8_front(std::string_view text) noexcept {
  utf8_sequence const front = decode_utf8_subpart(text);
  return front.well_formed ? front : utf8_sequence{};
}

/// How many bytes at the front are well formed; linear.
[[nodiscard]] constexpr std::size_t valid_utf8_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    utf8_sequence const next = decode_utf8_front(text.substr(at));
    if (!next.well_formed) break;
    at += next.bytes;
  }
  return at;
}

[[nodiscard]] constexpr bool is_valid_utf8(std::string_view text) noexcept {
  return valid_utf8_prefix(text) == text.size();
}

/// How many bytes at the end begin a sequence that more bytes could complete: 0 to 3.  A stream holds them back.
[[nodiscard]] constexpr std::size_t incomplete_utf8_tail(std::string_view text) noexcept {
  for (std::size_t length = 1; length <= 3 && length <= text.size(); ++length) {
    std::string_view const tail = text.substr(text.size() - length);
    unsigned const lead = static_cast<unsigned char>(tail[0]);
    if ((lead & 0xC0U) == 0x80U) continue;
    std::size_t const needed = lead < 0xC2 || lead > 0xF4 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (needed <= length) return 0;
    // Filled up with the lowest and the highest continuation it becomes well formed one way or not at all.
    for (char const fill : {'\x80', '\xBF'}) {
      char candidate[4] = {fill, fill, fill, fill};
      for (std::size_t at = 0; at < length; ++at) candidate[at] = tail[at];
      if (decode_utf8_front({candidate, needed}).well_formed) return length;
    }
    return 0;
  }
  return 0;
}

/// Appends a code point in UTF-8.  @pre code_point is a scalar value (no surrogate, at most U+10FFFF)
inline void append_utf8(std::string& out, char32_t code_point) {
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

}  // namespace text
RLVR_NAMESPACE_END
