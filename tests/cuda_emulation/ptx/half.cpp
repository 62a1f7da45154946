// SPDX-License-Identifier: MIT
/// @file
/// Arithmetic of f16, bf16 and pairs of them: in double, rounded once.
#include "ptx/decoder.hpp"
#include "ptx/rounding.hpp"
#include "ptx/small_float.hpp"
#include "ptx/warp.hpp"
#include <cmath>

namespace cuda_emulation::ptx {
namespace {

enum half_operation : std::uint8_t {
  half_add,
  half_subtract,
  half_multiply,
  half_fused,
  half_minimum,
  half_maximum,
  half_minimum_nan,
  half_maximum_nan,
  half_power_of_two,
  half_tangent,
  half_negate,
  half_absolute
};

double compute(std::uint8_t operation, double a, double b, double c) {
  bool const unordered = std::isnan(a) || std::isnan(b);
  switch (operation) {
    case half_add:
      return a + b;
    case half_subtract:
      return a - b;
    case half_multiply:
      return a * b;
    case half_fused:
      return std::fma(a, b, c);
    case half_minimum_nan:
      if (unordered) return std::nan("");
      [[fallthrough]];
    case half_minimum:
      return a == b ? (std::signbit(a) ? a : b) : std::fmin(a, b);
    case half_maximum_nan:
      if (unordered) return std::nan("");
      [[fallthrough]];
    case half_maximum:
      return a == b ? (std::signbit(a) ? b : a) : std::fmax(a, b);
    case half_power_of_two:
      return std::exp2(a);
    case half_tangent:
      return std::tanh(a);
    default:
      return a;
  }
}

/// `combine`: .relu, negative results become 0.
template <class Format>
std::uint16_t element(instruction const& at, std::uint16_t a, std::uint16_t b, std::uint16_t c) {
  if (at.operation == half_negate) return static_cast<std::uint16_t>(a ^ small_sign);
  if (at.operation == half_absolute) return static_cast<std::uint16_t>(a & ~small_sign);
  auto const value = [](std::uint16_t bits) { return static_cast<double>(small_to_float<Format>(bits)); };
  double result = compute(at.operation, value(a), value(b), value(c));
  if (at.saturate) result = saturated(result);
  if (at.combine != 0 && result < 0) result = 0;
  return small_from_double<Format>(result);
}

/// `vector`: elements in a register.
template <class Format>
void half_arithmetic(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                             *const c = self.values(at.source[2]);
  for_each_lane(mask, [&](unsigned lane) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < at.vector * 16u; shift += 16)
      value |= std::uint64_t{element<Format>(at, static_cast<std::uint16_t>(a[lane] >> shift),
                                             static_cast<std::uint16_t>(b[lane] >> shift),
                                             static_cast<std::uint16_t>(c[lane] >> shift))}
               << shift;
    result[lane] = value;
  });
}

int operation_named(opcode const& op) {
  std::string_view const name = op.name;
  bool const nan = op.has("NaN");
  if (name == "add") return half_add;
  if (name == "sub") return half_subtract;
  if (name == "mul") return half_multiply;
  if (name == "fma") return half_fused;
  if (name == "min") return nan ? half_minimum_nan : half_minimum;
  if (name == "max") return nan ? half_maximum_nan : half_maximum;
  if (name == "ex2") return half_power_of_two;
  if (name == "tanh") return half_tangent;
  if (name == "neg") return half_negate;
  if (name == "abs") return half_absolute;
  return -1;
}

}  // namespace

handler decode_half(opcode const& op, instruction& at) {
  std::string_view const type = op.type();
  bool const half = type == "f16" || type == "f16x2", brain = type == "bf16" || type == "bf16x2";
  int const operation = operation_named(op);
  if ((!half && !brain) || operation < 0) return nullptr;
  at.operation = static_cast<std::uint8_t>(operation);
  at.vector = type.back() == '2' ? 2 : 1;
  at.combine = op.has("relu");
  return half ? half_arithmetic<half_format> : half_arithmetic<brain_format>;
}

}  // namespace cuda_emulation::ptx
