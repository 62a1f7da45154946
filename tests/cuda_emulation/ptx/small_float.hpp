// SPDX-License-Identifier: MIT
/// @file
/// The 16-bit formats: values to float, and back with every rounding.
#pragma once

#include "ptx/program.hpp"
#include <bit>
#include <cmath>
#include <cstdint>

namespace cuda_emulation::ptx {

struct half_format {
  static constexpr int mantissa_bits = 10, bias = 15;
};
struct brain_format {
  static constexpr int mantissa_bits = 7, bias = 127;
};

template <class Format>
constexpr std::uint16_t infinity_bits = static_cast<std::uint16_t>((2 * Format::bias + 1) << Format::mantissa_bits);
constexpr std::uint16_t small_nan = 0x7fff, small_sign = 0x8000;

template <class Format>
[[nodiscard]] inline float small_to_float(std::uint16_t bits) {
  if constexpr (Format::bias == 127) return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  std::uint32_t const sign = static_cast<std::uint32_t>(bits & small_sign) << 16, magnitude = bits & 0x7fffu;
  if (magnitude >= infinity_bits<Format>) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  if (magnitude < 0x400u) {
    float const value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
}

/// An integer's neighbour of `value` >= 0 in the direction of `mode`; `negative`: it stands for -value.
[[nodiscard]] inline double round_magnitude(double value, bool negative, rounding mode) {
  switch (mode) {
    case rounding::nearest:
      return std::nearbyint(value);
    case rounding::zero:
      return std::floor(value);
    case rounding::down:
      return negative ? std::ceil(value) : std::floor(value);
    case rounding::up:
      return negative ? std::floor(value) : std::ceil(value);
  }
  return value;
}

/// Rounds once, from the exact value of a double.
template <class Format>
[[nodiscard]] std::uint16_t small_from_double(double value, rounding mode = rounding::nearest) {
  constexpr int smallest = 1 - Format::bias;
  if (std::isnan(value)) return small_nan;
  bool const negative = std::signbit(value);
  auto const sign = static_cast<std::uint16_t>(negative ? small_sign : 0);
  double const magnitude = std::fabs(value);
  if (std::isinf(value)) return sign | infinity_bits<Format>;
  if (magnitude == 0) return sign;
  int const exponent = std::max(std::ilogb(magnitude), smallest);
  if (exponent > Format::bias) {
    bool const to_infinity = mode == rounding::nearest || mode == (negative ? rounding::down : rounding::up);
    return static_cast<std::uint16_t>(sign | (infinity_bits<Format> - (to_infinity ? 0 : 1)));
  }
  double const units = round_magnitude(std::ldexp(magnitude, Format::mantissa_bits - exponent), negative, mode);
  // The hidden bit, and a carry of the rounding, add one to the exponent's field; that may give infinity, as it should.
  return static_cast<std::uint16_t>(sign |
                                    (((exponent - smallest) << Format::mantissa_bits) + static_cast<int>(units)));
}

/// Round to nearest even, for the most common conversion.
[[nodiscard]] inline std::uint16_t brain_from_float(float value) {
  auto const bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return small_nan;
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace cuda_emulation::ptx
