// SPDX-License-Identifier: MIT
/// @file
/// Learns a byte-level BPE vocabulary from texts: merge the most frequent adjacent pair, again and again.
///
/// Counts are kept up to date pair by pair, so that a merge costs what it touches.  Of equally frequent pairs the one
/// with the lower ids is merged: equal texts give an equal tokenizer, whatever their order.
/// Ids: special tokens, 256 bytes, merges in the order they were learnt.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/text/bpe.hpp>
#include <rlvr/text/pre_tokenizer.hpp>
#include <rlvr/text/tokenizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

struct bpe_trainer_options {
  std::int32_t vocab_size = 4096;             ///< at most; special tokens and the 256 bytes included
  std::vector<std::string> special_tokens{};  ///< get the first ids; never learnt from texts
  std::int64_t min_frequency = 2;             ///< a pair that occurs less often is not merged
  std::size_t max_token_bytes = 64;           ///< a merge does not make longer tokens
  std::vector<pre_tokenizer_step> steps{pre_tokenizer_step{}};
  bool normalize_nfc = false;
};

namespace detail {

/// The state of a training: distinct pieces as ids, counts of pairs, where each pair occurs.
class bpe_training {
 public:
  bpe_training(std::map<std::string, std::int64_t> const& pieces, std::int32_t first_byte) {
    for (auto const& [piece, count] : pieces) {
      std::vector<std::int32_t> ids;
      for (char const byte : piece) ids.push_back(first_byte + static_cast<unsigned char>(byte));
      for (std::size_t i = 0; i + 1 < ids.size(); ++i) change(ids[i], ids[i + 1], count, words_.size());
      words_.push_back({std::move(ids), count});
    }
    for (auto const& [key, pair] : pairs_) queue_.push({pair.count, key});
    touched_.clear();
  }

  /// The next pair to merge: the most frequent, of equals the lowest.  False if none occurs often enough.
  template <class Allowed>
  [[nodiscard]] bool best(std::int64_t least, Allowed const& allowed, std::uint64_t& key) {
    while (!queue_.empty()) {
      queued const top = queue_.top();
      queue_.pop();
      std::int64_t const count = pairs_[top.key].count;
      if (count != top.count) continue;  // outdated: the changed count was queued too
      if (count < least) return false;
      if (!allowed(top.key)) continue;
      key = top.key;
      return true;
    }
    return false;
  }

  void merge(std::uint64_t key, std::int32_t id) {
    auto const left = static_cast<std::int32_t>(key >> 32);
    auto const right = static_cast<std::int32_t>(key & 0xFFFFFFFFu);
    std::vector<std::size_t> where;
    where.swap(pairs_[key].words);
    std::sort(where.begin(), where.end());
    where.erase(std::unique(where.begin(), where.end()), where.end());
    for (std::size_t const position : where) merge_word(position, left, right, id);
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    for (std::uint64_t const changed : touched_) {
      if (pair_state const& pair = pairs_[changed]; pair.count > 0) queue_.push({pair.count, changed});
    }
    touched_.clear();
  }

 private:
  struct word {
    std::vector<std::int32_t> ids;
    std::int64_t count;
  };
  struct pair_state {
    std::int64_t count = 0;
    std::vector<std::size_t> words;  ///< that hold it, or held it once
  };
  struct queued {
    std::int64_t count;
    std::uint64_t key;
    /// The most frequent is the greatest; of equals the one with the lower ids.
    [[nodiscard]] bool operator<(queued const& other) const {
      return count != other.count ? count < other.count : key > other.key;
    }
  };

  void change(std::int32_t left, std::int32_t right, std::int64_t by, std::size_t position) {
    std::uint64_t const key = pair_key(left, right);
    pair_state& pair = pairs_[key];
    pair.count += by;
    if (by > 0 && (pair.words.empty() || pair.words.back() != position)) pair.words.push_back(position);
    touched_.push_back(key);
  }

  void merge_word(std::size_t position, std::int32_t left, std::int32_t right, std::int32_t id) {
    std::vector<std::int32_t>& ids = words_[position].ids;
    std::int64_t const count = words_[position].count;
    std::vector<std::int32_t> merged;
    merged.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size();) {
      bool const matches = i + 1 < ids.size() && ids[i] == left && ids[i + 1] == right;
      merged.push_back(matches ? id : ids[i]);
      i += matches ? 2 : 1;
    }
    if (merged.size() == ids.size()) return;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) change(ids[i], ids[i + 1], -count, position);
    for (std::size_t i = 0; i + 1 < merged.size(); ++i) change(merged[i], merged[i + 1], count, position);
    ids = std::move(merged);
  }

  std::vector<word> words_;
  std::unordered_map<std::uint64_t, pair_state, pair_hash> pairs_;
  std::priority_queue<queued> queue_;
  std::vector<std::uint64_t> touched_;  ///< pairs whose count changed in this merge
};

}  // namespace detail

/// @throws argument_error for options that contradict themselves
[[nodiscard]] inline tokenizer train_bpe(std::span<std::string const> texts, bpe_trainer_options const& options) {
  auto const specials = static_cast<std::int32_t>(options.special_tokens.size());
  if (options.vocab_size < specials + 256) {
    throw argument_error("vocab_size: found " + std::to_string(options.vocab_size) + ", expected at least " +
                         std::to_string(specials + 256) + " for special tokens and bytes");
  }
  tokenizer_definition definition;
  definition.steps = options.steps;
  definition.normalize_nfc = options.normalize_nfc;
  for (std::int32_t id = 0; id < specials; ++id) {
    std::string const& content = options.special_tokens[static_cast<std::size_t>(id)];
    definition.added.push_back({.id = id, .content = content, .special = true});
    definition.tokens.emplace_back();
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    definition.tokens.emplace_back(std::string(1, static_cast<char>(static_cast<unsigned char>(byte))));
  }

  std::vector<std::pair<std::string, std::int32_t>> wanted;
  for (std::int32_t id = 0; id < specials; ++id)
    wanted.emplace_back(definition.added[static_cast<std::size_t>(id)].content, id);
  detail::added_token_finder const finder(wanted);
  pre_tokenizer const steps(options.steps);
  pre_tokenizer::cutter cut(steps);
  std::map<std::string, std::int64_t> pieces;
  for (std::string const& text : texts) {
    std::vector<detail::text_part> parts;
    finder.split(
        text, definition.added, [](char32_t) { return false; }, parts);
    for (detail::text_part const& part : parts) {
      if (part.added >= 0) continue;
      std::string const normal = options.normalize_nfc ? to_nfc(part.text) : std::string(part.text);
      std::string_view rest = normal;
      while (!rest.empty()) {  // bytes that are no UTF-8 separate, and nothing is learnt from them
        std::size_t const valid = valid_utf8_prefix(rest);
        for (std::string_view const piece : cut(rest.substr(0, valid))) ++pieces[std::string(piece)];
        rest.remove_prefix(std::min(rest.size(), valid + 1));
      }
    }
  }

  detail::bpe_training training(pieces, specials);
  auto const length = [&](std::uint64_t id) { return definition.tokens[id]->size(); };
  auto const allowed = [&](std::uint64_t key) {
    return length(key >> 32) + length(key & 0xFFFFFFFFu) <= options.max_token_bytes;
  };
  std::unordered_map<std::string, std::int32_t> known;
  for (std::size_t id = 0; id < definition.tokens.size(); ++id) {
    if (definition.tokens[id]) known.emplace(*definition.tokens[id], static_cast<std::int32_t>(id));
  }
  std::uint64_t key = 0;
  while (static_cast<std::int32_t>(definition.tokens.size()) < options.vocab_size &&
         training.best(options.min_frequency, allowed, key)) {
    auto const left = static_cast<std::int32_t>(key >> 32);
    auto const right = static_cast<std::int32_t>(key & 0xFFFFFFFFu);
    std::string bytes = *definition.tokens[key >> 32] + *definition.tokens[key & 0xFFFFFFFFu];
    // Two ways to the same bytes are one token.
    auto const [position, is_new] = known.emplace(bytes, static_cast<std::int32_t>(definition.tokens.size()));
    if (is_new) definition.tokens.emplace_back(std::move(bytes));
    definition.merges.push_back({left, right, position->second});
    training.merge(key, position->second);
  }
  return tokenizer(std::move(definition), "trained tokenizer");
}

}  // namespace text
RLVR_NAMESPACE_END
