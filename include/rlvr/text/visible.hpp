// SPDX-License-Identifier: MIT
/// @file
/// Is there anything to read in a text?  A code point is *visible* unless its general category is Z*
/// (separators), Cc (controls) or Cf (format characters such as the zero-width space).  Bytes that are not
/// well-formed UTF-8 count as visible: a model that emits half a character has still emitted something.
///
/// Marks, private-use and unassigned code points are visible.  The table holds the categories of Unicode 15.1.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/text/utf8.hpp>

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

}  // namespace detail

/// Whether the text holds at least one visible code point or a malformed byte.  Linear, stops at the first.
[[nodiscard]] constexpr bool has_visible(std::string_view text) noexcept {
  while (!text.empty()) {
    utf8_sequence const front = decode_utf8_front(text);
    if (!front.well_formed || !detail::is_invisible(front.code_point)) return true;
    text.remove_prefix(front.bytes);
  }
  return false;
}

}  // namespace text
RLVR_NAMESPACE_END
