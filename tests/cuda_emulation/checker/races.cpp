// SPDX-License-Identifier: MIT
/// @file
/// Clocks and the order that they define.
#include "checker/races.hpp"

#include <cstring>
#include <unordered_map>
#include <vector>

namespace cuda_emulation::checking::races {
namespace {

constexpr int lanes = 32;

/// What a thread had ordered before it when it released: its own accesses, and its block's before the last barrier.
struct release_point {
  std::uint32_t block, barrier_clock;
  int thread;
};
/// Who acquired a release, and when: that thread at once, the others of its block behind the next barrier.
struct acquisition {
  release_point released;
  std::uint32_t barrier_clock;
  int thread;
};

std::unordered_map<void const*, std::vector<release_point>> releases;      // of the launch
std::unordered_map<std::uint32_t, std::vector<acquisition>> acquisitions;  // of the running block, by releasing block
std::vector<char> fenced;                                                  // by thread of the running block
std::uint32_t launch = 0;

std::uint32_t running_block() { return static_cast<std::uint32_t>(state.block_linear); }

std::uint32_t own_clock() {
  return state.warps.data()[state.current / lanes].clock[state.current % lanes][state.current % lanes];
}

bool was_acquired(access_record const& earlier) {
  if (acquisitions.empty()) return false;
  quiet_scope const quiet;
  auto const found = acquisitions.find(earlier.block);
  if (found == acquisitions.end()) return false;
  for (acquisition const& one : found->second) {
    bool const covered =
        earlier.barrier_clock < one.released.barrier_clock || static_cast<int>(earlier.thread) == one.released.thread;
    if (covered && (one.thread == state.current || one.barrier_clock < state.barrier_clock)) return true;
  }
  return false;
}

bool happened_before(access_record const& earlier) {
  if (earlier.block != running_block()) return was_acquired(earlier);
  auto const thread = static_cast<int>(earlier.thread);
  if (thread == state.current || earlier.barrier_clock < state.barrier_clock) return true;
  if (thread / lanes != state.current / lanes) return false;
  return state.warps.data()[thread / lanes].clock[state.current % lanes][thread % lanes] >= earlier.warp_clock;
}

/// Records of an earlier launch do not count, nor in shared memory those of another block.
bool counts(access_record const& earlier, bool shared) {
  return earlier.bytes != 0 && earlier.launch == state.launch_id && (!shared || earlier.block == running_block());
}

bool collides(access_record const& earlier, access_record const& now, bool shared) {
  return counts(earlier, shared) && (earlier.bytes & now.bytes) != 0 && !(earlier.atomic != 0 && now.atomic != 0) &&
         !happened_before(earlier);
}

/// The place for a new record: one that it makes superfluous, a free one, or else the second.
access_record& place_for(access_record (&records)[2], access_record const& now, bool shared) {
  for (access_record& record : records)
    if (!counts(record, shared)) return record;
  for (access_record& record : records)
    if ((record.bytes & ~now.bytes) == 0 && happened_before(record)) return record;
  return records[1];
}

bool same_moment(access_record const& a, access_record const& b) {
  return a.block == b.block && a.thread == b.thread && a.barrier_clock == b.barrier_clock &&
         a.warp_clock == b.warp_clock && a.atomic == b.atomic;
}

}  // namespace

void begin_block() {
  for (warp_state& warp : state.warps) {
    std::memset(warp.clock, 0, sizeof warp.clock);
    for (int lane = 0; lane < lanes; ++lane) warp.clock[lane][lane] = 1;
  }
  acquisitions.clear();
  fenced.assign(static_cast<std::size_t>(state.thread_count), 0);
  if (launch != state.launch_id) releases.clear();
  launch = state.launch_id;
}

void warp_synchronised(warp_state& warp, int, unsigned mask) {
  std::uint32_t joined[lanes] = {};
  for (int lane = 0; lane < lanes; ++lane) {
    if ((mask >> lane & 1u) == 0) continue;
    for (int other = 0; other < lanes; ++other)
      if (warp.clock[lane][other] > joined[other]) joined[other] = warp.clock[lane][other];
  }
  for (int lane = 0; lane < lanes; ++lane) {
    if ((mask >> lane & 1u) == 0) continue;
    std::memcpy(warp.clock[lane], joined, sizeof joined);
    ++warp.clock[lane][lane];
  }
}

void fence() { fenced.data()[state.current] = 1; }

void acquire_and_release(void const* address, bool release) {
  bool const releasing = release && fenced.data()[state.current] != 0;
  if (!releasing && releases.empty()) return;
  quiet_scope const quiet;
  auto& points = releases[address];
  for (release_point const& point : points)
    if (point.block != running_block())
      acquisitions[point.block].push_back({point, state.barrier_clock, state.current});
  if (releasing) points.push_back({running_block(), state.barrier_clock, state.current});
}

access_record access_now(unsigned bytes, bool atomic) {
  access_record now;
  now.launch = state.launch_id;
  now.block = running_block();
  now.thread = static_cast<unsigned>(state.current) & 0x3ffu;
  now.bytes = bytes & 0xfu;
  now.atomic = atomic;
  now.barrier_clock = state.barrier_clock & 0x1fffffffu;
  now.warp_clock = own_clock() & 0xfffffu;
  return now;
}

collision find_collision(access_history const& history, access_record const& now, bool write, bool shared) {
  for (access_record const& earlier : history.writes)
    if (collides(earlier, now, shared)) return {true, true, earlier};
  if (write)
    for (access_record const& earlier : history.reads)
      if (collides(earlier, now, shared)) return {true, false, earlier};
  return {};
}

void remember(access_history& history, access_record const& now, bool write, bool shared) {
  auto& records = write ? history.writes : history.reads;
  for (access_record& record : records) {
    if (!counts(record, shared) || !same_moment(record, now)) continue;
    record.bytes |= now.bytes;
    return;
  }
  place_for(records, now, shared) = now;
}

}  // namespace cuda_emulation::checking::races
