// SPDX-License-Identifier: MIT
/// @file
/// The families in order, and what the linker needs besides.
#include "ptx/decoder.hpp"

#include "ptx/warp.hpp"
#include <cstring>
#include <string>

namespace cuda_emulation::ptx {
namespace {

void read_rounding(opcode const& op, instruction& at) {
  for (std::string_view const modifier : op.modifiers) {
    if (modifier == "rn" || modifier == "rni") at.mode = rounding::nearest;
    if (modifier == "rz" || modifier == "rzi") at.mode = rounding::zero;
    if (modifier == "rm" || modifier == "rmi") at.mode = rounding::down;
    if (modifier == "rp" || modifier == "rpi") at.mode = rounding::up;
    if (modifier == "rni" || modifier == "rzi" || modifier == "rmi" || modifier == "rpi") at.integral = true;
  }
  at.flush = op.has("ftz");
  at.saturate = op.has("sat") || op.has("satfinite");
  at.carry_out = op.has("cc");
}

}  // namespace

handler decode(opcode const& op, instruction& at) {
  static constexpr handler (*families[])(opcode const&, instruction&) = {
      decode_move, decode_memory,  decode_atomic, decode_control,  decode_collective, decode_matrix,
      decode_bits, decode_integer, decode_half,   decode_floating, decode_comparison, decode_conversion};
  read_rounding(op, at);
  for (auto const family : families)
    if (handler const found = family(op, at)) return found;
  return nullptr;
}

bool has_destination(opcode const& op) {
  static constexpr std::string_view without[] = {"st",      "red",     "membar",   "fence",     "trap",
                                                 "brkpt",   "exit",    "prefetch", "prefetchu", "nanosleep",
                                                 "discard", "pmevent", "stacksave"};
  if (op.name == "bar" || op.name == "barrier") return op.has("red");
  return std::find(std::begin(without), std::end(without), op.name) == std::end(without);
}

void invert_predicate(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t* const result = self.values(at.destination[0]);
  std::uint64_t const* const value = self.values(at.source[0]);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = (value[lane] & 1) ^ 1; });
}

void copy_local(warp& self, instruction const& at, lane_mask mask) {
  for_each_lane(mask, [&](unsigned lane) {
    unsigned char* const memory = self.local.data() + std::size_t{lane} * self.code->local_bytes;
    std::memcpy(memory + at.target, memory + at.offset, at.length);
  });
}

void do_nothing(warp&, instruction const&, lane_mask) {}

void unknown_instruction(warp& self, instruction const& at, lane_mask mask) {
  std::size_t const index = static_cast<std::size_t>(&at - self.code->code.data());
  fail_at(self, at, static_cast<unsigned>(std::countr_zero(mask)),
          "PTX: '" + self.code->text[index] + "' is not emulated");
}

void assertion_failed(warp& self, instruction const& at, lane_mask mask) {
  auto const lane = static_cast<unsigned>(std::countr_zero(mask));
  char const* text = nullptr;
  std::memcpy(&text, self.local.data() + std::size_t{lane} * self.code->local_bytes + at.offset, sizeof text);
  fail_at(self, at, lane, std::string("assertion failed: ") + text);
}

}  // namespace cuda_emulation::ptx
