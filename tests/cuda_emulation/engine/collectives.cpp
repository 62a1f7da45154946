// SPDX-License-Identifier: MIT
/// @file
/// Shuffles, votes, matches, reductions, matrix products and __syncwarp, with the checks that hardware does not make.
///
/// A collective is assembled from the lanes that its mask names and that have not returned.  Several may be under way
/// in one warp as long as their masks allow it.  Lanes that meet must call the same intrinsic with the same mask and
/// width, at the same place in the source; __syncwarp alone may be called at several places.
#include "engine/collectives.hpp"

#include <cuda_emulation/mma.hpp>

#include "engine/scheduler.hpp"
#include "engine/state.hpp"
#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

namespace cuda_emulation {
namespace collectives {
namespace {

constexpr int lanes = 32;

char const* name_of(warp_operation operation) {
  switch (operation) {
    case warp_operation::shuffle_index:
      return "__shfl_sync";
    case warp_operation::shuffle_up:
      return "__shfl_up_sync";
    case warp_operation::shuffle_down:
      return "__shfl_down_sync";
    case warp_operation::shuffle_xor:
      return "__shfl_xor_sync";
    case warp_operation::ballot:
      return "__ballot_sync";
    case warp_operation::any:
      return "__any_sync";
    case warp_operation::all:
      return "__all_sync";
    case warp_operation::match_any:
      return "__match_any_sync";
    case warp_operation::match_all:
      return "__match_all_sync";
    case warp_operation::reduce_add:
      return "__reduce_add_sync";
    case warp_operation::reduce_min_unsigned:
    case warp_operation::reduce_min_signed:
      return "__reduce_min_sync";
    case warp_operation::reduce_max_unsigned:
    case warp_operation::reduce_max_signed:
      return "__reduce_max_sync";
    case warp_operation::reduce_and:
      return "__reduce_and_sync";
    case warp_operation::reduce_or:
      return "__reduce_or_sync";
    case warp_operation::reduce_xor:
      return "__reduce_xor_sync";
    case warp_operation::synchronise:
      return "__syncwarp";
    case warp_operation::matrix_product:
      return "mma.sync";
  }
  return "?";
}

std::string hexadecimal(unsigned mask) {
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[mask >> shift & 15u];
  return text;
}

std::string call(warp_operation operation, char const* file, int line) {
  return std::string(name_of(operation)) + " at " + place(file, line);
}

/// Lanes that must arrive before the collective is complete.
unsigned expected(pending_collective const& pending, warp_state const& warp) {
  return pending.mask & warp.exists & ~warp.exited;
}

template <class Function>
void for_each_lane(unsigned mask, Function function) {
  for (; mask != 0; mask &= mask - 1) function(std::countr_zero(mask));
}

bool is_shuffle(warp_operation operation) { return operation <= warp_operation::shuffle_xor; }

/// Where a lane reads, by the rule of the PTX instruction `shfl`: outside of the lane's segment it reads itself.
int source_lane(pending_collective const& pending, int lane) {
  int const first = lane & ~(pending.width - 1), last = first + pending.width - 1;
  int const argument = pending.argument[lane] & (lanes - 1);
  switch (pending.operation) {
    case warp_operation::shuffle_up:
      return lane - argument >= first ? lane - argument : lane;
    case warp_operation::shuffle_down:
      return lane + argument <= last ? lane + argument : lane;
    case warp_operation::shuffle_xor:
      return (lane ^ argument) <= last ? lane ^ argument : lane;
    default:
      return first + (argument & (pending.width - 1));
  }
}

std::uint32_t combine(warp_operation operation, std::uint32_t a, std::uint32_t b) {
  auto const signed_a = static_cast<std::int32_t>(a), signed_b = static_cast<std::int32_t>(b);
  switch (operation) {
    case warp_operation::reduce_add:
      return a + b;
    case warp_operation::reduce_min_unsigned:
      return a < b ? a : b;
    case warp_operation::reduce_max_unsigned:
      return a > b ? a : b;
    case warp_operation::reduce_min_signed:
      return signed_a < signed_b ? a : b;
    case warp_operation::reduce_max_signed:
      return signed_a > signed_b ? a : b;
    case warp_operation::reduce_and:
      return a & b;
    case warp_operation::reduce_or:
      return a | b;
    default:
      return a ^ b;  // reduce_xor
  }
}

unsigned lanes_with_value(pending_collective const& pending, std::uint64_t value) {
  unsigned found = 0;
  for_each_lane(pending.arrived, [&](int lane) { found |= unsigned{pending.value[lane] == value} << lane; });
  return found;
}

/// The result of everything but shuffles and match_any: one value for all lanes.
std::uint64_t common_result(pending_collective const& pending) {
  int const first = std::countr_zero(pending.arrived);
  unsigned const rest = pending.arrived & (pending.arrived - 1);
  switch (pending.operation) {
    case warp_operation::ballot:
      return pending.arrived & ~lanes_with_value(pending, 0);
    case warp_operation::any:
      return lanes_with_value(pending, 0) != pending.arrived;
    case warp_operation::all:
      return lanes_with_value(pending, 0) == 0;
    case warp_operation::match_all:
      return lanes_with_value(pending, pending.value[first]) == pending.arrived ? pending.arrived : 0;
    case warp_operation::synchronise:
      return 0;
    default:
      break;
  }
  auto total = static_cast<std::uint32_t>(pending.value[first]);
  for_each_lane(rest, [&](int lane) {
    total = combine(pending.operation, total, static_cast<std::uint32_t>(pending.value[lane]));
  });
  return total;
}

std::string absent_source(pending_collective const& pending, int source) {
  return call(pending.operation, pending.file, pending.line) + " reads lane " + std::to_string(source) +
         ", which does not take part";
}

std::string incomplete_warp(pending_collective const& pending) {
  return call(pending.operation, pending.file, pending.line) + " needs all 32 lanes, only " +
         hexadecimal(pending.arrived) + " take part";
}

void multiply(pending_collective const& pending, int first_thread) {
  if (pending.arrived != 0xffffffffu) {
    select_thread(first_thread + std::countr_zero(pending.arrived));
    fail(incomplete_warp(pending));
  }
  product_fragments* fragments[lanes];
  for (int lane = 0; lane < lanes; ++lane)
    fragments[lane] = reinterpret_cast<product_fragments*>(static_cast<std::uintptr_t>(pending.value[lane]));
  multiply_fragments(fragments);
}

void compute_results(pending_collective const& pending, int first_thread, std::uint64_t (&results)[lanes]) {
  if (is_shuffle(pending.operation)) {
    for_each_lane(pending.arrived, [&](int lane) {
      int const source = source_lane(pending, lane);
      if ((pending.arrived >> source & 1u) == 0) {
        select_thread(first_thread + lane);
        fail(absent_source(pending, source));
      }
      results[lane] = pending.value[source];
    });
  } else if (pending.operation == warp_operation::match_any) {
    for_each_lane(pending.arrived, [&](int lane) { results[lane] = lanes_with_value(pending, pending.value[lane]); });
  } else if (pending.operation == warp_operation::matrix_product) {
    multiply(pending, first_thread);
    for_each_lane(pending.arrived, [&](int lane) { results[lane] = 0; });
  } else {
    std::uint64_t const result = common_result(pending);
    for_each_lane(pending.arrived, [&](int lane) { results[lane] = result; });
  }
}

/// All lanes are there: computes and hands out the results.  @param passing  the lane that need not wait, -1 for none
std::uint64_t complete(pending_collective& pending, int warp_index, int passing) {
  ++current_statistics().warp_operations;
  int const first_thread = warp_index * lanes;
  std::uint64_t results[lanes];
  compute_results(pending, first_thread, results);
  warp_state& warp = state.warps.data()[warp_index];
  if (pending.operation == warp_operation::synchronise && checker.warp_synchronised != nullptr)
    checker.warp_synchronised(warp, warp_index, pending.arrived);
  pending.active = false;
  for (int position = 0; position < lanes; ++position) {
    int const lane = scheduler::descending() ? lanes - 1 - position : position;
    if ((pending.arrived >> lane & 1u) == 0 || lane == passing) continue;
    state.fibers.data()[first_thread + lane].result = results[lane];
    scheduler::wake(first_thread + lane);
  }
  return passing >= 0 ? results[passing] : 0;
}

/// One lane's call, as it arrives.
struct arrival {
  warp_operation operation;
  unsigned mask;
  int width;
  char const* file;
  int line;

  [[nodiscard]] bool joins(pending_collective const& pending) const {
    if (pending.mask != mask || pending.operation != operation || pending.width != width) return false;
    return operation == warp_operation::synchronise ||
           (pending.line == line && (pending.file == file || std::strcmp(pending.file, file) == 0));
  }
};

std::string foreign_mask(arrival const& here, int lane) {
  return call(here.operation, here.file, here.line) + ": calling lane " + std::to_string(lane) +
         " is not in its own mask " + hexadecimal(here.mask);
}

std::string bad_width(arrival const& here) {
  return call(here.operation, here.file, here.line) + ": width " + std::to_string(here.width) +
         " is not a power of two up to 32";
}

void check_call(arrival const& here, int lane) {
  if ((here.mask >> lane & 1u) == 0) fail(foreign_mask(here, lane));
  auto const width = static_cast<unsigned>(here.width);
  if (width == 0 || width > lanes || (width & (width - 1)) != 0) fail(bad_width(here));
}

std::string divergence(pending_collective const& pending, arrival const& here, int lane) {
  return "divergent warp collective: lane " + std::to_string(lane) + " calls " +
         call(here.operation, here.file, here.line) + " with mask " + hexadecimal(here.mask) +
         " while other lanes of its mask wait in " + call(pending.operation, pending.file, pending.line) +
         " with mask " + hexadecimal(pending.mask);
}

pending_collective& begin(pending_collective& unused, arrival const& here) {
  unused.active = true;
  unused.operation = here.operation;
  unused.mask = here.mask;
  unused.arrived = 0;
  unused.width = here.width;
  unused.file = here.file;
  unused.line = here.line;
  return unused;
}

/// The collective that waits for this lane and that the call belongs to, or a new one.
pending_collective& find_or_begin(warp_state& warp, arrival const& here, int lane) {
  pending_collective* unused = nullptr;
  pending_collective* joined = nullptr;
  for (pending_collective& pending : warp.pending) {
    if (!pending.active)
      unused = &pending;
    else if ((pending.mask >> lane & 1u) == 0)
      continue;
    else if (here.joins(pending))
      joined = &pending;
    else if ((pending.arrived & here.mask) != 0)  // each would wait for the other for ever
      fail(divergence(pending, here, lane));
  }
  if (joined != nullptr) return *joined;
  return begin(unused != nullptr ? *unused : warp.pending.emplace_back(), here);
}

}  // namespace

void begin_block() {
  for (int first = 0, index = 0; first < state.thread_count; first += lanes, ++index) {
    int const left = state.thread_count - first;
    warp_state& warp = state.warps.data()[index];
    warp.exists = left >= lanes ? 0xffffffffu : (1u << left) - 1u;
    warp.exited = 0;
    for (pending_collective& pending : warp.pending) pending.active = false;
  }
}

void thread_ended(int thread) {
  warp_state& warp = state.warps.data()[thread / lanes];
  int const lane = thread % lanes;
  warp.exited |= 1u << lane;
  for (pending_collective& pending : warp.pending)
    if (pending.active && (pending.mask >> lane & 1u) != 0 && pending.arrived == expected(pending, warp))
      complete(pending, thread / lanes, -1);
}

}  // namespace collectives

std::uint64_t warp_collective(warp_operation operation, unsigned mask, std::uint64_t value, int argument, int width,
                              char const* file, int line) {
  quiet_scope const quiet;
  if (state.current < 0) throw failure(collectives::call(operation, file, line) + " is called outside a kernel");
  int const self = state.current, warp_index = self / collectives::lanes, lane = self % collectives::lanes;
  collectives::arrival const here{operation, mask, width, file, line};
  collectives::check_call(here, lane);
  warp_state& warp = state.warps.data()[warp_index];
  pending_collective& pending = collectives::find_or_begin(warp, here, lane);
  pending.value[lane] = value;
  pending.argument[lane] = argument;
  pending.arrived |= 1u << lane;
  if (pending.arrived == collectives::expected(pending, warp)) return collectives::complete(pending, warp_index, lane);
  scheduler::wait(fiber_state::in_warp_collective, collectives::name_of(operation), file, line);
  return state.fibers.data()[self].result;
}

}  // namespace cuda_emulation
