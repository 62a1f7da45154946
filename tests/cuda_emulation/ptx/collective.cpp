// SPDX-License-Identifier: MIT
/// @file
/// Warp collectives.  The scheduler calls a handler when every lane that the member mask names is here.
#include "ptx/decoder.hpp"
#include "ptx/warp.hpp"
#include <string>

namespace cuda_emulation::ptx {
namespace {

enum shuffle_mode : std::uint8_t { shuffle_up, shuffle_down, shuffle_xor, shuffle_index };

/// The lane that `lane` reads from, as the manual's pseudo code has it; `inside` tells whether it is in the segment.
unsigned source_lane(std::uint8_t mode, unsigned lane, unsigned amount, unsigned control, bool& inside) {
  unsigned const segment = control >> 8 & 31, clamp = control & 31;
  auto const last = static_cast<int>((lane & segment) | (clamp & ~segment)), mine = static_cast<int>(lane);
  amount &= 31;
  int from = mine;
  switch (mode) {
    case shuffle_up:
      from = mine - static_cast<int>(amount);
      break;
    case shuffle_down:
      from = mine + static_cast<int>(amount);
      break;
    case shuffle_xor:
      from = mine ^ static_cast<int>(amount);
      break;
    default:
      from = static_cast<int>((lane & segment) | (amount & ~segment));
      break;
  }
  inside = mode == shuffle_up ? from >= last : from <= last;
  return static_cast<unsigned>(inside ? from : mine);
}

void shuffle(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t const *const value = self.values(at.source[0]), *const amount = self.values(at.source[1]),
                             *const control = self.values(at.source[2]);
  std::uint64_t result[warp_lanes], valid[warp_lanes];
  for_each_lane(mask, [&](unsigned lane) {
    bool inside = false;
    unsigned const from = source_lane(at.operation, lane, static_cast<unsigned>(amount[lane]),
                                      static_cast<unsigned>(control[lane]), inside);
    if ((mask >> from & 1) == 0)
      fail_at(self, at, lane, "shfl reads lane " + std::to_string(from) + ", which does not take part");
    result[lane] = value[from];
    valid[lane] = inside;
  });
  std::uint64_t *const destination = self.values(at.destination[0]), *const predicate = self.values(
                                                                         at.destinations > 1 ? at.destination[1]
                                                                                             : slot{sink_slot});
  for_each_lane(mask, [&](unsigned lane) {
    destination[lane] = result[lane];
    predicate[lane] = valid[lane];
  });
}

void give(warp& self, slot destination, lane_mask mask, std::uint64_t value) {
  std::uint64_t* const result = self.values(destination);
  for_each_lane(mask, [=](unsigned lane) { result[lane] = value; });
}

enum vote_mode : std::uint8_t { vote_ballot, vote_any, vote_all, vote_uniform };

void vote(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t const* const predicate = self.values(at.source[0]);
  lane_mask set = 0;
  for_each_lane(mask, [&](unsigned lane) { set |= static_cast<lane_mask>(predicate[lane] & 1) << lane; });
  std::uint64_t result = set;
  if (at.operation == vote_any) result = set != 0;
  if (at.operation == vote_all) result = set == mask;
  if (at.operation == vote_uniform) result = set == mask || set == 0;
  give(self, at.destination[0], mask, result);
}

enum reduction : std::uint8_t { reduce_add, reduce_and, reduce_or, reduce_xor, reduce_minimum, reduce_maximum };

template <class T>
T reduced(std::uint8_t operation, T a, T b) {
  switch (operation) {
    case reduce_add:
      return static_cast<T>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
    case reduce_and:
      return a & b;
    case reduce_or:
      return a | b;
    case reduce_xor:
      return a ^ b;
    case reduce_minimum:
      return b < a ? b : a;
    default:
      return a < b ? b : a;
  }
}

template <class T>
void reduce(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t const* const value = self.values(at.source[0]);
  auto const first = static_cast<unsigned>(std::countr_zero(mask));
  T result = as<T>(value[first]);
  for_each_lane(mask & (mask - 1), [&](unsigned lane) { result = reduced(at.operation, result, as<T>(value[lane])); });
  give(self, at.destination[0], mask, bits_of(result));
}

template <class T>
void match_any(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t const* const value = self.values(at.source[0]);
  std::uint64_t result[warp_lanes];
  for_each_lane(mask, [&](unsigned lane) {
    lane_mask same = 0;
    for_each_lane(mask, [&](unsigned other) {
      if (as<T>(value[other]) == as<T>(value[lane])) same |= lane_mask{1} << other;
    });
    result[lane] = same;
  });
  std::uint64_t* const destination = self.values(at.destination[0]);
  for_each_lane(mask, [&](unsigned lane) { destination[lane] = result[lane]; });
}

template <class T>
void match_all(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t const* const value = self.values(at.source[0]);
  T const first = as<T>(value[std::countr_zero(mask)]);
  bool same = true;
  for_each_lane(mask, [&](unsigned lane) { same = same && as<T>(value[lane]) == first; });
  give(self, at.destination[0], mask, same ? mask : 0);
  if (at.destinations > 1) give(self, at.destination[1], mask, same);
}

void synchronise(warp& self, instruction const&, lane_mask mask) {
  if (checker.warp_synchronised != nullptr)
    checker.warp_synchronised(state.warps[static_cast<std::size_t>(self.index)], self.index, mask);
}

void active_mask(warp& self, instruction const& at, lane_mask mask) { give(self, at.destination[0], mask, mask); }

template <std::size_t Count>
bool read_operation(opcode const& op, instruction& at, std::string_view const (&names)[Count]) {
  for (std::uint8_t index = 0; index < Count; ++index) {
    if (!op.has(names[index])) continue;
    at.operation = index;
    return true;
  }
  return false;
}

}  // namespace

handler decode_collective(opcode const& op, instruction& at) {
  static constexpr std::string_view shuffles[] = {"up", "down", "bfly", "idx"};
  static constexpr std::string_view votes[] = {"ballot", "any", "all", "uni"};
  static constexpr std::string_view reductions[] = {"add", "and", "or", "xor", "min", "max"};
  if (op.name == "activemask") return active_mask;
  bool const warp_barrier = (op.name == "bar" || op.name == "barrier") && op.has("warp");
  if (!op.has("sync") ||
      (op.name != "shfl" && op.name != "vote" && op.name != "redux" && op.name != "match" && !warp_barrier))
    return nullptr;
  at.kind = flow::collective;
  if (warp_barrier) return synchronise;
  if (op.name == "shfl") return read_operation(op, at, shuffles) ? shuffle : nullptr;
  if (op.name == "vote") return read_operation(op, at, votes) ? vote : nullptr;
  if (op.name == "redux") {
    if (!read_operation(op, at, reductions) || op.type() == "f32") return nullptr;
    return op.type() == "s32" ? reduce<std::int32_t> : reduce<std::uint32_t>;
  }
  bool const wide = op.type() == "b64";
  if (op.has("all")) return wide ? match_all<std::uint64_t> : match_all<std::uint32_t>;
  return wide ? match_any<std::uint64_t> : match_any<std::uint32_t>;
}

}  // namespace cuda_emulation::ptx
