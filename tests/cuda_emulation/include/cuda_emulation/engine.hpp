// SPDX-License-Identifier: MIT
/// @file
/// What kernels and tests see of the execution engine: one fiber per CUDA thread, one block at a time, switches at
/// synchronisation points only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector_types.h>

namespace cuda_emulation {

/// A mistake of a kernel or of the code that launches it; the message names the place and the thread.
struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// In which order threads and blocks run between synchronisation points.
enum class schedule { forward, reverse, shuffled };

struct settings {
  schedule order = schedule::forward;  ///< environment: RLVR_EMULATION_ORDER=forward|reverse|shuffled:SEED
  std::uint64_t seed = 1;              ///< of `shuffled`
  bool guard_device_memory = true;     ///< device memory faults when host code touches it (not under AddressSanitizer)
  bool defer_streams = false;          ///< RLVR_EMULATION_DEFER=1: stream work runs at synchronisation points only
};
[[nodiscard]] settings& current_settings();

/// What ran since the program began.  Traffic is counted in checked builds alone.
struct statistics {
  std::uint64_t launches = 0, blocks = 0, threads = 0, switches = 0, barriers = 0, warp_operations = 0;
  std::uint64_t global_load_bytes = 0, global_store_bytes = 0, shared_load_bytes = 0, shared_store_bytes = 0;
  std::uint64_t global_atomics = 0;
  std::uint64_t global_load_requests = 0, global_load_sectors = 0;    ///< warp requests, 32-byte sectors they touch
  std::uint64_t global_store_requests = 0, global_store_sectors = 0;  ///< (RLVR_EMULATION_PROFILE=1)
  std::uint64_t shared_requests = 0, shared_wavefronts = 0;           ///< wavefronts - requests: bank conflicts
};
[[nodiscard]] statistics& current_statistics();

// --- what the device builtins call -----------------------------------------------------------------------------------

enum class warp_operation : std::uint8_t {
  shuffle_index,
  shuffle_up,
  shuffle_down,
  shuffle_xor,
  ballot,
  any,
  all,
  match_any,
  match_all,
  reduce_add,
  reduce_min_unsigned,
  reduce_max_unsigned,
  reduce_min_signed,
  reduce_max_signed,
  reduce_and,
  reduce_or,
  reduce_xor,
  synchronise,
  matrix_product  ///< `value`: the address of the lane's `product_fragments` (mma.hpp)
};
enum class barrier_kind : std::uint8_t { plain, count, all, any };

/// A warp collective.  @param value  the lane's contribution, as bits  @param argument  source lane, delta or xor mask
std::uint64_t warp_collective(warp_operation operation, unsigned mask, std::uint64_t value, int argument, int width,
                              char const* file, int line);
/// __syncthreads and its kin; the result is that of the variant, 0 for the plain one.
int block_barrier(barrier_kind kind, int predicate, char const* file, int line);
[[nodiscard]] void* dynamic_shared_memory();
[[noreturn]] void trap(char const* what, char const* file, int line);
/// Tells the checker that the current thread accesses memory atomically.
void atomic_access(void const volatile* address, std::size_t bytes, void const* program_counter);
void memory_fence();

/// threadIdx and its kin of the running thread.
struct builtin_variables {
  uint3 thread_index, block_index;
  dim3 block_extent, grid_extent;
};
extern builtin_variables builtins;

// --- launches --------------------------------------------------------------------------------------------------------

/// `run(parameters.get())` executes one thread of the kernel.
struct thread_body {
  void (*run)(void*) = nullptr;
  std::shared_ptr<void> parameters;
};

/// Checks the limits of a launch as a device would (throws `failure`) and queues it on the stream.
void launch_grid(void const* kernel, dim3 grid, dim3 block, std::size_t shared_bytes, void* stream, thread_body body);

}  // namespace cuda_emulation
