// SPDX-License-Identifier: MIT
/// @file
/// Reservation of shadows, and the life of device memory in them.
#include "checker/shadow.hpp"

#include "engine/state.hpp"
#include <cstring>
#include <sys/mman.h>

// The linker's names for the parts of the program: constants lie before its data, unset variables behind __bss_start.
extern "C" {
extern char const __executable_start, __data_start, __bss_start, _end;
}

namespace cuda_emulation::checking {

constinit device_shadow device;
constinit shared_shadow dynamic_shared, static_shared;

namespace {

constexpr std::size_t red_zone = 256;  // behind an allocation, at least

std::uintptr_t number(void const* address) { return reinterpret_cast<std::uintptr_t>(address); }

void cover_device_memory() {
  if (device.bytes.is_ready()) return;
  device.bytes.cover(arena.base, arena.capacity);
  device.history.cover(arena.base, arena.capacity);
}

/// Calls `change(state, mask)` for the words of the range.
template <class Change>
void change_device_bytes(void* address, std::size_t bytes, Change change) {
  cover_device_memory();
  for_each_word(number(address), bytes,
                [&](std::uintptr_t word, unsigned mask) { change(device.bytes.at(word), mask); });
}

}  // namespace

void* reserve_zeros(std::size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw failure("cannot reserve addresses for the checker's shadow memory");
  madvise(memory, bytes, MADV_DONTDUMP);
  return memory;
}

void mark_allocated(void* block, std::size_t bytes) {
  change_device_bytes(block, bytes + red_zone, [](device_bytes& state, unsigned) { state = {}; });
  change_device_bytes(block, bytes, [](device_bytes& state, unsigned mask) {
    state.allocated = static_cast<std::uint8_t>(mask & 0xfu);
  });
}

void mark_initialised(void* address, std::size_t bytes) {
  if (!is_device(address)) return;
  change_device_bytes(address, bytes, [](device_bytes& state, unsigned mask) {
    state.initialised = static_cast<std::uint8_t>((state.initialised | mask) & 0xfu);
  });
}

void mark_released(void* block, std::size_t bytes) {
  change_device_bytes(block, bytes, [](device_bytes& state, unsigned) {
    state.allocated = 0;
    state.initialised = 0xf;
  });
}

bool was_released(device_bytes state) { return state.allocated == 0 && state.initialised != 0; }

void cover_shared_memory() {
  if (dynamic_shared.written.is_ready()) return;
  dynamic_shared.written.cover(state.shared_memory, state.shared_capacity);
  dynamic_shared.history.cover(state.shared_memory, state.shared_capacity);
  std::size_t const variables = number(&_end) - number(&__data_start);
  static_shared.written.cover(&__data_start, variables);
  static_shared.history.cover(&__data_start, variables);
}

bool is_constant(std::uintptr_t address) {
  return address >= number(&__executable_start) && address < number(&__data_start);
}

bool is_preset(std::uintptr_t address) { return address < number(&__bss_start); }

}  // namespace cuda_emulation::checking
