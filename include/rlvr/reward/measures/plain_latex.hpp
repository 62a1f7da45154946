// SPDX-License-Identifier: MIT
/// @file
/// Takes from a short mathematical answer what LaTeX needs for its looks: spacing, \left and \right, $ of formulas and
/// of money, \text and its kin, \displaystyle; \dfrac and \tfrac become \frac, \frac12 becomes \frac{1}{2}, \sqrt2
/// becomes \sqrt{2}, ^\circ becomes the degree sign, the minus sign of Unicode a hyphen, white space one blank.
/// Nothing is evaluated.  One pass, no recursion.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/measures/words.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

namespace detail {

[[nodiscard]] constexpr bool is_ascii_letter(char byte) noexcept {
  return lower_ascii(byte) >= 'a' && lower_ascii(byte) <= 'z';
}

/// Commands without which the answer means the same.
inline constexpr std::array<std::string_view, 14> silent_commands{
    "left", "right", "big",  "Big",          "bigl",      "bigr",   "Bigl",
    "Bigr", "bigg",  "Bigg", "displaystyle", "textstyle", "limits", "hspace"};
/// Commands whose argument stands for itself.
inline constexpr std::array<std::string_view, 11> wrapping_commands{
    "text", "textbf", "textit", "textrm", "textnormal", "mbox", "mathrm", "mathbf", "mathit", "operatorname", "hbox"};

template <std::size_t Count>
[[nodiscard]] constexpr bool is_one_of(std::string_view word, std::array<std::string_view, Count> const& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace detail

/// The answer without the noise listed above.  Linear; allocates O(text).
[[nodiscard]] inline std::string plain_latex(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  std::vector<bool> silent;  // for each open brace: whether it is left out
  auto const blank = [&out] {
    if (!out.empty() && out.back() != ' ') out += ' ';
  };
  auto const take = [&text](std::string_view prefix) {
    bool const there = text.starts_with(prefix);
    if (there) text.remove_prefix(prefix.size());
    return there;
  };
  auto const skip_blanks = [&text] { text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size())); };
  bool wrapped = false;  // the next brace belongs to a wrapping command
  while (!text.empty()) {
    if (is_ascii_digit(text.front()) || detail::is_ascii_letter(text.front())) {  // most of it: no further tests
      out += text.front();
      text.remove_prefix(1);
      wrapped = false;
      continue;
    }
    if (std::size_t const gap = detail::white_space_at(text, 0); gap != 0) {
      text.remove_prefix(gap);
      blank();
      continue;
    }
    if (take("$") || take("€") || take("£")) continue;
    if (take("−")) {
      out += '-';
      continue;
    }
    if (take("{,}")) {
      out += ',';
      continue;
    }
    if (take("^\\circ") || take("^{\\circ}") || take("^ \\circ") || take("\\degree")) {
      out += "°";
      continue;
    }
    char const front = text.front();
    if (front == '{' || front == '}') {
      text.remove_prefix(1);
      bool hidden = false;
      if (front == '{') {
        hidden = wrapped;
        silent.push_back(hidden);
      } else if (!silent.empty()) {
        hidden = silent.back();
        silent.pop_back();
      }
      if (!hidden) out += front;
      wrapped = false;
      continue;
    }
    wrapped = false;
    if (front == '~') {
      text.remove_prefix(1);
      blank();
      continue;
    }
    if (front != '\\') {
      out += front;
      text.remove_prefix(1);
      continue;
    }
    text.remove_prefix(1);
    std::size_t length = 0;
    while (length < text.size() && detail::is_ascii_letter(text[length])) ++length;
    std::string_view command = text.substr(0, length);
    if (length == 0) {  // a command of one sign
      if (text.empty()) break;
      char const sign = text.front();
      text.remove_prefix(1);
      if (sign == ' ' || sign == ';' || sign == ':') blank();
      if (sign == '%') out += '%';
      if (sign == '{' || sign == '}' || sign == '\\') (out += '\\') += sign;
      if (std::string_view(" ;:%{}\\!,$()[]").find(sign) == std::string_view::npos) out += sign;
      continue;
    }
    text.remove_prefix(length);
    if (detail::is_one_of(command, detail::silent_commands)) continue;
    if (command == "quad" || command == "qquad") {
      blank();
      continue;
    }
    if (detail::is_one_of(command, detail::wrapping_commands)) {
      skip_blanks();
      wrapped = text.starts_with('{');
      continue;
    }
    if (command == "dfrac" || command == "tfrac" || command == "cfrac") command = "frac";
    (out += '\\') += command;
    int const arguments = command == "frac" ? 2 : command == "sqrt" ? 1 : 0;
    for (int i = 0; i < arguments; ++i) {  // single signs as arguments
      skip_blanks();
      if (text.empty() || !(is_ascii_digit(text.front()) || detail::is_ascii_letter(text.front()))) break;
      ((out += '{') += text.front()) += '}';
      text.remove_prefix(1);
    }
    if (arguments == 0 && !text.empty() && detail::is_ascii_letter(text.front())) out += ' ';
  }
  return out;
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
