// SPDX-License-Identifier: MIT
/// @file
/// Puts the accesses of lanes together to requests of warps.
///
/// Shared memory has 32 banks of four bytes.  A request takes as many passes (wavefronts) as the bank with most
/// different words has; lanes that read the same word share it.  Accesses of 8 bytes are served by half warps, of 16
/// bytes by quarters.
#include "checker/requests.hpp"

#include "engine/state.hpp"
#include <algorithm>
#include <cstdlib>
#include <unordered_map>
#include <vector>

namespace cuda_emulation::checking::requests {
namespace {

constexpr std::size_t sector_bytes = 32, bank_bytes = 4, banks = 32, lanes = 32;

/// One sector, or one word of shared memory, that a request needs.
struct part {
  std::uint64_t instruction_and_turn;
  std::uint32_t warp_and_phase;
  kind what;
  std::uint64_t unit;

  [[nodiscard]] bool same_request(part const& other) const {
    return instruction_and_turn == other.instruction_and_turn && warp_and_phase == other.warp_and_phase;
  }
};
bool less(part const& a, part const& b) {
  if (a.instruction_and_turn != b.instruction_and_turn) return a.instruction_and_turn < b.instruction_and_turn;
  if (a.warp_and_phase != b.warp_and_phase) return a.warp_and_phase < b.warp_and_phase;
  return a.unit < b.unit;
}
bool equal(part const& a, part const& b) { return a.same_request(b) && a.unit == b.unit; }

bool counted = false;
std::vector<part> parts;
std::unordered_map<void const*, std::uint32_t> instructions;
std::vector<std::vector<std::uint32_t>> turns;  // by instruction and kind, then by thread

/// How often the running thread executed the instruction before, with the instruction's number.
std::uint64_t instruction_and_turn(kind what, void const* program_counter) {
  auto const [entry, is_new] =
      instructions.try_emplace(program_counter, static_cast<std::uint32_t>(instructions.size()));
  std::size_t const index = std::size_t{entry->second} * 3 + static_cast<std::size_t>(what);
  if (turns.size() <= index) turns.resize(index + 1);
  auto& of_threads = turns[index];
  if (of_threads.size() != static_cast<std::size_t>(state.thread_count))
    of_threads.assign(static_cast<std::size_t>(state.thread_count), 0);
  return std::uint64_t{index} << 32 | of_threads[static_cast<std::size_t>(state.current)]++;
}

/// Passes over the banks.  @param first, last  the different words of a request
std::uint64_t wavefronts(part const* first, part const* last) {
  std::uint64_t words[banks] = {}, most = 0;
  for (; first != last; ++first) most = std::max(most, ++words[first->unit % banks]);
  return most;
}

void count(part const* first, part const* last) {
  statistics& counters = current_statistics();
  auto const units = static_cast<std::uint64_t>(last - first);
  switch (first->what) {
    case kind::global_load:
      ++counters.global_load_requests;
      counters.global_load_sectors += units;
      break;
    case kind::global_store:
      ++counters.global_store_requests;
      counters.global_store_sectors += units;
      break;
    case kind::shared:
      ++counters.shared_requests;
      counters.shared_wavefronts += wavefronts(first, last);
      break;
  }
}

}  // namespace

void begin_block() {
  char const* const wanted = std::getenv("RLVR_EMULATION_PROFILE");
  counted = wanted != nullptr && *wanted == '1';
  parts.clear();
  for (auto& of_threads : turns) of_threads.clear();
}

bool are_counted() { return counted; }

void record(kind what, std::uintptr_t address, std::size_t bytes, void const* program_counter) {
  quiet_scope const quiet;
  std::uint64_t const execution = instruction_and_turn(what, program_counter);
  std::size_t const unit_bytes = what == kind::shared ? bank_bytes : sector_bytes;
  auto const lane = static_cast<std::size_t>(state.current) % lanes;
  std::size_t const lanes_at_once = what == kind::shared && bytes > bank_bytes ? lanes * bank_bytes / bytes : lanes;
  auto const warp_and_phase =
      static_cast<std::uint32_t>(static_cast<std::size_t>(state.current) / lanes * lanes + lane / lanes_at_once);
  for (std::uintptr_t unit = address / unit_bytes; unit <= (address + bytes - 1) / unit_bytes; ++unit)
    parts.push_back({execution, warp_and_phase, what, unit});
}

void end_block() {
  std::sort(parts.begin(), parts.end(), less);
  parts.erase(std::unique(parts.begin(), parts.end(), equal), parts.end());
  part const* const end = parts.data() + parts.size();
  for (part const* first = parts.data(); first != end;) {
    part const* last = first;
    while (last != end && last->same_request(*first)) ++last;
    count(first, last);
    first = last;
  }
  parts.clear();
}

}  // namespace cuda_emulation::checking::requests
