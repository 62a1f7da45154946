// SPDX-License-Identifier: MIT
/// @file
/// float and double.  Rounding, .ftz and .sat are honoured; the .approx functions are computed by the host's library,
/// within an ulp and therefore better than a device's.
#include "ptx/decoder.hpp"
#include "ptx/rounding.hpp"
#include "ptx/warp.hpp"
#include <cmath>

namespace cuda_emulation::ptx {
namespace {

struct add {
  template <class T>
  static T apply(T a, T b) {
    return a + b;
  }
};
struct subtract {
  template <class T>
  static T apply(T a, T b) {
    return a - b;
  }
};
struct multiply {
  template <class T>
  static T apply(T a, T b) {
    return a * b;
  }
};
struct divide {
  template <class T>
  static T apply(T a, T b) {
    return a / b;
  }
};
struct fused {
  template <class T>
  static T apply(T a, T b, T c) {
    return std::fma(a, b, c);
  }
};
/// A NaN gives way to the other operand; -0 < +0.
struct minimum {
  template <class T>
  static T apply(T a, T b) {
    if (a == b) return std::signbit(a) ? a : b;
    return b < a || std::isnan(a) ? b : a;
  }
};
struct maximum {
  template <class T>
  static T apply(T a, T b) {
    if (a == b) return std::signbit(a) ? b : a;
    return a < b || std::isnan(a) ? b : a;
  }
};
/// .NaN: a NaN wins.
template <class Operation>
struct nan_wins {
  template <class T>
  static T apply(T a, T b) {
    return std::isnan(a) || std::isnan(b) ? std::numeric_limits<T>::quiet_NaN() : Operation::apply(a, b);
  }
};
struct copy_sign {
  template <class T>
  static T apply(T a, T b) {
    return std::copysign(b, a);
  }
};
struct negate {
  template <class T>
  static T apply(T a) {
    return -a;
  }
};
struct absolute {
  template <class T>
  static T apply(T a) {
    return std::fabs(a);
  }
};
struct power_of_two {
  template <class T>
  static T apply(T a) {
    return std::exp2(a);
  }
};
struct logarithm {
  template <class T>
  static T apply(T a) {
    return std::log2(a);
  }
};
struct reciprocal {
  template <class T>
  static T apply(T a) {
    return T{1} / a;
  }
};
struct reciprocal_root {
  template <class T>
  static T apply(T a) {
    return static_cast<T>(1.0 / std::sqrt(static_cast<double>(a)));
  }
};
struct square_root {
  template <class T>
  static T apply(T a) {
    return std::sqrt(a);
  }
};
struct sine {
  template <class T>
  static T apply(T a) {
    return std::sin(a);
  }
};
struct cosine {
  template <class T>
  static T apply(T a) {
    return std::cos(a);
  }
};
struct hyperbolic_tangent {
  template <class T>
  static T apply(T a) {
    return std::tanh(a);
  }
};

/// With the modifiers that are rare: read at run time.
template <class T, class Operation, int Operands>
void modified(warp& self, instruction const& at, lane_mask mask) {
  rounding_scope const scope(at.mode);
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* sources[3];
  for (int index = 0; index < 3; ++index) sources[index] = self.values(at.source[index]);
  for_each_lane(mask, [&](unsigned lane) {
    T operand[3] = {};
    for (int index = 0; index < Operands; ++index) {
      T const value = as<T>(sources[index][lane]);
      operand[index] = pinned(at.flush ? flushed(value) : value);
    }
    T value;
    if constexpr (Operands == 1) value = Operation::apply(operand[0]);
    if constexpr (Operands == 2) value = Operation::apply(operand[0], operand[1]);
    if constexpr (Operands == 3) value = Operation::apply(operand[0], operand[1], operand[2]);
    value = pinned(value);
    if (at.flush) value = flushed(value);
    if (at.saturate) value = saturated(value);
    result[lane] = bits_of(value);
  });
}

#if defined(__x86_64__)
/// The library's fma is a call; where the processor has the instruction, it is used in line.
template <class T>
[[gnu::target("fma")]] void fused_in_hardware(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                             *const c = self.values(at.source[2]);
  for (unsigned lane = 0; lane < warp_lanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    T const x = as<T>(a[lane]), y = as<T>(b[lane]), z = as<T>(c[lane]);
    if constexpr (sizeof(T) == 4)
      result[lane] = bits_of<T>(__builtin_fmaf(x, y, z));
    else
      result[lane] = bits_of<T>(__builtin_fma(x, y, z));
  }
}
#endif

template <class T>
handler fused_handler() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("fma")) return fused_in_hardware<T>;
#endif
  return ternary<T, fused>;
}

template <class T, class Operation>
handler one(instruction const& at) {
  bool const plain = at.mode == rounding::nearest && !at.flush && !at.saturate;
  return plain ? unary<T, Operation> : modified<T, Operation, 1>;
}
template <class T, class Operation>
handler two(instruction const& at) {
  bool const plain = at.mode == rounding::nearest && !at.flush && !at.saturate;
  return plain ? binary<T, Operation> : modified<T, Operation, 2>;
}

template <class T>
handler decode_for(opcode const& op, instruction const& at) {
  std::string_view const name = op.name;
  if (op.has("xorsign")) return nullptr;
  if (name == "add") return two<T, add>(at);
  if (name == "sub") return two<T, subtract>(at);
  if (name == "mul") return two<T, multiply>(at);
  if (name == "div") return two<T, divide>(at);
  if (name == "min") return op.has("NaN") ? two<T, nan_wins<minimum>>(at) : two<T, minimum>(at);
  if (name == "max") return op.has("NaN") ? two<T, nan_wins<maximum>>(at) : two<T, maximum>(at);
  if (name == "copysign") return binary<T, copy_sign>;
  if (name == "fma" || name == "mad")
    return at.mode == rounding::nearest && !at.flush && !at.saturate ? fused_handler<T>() : modified<T, fused, 3>;
  if (name == "neg") return one<T, negate>(at);
  if (name == "abs") return one<T, absolute>(at);
  if (name == "ex2") return one<T, power_of_two>(at);
  if (name == "lg2") return one<T, logarithm>(at);
  if (name == "rcp") return one<T, reciprocal>(at);
  if (name == "rsqrt") return one<T, reciprocal_root>(at);
  if (name == "sqrt") return one<T, square_root>(at);
  if (name == "sin") return one<T, sine>(at);
  if (name == "cos") return one<T, cosine>(at);
  if (name == "tanh") return one<T, hyperbolic_tangent>(at);
  return nullptr;
}

enum class number_class : std::uint8_t { finite, infinite, number, not_a_number, normal, subnormal };

template <class T>
void test_class(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const source = self.values(at.source[0]);
  for_each_lane(mask, [&](unsigned lane) {
    T const value = as<T>(source[lane]);
    int const found = std::fpclassify(value);
    bool is = false;
    switch (static_cast<number_class>(at.operation)) {
      case number_class::finite:
        is = std::isfinite(value);
        break;
      case number_class::infinite:
        is = found == FP_INFINITE;
        break;
      case number_class::number:
        is = found != FP_NAN;
        break;
      case number_class::not_a_number:
        is = found == FP_NAN;
        break;
      case number_class::normal:
        is = found == FP_NORMAL;
        break;
      case number_class::subnormal:
        is = found == FP_SUBNORMAL || found == FP_ZERO;
        break;
    }
    result[lane] = is;
  });
}

handler decode_test(opcode const& op, instruction& at) {
  static constexpr std::string_view names[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
  for (std::uint8_t index = 0; index < std::size(names); ++index)
    if (op.has(names[index])) at.operation = index;
  return op.type() == "f64" ? test_class<double> : test_class<float>;
}

}  // namespace

handler decode_floating(opcode const& op, instruction& at) {
  if (op.name == "testp") return decode_test(op, at);
  if (op.type() == "f32") return decode_for<float>(op, at);
  if (op.type() == "f64") return decode_for<double>(op, at);
  return nullptr;
}

}  // namespace cuda_emulation::ptx
