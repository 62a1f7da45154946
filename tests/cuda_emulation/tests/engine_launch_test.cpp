// SPDX-License-Identifier: MIT
/// @file
/// Launches: indices, arguments, shared memory, limits, failures inside kernels.
#include "engine_support.hpp"
#include <array>
#include <cmath>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace engine_tests;

namespace {

struct seen {
  uint3 thread, block;
  dim3 block_extent, grid_extent;
};
__global__ void record(seen* all) {
  unsigned const thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  unsigned const block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  all[block * blockDim.x * blockDim.y * blockDim.z + thread] = {threadIdx, blockIdx, blockDim, gridDim};
}

struct large_argument {
  std::array<int, 200> values;
};
/// Changes its parameters: the next thread must get them fresh.
__global__ void takes_by_value(large_argument argument, int scale, std::nullptr_t, int* sums) {
  int sum = 0;
  for (int& value : argument.values) {
    sum += value * scale;
    value = 0;
  }
  scale = 0;
  sums[threadIdx.x] = sum + scale;
}

__global__ void dirty_shared_memory(unsigned floats, int* numbers_found) {
  auto* const shared = static_cast<float*>(cuda_emulation::dynamic_shared_memory());
  if (threadIdx.x == 0)
    for (unsigned index = 0; index < floats; ++index) {
      *numbers_found += std::isnan(shared[index]) ? 0 : 1;
      shared[index] = 1.0f;
    }
}

template <int Instance>
__global__ void static_shared(std::uintptr_t* address) {
  __shared__ float values[8];
  values[0] = Instance;
  *address = reinterpret_cast<std::uintptr_t>(values);
}

__global__ void nothing() {}
__global__ void throws(int which) {
  if (threadIdx.x == 3 && which == 0) throw std::runtime_error("out of luck");
  if (threadIdx.x == 3 && which == 1) throw 7;
  __syncthreads();
}
__global__ void traps() {
  if (blockIdx.x == 1 && threadIdx.x == 2) __trap();
}
__global__ void launches() { launch(nothing, 1, 1, 0); }

__global__ void count_runs(int* runs) { ++*runs; }

__attribute__((noinline)) int recurse(int depth) {
  char volatile frame[4096];
  frame[depth % 4096] = 1;
  return depth == 0 ? frame[0] : recurse(depth - 1) + frame[1];
}
__global__ void overflow(int depth, int* result) {
  __syncthreads();
  *result = recurse(depth);
}

}  // namespace

TEST_CASE("every thread of every block runs once, with its indices") {
  dim3 const grid(3, 2, 2), block(5, 3, 2);
  in_every_order([&] {
    std::vector<seen> all(12 * 30);
    launch(record, grid, block, 0, all.data());
    std::size_t position = 0;
    for (unsigned bz = 0; bz < grid.z; ++bz)
      for (unsigned by = 0; by < grid.y; ++by)
        for (unsigned bx = 0; bx < grid.x; ++bx)
          for (unsigned tz = 0; tz < block.z; ++tz)
            for (unsigned ty = 0; ty < block.y; ++ty)
              for (unsigned tx = 0; tx < block.x; ++tx, ++position) {
                seen const expected{{tx, ty, tz}, {bx, by, bz}, block, grid};
                REQUIRE(std::memcmp(&all[position], &expected, sizeof expected) == 0);
              }
  });
}

TEST_CASE("arguments are copied for each thread") {
  large_argument argument{};
  for (int index = 0; index < 200; ++index) argument.values[static_cast<std::size_t>(index)] = index;
  std::vector<int> sums(64);
  launch(takes_by_value, 1, 64, 0, argument, 2, nullptr, sums.data());
  for (int const sum : sums) REQUIRE(sum == 199 * 200);
}

TEST_CASE("dynamic shared memory is aligned, and NaN when a block begins") {
  int numbers_found = 0;
  launch(dirty_shared_memory, 5, 32, 4000, 1000u, &numbers_found);
  launch(dirty_shared_memory, 5, 32, 49152, 12288u, &numbers_found);
  REQUIRE(numbers_found == 0);
  REQUIRE(reinterpret_cast<std::uintptr_t>(cuda_emulation::dynamic_shared_memory()) % 128 == 0);
}

TEST_CASE("static shared memory is one object per kernel instantiation") {
  std::uintptr_t first = 0, again = 0, other = 0;
  launch(static_shared<0>, 2, 32, 0, &first);
  launch(static_shared<0>, 1, 32, 0, &again);
  launch(static_shared<1>, 1, 32, 0, &other);
  REQUIRE(first == again);
  REQUIRE(first != other);
}

TEST_CASE("launches that a device refuses are refused before they are queued") {
  char const* const prefix = "invalid launch configuration: ";
  require_failure({prefix, "grid (0,1,1)"}, [] { launch(nothing, 0, 32, 0); });
  require_failure({prefix, "grid (1,0,1)"}, [] { launch(nothing, dim3(1, 0), 32, 0); });
  require_failure({prefix, "grid (1,65536,1)"}, [] { launch(nothing, dim3(1, 65536), 32, 0); });
  require_failure({prefix, "grid (1,1,65536)"}, [] { launch(nothing, dim3(1, 1, 65536), 32, 0); });
  require_failure({prefix, "block (0,1,1)"}, [] { launch(nothing, 1, 0, 0); });
  require_failure({prefix, "block (1025,1,1)"}, [] { launch(nothing, 1, 1025, 0); });
  require_failure({prefix, "block (512,3,1)"}, [] { launch(nothing, 1, dim3(512, 3), 0); });
  require_failure({prefix, "block (1,1,65)"}, [] { launch(nothing, 1, dim3(1, 1, 65), 0); });
  require_failure({prefix, "50000 bytes of dynamic shared memory"}, [] { launch(nothing, 1, 32, 50000); });
  require_failure({"launch attributes"}, [] {
    cudaLaunchConfig_t configuration{};
    configuration.gridDim = configuration.blockDim = dim3(1);
    configuration.numAttrs = 1;
    cudaLaunchKernelEx(&configuration, nothing);
  });
  launch(nothing, 1, 1024, 49152);
  launch(nothing, 1, dim3(1, 1024, 1), 0);
  launch(nothing, dim3(1, 1, 65535), dim3(1, 1, 1), 0);
}

TEST_CASE("an exception that leaves a kernel is reported") {
  require_failure({"exception left the kernel: out of luck", "thread (3,0,0)"}, [] { launch(throws, 1, 64, 0, 0); });
  require_failure({"exception left the kernel: of a type"}, [] { launch(throws, 1, 64, 0, 1); });
  require_engine_works();
}

TEST_CASE("a trap is reported") {
  require_failure({"__trap() at engine_launch_test.cpp:", "block (1,0,0) thread (2,0,0)"},
                  [] { launch(traps, 3, 32, 0); });
  require_engine_works();
}

TEST_CASE("a launch from a kernel is reported") {
  require_failure({"a kernel launches a kernel"}, [] { launch(launches, 1, 1, 0); });
  require_engine_works();
}

TEST_CASE("no failure leaves the engine unusable") {
  for (int repetition = 0; repetition < 50; ++repetition) {
    REQUIRE_FALSE(failure_of([&] { launch(throws, 1, 1024, 0, repetition % 2); }).empty());
    require_engine_works();
  }
}

TEST_CASE("statistics count what ran") {
  auto const before = cuda_emulation::current_statistics();
  int runs = 0;
  launch(count_runs, 7, 96, 0, &runs);
  auto const& after = cuda_emulation::current_statistics();
  REQUIRE(runs == 7 * 96);
  REQUIRE(after.launches - before.launches == 1);
  REQUIRE(after.blocks - before.blocks == 7);
  REQUIRE(after.threads - before.threads == 7 * 96);
  REQUIRE(after.switches - before.switches == 14);  // in and out, once per block: such threads share one stack
}

TEST_CASE("a stack overflow stops the program instead of reaching another thread's stack") {
  int result = 0;
  launch(overflow, 1, 64, 0, 5, &result);
  pid_t const child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    launch(overflow, 1, 64, 0, 1000, &result);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
