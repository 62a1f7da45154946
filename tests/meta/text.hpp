// SPDX-License-Identifier: MIT
/// @file
/// C++ source as lines, with comments and literals blanked: just enough to look for includes, macros and launches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace meta {

inline std::string read_file(std::filesystem::path const& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    std::size_t const end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

namespace detail {

/// Where the literal that opens at `begin` (a quote) ends: one past its closing quote, or the end of the line.
inline std::size_t end_of_literal(std::string_view text, std::size_t begin) {
  char const quote = text[begin];
  std::size_t i = begin + 1;
  for (; i < text.size() && text[i] != quote && text[i] != '\n'; ++i)
    if (text[i] == '\\') ++i;
  return i < text.size() && text[i] == quote ? i + 1 : i;
}

/// The same for a raw string whose quote stands at `quote`.
inline std::size_t end_of_raw_literal(std::string_view text, std::size_t quote) {
  std::size_t const open = text.find('(', quote);
  if (open == std::string_view::npos) return text.size();
  std::string const close = ")" + std::string(text.substr(quote + 1, open - quote - 1)) + "\"";
  std::size_t const end = text.find(close, open);
  return end == std::string_view::npos ? text.size() : end + close.size();
}

/// Whether a quote at `i` separates digits (1'000).
inline bool separates_digits(std::string_view text, std::size_t i) {
  auto const is_digit = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  return text[i] == '\'' && i > 0 && i + 1 < text.size() && is_digit(text[i - 1]) && is_digit(text[i + 1]);
}

}  // namespace detail

/// The text with comments and the inside of literals replaced by spaces; line numbers stay.  Quotes of an #include
/// stay as they are.
inline std::string without_comments(std::string_view text) {
  std::string result(text);
  auto const blank = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && i < result.size(); ++i)
      if (result[i] != '\n') result[i] = ' ';
  };
  std::size_t line_begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\n') {
      line_begin = ++i;
    } else if (text.substr(i, 2) == "//") {
      std::size_t const end = std::min(text.find('\n', i), text.size());
      blank(i, end);
      i = end;
    } else if (text.substr(i, 2) == "/*") {
      std::size_t const close = text.find("*/", i + 2);
      std::size_t const end = close == std::string_view::npos ? text.size() : close + 2;
      blank(i, end);
      i = end;
    } else if (text[i] == '"' && i > 0 && text[i - 1] == 'R') {
      std::size_t const end = detail::end_of_raw_literal(text, i);
      blank(i, end);
      i = end;
    } else if ((text[i] == '"' || text[i] == '\'') && !detail::separates_digits(text, i)) {
      std::size_t const end = detail::end_of_literal(text, i);
      if (text.substr(line_begin, i - line_begin).find("include") == std::string_view::npos) blank(i + 1, end - 1);
      i = end;
    } else {
      ++i;
    }
  }
  return result;
}

/// A preprocessor directive `# name rest`, if the line is one.
struct directive {
  std::string name;
  std::string rest;
};

inline std::optional<directive> directive_of(std::string_view line) {
  auto const skip_blanks = [](std::string_view& text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  };
  skip_blanks(line);
  if (line.empty() || line.front() != '#') return std::nullopt;
  line.remove_prefix(1);
  skip_blanks(line);
  std::size_t const end = std::min(line.find_first_of(" \t<\"("), line.size());
  directive result{std::string(line.substr(0, end)), {}};
  line.remove_prefix(end);
  skip_blanks(line);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
  result.rest = line;
  return result;
}

}  // namespace meta
