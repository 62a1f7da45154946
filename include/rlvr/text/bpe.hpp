// SPDX-License-Identifier: MIT
/// @file
/// Byte-level byte pair encoding: the byte alphabet and the merging of one piece of text.
///
/// A piece starts as one token per byte; the adjacent pair whose merge has the lowest rank is merged (the leftmost of
/// equals), until no pair has a rank.  With a heap of candidates and a linked list of tokens that is O(n log n) for a
/// piece of n bytes, however the merges fall.
/// Sennrich et al., "Neural machine translation of rare words with subword units", ACL 2016.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

/// GPT-2's printable name of a byte: itself where it is printable in Latin-1, else U+0100 and up in order.
[[nodiscard]] constexpr char32_t byte_to_letter(std::uint8_t byte) {
  auto const is_printable = [](unsigned value) {
    return (value >= 0x21 && value <= 0x7E) || (value >= 0xA1 && value <= 0xAC) || (value >= 0xAE && value <= 0xFF);
  };
  if (is_printable(byte)) return byte;
  char32_t before = 0;
  for (unsigned value = 0; value < byte; ++value) before += is_printable(value) ? 0 : 1;
  return 0x100 + before;
}

namespace detail {

/// Letter to byte; -1 for what is no letter of the alphabet.
[[nodiscard]] consteval auto letters_to_bytes() {
  std::array<std::int16_t, 0x144> result{};
  result.fill(-1);
  for (unsigned byte = 0; byte < 256; ++byte) {
    result[byte_to_letter(static_cast<std::uint8_t>(byte))] = static_cast<std::int16_t>(byte);
  }
  return result;
}
inline constexpr auto letter_bytes = letters_to_bytes();

[[nodiscard]] constexpr std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

/// Spreads pairs of ids over the buckets.
struct pair_hash {
  [[nodiscard]] std::size_t operator()(std::uint64_t key) const noexcept {
    key *= 0x9E3779B97F4A7C15u;
    return static_cast<std::size_t>(key ^ key >> 32);
  }
};

}  // namespace detail

/// The bytes of a text as letters of the alphabet: how vocabularies print a token.
[[nodiscard]] inline std::string bytes_to_letters(std::string_view bytes) {
  std::string result;
  for (char const byte : bytes) append_utf8(result, byte_to_letter(static_cast<std::uint8_t>(byte)));
  return result;
}

/// The bytes that a vocabulary's token stands for, or nothing if it holds another letter.
[[nodiscard]] inline std::optional<std::string> letters_to_bytes(std::string_view letters) {
  std::string result;
  while (!letters.empty()) {
    utf8_sequence const next = decode_utf8_front(letters);
    bool const is_letter =
        next.well_formed && next.code_point < detail::letter_bytes.size() && detail::letter_bytes[next.code_point] >= 0;
    if (!is_letter) return std::nullopt;
    result += static_cast<char>(static_cast<unsigned char>(detail::letter_bytes[next.code_point]));
    letters.remove_prefix(next.bytes);
  }
  return result;
}

/// Two tokens that become one.
struct bpe_merge {
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t result = 0;

  friend bool operator==(bpe_merge const&, bpe_merge const&) = default;
};

/// The merges, ready for use.  Immutable after construction: threads may share it.
class bpe_merger {
 public:
  /// Buffers of one encoding, reused from piece to piece.
  struct scratch {
    struct symbol {
      std::int32_t id;
      std::int32_t previous;
      std::int32_t next;
    };
    struct candidate {
      std::int32_t rank;
      std::int32_t position;  ///< of the left symbol
      std::int32_t left;      ///< ids when the candidate was found; others mean that it is outdated
      std::int32_t right;
      std::int32_t result;
    };
    std::vector<symbol> symbols;
    std::vector<candidate> heap;
  };

  bpe_merger() = default;
  /// @param byte_ids  the token of each byte
  /// @param merges    by rank; of two equal pairs the last counts
  bpe_merger(std::array<std::int32_t, 256> const& byte_ids, std::vector<bpe_merge> const& merges)
      : byte_ids_(byte_ids) {
    ranks_.reserve(merges.size());
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      bpe_merge const& merge = merges[rank];
      ranks_[detail::pair_key(merge.left, merge.right)] = {static_cast<std::int32_t>(rank), merge.result};
    }
  }

  /// Appends the ids of a piece.  @pre piece.size() < 2^31
  void encode(std::string_view piece, scratch& buffers, std::vector<std::int32_t>& out) const {
    auto& symbols = buffers.symbols;
    auto& heap = buffers.heap;
    symbols.clear();
    heap.clear();
    auto const count = static_cast<std::int32_t>(piece.size());
    for (std::int32_t i = 0; i < count; ++i) {
      auto const byte = static_cast<unsigned char>(piece[static_cast<std::size_t>(i)]);
      symbols.push_back({byte_ids_[byte], i - 1, i + 1 < count ? i + 1 : -1});
    }
    auto const at = [&](std::int32_t position) -> scratch::symbol& {
      return symbols[static_cast<std::size_t>(position)];
    };
    // Lowest rank first, then leftmost: the top of the heap.
    auto const after = [](scratch::candidate const& a, scratch::candidate const& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
    };
    auto const find = [&](std::int32_t position) -> bool {
      if (position < 0 || at(position).next < 0) return false;
      std::int32_t const left = at(position).id;
      std::int32_t const right = at(at(position).next).id;
      auto const found = ranks_.find(detail::pair_key(left, right));
      if (found == ranks_.end()) return false;
      heap.push_back({found->second.rank, position, left, right, found->second.result});
      return true;
    };
    for (std::int32_t i = 0; i + 1 < count; ++i) find(i);
    std::make_heap(heap.begin(), heap.end(), after);
    auto const push = [&](std::int32_t position) {
      if (find(position)) std::push_heap(heap.begin(), heap.end(), after);
    };
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end(), after);
      scratch::candidate const best = heap.back();
      heap.pop_back();
      scratch::symbol& left = at(best.position);
      if (left.id != best.left || left.next < 0 || at(left.next).id != best.right) continue;
      scratch::symbol& right = at(left.next);
      left.id = best.result;
      right.id = -1;
      left.next = right.next;
      if (left.next >= 0) at(left.next).previous = best.position;
      push(left.previous);
      push(best.position);
    }
    for (std::int32_t i = count > 0 ? 0 : -1; i >= 0; i = at(i).next) out.push_back(at(i).id);
  }

 private:
  struct merge_value {
    std::int32_t rank;
    std::int32_t result;
  };
  std::array<std::int32_t, 256> byte_ids_{};
  std::unordered_map<std::uint64_t, merge_value, detail::pair_hash> ranks_;
};

}  // namespace text
RLVR_NAMESPACE_END
