// SPDX-License-Identifier: MIT
/// @file
/// Bounds, memory without a value, memory of the host, released memory.
#include "checker_support.hpp"

using namespace checker_tests;

namespace {

__device__ float* dynamic_floats() { return static_cast<float*>(cuda_emulation::dynamic_shared_memory()); }

__global__ void fill(float* out, unsigned count) {
  unsigned const index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index < count) out[index] = 1.0f;
}
__global__ void fill_bytes(unsigned char* out) { out[threadIdx.x] = 1; }
__global__ void copy(float const* in, float* out, unsigned offset) { out[threadIdx.x] = in[threadIdx.x + offset]; }
__global__ void shared_offset(float* out, unsigned offset) {
  dynamic_floats()[threadIdx.x + offset] = 1.0f;
  out[threadIdx.x] = 1.0f;
}
__global__ void read_static_shared(float* out, bool is_written) {
  __shared__ float shared[32];
  if (is_written) shared[threadIdx.x] = 1.0f;
  out[threadIdx.x] = shared[threadIdx.x];
}
__global__ void first_block_writes(float* out) {
  float* const shared = dynamic_floats();
  if (blockIdx.x == 0) shared[threadIdx.x] = 1.0f;
  out[blockIdx.x * blockDim.x + threadIdx.x] = shared[threadIdx.x];
}
__global__ void count(unsigned* counter) { atomicAdd(counter, 1u); }

}  // namespace

TEST_CASE("checker: device memory ends at the byte") {
  device_array<float> out(63);
  require_report({"write of 4 bytes out of bounds of device memory (byte 252 of a device allocation of 252 bytes)",
                  "checker_memory_test.cpp:", "by block (0,0,0) thread (63,0,0)"},
                 [&] { launch(fill, 1, 64, 0, out.data(), 64u); });
  require_no_report([&] { launch(fill, 1, 64, 0, out.data(), 63u); });
  device_array<unsigned char> bytes(7);
  require_report({"write of 1 bytes out of bounds", "byte 7"}, [&] { launch(fill_bytes, 1, 8, 0, bytes.data()); });
  require_no_report([&] { launch(fill_bytes, 1, 7, 0, bytes.data()); });
}

TEST_CASE("checker: a read behind the end, or before the begin") {
  device_array<float> in(32, true), out(32);
  float const* const from = in.data();
  require_report({"read of 4 bytes out of bounds"}, [&] { launch(copy, 1, 32, 0, from, out.data(), 1u); });
  require_report({"read of 4 bytes out of bounds"}, [&] { launch(copy, 1, 32, 0, from - 1, out.data(), 0u); });
  require_no_report([&] { launch(copy, 1, 32, 0, from, out.data(), 0u); });
}

TEST_CASE("checker: dynamic shared memory ends where the launch says") {
  device_array<float> out(32);
  require_report({"write of 4 bytes out of bounds of dynamic shared memory (byte 128 of 128)"},
                 [&] { launch(shared_offset, 1, 32, 128, out.data(), 1u); });
  require_no_report([&] { launch(shared_offset, 1, 32, 132, out.data(), 1u); });
}

TEST_CASE("checker: reads of memory that holds no value") {
  device_array<float> in(32), out(64);
  float const* const from = in.data();
  require_report({"read of 4 bytes of uninitialised device memory (byte "},
                 [&] { launch(copy, 1, 32, 0, from, out.data(), 0u); });
  require_report({"read of 4 bytes of uninitialised static shared memory"},
                 [&] { launch(read_static_shared, 1, 32, 0, out.data(), false); });
  require_no_report([&] { launch(read_static_shared, 1, 32, 0, out.data(), true); });
  require_report({"uninitialised dynamic shared memory", "by block (1,0,0)"},  // another block's values do not count
                 [&] { launch(first_block_writes, 2, 32, 128, out.data()); });
}

TEST_CASE("checker: an atomic update of memory that holds no value") {
  device_array<unsigned> counter(1);
  std::string const message = failure_of([&] { launch(count, 1, 1, 0, counter.data()); });
  REQUIRE_THAT(message, Catch::Contains("atomic write of 4 bytes of uninitialised device memory"));
}

TEST_CASE("checker: copies of the host and managed memory are values") {
  std::vector<float> const values(32, 1.0f);
  device_array<float> in(32), out(32);
  float const* const from = in.data();
  cudaMemcpy(in.data(), values.data(), 31 * sizeof(float), cudaMemcpyHostToDevice);
  require_report({"uninitialised", "byte 124"}, [&] { launch(copy, 1, 32, 0, from, out.data(), 0u); });
  cudaMemcpy(in.data(), values.data(), 32 * sizeof(float), cudaMemcpyHostToDevice);
  require_no_report([&] { launch(copy, 1, 32, 0, from, out.data(), 0u); });
  void* managed = nullptr;
  cudaMallocManaged(&managed, 32 * sizeof(float), cudaMemAttachGlobal);
  static_cast<float*>(managed)[3] = 2.0f;
  require_no_report([&] { launch(copy, 1, 32, 0, static_cast<float const*>(managed), out.data(), 0u); });
  cudaFree(managed);
}

TEST_CASE("checker: memory of the host") {
  device_array<float> out(32);
  std::vector<float> const values(32, 1.0f);
  float const* const heap = values.data();
  require_report({"read of 4 bytes of host memory", "checker_memory_test.cpp:"},
                 [&] { launch(copy, 1, 32, 0, heap, out.data(), 0u); });
  require_report({"read of 4 bytes of host memory"},  // and no segmentation fault
                 [&] { launch(copy, 1, 32, 0, static_cast<float const*>(nullptr), out.data(), 0u); });
  void* locked = nullptr;
  cudaMallocHost(&locked, 32 * sizeof(float));
  for (unsigned index = 0; index < 32; ++index) static_cast<float*>(locked)[index] = 0.0f;
  require_no_report([&] { launch(copy, 1, 32, 0, static_cast<float const*>(locked), out.data(), 0u); });
  cudaFreeHost(locked);
}

TEST_CASE("checker: released memory") {
  device_array<float> out(32);
  void* block = nullptr;
  cudaMalloc(&block, 32 * sizeof(float));
  cudaFree(block);
  require_report({"read of 4 bytes in released device memory"},
                 [&] { launch(copy, 1, 32, 0, static_cast<float const*>(block), out.data(), 0u); });
}
