// SPDX-License-Identifier: MIT
/// @file
/// Control flow, memory spaces, collectives, calls and initialised data, as nvcc translates them.
#include "ptx_support.cuh"
#include <cstdint>
#include <stdexcept>
#include <string>
#include <support/catch.hpp>
#include <vector>

namespace {

using emulation_test::device_array;
constexpr unsigned everyone = 0xffffffffu;

__host__ __device__ int nested_branches(int x) {
  if (x % 2 == 0) {
    if (x % 3 == 0) return x * 7;
    return x % 5 == 0 ? x - 100 : x + 1;
  }
  int sum = 0;
  for (int i = 0; i < x % 11; ++i) {
    if (i == 7) break;
    if ((i + x) % 4 == 0) continue;
    sum += i * x;
  }
  switch (x % 9) {
    case 0:
      sum += 1;
      break;
    case 1:
      sum *= 3;
      break;
    case 2:
      sum -= 8;
      [[fallthrough]];
    case 3:
      sum ^= 0x55;
      break;
    case 5:
      return -sum;
    case 6:
      sum = sum * sum + 1;
      break;
    case 7:
      sum += x;
      break;
    default:
      break;
  }
  return sum;
}

__global__ void diverge(int* out, int count) {
  int const index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= count) return;
  out[index] = nested_branches(index);
}

/// Lanes meet again behind the branch: the shuffle names all of them.
__global__ void meet_again(int* out) {
  int value = static_cast<int>(threadIdx.x);
  if (value % 3 == 0)
    value = value * value;
  else if (value % 3 == 1)
    for (int i = 0; i < static_cast<int>(threadIdx.x); ++i) value += i;
  out[32 + threadIdx.x] = __popc(__activemask());
  out[threadIdx.x] = __shfl_xor_sync(everyone, value, 5);
}

template <class T>
__global__ void block_sum(T const* in, T* out, int count) {
  __shared__ T partial[4];
  extern __shared__ unsigned char dynamic[];
  T* const copy = reinterpret_cast<T*>(dynamic);
  T sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += 128) sum += in[i];
  copy[threadIdx.x] = sum;
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_down_sync(everyone, sum, distance);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    T total = 0;
    for (int i = 0; i < 128; ++i) total += copy[i];
    out[0] = partial[0] + partial[1] + partial[2] + partial[3];
    out[1] = total;
  }
}

__global__ void votes(unsigned* out) {
  unsigned const lane = threadIdx.x % 32;
  unsigned* const to = out + 16 * threadIdx.x;
  to[0] = __ballot_sync(everyone, lane % 3 == 0);
  to[1] = static_cast<unsigned>(__any_sync(everyone, lane == 31));
  to[2] = static_cast<unsigned>(__all_sync(everyone, lane < 31));
  to[3] = __match_any_sync(everyone, lane / 4);
  to[4] = __reduce_add_sync(everyone, lane);
  to[5] = static_cast<unsigned>(__reduce_max_sync(everyone, static_cast<int>(lane) - 40));
  to[6] = __reduce_xor_sync(everyone, lane * 5);
  to[7] = __shfl_sync(everyone, lane, 3, 8);
  to[8] = __shfl_up_sync(everyone, lane, 2, 16);
  to[9] = __popc(__ballot_sync(0xffffu << (lane & 16), lane % 2 == 0));  // two halves, each with its own mask
  to[10] = static_cast<unsigned>(__syncthreads_count(threadIdx.x % 5 == 0));
  to[11] = static_cast<unsigned>(__syncthreads_and(threadIdx.x < 64) + 2 * __syncthreads_or(threadIdx.x == 40));
  int all_equal = 7;
  to[12] = __match_all_sync(everyone, lane / 32, &all_equal);
  to[13] = static_cast<unsigned>(all_equal);
  if (lane < 8) to[14] = __activemask();
  __syncwarp();
}

__global__ void atomics(int* counters, float* sums, unsigned long long* wide, double* precise) {
  __shared__ int local;
  if (threadIdx.x == 0) local = 0;
  __syncthreads();
  int const value = static_cast<int>(threadIdx.x);
  atomicAdd(&local, 1);
  atomicMax(&counters[0], value);
  atomicMin(&counters[1], -value);
  atomicOr(reinterpret_cast<unsigned*>(&counters[2]), 1u << (value % 32));
  atomicInc(reinterpret_cast<unsigned*>(&counters[3]), 9);
  int seen = *static_cast<int volatile*>(&counters[4]);  // a plain read would race with the others' exchange
  for (;;) {
    int const before = atomicCAS(&counters[4], seen, seen + 2);
    if (before == seen) break;
    seen = before;
  }
  atomicAdd(sums, 0.5f);
  atomicAdd(wide, 1ull << 40);
  atomicAdd(precise, 0.25);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) counters[5] = atomicExch(&local, -1);
}

struct pair {
  int values[3];
  double scale;
};

__device__ __noinline__ pair adjusted(pair in, int by) {
  in.values[by % 3] += by;
  in.scale *= 0.5;
  return in;
}

__device__ __noinline__ double weighed(pair const& in, int index) {
  pair const out = adjusted(in, index);
  return out.scale * out.values[index % 3] + out.values[0];
}

__host__ double weighed_on_host(pair in, int index) {
  in.values[index % 3] += index;
  in.scale *= 0.5;
  return in.scale * in.values[index % 3] + in.values[0];
}

__global__ void calls(double* out, pair in) {
  int const index = static_cast<int>(threadIdx.x);
  if (index % 3 == 0)  // some lanes call from here, others from there
    out[index] = weighed(in, index);
  else
    out[index] = 1000 + weighed(in, index + 1);
}

__constant__ float const table[5] = {0.5f, 1.5f, -2.0f, 8.0f, 1e-3f};
__constant__ int adjustable[2] = {3, 4};
__device__ int global_values[4] = {10, 20, 30};
__device__ int* global_pointer = global_values + 1;

__global__ void data(float* out, int const* which) {
  int const index = which[threadIdx.x];
  out[threadIdx.x] = table[index] + static_cast<float>(global_pointer[index % 2] + adjustable[index % 2]);
}

__global__ void local_array(int const* in, int* out, int count) {
  int values[8];
  for (int i = 0; i < 8; ++i) values[i] = i * in[i];
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += values[(in[i] + static_cast<int>(threadIdx.x)) & 7];
  out[threadIdx.x] = sum;
}

__global__ void vectors(float4 const* in, float4* out, short2* narrow, unsigned char* bytes) {
  float4 const value = in[threadIdx.x];
  out[threadIdx.x] = make_float4(value.w, value.z, value.y, value.x);
  narrow[threadIdx.x] = make_short2(static_cast<short>(value.x), static_cast<short>(-value.y));
  bytes[threadIdx.x] = static_cast<unsigned char>(value.z);
}

__global__ void bad(int* values, int mode) {
  __shared__ int shared[32];
  shared[threadIdx.x] = 1;
  if (mode == 0 && threadIdx.x < 16) __syncthreads();
  if (mode == 1) values[0] = __shfl_sync(0x0000ffffu, shared[threadIdx.x], 0);
  if (mode == 2) *reinterpret_cast<int*>(reinterpret_cast<char*>(values) + 1 + threadIdx.x) = 0;
  if (mode == 3) values[0] = *reinterpret_cast<int const*>(std::uintptr_t{4096});
  if (mode == 4) __trap();
  if (mode == 5 && threadIdx.x == 3) asm volatile("pmevent 1; cp.async.wait_all;");
  if (mode == 6) values[threadIdx.x] = shared[(threadIdx.x + 1) % 32 + 32 * (values[0] + 1)];
}

std::string error_of_bad(int mode) {
  device_array<int> values(std::vector<int>(64));
  try {
    bad<<<1, 32>>>(values.get(), mode);
    cudaDeviceSynchronize();
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("ptx: branches, loops and switches diverge and agree with the host") {
  constexpr int count = 1000;
  device_array<int> out(std::vector<int>(count + 1, -7));
  diverge<<<8, 128>>>(out.get(), count);
  std::vector<int> const found = out.values();
  std::vector<int> expected;
  for (int i = 0; i < count; ++i) expected.push_back(nested_branches(i));
  expected.push_back(-7);
  CHECK(found == expected);
}

TEST_CASE("ptx: lanes meet again behind a divergent branch") {
  device_array<int> out(std::vector<int>(64));
  meet_again<<<1, 32>>>(out.get());
  std::vector<int> expected(64, 32);
  for (int lane = 0; lane < 32; ++lane) {
    int const from = lane ^ 5;
    expected[static_cast<std::size_t>(lane)] = from % 3 == 0   ? from * from
                                               : from % 3 == 1 ? from + from * (from - 1) / 2
                                                               : from;
  }
  CHECK(out.values() == expected);
}

TEMPLATE_TEST_CASE("ptx: a block's sum over shuffles, static and dynamic shared memory", "", float, double, int,
                   long long) {
  std::vector<TestType> values;
  for (int i = 0; i < 1000; ++i) values.push_back(static_cast<TestType>(i % 17));
  TestType expected = 0;
  for (TestType const value : values) expected += value;
  device_array<TestType> const in(values);
  device_array<TestType> out(std::vector<TestType>(2));
  block_sum<<<1, 128, 128 * sizeof(TestType)>>>(in.get(), out.get(), 1000);
  CHECK(out.values() == std::vector<TestType>{expected, expected});
}

TEST_CASE("ptx: votes, matches, reductions and barriers that count") {
  device_array<unsigned> out(std::vector<unsigned>(16 * 96));
  votes<<<1, 96>>>(out.get());
  std::vector<unsigned> const found = out.values();
  for (unsigned thread = 0; thread < 96; ++thread) {
    unsigned const* const at = found.data() + 16 * thread;
    unsigned const lane = thread % 32;
    CAPTURE(thread);
    CHECK(at[0] == 0x49249249u);
    CHECK(at[1] == 1);
    CHECK(at[2] == 0);
    CHECK(at[3] == 0xfu << (lane / 4 * 4));
    CHECK(at[4] == 496);
    CHECK(at[5] == static_cast<unsigned>(-9));
    unsigned folded = 0;
    for (unsigned i = 0; i < 32; ++i) folded ^= i * 5;
    CHECK(at[6] == folded);
    CHECK(at[7] == lane / 8 * 8 + 3);
    CHECK(at[8] == (lane % 16 < 2 ? lane : lane - 2));
    CHECK(at[9] == 8);
    CHECK(at[10] == 20);
    CHECK(at[11] == 2);
    CHECK(at[12] == everyone);
    CHECK(at[13] == 1);
    if (lane < 8) CHECK(at[14] == 0xffu);
  }
}

TEST_CASE("ptx: atomics on global and shared memory") {
  device_array<int> counters(std::vector<int>(6, 0));
  device_array<float> sums(std::vector<float>(1, 0.0f));
  device_array<unsigned long long> wide(std::vector<unsigned long long>(1, 0));
  device_array<double> precise(std::vector<double>(1, 0.0));
  atomics<<<1, 64>>>(counters.get(), sums.get(), wide.get(), precise.get());
  CHECK(counters.values() == std::vector<int>{63, -63, -1, 4, 128, 64});
  CHECK(sums.values()[0] == 32.0f);
  CHECK(wide.values()[0] == 64ull << 40);
  CHECK(precise.values()[0] == 16.0);
}

TEST_CASE("ptx: device functions with structures as parameters and results") {
  pair const in{{4, 5, 6}, 3.0};
  device_array<double> out(std::vector<double>(32));
  calls<<<1, 32>>>(out.get(), in);
  std::vector<double> expected;
  for (int i = 0; i < 32; ++i)
    expected.push_back(i % 3 == 0 ? weighed_on_host(in, i) : 1000 + weighed_on_host(in, i + 1));
  CHECK(out.values() == expected);
}

TEST_CASE("ptx: constant data, initialised variables, pointers to variables") {
  device_array<int> const which({4, 3, 2, 1, 0});
  device_array<float> out(std::vector<float>(5));
  data<<<1, 5>>>(out.get(), which.get());
  CHECK(out.values() == std::vector<float>{23.001f, 42.0f, 21.0f, 35.5f, 23.5f});
  int const changed[2] = {100, 200};
  REQUIRE(cudaMemcpyToSymbol(adjustable, changed, sizeof changed) == cudaSuccess);
  data<<<1, 5>>>(out.get(), which.get());
  CHECK(out.values()[1] == 238.0f);
}

TEST_CASE("ptx: arrays in local memory, vector and narrow accesses") {
  device_array<int> const in({3, 1, 4, 1, 5, 9, 2, 6});
  device_array<int> out(std::vector<int>(32));
  local_array<<<1, 32>>>(in.get(), out.get(), 8);
  std::vector<int> const factors{3, 1, 4, 1, 5, 9, 2, 6};
  for (int thread = 0; thread < 32; ++thread) {
    int sum = 0;
    for (int const factor : factors)
      sum += ((factor + thread) & 7) * factors[static_cast<std::size_t>((factor + thread) & 7)];
    CHECK(out.values()[static_cast<std::size_t>(thread)] == sum);
  }

  device_array<float4> const wide({{1, 2, 3, 4}, {5, 6, 300, 8}});
  device_array<float4> reversed(std::vector<float4>(2));
  device_array<short2> narrow(std::vector<short2>(2));
  device_array<unsigned char> bytes(std::vector<unsigned char>(2));
  vectors<<<1, 2>>>(wide.get(), reversed.get(), narrow.get(), bytes.get());
  CHECK(reversed.values()[1].x == 8.0f);
  CHECK(reversed.values()[0].w == 1.0f);
  CHECK(narrow.values()[1].y == -6);
  CHECK(bytes.values()[0] == 3);
}

TEST_CASE("ptx: mistakes are reported with the line") {
  using Catch::Matchers::Contains;
  CHECK_THAT(error_of_bad(0), Contains("barrier") && Contains("ptx_control_test.cu:"));
  CHECK_THAT(error_of_bad(1), Contains("not in its own mask"));
  CHECK_THAT(error_of_bad(2), Contains("misaligned"));
  CHECK_THAT(error_of_bad(3), Contains("not device memory") && Contains("ptx_control_test.cu:"));
  CHECK_THAT(error_of_bad(4), Contains("trap"));
  CHECK_THAT(error_of_bad(5), Contains("cp.async.wait_all") && Contains("not emulated"));
  CHECK_THAT(error_of_bad(6), Contains("of shared memory"));
}

TEST_CASE("ptx: a launch that no device accepts is refused") {
  device_array<int> out(std::vector<int>(1));
  CHECK_THROWS_AS((diverge<<<1, 2048>>>(out.get(), 1)), std::runtime_error);
  CHECK_THROWS_AS((diverge<<<1, 32, 300000>>>(out.get(), 1)), std::runtime_error);
}
