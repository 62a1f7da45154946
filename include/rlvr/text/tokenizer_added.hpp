// SPDX-License-Identifier: MIT
/// @file
/// Added tokens: texts that are one token wherever they occur, found before anything else is done to a text.  At each
/// place the longest wins.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

/// A text with a token of its own; the fields are those of tokenizer.json.
struct added_token {
  std::int32_t id = 0;
  std::string content{};
  bool special = false;      ///< a control token: text from a user must not produce it unasked
  bool normalized = false;   ///< looked for in the normalised text instead of the raw one
  bool single_word = false;  ///< only where no letter, digit or underscore stands next to it
  bool lstrip = false;       ///< takes the white space on its left with it
  bool rstrip = false;       ///< takes the white space on its right with it

  friend bool operator==(added_token const&, added_token const&) = default;
};

namespace detail {

[[nodiscard]] constexpr bool is_unicode_white_space(char32_t code) {
  return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

/// The last sequence of a text.  @pre text is not empty
[[nodiscard]] constexpr utf8_sequence decode_utf8_back(std::string_view text) {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    utf8_sequence const last = decode_utf8_front(text.substr(text.size() - length));
    if (last.well_formed && last.bytes == length) return last;
  }
  return {};
}

/// A stretch of text, or an added token in its place.
struct text_part {
  std::string_view text;
  std::int32_t added = -1;  ///< position in the list of added tokens, or -1
};

/// Finds added tokens.  Immutable: threads may share it.
class added_token_finder {
 public:
  /// Is a code point part of a word?  Asked for tokens with single_word.
  using word_test = bool (*)(char32_t);

  /// @param wanted  the texts to look for and the positions of their tokens
  explicit added_token_finder(std::vector<std::pair<std::string, std::int32_t>> const& wanted) {
    nodes_.emplace_back();
    for (auto const& [content, position] : wanted) {
      std::size_t node = 0;
      for (char const c : content) {
        auto const byte = static_cast<unsigned char>(c);
        auto& next = nodes_[node].next;
        auto const found = std::find_if(next.begin(), next.end(), [&](auto const& edge) { return edge.first == byte; });
        if (found != next.end()) {
          node = found->second;
          continue;
        }
        next.emplace_back(byte, nodes_.size());
        node = nodes_.size();
        nodes_.emplace_back();
      }
      nodes_[node].token = position;
    }
    for (auto const& [byte, node] : nodes_[0].next) starts_[byte] = true;
  }

  /// Cuts a text at the tokens in it and appends the parts.
  void split(std::string_view text, std::vector<added_token> const& tokens, word_test is_word,
             std::vector<text_part>& out) const {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      auto [token, stop] = longest(text, at);
      if (token < 0) {
        ++at;
        continue;
      }
      added_token const& found = tokens[static_cast<std::size_t>(token)];
      std::size_t start = at;
      at = stop;
      if (found.single_word) {
        bool const joins_left = start > 0 && is_word(decode_utf8_back(text.substr(0, start)).code_point);
        bool const joins_right = stop < text.size() && is_word(decode_utf8_front(text.substr(stop)).code_point);
        if (joins_left || joins_right) continue;
      }
      if (found.lstrip) {
        while (start > done) {
          utf8_sequence const last = decode_utf8_back(text.substr(0, start));
          if (!is_unicode_white_space(last.code_point)) break;
          start -= last.bytes;
        }
      }
      if (found.rstrip) {
        while (stop < text.size()) {
          utf8_sequence const next = decode_utf8_front(text.substr(stop));
          if (!is_unicode_white_space(next.code_point)) break;
          stop += next.bytes;
        }
        at = stop;
      }
      if (start > done) out.push_back({text.substr(done, start - done), -1});
      out.push_back({text.substr(start, stop - start), token});
      done = stop;
    }
    if (done < text.size()) out.push_back({text.substr(done), -1});
  }

 private:
  struct trie_node {
    std::vector<std::pair<unsigned char, std::size_t>> next;
    std::int32_t token = -1;
  };

  /// The longest token that begins at a place, and where it ends.
  [[nodiscard]] std::pair<std::int32_t, std::size_t> longest(std::string_view text, std::size_t at) const {
    std::pair<std::int32_t, std::size_t> best{-1, at};
    if (!starts_[static_cast<unsigned char>(text[at])]) return best;
    std::size_t node = 0;
    while (at < text.size()) {
      auto const byte = static_cast<unsigned char>(text[at]);
      auto const& next = nodes_[node].next;
      auto const found = std::find_if(next.begin(), next.end(), [&](auto const& edge) { return edge.first == byte; });
      if (found == next.end()) break;
      node = found->second;
      ++at;
      if (nodes_[node].token >= 0) best = {nodes_[node].token, at};
    }
    return best;
  }

  std::vector<trie_node> nodes_;
  std::array<bool, 256> starts_{};
};

}  // namespace detail
}  // namespace text
RLVR_NAMESPACE_END
