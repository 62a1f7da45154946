// SPDX-License-Identifier: MIT
/// @file
/// Bounds, uninitialised reads, races, traffic: in this order for each access.  Installs itself in the engine.
#include "checker/checks.hpp"

#include "checker/races.hpp"
#include "checker/reports.hpp"
#include "checker/requests.hpp"
#include "checker/shadow.hpp"
#include "engine/state.hpp"
#include "runtime/memory.hpp"
#include <string>

namespace cuda_emulation::checking {
namespace {

enum class space { device, dynamic_shared, static_shared };

struct access {
  std::uintptr_t address;
  std::size_t bytes;
  access_kind kind;
  void const* program_counter;
  space where = space::device;

  [[nodiscard]] bool is_atomic() const { return kind >= access_kind::atomic_load; }
  [[nodiscard]] bool writes() const { return kind != access_kind::load && kind != access_kind::atomic_load; }
  [[nodiscard]] bool needs_a_value() const { return kind != access_kind::store && kind != access_kind::atomic_store; }
  [[nodiscard]] bool is_shared() const { return where != space::device; }
  [[nodiscard]] void const* pointer() const { return reinterpret_cast<void const*>(address); }
};

std::uint32_t block_serial = 0;  // counts the blocks of all launches, never 0 within one

std::uintptr_t number(void const* address) { return reinterpret_cast<std::uintptr_t>(address); }

std::string phrase(access const& one) {
  std::string const atomic = one.is_atomic() ? "atomic " : "";
  return atomic + (one.writes() ? "write of " : "read of ") + std::to_string(one.bytes) + " bytes";
}

std::string memory_of(access const& one) {
  switch (one.where) {
    case space::device:
      return "device memory (" + describe(one.pointer()) + ")";
    case space::dynamic_shared:
      return "dynamic shared memory (byte " + std::to_string(one.address - number(state.shared_memory)) + " of " +
             std::to_string(state.shared_bytes) + ")";
    case space::static_shared:
      break;
  }
  return "static shared memory";
}

/// Not inlined: the frame of the kernel's access stays small.
[[gnu::noinline]] void report_race(access const& one, races::collision const& with) {
  quiet_scope const quiet;
  if (!is_new_mistake(mistake::race, one.program_counter)) return;
  report(mistake::race, one.program_counter,
         "data race on " + memory_of(one) + ": " + phrase(one) + " without an order after a " +
             (with.earlier_writes ? "write" : "read") + " by " + thread_of(with.earlier));
}

[[gnu::noinline]] void report_uninitialised(access const& one) {
  quiet_scope const quiet;
  if (!is_new_mistake(mistake::uninitialised, one.program_counter)) return;
  report(mistake::uninitialised, one.program_counter, phrase(one) + " of uninitialised " + memory_of(one));
}

std::string bounds_message(access const& one, bool released) {
  return phrase(one) + (released ? " in released " : " out of bounds of ") + memory_of(one);
}

[[noreturn, gnu::noinline]] void stop_out_of_bounds(access const& one, bool released) {
  state.quiet = true;
  report_and_stop(mistake::out_of_bounds, one.program_counter, bounds_message(one, released));
}

[[noreturn, gnu::noinline]] void stop_at_host_memory(access const& one) {
  state.quiet = true;
  report_and_stop(mistake::host_memory, one.program_counter, phrase(one) + " of host memory");
}

/// Local variables of the running thread, and threadIdx with its kin.
bool is_private(std::uintptr_t address) {
  fiber const& running = state.fibers.data()[state.current];
  if (running.stack >= 0) {
    auto const stack = number(state.stacks) + static_cast<std::size_t>(running.stack) * state.stack_bytes;
    if (address >= stack && address < stack + state.stack_bytes) return true;
  }
  return address >= number(&builtins) && address < number(&builtins) + sizeof builtins;
}

[[gnu::noinline]] bool is_page_locked(void const* address) {
  quiet_scope const quiet;
  return is_pinned(address);
}

/// Finds out what memory the address belongs to.  @return whether the access is to be checked
bool find_space(access& one) {
  if (device.bytes.covers(one.address)) {
    one.where = space::device;
  } else if (dynamic_shared.written.covers(one.address)) {
    one.where = space::dynamic_shared;
  } else if (static_shared.written.covers(one.address)) {
    one.where = space::static_shared;
  } else if (is_constant(one.address) && !one.writes()) {
    return false;
  } else {
    if (!is_page_locked(one.pointer())) stop_at_host_memory(one);
    return false;
  }
  return true;
}

void check_bounds(access const& one) {
  if (one.where == space::dynamic_shared) {
    if (one.address + one.bytes > number(state.shared_memory) + state.shared_bytes) stop_out_of_bounds(one, false);
  } else if (one.where == space::device) {
    for_each_word(one.address, one.bytes, [&](std::uintptr_t word, unsigned mask) {
      device_bytes const known = device.bytes.at(word);
      if ((mask & ~unsigned{known.allocated}) != 0) stop_out_of_bounds(one, was_released(known));
    });
  }
}

/// @return whether the bytes of the word hold values; after a write they do
bool check_value(device_bytes& known, access const& one, unsigned mask) {
  bool const good = !one.needs_a_value() || (mask & ~unsigned{known.initialised}) == 0;
  if (one.writes()) known.initialised = static_cast<std::uint8_t>((known.initialised | mask) & 0xfu);
  return good;
}
bool check_value(written_bytes& known, access const& one, unsigned mask) {
  if (known.block_serial != block_serial) known = {block_serial, 0};
  bool const good = !one.needs_a_value() || (mask & ~known.bytes) == 0 ||
                    (one.where == space::static_shared && is_preset(one.address));
  if (one.writes()) known.bytes |= mask;
  return good;
}

template <class Known>
void check_words(access const& one, shadow<Known> const& values, shadow<access_history> const& histories) {
  for_each_word(one.address, one.bytes, [&](std::uintptr_t word, unsigned mask) {
    if (!check_value(values.at(word), one, mask)) report_uninitialised(one);
    access_history& history = histories.at(word);
    access_record const now = races::access_now(mask, one.is_atomic());
    races::collision const collision = races::find_collision(history, now, one.writes(), one.is_shared());
    if (collision.found) report_race(one, collision);
    races::remember(history, now, one.writes(), one.is_shared());
  });
}

void count_traffic(access const& one) {
  statistics& counters = current_statistics();
  if (one.is_atomic()) {
    if (!one.is_shared()) ++counters.global_atomics;
    return;
  }
  if (one.is_shared())
    (one.writes() ? counters.shared_store_bytes : counters.shared_load_bytes) += one.bytes;
  else
    (one.writes() ? counters.global_store_bytes : counters.global_load_bytes) += one.bytes;
  if (!requests::are_counted()) return;
  auto const what = one.is_shared() ? requests::kind::shared
                    : one.writes()  ? requests::kind::global_store
                                    : requests::kind::global_load;
  requests::record(what, one.address, one.bytes, one.program_counter);
}

// --- what the engine and the runtime call ----------------------------------------------------------------------------

void accessed(char const* address, std::size_t bytes, bool write, bool atomic, void const* program_counter) {
  access_kind const plain = write ? access_kind::store : access_kind::load;
  access_kind const ordered = write ? access_kind::atomic_store : access_kind::atomic_load;
  check_access(address, bytes, atomic ? ordered : plain, program_counter);
}

void accessed_atomically(void const volatile* address, std::size_t bytes, void const* program_counter) {
  check_access(const_cast<void const*>(address), bytes, access_kind::atomic_update, program_counter);
}

void block_begins() {
  cover_shared_memory();
  ++block_serial;
  if (block_serial == 0) ++block_serial;
  forget_reports();
  races::begin_block();
  requests::begin_block();
}

void block_ends() {
  if (requests::are_counted()) requests::end_block();
  deliver_reports();
}

void fenced() {
  if (state.in_kernel && state.current >= 0) races::fence();
}

/// Before any constructor of the program, which may allocate.
[[gnu::constructor(101)]] void install() {
  checker = {accessed, block_begins,   block_ends,    races::warp_synchronised, accessed_atomically,
             fenced,   mark_allocated, mark_released, mark_initialised};
}

}  // namespace

void check_access(void const* address, std::size_t bytes, access_kind kind, void const* program_counter) {
  if (!state.in_kernel || state.quiet || state.current < 0) return;
  access one{number(address), bytes, kind, program_counter};
  if (is_private(one.address) || !find_space(one)) return;
  check_bounds(one);
  count_traffic(one);
  if (one.is_atomic()) races::acquire_and_release(address, one.writes());
  if (one.where == space::device)
    check_words(one, device.bytes, device.history);
  else if (one.where == space::dynamic_shared)
    check_words(one, dynamic_shared.written, dynamic_shared.history);
  else
    check_words(one, static_shared.written, static_shared.history);
}

}  // namespace cuda_emulation::checking
