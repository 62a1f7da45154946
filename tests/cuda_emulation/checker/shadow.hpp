// SPDX-License-Identifier: MIT
/// @file
/// What the checker knows about memory: for each word of four bytes which bytes exist and hold a value, and who
/// accessed it last.
///
/// Shadows are reserved addresses that cost memory only where they are touched.  Nothing is cleared between launches:
/// records carry the launch and the block they belong to, and older ones do not count.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuda_emulation::checking {

inline constexpr std::size_t word_bytes = 4;

/// One thread's access to some bytes of a word.
struct access_record {
  std::uint32_t launch = 0, block = 0;
  std::uint64_t thread : 10 = 0;
  std::uint64_t bytes : 4 = 0;  ///< one bit each; none: no access
  std::uint64_t atomic : 1 = 0;
  std::uint64_t barrier_clock : 29 = 0;  ///< block barriers passed
  std::uint64_t warp_clock : 20 = 0;     ///< the thread's own component of its warp's vector clock
};
static_assert(sizeof(access_record) == 16);

/// The last accesses to a word.  Two of each kind: neighbours write half words, and readers are many.
struct access_history {
  access_record writes[2], reads[2];
};
static_assert(sizeof(access_history) == 64);

/// Bytes of a word of shared memory that the block has written; `block_serial` counts the blocks of all launches.
struct written_bytes {
  std::uint32_t block_serial = 0;
  std::uint32_t bytes = 0;
};

/// Bytes of a word of device memory.
struct device_bytes {
  std::uint8_t allocated : 4 = 0, initialised : 4 = 0;
};
static_assert(sizeof(device_bytes) == 1);

/// Addresses for `bytes` bytes of zeros.  @throws failure if there are none
[[nodiscard]] void* reserve_zeros(std::size_t bytes);

/// One `Entry` for each word of a range of memory.
template <class Entry>
class shadow {
 public:
  /// Constant initialisation: hooks run before constructors do.
  constexpr shadow() = default;

  void cover(void const* begin, std::size_t bytes) {
    auto const from = reinterpret_cast<std::uintptr_t>(begin) / word_bytes * word_bytes;
    begin_ = from;
    end_ = reinterpret_cast<std::uintptr_t>(begin) + bytes;
    entries_ = static_cast<Entry*>(reserve_zeros(((end_ - begin_) / word_bytes + 1) * sizeof(Entry)));
  }
  [[nodiscard]] bool is_ready() const { return entries_ != nullptr; }
  [[nodiscard]] bool covers(std::uintptr_t address) const { return address >= begin_ && address < end_; }
  [[nodiscard]] std::uintptr_t begin() const { return begin_; }
  [[nodiscard]] Entry& at(std::uintptr_t address) const { return entries_[(address - begin_) / word_bytes]; }

 private:
  std::uintptr_t begin_ = 0, end_ = 0;
  Entry* entries_ = nullptr;
};

/// Calls `visit(address, mask)` for each word of the range, with the bytes of the word that lie in it.
template <class Visit>
void for_each_word(std::uintptr_t address, std::size_t bytes, Visit visit) {
  std::uintptr_t const end = address + bytes;
  for (std::uintptr_t word = address / word_bytes * word_bytes; word < end; word += word_bytes) {
    unsigned mask = 0xf;
    if (word < address) mask &= 0xfu << (address - word);
    if (end - word < word_bytes) mask &= 0xfu >> (word_bytes - (end - word));
    visit(word, mask);
  }
}

/// Device memory: all of the arena.
struct device_shadow {
  shadow<device_bytes> bytes;
  shadow<access_history> history;
};
/// Shared memory: the dynamic part, or the variables of the program, some of which are `__shared__`.
struct shared_shadow {
  shadow<written_bytes> written;
  shadow<access_history> history;
};
extern device_shadow device;
extern shared_shadow dynamic_shared, static_shared;

/// Marks device memory, in the order of an allocation's life.
void mark_allocated(void* block, std::size_t bytes);
void mark_initialised(void* address, std::size_t bytes);
void mark_released(void* block, std::size_t bytes);
/// Whether the word lay in an allocation once: released memory keeps the mark.
[[nodiscard]] bool was_released(device_bytes state);

/// Covers shared memory; call it when the engine has reserved the dynamic part.
void cover_shared_memory();
/// Whether the address belongs to the program's constants.
[[nodiscard]] bool is_constant(std::uintptr_t address);
/// Whether a static variable was written before the program began, as initialised ones are.
[[nodiscard]] bool is_preset(std::uintptr_t address);

}  // namespace cuda_emulation::checking
