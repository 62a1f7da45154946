// SPDX-License-Identifier: MIT
/// @file
/// A byte-level BPE tokenizer as Hugging Face's tokenizer.json describes it: added tokens, normalisation (none or NFC),
/// cutting into pieces, merges.
///
/// Any bytes can be encoded: what is no UTF-8 is cut off and merged on its own, and decode(encode(x)) == x for every x
/// that normalisation leaves alone (without NFC and prefix blanks: for every x).
/// The texts of special tokens are plain text unless the caller says otherwise, so that a data set cannot inject an end
/// of turn; other added tokens (`<think>` of Qwen3) are always found.
/// No begin or end token is added: what frames a prompt is the chat template's business.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/text/bpe.hpp>
#include <rlvr/text/pre_tokenizer.hpp>
#include <rlvr/text/tokenizer_added.hpp>
#include <rlvr/text/tokenizer_nfc.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

/// What a tokenizer is made of.
struct tokenizer_definition {
  /// The bytes of each token of the model, by id; nothing for ids that are added tokens alone.
  std::vector<std::optional<std::string>> tokens;
  std::vector<bpe_merge> merges;  ///< by rank
  std::vector<added_token> added;
  std::vector<pre_tokenizer_step> steps{pre_tokenizer_step{}};
  bool normalize_nfc = false;
  bool ignore_merges = false;  ///< a piece that is a token is that token, whatever the merges say
};

/// What the text of a special token means in a text to be encoded.
enum class special_text : std::uint8_t {
  plain,  ///< text like any other
  parse   ///< the special token
};

/// Immutable: threads may share it.
class tokenizer {
 public:
  /// @param source  the file, for messages
  /// @throws format_error Alphabet (a byte has no token), DuplicateId, IdRange, AddedToken, MergeUnknown, Regex
  explicit tokenizer(tokenizer_definition definition, std::string_view source = "tokenizer")
      : definition_(std::move(definition)),
        pre_tokenizer_(compiled(definition_.steps, source)),
        raw_all_(selected(false, true)),
        raw_plain_(selected(false, false)),
        normalized_all_(selected(true, true)),
        normalized_plain_(selected(true, false)) {
    auto const fail = [&](std::string_view code, std::string const& place, std::string_view found,
                          std::string_view expected) { throw format_error(code, source, place, found, expected); };
    auto& tokens = definition_.tokens;
    is_special_.resize(tokens.size());
    added_of_.resize(tokens.size(), -1);
    for (std::size_t i = 0; i < definition_.added.size(); ++i) add(i, fail);
    ids_.reserve(tokens.size());
    for (std::size_t id = 0; id < tokens.size(); ++id) {
      std::string const place = "token " + std::to_string(id);
      if (!tokens[id] && added_of_[id] < 0) fail("IdRange", place, "no token of this id", "ids without gaps");
      if (!tokens[id]) continue;
      // An added token that is in the vocabulary too is reached by its text alone, never by bytes.
      if (added_of_[id] >= 0 && tokens[id] == definition_.added[static_cast<std::size_t>(added_of_[id])].content &&
          tokens[id]->size() > 1) {
        continue;
      }
      if (!ids_.emplace(*tokens[id], static_cast<std::int32_t>(id)).second) {
        fail("DuplicateId", place, "the bytes of another token", "bytes of its own");
      }
    }
    std::array<std::int32_t, 256> byte_ids{};
    for (unsigned byte = 0; byte < 256; ++byte) {
      auto const found = ids_.find(std::string(1, static_cast<char>(static_cast<unsigned char>(byte))));
      if (found == ids_.end()) {
        fail("Alphabet", "vocabulary", "no token for byte " + std::to_string(byte), "one for each of the 256");
      }
      byte_ids[byte] = found->second;
    }
    std::vector<bpe_merge> merges;
    for (std::size_t rank = 0; rank < definition_.merges.size(); ++rank) {
      bpe_merge const& merge = definition_.merges[rank];
      if (!has_bytes(merge.left) || !has_bytes(merge.right) || !has_bytes(merge.result) ||
          bytes_of(merge.left) + bytes_of(merge.right) != bytes_of(merge.result)) {
        fail("MergeUnknown", "merge " + std::to_string(rank), "ids that do not fit together",
             "two tokens and their sum");
      }
      // Merging must not produce a control token from plain text.
      if (!is_special_[static_cast<std::size_t>(merge.result)]) merges.push_back(merge);
    }
    merger_ = bpe_merger(byte_ids, merges);
  }

  /// The number of ids; a model may have more rows than that, which must never be sampled.
  [[nodiscard]] std::int32_t vocab_size() const noexcept {
    return static_cast<std::int32_t>(definition_.tokens.size());
  }
  [[nodiscard]] tokenizer_definition const& definition() const noexcept { return definition_; }

  /// @throws unsupported_error if the pre-tokenizer's expression is too costly for this text
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text,
                                                 special_text specials = special_text::plain) const {
    std::vector<std::int32_t> ids;
    encode_state state{pre_tokenizer::cutter(pre_tokenizer_), {}};
    bool const parse = specials == special_text::parse;
    std::vector<detail::text_part> raw;
    (parse ? raw_all_ : raw_plain_).split(text, definition_.added, is_word, raw);
    std::vector<detail::text_part> parts;
    for (detail::text_part const& part : raw) {
      if (part.added >= 0) {
        ids.push_back(definition_.added[static_cast<std::size_t>(part.added)].id);
        continue;
      }
      std::string const normal = definition_.normalize_nfc ? to_nfc(part.text) : std::string();
      parts.clear();
      (parse ? normalized_all_ : normalized_plain_)
          .split(definition_.normalize_nfc ? normal : part.text, definition_.added, is_word, parts);
      for (detail::text_part const& inner : parts) {
        if (inner.added >= 0) {
          ids.push_back(definition_.added[static_cast<std::size_t>(inner.added)].id);
        } else {
          encode_text(inner.text, state, ids);
        }
      }
    }
    return ids;
  }

  /// The bytes of the ids, as they are: a cut-off sequence stays cut off.
  /// @param skip_special  leaves special tokens out
  /// @throws argument_error for an id that is none
  [[nodiscard]] std::string decode(std::span<std::int32_t const> ids, bool skip_special = false) const {
    std::string result;
    for (std::int32_t const id : ids) {
      std::string_view const bytes = token_bytes(id);
      if (!skip_special || !is_special(id)) result += bytes;
    }
    return result;
  }

  /// What an id stands for.  @throws argument_error for an id that is none
  [[nodiscard]] std::string_view token_bytes(std::int32_t id) const {
    if (id < 0 || id >= vocab_size()) {
      throw argument_error("token id: found " + std::to_string(id) + ", expected 0 to " +
                           std::to_string(vocab_size() - 1));
    }
    std::int32_t const added = added_of_[static_cast<std::size_t>(id)];
    return added >= 0 ? definition_.added[static_cast<std::size_t>(added)].content : bytes_of(id);
  }
  /// As token_bytes, in the form that vocabularies print: letters for bytes, added tokens as they are.
  [[nodiscard]] std::string id_to_token(std::int32_t id) const {
    std::string_view const bytes = token_bytes(id);
    return added_of_[static_cast<std::size_t>(id)] >= 0 ? std::string(bytes) : bytes_to_letters(bytes);
  }
  /// The id of an added token's text or of a token in printed form.
  [[nodiscard]] std::optional<std::int32_t> token_to_id(std::string_view token) const {
    if (auto const added = added_ids_.find(token); added != added_ids_.end()) return added->second;
    std::optional<std::string> const bytes = letters_to_bytes(token);
    auto const found = bytes ? ids_.find(*bytes) : ids_.end();
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }
  /// @pre 0 <= id < vocab_size()
  [[nodiscard]] bool is_special(std::int32_t id) const { return is_special_[static_cast<std::size_t>(id)]; }

 private:
  struct encode_state {
    pre_tokenizer::cutter cut;
    bpe_merger::scratch buffers;
  };

  [[nodiscard]] static pre_tokenizer compiled(std::vector<pre_tokenizer_step> const& steps, std::string_view source) {
    try {
      return pre_tokenizer(steps);
    } catch (argument_error const& reason) {
      throw format_error("Regex", source, "pre_tokenizer", reason.what(), "a regular expression that compiles");
    }
  }

  /// The texts to look for in raw or normalised text, with or without those of special tokens.
  [[nodiscard]] std::vector<std::pair<std::string, std::int32_t>> selected(bool normalized, bool with_special) const {
    std::vector<std::pair<std::string, std::int32_t>> result;
    for (std::size_t i = 0; i < definition_.added.size(); ++i) {
      added_token const& token = definition_.added[i];
      if (token.normalized != normalized || (token.special && !with_special)) continue;
      bool const to_normal = normalized && definition_.normalize_nfc;
      result.emplace_back(to_normal ? to_nfc(token.content) : token.content, static_cast<std::int32_t>(i));
    }
    return result;
  }

  template <class Fail>
  void add(std::size_t position, Fail const& fail) {
    added_token const& token = definition_.added[position];
    std::string const place = "added token " + std::to_string(position);
    if (token.content.empty()) fail("AddedToken", place, "an empty text", "a text");
    if (!is_valid_utf8(token.content)) fail("AddedToken", place, "invalid UTF-8", "a text");
    if (token.id < 0) fail("IdRange", place, std::to_string(token.id), "an id that is not negative");
    auto const id = static_cast<std::size_t>(token.id);
    if (id >= definition_.tokens.size()) fail("IdRange", place, std::to_string(id), "ids without gaps");
    if (added_of_[id] >= 0) fail("AddedToken", place, "the id " + std::to_string(id) + " again", "an id of its own");
    if (!added_ids_.emplace(token.content, token.id).second)
      fail("AddedToken", place, "the text of another", "its own");
    if (definition_.tokens[id] && *definition_.tokens[id] != token.content) {
      fail("AddedToken", place, "the id " + std::to_string(id) + " of another token", "an id of its own");
    }
    added_of_[id] = static_cast<std::int32_t>(position);
    is_special_[id] = token.special;
  }

  [[nodiscard]] bool has_bytes(std::int32_t id) const {
    return id >= 0 && id < vocab_size() && definition_.tokens[static_cast<std::size_t>(id)].has_value();
  }
  [[nodiscard]] std::string const& bytes_of(std::int32_t id) const {
    return *definition_.tokens[static_cast<std::size_t>(id)];
  }

  /// \w, for the few code points next to a token with single_word.
  [[nodiscard]] static bool is_word(char32_t code) {
    std::string text;
    append_utf8(text, code);
    static pattern const word(R"([\p{L}\p{M}\p{N}\p{Pc}])");
    return matcher(word).find(text, 0).first == 0;
  }

  void encode_text(std::string_view text, encode_state& state, std::vector<std::int32_t>& ids) const {
    while (!text.empty()) {
      std::size_t const valid = valid_utf8_prefix(text);
      for (std::string_view const piece : state.cut(text.substr(0, valid))) encode_piece(piece, state, ids);
      text.remove_prefix(valid);
      std::size_t invalid = 0;
      while (invalid < text.size() && !decode_utf8_front(text.substr(invalid)).well_formed) ++invalid;
      if (invalid > 0) encode_piece(text.substr(0, invalid), state, ids);
      text.remove_prefix(invalid);
    }
  }

  void encode_piece(std::string_view piece, encode_state& state, std::vector<std::int32_t>& ids) const {
    if (definition_.ignore_merges) {
      if (auto const found = ids_.find(piece); found != ids_.end()) {
        ids.push_back(found->second);
        return;
      }
    }
    merger_.encode(piece, state.buffers, ids);
  }

  struct text_hash {
    using is_transparent = void;
    [[nodiscard]] std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };

  tokenizer_definition definition_;
  pre_tokenizer pre_tokenizer_;
  detail::added_token_finder raw_all_, raw_plain_, normalized_all_, normalized_plain_;
  using id_map = std::unordered_map<std::string, std::int32_t, text_hash, std::equal_to<>>;
  id_map ids_;        ///< by bytes
  id_map added_ids_;  ///< by text
  std::vector<bool> is_special_;
  std::vector<std::int32_t> added_of_;
  bpe_merger merger_;
};

/// Turns ids into text as they come: whole code points at once, the rest when it is complete.
class stream_decoder {
 public:
  /// @param source  must outlive the decoder
  explicit stream_decoder(tokenizer const& source) : source_(&source) {}

  /// What becomes readable with this id.  All results, finish() last, together are decode() of all ids.
  [[nodiscard]] std::string push(std::int32_t id) {
    held_ += source_->token_bytes(id);
    std::size_t const ready = held_.size() - incomplete_utf8_tail(held_);
    std::string result = held_.substr(0, ready);
    held_.erase(0, ready);
    return result;
  }
  /// Bytes that never became a code point.
  [[nodiscard]] std::string finish() { return std::exchange(held_, {}); }

 private:
  tokenizer const* source_;
  std::string held_;
};

}  // namespace text
RLVR_NAMESPACE_END
