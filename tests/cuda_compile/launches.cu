// SPDX-License-Identifier: MIT
/// @file
/// What the resource table needs beside the compiler's word.
///
/// Without arguments: threads and dynamic shared memory of every kernel that has any, from the policies and types that
/// the launchers use, as "kernel<arguments> threads bytes".  With the argument `occupancy`: reads lines "compute
/// capability, registers of a thread, threads of a block, static and dynamic shared memory of a block" (8.0 as 80) and
/// answers each with the blocks and warps that a multiprocessor holds at once, and the warps that it has room for, by
/// the toolkit's cuda_occupancy.h.
#include <rlvr/backend/cuda/attention.cuh>
#include <rlvr/backend/cuda/attention_gradient.cuh>

#include <cuda_occupancy.h>

#include <cstddef>
#include <cstdio>
#include <cstring>

namespace {

using namespace rlvr::cuda;

template <unsigned Head, bool FewRows>
void print_forward() {
  constexpr attention_tile tile = forward_tile(Head, FewRows);
  constexpr mma_tile mma = mma_forward_tile(Head, FewRows);
  char const* const few = FewRows ? "true" : "false";
  std::printf("attention_forward_kernel<%u, %s> %u %zu\n", Head, few, tile.threads,
              sizeof(detail::forward_shared<tile>));
  std::printf("attention_mma_kernel<%u, %s> %u %zu\n", Head, few, mma.threads(),
              sizeof(detail::mma_forward_shared<mma>));
}

template <unsigned Head>
void print_head() {
  print_forward<Head, false>();
  print_forward<Head, true>();
  constexpr attention_tile tile = gradient_tile(Head);
  constexpr mma_tile mma = mma_gradient_tile(Head);
  std::printf("attention_query_gradient_kernel<%u> %u %zu\n", Head, tile.threads,
              sizeof(detail::query_gradient_shared<tile>));
  std::printf("attention_key_gradient_kernel<%u> %u %zu\n", Head, tile.threads,
              sizeof(detail::key_gradient_shared<tile>));
  std::printf("attention_mma_query_gradient_kernel<%u> %u %zu\n", Head, mma.threads(),
              sizeof(detail::mma_query_gradient_shared<mma>));
  std::printf("attention_mma_key_gradient_kernel<%u> %u %zu\n", Head, mma.threads(),
              sizeof(detail::mma_key_gradient_shared<mma>));
}

/// Limits by compute capability: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".
[[nodiscard]] cudaOccDeviceProp device_of(int capability) {
  cudaOccDeviceProp device;
  device.computeMajor = capability / 10;
  device.computeMinor = capability % 10;
  device.maxThreadsPerBlock = 1024;
  device.maxThreadsPerMultiprocessor = 2048;
  device.regsPerBlock = 65536;
  device.regsPerMultiprocessor = 65536;
  device.warpSize = 32;
  device.sharedMemPerBlock = 48 * 1024;
  device.sharedMemPerMultiprocessor = (capability == 80 ? 164 : 228) * 1024;
  device.sharedMemPerBlockOptin = device.sharedMemPerMultiprocessor - 1024;
  device.reservedSharedMemPerBlock = 1024;
  device.numSms = capability == 80 ? 108 : 132;
  return device;
}

int answer_occupancy() {
  int capability = 0, registers = 0, threads = 0;
  std::size_t fixed = 0, dynamic = 0;
  while (std::scanf("%d %d %d %zu %zu", &capability, &registers, &threads, &fixed, &dynamic) == 5) {
    if (capability != 80 && capability != 90) {
      std::fprintf(stderr, "launches: no limits for compute capability %d, expected 80 or 90\n", capability);
      return 2;
    }
    cudaOccDeviceProp const device = device_of(capability);
    cudaOccFuncAttributes function;
    function.maxThreadsPerBlock = threads;
    function.numRegs = registers;
    function.sharedSizeBytes = fixed;
    function.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
    function.maxDynamicSharedSizeBytes = dynamic;
    cudaOccDeviceState state;
    state.carveoutConfig = SHAREDMEM_CARVEOUT_MAX_SHARED;
    cudaOccResult result;
    if (cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &function, &state, threads, dynamic) !=
        CUDA_OCC_SUCCESS) {
      std::fprintf(stderr, "launches: cuda_occupancy.h refuses %d registers, %d threads, %zu + %zu bytes\n", registers,
                   threads, fixed, dynamic);
      return 2;
    }
    std::printf("%d %d %d\n", result.activeBlocksPerMultiprocessor,
                result.activeBlocksPerMultiprocessor * ((threads + 31) / 32), device.maxThreadsPerMultiprocessor / 32);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::strcmp(arguments[1], "occupancy") == 0) return answer_occupancy();
  print_head<32>();
  print_head<64>();
  print_head<128>();
  print_head<256>();
  return 0;
}
