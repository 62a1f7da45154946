// SPDX-License-Identifier: MIT
/// @file
/// Small host data on its way to the device: token ids, positions, records of a loss.  Copies go through page-locked
/// memory, so the host does not wait for them, and live until the next point at which host and device meet anyway.
#pragma once

#include <rlvr/backend/cuda/memory.cuh>
#include <rlvr/core/math.hpp>

#include <cstddef>
#include <cstring>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// A bump allocator of (page-locked, device) pairs.
class staging {
 public:
  /// A device copy of `bytes` bytes, ordered on the stream; valid until `recycle`.
  [[nodiscard]] void* copy(void const* from, std::size_t bytes, cudaStream_t stream) {
    if (bytes == 0) return nullptr;
    std::size_t const size = math::ceil_div(bytes, alignment) * alignment;
    if (chunks_.empty() || chunks_.back().host.size() - used_ < size) {
      // Doubling: after a few steps one chunk holds everything.
      std::size_t const last = chunks_.empty() ? smallest_chunk / 2 : chunks_.back().host.size();
      std::size_t const capacity = math::max(2 * last, size);
      chunks_.push_back(
          {buffer<unsigned char, pinned_memory>(capacity), buffer<unsigned char, device_memory>(capacity)});
      used_ = 0;
    }
    unsigned char* const host = chunks_.back().host.data() + used_;
    unsigned char* const device = chunks_.back().device.data() + used_;
    used_ += size;
    std::memcpy(host, from, bytes);
    check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
    return device;
  }

  /// Forgets all copies.  @pre the stream has been synchronised
  void recycle() {
    if (chunks_.size() > 1) chunks_.erase(chunks_.begin(), chunks_.end() - 1);
    used_ = 0;
  }

 private:
  static constexpr std::size_t alignment = 256;
  static constexpr std::size_t smallest_chunk = std::size_t{1} << 18;

  struct chunk {
    buffer<unsigned char, pinned_memory> host;
    buffer<unsigned char, device_memory> device;
  };

  std::vector<chunk> chunks_;
  std::size_t used_ = 0;  ///< bytes of the last chunk
};

}  // namespace cuda
RLVR_NAMESPACE_END
