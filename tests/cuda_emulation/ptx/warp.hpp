// SPDX-License-Identifier: MIT
/// @file
/// The state of a warp, and how handlers reach the values of its lanes.
#pragma once

#include "engine/state.hpp"
#include "ptx/program.hpp"
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace cuda_emulation::ptx {

struct warp {
  program const* code = nullptr;
  int index = 0;
  lane_mask live = 0;     ///< lanes that have not returned
  lane_mask waiting = 0;  ///< in a warp collective that is not complete
  lane_mask at_barrier = 0;
  std::uint32_t counter[warp_lanes] = {};
  std::vector<std::uint64_t> registers;
  std::vector<unsigned char> local;  ///< lane after lane
  unsigned char const* parameters = nullptr;

  [[nodiscard]] std::uint64_t* values(slot index_) { return registers.data() + std::size_t{index_} * warp_lanes; }
  [[nodiscard]] int thread(unsigned lane) const {
    return index * static_cast<int>(warp_lanes) + static_cast<int>(lane);
  }
};

/// Calls `function(lane)` for the lanes of the mask, ascending.
template <class Function>
void for_each_lane(lane_mask mask, Function&& function) {
  if (mask == all_lanes) {
    for (unsigned lane = 0; lane < warp_lanes; ++lane) function(lane);
  } else {
    for (; mask != 0; mask &= mask - 1) function(static_cast<unsigned>(std::countr_zero(mask)));
  }
}

template <unsigned Bytes>
struct unsigned_of;
template <>
struct unsigned_of<1> {
  using type = std::uint8_t;
};
template <>
struct unsigned_of<2> {
  using type = std::uint16_t;
};
template <>
struct unsigned_of<4> {
  using type = std::uint32_t;
};
template <>
struct unsigned_of<8> {
  using type = std::uint64_t;
};

/// A register's value as a T.
template <class T>
[[nodiscard]] inline T as(std::uint64_t bits) {
  return std::bit_cast<T>(static_cast<typename unsigned_of<sizeof(T)>::type>(bits));
}

/// A T as a register's value; the upper bits are 0.
template <class T>
[[nodiscard]] inline std::uint64_t bits_of(T value) {
  return std::bit_cast<typename unsigned_of<sizeof(T)>::type>(value);
}

/// Ends the kernel with a message that names the instruction; `lane` did it.
[[noreturn]] void fail_at(warp const& self, instruction const& at, unsigned lane, std::string const& message);
/// What the checker takes for the program counter of an instruction.
[[nodiscard]] inline void const* program_counter(instruction const& at) {
  return reinterpret_cast<char const*>(&at) + 1;  // inside the instruction, also for who subtracts one
}

// --- handlers --------------------------------------------------------------------------------------------------------

template <class T, class Operation>
void unary(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const a = self.values(at.source[0]);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = bits_of<T>(Operation::apply(as<T>(a[lane]))); });
}

template <class T, class Operation>
void binary(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]);
  for_each_lane(mask,
                [=](unsigned lane) { result[lane] = bits_of<T>(Operation::apply(as<T>(a[lane]), as<T>(b[lane]))); });
}

template <class T, class Operation>
void ternary(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const *const a = self.values(at.source[0]), *const b = self.values(at.source[1]),
                             *const c = self.values(at.source[2]);
  for_each_lane(mask, [=](unsigned lane) {
    result[lane] = bits_of<T>(Operation::apply(as<T>(a[lane]), as<T>(b[lane]), as<T>(c[lane])));
  });
}

}  // namespace cuda_emulation::ptx
