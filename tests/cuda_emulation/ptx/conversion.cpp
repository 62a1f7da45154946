// SPDX-License-Identifier: MIT
/// @file
/// cvt.  The common pairs of types have handlers of their own; the rest goes through one that reads the types.
#include "ptx/decoder.hpp"
#include "ptx/rounding.hpp"
#include "ptx/small_float.hpp"
#include "ptx/warp.hpp"
#include <limits>

namespace cuda_emulation::ptx {
namespace {

enum class number_type : std::uint8_t { s8, s16, s32, s64, u8, u16, u32, u64, f16, bf16, f32, f64, none };

number_type type_named(std::string_view name) {
  static constexpr std::string_view names[] = {"s8",  "s16", "s32", "s64",  "u8",  "u16",
                                               "u32", "u64", "f16", "bf16", "f32", "f64"};
  auto const found = std::find(std::begin(names), std::end(names), name);
  return static_cast<number_type>(found - std::begin(names));
}

bool is_signed(number_type type) { return type <= number_type::s64; }
bool is_integer(number_type type) { return type <= number_type::u64; }
unsigned width(number_type type) { return 8u << (static_cast<unsigned>(type) & 3u); }  // of an integer type

/// An integer register, extended to 64 bits.
std::uint64_t read_integer(number_type type, std::uint64_t bits) {
  unsigned const unused = 64 - width(type);
  if (is_signed(type)) return static_cast<std::uint64_t>(static_cast<std::int64_t>(bits << unused) >> unused);
  return bits << unused >> unused;
}

double read_floating(number_type type, std::uint64_t bits) {
  switch (type) {
    case number_type::f16:
      return static_cast<double>(small_to_float<half_format>(static_cast<std::uint16_t>(bits)));
    case number_type::bf16:
      return static_cast<double>(small_to_float<brain_format>(static_cast<std::uint16_t>(bits)));
    case number_type::f32:
      return static_cast<double>(as<float>(bits));
    default:
      return as<double>(bits);
  }
}

/// The value of an integer within a double.
double round_to_integer(double value, rounding mode) {
  if (std::isnan(value) || std::isinf(value)) return value;
  return std::copysign(round_magnitude(std::fabs(value), std::signbit(value), mode), value);
}

/// Rounds, clamps to the type's range; what NaN becomes is the manual's rule.
std::uint64_t floating_to_integer(number_type to, number_type from, double value, rounding mode) {
  unsigned const bits = width(to);
  if (std::isnan(value)) return from == number_type::f64 || bits == 64 ? std::uint64_t{1} << (bits - 1) : 0;
  value = round_to_integer(value, mode);
  if (is_signed(to)) {
    double const limit = std::ldexp(1.0, static_cast<int>(bits) - 1);
    if (value >= limit) return (std::uint64_t{1} << (bits - 1)) - 1;
    return static_cast<std::uint64_t>(value < -limit ? static_cast<std::int64_t>(-limit)
                                                     : static_cast<std::int64_t>(value));
  }
  if (value <= 0) return 0;
  if (value >= std::ldexp(1.0, static_cast<int>(bits))) return ~std::uint64_t{0} >> (64 - bits);
  return static_cast<std::uint64_t>(value);
}

std::uint64_t write_floating(number_type to, double value, rounding mode) {
  switch (to) {
    case number_type::f16:
      return small_from_double<half_format>(value, mode);
    case number_type::bf16:
      return small_from_double<brain_format>(value, mode);
    case number_type::f32: {
      rounding_scope const scope(mode);
      return bits_of(pinned(static_cast<float>(pinned(value))));
    }
    default:
      return bits_of(value);
  }
}

/// 64-bit integers do not fit into a double: they are rounded in one step.
template <class Integer>
std::uint64_t integer_to_floating(number_type to, Integer value, rounding mode) {
  rounding_scope const scope(mode);
  if (to == number_type::f32) return bits_of(pinned(static_cast<float>(pinned(value))));
  double const exact = pinned(static_cast<double>(pinned(value)));
  return to == number_type::f64 ? bits_of(exact) : write_floating(to, exact, mode);
}

std::uint64_t saturate_integer(number_type to, number_type from, std::uint64_t value) {
  unsigned const bits = width(to);
  auto const as_signed = static_cast<std::int64_t>(value);
  bool const negative = is_signed(from) && as_signed < 0;
  if (!is_signed(to)) return negative ? 0 : std::min(value, ~std::uint64_t{0} >> (64 - bits));
  auto const largest = static_cast<std::int64_t>((std::uint64_t{1} << (bits - 1)) - 1);
  if (negative) return static_cast<std::uint64_t>(std::max(as_signed, -largest - 1));
  return std::min(value, static_cast<std::uint64_t>(largest));
}

/// `operation`: to, `combine`: from.  `vector` 2: two floats into a pair; `offset` 1: .relu, 2: .satfinite as well.
std::uint64_t convert(instruction const& at, std::uint64_t bits) {
  auto const to = static_cast<number_type>(at.operation), from = static_cast<number_type>(at.combine);
  if (is_integer(from)) {
    std::uint64_t const value = read_integer(from, bits);
    if (is_integer(to)) return at.saturate ? saturate_integer(to, from, value) : value;
    if (is_signed(from)) return integer_to_floating(to, static_cast<std::int64_t>(value), at.mode);
    return integer_to_floating(to, value, at.mode);
  }
  double value = read_floating(from, bits);
  if (at.flush && from == number_type::f32) value = static_cast<double>(flushed(as<float>(bits)));
  if (is_integer(to)) return floating_to_integer(to, from, value, at.mode);
  if (at.integral) value = round_to_integer(value, at.mode);
  if ((at.offset & 1) != 0 && value < 0) value = 0;
  if (at.saturate && at.offset < 2) value = saturated(value);
  if ((at.offset & 2) != 0) {
    double const largest = to == number_type::f16 ? 65504.0 : 0x1.fep127;
    if (std::fabs(value) > largest) value = std::copysign(largest, value);
  }
  std::uint64_t const result = write_floating(to, value, at.integral ? rounding::nearest : at.mode);
  return at.flush && to == number_type::f32 ? bits_of(flushed(as<float>(result))) : result;
}

void convert_any(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const source = self.values(at.source[0]);
  for_each_lane(mask, [&](unsigned lane) { result[lane] = convert(at, source[lane]); });
}

/// cvt.f16x2.f32 d, a, b: a becomes the upper half.
void convert_pair(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const high = self.values(at.source[0]), *const low = self.values(at.source[1]);
  for_each_lane(mask, [&](unsigned lane) { result[lane] = convert(at, high[lane]) << 16 | convert(at, low[lane]); });
}

// --- common pairs ----------------------------------------------------------------------------------------------------

template <class To, class From>
void convert_directly(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const source = self.values(at.source[0]);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = bits_of(static_cast<To>(as<From>(source[lane]))); });
}

template <class From>
void extend(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const source = self.values(at.source[0]);
  for_each_lane(mask, [=](unsigned lane) {
    if constexpr (std::is_signed_v<From>)
      result[lane] = static_cast<std::uint64_t>(std::int64_t{as<From>(source[lane])});
    else
      result[lane] = as<From>(source[lane]);
  });
}

template <class Format>
void widen(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const source = self.values(at.source[0]);
  for_each_lane(mask, [=](unsigned lane) {
    result[lane] = bits_of(small_to_float<Format>(static_cast<std::uint16_t>(source[lane])));
  });
}

void narrow_to_brain(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const source = self.values(at.source[0]);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = brain_from_float(as<float>(source[lane])); });
}

handler extension(number_type from) {
  switch (from) {
    case number_type::s8:
      return extend<std::int8_t>;
    case number_type::s16:
      return extend<std::int16_t>;
    case number_type::s32:
      return extend<std::int32_t>;
    case number_type::u8:
      return extend<std::uint8_t>;
    case number_type::u16:
      return extend<std::uint16_t>;
    case number_type::u32:
      return extend<std::uint32_t>;
    default:
      return extend<std::uint64_t>;
  }
}

handler from_integer(number_type to, number_type from) {
  bool const single = to == number_type::f32;
  if (!single && to != number_type::f64) return convert_any;
  switch (from) {
    case number_type::s32:
      return single ? convert_directly<float, std::int32_t> : convert_directly<double, std::int32_t>;
    case number_type::u32:
      return single ? convert_directly<float, std::uint32_t> : convert_directly<double, std::uint32_t>;
    case number_type::s64:
      return single ? convert_directly<float, std::int64_t> : convert_directly<double, std::int64_t>;
    case number_type::u64:
      return single ? convert_directly<float, std::uint64_t> : convert_directly<double, std::uint64_t>;
    default:
      return convert_any;
  }
}

handler choose(instruction const& at, number_type to, number_type from) {
  if (at.saturate || at.flush || at.integral || at.offset != 0 || at.mode != rounding::nearest) return convert_any;
  if (is_integer(from)) return is_integer(to) ? extension(width(to) < width(from) ? to : from) : from_integer(to, from);
  if (from == number_type::f32 && to == number_type::f64) return convert_directly<double, float>;
  if (from == number_type::f64 && to == number_type::f32) return convert_directly<float, double>;
  if (from == number_type::f16 && to == number_type::f32) return widen<half_format>;
  if (from == number_type::bf16 && to == number_type::f32) return widen<brain_format>;
  if (from == number_type::f32 && to == number_type::bf16) return narrow_to_brain;
  return convert_any;
}

}  // namespace

handler decode_conversion(opcode const& op, instruction& at) {
  if (op.name != "cvt" || op.modifiers.size() < 2) return nullptr;
  std::string_view name = op.modifiers[op.modifiers.size() - 2];
  bool const pair = name == "f16x2" || name == "bf16x2";
  if (pair) name.remove_suffix(2);
  number_type const to = type_named(name), from = type_named(op.type());
  if (to == number_type::none || from == number_type::none || (pair && from != number_type::f32)) return nullptr;
  at.operation = static_cast<std::uint8_t>(to);
  at.combine = static_cast<std::uint8_t>(from);
  at.offset = (op.has("relu") ? 1 : 0) + (op.has("satfinite") ? 2 : 0);
  return pair ? convert_pair : choose(at, to, from);
}

}  // namespace cuda_emulation::ptx
