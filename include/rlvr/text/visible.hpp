// SPDX-License-Identifier: MIT
/// @file
/// Is there anything to read in a text?  A code point is *visible* unless its general category is Z*
/// (separators), Cc (controls) or Cf (format characters such as the zero-width space).  Bytes that are not
/// well-formed UTF-8 count as visible: a model that emits half a character has still emitted something.
///
/// Marks, private-use and unassigned code points are visible.  The table holds the categories of Unicode 15.1.
#pragma once

#include <rlvr/core/config.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace text {

namespace detail {

struct code_point_range {
  std::uint32_t first;
  std::uint32_t last;
};

/// Categories Zs, Zl, Zp, Cc and Cf, ascending.
inline constexpr std::array<code_point_range, 25> invisible_code_points{{
    {0x0000, 0x0020},   {0x007F, 0x00A0},   {0x00AD, 0x00AD},   {0x0600, 0x0605},   {0x061C, 0x061C},
    {0x06DD, 0x06DD},   {0x070F, 0x070F},   {0x0890, 0x0891},   {0x08E2, 0x08E2},   {0x1680, 0x1680},
    {0x180E, 0x180E},   {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x2064},   {0x2066, 0x206F},
    {0x3000, 0x3000},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
    {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0001, 0xE0001}, {0xE0020, 0xE007F},
}};

[[nodiscard]] constexpr bool is_invisible(std::uint32_t code_point) noexcept {
  auto const after = std::upper_bound(invisible_code_points.begin(), invisible_code_points.end(), code_point,
                                      [](std::uint32_t value, code_point_range range) { return value < range.first; });
  return after != invisible_code_points.begin() && code_point <= (after - 1)->last;
}

/// A decoded code point and the bytes it took; no bytes: the text is not well-formed there.
struct decoded_code_point {
  std::uint32_t value;
  std::size_t bytes;
};

/// Strict UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF) at the front of a non-empty text.
[[nodiscard]] constexpr decoded_code_point decode_front(std::string_view text) noexcept {
  auto const lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  std::size_t const bytes = lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 ? 4 : 0;
  if (bytes == 0 || lead > 0xF4 || text.size() < bytes) return {0, 0};
  std::uint32_t value = lead & (0x7Fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    auto const next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0u) != 0x80u) return {0, 0};
    value = (value << 6) | (next & 0x3Fu);
  }
  bool const overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  bool const surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return {0, 0};
  return {value, bytes};
}

}  // namespace detail

/// Whether the text holds at least one visible code point or a malformed byte.  Linear, stops at the first.
[[nodiscard]] constexpr bool has_visible(std::string_view text) noexcept {
  while (!text.empty()) {
    detail::decoded_code_point const front = detail::decode_front(text);
    if (front.bytes == 0 || !detail::is_invisible(front.value)) return true;
    text.remove_prefix(front.bytes);
  }
  return false;
}

}  // namespace text
RLVR_NAMESPACE_END
