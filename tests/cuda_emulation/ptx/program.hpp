// SPDX-License-Identifier: MIT
/// @file
/// A kernel in the form that is executed: PTX is decoded once, at the kernel's first launch.
///
/// Every value of a lane is one 64-bit slot of the warp's register file; constants and special registers are slots
/// too, filled before the kernel begins, so that an operand is always an index.  Device functions are linked into the
/// kernel that calls them, ahead of it: lanes inside a function then have the smaller program counters and run first,
/// which is what lets lanes meet again behind a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace cuda_emulation::ptx {

constexpr unsigned warp_lanes = 32;
using lane_mask = std::uint32_t;
constexpr lane_mask all_lanes = 0xffffffffu;
/// Index of a slot of the register file.
using slot = std::uint32_t;

struct warp;
struct instruction;
/// Executes an instruction for the lanes of the mask.
using handler = void (*)(warp&, instruction const&, lane_mask);

/// What an instruction does with the program counter.
enum class flow : std::uint8_t { next, branch, indexed_branch, call, leave, exit, barrier, collective };

enum class memory_space : std::uint8_t { generic, global, shared, local, parameter };

/// Windows of the generic address space; other addresses are those of this process.
constexpr std::uint64_t shared_window = std::uint64_t{1} << 60, local_window = std::uint64_t{1} << 61,
                        parameter_window = std::uint64_t{1} << 62;

/// How a result is rounded; the codes of `integral` conversions (.rni ..) are the same.
enum class rounding : std::uint8_t { nearest, zero, down, up };

/// A decoded instruction.  Which members mean something depends on the handler.
struct instruction {
  handler execute = nullptr;
  flow kind = flow::next;
  bool guarded = false, guard_inverted = false;
  bool flush = false, saturate = false;  ///< .ftz, .sat
  bool integral = false;                 ///< a conversion to an integer's value within a floating-point type
  bool carry_out = false;                ///< .cc
  bool whole_warp = false;               ///< a collective of all lanes; others name theirs in the last source
  rounding mode = rounding::nearest;
  memory_space space = memory_space::generic;
  std::uint8_t vector = 1;     ///< elements of a load or store
  std::uint8_t bytes = 4;      ///< of an element
  std::uint8_t operation = 0;  ///< the handler's own code
  std::uint8_t combine = 0;    ///< setp: 0 none, 1 and, 2 or, 3 xor
  std::uint8_t destinations = 0, sources = 0;
  slot guard = 0;
  slot destination[4] = {};
  slot source[10] = {};
  std::int64_t offset = 0;   ///< added to an address; or an immediate of the handler's
  std::uint32_t target = 0;  ///< instruction a branch goes to; a table's index for an indexed one
  std::uint32_t length = 0;  ///< bytes that copy_local moves
  std::uint32_t file = 0, line = 0;
};

/// Slots that every program has.
enum special_slot : slot {
  thread_x,
  thread_y,
  thread_z,
  block_extent_x,
  block_extent_y,
  block_extent_z,
  block_x,
  block_y,
  block_z,
  grid_x,
  grid_y,
  grid_z,
  lane_index,
  warp_index,
  warp_count,
  mask_less,
  mask_less_equal,
  mask_greater,
  mask_greater_equal,
  mask_equal,
  zero_slot,
  shared_total,
  shared_dynamic,
  carry_slot,
  sink_slot,
  special_slots
};

/// A parameter of a kernel, where it lies in the parameter block.
struct parameter {
  std::string name;
  unsigned offset = 0, bytes = 0;
};

/// A kernel with everything that it calls.
struct program {
  std::string name;
  std::vector<parameter> parameters;
  unsigned parameter_bytes = 0;
  std::vector<instruction> code;
  std::vector<std::string> text;  ///< of each instruction
  std::vector<std::string> files;
  std::vector<std::vector<std::uint32_t>> branch_tables;
  std::vector<std::pair<slot, std::uint64_t>> constants;
  slot slots = special_slots;
  std::uint32_t entry = 0;
  unsigned shared_bytes = 0;  ///< static; dynamic shared memory follows
  unsigned local_bytes = 0;   ///< of a lane: depots, parameters of calls

  /// "file.hpp:12", or the kernel's name where nvcc gave no line.
  [[nodiscard]] std::string place(instruction const& at) const;
};

}  // namespace cuda_emulation::ptx
