// SPDX-License-Identifier: MIT
/// @file
/// The checker sees the accesses of interpreted kernels.  Link it with the checker.
#include "ptx_support.cuh"
#include <stdexcept>
#include <string>
#include <support/catch.hpp>
#include <vector>

namespace {

using emulation_test::device_array;

/// @param barrier  whether the block waits before it reads what its other warps wrote
__global__ void exchange(int const* in, int* out, bool barrier) {
  __shared__ int values[64];
  values[threadIdx.x] = in[threadIdx.x];
  if (barrier) __syncthreads();
  out[threadIdx.x] = values[63 - threadIdx.x];
}

__global__ void read_behind_the_end(int const* in, int* out) { out[threadIdx.x] = in[threadIdx.x + 1]; }

__global__ void count_together(int* counter) { *counter += 1; }

template <class Launch>
std::string error_of(Launch&& launch) {
  try {
    launch();
    cudaDeviceSynchronize();
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("ptx: races, accesses out of bounds and their lines are reported") {
  using Catch::Matchers::Contains;
  device_array<int> const in(std::vector<int>(64, 5));
  device_array<int> out(std::vector<int>(64));
  CHECK(error_of([&] { exchange<<<1, 64>>>(in.get(), out.get(), true); }).empty());
  CHECK(out.values() == std::vector<int>(64, 5));
  CHECK_THAT(error_of([&] { exchange<<<1, 64>>>(in.get(), out.get(), false); }), Contains("ptx_checked_test.cu:"));
  CHECK_THAT(error_of([&] { read_behind_the_end<<<1, 64>>>(in.get(), out.get()); }), Contains("ptx_checked_test.cu:"));
  CHECK_THAT(error_of([&] { count_together<<<2, 32>>>(out.get()); }), Contains("ptx_checked_test.cu:"));
}
