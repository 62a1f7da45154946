// SPDX-License-Identifier: MIT
/// @file
/// Small helpers to take PTX text apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cuda_emulation::ptx {

/// Without white space at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);
/// Splits at `separator`, not inside brackets; the parts are trimmed, an empty text has none.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
/// The words of a text, separated by white space.
[[nodiscard]] std::vector<std::string_view> words(std::string_view text);
/// Without `//` and `/* */` comments; line breaks stay.
[[nodiscard]] std::string without_comments(std::string_view text);
[[nodiscard]] bool starts_with(std::string_view text, std::string_view prefix);
/// Whether a literal begins here, and its bits: 12, -3, 0x1F, 12U, 0f3F800000, 0d3FF0000000000000.
[[nodiscard]] bool is_number(std::string_view text);
[[nodiscard]] std::uint64_t number(std::string_view text);
/// Bytes of a type such as "u32", "f64", "pred" or "f16x2"; 0 if it is none.
[[nodiscard]] unsigned type_bytes(std::string_view type);

}  // namespace cuda_emulation::ptx
