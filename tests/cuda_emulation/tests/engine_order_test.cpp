// SPDX-License-Identifier: MIT
/// @file
/// Orders of threads and blocks: right kernels do not notice, wrong ones do.
#include "engine_support.hpp"
#include <algorithm>
#include <numeric>
#include <vector>

using namespace engine_tests;
using cuda_emulation::schedule;

namespace {

constexpr unsigned block_threads = 128;

/// An inclusive scan per block: shuffles within warps, shared memory across them.
__global__ void scan(int const* values, int* sums) {
  __shared__ int warp_sums[block_threads / 32];
  unsigned const lane = threadIdx.x % 32, warp = threadIdx.x / 32, index = blockIdx.x * block_threads + threadIdx.x;
  int sum = values[index];
  for (unsigned distance = 1; distance < 32; distance *= 2) {
    int const below = __shfl_up_sync(full_mask, sum, distance);
    if (lane >= distance) sum += below;
  }
  if (lane == 31) warp_sums[warp] = sum;
  __syncthreads();
  for (unsigned earlier = 0; earlier < warp; ++earlier) sum += warp_sums[earlier];
  __syncthreads();
  sums[index] = sum;
}

/// The order in which threads get hold of a counter.
__global__ void note_order(unsigned* count, unsigned* order) {
  order[atomicAdd(count, 1u)] = blockIdx.x * blockDim.x + threadIdx.x;
}

/// As before, after a barrier: the order in which waiting threads are released.
__global__ void note_order_after_barrier(unsigned* count, unsigned* order) {
  __syncthreads();
  order[atomicAdd(count, 1u)] = threadIdx.x;
}

/// Reads a neighbour's cell without waiting for it.
__global__ void missing_barrier(int* results) {
  __shared__ int shared[64];
  shared[threadIdx.x] = 0;
  __syncthreads();
  shared[threadIdx.x] = 1;
  results[threadIdx.x] = shared[(threadIdx.x + 1) % 64];
}

std::vector<unsigned> order_of(schedule order, std::uint64_t seed) {
  order_scope const scope(order, seed);
  unsigned count = 0;
  std::vector<unsigned> result(3 * 64);
  launch(note_order, 3, 64, 0, &count, result.data());
  return result;
}

std::vector<unsigned> release_order_of(schedule order, std::uint64_t seed) {
  order_scope const scope(order, seed);
  unsigned count = 0;
  std::vector<unsigned> result(64);
  launch(note_order_after_barrier, 1, 64, 0, &count, result.data());
  return result;
}

bool is_permutation_of_indices(std::vector<unsigned> values) {
  std::sort(values.begin(), values.end());
  for (unsigned index = 0; index < values.size(); ++index)
    if (values[index] != index) return false;
  return true;
}

}  // namespace

TEST_CASE("a right kernel gives the same result in every order") {
  std::vector<int> values(5 * block_threads), expected(values.size());
  for (std::size_t index = 0; index < values.size(); ++index) values[index] = static_cast<int>(index * 7 % 31) - 9;
  for (std::size_t first = 0; first < values.size(); first += block_threads)
    std::partial_sum(values.begin() + static_cast<std::ptrdiff_t>(first),
                     values.begin() + static_cast<std::ptrdiff_t>(first + block_threads),
                     expected.begin() + static_cast<std::ptrdiff_t>(first));
  in_every_order([&] {
    std::vector<int> sums(values.size());
    launch(scan, 5, block_threads, 0, static_cast<int const*>(values.data()), sums.data());
    REQUIRE(sums == expected);
  });
}

TEST_CASE("forward and reverse run threads and blocks in ascending and descending order") {
  auto forward = order_of(schedule::forward, 1), reverse = order_of(schedule::reverse, 1);
  REQUIRE(std::is_sorted(forward.begin(), forward.end()));
  std::reverse(reverse.begin(), reverse.end());
  REQUIRE(reverse == forward);
}

TEST_CASE("shuffled orders are permutations that depend on the seed alone") {
  auto const first = order_of(schedule::shuffled, 1), second = order_of(schedule::shuffled, 2);
  REQUIRE(is_permutation_of_indices(first));
  REQUIRE(is_permutation_of_indices(second));
  REQUIRE(first != second);
  REQUIRE(first == order_of(schedule::shuffled, 1));
  REQUIRE_FALSE(std::is_sorted(first.begin(), first.end()));
  auto const released = release_order_of(schedule::shuffled, 1);
  REQUIRE(is_permutation_of_indices(released));
  REQUIRE(released != release_order_of(schedule::shuffled, 2));
  REQUIRE_FALSE(std::is_sorted(released.begin() + 1, released.end()));
}

TEST_CASE("a missing barrier shows in some order") {
  std::vector<int> forward(64), reverse(64);
  {
    order_scope const scope(schedule::forward);
    launch(missing_barrier, 1, 64, 0, forward.data());
  }
  {
    order_scope const scope(schedule::reverse);
    launch(missing_barrier, 1, 64, 0, reverse.data());
  }
  REQUIRE(forward != reverse);
}
