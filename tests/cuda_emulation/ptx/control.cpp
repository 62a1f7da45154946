// SPDX-License-Identifier: MIT
/// @file
/// Barriers, fences and traps; branches, calls and returns are the linker's and the scheduler's.
#include "ptx/decoder.hpp"
#include "ptx/warp.hpp"

namespace cuda_emulation::ptx {
namespace {

void fence(warp&, instruction const&, lane_mask) { memory_fence(); }

void trapped(warp& self, instruction const& at, lane_mask mask) {
  fail_at(self, at, static_cast<unsigned>(std::countr_zero(mask)), "trap");
}

}  // namespace

/// `operation`: the barrier's kind (barrier_kind); the scheduler completes it.
handler decode_control(opcode const& op, instruction& at) {
  if (op.name == "membar" || op.name == "fence") return fence;
  if (op.name == "trap" || op.name == "brkpt") return trapped;
  if (op.name == "prefetch" || op.name == "prefetchu" || op.name == "nanosleep" || op.name == "discard" ||
      op.name == "pmevent")
    return do_nothing;
  if ((op.name != "bar" && op.name != "barrier") || op.has("warp") || op.has("arrive") || op.has("cluster"))
    return nullptr;
  at.kind = flow::barrier;
  auto const kind = op.has("popc")  ? barrier_kind::count
                    : op.has("and") ? barrier_kind::all
                    : op.has("or")  ? barrier_kind::any
                                    : barrier_kind::plain;
  at.operation = static_cast<std::uint8_t>(kind);
  return do_nothing;
}

}  // namespace cuda_emulation::ptx
