// SPDX-License-Identifier: MIT
/// @file
/// Completions in JSON lines, in three spellings of which a row has one:
///
///   "completion": "text"
///   "completion_b64": "dGV4dA=="            any bytes, base64 with padding
///   "completion_parts": ["<think>", ["a ", 100000], "</think>"]    texts, or a text and how often it is repeated
#pragma once

#include <rlvr/format/json.hpp>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace r1_re {

inline constexpr std::size_t most_completion_bytes = std::size_t{1} << 28;

/// RFC 4648 with padding, nothing else; no value for any other text.
[[nodiscard]] inline std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t const padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t group = 0;
    for (std::size_t j = i; j < i + 4; ++j) {
      bool const padded = j >= text.size() - padding;
      std::size_t const digit = padded ? 0 : alphabet.find(text[j]);
      if (digit == std::string_view::npos) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    for (int shift = 16; shift >= 0; shift -= 8) bytes += static_cast<char>(static_cast<unsigned char>(group >> shift));
  }
  std::size_t const kept = bytes.size() - padding;
  for (std::size_t i = kept; i < bytes.size(); ++i)
    if (bytes[i] != '\0') return std::nullopt;  // bits that belong to no byte
  bytes.resize(kept);
  return bytes;
}

/// The completion of a row.  @throws rlvr::format_error
[[nodiscard]] inline std::string completion_of(rlvr::format::json_object const& row) {
  std::size_t spellings = 0;
  for (char const* const key : {"completion", "completion_b64", "completion_parts"}) spellings += row.has(key) ? 1 : 0;
  if (spellings != 1) {
    row.fail(spellings == 0 ? "Missing" : "Conflict", row.name("completion"),
             std::to_string(spellings) + " completions", "one of completion, completion_b64, completion_parts");
  }
  if (row.has("completion")) return row.string("completion");
  if (row.has("completion_b64")) {
    auto bytes = decode_base64(row.string("completion_b64"));
    if (!bytes) row.fail("Range", row.name("completion_b64"), "another text", "base64 with padding");
    return *std::move(bytes);
  }
  nlohmann::json const& parts = row.at("completion_parts");
  if (!parts.is_array()) {
    row.fail("Type", row.name("completion_parts"), rlvr::format::json_object::describe(parts), "a list");
  }
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    nlohmann::json const& part = parts[i];
    std::string const place = row.name("completion_parts") + "[" + std::to_string(i) + "]";
    bool const repeated = part.is_array() && part.size() == 2 && part[0].is_string();
    if (!part.is_string() && !repeated) {
      row.fail("Type", place, rlvr::format::json_object::describe(part), "a text or [text, count]");
    }
    auto const& piece = (repeated ? part[0] : part).get_ref<std::string const&>();
    std::size_t const room = (most_completion_bytes - text.size()) / (piece.empty() ? 1 : piece.size());
    std::size_t const count =
        repeated ? static_cast<std::size_t>(row.as_integer(part[1], place, 0, static_cast<std::int64_t>(room))) : 1;
    if (count > room) row.fail("Range", place, "more text", std::to_string(most_completion_bytes) + " bytes in all");
    if (piece.empty()) continue;
    for (std::size_t k = 0; k < count; ++k) text += piece;
  }
  return text;
}

}  // namespace r1_re
