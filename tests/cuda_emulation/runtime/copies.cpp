// SPDX-License-Identifier: MIT
/// @file
/// Copies and fills, with their ranges and directions checked.
#include <cuda_runtime_api.h>

#include "runtime/error.hpp"
#include "runtime/memory.hpp"
#include "runtime/streams.hpp"
#include <cstring>

namespace cuda_emulation {
namespace {

cudaMemcpyKind kind_between(void const* to, void const* from) {
  if (is_device(to)) return is_device(from) ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice;
  return is_device(from) ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost;
}

/// Managed memory may stand on either side.
void require_side(void const* address, std::size_t bytes, bool device, char const* what) {
  if (device) {
    require_device_range(address, bytes, what);
  } else if (is_device(address) && !is_managed(address)) {
    fail(std::string(what) + " is a device pointer, but the copy's kind says host");
  }
}

void copy(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return;
  if (kind == cudaMemcpyDefault) kind = kind_between(to, from);
  require_side(to, bytes, kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice, "a copy's destination");
  require_side(from, bytes, kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice, "a copy's source");
  unlock_device_memory const open;
  std::memmove(to, from, bytes);
  if (is_device(to) && checker.written_by_host != nullptr) checker.written_by_host(to, bytes);
}

void fill(void* to, int value, std::size_t bytes) {
  if (bytes == 0) return;
  require_device_range(to, bytes, "a fill's destination");
  unlock_device_memory const open;
  std::memset(to, value, bytes);
  if (checker.written_by_host != nullptr) checker.written_by_host(to, bytes);
}

bool is_pageable(void const* address) { return !is_device(address) && !is_pinned(address); }

}  // namespace
}  // namespace cuda_emulation

using namespace cuda_emulation;

extern "C" {

cudaError_t cudaMemcpyAsync(void* to, void const* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  stream_state& stream = stream_of(handle);
  if (cudaError_t const refused = refusal_to_queue(handle)) return remember(refused);
  if (stream.capture != nullptr && bytes > 0 && (is_pageable(from) || is_pageable(to))) {
    stream.capture_invalid = true;  // a device may take it, and use at each launch what the host has there by then
    return remember(cudaErrorStreamCaptureUnsupported);
  }
  if (is_pageable(from)) {  // staged before the call returns
    auto const* const bytes_of = static_cast<unsigned char const*>(from);
    auto const staged = std::make_shared<std::vector<unsigned char>>(bytes_of, bytes_of + bytes);
    enqueue(handle, [=] { copy(to, staged->data(), bytes, kind); });
    return cudaSuccess;
  }
  enqueue(handle, [=] { copy(to, from, bytes, kind); });
  if (is_pageable(to)) drain(stream);  // complete when the call returns
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, void const* from, size_t bytes, cudaMemcpyKind kind) {
  if (invalidate_captures(true)) return remember(cudaErrorStreamCaptureUnsupported);
  enqueue(nullptr, [=] { copy(to, from, bytes, kind); });
  drain(stream_of(nullptr));
  return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, void const* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  if (width > to_pitch || width > from_pitch) return remember(cudaErrorInvalidPitchValue);
  if (width == 0 || height == 0) return cudaSuccess;
  if (!is_pageable(to) && !is_pageable(from)) {
    if (cudaError_t const refused = refusal_to_queue(stream)) return remember(refused);
    enqueue(stream, [=] {
      for (size_t row = 0; row < height; ++row)
        copy(static_cast<unsigned char*>(to) + row * to_pitch,
             static_cast<unsigned char const*>(from) + row * from_pitch, width, kind);
    });
    return cudaSuccess;
  }
  for (size_t row = 0; row < height; ++row) {
    cudaError_t const result =
        cudaMemcpyAsync(static_cast<unsigned char*>(to) + row * to_pitch,
                        static_cast<unsigned char const*>(from) + row * from_pitch, width, kind, stream);
    if (result != cudaSuccess) return result;
  }
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  if (cudaError_t const refused = refusal_to_queue(stream)) return remember(refused);
  enqueue(stream, [=] { fill(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  if (invalidate_captures(true)) return remember(cudaErrorStreamCaptureUnsupported);
  return cudaMemsetAsync(to, value, bytes, nullptr);
}

}  // extern "C"
