// SPDX-License-Identifier: MIT
/// @file
/// Untrusted text in a judge's prompt.  Candidates write the text that a judge reads, so they can forge the end of
/// their own part, a turn of the conversation, or a candidate of their own.  `fence_text` puts such text between two
/// lines that it cannot contain, whatever it says.  That keeps structure apart from data; whether a judge believes what
/// it reads inside ("the first response is the best") is another matter, which no fence settles.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace reward {

namespace detail {

/// Whether a code point may reach a judge as it is.  Controls but tab and line feed, marks that turn or part the line,
/// and tag characters (text that people do not see) may not.
[[nodiscard]] constexpr bool may_stand_in_fence(char32_t point) noexcept {
  if (point < 0x20) return point == '\t' || point == '\n';
  return !(point >= 0x7F && point <= 0x9F) && point != 0x061C && point != 0x200E && point != 0x200F &&
         !(point >= 0x2028 && point <= 0x202E) && !(point >= 0x2066 && point <= 0x2069) &&
         !(point >= 0xE0000 && point <= 0xE007F);
}

/// Whether a control token in brackets, "[INST]" or "[/TOOL_CALLS]", stands at the front.
[[nodiscard]] constexpr bool begins_bracket_token(std::string_view text) noexcept {
  std::size_t at = text.substr(0, 2) == "[/" ? 2 : 1;
  std::size_t const begin = at;
  // Names of more bytes are no tokens; the limit keeps "[A[A[A..." linear.
  while (at < text.size() && at - begin < 32 && ((text[at] >= 'A' && text[at] <= 'Z') || text[at] == '_')) ++at;
  return at > begin && at < text.size() && text[at] == ']';
}

}  // namespace detail

/// Text as it may stand in a judge's prompt.  `&`, `<` and the `[` of a control token in brackets become character
/// references, as do the code points above; bytes that are not UTF-8 become U+FFFD.  So the result is valid UTF-8,
/// holds no `<`, hence no tag and no marker of a chat template, and reads the same otherwise.  Linear; at most 6 bytes
/// per byte.
[[nodiscard]] inline std::string escape_for_judge(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    text::utf8_sequence const next = text::decode_utf8_front(text);
    char32_t const point = next.code_point;
    if (!next.well_formed) {
      text::append_utf8(out, 0xFFFD);
    } else if (point == '&') {
      out += "&amp;";
    } else if (point == '<') {
      out += "&lt;";
    } else if ((point == '[' && detail::begins_bracket_token(text)) || !detail::may_stand_in_fence(point)) {
      out += "&#x";
      for (int shift = point > 0xFFFF ? 16 : point > 0xFF ? 12 : 4; shift >= 0; shift -= 4)
        out += digits[point >> shift & 15U];
      out += ';';
    } else {
      out += text.substr(0, next.bytes);
    }
    text.remove_prefix(next.bytes);
  }
  return out;
}

/// A fence's mark: 16 hexadecimal digits.  Keep `secret` from the model in training and number the requests: equal
/// arguments give equal marks, so runs repeat.
[[nodiscard]] inline std::string fence_mark(std::uint64_t secret, std::uint64_t request) {
  constexpr std::string_view digits = "0123456789abcdef";
  auto const low = static_cast<std::uint32_t>(request);
  auto const high = static_cast<std::uint32_t>(request >> 32);
  philox_block const block = philox(secret, {{low, high, 0x66656E63U, 0}});
  std::string mark;
  for (int word = 0; word < 2; ++word) {
    for (int shift = 28; shift >= 0; shift -= 4) mark += digits[block.word[word] >> shift & 15U];
  }
  return mark;
}

/// Untrusted text between two lines that name it:
///
///     <response_a mark="0123456789abcdef">
///     the text, by `escape_for_judge`
///     </response_a mark="0123456789abcdef">
///
/// The text cannot hold either line, since it holds no `<`; the mark keeps it from showing the judge a lookalike.
/// @param name  lower-case letters, digits and `_`
/// @param mark  letters and digits, at least 8 (`fence_mark`)
/// @throws argument_error if name or mark is none
[[nodiscard]] inline std::string fence_text(std::string_view name, std::string_view text, std::string_view mark) {
  auto const is_digit = [](char byte) { return byte >= '0' && byte <= '9'; };
  auto const is_lower = [](char byte) { return byte >= 'a' && byte <= 'z'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(),
                                   [&](char byte) { return is_lower(byte) || is_digit(byte) || byte == '_'; })) {
    throw argument_error("fence_text: found the name '" + std::string(name) +
                         "', expected lower-case letters, digits and _");
  }
  if (mark.size() < 8 || !std::all_of(mark.begin(), mark.end(), [&](char byte) {
        return is_lower(byte) || is_digit(byte) || (byte >= 'A' && byte <= 'Z');
      })) {
    throw argument_error("fence_text: found the mark '" + std::string(mark) +
                         "', expected at least 8 letters and digits");
  }
  std::string tag(name);
  ((tag += " mark=\"") += mark) += "\">\n";
  std::string out{"<"};
  ((((out += tag) += escape_for_judge(text)) += "\n</") += tag);
  return out;
}

}  // namespace reward
RLVR_NAMESPACE_END
