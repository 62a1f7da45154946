// SPDX-License-Identifier: MIT
/// @file
/// Integer arithmetic.  Overflow wraps; it is computed on unsigned types, where that is defined.
#include "ptx/decoder.hpp"
#include "ptx/text.hpp"
#include "ptx/warp.hpp"
#include <limits>

namespace cuda_emulation::ptx {
namespace {

template <class T>
using unsigned_t = std::make_unsigned_t<T>;

__extension__ using signed_128 = __int128;
__extension__ using unsigned_128 = unsigned __int128;

/// Twice as wide as T.
template <class T>
using wide_t = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, std::int32_t, std::uint32_t>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, signed_128, unsigned_128>>>;

template <class T>
T wrapping_add(T a, T b) {
  return static_cast<T>(static_cast<unsigned_t<T>>(static_cast<unsigned_t<T>>(a) + static_cast<unsigned_t<T>>(b)));
}
template <class T>
T wrapping_subtract(T a, T b) {
  return static_cast<T>(static_cast<unsigned_t<T>>(static_cast<unsigned_t<T>>(a) - static_cast<unsigned_t<T>>(b)));
}
template <class T>
T wrapping_multiply(T a, T b) {
  return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
template <class T>
T high_product(T a, T b) {
  return static_cast<T>((static_cast<wide_t<T>>(a) * static_cast<wide_t<T>>(b)) >> (8 * sizeof(T)));
}

struct add {
  template <class T>
  static T apply(T a, T b) {
    return wrapping_add(a, b);
  }
};
struct subtract {
  template <class T>
  static T apply(T a, T b) {
    return wrapping_subtract(a, b);
  }
};
/// add.sat.s32 and sub.sat.s32.
struct saturating_add {
  static std::int32_t clamp(std::int64_t value) {
    using limits = std::numeric_limits<std::int32_t>;
    return static_cast<std::int32_t>(
        std::min<std::int64_t>(std::max<std::int64_t>(value, limits::min()), limits::max()));
  }
  static std::int32_t apply(std::int32_t a, std::int32_t b) { return clamp(std::int64_t{a} + b); }
};
struct saturating_subtract {
  static std::int32_t apply(std::int32_t a, std::int32_t b) { return saturating_add::clamp(std::int64_t{a} - b); }
};
struct multiply_low {
  template <class T>
  static T apply(T a, T b) {
    return wrapping_multiply(a, b);
  }
  template <class T>
  static T apply(T a, T b, T c) {
    return wrapping_add(wrapping_multiply(a, b), c);
  }
};
struct multiply_high {
  template <class T>
  static T apply(T a, T b) {
    return high_product(a, b);
  }
  template <class T>
  static T apply(T a, T b, T c) {
    return wrapping_add(high_product(a, b), c);
  }
};
/// mul24 and mad24: of the low 24 bits.
struct multiply_24 {
  static std::int32_t low(std::int32_t a) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) << 8) >> 8; }
  static std::uint32_t low(std::uint32_t a) { return a & 0xffffffu; }
  template <class T>
  static T apply(T a, T b) {
    return wrapping_multiply(low(a), low(b));
  }
  template <class T>
  static T apply(T a, T b, T c) {
    return wrapping_add(apply(a, b), c);
  }
};
/// A division by 0 does not trap: the quotient has all bits set, the remainder is the dividend.
struct divide {
  template <class T>
  static T apply(T a, T b) {
    if (b == 0) return static_cast<T>(~T{0});
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return wrapping_subtract(T{0}, a);
    return static_cast<T>(a / b);
  }
};
struct remainder {
  template <class T>
  static T apply(T a, T b) {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return 0;
    return static_cast<T>(a % b);
  }
};
struct minimum {
  template <class T>
  static T apply(T a, T b) {
    return b < a ? b : a;
  }
};
struct maximum {
  template <class T>
  static T apply(T a, T b) {
    return a < b ? b : a;
  }
};
struct negate {
  template <class T>
  static T apply(T a) {
    return wrapping_subtract(T{0}, a);
  }
};
struct absolute {
  template <class T>
  static T apply(T a) {
    return a < 0 ? wrapping_subtract(T{0}, a) : a;
  }
};
/// c + |a - b|
struct absolute_difference {
  template <class T>
  static T apply(T a, T b, T c) {
    return wrapping_add(c, a < b ? wrapping_subtract(b, a) : wrapping_subtract(a, b));
  }
};

template <class T, bool Add>
void multiply_wide(warp& self, instruction const& at, lane_mask mask) {
  using wide = wide_t<T>;
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                             *const c = self.values(at.source[2]);
  for_each_lane(mask, [=](unsigned lane) {
    auto product = static_cast<wide>(static_cast<wide>(as<T>(a[lane])) * static_cast<wide>(as<T>(b[lane])));
    if constexpr (Add) product = wrapping_add(product, as<wide>(c[lane]));
    result[lane] = bits_of(product);
  });
}

/// Arithmetic with the carry flag: add, addc, sub, subc, mad and madc of unsigned values, low or high word.
enum carry_operation : std::uint8_t { carry_add, carry_subtract, carry_multiply_low, carry_multiply_high };

template <class T, bool CarryIn>
void with_carry(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t *const result = self.values(at.destination[0]), *const carry = self.values(carry_slot);
  std::uint64_t const *const first = self.values(at.source[0]), *const second = self.values(at.source[1]),
                             *const third = self.values(at.source[2]);
  for_each_lane(mask, [&](unsigned lane) {
    T a = as<T>(first[lane]), b = as<T>(second[lane]);
    auto const in = static_cast<T>(CarryIn ? carry[lane] & 1 : 0);
    if (at.operation == carry_multiply_low || at.operation == carry_multiply_high) {
      a = at.operation == carry_multiply_low ? wrapping_multiply(a, b) : high_product(a, b);
      b = as<T>(third[lane]);
    }
    T value, partial;
    bool out;
    if (at.operation == carry_subtract) {
      partial = wrapping_subtract(a, b);
      value = wrapping_subtract(partial, in);
      out = a < b || partial < in;
    } else {
      partial = wrapping_add(a, b);
      value = wrapping_add(partial, in);
      out = partial < a || value < partial;
    }
    result[lane] = bits_of(value);
    if (at.carry_out) carry[lane] = out;
  });
}

/// Over the integer types that PTX has for most instructions.
template <class Operation>
handler choose_binary(std::string_view type) {
  if (type == "s32") return binary<std::int32_t, Operation>;
  if (type == "u32" || type == "b32") return binary<std::uint32_t, Operation>;
  if (type == "s64") return binary<std::int64_t, Operation>;
  if (type == "u64" || type == "b64") return binary<std::uint64_t, Operation>;
  if (type == "s16") return binary<std::int16_t, Operation>;
  if (type == "u16" || type == "b16") return binary<std::uint16_t, Operation>;
  return nullptr;
}

template <class Operation>
handler choose_ternary(std::string_view type) {
  if (type == "s32") return ternary<std::int32_t, Operation>;
  if (type == "u32") return ternary<std::uint32_t, Operation>;
  if (type == "s64") return ternary<std::int64_t, Operation>;
  if (type == "u64") return ternary<std::uint64_t, Operation>;
  if (type == "s16") return ternary<std::int16_t, Operation>;
  if (type == "u16") return ternary<std::uint16_t, Operation>;
  return nullptr;
}

template <class Operation>
handler choose_unary(std::string_view type) {
  if (type == "s32") return unary<std::int32_t, Operation>;
  if (type == "s64") return unary<std::int64_t, Operation>;
  if (type == "s16") return unary<std::int16_t, Operation>;
  return nullptr;
}

template <bool Add>
handler choose_wide(std::string_view type) {
  if (type == "s32") return multiply_wide<std::int32_t, Add>;
  if (type == "u32") return multiply_wide<std::uint32_t, Add>;
  if (type == "s16") return multiply_wide<std::int16_t, Add>;
  if (type == "u16") return multiply_wide<std::uint16_t, Add>;
  return nullptr;
}

handler choose_carry(bool in, std::string_view type) {
  if (type_bytes(type) == 8) return in ? with_carry<std::uint64_t, true> : with_carry<std::uint64_t, false>;
  return in ? with_carry<std::uint32_t, true> : with_carry<std::uint32_t, false>;
}

handler decode_product(opcode const& op) {
  bool const adds = op.name == "mad";
  if (op.has("wide")) return adds ? choose_wide<true>(op.type()) : choose_wide<false>(op.type());
  if (op.has("hi")) return adds ? choose_ternary<multiply_high>(op.type()) : choose_binary<multiply_high>(op.type());
  return adds ? choose_ternary<multiply_low>(op.type()) : choose_binary<multiply_low>(op.type());
}

bool is_integer(std::string_view type) { return !type.empty() && (type[0] == 's' || type[0] == 'u'); }

}  // namespace

handler decode_integer(opcode const& op, instruction& at) {
  std::string_view const name = op.name, type = op.type();
  if (!is_integer(type) || type.find('x') != std::string_view::npos) return nullptr;
  bool const carry_in = name == "addc" || name == "subc" || name == "madc";
  if (carry_in || at.carry_out) {
    at.operation = name[0] == 's'   ? carry_subtract
                   : name[0] == 'a' ? carry_add
                   : op.has("hi")   ? carry_multiply_high
                                    : carry_multiply_low;
    return choose_carry(carry_in, type);
  }
  if (name == "add") return at.saturate ? binary<std::int32_t, saturating_add> : choose_binary<add>(type);
  if (name == "sub") return at.saturate ? binary<std::int32_t, saturating_subtract> : choose_binary<subtract>(type);
  if (name == "mul" || name == "mad") return decode_product(op);
  if (name == "mul24" && op.has("lo"))
    return type == "s32" ? binary<std::int32_t, multiply_24> : binary<std::uint32_t, multiply_24>;
  if (name == "mad24" && op.has("lo"))
    return type == "s32" ? ternary<std::int32_t, multiply_24> : ternary<std::uint32_t, multiply_24>;
  if (name == "div") return choose_binary<divide>(type);
  if (name == "rem") return choose_binary<remainder>(type);
  if (name == "min") return choose_binary<minimum>(type);
  if (name == "max") return choose_binary<maximum>(type);
  if (name == "neg") return choose_unary<negate>(type);
  if (name == "abs") return choose_unary<absolute>(type);
  if (name == "sad") return choose_ternary<absolute_difference>(type);
  return nullptr;
}

}  // namespace cuda_emulation::ptx
