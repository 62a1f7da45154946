// SPDX-License-Identifier: MIT
/// @file
/// Normalisation form C (Unicode Standard Annex 15): canonical decomposition, canonical order, canonical composition.
/// Bytes that are no UTF-8 are kept and separate what stands on both sides.  Linear, but for the order of the marks on
/// one letter.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/text/tokenizer_nfc_tables.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

namespace detail {

// Hangul syllables compose by arithmetic (Unicode Standard, section 3.12).
inline constexpr char32_t hangul_first = 0xAC00;
inline constexpr char32_t hangul_count = 11172;
inline constexpr char32_t hangul_lead = 0x1100;
inline constexpr char32_t hangul_vowel = 0x1161;
inline constexpr char32_t hangul_tail = 0x11A7;

/// A pair for the search from parts to whole: first << 42 | second << 21 | whole, ascending.
[[nodiscard]] consteval auto sorted_compositions() {
  constexpr auto recomposes = [](std::uint64_t pair) { return (pair >> 42 & 1) != 0; };
  constexpr std::size_t count = static_cast<std::size_t>(std::count_if(nfc_pairs.begin(), nfc_pairs.end(), recomposes));
  std::array<std::uint64_t, count> result{};
  std::size_t filled = 0;
  for (std::uint64_t const pair : nfc_pairs) {
    if (recomposes(pair)) result[filled++] = (pair & ((std::uint64_t{1} << 42) - 1)) << 21 | pair >> 43;
  }
  std::sort(result.begin(), result.end());
  return result;
}
inline constexpr auto nfc_compositions = sorted_compositions();

[[nodiscard]] inline unsigned combining_class(char32_t code) {
  if (code < 0x300) return 0;
  auto const next = std::upper_bound(nfc_classes.begin(), nfc_classes.end(), std::uint64_t{code} << 16 | 0xFFFF);
  if (next == nfc_classes.begin()) return 0;
  std::uint64_t const run = *(next - 1);
  return code <= (run >> 16) + (run >> 8 & 0xFF) ? static_cast<unsigned>(run & 0xFF) : 0;
}

/// Appends the full canonical decomposition of a code point.
inline void decompose(char32_t code, std::vector<char32_t>& out) {
  if (code >= hangul_first && code < hangul_first + hangul_count) {
    char32_t const index = code - hangul_first;
    out.push_back(hangul_lead + index / 588);
    out.push_back(hangul_vowel + index % 588 / 28);
    if (index % 28 != 0) out.push_back(hangul_tail + index % 28);
    return;
  }
  constexpr std::uint64_t mask = (1 << 21) - 1;
  auto const single = std::lower_bound(nfc_singletons.begin(), nfc_singletons.end(), std::uint64_t{code} << 21);
  if (single != nfc_singletons.end() && *single >> 21 == code) {
    decompose(static_cast<char32_t>(*single & mask), out);
    return;
  }
  auto const pair = std::lower_bound(nfc_pairs.begin(), nfc_pairs.end(), std::uint64_t{code} << 43);
  if (pair != nfc_pairs.end() && *pair >> 43 == code) {
    decompose(static_cast<char32_t>(*pair >> 21 & mask), out);
    out.push_back(static_cast<char32_t>(*pair & mask));  // second parts do not decompose further
    return;
  }
  out.push_back(code);
}

/// The whole of two parts, or 0.
[[nodiscard]] inline char32_t compose(char32_t first, char32_t second) {
  if (first >= hangul_lead && first < hangul_lead + 19 && second >= hangul_vowel && second < hangul_vowel + 21) {
    return hangul_first + ((first - hangul_lead) * 21 + (second - hangul_vowel)) * 28;
  }
  bool const is_open = first >= hangul_first && first < hangul_first + hangul_count && (first - hangul_first) % 28 == 0;
  if (is_open && second > hangul_tail && second < hangul_tail + 28) return first + (second - hangul_tail);
  std::uint64_t const parts = std::uint64_t{first} << 21 | second;
  auto const found = std::lower_bound(nfc_compositions.begin(), nfc_compositions.end(), parts << 21);
  if (found == nfc_compositions.end() || *found >> 21 != parts) return 0;
  return static_cast<char32_t>(*found & ((1 << 21) - 1));
}

/// Orders marks and composes, in place.
inline void order_and_compose(std::vector<char32_t>& codes) {
  for (std::size_t i = 0; i < codes.size();) {
    if (combining_class(codes[i]) == 0) {
      ++i;
      continue;
    }
    std::size_t const first = i;
    while (i < codes.size() && combining_class(codes[i]) != 0) ++i;
    std::stable_sort(codes.begin() + static_cast<std::ptrdiff_t>(first), codes.begin() + static_cast<std::ptrdiff_t>(i),
                     [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
  }
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t starter = none;
  std::size_t filled = 0;
  unsigned last_class = 0;  // of what was kept since the starter; a mark behind its equal is blocked
  for (char32_t const code : codes) {
    unsigned const mark = combining_class(code);
    bool const adjacent = starter != none && starter + 1 == filled;
    if (starter != none && (adjacent || last_class < mark)) {
      if (char32_t const whole = compose(codes[starter], code); whole != 0) {
        codes[starter] = whole;
        continue;
      }
    }
    if (mark == 0) starter = filled;
    last_class = mark;
    codes[filled++] = code;
  }
  codes.resize(filled);
}

}  // namespace detail

/// The text in normalisation form C.
[[nodiscard]] inline std::string to_nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::vector<char32_t> codes;
  // Below U+0300 nothing composes with what stands before it, and everything is its own form: such a code point ends
  // a stretch, and stretches are normalised one by one.
  auto const flush = [&] {
    if (codes.size() > 1 || (codes.size() == 1 && codes[0] >= 0x300)) {
      std::vector<char32_t> parts;
      for (char32_t const code : codes) detail::decompose(code, parts);
      detail::order_and_compose(parts);
      codes.swap(parts);
    }
    for (char32_t const code : codes) append_utf8(out, code);
    codes.clear();
  };
  while (!text.empty()) {
    utf8_sequence const next = decode_utf8_front(text);
    if (!next.well_formed || next.code_point < 0x300) flush();
    if (next.well_formed) {
      codes.push_back(next.code_point);
    } else {
      out += text.front();
    }
    text.remove_prefix(next.bytes);
  }
  flush();
  return out;
}

}  // namespace text
RLVR_NAMESPACE_END
