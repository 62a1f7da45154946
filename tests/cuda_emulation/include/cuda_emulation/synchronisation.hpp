// SPDX-License-Identifier: MIT
/// @file
/// Barriers, fences, shuffles, votes, matches, reductions.  The call's place in the source goes with each of them.
#pragma once

#include <cuda_bf16.h>
#include <cuda_emulation/engine.hpp>
#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>

/// Parameters that a caller leaves out.
#define RLVR_EMULATION_SITE char const *file = __builtin_FILE(), int line = __builtin_LINE()

namespace cuda_emulation::detail {

template <class T>
std::uint64_t to_bits(T const& value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
  return value;
}

template <class T>
T shuffle(warp_operation operation, unsigned mask, T value, int argument, int width, char const* file, int line) {
  return from_bits<T>(warp_collective(operation, mask, to_bits(value), argument, width, file, line));
}

inline std::uint64_t collective(warp_operation operation, unsigned mask, std::uint64_t value, char const* file,
                                int line) {
  return warp_collective(operation, mask, value, 0, 32, file, line);
}

}  // namespace cuda_emulation::detail

// --- barriers and fences ---------------------------------------------------------------------------------------------

inline void __syncthreads(RLVR_EMULATION_SITE) {
  ::cuda_emulation::block_barrier(::cuda_emulation::barrier_kind::plain, 0, file, line);
}
inline int __syncthreads_count(int predicate, RLVR_EMULATION_SITE) {
  return ::cuda_emulation::block_barrier(::cuda_emulation::barrier_kind::count, predicate, file, line);
}
inline int __syncthreads_and(int predicate, RLVR_EMULATION_SITE) {
  return ::cuda_emulation::block_barrier(::cuda_emulation::barrier_kind::all, predicate, file, line);
}
inline int __syncthreads_or(int predicate, RLVR_EMULATION_SITE) {
  return ::cuda_emulation::block_barrier(::cuda_emulation::barrier_kind::any, predicate, file, line);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, RLVR_EMULATION_SITE) {
  ::cuda_emulation::detail::collective(::cuda_emulation::warp_operation::synchronise, mask, 0, file, line);
}
inline void __threadfence() { ::cuda_emulation::memory_fence(); }
inline void __threadfence_block() { ::cuda_emulation::memory_fence(); }
inline void __threadfence_system() { ::cuda_emulation::memory_fence(); }
[[noreturn]] inline void __trap(RLVR_EMULATION_SITE) { ::cuda_emulation::trap("__trap()", file, line); }
/// Threads switch at synchronisation points alone, so there is nothing to wait for.
inline void __nanosleep(unsigned) {}

// --- shuffles --------------------------------------------------------------------------------------------------------

// One overload per type that CUDA has one for, so that other types convert, or fail to, as they do there.
#define RLVR_EMULATION_SHUFFLES(T)                                                                                  \
  inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, RLVR_EMULATION_SITE) {                   \
    return ::cuda_emulation::detail::shuffle(::cuda_emulation::warp_operation::shuffle_index, mask, value, source,  \
                                             width, file, line);                                                    \
  }                                                                                                                 \
  inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, RLVR_EMULATION_SITE) {            \
    return ::cuda_emulation::detail::shuffle(::cuda_emulation::warp_operation::shuffle_up, mask, value,             \
                                             static_cast<int>(delta), width, file, line);                           \
  }                                                                                                                 \
  inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, RLVR_EMULATION_SITE) {          \
    return ::cuda_emulation::detail::shuffle(::cuda_emulation::warp_operation::shuffle_down, mask, value,           \
                                             static_cast<int>(delta), width, file, line);                           \
  }                                                                                                                 \
  inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, RLVR_EMULATION_SITE) {            \
    return ::cuda_emulation::detail::shuffle(::cuda_emulation::warp_operation::shuffle_xor, mask, value, lane_mask, \
                                             width, file, line);                                                    \
  }
RLVR_EMULATION_SHUFFLES(int)
RLVR_EMULATION_SHUFFLES(unsigned)
RLVR_EMULATION_SHUFFLES(long)
RLVR_EMULATION_SHUFFLES(unsigned long)
RLVR_EMULATION_SHUFFLES(long long)
RLVR_EMULATION_SHUFFLES(unsigned long long)
RLVR_EMULATION_SHUFFLES(float)
RLVR_EMULATION_SHUFFLES(double)
RLVR_EMULATION_SHUFFLES(__half)
RLVR_EMULATION_SHUFFLES(__half2)
RLVR_EMULATION_SHUFFLES(__nv_bfloat16)
RLVR_EMULATION_SHUFFLES(__nv_bfloat162)
#undef RLVR_EMULATION_SHUFFLES

// --- votes, matches, reductions --------------------------------------------------------------------------------------

inline unsigned __ballot_sync(unsigned mask, int predicate, RLVR_EMULATION_SITE) {
  return static_cast<unsigned>(
      ::cuda_emulation::detail::collective(::cuda_emulation::warp_operation::ballot, mask, predicate != 0, file, line));
}
inline int __any_sync(unsigned mask, int predicate, RLVR_EMULATION_SITE) {
  return static_cast<int>(
      ::cuda_emulation::detail::collective(::cuda_emulation::warp_operation::any, mask, predicate != 0, file, line));
}
inline int __all_sync(unsigned mask, int predicate, RLVR_EMULATION_SITE) {
  return static_cast<int>(
      ::cuda_emulation::detail::collective(::cuda_emulation::warp_operation::all, mask, predicate != 0, file, line));
}

#define RLVR_EMULATION_MATCHES(T)                                                                                  \
  inline unsigned __match_any_sync(unsigned mask, T value, RLVR_EMULATION_SITE) {                                  \
    return static_cast<unsigned>(::cuda_emulation::detail::collective(                                             \
        ::cuda_emulation::warp_operation::match_any, mask, ::cuda_emulation::detail::to_bits(value), file, line)); \
  }                                                                                                                \
  inline unsigned __match_all_sync(unsigned mask, T value, int* all_equal, RLVR_EMULATION_SITE) {                  \
    auto const equal = static_cast<unsigned>(::cuda_emulation::detail::collective(                                 \
        ::cuda_emulation::warp_operation::match_all, mask, ::cuda_emulation::detail::to_bits(value), file, line)); \
    *all_equal = equal != 0;                                                                                       \
    return equal;                                                                                                  \
  }
RLVR_EMULATION_MATCHES(int)
RLVR_EMULATION_MATCHES(unsigned)
RLVR_EMULATION_MATCHES(long)
RLVR_EMULATION_MATCHES(unsigned long)
RLVR_EMULATION_MATCHES(long long)
RLVR_EMULATION_MATCHES(unsigned long long)
RLVR_EMULATION_MATCHES(float)
RLVR_EMULATION_MATCHES(double)
#undef RLVR_EMULATION_MATCHES

#define RLVR_EMULATION_REDUCTION(name, T, operation)                                                              \
  inline T name(unsigned mask, T value, RLVR_EMULATION_SITE) {                                                    \
    return static_cast<T>(::cuda_emulation::detail::collective(::cuda_emulation::warp_operation::operation, mask, \
                                                               static_cast<std::uint32_t>(value), file, line));   \
  }
RLVR_EMULATION_REDUCTION(__reduce_add_sync, unsigned, reduce_add)
RLVR_EMULATION_REDUCTION(__reduce_add_sync, int, reduce_add)
RLVR_EMULATION_REDUCTION(__reduce_min_sync, unsigned, reduce_min_unsigned)
RLVR_EMULATION_REDUCTION(__reduce_min_sync, int, reduce_min_signed)
RLVR_EMULATION_REDUCTION(__reduce_max_sync, unsigned, reduce_max_unsigned)
RLVR_EMULATION_REDUCTION(__reduce_max_sync, int, reduce_max_signed)
RLVR_EMULATION_REDUCTION(__reduce_and_sync, unsigned, reduce_and)
RLVR_EMULATION_REDUCTION(__reduce_or_sync, unsigned, reduce_or)
RLVR_EMULATION_REDUCTION(__reduce_xor_sync, unsigned, reduce_xor)
#undef RLVR_EMULATION_REDUCTION
#undef RLVR_EMULATION_SITE
