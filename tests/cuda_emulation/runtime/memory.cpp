// SPDX-License-Identifier: MIT
/// @file
/// Device memory: two regions of addresses, one that faults when host code touches it and one that does not.  The
/// second holds managed memory, and large blocks: changing the protection of many pages at every launch is what would
/// cost most here.  Blocks are followed by red zones, start as NaN, and rest for a while after they were released, so
/// that a stale pointer meets NaN or a fault and not somebody else's data.
#include "runtime/memory.hpp"

#include <cuda_runtime_api.h>

#include "runtime/error.hpp"
#include "runtime/streams.hpp"
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <sys/mman.h>

#if defined(RLVR_EMULATION_ASAN)
#  include <sanitizer/asan_interface.h>
#endif

namespace cuda_emulation {

memory_arena arena;

namespace {

constexpr std::size_t capacity = std::size_t{8} << 30;
constexpr std::size_t red_zone = 256;
constexpr std::size_t granule = 256;
constexpr std::size_t page = 4096;
constexpr std::size_t resting_blocks = 16;  // of a size, before the first is used again
constexpr std::size_t largest_guarded = std::size_t{1} << 18;

struct allocation {
  std::size_t size;
  std::size_t span;  // with its red zone
  bool managed;
};

memory_arena guarded;  // the arena's first half
memory_arena open;     // its second
std::map<unsigned char*, allocation> live;
std::map<std::pair<bool, std::size_t>, std::deque<unsigned char*>> resting;  // by (open, span)
std::map<unsigned char*, std::size_t> pinned;
std::size_t live_bytes = 0;
int unlocked = 0;

bool is_guarded() {
#if defined(RLVR_EMULATION_ASAN)
  return false;  // its shadow knows better
#else
  return current_settings().guard_device_memory;
#endif
}

void poison([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) {
#if defined(RLVR_EMULATION_ASAN)
  __asan_poison_memory_region(block, bytes);
#endif
}
void unpoison([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) {
#if defined(RLVR_EMULATION_ASAN)
  __asan_unpoison_memory_region(block, bytes);
#endif
}

/// Both reservations lie side by side, so that the checker needs one shadow.
void reserve() {
  if (arena.base != nullptr) return;
  void* const memory = mmap(nullptr, 2 * capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw failure("cannot reserve addresses for device memory");
  arena = {static_cast<unsigned char*>(memory), 2 * capacity, 0};
  guarded = {arena.base, capacity, 0};
  open = {arena.base + capacity, capacity, 0};
  madvise(memory, 2 * capacity, MADV_DONTDUMP);
}

void protect(bool accessible) {
  if (is_guarded() && guarded.used > 0)
    mprotect(guarded.base, guarded.used, accessible ? PROT_READ | PROT_WRITE : PROT_NONE);
}

/// A block that rested, or a new one; nullptr: exhausted.
unsigned char* find_block(std::size_t span, bool is_open) {
  auto& rested = resting[{is_open, span}];
  if (rested.size() > resting_blocks) {
    unsigned char* const block = rested.front();
    rested.pop_front();
    return block;
  }
  memory_arena& region = is_open ? open : guarded;
  if (region.used + span > capacity) return nullptr;
  unsigned char* const block = region.base + region.used;
  std::size_t const first_page = region.used / page * page;
  region.used += span;
  mprotect(region.base + first_page, region.used - first_page, PROT_READ | PROT_WRITE);
  return block;
}

/// The live allocation at or below the address.
std::map<unsigned char*, allocation>::const_iterator allocation_before(void const* address) {
  auto after = live.upper_bound(static_cast<unsigned char*>(const_cast<void*>(address)));
  return after == live.begin() ? live.end() : --after;
}

}  // namespace

unlock_device_memory::unlock_device_memory() {
  if (unlocked++ == 0) protect(true);
}
unlock_device_memory::~unlock_device_memory() {
  if (--unlocked == 0) protect(false);
}

void* allocate_device(std::size_t bytes, bool is_managed_block) {
  reserve();
  std::size_t const size = bytes == 0 ? 1 : bytes;
  if (size > capacity) return nullptr;
  std::size_t const span = (size + red_zone + granule - 1) / granule * granule;
  unlock_device_memory const unlock;
  unsigned char* const block = find_block(span, is_managed_block || span > largest_guarded);
  if (block == nullptr) return nullptr;
  unpoison(block, size);
  std::memset(block, 0xff, size);  // NaN in every floating-point format
  poison(block + size, span - size);
  live[block] = {size, span, is_managed_block};
  live_bytes += size;
  if (checker.allocated != nullptr) checker.allocated(block, size);
  if (is_managed_block && checker.written_by_host != nullptr) checker.written_by_host(block, size);
  return block;
}

void release_device(void* address) {
  auto const found = live.find(static_cast<unsigned char*>(address));
  if (found == live.end()) fail("cudaFree of a pointer that is no live device allocation");
  auto const [block, freed] = *found;
  unlock_device_memory const unlock;
  std::memset(block, 0xff, freed.size);
  poison(block, freed.span);
  if (checker.released != nullptr) checker.released(block, freed.size);
  resting[{block >= open.base, freed.span}].push_back(block);
  live_bytes -= freed.size;
  live.erase(found);
}

bool is_device(void const* address) {
  auto const* const at = static_cast<unsigned char const*>(address);
  return arena.base != nullptr && at >= arena.base && at < arena.base + arena.capacity;
}

bool is_managed(void const* address) {
  auto const found = allocation_before(address);
  return is_device(address) && found != live.end() && found->second.managed;
}

bool is_live(void const* address, std::size_t bytes) {
  auto const found = allocation_before(address);
  if (found == live.end()) return false;
  auto const offset = static_cast<std::size_t>(static_cast<unsigned char const*>(address) - found->first);
  return offset <= found->second.size && bytes <= found->second.size - offset;
}

std::string describe(void const* address) {
  auto const found = allocation_before(address);
  if (found == live.end()) return "no device allocation is near";
  return "byte " + std::to_string(static_cast<unsigned char const*>(address) - found->first) +
         " of a device allocation of " + std::to_string(found->second.size) + " bytes";
}

void require_device_range(void const* address, std::size_t bytes, char const* what) {
  if (!is_device(address)) fail(std::string(what) + ": not a device pointer");
  if (!is_live(address, bytes))
    fail(std::string(what) + ": " + std::to_string(bytes) + " bytes leave the allocation: " + describe(address));
}

bool is_pinned(void const* address) {
  auto after = pinned.upper_bound(static_cast<unsigned char*>(const_cast<void*>(address)));
  if (after == pinned.begin()) return false;
  --after;
  return static_cast<unsigned char const*>(address) < after->first + after->second;
}

std::size_t live_device_bytes() { return live_bytes; }

namespace {

cudaError_t allocate(void** block, std::size_t bytes, bool is_managed_block) {
  if (block == nullptr) return remember(cudaErrorInvalidValue);
  if (invalidate_captures()) return remember(cudaErrorStreamCaptureUnsupported);
  *block = allocate_device(bytes, is_managed_block);
  return remember(*block != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}

/// Memory that a graph owns is not emulated: a step has its memory before it is captured.
void refuse_graph_memory(cudaStream_t handle, char const* what) {
  stream_state& stream = stream_of(handle);
  if (stream.capture == nullptr) return;
  stream.capture_invalid = true;
  fail(std::string(what) + " on a stream that captures would make a node of the graph, which is not emulated");
}

}  // namespace
}  // namespace cuda_emulation

using namespace cuda_emulation;

extern "C" {

cudaError_t cudaMalloc(void** block, size_t bytes) { return allocate(block, bytes, false); }
cudaError_t cudaMallocManaged(void** block, size_t bytes, unsigned) { return allocate(block, bytes, true); }
cudaError_t cudaFree(void* block) {
  if (block == nullptr) return cudaSuccess;
  if (invalidate_captures()) return remember(cudaErrorStreamCaptureUnsupported);
  drain_all();
  release_device(block);
  return cudaSuccess;
}
cudaError_t cudaMallocAsync(void** block, size_t bytes, cudaStream_t stream) {
  refuse_graph_memory(stream, "cudaMallocAsync");
  if (cudaError_t const refused = refusal_to_queue(stream)) return remember(refused);
  *block = allocate_device(bytes);
  return remember(*block != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeAsync(void* block, cudaStream_t stream) {
  refuse_graph_memory(stream, "cudaFreeAsync");
  if (cudaError_t const refused = refusal_to_queue(stream)) return remember(refused);
  enqueue(stream, [block] { release_device(block); });
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** block, size_t bytes) {
  if (invalidate_captures()) return remember(cudaErrorStreamCaptureUnsupported);
  *block = std::aligned_alloc(granule, (bytes + granule) / granule * granule);
  pinned[static_cast<unsigned char*>(*block)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** block, size_t bytes, unsigned) { return cudaMallocHost(block, bytes); }
cudaError_t cudaFreeHost(void* block) {
  if (block == nullptr) return cudaSuccess;
  if (invalidate_captures()) return remember(cudaErrorStreamCaptureUnsupported);
  drain_all();
  if (pinned.erase(static_cast<unsigned char*>(block)) == 0)
    fail("cudaFreeHost of a pointer that is no live page-locked allocation");
  std::free(block);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  *total = capacity;
  *available = capacity - live_bytes;
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, void const* address) {
  *attributes = {};
  bool const device = is_device(address);
  attributes->type = is_managed(address)  ? cudaMemoryTypeManaged
                     : device             ? cudaMemoryTypeDevice
                     : is_pinned(address) ? cudaMemoryTypeHost
                                          : cudaMemoryTypeUnregistered;
  attributes->devicePointer = device ? const_cast<void*>(address) : nullptr;
  attributes->hostPointer = device && !is_managed(address) ? nullptr : const_cast<void*>(address);
  return cudaSuccess;
}

}  // extern "C"
