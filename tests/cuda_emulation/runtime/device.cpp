// SPDX-License-Identifier: MIT
/// @file
/// The one device, with the figures of an H100 SXM (NVIDIA H100 Tensor Core GPU Architecture, 2022), and the last
/// error.
#include <cuda_runtime_api.h>

#include "runtime/error.hpp"
#include "runtime/memory.hpp"
#include <cstring>
#include <unordered_map>

namespace cuda_emulation {
namespace {

constexpr int multiprocessors = 132;
constexpr int registers = 65536;
constexpr int shared_default = 48 * 1024;
constexpr int shared_opt_in = 227 * 1024;
constexpr int shared_per_multiprocessor = 228 * 1024;
constexpr int threads_per_multiprocessor = 2048;
constexpr int l2_bytes = 50 * 1024 * 1024;
constexpr int clock_kilohertz = 1980000;
constexpr int memory_clock_kilohertz = 2619000;
constexpr int memory_bus_bits = 5120;

cudaError_t last_error = cudaSuccess;

/// Dynamic shared memory that kernels opted in for.
std::unordered_map<void const*, std::size_t>& granted_shared_bytes() {
  static std::unordered_map<void const*, std::size_t> granted;
  return granted;
}

struct error_text {
  cudaError_t error;
  char const* name;
  char const* text;
};
constexpr error_text error_texts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidPitchValue, "cudaErrorInvalidPitchValue", "invalid pitch argument"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorIllegalState, "cudaErrorIllegalState", "the operation cannot be performed in the present state"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capture"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
};

error_text text_of(cudaError_t error) {
  for (error_text const& known : error_texts)
    if (known.error == error) return known;
  return {error, "cudaErrorUnknown", "an error that the emulation has no text for"};
}

}  // namespace

cudaError_t remember(cudaError_t result) {
  if (result != cudaSuccess) last_error = result;
  return result;
}

bool shared_bytes_allowed(void const* kernel, std::size_t bytes) {
  if (bytes <= static_cast<std::size_t>(shared_default)) return true;
  auto const found = granted_shared_bytes().find(kernel);
  return found != granted_shared_bytes().end() && bytes <= found->second;
}

}  // namespace cuda_emulation

using namespace cuda_emulation;

extern "C" {

cudaError_t cudaGetLastError(void) {
  cudaError_t const result = last_error;
  last_error = cudaSuccess;
  return result;
}
cudaError_t cudaPeekAtLastError(void) { return last_error; }
char const* cudaGetErrorName(cudaError_t error) { return text_of(error).name; }
char const* cudaGetErrorString(cudaError_t error) { return text_of(error).text; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : remember(cudaErrorInvalidDevice); }
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = threads_per_multiprocessor;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = multiprocessors;
      break;
    case cudaDevAttrWarpSize:
      *value = 32;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = shared_default;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = shared_opt_in;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = shared_per_multiprocessor;
      break;
    case cudaDevAttrMaxRegistersPerBlock:
      *value = registers;
      break;
    case cudaDevAttrL2CacheSize:
      *value = l2_bytes;
      break;
    case cudaDevAttrClockRate:
      *value = clock_kilohertz;
      break;
    case cudaDevAttrMemoryClockRate:
      *value = memory_clock_kilohertz;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = memory_bus_bits;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      break;
    case cudaDevAttrManagedMemory:
      *value = 1;
      break;
    default:
      return remember(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "emulated device with the figures of an H100 SXM");
  properties->major = 9;
  properties->multiProcessorCount = multiprocessors;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsPerMultiProcessor = threads_per_multiprocessor;
  properties->regsPerBlock = registers;
  properties->regsPerMultiprocessor = registers;
  properties->sharedMemPerBlock = static_cast<std::size_t>(shared_default);
  properties->sharedMemPerBlockOptin = static_cast<std::size_t>(shared_opt_in);
  properties->sharedMemPerMultiprocessor = static_cast<std::size_t>(shared_per_multiprocessor);
  properties->l2CacheSize = l2_bytes;
  properties->memoryBusWidth = memory_bus_bits;
  properties->managedMemory = 1;
  return cudaMemGetInfo(&properties->totalConstMem, &properties->totalGlobalMem);
}

cudaError_t cudaFuncSetAttribute(void const* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || value > shared_opt_in) return remember(cudaErrorInvalidValue);
  granted_shared_bytes()[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

}  // extern "C"
