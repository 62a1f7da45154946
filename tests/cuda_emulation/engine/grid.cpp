// SPDX-License-Identifier: MIT
/// @file
/// Launches: limits, blocks one after another, shared memory of a block.
#include "engine/grid.hpp"

#include "engine/barrier.hpp"
#include "engine/collectives.hpp"
#include "engine/fiber.hpp"
#include "engine/report.hpp"
#include "engine/scheduler.hpp"
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <utility>

#if defined(RLVR_EMULATION_ASAN)
#  include <sanitizer/asan_interface.h>
#endif

namespace cuda_emulation {
namespace {

constexpr std::size_t shared_capacity = 256 * 1024;  // more than any device grants a block
constexpr std::size_t guard_bytes = 4096;

void reserve_shared_memory() {
  void* const memory = mmap(nullptr, shared_capacity + guard_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw failure("cannot reserve the shared memory of a block");
  state.shared_memory = static_cast<unsigned char*>(memory);
  state.shared_capacity = shared_capacity;
  mprotect(state.shared_memory + shared_capacity, guard_bytes, PROT_NONE);
}

/// Lets AddressSanitizer see the end of the block's shared memory, to the byte.
void mark_end_of_shared_memory() {
#if defined(RLVR_EMULATION_ASAN)
  static std::size_t marked = shared_capacity + 1;
  if (marked == state.shared_bytes) return;
  marked = state.shared_bytes;
  __asan_unpoison_memory_region(state.shared_memory, marked);
  __asan_poison_memory_region(state.shared_memory + marked, shared_capacity - marked);
#endif
}

std::string text(dim3 extent) {
  return "(" + std::to_string(extent.x) + "," + std::to_string(extent.y) + "," + std::to_string(extent.z) + ")";
}

/// Ends the grid, however it ends.
struct running_grid {
  running_grid() { state.in_kernel = true; }
  ~running_grid() {
    state.in_kernel = false;
    state.quiet = false;
    state.current = -1;
  }
  running_grid(running_grid const&) = delete;
  running_grid& operator=(running_grid const&) = delete;
};

[[noreturn]] void throw_failure() {
  fibers::abandon_all();
  state.failed = false;
  throw failure(std::exchange(state.error, {}));
}

void run_block(thread_body const& body) {
  state.live = state.thread_count;
  state.exited = 0;
  state.barrier_clock = 1;
  barrier::begin_block();
  collectives::begin_block();
  prepare_shared_memory();
  if (checker.block_begins != nullptr) checker.block_begins();
  statistics& counters = current_statistics();
  ++counters.blocks;
  counters.threads += static_cast<std::uint64_t>(state.thread_count);
  scheduler::run_threads(body);
  state.current = -1;  // host code from here on: what a report reads is no kernel's access
  if (!state.failed && state.live > 0) {
    state.failed = true;
    state.error = deadlock_report();
  }
  if (!state.failed && checker.block_ends != nullptr) checker.block_ends();
  if (state.failed) throw_failure();
}

void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, thread_body const& body) {
  unlock_device_memory const unlocked;
  fibers::prepare();
  state.grid = grid;
  state.block = block;
  builtins.grid_extent = grid;
  builtins.block_extent = block;
  state.thread_count = static_cast<int>(block.x * block.y * block.z);
  auto const threads = static_cast<std::size_t>(state.thread_count);
  state.fibers.resize(threads);
  state.warps.resize((threads + 31) / 32);
  state.shared_bytes = shared_bytes;
  state.throw_in_kernel = false;
  ++state.launch_id;
  ++current_statistics().launches;
  scheduler::begin_grid();
  running_grid const running;
  block_sequence const blocks(grid);
  for (std::uint64_t position = 0; position < blocks.size(); ++position) {
    blocks.select(position);
    run_block(body);
  }
}

}  // namespace

block_sequence::block_sequence(dim3 grid)
    : grid_(grid),
      size_(std::uint64_t{grid.x} * grid.y * grid.z),
      descending_(current_settings().order == schedule::reverse) {
  if (current_settings().order != schedule::shuffled) return;
  permutation_.resize(size_);
  for (std::uint64_t index = 0; index < size_; ++index) permutation_[index] = index;
  for (std::uint64_t left = size_; left > 1; --left)
    std::swap(permutation_[left - 1], permutation_[scheduler::random_below(left)]);
}

std::uint64_t block_sequence::select(std::uint64_t position) const {
  std::uint64_t const linear =
      !permutation_.empty() ? permutation_[position] : (descending_ ? size_ - 1 - position : position);
  state.block_linear = linear;
  builtins.block_index = {static_cast<unsigned>(linear % grid_.x), static_cast<unsigned>(linear / grid_.x % grid_.y),
                          static_cast<unsigned>(linear / grid_.x / grid_.y)};
  return linear;
}

void prepare_shared_memory() {
  if (state.shared_memory == nullptr) reserve_shared_memory();
  mark_end_of_shared_memory();
  std::memset(state.shared_memory, 0xff, state.shared_bytes);  // NaN in every floating-point format
}

void* dynamic_shared_memory() { return state.shared_memory; }

void check_launch(void const* kernel, dim3 grid, dim3 block, std::size_t shared_bytes) {
  std::string const prefix = "invalid launch configuration: ";
  std::uint64_t const threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || block.x > 1024 || block.y > 1024 || block.z > 64 || threads > 1024)
    fail(prefix + "block " + text(block) + ", expected 1 to 1024 threads and extents of at most (1024,1024,64)");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    fail(prefix + "grid " + text(grid) + ", expected extents from 1 to (2147483647,65535,65535)");
  if (!shared_bytes_allowed(kernel, shared_bytes))
    fail(prefix + std::to_string(shared_bytes) +
         " bytes of dynamic shared memory; more than 49152 need cudaFuncSetAttribute, 232448 is the most");
}

void launch_grid(void const* kernel, dim3 grid, dim3 block, std::size_t shared_bytes, void* stream, thread_body body) {
  if (state.in_kernel) {
    body.parameters.reset();  // what this frame holds is never freed
    fail("a kernel launches a kernel, which is not emulated");
  }
  check_launch(kernel, grid, block, shared_bytes);
  enqueue(stream, [grid, block, shared_bytes, body = std::move(body)] { run_grid(grid, block, shared_bytes, body); });
}

}  // namespace cuda_emulation

extern "C" void* rlvr_emulated_dynamic_shared_memory();
extern "C" void* rlvr_emulated_dynamic_shared_memory() { return cuda_emulation::dynamic_shared_memory(); }
