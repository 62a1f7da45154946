// SPDX-License-Identifier: MIT
// Storage types: every one of the 65,536 patterns, and rounding against a search over all representable values in
// double.
#include <rlvr/core/dtype.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <support/catch.hpp>
#include <vector>

namespace {

using rlvr::bf16;
using rlvr::f16;

// The value of a pattern by the definition of the format, in double.
double value_of(std::uint32_t pattern, int exponent_bits, int mantissa_bits) {
  std::uint32_t const mantissa = pattern & ((1u << mantissa_bits) - 1);
  int const exponent = static_cast<int>(pattern >> mantissa_bits & ((1u << exponent_bits) - 1));
  int const bias = (1 << (exponent_bits - 1)) - 1;
  double const sign = pattern >> (exponent_bits + mantissa_bits) ? -1.0 : 1.0;
  double const fraction = mantissa / std::exp2(mantissa_bits);
  if (exponent == (1 << exponent_bits) - 1)
    return mantissa ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::exp2(1 - bias) * fraction;
  return sign * std::exp2(exponent - bias) * (1 + fraction);
}

// Non-negative finite values of a format, ascending: index = pattern.  One more stands for infinity: the value that
// the next exponent would have, so that the usual rule (nearest, ties to even) decides about overflow.
std::vector<double> grid(int exponent_bits, int mantissa_bits) {
  std::vector<double> values;
  std::uint32_t const infinite = ((1u << exponent_bits) - 1) << mantissa_bits;
  for (std::uint32_t pattern = 0; pattern < infinite; ++pattern)
    values.push_back(value_of(pattern, exponent_bits, mantissa_bits));
  values.push_back(std::exp2(1 << (exponent_bits - 1)));
  return values;
}

// Nearest value of the grid, ties to the even pattern.
std::uint32_t nearest(std::vector<double> const& values, double x) {
  auto const above = std::upper_bound(values.begin(), values.end(), x);
  if (above == values.end()) return static_cast<std::uint32_t>(values.size() - 1);
  auto const high = static_cast<std::uint32_t>(above - values.begin());
  std::uint32_t const low = high - 1;
  double const to_low = x - values[low];
  double const to_high = values[high] - x;
  if (to_low != to_high) return to_low < to_high ? low : high;
  return low % 2 == 0 ? low : high;
}

template <class Storage>
void check_format(int exponent_bits, int mantissa_bits) {
  // Every pattern has the value of its definition and comes back.
  for (std::uint32_t pattern = 0; pattern < 65536; ++pattern) {
    auto const stored = Storage::from_bits(static_cast<std::uint16_t>(pattern));
    auto const x = static_cast<float>(stored);
    double const expected = value_of(pattern, exponent_bits, mantissa_bits);
    Storage const back(x);
    bool const right =
        std::isnan(expected)
            ? std::isnan(x) && std::isnan(static_cast<float>(back)) && (back.bits >> 15) == (pattern >> 15)
            : static_cast<double>(x) == expected && std::signbit(x) == std::signbit(expected) && back.bits == pattern;
    if (!right) FAIL_CHECK("pattern " << pattern << " has value " << x << ", expected " << expected);
  }
  // Rounding: round every value and every midpoint, three floats to either side; and random floats.
  std::vector<double> const values = grid(exponent_bits, mantissa_bits);
  auto const check = [&](float x) {
    if (std::isnan(x)) return;
    std::uint32_t const sign = std::signbit(x) ? 0x8000u : 0u;
    std::uint32_t const expected = sign | nearest(values, std::abs(static_cast<double>(x)));
    if (Storage(x).bits != expected)
      FAIL_CHECK("rounding of " << x << " gives " << Storage(x).bits << ", expected " << expected);
  };
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    for (double const centre : {values[i], (values[i] + values[i + 1]) / 2}) {
      if (centre > static_cast<double>(std::numeric_limits<float>::max())) continue;
      auto x = static_cast<float>(centre);
      for (int step = 0; step < 3; ++step) x = std::nextafter(x, -1.0f);
      for (int step = 0; step < 7; ++step, x = std::nextafter(x, std::numeric_limits<float>::infinity())) {
        check(x);
        check(-x);
      }
    }
  }
  std::mt19937 engine(20250704);
  for (int i = 0; i < 300000; ++i) check(std::bit_cast<float>(static_cast<std::uint32_t>(engine())));
  check(std::numeric_limits<float>::max());
  check(std::numeric_limits<float>::infinity());
  check(std::numeric_limits<float>::denorm_min());
  // Every NaN stays one, whichever bits of its payload survive.
  for (std::uint32_t const payload : {1u, 0x1fffu, 0x3fffffu, 0x400000u, 0x7fffffu})
    for (std::uint32_t const sign : {0u, 0x80000000u})
      CHECK(std::isnan(static_cast<float>(Storage(std::bit_cast<float>(sign | 0x7f800000u | payload)))));
}

}  // namespace

TEST_CASE("bf16: all patterns and rounding to nearest even") { check_format<bf16>(8, 7); }

TEST_CASE("f16: all patterns and rounding to nearest even") { check_format<f16>(5, 10); }

TEST_CASE("storage types: names, sizes, compile-time use") {
  CHECK(rlvr::size_of(rlvr::dtype::f32) == 4);
  CHECK(rlvr::size_of(rlvr::dtype::bf16) == 2);
  CHECK(rlvr::size_of(rlvr::dtype::f16) == 2);
  CHECK(rlvr::name_of(rlvr::dtype::f32) == "F32");
  CHECK(rlvr::name_of(rlvr::dtype::bf16) == "BF16");
  CHECK(rlvr::name_of(rlvr::dtype::f16) == "F16");
  static_assert(bf16(1.0f).bits == 0x3f80 && f16(1.0f).bits == 0x3c00);
  static_assert(static_cast<float>(f16(65504.0f)) == 65504.0f);
}
