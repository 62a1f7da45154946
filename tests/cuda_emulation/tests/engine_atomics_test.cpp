// SPDX-License-Identifier: MIT
/// @file
/// Atomics, and loads and stores with cache hints.
#include "engine_support.hpp"
#include <algorithm>
#include <limits>
#include <vector>

using namespace engine_tests;

namespace {

template <class T>
struct totals {
  T sum, difference, smallest, largest;
};
template <class T>
__global__ void accumulate(T const* values, totals<T>* result) {
  T const value = values[blockIdx.x * blockDim.x + threadIdx.x];
  atomicAdd(&result->sum, value);
  atomicAdd(&result->difference, static_cast<T>(-value));
  atomicMin(&result->smallest, value);
  atomicMax(&result->largest, value);
}

struct bit_totals {
  unsigned bits_and, bits_or, bits_xor;
};
__global__ void accumulate_bits(unsigned const* values, bit_totals* result) {
  unsigned const value = values[threadIdx.x];
  atomicAnd(&result->bits_and, value);
  atomicOr(&result->bits_or, value);
  atomicXor(&result->bits_xor, value);
}

/// Each returned value must occur once.
__global__ void take_tickets(unsigned* counter, unsigned* tickets) {
  tickets[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(counter, 1u);
}
__global__ void wrap_around(unsigned* up, unsigned* down) {
  atomicInc(up, 9u);
  atomicDec(down, 9u);
}
__global__ void exchange_and_subtract(int* cell, int* left) {
  left[threadIdx.x] = atomicExch(cell, static_cast<int>(threadIdx.x));
  atomicSub(&left[32], 2);
}
__global__ void largest_by_compare_and_swap(float const* values, float* largest) {
  auto* const bits = reinterpret_cast<int*>(largest);
  int seen = *bits;
  while (__int_as_float(seen) < values[threadIdx.x]) {
    int const expected = seen;
    seen = atomicCAS(bits, expected, __float_as_int(values[threadIdx.x]));
    if (seen == expected) break;
  }
}

/// The last block to arrive adds up what all of them wrote.
__global__ void sum_in_last_block(float* partial, unsigned* arrived, float* sum) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = static_cast<float>(blockIdx.x);
    __threadfence();
    last = atomicAdd(arrived, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float total = 0.0f;
    for (unsigned block = 0; block < gridDim.x; ++block) total += partial[block];
    *sum = total;
  }
}

__global__ void hinted_copies(float4 const* from, float4* to) {
  switch (threadIdx.x % 6) {
    case 0:
      __stcs(to + threadIdx.x, __ldg(from + threadIdx.x));
      break;
    case 1:
      __stcg(to + threadIdx.x, __ldcg(from + threadIdx.x));
      break;
    case 2:
      __stwt(to + threadIdx.x, __ldcs(from + threadIdx.x));
      break;
    case 3:
      __stwb(to + threadIdx.x, __ldcv(from + threadIdx.x));
      break;
    case 4:
      to[threadIdx.x] = __ldca(from + threadIdx.x);
      break;
    default:
      to[threadIdx.x] = __ldlu(from + threadIdx.x);
      break;
  }
}

}  // namespace

TEMPLATE_TEST_CASE("atomics accumulate over threads and blocks", "", int, unsigned long long, float, double) {
  std::vector<TestType> values(5 * 64);
  for (std::size_t index = 0; index < values.size(); ++index)
    values[index] = static_cast<TestType>((index * 37) % 101 + 1);
  TestType sum{};
  for (TestType const value : values) sum += value;
  in_every_order([&] {
    totals<TestType> result{0, 0, std::numeric_limits<TestType>::max(), std::numeric_limits<TestType>::lowest()};
    launch(accumulate<TestType>, 5, 64, 0, static_cast<TestType const*>(values.data()), &result);
    REQUIRE(result.sum == sum);  // integers below 2^24: no rounding
    REQUIRE(result.difference == static_cast<TestType>(-sum));
    REQUIRE(result.smallest == *std::min_element(values.begin(), values.end()));
    REQUIRE(result.largest == *std::max_element(values.begin(), values.end()));
  });
}

TEST_CASE("atomics on bits") {
  std::vector<unsigned> values(64);
  bit_totals expected{~0u, 0, 0};
  for (unsigned index = 0; index < 64; ++index) {
    values[index] = index * 0x9e3779b9u | 0x10u;
    expected.bits_and &= values[index];
    expected.bits_or |= values[index];
    expected.bits_xor ^= values[index];
  }
  bit_totals result{~0u, 0, 0};
  launch(accumulate_bits, 1, 64, 0, static_cast<unsigned const*>(values.data()), &result);
  REQUIRE(result.bits_and == expected.bits_and);
  REQUIRE(result.bits_or == expected.bits_or);
  REQUIRE(result.bits_xor == expected.bits_xor);
}

TEST_CASE("atomics return the old value") {
  in_every_order([] {
    unsigned counter = 0;
    std::vector<unsigned> tickets(96);
    launch(take_tickets, 3, 32, 0, &counter, tickets.data());
    std::sort(tickets.begin(), tickets.end());
    for (unsigned index = 0; index < 96; ++index) REQUIRE(tickets[index] == index);

    int cell = -1;
    std::vector<int> left(33, 0);
    launch(exchange_and_subtract, 1, 32, 0, &cell, left.data());
    int total = cell;
    for (int lane = 0; lane < 32; ++lane) total += left[static_cast<std::size_t>(lane)];
    REQUIRE(total == 31 * 16 - 1);  // every number moved through the cell once
    REQUIRE(left[32] == -64);
  });
}

TEST_CASE("atomicInc and atomicDec wrap at their bound") {
  unsigned up = 0, down = 0;
  launch(wrap_around, 1, 32, 0, &up, &down);
  REQUIRE(up == 2);    // 32 mod 10
  REQUIRE(down == 8);  // -32 mod 10
}

TEST_CASE("a maximum by compare and swap") {
  std::vector<float> values(128);
  for (std::size_t index = 0; index < values.size(); ++index)
    values[index] = static_cast<float>((index * 53) % 128) * 0.5f;
  in_every_order([&] {
    float largest = -1.0f;
    launch(largest_by_compare_and_swap, 1, 128, 0, static_cast<float const*>(values.data()), &largest);
    REQUIRE(largest == 63.5f);
  });
}

TEST_CASE("the last block of a grid sees what the others wrote") {
  in_every_order([] {
    std::vector<float> partial(9);
    unsigned arrived = 0;
    float sum = 0.0f;
    launch(sum_in_last_block, 9, 64, 0, partial.data(), &arrived, &sum);
    REQUIRE(sum == 36.0f);
  });
}

TEST_CASE("cache hints do not change values") {
  std::vector<float4> from(96), to(96);
  for (std::size_t index = 0; index < from.size(); ++index) from[index].z = static_cast<float>(index);
  launch(hinted_copies, 1, 96, 0, static_cast<float4 const*>(from.data()), to.data());
  for (std::size_t index = 0; index < from.size(); ++index) REQUIRE(to[index].z == static_cast<float>(index));
}
