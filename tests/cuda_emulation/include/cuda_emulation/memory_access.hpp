// SPDX-License-Identifier: MIT
/// @file
/// Loads and stores with cache hints, and atomics.
///
/// Hinted accesses are plain accesses here.  Threads are never interrupted, so a plain read-modify-write is atomic; it
/// is kept out of the checker's sight, which hears of the atomic access instead.
#pragma once

#include <cuda_emulation/engine.hpp>

#include <type_traits>

#if defined(__SANITIZE_THREAD__)
#  define RLVR_EMULATION_UNCHECKED __attribute__((no_sanitize("thread")))
#elif defined(__has_feature)
#  if __has_feature(thread_sanitizer)
#    define RLVR_EMULATION_UNCHECKED __attribute__((no_sanitize("thread")))
#  endif
#endif
#if !defined(RLVR_EMULATION_UNCHECKED)
#  define RLVR_EMULATION_UNCHECKED
#endif
/// Inlined at every optimisation level: a report then names the kernel's line.
#define RLVR_EMULATION_INLINE inline __attribute__((always_inline))

#define RLVR_EMULATION_LOAD(name)                  \
  template <class T>                               \
  RLVR_EMULATION_INLINE T name(T const* address) { \
    return *address;                               \
  }
RLVR_EMULATION_LOAD(__ldg)
RLVR_EMULATION_LOAD(__ldca)
RLVR_EMULATION_LOAD(__ldcg)
RLVR_EMULATION_LOAD(__ldcs)
RLVR_EMULATION_LOAD(__ldcv)
RLVR_EMULATION_LOAD(__ldlu)
#undef RLVR_EMULATION_LOAD

#define RLVR_EMULATION_STORE(name)                                             \
  template <class T>                                                           \
  RLVR_EMULATION_INLINE void name(T* address, std::type_identity_t<T> value) { \
    *address = value;                                                          \
  }
RLVR_EMULATION_STORE(__stwb)
RLVR_EMULATION_STORE(__stcg)
RLVR_EMULATION_STORE(__stcs)
RLVR_EMULATION_STORE(__stwt)
#undef RLVR_EMULATION_STORE

namespace cuda_emulation::detail {

/// Stores `new_value(old)` and returns the old value.  Not inlined: its return address is the kernel's line.
template <class NewValue, class T>
RLVR_EMULATION_UNCHECKED __attribute__((noinline)) T read_modify_write(T* address, T operand, T other) {
  atomic_access(address, sizeof(T), __builtin_return_address(0));
  T const old = *address;
  *address = NewValue::of(old, operand, other);
  return old;
}

#define RLVR_EMULATION_NEW_VALUE(name, expression)                                     \
  struct name {                                                                        \
    template <class T>                                                                 \
    RLVR_EMULATION_UNCHECKED static T of(T old, T operand, [[maybe_unused]] T other) { \
      return static_cast<T>(expression);                                               \
    }                                                                                  \
  };
RLVR_EMULATION_NEW_VALUE(added, old + operand)
RLVR_EMULATION_NEW_VALUE(subtracted, old - operand)
RLVR_EMULATION_NEW_VALUE(smaller, operand < old ? operand : old)
RLVR_EMULATION_NEW_VALUE(larger, old < operand ? operand : old)
RLVR_EMULATION_NEW_VALUE(exchanged, ((void)old, operand))
RLVR_EMULATION_NEW_VALUE(compared_and_swapped, old == other ? operand : old)
RLVR_EMULATION_NEW_VALUE(bits_and, old& operand)
RLVR_EMULATION_NEW_VALUE(bits_or, old | operand)
RLVR_EMULATION_NEW_VALUE(bits_xor, old ^ operand)
RLVR_EMULATION_NEW_VALUE(incremented, old >= operand ? T{0} : old + T{1})
RLVR_EMULATION_NEW_VALUE(decremented, old == T{0} || old > operand ? operand : old - T{1})
#undef RLVR_EMULATION_NEW_VALUE

}  // namespace cuda_emulation::detail

#define RLVR_EMULATION_ATOMIC(name, new_value)                                                                \
  template <class T>                                                                                          \
  RLVR_EMULATION_INLINE T name(T* address, std::type_identity_t<T> operand) {                                 \
    return ::cuda_emulation::detail::read_modify_write<::cuda_emulation::detail::new_value>(address, operand, \
                                                                                            operand);         \
  }
RLVR_EMULATION_ATOMIC(atomicAdd, added)
RLVR_EMULATION_ATOMIC(atomicSub, subtracted)
RLVR_EMULATION_ATOMIC(atomicMin, smaller)
RLVR_EMULATION_ATOMIC(atomicMax, larger)
RLVR_EMULATION_ATOMIC(atomicExch, exchanged)
RLVR_EMULATION_ATOMIC(atomicAnd, bits_and)
RLVR_EMULATION_ATOMIC(atomicOr, bits_or)
RLVR_EMULATION_ATOMIC(atomicXor, bits_xor)
RLVR_EMULATION_ATOMIC(atomicInc, incremented)
RLVR_EMULATION_ATOMIC(atomicDec, decremented)
#undef RLVR_EMULATION_ATOMIC

template <class T>
RLVR_EMULATION_INLINE T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> desired) {
  return ::cuda_emulation::detail::read_modify_write<::cuda_emulation::detail::compared_and_swapped>(address, desired,
                                                                                                     expected);
}

#undef RLVR_EMULATION_UNCHECKED
#undef RLVR_EMULATION_INLINE
