// SPDX-License-Identifier: MIT
/// @file
/// The tensor cores' product as nvcc translates it: fragments against double, and warps that are not whole.
#include "mma_support.hpp"
#include "ptx_support.cuh"
#include <stdexcept>
#include <string>
#include <support/catch.hpp>
#include <vector>

namespace {

using emulation_test::device_array;

/// Lanes from `first` on leave before.
__global__ void some_lanes(float* out, unsigned first) {
  if (threadIdx.x >= first) return;
  rlvr::cuda::mma_sums sums{};
  rlvr::cuda::mma_add(sums, {}, {});
  out[threadIdx.x] = sums.at[0];
}

}  // namespace

TEST_CASE("ptx: the product of a warp is that of its matrices") {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    mma_tests::matrices const m(3, seed);
    device_array<float> const left(m.left), right(m.right);
    device_array<float> sums(m.sums);
    mma_tests::multiply_kernel<float><<<1, 96>>>(left.get(), right.get(), sums.get());
    CHECK(mma_tests::worst_excess(m, sums.values()) <= 1);
  }
}

TEST_CASE("ptx: pairs are rounded to nearest even, the first element is the lower half") {
  device_array<std::uint32_t> out(std::vector<std::uint32_t>(32));
  mma_tests::pair_kernel<std::uint32_t><<<1, 32>>>(out.get());
  CHECK(out.values() == mma_tests::expected_pairs());
}

TEST_CASE("ptx: a product that not all lanes of a warp take part in is reported") {
  device_array<float> out(std::vector<float>(32));
  auto const error_of = [&](unsigned threads, unsigned first) {
    try {
      some_lanes<<<1, threads>>>(out.get(), first);
      cudaDeviceSynchronize();
    } catch (std::runtime_error const& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(error_of(32, 32).empty());
  CHECK_THAT(error_of(32, 31), Catch::Contains("mma.sync needs all 32 lanes"));
  CHECK_THAT(error_of(16, 32), Catch::Contains("mma.sync needs all 32 lanes"));
}
