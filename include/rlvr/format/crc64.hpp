// SPDX-License-Identifier: MIT
/// @file
/// CRC-64/XZ (ECMA-182, reflected): finds torn, zero-filled and flipped bytes in files.  No protection against intent.
#pragma once

#include <rlvr/core/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace format {

namespace detail {
/// Eight tables, so that eight bytes are taken at a time.
[[nodiscard]] consteval auto crc64_tables() {
  std::array<std::array<std::uint64_t, 256>, 8> tables{};
  for (std::uint64_t byte = 0; byte < 256; ++byte) {
    std::uint64_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0xC96C5795D7870F42u : 0);
    tables[0][byte] = value;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      tables[k][byte] = tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 0xFF];
    }
  }
  return tables;
}
inline constexpr auto crc64_table = crc64_tables();
}  // namespace detail

/// The checksum of bytes, or of more bytes behind those of an earlier checksum.
[[nodiscard]] constexpr std::uint64_t crc64(std::string_view bytes, std::uint64_t before = 0) {
  std::uint64_t value = ~before;
  std::size_t at = 0;
  auto const byte = [&](std::size_t position) {
    return static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[position]));
  };
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < 8; ++k) word |= byte(at + k) << (8 * k);
    word ^= value;
    value = 0;
    for (std::size_t k = 0; k < 8; ++k) value ^= detail::crc64_table[7 - k][word >> (8 * k) & 0xFF];
  }
  for (; at < bytes.size(); ++at) value = value >> 8 ^ detail::crc64_table[0][(value ^ byte(at)) & 0xFF];
  return ~value;
}

}  // namespace format
RLVR_NAMESPACE_END
