// SPDX-License-Identifier: MIT
/// @file
/// Small helpers to take PTX text apart.
#include "ptx/text.hpp"

#include <cctype>
#include <cstdlib>

namespace cuda_emulation::ptx {
namespace {

constexpr std::string_view white_space = " \t\r\n";

bool is_digit(char character) { return std::isdigit(static_cast<unsigned char>(character)) != 0; }

}  // namespace

std::string_view trimmed(std::string_view text) {
  std::size_t const first = text.find_first_not_of(white_space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  if (trimmed(text).empty()) return parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char const character = text[at];
    if (character == '{' || character == '[' || character == '(') ++depth;
    if (character == '}' || character == ']' || character == ')') --depth;
    if (character != separator || depth != 0) continue;
    parts.push_back(trimmed(text.substr(begin, at - begin)));
    begin = at + 1;
  }
  parts.push_back(trimmed(text.substr(begin)));
  return parts;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> result;
  for (;;) {
    text = trimmed(text);
    if (text.empty()) return result;
    std::size_t const end = std::min(text.find_first_of(white_space), text.size());
    result.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::string without_comments(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') quoted = !quoted;
    if (!quoted && text.compare(at, 2, "//") == 0) {
      at = text.find('\n', at);
      if (at == std::string_view::npos) break;
    } else if (!quoted && text.compare(at, 2, "/*") == 0) {
      at = text.find("*/", at);
      if (at == std::string_view::npos) break;
      ++at;
      continue;
    }
    result += text[at];
  }
  return result;
}

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

bool is_number(std::string_view text) {
  return !text.empty() && (is_digit(text[0]) || (text[0] == '-' && text.size() > 1 && is_digit(text[1])));
}

std::uint64_t number(std::string_view text) {
  std::string digits(text);
  if (digits.size() > 2 && digits[0] == '0' && std::string_view("fFdD").find(digits[1]) != std::string_view::npos)
    return std::strtoull(digits.c_str() + 2, nullptr, 16);
  if (digits[0] == '-') return ~std::strtoull(digits.c_str() + 1, nullptr, 0) + 1;
  return std::strtoull(digits.c_str(), nullptr, 0);
}

unsigned type_bytes(std::string_view type) {
  if (type == "pred") return 1;
  if (type.size() < 2) return 0;
  if (starts_with(type, "bf16")) return type == "bf16x2" ? 4 : 2;
  if (type == "f16x2" || type == "s16x2" || type == "u16x2") return 4;
  if (std::string_view("bsuf").find(type[0]) == std::string_view::npos || !is_digit(type[1])) return 0;
  int const bits = std::atoi(std::string(type.substr(1)).c_str());
  return bits % 8 == 0 && bits <= 128 ? static_cast<unsigned>(bits / 8) : 0;
}

}  // namespace cuda_emulation::ptx
