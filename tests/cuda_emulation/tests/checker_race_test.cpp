// SPDX-License-Identifier: MIT
/// @file
/// Races, each as a small kernel, and the patterns that look like one and are none.
#include "checker_support.hpp"

using namespace checker_tests;

namespace {

__device__ float* dynamic_floats() { return static_cast<float*>(cuda_emulation::dynamic_shared_memory()); }

template <bool HasBarrier>
__global__ void neighbours(float* out) {
  __shared__ float shared[64];
  shared[threadIdx.x] = 1.0f;
  if (HasBarrier) __syncthreads();
  out[threadIdx.x] = shared[(threadIdx.x + 33) % 64];
}

/// A block's sum, twice in the same memory: the second one must wait until all have read the first one.
template <bool HasSecondBarrier>
__global__ void repeated_sums(float* out) {
  __shared__ float partial[2];
  float total = 0.0f;
  for (int round = 0; round < 2; ++round) {
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = 1.0f;
    __syncthreads();
    total += partial[0] + partial[1];
    if (HasSecondBarrier) __syncthreads();
  }
  out[threadIdx.x] = total;
}

enum class between { nothing, shuffle, half_a_syncwarp, syncwarp };
template <between What>
__global__ void within_warp(float* out) {
  __shared__ float shared[32];
  shared[threadIdx.x] = 1.0f;
  if (What == between::shuffle) __shfl_sync(0xffffffffu, 1.0f, 0);
  if (What == between::half_a_syncwarp) __syncwarp(threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u);
  if (What == between::syncwarp) __syncwarp();
  out[threadIdx.x] = shared[31 - threadIdx.x];
}

/// Two buffers, one barrier in each turn.
__global__ void double_buffered(float* out) {
  float* const buffers = dynamic_floats();
  float sum = 0.0f;
  for (unsigned turn = 0; turn < 4; ++turn) {
    float* const buffer = buffers + turn % 2 * blockDim.x;
    buffer[threadIdx.x] = static_cast<float>(turn);
    __syncthreads();
    sum += buffer[blockDim.x - 1 - threadIdx.x];
  }
  out[threadIdx.x] = sum;
}

__global__ void all_blocks_write(float* out) { *out = 1.0f; }
__global__ void next_block_reads(float* cells, float* out) {
  cells[blockIdx.x] = 1.0f;
  out[blockIdx.x] = cells[(blockIdx.x + 1) % gridDim.x];
}
__global__ void count(unsigned* counter) { atomicAdd(counter, 1u); }
__global__ void count_and_look(unsigned* counter, unsigned* out) {
  atomicAdd(counter, 1u);
  out[threadIdx.x] = *counter;
}
__global__ void bytes_of_a_word(unsigned char* out) {
  __shared__ unsigned char shared[64];
  shared[threadIdx.x] = static_cast<unsigned char>(threadIdx.x);
  out[threadIdx.x] = shared[threadIdx.x];
}
__global__ void halves_of_a_word(unsigned short* out) {
  __shared__ unsigned short shared[64];
  shared[threadIdx.x] = 1;
  out[threadIdx.x] = shared[threadIdx.x ^ 1u];
}
__global__ void broadcast(float const* in, float* out) { out[threadIdx.x] = in[0]; }

template <bool HasFence>
__global__ void last_block_adds_up(float* partial, unsigned* arrived, float* sum) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = 1.0f;
    if (HasFence) __threadfence();
    last = atomicAdd(arrived, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 1) {
    float total = 0.0f;
    for (unsigned block = 0; block < gridDim.x; ++block) total += partial[block];
    *sum = total;
  }
}

}  // namespace

TEST_CASE("checker: a missing barrier is a race") {
  device_array<float> out(64);
  require_report({"data race on static shared memory", "checker_race_test.cpp:", "by block (0,0,0) thread ("},
                 [&] { launch(neighbours<false>, 1, 64, 0, out.data()); });
  require_no_report([&] { launch(neighbours<true>, 1, 64, 0, out.data()); });
}

TEST_CASE("checker: a repeated reduction needs a second barrier") {
  device_array<float> out(64);
  require_report({"data race on static shared memory", "write of 4 bytes", "after a read by block (0,0,0) thread ("},
                 [&] { launch(repeated_sums<false>, 1, 64, 0, out.data()); });
  require_no_report([&] { launch(repeated_sums<true>, 1, 64, 0, out.data()); });
}

TEST_CASE("checker: in a warp __syncwarp alone orders") {
  device_array<float> out(32);
  auto const race = "data race on static shared memory";
  require_report({race}, [&] { launch(within_warp<between::nothing>, 1, 32, 0, out.data()); });
  require_report({race}, [&] { launch(within_warp<between::shuffle>, 1, 32, 0, out.data()); });
  require_report({race}, [&] { launch(within_warp<between::half_a_syncwarp>, 1, 32, 0, out.data()); });
  require_no_report([&] { launch(within_warp<between::syncwarp>, 1, 32, 0, out.data()); });
}

TEST_CASE("checker: races between blocks") {
  device_array<float> cells(4, true), out(4);
  require_report({"data race on device memory (byte 0 of a device allocation of 16 bytes)", "after a write by block ("},
                 [&] { launch(all_blocks_write, 4, 1, 0, out.data()); });
  require_report({"data race on device memory"}, [&] { launch(next_block_reads, 4, 1, 0, cells.data(), out.data()); });
  require_no_report([&] { launch(all_blocks_write, 1, 1, 0, out.data()); });
}

TEST_CASE("checker: atomics do not race with each other, but with plain accesses") {
  device_array<unsigned> counter(1, true), out(64);
  require_no_report([&] { launch(count, 3, 64, 0, counter.data()); });
  require_report({"data race on device memory"}, [&] { launch(count_and_look, 1, 64, 0, counter.data(), out.data()); });
}

TEST_CASE("checker: the last block may read what others released") {
  device_array<float> partial(5), sum(1);
  device_array<unsigned> arrived(1);
  auto const run = [&](auto kernel) {
    cudaMemset(arrived.data(), 0, sizeof(unsigned));
    launch(kernel, 5, 64, 0, partial.data(), arrived.data(), sum.data());
  };
  require_no_report([&] { run(last_block_adds_up<true>); });
  require_report({"read of 4 bytes without an order after a write by block ("},
                 [&] { run(last_block_adds_up<false>); });
}

TEST_CASE("checker: legal patterns") {
  device_array<float> out(64), in(1, true);
  device_array<unsigned char> bytes(64);
  require_no_report([&] { launch(double_buffered, 1, 64, 2 * 64 * sizeof(float), out.data()); });
  require_no_report([&] { launch(bytes_of_a_word, 1, 64, 0, bytes.data()); });
  require_no_report([&] { launch(broadcast, 1, 64, 0, static_cast<float const*>(in.data()), out.data()); });
}

TEST_CASE("checker: neighbours in one word are told apart, and seen") {
  device_array<unsigned short> out(64);
  require_report({"read of 2 bytes", "data race"}, [&] { launch(halves_of_a_word, 1, 64, 0, out.data()); });
}
