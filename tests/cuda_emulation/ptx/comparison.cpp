// SPDX-License-Identifier: MIT
/// @file
/// setp and set.  A relation is the set of outcomes for which it holds.
#include "ptx/decoder.hpp"
#include "ptx/small_float.hpp"
#include "ptx/text.hpp"
#include "ptx/warp.hpp"

namespace cuda_emulation::ptx {
namespace {

enum outcome : unsigned { less = 1, equal = 2, greater = 4, unordered = 8 };

struct relation {
  std::string_view name;
  unsigned outcomes;
};
constexpr relation relations[] = {{"eq", equal},
                                  {"ne", less | greater},
                                  {"lt", less},
                                  {"le", less | equal},
                                  {"gt", greater},
                                  {"ge", greater | equal},
                                  {"lo", less},
                                  {"ls", less | equal},
                                  {"hi", greater},
                                  {"hs", greater | equal},
                                  {"equ", equal | unordered},
                                  {"neu", less | greater | unordered},
                                  {"ltu", less | unordered},
                                  {"leu", less | equal | unordered},
                                  {"gtu", greater | unordered},
                                  {"geu", greater | equal | unordered},
                                  {"num", less | equal | greater},
                                  {"nan", unordered}};

/// How a register is read: the integer and floating types as they are, the 16-bit formats as float.
template <class T>
struct reader {
  static T read(std::uint64_t bits) { return as<T>(bits); }
};
template <>
struct reader<half_format> {
  static float read(std::uint64_t bits) { return small_to_float<half_format>(static_cast<std::uint16_t>(bits)); }
};
template <>
struct reader<brain_format> {
  static float read(std::uint64_t bits) { return small_to_float<brain_format>(static_cast<std::uint16_t>(bits)); }
};

template <class T>
bool holds(unsigned outcomes, std::uint64_t first, std::uint64_t second) {
  auto const a = reader<T>::read(first), b = reader<T>::read(second);
  unsigned const found = a < b ? less : a == b ? equal : a > b ? greater : unordered;
  return (outcomes & found) != 0;
}

bool combined(std::uint8_t how, bool value, bool with) {
  if (how == 1) return value && with;
  if (how == 2) return value || with;
  return how == 3 ? value != with : value;
}

template <class T>
void compare(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                             *const with = self.values(at.source[2]);
  unsigned const outcomes = at.operation;
  if (at.combine == 0 && at.destinations == 1) {
    for_each_lane(mask, [=](unsigned lane) { result[lane] = holds<T>(outcomes, a[lane], b[lane]); });
    return;
  }
  std::uint64_t* const inverse = self.values(at.destinations > 1 ? at.destination[1] : slot{sink_slot});
  for_each_lane(mask, [&](unsigned lane) {
    bool const value = holds<T>(outcomes, a[lane], b[lane]), other = (with[lane] & 1) != 0;
    result[lane] = combined(at.combine, value, other);
    inverse[lane] = combined(at.combine, !value, other);
  });
}

/// set: `offset` where the relation holds, else 0; `vector` elements of 16 bits, or one of 32.
template <class T>
void set_value(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                             *const with = self.values(at.source[2]);
  for_each_lane(mask, [&](unsigned lane) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < at.vector * 16u; shift += 16)
      if (combined(at.combine, holds<T>(at.operation, a[lane] >> shift, b[lane] >> shift), (with[lane] & 1) != 0))
        value |= static_cast<std::uint64_t>(at.offset) << shift;
    result[lane] = value;
  });
}

template <template <class> class Handler>
handler choose(std::string_view type) {
  if (type == "f32") return Handler<float>::run;
  if (type == "f64") return Handler<double>::run;
  if (type == "f16" || type == "f16x2") return Handler<half_format>::run;
  if (type == "bf16" || type == "bf16x2") return Handler<brain_format>::run;
  if (type == "s32") return Handler<std::int32_t>::run;
  if (type == "u32" || type == "b32") return Handler<std::uint32_t>::run;
  if (type == "s64") return Handler<std::int64_t>::run;
  if (type == "u64" || type == "b64") return Handler<std::uint64_t>::run;
  if (type == "s16") return Handler<std::int16_t>::run;
  if (type == "u16" || type == "b16") return Handler<std::uint16_t>::run;
  return nullptr;
}
template <class T>
struct to_predicate {
  static constexpr handler run = compare<T>;
};
template <class T>
struct to_value {
  static constexpr handler run = set_value<T>;
};

bool read_modifiers(opcode const& op, instruction& at) {
  for (relation const& known : relations)
    if (op.modifiers[0] == known.name) at.operation = static_cast<std::uint8_t>(known.outcomes);
  if (op.has("and")) at.combine = 1;
  if (op.has("or")) at.combine = 2;
  if (op.has("xor")) at.combine = 3;
  return at.operation != 0;
}

/// What set gives for "true".
std::int64_t true_value(std::string_view type) {
  if (type == "f32") return 0x3f800000;
  if (type == "f16" || type == "f16x2") return 0x3c00;
  if (type == "bf16" || type == "bf16x2") return 0x3f80;
  return type_bytes(type) == 2 ? 0xffff : 0xffffffff;
}

}  // namespace

handler decode_comparison(opcode const& op, instruction& at) {
  if ((op.name != "setp" && op.name != "set") || op.modifiers.size() < 2 || !read_modifiers(op, at)) return nullptr;
  bool const pair = op.type() == "f16x2" || op.type() == "bf16x2";
  if (op.name == "setp") return pair ? nullptr : choose<to_predicate>(op.type());
  at.vector = pair ? 2 : 1;
  at.offset = true_value(op.modifiers[op.modifiers.size() - 2]);
  return choose<to_value>(op.type());
}

}  // namespace cuda_emulation::ptx
