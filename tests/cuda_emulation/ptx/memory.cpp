// SPDX-License-Identifier: MIT
/// @file
/// Loads and stores.
#include "ptx/memory.hpp"

#include "ptx/decoder.hpp"
#include "ptx/text.hpp"
#include <string>

namespace cuda_emulation::ptx {
namespace {

constexpr std::uint8_t ordered_access = 1;  // of instruction::operation: volatile, relaxed, acquire, release

[[noreturn]] void bad_address(warp& self, instruction const& at, unsigned lane, std::uint64_t address, unsigned bytes,
                              std::string_view space, std::size_t size) {
  fail_at(self, at, lane,
          "access to bytes " + std::to_string(address) + " to " + std::to_string(address + bytes - 1) + " of " +
              std::to_string(size) + " bytes of " + std::string(space));
}

bool outside(std::uint64_t address, unsigned bytes, std::size_t size) {
  return address > size || bytes > size - address;
}

unsigned char* shared_pointer(warp& self, instruction const& at, unsigned lane, std::uint64_t address, unsigned bytes) {
  if (outside(address, bytes, state.shared_bytes))
    bad_address(self, at, lane, address, bytes, "shared memory", state.shared_bytes);
  return state.shared_memory + address;
}

unsigned char* local_pointer(warp& self, instruction const& at, unsigned lane, std::uint64_t address, unsigned bytes) {
  std::size_t const size = self.code->local_bytes;
  if (outside(address, bytes, size)) bad_address(self, at, lane, address, bytes, "local memory", size);
  return self.local.data() + std::size_t{lane} * size + address;
}

unsigned char* parameter_pointer(warp& self, instruction const& at, unsigned lane, std::uint64_t address,
                                 unsigned bytes) {
  std::size_t const size = self.code->parameter_bytes;
  if (outside(address, bytes, size)) bad_address(self, at, lane, address, bytes, "parameters", size);
  return const_cast<unsigned char*>(self.parameters) + address;  // never stored to: PTX has no such store in kernels
}

unsigned char* global_pointer(warp& self, instruction const& at, unsigned lane, std::uint64_t address, unsigned bytes) {
  std::uint64_t const begin = reinterpret_cast<std::uintptr_t>(arena.base);
  if (address < begin || outside(address - begin, bytes, arena.capacity))
    fail_at(self, at, lane, "access to an address that is not device memory");
  return reinterpret_cast<unsigned char*>(address);
}

void tell_checker(warp& self, instruction const& at, unsigned lane, unsigned char const* pointer, unsigned bytes,
                  bool write) {
  select_thread(self.thread(lane));
  checker.access(reinterpret_cast<char const*>(pointer), bytes, write, at.operation == ordered_access,
                 program_counter(at));
}

/// A handler is instantiated for a space, so that the common ones are direct.
template <memory_space Space>
unsigned char* pointer_for(warp& self, instruction const& at, unsigned lane, std::uint64_t address, unsigned bytes,
                           bool write) {
  resolved found{};
  if constexpr (Space == memory_space::global) {
    if ((address & (bytes - 1)) != 0) return resolve(self, at, lane, address, bytes).pointer;  // reports it
    found = {global_pointer(self, at, lane, address, bytes), true};
  } else {
    found = resolve(self, at, lane, address, bytes);
  }
  if (found.checked && checker.access != nullptr) tell_checker(self, at, lane, found.pointer, bytes, write);
  return found.pointer;
}

/// The memory of a space, as one range of its addresses.
struct address_range {
  unsigned char* memory;
  std::uint64_t begin;
  std::size_t size;
};

template <memory_space Space>
address_range range_of() {
  if constexpr (Space == memory_space::shared) return {state.shared_memory, 0, state.shared_bytes};
  return {arena.base, reinterpret_cast<std::uintptr_t>(arena.base), arena.capacity};
}

/// Whether the lanes' accesses need no look at each one: nobody watches, all are aligned and within the range.
template <memory_space Space>
bool all_inside(address_range const& range, std::uint64_t const* address, std::uint64_t offset, lane_mask mask,
                unsigned bytes) {
  if (Space == memory_space::generic || checker.access != nullptr || range.size < bytes) return false;
  std::uint64_t const last = range.size - bytes, misaligned = bytes - 1;
  bool good = true;
  for_each_lane(mask, [&](unsigned lane) {
    std::uint64_t const at = address[lane] + offset - range.begin;
    good &= at <= last && (at & misaligned) == 0;
  });
  return good;
}

template <memory_space Space, class T>
void load(warp& self, instruction const& at, lane_mask mask) {
  constexpr unsigned size = sizeof(T);
  unsigned const bytes = size * at.vector;
  auto const offset = static_cast<std::uint64_t>(at.offset);
  std::uint64_t address[warp_lanes];  // a result may be the address register
  std::memcpy(address, self.values(at.source[0]), sizeof address);
  std::uint64_t* result[4];
  for (unsigned element = 0; element < at.vector; ++element) result[element] = self.values(at.destination[element]);
  address_range const range = range_of<Space>();
  bool const unwatched = all_inside<Space>(range, address, offset, mask, bytes);
  for_each_lane(mask, [&](unsigned lane) {
    unsigned char const* const memory = unwatched
                                            ? range.memory + (address[lane] + offset - range.begin)
                                            : pointer_for<Space>(self, at, lane, address[lane] + offset, bytes, false);
    for (unsigned element = 0; element < at.vector; ++element) {
      T value;
      std::memcpy(&value, memory + element * size, size);
      if constexpr (std::is_signed_v<T>)
        result[element][lane] = static_cast<std::uint64_t>(std::int64_t{value});
      else
        result[element][lane] = value;
    }
  });
  if (at.operation == ordered_access) memory_fence();
}

template <memory_space Space, class T>
void store(warp& self, instruction const& at, lane_mask mask) {
  constexpr unsigned size = sizeof(T);
  unsigned const bytes = size * at.vector;
  auto const offset = static_cast<std::uint64_t>(at.offset);
  if (at.operation == ordered_access) memory_fence();
  std::uint64_t const* const address = self.values(at.source[0]);
  std::uint64_t const* value[4];
  for (unsigned element = 0; element < at.vector; ++element) value[element] = self.values(at.source[1 + element]);
  address_range const range = range_of<Space>();
  bool const unwatched = all_inside<Space>(range, address, offset, mask, bytes);
  for_each_lane(mask, [&](unsigned lane) {
    unsigned char* const memory = unwatched ? range.memory + (address[lane] + offset - range.begin)
                                            : pointer_for<Space>(self, at, lane, address[lane] + offset, bytes, true);
    for (unsigned element = 0; element < at.vector; ++element)
      std::memcpy(memory + element * size, &value[element][lane], size);  // little endian: the low bytes
  });
}

template <memory_space Space>
handler choose(bool stores, bool is_signed, unsigned bytes) {
  switch (bytes) {
    case 1:
      if (stores) return store<Space, std::uint8_t>;
      return is_signed ? load<Space, std::int8_t> : load<Space, std::uint8_t>;
    case 2:
      if (stores) return store<Space, std::uint16_t>;
      return is_signed ? load<Space, std::int16_t> : load<Space, std::uint16_t>;
    case 4:
      if (stores) return store<Space, std::uint32_t>;
      return is_signed ? load<Space, std::int32_t> : load<Space, std::uint32_t>;
    case 8:
      return stores ? store<Space, std::uint64_t> : load<Space, std::uint64_t>;
    default:
      return nullptr;
  }
}

}  // namespace

resolved resolve(warp& self, instruction const& at, unsigned lane, std::uint64_t address, unsigned bytes) {
  memory_space space = at.space;
  if (space == memory_space::generic) {
    space = address >= parameter_window ? memory_space::parameter
            : address >= local_window   ? memory_space::local
            : address >= shared_window  ? memory_space::shared
                                        : memory_space::global;
    if (space != memory_space::global) address &= shared_window - 1;
  }
  if ((address & (bytes - 1)) != 0)
    fail_at(self, at, lane,
            "misaligned access of " + std::to_string(bytes) + " bytes at address " + std::to_string(address));
  switch (space) {
    case memory_space::shared:
      return {shared_pointer(self, at, lane, address, bytes), true};
    case memory_space::local:
      return {local_pointer(self, at, lane, address, bytes), false};
    case memory_space::parameter:
      return {parameter_pointer(self, at, lane, address, bytes), false};
    default:
      return {global_pointer(self, at, lane, address, bytes), true};
  }
}

memory_space space_named_by(opcode const& op) {
  for (std::string_view const modifier : op.modifiers) {
    if (modifier == "global" || modifier == "const") return memory_space::global;
    if (modifier == "shared" || starts_with(modifier, "shared::")) return memory_space::shared;
    if (modifier == "local") return memory_space::local;
    if (modifier == "param" || starts_with(modifier, "param::")) return memory_space::parameter;
  }
  return memory_space::generic;
}

handler decode_memory(opcode const& op, instruction& at) {
  bool const stores = op.name == "st";
  if (!stores && op.name != "ld" && op.name != "ldu") return nullptr;
  std::string_view const type = op.type();
  at.vector = op.has("v4") ? 4 : op.has("v2") ? 2 : 1;
  at.bytes = static_cast<std::uint8_t>(type_bytes(type));
  at.space = space_named_by(op);
  if (op.has("v8") || type.empty()) return nullptr;
  if (op.has("volatile") || op.has("relaxed") || op.has("acquire") || op.has("release")) at.operation = ordered_access;
  bool const is_signed = type[0] == 's';
  // Parameters of functions lie in local memory, which the linker finds out: not decided here.
  if (at.space == memory_space::global) return choose<memory_space::global>(stores, is_signed, at.bytes);
  if (at.space == memory_space::shared) return choose<memory_space::shared>(stores, is_signed, at.bytes);
  return choose<memory_space::generic>(stores, is_signed, at.bytes);
}

}  // namespace cuda_emulation::ptx
