// SPDX-License-Identifier: MIT
/// @file
/// As much JSON as the reports need: appending strings and numbers, and a cursor that reads one line back.
///
/// Written strings are valid UTF-8 whatever the bytes were.  Numbers are written with the fewest digits that read back
/// to the same double, independent of the locale; JSON has no NaN or infinity, so the caller decides what they become.
/// The cursor accepts RFC 8259 apart from two relaxations that do not matter for our own files (a number may end in a
/// dot or have leading zeros); it never throws and nests at most 32 deep.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/report/utf8.hpp>

#include <fmt/format.h>

#include <charconv>
#include <concepts>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace report {

/// Appends "text" with quotes and escapes; malformed UTF-8 as U+FFFD.
inline void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for_each_code_point(text, [&out](char32_t code_point) {
    switch (code_point) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (code_point < 0x20 || code_point == 0x7F) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(code_point));
        } else {
          append_code_point(out, code_point);
        }
    }
  });
  out += '"';
}

/// Appends a number.  @pre value is finite
inline void append_json_number(std::string& out, double value) { fmt::format_to(std::back_inserter(out), "{}", value); }

/// Appends an integer.
template <std::integral Integer>
void append_json_number(std::string& out, Integer value) {
  fmt::format_to(std::back_inserter(out), "{}", value);
}

/// Reads JSON from a view.  Each member returns false, without a useful position, when the text does not fit.
class json_cursor {
 public:
  constexpr explicit json_cursor(std::string_view text) noexcept : rest_(text) {}

  /// Only white space is left.
  [[nodiscard]] constexpr bool at_end() noexcept {
    skip_white_space();
    return rest_.empty();
  }

  /// The next character is this one; it is consumed.
  constexpr bool accept(char expected) noexcept {
    skip_white_space();
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  /// The next characters are `null`, `true` or `false`, as asked.
  constexpr bool literal(std::string_view word) noexcept {
    skip_white_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  /// A number into a double or an integer.
  template <class Number>
  bool number(Number& value) noexcept {
    skip_white_space();
    std::size_t const digit = rest_.starts_with('-') ? 1 : 0;
    if (rest_.size() <= digit || rest_[digit] < '0' || rest_[digit] > '9') return false;
    auto const [end, code] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (code != std::errc{}) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return true;
  }

  /// true or false.
  constexpr bool boolean(bool& value) noexcept {
    value = literal("true");
    return value || literal("false");
  }

  /// A string, unescaped, into `value`.
  bool string(std::string& value) {
    value.clear();
    if (!accept('"')) return false;
    while (!rest_.empty()) {
      char const next = rest_.front();
      rest_.remove_prefix(1);
      if (next == '"') return true;
      if (static_cast<unsigned char>(next) < 0x20) return false;
      if (next != '\\') {
        value += next;
      } else if (!escape(value)) {
        return false;
      }
    }
    return false;
  }

  /// An object: on_member(name) must read the value and say whether it could.
  template <class F>
  bool object(F&& on_member) {
    if (!accept('{')) return false;
    if (accept('}')) return true;
    do {
      std::string name;
      if (!string(name) || !accept(':') || !on_member(std::string_view(name))) return false;
    } while (accept(','));
    return accept('}');
  }

  /// Any value.
  bool skip_value(int depth = 32) {
    if (depth == 0) return false;
    skip_white_space();
    if (rest_.starts_with('{')) return object([&](std::string_view) { return skip_value(depth - 1); });
    if (accept('[')) {
      if (accept(']')) return true;
      do {
        if (!skip_value(depth - 1)) return false;
      } while (accept(','));
      return accept(']');
    }
    std::string text;
    if (rest_.starts_with('"')) return string(text);
    double value = 0;
    return literal("null") || literal("true") || literal("false") || number(value);
  }

 private:
  constexpr void skip_white_space() noexcept {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\n' || rest_[0] == '\r')) {
      rest_.remove_prefix(1);
    }
  }

  bool hexadecimal(char32_t& value) noexcept {
    std::uint32_t unit = 0;
    if (rest_.size() < 4) return false;
    auto const [end, code] = std::from_chars(rest_.data(), rest_.data() + 4, unit, 16);
    if (code != std::errc{} || end != rest_.data() + 4) return false;
    rest_.remove_prefix(4);
    value = unit;
    return true;
  }

  bool escape(std::string& value) {
    if (rest_.empty()) return false;
    char const kind = rest_.front();
    rest_.remove_prefix(1);
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    if (auto const at = names.find(kind); at != std::string_view::npos) {
      value += meanings[at];
      return true;
    }
    char32_t code_point = 0;
    if (kind != 'u' || !hexadecimal(code_point)) return false;
    if (code_point >= 0xD800 && code_point < 0xDC00 && rest_.starts_with("\\u")) {
      std::string_view const before = rest_;
      char32_t low = 0;
      rest_.remove_prefix(2);
      if (!hexadecimal(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
      } else {
        rest_ = before;
      }
    }
    append_code_point(value, code_point);
    return true;
  }

  std::string_view rest_;
};

}  // namespace report
RLVR_NAMESPACE_END
