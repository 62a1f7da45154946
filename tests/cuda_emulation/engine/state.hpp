// SPDX-License-Identifier: MIT
/// @file
/// The engine's inside, shared with the runtime, the checker and the PTX interpreter; kernels never see it.
#pragma once

#include <cuda_emulation/engine.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace cuda_emulation {

enum class fiber_state : std::uint8_t { fresh, ready, in_warp_collective, at_barrier, done };

/// One CUDA thread of the running block.
struct fiber {
  void* stack_pointer = nullptr;
  void* fake_stack = nullptr;  ///< AddressSanitizer's handle
  int stack = -1;              ///< index of its stack, -1 before it has begun
  fiber_state state = fiber_state::fresh;
  char const* file = "";  ///< where it waits
  int line = 0;
  char const* what = "";
  std::uint64_t result = 0;  ///< of the collective that released it
};

/// A warp collective that is being assembled.
struct pending_collective {
  bool active = false;
  warp_operation operation{};
  unsigned mask = 0, arrived = 0;
  int width = 32;
  char const* file = "";
  int line = 0;
  std::uint64_t value[32];
  int argument[32];
};

struct warp_state {
  unsigned exists = 0, exited = 0;
  std::vector<pending_collective> pending;
  std::uint32_t clock[32][32];  ///< [lane][lane]: vector clocks between block barriers; the checker's
};

/// Everything about the grid that runs.
struct engine_state {
  bool in_kernel = false;
  bool quiet = false;  ///< code of ours runs that may share instrumented templates with kernels: not to be checked
  bool throw_in_kernel = false;  ///< there are no fibers to leave (PTX interpreter): report by exception at once
  int current = -1;              ///< thread of the block, -1: host code
  int thread_count = 0, live = 0, exited = 0;
  dim3 grid, block;
  std::uint64_t block_linear = 0;
  std::uint32_t launch_id = 0;
  std::uint32_t barrier_clock = 1;  ///< block barriers passed, plus one
  std::vector<fiber> fibers;
  std::vector<warp_state> warps;
  unsigned char* shared_memory = nullptr;  ///< dynamic shared memory
  std::size_t shared_bytes = 0, shared_capacity = 0;
  char* stacks = nullptr;
  std::size_t stack_bytes = 0;  ///< of one stack, its guard page included
  int stack_count = 0;
  bool failed = false;
  std::string error;
};
extern engine_state state;

/// `state.quiet` while one is alive.  Engine code that a kernel calls holds one: it shares templates with instrumented
/// code, and the linker keeps one copy of each.
struct quiet_scope {
  quiet_scope() { state.quiet = true; }
  ~quiet_scope() { state.quiet = false; }
  quiet_scope(quiet_scope const&) = delete;
  quiet_scope& operator=(quiet_scope const&) = delete;
};

/// Ends the kernel (or the call, outside one) with a message; sets `state.quiet` while the message is built.  Inside a
/// kernel the caller's frame is given up: build the message in a function of its own, so that no part of it leaks.
[[noreturn]] void fail(std::string message);
[[nodiscard]] std::string place(char const* file, int line);  ///< "file.hpp:12"
[[nodiscard]] std::string running_thread();                   ///< "block (0,0,0) thread (5,0,0)"
void select_thread(int thread);                               ///< makes it current and sets threadIdx
void prepare_shared_memory();                                 ///< fresh (NaN) dynamic shared memory for a block
[[nodiscard]] bool shared_bytes_allowed(void const* kernel, std::size_t bytes);  ///< the runtime's 48 KiB / opt-in rule
/// Program counter to file:line where the default (addr2line) does not fit; the PTX interpreter's.
extern std::string (*resolve_program_counter)(void const*);

// --- device memory (runtime/) ----------------------------------------------------------------------------------------

/// One reservation of addresses that stands for device memory.
struct memory_arena {
  unsigned char* base = nullptr;
  std::size_t capacity = 0, used = 0;
};
extern memory_arena arena;

[[nodiscard]] void* allocate_device(std::size_t bytes, bool managed = false);  ///< filled with NaN; nullptr: exhausted
void release_device(void* block);
[[nodiscard]] bool is_device(void const* address);
[[nodiscard]] bool is_managed(void const* address);       ///< device memory that host code may touch
[[nodiscard]] std::string describe(void const* address);  ///< "byte 12 of a device allocation of 64 bytes"

/// Device memory is accessible to this process while one is alive.
struct unlock_device_memory {
  unlock_device_memory();
  ~unlock_device_memory();
  unlock_device_memory(unlock_device_memory const&) = delete;
  unlock_device_memory& operator=(unlock_device_memory const&) = delete;
};

/// Queues work on a stream, or records it into the graph that the stream captures.
void enqueue(void* stream, std::function<void()> task);

// --- the checker's hooks: null unless it is linked -------------------------------------------------------------------

struct checker_hooks {
  void (*access)(char const* address, std::size_t bytes, bool write, bool atomic,
                 void const* program_counter) = nullptr;
  void (*block_begins)() = nullptr;
  void (*block_ends)() = nullptr;
  void (*warp_synchronised)(warp_state& warp, int index, unsigned mask) = nullptr;
  void (*atomic)(void const volatile* address, std::size_t bytes, void const* program_counter) = nullptr;
  void (*fence)() = nullptr;
  void (*allocated)(void* block, std::size_t bytes) = nullptr;
  void (*released)(void* block, std::size_t bytes) = nullptr;
  void (*written_by_host)(void* address, std::size_t bytes) = nullptr;  ///< memcpy, memset, libraries, managed writes
};
extern checker_hooks checker;

}  // namespace cuda_emulation
