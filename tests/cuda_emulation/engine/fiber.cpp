// SPDX-License-Identifier: MIT
/// @file
/// Stacks and context switches: x86-64 assembly, ucontext elsewhere (or with RLVR_EMULATION_UCONTEXT).
///
/// RLVR_EMULATION_ASAN announces every switch to AddressSanitizer.  This file itself must be compiled without the
/// sanitizer: it gives up frames, whose poisoned redzones would otherwise stay behind and cause false reports.
#include "engine/fiber.hpp"

#include <cstdint>
#include <sys/mman.h>
#include <vector>

#if !defined(__x86_64__) || defined(RLVR_EMULATION_UCONTEXT)
#  define RLVR_EMULATION_PORTABLE_SWITCH
#  include <ucontext.h>
#endif
#if defined(RLVR_EMULATION_ASAN)
#  include <sanitizer/asan_interface.h>
#  include <sanitizer/common_interface_defs.h>
#endif

#if !defined(RLVR_EMULATION_PORTABLE_SWITCH)
/// Stores the stack pointer in *save after pushing the registers that calls preserve, and continues at `load`.
extern "C" void rlvr_emulation_switch(void** save, void* load);
asm(R"(
.text
.globl rlvr_emulation_switch
.type rlvr_emulation_switch, @function
rlvr_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size rlvr_emulation_switch, . - rlvr_emulation_switch
)");
#endif

namespace cuda_emulation::fibers {
namespace {

constexpr std::size_t guard_bytes = 4096;
constexpr int most_stacks = 1024;  // threads of a block
#if defined(RLVR_EMULATION_ASAN)
constexpr std::size_t stack_stride = 512 * 1024;  // instrumented frames are larger
#else
constexpr std::size_t stack_stride = 128 * 1024;
#endif

struct host_context {
  void* stack_pointer = nullptr;
  void* fake_stack = nullptr;
  void const* bottom = nullptr;  ///< of the host's stack, for AddressSanitizer
  std::size_t bytes = 0;
  bool just_left = false;  ///< the next fiber that is entered learns the host's stack
};
host_context host;
std::vector<int> free_stacks;

char* lowest_usable(int stack) {
  return state.stacks + static_cast<std::size_t>(stack) * state.stack_bytes + guard_bytes;
}
std::size_t usable_bytes() { return state.stack_bytes - guard_bytes; }

void all_stacks_free() {
  free_stacks.clear();
  for (int stack = state.stack_count; stack-- > 0;) free_stacks.push_back(stack);
}

#if defined(RLVR_EMULATION_PORTABLE_SWITCH)
// A context is a ucontext_t: for a suspended one in the frame of `raw_switch`, for a new one at its stack's upper end.
void raw_switch(void** save, void* load) {
  ucontext_t here;
  *save = &here;
  swapcontext(&here, static_cast<ucontext_t*>(load));
}
void* make_context(char* bottom, char* top, void (*entry)()) {
  auto const place = (reinterpret_cast<std::uintptr_t>(top) - sizeof(ucontext_t)) & ~std::uintptr_t{63};
  auto* const context = reinterpret_cast<ucontext_t*>(place);
  getcontext(context);
  context->uc_stack.ss_sp = bottom;
  context->uc_stack.ss_size = static_cast<std::size_t>(reinterpret_cast<char*>(place) - bottom);
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}
#else
void raw_switch(void** save, void* load) { rlvr_emulation_switch(save, load); }
void* make_context(char*, char* top, void (*entry)()) {
  auto* words = reinterpret_cast<void**>(reinterpret_cast<std::uintptr_t>(top) & ~std::uintptr_t{15});
  *--words = nullptr;  // the return address of `entry`: ends a debugger's walk, and aligns as a call would
  *--words = reinterpret_cast<void*>(entry);
  for (int saved_register = 0; saved_register < 6; ++saved_register) *--words = nullptr;
  return words;
}
#endif

/// @param fake  where AddressSanitizer keeps what it knows of the context that is left; null if that one ends
void announced_switch(void** save, [[maybe_unused]] void** fake, void* load, [[maybe_unused]] void const* bottom,
                      [[maybe_unused]] std::size_t bytes) {
  ++current_statistics().switches;
#if defined(RLVR_EMULATION_ASAN)
  __sanitizer_start_switch_fiber(fake, bottom, bytes);
#endif
  raw_switch(save, load);
#if defined(RLVR_EMULATION_ASAN)
  __sanitizer_finish_switch_fiber(fake ? *fake : nullptr, nullptr, nullptr);
#endif
}

void to_fiber(void** save, void** fake, fiber& target) {
  announced_switch(save, fake, target.stack_pointer, lowest_usable(target.stack), usable_bytes());
}
void to_host(void** save, void** fake) { announced_switch(save, fake, host.stack_pointer, host.bottom, host.bytes); }

}  // namespace

void prepare() {
  if (state.stacks != nullptr) return;
  state.stack_bytes = stack_stride;
  void* const memory = mmap(nullptr, stack_stride * most_stacks, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw failure("cannot reserve the stacks of a block");
  state.stacks = static_cast<char*>(memory);
  state.stack_count = most_stacks;
  for (int stack = 0; stack < most_stacks; ++stack)  // an overflow faults instead of reaching the neighbour
    mprotect(state.stacks + static_cast<std::size_t>(stack) * stack_stride, guard_bytes, PROT_NONE);
  all_stacks_free();
}

void give_stack(fiber& target, void (*entry)()) {
  target.stack = free_stacks.back();
  free_stacks.pop_back();
  char* const bottom = lowest_usable(target.stack);
  // Staggered: the upper ends would otherwise all fall into the same sets of the cache.
  std::size_t const stagger = static_cast<std::size_t>(target.stack % 32) * 128;
  target.stack_pointer = make_context(bottom, bottom + usable_bytes() - stagger, entry);
  target.fake_stack = nullptr;
}

void free_stack(int stack) { free_stacks.push_back(stack); }

void abandon_all() {
  all_stacks_free();
#if defined(RLVR_EMULATION_ASAN)
  for (int stack = 0; stack < state.stack_count; ++stack)
    __asan_unpoison_memory_region(lowest_usable(stack), usable_bytes());
#endif
}

void enter(fiber& target) {
  host.just_left = true;
  to_fiber(&host.stack_pointer, &host.fake_stack, target);
}

void entered() {
#if defined(RLVR_EMULATION_ASAN)
  void const* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (host.just_left) {
    host.bottom = bottom;
    host.bytes = bytes;
  }
#endif
  host.just_left = false;
}

void switch_between(fiber& from, fiber& target) { to_fiber(&from.stack_pointer, &from.fake_stack, target); }

void return_to_host(fiber& from) { to_host(&from.stack_pointer, &from.fake_stack); }

void end_in(fiber& target) {
  void* nowhere = nullptr;
  to_fiber(&nowhere, nullptr, target);
  __builtin_unreachable();
}

void end_in_host() {
  void* nowhere = nullptr;
  to_host(&nowhere, nullptr);
  __builtin_unreachable();
}

}  // namespace cuda_emulation::fibers
