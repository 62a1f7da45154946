// SPDX-License-Identifier: MIT
/// @file
/// atom and red, on global and shared memory.
#include "ptx/decoder.hpp"
#include "ptx/memory.hpp"
#include "ptx/small_float.hpp"
#include "ptx/text.hpp"
#include "ptx/warp.hpp"

namespace cuda_emulation::ptx {
namespace {

enum atomic_operation : std::uint8_t {
  atomic_add,
  atomic_minimum,
  atomic_maximum,
  atomic_and,
  atomic_or,
  atomic_xor,
  atomic_increment,
  atomic_decrement,
  atomic_exchange,
  atomic_compare,
  atomic_operations
};
constexpr std::string_view operation_names[] = {"add", "min", "max", "and", "or", "xor", "inc", "dec", "exch", "cas"};

/// What is stored; `value` and `other` are the operands.
template <class T>
T updated(std::uint8_t operation, T old, T value, T other) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (operation) {
      case atomic_add:
        return old + value;
      case atomic_minimum:
        return value < old ? value : old;
      case atomic_maximum:
        return old < value ? value : old;
      default:
        return value;
    }
  } else {
    using bits = std::make_unsigned_t<T>;
    switch (operation) {
      case atomic_add:
        return static_cast<T>(static_cast<bits>(old) + static_cast<bits>(value));
      case atomic_minimum:
        return value < old ? value : old;
      case atomic_maximum:
        return old < value ? value : old;
      case atomic_and:
        return static_cast<T>(old & value);
      case atomic_or:
        return static_cast<T>(old | value);
      case atomic_xor:
        return static_cast<T>(old ^ value);
      case atomic_increment:
        return old >= value ? T{0} : static_cast<T>(old + 1);
      case atomic_decrement:
        return old == 0 || old > value ? value : static_cast<T>(old - 1);
      case atomic_compare:
        return old == value ? other : old;
      default:
        return value;
    }
  }
}

/// A 16-bit format, one or two of them in a word: addition only.
template <class Format, class Word>
struct small_values {
  Word word;
  friend small_values add(small_values a, small_values b) {
    Word result = 0;
    for (unsigned shift = 0; shift < 8 * sizeof(Word); shift += 16) {
      double const sum = static_cast<double>(small_to_float<Format>(static_cast<std::uint16_t>(a.word >> shift))) +
                         static_cast<double>(small_to_float<Format>(static_cast<std::uint16_t>(b.word >> shift)));
      result = static_cast<Word>(result | static_cast<Word>(Word{small_from_double<Format>(sum)} << shift));
    }
    return {result};
  }
};
template <class Format, class Word>
small_values<Format, Word> updated(std::uint8_t, small_values<Format, Word> old, small_values<Format, Word> value,
                                   small_values<Format, Word>) {
  return add(old, value);
}

template <class T>
void atomically(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t const *const address = self.values(at.source[0]), *const value = self.values(at.source[1]),
                             *const other = self.values(at.source[2]);
  std::uint64_t* const result = self.values(at.destinations > 0 ? at.destination[0] : slot{sink_slot});
  for_each_lane(mask, [&](unsigned lane) {
    resolved const place = resolve(self, at, lane, address[lane] + static_cast<std::uint64_t>(at.offset), sizeof(T));
    if (place.checked && checker.atomic != nullptr) {
      select_thread(self.thread(lane));
      checker.atomic(place.pointer, sizeof(T), program_counter(at));
    }
    T old;
    std::memcpy(&old, place.pointer, sizeof old);
    T const stored = updated(at.operation, old, as<T>(value[lane]), as<T>(other[lane]));
    std::memcpy(place.pointer, &stored, sizeof stored);
    result[lane] = bits_of(old);
  });
}

handler handler_for(std::string_view type) {
  if (type == "u32" || type == "b32") return atomically<std::uint32_t>;
  if (type == "s32") return atomically<std::int32_t>;
  if (type == "u64" || type == "b64") return atomically<std::uint64_t>;
  if (type == "s64") return atomically<std::int64_t>;
  if (type == "f32") return atomically<float>;
  if (type == "f64") return atomically<double>;
  if (type == "b16") return atomically<std::uint16_t>;
  if (type == "f16") return atomically<small_values<half_format, std::uint16_t>>;
  if (type == "f16x2") return atomically<small_values<half_format, std::uint32_t>>;
  if (type == "bf16") return atomically<small_values<brain_format, std::uint16_t>>;
  if (type == "bf16x2") return atomically<small_values<brain_format, std::uint32_t>>;
  return nullptr;
}

}  // namespace

handler decode_atomic(opcode const& op, instruction& at) {
  if (op.name != "atom" && op.name != "red") return nullptr;
  at.operation = atomic_operations;
  for (std::uint8_t index = 0; index < atomic_operations; ++index)
    if (op.has(operation_names[index])) at.operation = index;
  bool const small = op.type().find("f16") != std::string_view::npos;
  if (at.operation == atomic_operations || op.has("v2") || op.has("v4") || (small && at.operation != atomic_add))
    return nullptr;
  at.space = space_named_by(op);
  return handler_for(op.type());
}

}  // namespace cuda_emulation::ptx
