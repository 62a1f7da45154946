// SPDX-License-Identifier: MIT
/// @file
/// Block barriers: what they order, and which misuse is reported.
#include "engine_support.hpp"
#include <algorithm>
#include <numeric>
#include <vector>

using namespace engine_tests;

namespace {

/// Each thread passes its value to the next one, `rounds` times: every missing ordering would show.
__global__ void rotate(int* values, int rounds) {
  __shared__ int ring[1024];
  unsigned const self = threadIdx.x, previous = (self + blockDim.x - 1) % blockDim.x;
  int value = values[self];
  for (int round = 0; round < rounds; ++round) {
    ring[self] = value;
    __syncthreads();
    value = ring[previous];
    __syncthreads();
  }
  values[self] = value;
}

void require_rotation(unsigned threads, int rounds) {
  std::vector<int> values(threads);
  std::iota(values.begin(), values.end(), 0);
  launch(rotate, 1, threads, 0, values.data(), rounds);
  for (unsigned thread = 0; thread < threads; ++thread)
    REQUIRE(values[(thread + static_cast<unsigned>(rounds)) % threads] == static_cast<int>(thread));
}

struct predicate_results {
  int count, all, any;
};
__global__ void predicates(predicate_results* results, int threshold) {
  int const predicate = static_cast<int>(threadIdx.x) < threshold ? 4 : 0;
  predicate_results& mine = results[threadIdx.x];
  mine.count = __syncthreads_count(predicate);
  mine.all = __syncthreads_and(predicate);
  mine.any = __syncthreads_or(predicate);
}

__global__ void half_the_block() {
  if (threadIdx.x < 32) __syncthreads();
}

__global__ void two_places() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}

__global__ void two_variants(int* result) {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    *result = __syncthreads_or(1);
}

__global__ void early_return(float* values, int n) {
  __shared__ float shared[64];
  if (static_cast<int>(threadIdx.x) >= n) return;
  shared[threadIdx.x] = 1.0f;
  __syncthreads();
  values[threadIdx.x] = shared[threadIdx.x ^ 1u];
}

__global__ void barrier_against_shuffle(int* result) {
  if (threadIdx.x < 40)
    __syncthreads();
  else
    *result = __shfl_sync(full_mask, 1, 0);
}

__global__ void barrier_in_unequal_loops(int rounds) {
  for (int round = 0; round < rounds + static_cast<int>(threadIdx.x == 7); ++round) __syncthreads();
}

__global__ void return_after_barrier(int* values) {
  __syncthreads();
  if (threadIdx.x >= 10) return;
  values[threadIdx.x] = 1;
}

}  // namespace

namespace engine_tests {
void require_engine_works() { require_rotation(96, 3); }
}  // namespace engine_tests

TEST_CASE("barriers order writes before reads") {
  for (unsigned const threads : {1u, 31u, 32u, 33u, 256u, 1000u, 1024u})
    in_every_order([&] { require_rotation(threads, 5); });
}

TEST_CASE("barriers with a predicate combine it over the block") {
  for (int const threads : {1, 40, 96})
    for (int const threshold : {0, 1, 17, threads}) {
      in_every_order([&] {
        std::vector<predicate_results> results(static_cast<std::size_t>(threads));
        launch(predicates, 1, static_cast<unsigned>(threads), 0, results.data(), threshold);
        for (auto const& result : results) {
          REQUIRE(result.count == std::min(threshold, threads));
          REQUIRE((result.all != 0) == (threshold >= threads));
          REQUIRE((result.any != 0) == (threshold > 0));
        }
      });
    }
}

TEST_CASE("a barrier that part of the block reaches is reported") {
  require_failure({"barrier at engine_barrier_test.cpp:", "passed after 32 of 64 threads of the block had returned",
                   "block (0,0,0) thread ("},
                  [] { launch(half_the_block, 1, 64, 0); });
  require_engine_works();
}

TEST_CASE("barriers at two places are reported, whatever hardware does") {
  require_failure({"divergent barrier: this thread is at engine_barrier_test.cpp:", "others wait at"},
                  [] { launch(two_places, 1, 64, 0); });
  int result = 0;
  require_failure({"divergent barrier"}, [&] { launch(two_variants, 1, 64, 0, &result); });
  require_engine_works();
}

TEST_CASE("an early return before a barrier is reported, one after it is not") {
  std::vector<float> values(64, 0.0f);
  require_failure({"passed after 14 of 64 threads"}, [&] { launch(early_return, 1, 64, 0, values.data(), 50); });
  in_every_order([&] {
    launch(early_return, 1, 64, 0, values.data(), 64);
    std::vector<int> marks(64, 0);
    launch(return_after_barrier, 1, 64, 0, marks.data());
    REQUIRE(std::accumulate(marks.begin(), marks.end(), 0) == 10);
  });
  require_engine_works();
}

TEST_CASE("a thread with one barrier too many is reported") {
  require_failure({"passed after 63 of 64 threads"}, [] { launch(barrier_in_unequal_loops, 1, 64, 0, 3); });
}

TEST_CASE("a deadlock is reported by the places where threads wait") {
  int result = 0;
  require_failure({"deadlock in block (0,0,0):", "40 threads wait in __syncthreads at engine_barrier_test.cpp:",
                   "(threads 0 1 2 3 ...)",
                   "24 threads wait in __shfl_sync at engine_barrier_test.cpp:", "(threads 40 41 42 43 ...)"},
                  [&] { launch(barrier_against_shuffle, 1, 64, 0, &result); });
  require_engine_works();
}

TEST_CASE("a barrier outside a kernel is reported") {
  REQUIRE_THAT(failure_of([] { __syncthreads(); }), Catch::Contains("outside a kernel"));
}
