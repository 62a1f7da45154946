// SPDX-License-Identifier: MIT
/// @file
/// Traffic, equal to what one counts by hand.
#include "checker/traffic.hpp"
#include "checker_support.hpp"
#include <cstdlib>

using namespace checker_tests;

namespace {

/// Counts requests while it lives.
struct profile_scope {
  profile_scope() { setenv("RLVR_EMULATION_PROFILE", "1", 1); }
  ~profile_scope() { unsetenv("RLVR_EMULATION_PROFILE"); }
  profile_scope(profile_scope const&) = delete;
  profile_scope& operator=(profile_scope const&) = delete;
};

template <class T>
__global__ void strided(T const* in, T* out, unsigned stride) {
  out[blockIdx.x * blockDim.x + threadIdx.x] = in[(blockIdx.x * blockDim.x + threadIdx.x) * stride];
}
template <class T>
__global__ void strided_shared(T* out, unsigned stride) {
  T* const shared = static_cast<T*>(cuda_emulation::dynamic_shared_memory());
  shared[threadIdx.x * stride] = T{};
  if (threadIdx.x == 1000) out[0] = T{};
}
__global__ void atomics(unsigned* counter) { atomicAdd(counter, 1u); }

using sixteen_bytes = __attribute__((vector_size(16))) float;

template <class T>
cuda_emulation::statistics loads_with_stride(unsigned stride, unsigned blocks = 1, unsigned threads = 32) {
  device_array<T> in(std::size_t{blocks} * threads * (stride + 1), true), out(std::size_t{blocks} * threads);
  profile_scope const profile;
  cuda_emulation::traffic_scope const scope;
  launch(strided<T>, blocks, threads, 0, static_cast<T const*>(in.data()), out.data(), stride);
  return scope.counted();
}

template <class T>
cuda_emulation::statistics shared_with_stride(unsigned stride) {
  device_array<T> out(1);
  profile_scope const profile;
  cuda_emulation::traffic_scope const scope;
  launch(strided_shared<T>, 1, 32, sizeof(T) * 32 * (stride + 1), out.data(), stride);
  return scope.counted();
}

}  // namespace

TEST_CASE("traffic: coalesced, strided and broadcast loads") {
  auto const coalesced = loads_with_stride<float>(1, 3, 64);
  REQUIRE(coalesced.global_load_bytes == 3 * 64 * 4);
  REQUIRE(coalesced.global_store_bytes == 3 * 64 * 4);
  REQUIRE(coalesced.global_load_requests == 6);
  REQUIRE(coalesced.global_load_sectors == 6 * 4);  // 128 bytes a warp
  REQUIRE(coalesced.global_store_requests == 6);
  REQUIRE(coalesced.global_store_sectors == 6 * 4);
  REQUIRE(loads_with_stride<float>(2).global_load_sectors == 8);
  REQUIRE(loads_with_stride<float>(8).global_load_sectors == 32);  // a sector for each lane
  REQUIRE(loads_with_stride<float>(0).global_load_sectors == 1);
  REQUIRE(loads_with_stride<float>(0).global_load_bytes == 128);
  REQUIRE(loads_with_stride<unsigned short>(1).global_load_sectors == 2);
}

TEST_CASE("traffic: conflicts of banks") {
  REQUIRE(shared_with_stride<float>(1).shared_requests == 1);
  REQUIRE(shared_with_stride<float>(1).shared_store_bytes == 128);
  REQUIRE(shared_with_stride<float>(1).shared_wavefronts == 1);
  REQUIRE(shared_with_stride<float>(2).shared_wavefronts == 2);
  REQUIRE(shared_with_stride<float>(32).shared_wavefronts == 32);
  REQUIRE(shared_with_stride<float>(33).shared_wavefronts == 1);  // the usual padding
}

TEST_CASE("traffic: 8 bytes are served by half warps, 16 bytes by quarters") {
  auto const eight = shared_with_stride<unsigned long>(1);
  REQUIRE(eight.shared_requests == 2);
  REQUIRE(eight.shared_wavefronts == 2);
  REQUIRE(shared_with_stride<unsigned long>(2).shared_wavefronts == 4);
  auto const sixteen = shared_with_stride<sixteen_bytes>(1);
  REQUIRE(sixteen.shared_requests == 4);
  REQUIRE(sixteen.shared_wavefronts == 4);
}

TEST_CASE("traffic: atomics, and nothing without the profile") {
  device_array<unsigned> counter(1, true);
  cuda_emulation::traffic_scope const scope;
  launch(atomics, 2, 32, 0, counter.data());
  auto const counted = scope.counted();
  REQUIRE(counted.global_atomics == 64);
  REQUIRE(counted.global_load_bytes == 0);
  REQUIRE(counted.global_load_requests == 0);
  REQUIRE(counted.blocks == 2);
}
