// SPDX-License-Identifier: MIT
/// @file
/// Logic, shifts, bit fields, permutations of bytes.
#include "ptx/decoder.hpp"
#include "ptx/text.hpp"
#include "ptx/warp.hpp"
#include <algorithm>

namespace cuda_emulation::ptx {
namespace {

using std::int32_t, std::int64_t, std::uint32_t, std::uint64_t, std::uint16_t, std::int16_t;

template <class T>
constexpr unsigned width_of = 8 * sizeof(T);

struct bit_and {
  static uint64_t apply(uint64_t a, uint64_t b) { return a & b; }
};
struct bit_or {
  static uint64_t apply(uint64_t a, uint64_t b) { return a | b; }
};
struct bit_xor {
  static uint64_t apply(uint64_t a, uint64_t b) { return a ^ b; }
};
struct bit_not {
  template <class T>
  static T apply(T a) {
    return static_cast<T>(~a);
  }
};
struct logical_not {  ///< cnot
  template <class T>
  static T apply(T a) {
    return a == 0;
  }
};

/// Shift counts beyond the width give 0, or the sign.
struct shift_left {
  template <class T>
  static T apply(T a, T b) {
    auto const count = static_cast<uint32_t>(b);
    return count >= width_of<T> ? T{0} : static_cast<T>(static_cast<uint64_t>(a) << count);
  }
};
struct shift_right {
  template <class T>
  static T apply(T a, T b) {
    auto const count = static_cast<uint32_t>(b);
    if (!std::is_signed_v<T> && count >= width_of<T>) return 0;
    return static_cast<T>(a >> std::min(count, width_of<T> - 1));
  }
};
struct reverse_bits {
  template <class T>
  static T apply(T a) {
    T result = 0;
    for (unsigned bit = 0; bit < width_of<T>; ++bit)
      if ((a >> bit & 1) != 0) result = static_cast<T>(result | T{1} << (width_of<T> - 1 - bit));
    return result;
  }
};
struct count_ones {
  template <class T>
  static T apply(T a) {
    return static_cast<T>(std::popcount(a));
  }
};
struct count_leading_zeros {
  template <class T>
  static T apply(T a) {
    return static_cast<T>(std::countl_zero(a));
  }
};

/// The most significant bit that differs from the sign; `Shift`: as the shift that brings it to the top.
template <class T, bool Shift>
struct find_bit {
  static uint32_t apply(T a) {
    if constexpr (std::is_signed_v<T>)
      if (a < 0) a = static_cast<T>(~a);
    unsigned const zeros = static_cast<unsigned>(std::countl_zero(static_cast<std::make_unsigned_t<T>>(a)));
    if (zeros == width_of<T>) return 0xffffffffu;
    return Shift ? zeros : width_of<T> - 1 - zeros;
  }
};
template <class T, bool Shift>
void find_bits(warp& self, instruction const& at, lane_mask mask) {
  uint64_t* const result = self.values(at.destination[0]);
  uint64_t const* const value = self.values(at.source[0]);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = find_bit<T, Shift>::apply(as<T>(value[lane])); });
}

template <class T>
T low_ones(unsigned count) {
  return count >= width_of<T> ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << count) - 1);
}

/// The third operand's count of bits from the second's position; a signed field is extended by its top bit.
template <class T>
struct extract_field {
  static T apply(T a, T position, T length) {
    using bits = std::make_unsigned_t<T>;
    unsigned const first = static_cast<unsigned>(position) & 255, count = static_cast<unsigned>(length) & 255;
    if (count == 0) return 0;
    auto field =
        first >= width_of<T> ? bits{0} : static_cast<bits>(static_cast<bits>(a) >> first & low_ones<bits>(count));
    if constexpr (std::is_signed_v<T>) {
      unsigned const sign = std::min(first + count - 1, width_of<T> - 1);
      if (a >> sign & 1) field |= static_cast<bits>(~low_ones<bits>(sign >= first ? sign - first + 1 : 0));
    }
    return static_cast<T>(field);
  }
};

/// bfi: the first operand's low bits over the second's, from a position, a count of them.
template <class T>
void insert_field(warp& self, instruction const& at, lane_mask mask) {
  uint64_t* const result = self.values(at.destination[0]);
  uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                        *const position = self.values(at.source[2]), *const length = self.values(at.source[3]);
  for_each_lane(mask, [=](unsigned lane) {
    auto const first = static_cast<unsigned>(position[lane] & 255), count = static_cast<unsigned>(length[lane] & 255);
    T const field = first >= width_of<T> ? T{0} : static_cast<T>(low_ones<T>(count) << first);
    T const inserted = first >= width_of<T> ? T{0} : static_cast<T>(as<T>(a[lane]) << first);
    result[lane] = bits_of(static_cast<T>((as<T>(b[lane]) & ~field) | (inserted & field)));
  });
}

struct make_mask {  ///< bmsk.clamp
  static uint32_t apply(uint32_t position, uint32_t count) {
    return position >= 32 ? 0 : low_ones<uint32_t>(count) << position;
  }
};
struct make_mask_wrapped {
  static uint32_t apply(uint32_t position, uint32_t count) { return make_mask::apply(position & 31, count & 31); }
};

/// lop3: any function of three bits, given as its table.
void logic_of_three(warp& self, instruction const& at, lane_mask mask) {
  uint64_t* const result = self.values(at.destination[0]);
  uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                        *const c = self.values(at.source[2]);
  auto const table = static_cast<unsigned>(self.values(at.source[3])[0]);
  for_each_lane(mask, [=](unsigned lane) {
    uint64_t value = 0;
    for (unsigned row = 0; row < 8; ++row)
      if ((table >> row & 1) != 0)
        value |= ((row & 4) != 0 ? a[lane] : ~a[lane]) & ((row & 2) != 0 ? b[lane] : ~b[lane]) &
                 ((row & 1) != 0 ? c[lane] : ~c[lane]);
    result[lane] = static_cast<uint32_t>(value);
  });
}

/// shf: a shift of two words of which one is kept.
template <bool Left, bool Wrap>
struct funnel_shift {
  static uint32_t apply(uint32_t low, uint32_t high, uint32_t count) {
    uint64_t const both = uint64_t{high} << 32 | low;
    count = Wrap ? count & 31 : std::min(count, 32u);
    return static_cast<uint32_t>(Left ? both << count >> 32 : both >> count);
  }
};

enum permutation : std::uint8_t {
  by_selector,
  forward_4,
  backward_4,
  replicate_8,
  clamp_left,
  clamp_right,
  replicate_16
};

/// The selector that a special mode of prmt stands for.
uint32_t selector_of(std::uint8_t mode, uint32_t selector) {
  uint32_t const n = selector & 3;
  uint32_t result = 0;
  for (uint32_t byte = 0; byte < 4; ++byte) {
    uint32_t from = 0;
    if (mode == forward_4) from = (n + byte) & 7;
    if (mode == backward_4) from = (n - byte) & 7;
    if (mode == replicate_8) from = n;
    if (mode == clamp_left) from = std::max(n, byte);
    if (mode == clamp_right) from = std::min(n, byte);
    if (mode == replicate_16) from = (n & 1) * 2 + (byte & 1);
    result |= from << (4 * byte);
  }
  return result;
}

void permute_bytes(warp& self, instruction const& at, lane_mask mask) {
  uint64_t* const result = self.values(at.destination[0]);
  uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                        *const c = self.values(at.source[2]);
  for_each_lane(mask, [&](unsigned lane) {
    uint64_t const both = b[lane] << 32 | static_cast<uint32_t>(a[lane]);
    auto selector = static_cast<uint32_t>(c[lane]);
    if (at.operation != by_selector) selector = selector_of(at.operation, selector);
    uint32_t value = 0;
    for (unsigned byte = 0; byte < 4; ++byte) {
      unsigned const choice = selector >> (4 * byte) & 15;
      auto picked = static_cast<uint32_t>(both >> (8 * (choice & 7)) & 255);
      if ((choice & 8) != 0) picked = (picked & 128) != 0 ? 255 : 0;
      value |= picked << (8 * byte);
    }
    result[lane] = value;
  });
}

template <class Operation>
handler by_width(std::string_view type) {
  switch (type_bytes(type)) {
    case 2:
      return unary<uint16_t, Operation>;
    case 4:
      return unary<uint32_t, Operation>;
    case 8:
      return unary<uint64_t, Operation>;
    default:
      return nullptr;
  }
}

template <class Operation>
handler shift(std::string_view type) {
  bool const is_signed = type[0] == 's';
  switch (type_bytes(type)) {
    case 2:
      return is_signed ? binary<int16_t, Operation> : binary<uint16_t, Operation>;
    case 4:
      return is_signed ? binary<int32_t, Operation> : binary<uint32_t, Operation>;
    case 8:
      return is_signed ? binary<int64_t, Operation> : binary<uint64_t, Operation>;
    default:
      return nullptr;
  }
}

handler decode_find(opcode const& op) {
  std::string_view const type = op.type();
  if (op.has("shiftamt"))
    return type == "s32"   ? find_bits<int32_t, true>
           : type == "u32" ? find_bits<uint32_t, true>
           : type == "s64" ? find_bits<int64_t, true>
                           : find_bits<uint64_t, true>;
  return type == "s32"   ? find_bits<int32_t, false>
         : type == "u32" ? find_bits<uint32_t, false>
         : type == "s64" ? find_bits<int64_t, false>
                         : find_bits<uint64_t, false>;
}

handler decode_field(std::string_view type) {
  if (type == "s32") return ternary<int32_t, extract_field<int32_t>>;
  if (type == "u32") return ternary<uint32_t, extract_field<uint32_t>>;
  if (type == "s64") return ternary<int64_t, extract_field<int64_t>>;
  return ternary<uint64_t, extract_field<uint64_t>>;
}

handler decode_permutation(opcode const& op, instruction& at) {
  static constexpr std::string_view modes[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
  for (std::uint8_t mode = 0; mode < std::size(modes); ++mode)
    if (op.has(modes[mode])) at.operation = static_cast<std::uint8_t>(mode + 1);
  return permute_bytes;
}

handler decode_funnel(opcode const& op) {
  if (op.has("l"))
    return op.has("wrap") ? ternary<uint32_t, funnel_shift<true, true>> : ternary<uint32_t, funnel_shift<true, false>>;
  return op.has("wrap") ? ternary<uint32_t, funnel_shift<false, true>> : ternary<uint32_t, funnel_shift<false, false>>;
}

}  // namespace

handler decode_bits(opcode const& op, instruction& at) {
  std::string_view const name = op.name, type = op.type();
  if (name == "and") return binary<uint64_t, bit_and>;
  if (name == "or") return binary<uint64_t, bit_or>;
  if (name == "xor") return binary<uint64_t, bit_xor>;
  if (name == "not") return type == "pred" ? invert_predicate : by_width<bit_not>(type);
  if (name == "cnot") return by_width<logical_not>(type);
  if (name == "shl") return shift<shift_left>(type);
  if (name == "shr") return shift<shift_right>(type);
  if (name == "popc") return by_width<count_ones>(type);
  if (name == "clz") return by_width<count_leading_zeros>(type);
  if (name == "brev") return by_width<reverse_bits>(type);
  if (name == "bfind") return decode_find(op);
  if (name == "bfe") return decode_field(type);
  if (name == "bfi") return type == "b64" ? insert_field<uint64_t> : insert_field<uint32_t>;
  if (name == "bmsk") return op.has("wrap") ? binary<uint32_t, make_mask_wrapped> : binary<uint32_t, make_mask>;
  if (name == "lop3" && type == "b32") return logic_of_three;
  if (name == "shf") return decode_funnel(op);
  if (name == "prmt") return decode_permutation(op, at);
  return nullptr;
}

}  // namespace cuda_emulation::ptx
