// SPDX-License-Identifier: MIT
/// @file
/// Blocks: their warps take turns, in the order of the settings; the block barrier; deadlocks.
#include "ptx/execution.hpp"

#include "engine/grid.hpp"
#include "engine/report.hpp"
#include "engine/scheduler.hpp"
#include "ptx/scheduler.hpp"
#include "ptx/warp.hpp"
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace cuda_emulation::ptx {
namespace {

constexpr int turns_without_end = 1 << 12;  // of warps that use their whole turn, in a block

/// "file:line" of a program counter that the checker reports.
std::string place_of_program_counter(void const* counter);

class grid_runner {
 public:
  grid_runner(program const& kernel, std::size_t dynamic_bytes, std::vector<unsigned char> const& parameters)
      : kernel_(kernel), warps_(state.warps.size()), order_(state.warps.size()) {
    for (std::size_t index = 0; index < warps_.size(); ++index) {
      order_[index] = index;
      prepare(warps_[index], static_cast<int>(index), dynamic_bytes, parameters);
    }
    if (current_settings().order == schedule::reverse) std::reverse(order_.begin(), order_.end());
  }

  void run_block() {
    begin_block();
    int long_turns = 0;
    for (;;) {
      if (current_settings().order == schedule::shuffled)
        for (std::size_t left = order_.size(); left > 1; --left)
          std::swap(order_[left - 1], order_[scheduler::random_below(left)]);
      bool unfinished = false;
      for (std::size_t const index : order_) unfinished |= run_warp(warps_[index]);
      state.current = -1;
      if (unfinished) {
        if (++long_turns > turns_without_end) fail("the block of " + kernel_.name + " does not come to an end");
        continue;
      }
      if (!pass_barrier()) break;
    }
  }

 private:
  void prepare(warp& self, int index, std::size_t dynamic_bytes, std::vector<unsigned char> const& parameters) const {
    self.code = &kernel_;
    self.index = index;
    self.parameters = parameters.data();
    self.registers.assign(std::size_t{kernel_.slots} * warp_lanes, 0);
    for (auto const& [index_, value] : kernel_.constants) std::fill_n(self.values(index_), warp_lanes, value);
    self.local.resize(std::size_t{kernel_.local_bytes} * warp_lanes);
    for (unsigned lane = 0; lane < warp_lanes; ++lane) {
      auto const thread = static_cast<unsigned>(self.thread(lane));
      unsigned const width = state.block.x, height = state.block.y;
      std::uint32_t const bit = 1u << lane, less = bit - 1;
      std::pair<slot, std::uint64_t> const values[] = {{thread_x, thread % width},
                                                       {thread_y, thread / width % height},
                                                       {thread_z, thread / width / height},
                                                       {block_extent_x, width},
                                                       {block_extent_y, height},
                                                       {block_extent_z, state.block.z},
                                                       {grid_x, state.grid.x},
                                                       {grid_y, state.grid.y},
                                                       {grid_z, state.grid.z},
                                                       {lane_index, lane},
                                                       {warp_index, static_cast<std::uint64_t>(index)},
                                                       {warp_count, state.warps.size()},
                                                       {mask_less, less},
                                                       {mask_less_equal, less | bit},
                                                       {mask_greater, ~(less | bit)},
                                                       {mask_greater_equal, ~less},
                                                       {mask_equal, bit},
                                                       {shared_total, state.shared_bytes},
                                                       {shared_dynamic, dynamic_bytes}};
      for (auto const& [where, value] : values) self.values(where)[lane] = value;
    }
  }

  void begin_block() {
    state.live = state.thread_count;
    state.exited = 0;
    state.barrier_clock = 1;
    prepare_shared_memory();
    if (checker.block_begins != nullptr) checker.block_begins();
    for (warp& self : warps_) {
      auto const threads = static_cast<unsigned>(state.thread_count - self.thread(0));
      self.live = threads >= warp_lanes ? all_lanes : (lane_mask{1} << threads) - 1;
      self.waiting = self.at_barrier = 0;
      std::fill_n(self.counter, warp_lanes, kernel_.entry);
      std::fill(self.local.begin(), self.local.end(), static_cast<unsigned char>(0xff));
      std::fill_n(self.values(block_x), warp_lanes, builtins.block_index.x);
      std::fill_n(self.values(block_y), warp_lanes, builtins.block_index.y);
      std::fill_n(self.values(block_z), warp_lanes, builtins.block_index.z);
    }
    statistics& counters = current_statistics();
    ++counters.blocks;
    counters.threads += static_cast<std::uint64_t>(state.thread_count);
  }

  /// Opens the block's barrier if every thread that has not returned is there.
  /// @return whether there are threads to run; throws if they can not
  bool pass_barrier() {
    state.live = 0;
    int there = 0;
    for (warp const& self : warps_) {
      state.live += std::popcount(self.live);
      there += std::popcount(self.at_barrier & self.live);
    }
    state.exited = state.thread_count - state.live;
    if (state.live == 0) return false;
    if (there != state.live) fail(deadlock());
    check_one_place();
    instruction const& at = kernel_.code[waiting_counter()];
    if (state.exited > 0)
      fail("barrier at " + kernel_.place(at) + " passed after " + std::to_string(state.exited) + " of " +
           std::to_string(state.thread_count) + " threads of the block had returned; every thread must reach it");
    ++current_statistics().barriers;
    ++state.barrier_clock;
    release(at);
    return true;
  }

  [[nodiscard]] std::string deadlock() const {
    std::string result = "deadlock in " + kernel_.name + ":";
    for (warp const& self : warps_) result += waiting_places(self);
    if (state.exited > 0) result += "\n    " + std::to_string(state.exited) + " threads have returned";
    return result;
  }

  [[nodiscard]] std::uint32_t waiting_counter() const {
    for (warp const& self : warps_)
      if (self.live != 0) return self.counter[std::countr_zero(self.live)];
    return 0;
  }

  /// All threads must be at the same barrier.
  void check_one_place() {
    std::uint32_t const first = waiting_counter();
    for (warp const& self : warps_)
      for_each_lane(self.live, [&](unsigned lane) {
        if (self.counter[lane] == first) return;
        fail_at(self, kernel_.code[self.counter[lane]], lane,
                "divergent barrier: others wait at " + kernel_.place(kernel_.code[first]) + ", this thread waits");
      });
    instruction const& at = kernel_.code[first];
    unsigned const operands = at.sources - (at.operation != static_cast<std::uint8_t>(barrier_kind::plain) ? 1u : 0u);
    for (warp& self : warps_) {
      if (operands > 0 && self.values(at.source[0])[0] != 0)
        fail("named barriers are not emulated: " + kernel_.place(at));
      if (operands > 1 && self.values(at.source[1])[0] != static_cast<std::uint64_t>(state.thread_count))
        fail("barriers of a part of the block are not emulated: " + kernel_.place(at));
    }
  }

  void release(instruction const& at) {
    auto const kind = static_cast<barrier_kind>(at.operation);
    int set = 0;
    if (kind != barrier_kind::plain)
      for (warp& self : warps_)
        for_each_lane(self.live,
                      [&](unsigned lane) { set += (self.values(at.source[at.sources - 1u])[lane] & 1) != 0; });
    std::uint64_t const result = kind == barrier_kind::count ? static_cast<std::uint64_t>(set)
                                 : kind == barrier_kind::all ? set == state.live
                                                             : set != 0;
    for (warp& self : warps_) {
      if (kind != barrier_kind::plain)
        for_each_lane(self.live, [&](unsigned lane) { self.values(at.destination[0])[lane] = result; });
      for_each_lane(self.live, [&](unsigned lane) { ++self.counter[lane]; });
      self.at_barrier = 0;
    }
  }

  program const& kernel_;
  std::vector<warp> warps_;
  std::vector<std::size_t> order_;
};

/// Ends the grid, however it ends.
struct running_grid {
  running_grid() {
    state.in_kernel = true;
    state.throw_in_kernel = true;
    resolve_program_counter = place_of_program_counter;
  }
  ~running_grid() {
    state.in_kernel = false;
    state.throw_in_kernel = false;
    state.quiet = false;
    state.current = -1;
  }
  running_grid(running_grid const&) = delete;
  running_grid& operator=(running_grid const&) = delete;
};

/// The kernels that ran, by the addresses of their instructions.
std::map<char const*, program const*>& programs_by_address() {
  static std::map<char const*, program const*> programs;
  return programs;
}

std::string place_of_program_counter(void const* counter) {
  auto const* const address = static_cast<char const*>(counter);
  auto const after = programs_by_address().upper_bound(address);
  if (after == programs_by_address().begin()) return "?";
  program const& kernel = *std::prev(after)->second;
  auto const index = static_cast<std::size_t>(address - std::prev(after)->first) / sizeof(instruction);
  return index < kernel.code.size() ? kernel.place(kernel.code[index]) : "?";
}

}  // namespace

std::string program::place(instruction const& at) const {
  if (at.line == 0 || at.file >= files.size()) return name;
  return cuda_emulation::place(files[at.file].c_str(), static_cast<int>(at.line));
}

void run_grid(program const& kernel, dim3 grid, dim3 block, std::size_t dynamic_bytes,
              std::vector<unsigned char> const& parameters) {
  unlock_device_memory const unlocked;
  programs_by_address()[reinterpret_cast<char const*>(kernel.code.data())] = &kernel;
  state.grid = grid;
  state.block = block;
  builtins.grid_extent = grid;
  builtins.block_extent = block;
  state.thread_count = static_cast<int>(block.x * block.y * block.z);
  auto const threads = static_cast<std::size_t>(state.thread_count);
  state.fibers.resize(threads);
  state.warps.resize((threads + warp_lanes - 1) / warp_lanes);
  state.shared_bytes = kernel.shared_bytes + dynamic_bytes;
  state.failed = false;
  ++state.launch_id;
  ++current_statistics().launches;
  scheduler::begin_grid();
  running_grid const running;
  grid_runner runner(kernel, dynamic_bytes, parameters);
  block_sequence const blocks(grid);
  for (std::uint64_t position = 0; position < blocks.size(); ++position) {
    blocks.select(position);
    runner.run_block();
    if (checker.block_ends != nullptr) checker.block_ends();
    if (state.failed) {  // what the checker collected
      state.failed = false;
      throw failure(std::exchange(state.error, {}));
    }
  }
}

}  // namespace cuda_emulation::ptx
