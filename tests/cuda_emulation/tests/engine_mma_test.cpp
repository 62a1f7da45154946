// SPDX-License-Identifier: MIT
/// @file
/// The product of tensor cores on the engine: every element against double, and warps that are not whole.
#include <rlvr/backend/cuda/mma.cuh>

#include "engine_support.hpp"
#include "mma_support.hpp"
#include <algorithm>
#include <vector>

using namespace engine_tests;
using namespace mma_tests;

namespace {

__global__ void half_of_a_warp(float* out) {
  rlvr::cuda::mma_sums sums{};
  if (threadIdx.x < 16) rlvr::cuda::mma_add(sums, {}, {});
  out[threadIdx.x] = sums.at[0];
}

__global__ void one_lane_returns(float* out) {
  if (threadIdx.x == 7) return;
  rlvr::cuda::mma_sums sums{};
  rlvr::cuda::mma_add(sums, {}, {});
  out[threadIdx.x] = sums.at[0];
}

__global__ void two_places(float* out) {
  rlvr::cuda::mma_sums sums{};
  if (threadIdx.x % 2 == 0)
    rlvr::cuda::mma_add(sums, {}, {});
  else
    rlvr::cuda::mma_add(sums, {}, {});
  out[threadIdx.x] = sums.at[0];
}

}  // namespace

TEST_CASE("engine: the product of a warp is that of its matrices") {
  in_every_order([] {
    for (unsigned seed = 1; seed <= 8; ++seed) {
      matrices const m(3, seed);  // warps that do not wait for each other
      std::vector<float> sums = m.sums;
      launch(multiply_kernel<float>, 1, 96, 0, m.left.data(), m.right.data(), sums.data());
      CHECK(worst_excess(m, sums) <= 1);
    }
  });
}

TEST_CASE("engine: a product adds to its sums, and zeros leave them as they are") {
  matrices m(1, 3);
  std::fill(m.left.begin(), m.left.end(), 0.0f);
  std::vector<float> sums = m.sums;
  launch(multiply_kernel<float>, 1, 32, 0, m.left.data(), m.right.data(), sums.data());
  CHECK(sums == m.sums);
}

TEST_CASE("engine: pairs are rounded to nearest even, the first element is the lower half") {
  std::vector<std::uint32_t> out(32);
  launch(pair_kernel<std::uint32_t>, 1, 32, 0, out.data());
  CHECK(out == expected_pairs());
}

TEST_CASE("engine: a product that not all lanes of a warp take part in is reported") {
  std::vector<float> out(32);
  require_failure({"mma.sync", "engine_mma_test.cpp", "needs all 32 lanes"},
                  [&] { launch(one_lane_returns, 1, 32, 0, out.data()); });
  require_failure({"mma.sync", "engine_mma_test.cpp"}, [&] { launch(half_of_a_warp, 1, 32, 0, out.data()); });
  require_failure({"mma.sync", "needs all 32 lanes"}, [&] { launch(half_of_a_warp, 1, 16, 0, out.data()); });
  require_failure({"divergent warp collective", "mma.sync"}, [&] { launch(two_places, 1, 32, 0, out.data()); });
  require_engine_works();
}
