// SPDX-License-Identifier: MIT
/// @file
/// Storage types.  bfloat16 and float16 exist for load and store only: arithmetic is done in float, references in
/// double.  Conversions are integer arithmetic, so that host, device and every compiler agree in their bits.
#pragma once

#include <rlvr/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

RLVR_NAMESPACE_BEGIN

/// What a stored element is.
enum class dtype : std::uint8_t { f32, bf16, f16 };

/// Bytes of one element.
[[nodiscard]] RLVR_HD constexpr std::size_t size_of(dtype type) { return type == dtype::f32 ? 4 : 2; }

/// The name that safetensors files use.
[[nodiscard]] constexpr std::string_view name_of(dtype type) {
  switch (type) {
    case dtype::f32:
      return "F32";
    case dtype::bf16:
      return "BF16";
    case dtype::f16:
      return "F16";
  }
  return "?";
}

/// bfloat16: the upper half of a float; rounds to nearest even; keeps NaN and infinity.
struct bf16 {
  std::uint16_t bits = 0;

  constexpr bf16() = default;
  RLVR_HD constexpr explicit bf16(float value) {
    std::uint32_t const raw = __builtin_bit_cast(std::uint32_t, value);
    bool const is_nan = (raw & 0x7fffffffu) > 0x7f800000u;
    std::uint32_t const rounded = raw + 0x7fffu + ((raw >> 16) & 1u);
    bits = static_cast<std::uint16_t>(is_nan ? ((raw >> 16) | 0x40u) : (rounded >> 16));
  }
  [[nodiscard]] RLVR_HD constexpr explicit operator float() const {
    return __builtin_bit_cast(float, std::uint32_t{bits} << 16);
  }
  [[nodiscard]] static RLVR_HD constexpr bf16 from_bits(std::uint16_t raw) {
    bf16 result;
    result.bits = raw;
    return result;
  }
};

/// IEEE 754 binary16; rounds to nearest even; overflow gives infinity; subnormals are kept.
struct f16 {
  std::uint16_t bits = 0;

  constexpr f16() = default;
  RLVR_HD constexpr explicit f16(float value) {
    std::uint32_t const raw = __builtin_bit_cast(std::uint32_t, value);
    std::uint32_t const sign = (raw >> 16) & 0x8000u;
    std::uint32_t const magnitude = raw & 0x7fffffffu;
    std::uint32_t result = 0;
    if (magnitude > 0x7f800000u) {
      result = 0x7e00u;  // NaN
    } else if (magnitude >= 0x477ff000u) {
      result = 0x7c00u;  // 65520 and above round to infinity
    } else if (magnitude >= 0x38800000u) {
      std::uint32_t const rebased = magnitude - 0x38000000u;  // exponent bias 127 -> 15
      result = (rebased + 0x0fffu + ((rebased >> 13) & 1u)) >> 13;
    } else if (magnitude >= 0x33000000u) {  // subnormal, or rounds up to the smallest one
      std::uint32_t const mantissa = (magnitude & 0x7fffffu) | 0x800000u;
      std::uint32_t const shift = 126u - (magnitude >> 23);
      std::uint32_t const kept = mantissa >> shift;
      std::uint32_t const rest = mantissa & ((1u << shift) - 1u);
      std::uint32_t const half = 1u << (shift - 1u);
      result = kept + ((rest > half || (rest == half && (kept & 1u))) ? 1u : 0u);
    }
    bits = static_cast<std::uint16_t>(sign | result);
  }
  [[nodiscard]] RLVR_HD constexpr explicit operator float() const {
    std::uint32_t const sign = std::uint32_t{bits & 0x8000u} << 16;
    std::uint32_t const exponent = (bits >> 10) & 0x1fu;
    std::uint32_t mantissa = bits & 0x3ffu;
    if (exponent == 0x1f) return __builtin_bit_cast(float, sign | 0x7f800000u | (mantissa << 13));
    if (exponent != 0) return __builtin_bit_cast(float, sign | ((exponent + 112u) << 23) | (mantissa << 13));
    if (mantissa == 0) return __builtin_bit_cast(float, sign);
    std::uint32_t shifted = 113u;  // normalise the subnormal
    while ((mantissa & 0x400u) == 0) {
      mantissa <<= 1;
      --shifted;
    }
    return __builtin_bit_cast(float, sign | (shifted << 23) | ((mantissa & 0x3ffu) << 13));
  }
  [[nodiscard]] static RLVR_HD constexpr f16 from_bits(std::uint16_t raw) {
    f16 result;
    result.bits = raw;
    return result;
  }
};

static_assert(sizeof(bf16) == 2 && sizeof(f16) == 2);

RLVR_NAMESPACE_END
