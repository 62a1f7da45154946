// SPDX-License-Identifier: MIT
/// @file
/// Foreign text in messages.
#pragma once

#include <rlvr/core/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace text {

/// The first 60 bytes of some text in quotation marks, safe to print and to put into a file: ASCII, other bytes as
/// \xNN.
[[nodiscard]] inline std::string excerpt(std::string_view text) {
  constexpr std::size_t limit = 60;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string line{"'"};
  for (char const byte : text.substr(0, limit)) {
    auto const value = static_cast<unsigned char>(byte);
    if (value >= 0x20 && value < 0x7F) {
      line += byte;
    } else {
      ((line += "\\x") += digits[value >> 4]) += digits[value & 15u];
    }
  }
  line += text.size() > limit ? "...'" : "'";
  return line;
}

}  // namespace text
RLVR_NAMESPACE_END
