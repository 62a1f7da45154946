// SPDX-License-Identifier: MIT
/// @file
/// Threads that wait for each other for ever, or at different places, in the checked layer: reported as what they are,
/// with the places, and not as races or as a run without end.
#include "checker_support.hpp"
#include <map>

using namespace checker_tests;

namespace {

/// Lanes from `skipping` on do not take part in the shuffle of their warp, and wait at the barrier behind it.
__global__ void shuffle_that_some_skip(float* out, unsigned skipping) {
  __shared__ float shared[64];
  shared[threadIdx.x] = 1.0f;
  float value = 0.0f;
  if (threadIdx.x < skipping) value = __shfl_xor_sync(0xffffffffu, shared[threadIdx.x], 1);
  __syncthreads();
  out[threadIdx.x] = value;
}

/// As the folds of the attention's kernels: a loop over rows, each with shuffles; some lanes skip some of the turns.
__global__ void fold_that_some_skip(float* out, unsigned empty) {
  float sum = 0.0f;
  for (unsigned row = 0; row < 2; ++row) {
    if (row == 1 && threadIdx.x % 32 >= empty) continue;
    sum += __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  }
  __syncthreads();
  out[threadIdx.x] = sum;
}

__global__ void two_barriers(float* out, unsigned first) {
  if (threadIdx.x < first) {
    __syncthreads();
    out[threadIdx.x] = 1.0f;
  } else {
    __syncthreads();
    out[threadIdx.x] = 2.0f;
  }
}

/// A race, and then a deadlock.
__global__ void race_and_deadlock(float* out) {
  __shared__ float shared[64];
  shared[threadIdx.x] = 1.0f;
  out[threadIdx.x] = shared[63 - threadIdx.x];
  if (threadIdx.x < 40) __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  __syncthreads();
}

__global__ void fill(float* out) { out[threadIdx.x] = 1.0f; }

/// The report of a deadlock builds a map of lists; here the same templates are instrumented, and the linker may take
/// these copies for the report's.
std::size_t instrumented_copies_of_the_reports_templates(int threads) {
  std::map<std::string, std::vector<int>> groups;
  for (int thread = 0; thread < threads; ++thread)
    groups[std::string("a place that is longer than a short string ") + std::to_string(thread % 3)].push_back(thread);
  return groups.size();
}

}  // namespace

TEST_CASE("checker: a deadlock is a deadlock, with the places where threads wait") {
  CHECK(instrumented_copies_of_the_reports_templates(40) == 3);
  device_array<float> out(64);
  for (int round = 0; round < 2; ++round) {
    for (std::string const& message :
         failures_in_every_order([&] { launch(shuffle_that_some_skip, 1, 64, 0, out.data(), 40u); })) {
      CHECK_THAT(message, Catch::Contains("deadlock in block (0,0,0):"));
      CHECK_THAT(message, Catch::Contains("8 threads wait in __shfl_xor_sync at checker_deadlock_test.cpp:"));
      CHECK_THAT(message, Catch::Contains("56 threads wait in __syncthreads at checker_deadlock_test.cpp:"));
      CHECK_THAT(message, !Catch::Contains("race") && !Catch::Contains("uninitialised"));
    }
    require_report({"deadlock in block (0,0,0):", "wait in __shfl_xor_sync at checker_deadlock_test.cpp:",
                    "wait in __syncthreads at checker_deadlock_test.cpp:"},
                   [&] { launch(fold_that_some_skip, 1, 64, 0, out.data(), 24u); });
    require_no_report([&] { launch(shuffle_that_some_skip, 1, 64, 0, out.data(), 64u); });
    require_no_report([&] { launch(fold_that_some_skip, 1, 64, 0, out.data(), 32u); });
  }
}

TEST_CASE("checker: barriers at two places are a divergent barrier") {
  device_array<float> out(64);
  require_report(
      {"divergent barrier: this thread is at checker_deadlock_test.cpp:", "wait at checker_deadlock_test.cpp:"},
      [&] { launch(two_barriers, 1, 64, 0, out.data(), 32u); });
  require_no_report([&] { launch(two_barriers, 1, 64, 0, out.data(), 64u); });
}

TEST_CASE("checker: a race before a deadlock is not reported of the next launch") {
  device_array<float> out(64);
  require_report({"deadlock in block (0,0,0):"}, [&] { launch(race_and_deadlock, 1, 64, 0, out.data()); });
  require_no_report([&] { launch(fill, 1, 64, 0, out.data()); });
}
