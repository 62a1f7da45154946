// SPDX-License-Identifier: MIT
/// @file
/// Runs the lanes of a warp.
#include "ptx/scheduler.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

namespace cuda_emulation::ptx {
namespace {

constexpr std::uint32_t no_counter = std::numeric_limits<std::uint32_t>::max();
constexpr int backward_branches_per_turn = 1 << 20;  // then other warps run: this one may wait for them

/// Lanes that run together.
struct lane_group {
  lane_mask mask = 0;
  std::uint32_t counter = no_counter;
  std::uint32_t others = no_counter;  ///< smallest counter of the lanes that can run besides
};

lane_group select_group(warp const& self) {
  lane_group group;
  for_each_lane(self.live & ~self.waiting & ~self.at_barrier, [&](unsigned lane) {
    std::uint32_t const counter = self.counter[lane];
    if (counter < group.counter) {
      group.others = group.counter;
      group.counter = counter;
      group.mask = lane_mask{1} << lane;
    } else if (counter == group.counter) {
      group.mask |= lane_mask{1} << lane;
    } else {
      group.others = std::min(group.others, counter);
    }
  });
  return group;
}

void set_counters(warp& self, lane_mask mask, std::uint32_t counter) {
  for_each_lane(mask, [&](unsigned lane) { self.counter[lane] = counter; });
}

lane_mask guarded_lanes(warp& self, instruction const& at, lane_mask mask) {
  std::uint64_t const* const predicate = self.values(at.guard);
  lane_mask set = 0;
  for (unsigned lane = 0; lane < warp_lanes; ++lane) set |= static_cast<lane_mask>(predicate[lane] & 1) << lane;
  return mask & (at.guard_inverted ? ~set : set);
}

// --- collectives -----------------------------------------------------------------------------------------------------

lane_mask members(warp& self, instruction const& at, unsigned lane) {
  if (at.whole_warp) return all_lanes;
  return static_cast<lane_mask>(self.values(at.source[at.sources - 1u])[lane]);
}

/// The lanes of `here` that name the same members as `lane`.
lane_mask lanes_with_members(warp& self, instruction const& at, lane_mask here, lane_mask named) {
  lane_mask result = 0;
  for_each_lane(here, [&](unsigned lane) {
    if (members(self, at, lane) == named) result |= lane_mask{1} << lane;
  });
  return result;
}

void perform(warp& self, instruction const& at, lane_mask mask) {
  ++current_statistics().warp_operations;
  state.current = self.thread(static_cast<unsigned>(std::countr_zero(mask)));
  at.execute(self, at, mask);
}

/// Lanes `arriving` are at a collective; each set of lanes that name one another is served when it is complete, so that
/// tiles of a warp may be at the same instruction independently.
void arrive(warp& self, instruction const& at, std::uint32_t counter, lane_mask arriving) {
  lane_mask here = arriving;
  for_each_lane(self.waiting, [&](unsigned lane) {
    if (self.counter[lane] == counter) here |= lane_mask{1} << lane;
  });
  set_counters(self, arriving, counter);
  while (arriving != 0) {
    lane_mask const named = members(self, at, static_cast<unsigned>(std::countr_zero(arriving)));
    lane_mask const group = lanes_with_members(self, at, here, named);
    if ((group & ~named) != 0)
      fail_at(self, at, static_cast<unsigned>(std::countr_zero(group & ~named)), "the lane is not in its own mask");
    lane_mask const wanted = named & self.live;
    if ((group & wanted) == wanted) {
      perform(self, at, wanted);
      set_counters(self, wanted, counter + 1);
      self.waiting &= ~wanted;
    } else {
      self.waiting |= group;
    }
    arriving &= ~group;
  }
}

/// Lanes that were waited for may have returned since: serves what is complete now.
bool serve_waiting(warp& self) {
  lane_mask left = self.waiting & self.live;
  bool served = false;
  while (left != 0) {
    auto const lane = static_cast<unsigned>(std::countr_zero(left));
    std::uint32_t const counter = self.counter[lane];
    lane_mask here = 0;
    for_each_lane(left, [&](unsigned other) {
      if (self.counter[other] == counter) here |= lane_mask{1} << other;
    });
    instruction const& at = self.code->code[counter];
    lane_mask const group = lanes_with_members(self, at, here, members(self, at, lane));
    lane_mask const wanted = members(self, at, lane) & self.live;
    left &= ~group;
    if ((group & wanted) != wanted) continue;
    perform(self, at, wanted);
    set_counters(self, wanted, counter + 1);
    self.waiting &= ~wanted;
    served = true;
  }
  return served;
}

// --- control flow ----------------------------------------------------------------------------------------------------

/// The common target if all lanes of the mask have one; otherwise every lane's counter is set.
template <class Target>
std::optional<std::uint32_t> spread(warp& self, lane_mask mask, Target&& target) {
  std::uint32_t const first = target(static_cast<unsigned>(std::countr_zero(mask)));
  bool same = true;
  for_each_lane(mask, [&](unsigned lane) { same = same && target(lane) == first; });
  if (same) return first;
  for_each_lane(mask, [&](unsigned lane) { self.counter[lane] = target(lane); });
  return std::nullopt;
}

/// An instruction that is not `flow::next`, for the lanes `active` of `mask`.
/// @return where the whole group goes on; nothing if its lanes part
std::optional<std::uint32_t> control(warp& self, instruction const& at, std::uint32_t counter, lane_mask mask,
                                     lane_mask active) {
  if (active == 0) return counter + 1;
  switch (at.kind) {
    case flow::branch:
      if (active == mask) return at.target;
      set_counters(self, active, at.target);
      set_counters(self, mask & ~active, counter + 1);
      return std::nullopt;
    case flow::call: {
      std::uint64_t* const back = self.values(at.destination[0]);
      for_each_lane(active, [&](unsigned lane) { back[lane] = counter + 1; });
      if (active == mask) return at.target;
      set_counters(self, active, at.target);
      set_counters(self, mask & ~active, counter + 1);
      return std::nullopt;
    }
    case flow::leave:
    case flow::indexed_branch: {
      std::uint64_t const* const value = self.values(at.source[0]);
      auto const target = [&](unsigned lane) {
        auto const index = static_cast<std::uint32_t>(value[lane]);
        return at.kind == flow::leave ? index : self.code->branch_tables[at.target].at(index);
      };
      auto const common = spread(self, active, target);
      if (common && active == mask) return common;
      if (common) set_counters(self, active, *common);
      set_counters(self, mask & ~active, counter + 1);
      return std::nullopt;
    }
    case flow::exit:
      self.live &= ~active;
      set_counters(self, mask, counter + 1);
      return std::nullopt;
    case flow::barrier:
      self.at_barrier |= active;
      set_counters(self, active, counter);
      set_counters(self, mask & ~active, counter + 1);
      return std::nullopt;
    case flow::collective:
      set_counters(self, mask & ~active, counter + 1);
      arrive(self, at, counter, active);
      return std::nullopt;
    case flow::next:
      break;
  }
  return counter + 1;
}

/// Runs a group until it meets other lanes, parts or waits.
void run_group(warp& self, lane_group const& group, int& turn) {
  instruction const* const code = self.code->code.data();
  std::uint32_t counter = group.counter;
  for (;;) {
    instruction const& at = code[counter];
    lane_mask const active = at.guarded ? guarded_lanes(self, at, group.mask) : group.mask;
    if (at.kind == flow::next) {
      if (active != 0) at.execute(self, at, active);
      ++counter;
    } else {
      auto const next = control(self, at, counter, group.mask, active);
      if (!next) return;
      turn -= *next <= counter;
      counter = *next;
      if (turn <= 0) break;
    }
    if (counter >= group.others) break;
  }
  set_counters(self, group.mask, counter);
}

}  // namespace

bool run_warp(warp& self) {
  int turn = backward_branches_per_turn;
  while (turn > 0) {
    lane_group const group = select_group(self);
    if (group.mask != 0)
      run_group(self, group, turn);
    else if (!serve_waiting(self))
      return false;
  }
  return true;
}

std::string waiting_places(warp const& self) {
  std::map<std::uint32_t, int> lanes;
  for_each_lane(self.live, [&](unsigned lane) { ++lanes[self.counter[lane]]; });
  std::string result;
  for (auto const& [counter, count] : lanes)
    result += "\n    warp " + std::to_string(self.index) + ": " + std::to_string(count) + " lanes wait in " +
              self.code->text[counter] + " at " + self.code->place(self.code->code[counter]);
  return result;
}

void fail_at(warp const& self, instruction const& at, unsigned lane, std::string const& message) {
  select_thread(self.thread(lane));
  fail(message + " at " + self.code->place(at));
}

}  // namespace cuda_emulation::ptx
