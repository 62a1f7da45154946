// SPDX-License-Identifier: MIT
/// @file
/// The functions that `-fsanitize=thread` makes the compiler call at loads, stores and atomics.  They stand in for
/// libtsan, which is not linked.  Host code of instrumented files calls them too, in static initialisers as well.
#include "checker/checks.hpp"
#include <cstddef>

using cuda_emulation::checking::access_kind;
using cuda_emulation::checking::check_access;

namespace {

constexpr std::size_t widest_access = 16;  // of one instruction; larger copies are several

/// Inlined, so that the return address is the kernel's.
[[gnu::always_inline]] inline void check_range(char const* address, std::size_t bytes, access_kind kind,
                                               void const* program_counter) {
  for (; bytes > widest_access; address += widest_access, bytes -= widest_access)
    check_access(address, widest_access, kind, program_counter);
  if (bytes > 0) check_access(address, bytes, kind, program_counter);
}

}  // namespace

extern "C" {

#define RLVR_EMULATION_HOOK(name, bytes, kind)                                    \
  void __tsan_##name##bytes(void* address);                                       \
  void __tsan_##name##bytes(void* address) {                                      \
    check_access(address, bytes, access_kind::kind, __builtin_return_address(0)); \
  }
#define RLVR_EMULATION_HOOKS(bytes)                  \
  RLVR_EMULATION_HOOK(read, bytes, load)             \
  RLVR_EMULATION_HOOK(write, bytes, store)           \
  RLVR_EMULATION_HOOK(unaligned_read, bytes, load)   \
  RLVR_EMULATION_HOOK(unaligned_write, bytes, store) \
  RLVR_EMULATION_HOOK(volatile_read, bytes, load)    \
  RLVR_EMULATION_HOOK(volatile_write, bytes, store)
RLVR_EMULATION_HOOKS(1)
RLVR_EMULATION_HOOKS(2)
RLVR_EMULATION_HOOKS(4)
RLVR_EMULATION_HOOKS(8)
RLVR_EMULATION_HOOKS(16)
#undef RLVR_EMULATION_HOOKS
#undef RLVR_EMULATION_HOOK

void __tsan_read_range(void* address, unsigned long bytes);
void __tsan_read_range(void* address, unsigned long bytes) {
  check_range(static_cast<char*>(address), bytes, access_kind::load, __builtin_return_address(0));
}
void __tsan_write_range(void* address, unsigned long bytes);
void __tsan_write_range(void* address, unsigned long bytes) {
  check_range(static_cast<char*>(address), bytes, access_kind::store, __builtin_return_address(0));
}

void __tsan_init();
void __tsan_init() {}
void __tsan_func_entry(void*);
void __tsan_func_entry(void*) {}
void __tsan_func_exit();
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*);
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**);
void __tsan_vptr_read(void**) {}
void __tsan_atomic_thread_fence(int);
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int);
void __tsan_atomic_signal_fence(int) {}

// std::atomic and atomic_ref, and the counts of shared_ptr in host code.  Always sequentially consistent: host code may
// have threads, kernels have none.
#define RLVR_EMULATION_ATOMIC(name, Type, kind, expression, Result, ...)                                          \
  Result name(__VA_ARGS__);                                                                                       \
  Result name(__VA_ARGS__) {                                                                                      \
    check_access(const_cast<Type const*>(address), sizeof(Type), access_kind::kind, __builtin_return_address(0)); \
    return expression;                                                                                            \
  }
#define RLVR_EMULATION_UPDATE(bits, Type, operation)                                                          \
  RLVR_EMULATION_ATOMIC(__tsan_atomic##bits##_##operation, Type, atomic_update,                               \
                        __atomic_##operation(address, value, __ATOMIC_SEQ_CST), Type, Type volatile* address, \
                        Type value, int)
#define RLVR_EMULATION_EXCHANGE(bits, Type, strength, is_weak)                                                  \
  RLVR_EMULATION_ATOMIC(                                                                                        \
      __tsan_atomic##bits##_compare_exchange_##strength, Type, atomic_update,                                   \
      __atomic_compare_exchange_n(address, expected, value, is_weak, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST), bool, \
      Type volatile* address, Type* expected, Type value, int, int)
#define RLVR_EMULATION_ATOMICS(bits, Type)                                                                            \
  RLVR_EMULATION_ATOMIC(__tsan_atomic##bits##_load, Type, atomic_load, __atomic_load_n(address, __ATOMIC_SEQ_CST),    \
                        Type, Type const volatile* address, int)                                                      \
  RLVR_EMULATION_ATOMIC(__tsan_atomic##bits##_store, Type, atomic_store,                                              \
                        __atomic_store_n(address, value, __ATOMIC_SEQ_CST), void, Type volatile* address, Type value, \
                        int)                                                                                          \
  RLVR_EMULATION_ATOMIC(__tsan_atomic##bits##_exchange, Type, atomic_store,                                           \
                        __atomic_exchange_n(address, value, __ATOMIC_SEQ_CST), Type, Type volatile* address,          \
                        Type value, int)                                                                              \
  RLVR_EMULATION_UPDATE(bits, Type, fetch_add)                                                                        \
  RLVR_EMULATION_UPDATE(bits, Type, fetch_sub)                                                                        \
  RLVR_EMULATION_UPDATE(bits, Type, fetch_and)                                                                        \
  RLVR_EMULATION_UPDATE(bits, Type, fetch_or)                                                                         \
  RLVR_EMULATION_UPDATE(bits, Type, fetch_xor)                                                                        \
  RLVR_EMULATION_EXCHANGE(bits, Type, strong, false)                                                                  \
  RLVR_EMULATION_EXCHANGE(bits, Type, weak, true)
RLVR_EMULATION_ATOMICS(8, unsigned char)
RLVR_EMULATION_ATOMICS(16, unsigned short)
RLVR_EMULATION_ATOMICS(32, unsigned)
RLVR_EMULATION_ATOMICS(64, unsigned long)

}  // extern "C"
