// SPDX-License-Identifier: MIT
/// @file
/// Warp collectives against the wording of the CUDA programming guide, for every lane, width and argument.
#include "engine_support.hpp"
#include <bit>
#include <vector>

using namespace engine_tests;

namespace {

enum class shuffle { index, up, down, exclusive_or };

/// @param results  [argument][lane]: what the lane received; lane l contributes 100 + l
template <class T>
__global__ void shuffle_all(shuffle kind, int width, T* results) {
  int const lane = static_cast<int>(threadIdx.x) % 32;
  auto const value = static_cast<T>(100 + lane);
  for (int argument = 0; argument < 32; ++argument) {
    T& result = results[argument * 32 + lane];
    auto const delta = static_cast<unsigned>(argument);
    switch (kind) {
      case shuffle::index:
        result = __shfl_sync(full_mask, value, argument, width);
        break;
      case shuffle::up:
        result = __shfl_up_sync(full_mask, value, delta, width);
        break;
      case shuffle::down:
        result = __shfl_down_sync(full_mask, value, delta, width);
        break;
      case shuffle::exclusive_or:
        result = __shfl_xor_sync(full_mask, value, argument, width);
        break;
    }
  }
}

/// The guide's rules: segments of `width` lanes; who would read outside of its own reads itself, except that xor may
/// read from an earlier segment.
int source_of(shuffle kind, int lane, int argument, int width) {
  int const segment = lane / width, position = lane % width;
  switch (kind) {
    case shuffle::index:
      return segment * width + argument % width;
    case shuffle::up:
      return position < argument ? lane : lane - argument;
    case shuffle::down:
      return position + argument >= width ? lane : lane + argument;
    case shuffle::exclusive_or:
      break;
  }
  int const source = lane ^ argument;
  return source / width > segment ? lane : source;
}

template <class T>
void require_shuffles() {
  for (auto const kind : {shuffle::index, shuffle::up, shuffle::down, shuffle::exclusive_or})
    for (int width = 1; width <= 32; width *= 2) {
      std::vector<T> results(32 * 32, static_cast<T>(0));
      launch(shuffle_all<T>, 1, 32, 0, kind, width, results.data());
      for (int argument = 0; argument < 32; ++argument)
        for (int lane = 0; lane < 32; ++lane) {
          auto const result = static_cast<float>(results[static_cast<std::size_t>(argument * 32 + lane)]);
          int const source = source_of(kind, lane, argument, width);
          if (result != static_cast<float>(100 + source)) {
            CAPTURE(static_cast<int>(kind), width, argument, lane, source, result);
            FAIL("wrong source lane");
          }
        }
    }
}

struct vote_results {
  unsigned ballot;
  int any, all;
};
/// Lanes whose bit in `members` is set vote with their bit in `votes`.
__global__ void vote(unsigned members, unsigned votes, vote_results* results) {
  unsigned const lane = threadIdx.x;
  if ((members >> lane & 1u) == 0) return;
  int const predicate = static_cast<int>(votes >> lane & 1u) * 8;
  results[lane] = {__ballot_sync(members, predicate), __any_sync(members, predicate), __all_sync(members, predicate)};
}

struct match_results {
  unsigned any, all;
  int all_equal;
};
template <class T>
__global__ void match(unsigned members, T const* values, match_results* results) {
  unsigned const lane = threadIdx.x;
  if ((members >> lane & 1u) == 0) return;
  match_results& mine = results[lane];
  mine.any = __match_any_sync(members, values[lane]);
  mine.all = __match_all_sync(members, values[lane], &mine.all_equal);
}

struct reductions {
  unsigned add, smallest, largest, bits_and, bits_or, bits_xor;
  int signed_add, signed_smallest, signed_largest;
};
__global__ void reduce(unsigned members, unsigned const* values, reductions* results) {
  unsigned const lane = threadIdx.x;
  if ((members >> lane & 1u) == 0) return;
  unsigned const value = values[lane];
  auto const signed_value = static_cast<int>(value);
  results[lane] = {__reduce_add_sync(members, value),        __reduce_min_sync(members, value),
                   __reduce_max_sync(members, value),        __reduce_and_sync(members, value),
                   __reduce_or_sync(members, value),         __reduce_xor_sync(members, value),
                   __reduce_add_sync(members, signed_value), __reduce_min_sync(members, signed_value),
                   __reduce_max_sync(members, signed_value)};
}

reductions reduce_plainly(unsigned members, unsigned const* values) {
  reductions result{0, ~0u, 0, ~0u, 0, 0, 0, 0x7fffffff, -0x7fffffff - 1};
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((members >> lane & 1u) == 0) continue;
    unsigned const value = values[lane];
    result.add += value;
    result.smallest = value < result.smallest ? value : result.smallest;
    result.largest = value > result.largest ? value : result.largest;
    result.bits_and &= value;
    result.bits_or |= value;
    result.bits_xor ^= value;
    auto const signed_value = static_cast<int>(value);
    result.signed_smallest = signed_value < result.signed_smallest ? signed_value : result.signed_smallest;
    result.signed_largest = signed_value > result.signed_largest ? signed_value : result.signed_largest;
  }
  result.signed_add = static_cast<int>(result.add);
  return result;
}

constexpr unsigned member_sets[] = {0xffffffffu, 0x0000ffffu, 0xaaaaaaaau, 0x80000001u, 0x00000010u, 0x7fffffffu};

unsigned next_random(unsigned& seed) { return seed = seed * 1664525u + 1013904223u; }

__global__ void odd_and_even_lanes(int* results) {
  int const lane = static_cast<int>(threadIdx.x);
  int value = -1;
  if ((lane & 1) != 0)
    value = __reduce_add_sync(0xaaaaaaaau, lane);
  else
    value = __shfl_sync(0x55555555u, lane * 10, 4);
  results[lane] = value + __popc(__ballot_sync(full_mask, lane < 7)) * 1000;
}

/// Groups of 8 lanes with trip counts of their own, as tiles of a warp have.
__global__ void tiles_with_own_loops(int* results) {
  unsigned const lane = threadIdx.x, tile = lane / 8, members = 0xffu << (tile * 8);
  int value = static_cast<int>(lane);
  for (unsigned round = 0; round <= tile; ++round) value = __shfl_sync(members, value + 1, 0, 8);
  results[lane] = value;
}

__global__ void sync_at_two_places(int* results) {
  __shared__ int shared[32];
  unsigned const lane = threadIdx.x;
  shared[lane] = static_cast<int>(lane);
  if (lane < 16)
    __syncwarp();
  else
    __syncwarp();
  results[lane] = shared[lane ^ 16u];
}

__global__ void returned_lanes_do_not_count(int* results) {
  if (threadIdx.x >= 20) return;
  results[threadIdx.x] = __reduce_add_sync(full_mask, 1);
}

__global__ void wrong_mask(int* results) { results[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, 1, 1); }
__global__ void wrong_width(int width, int* results) { results[threadIdx.x] = __shfl_sync(full_mask, 1, 3, width); }
__global__ void absent_source(int* results) {
  if (threadIdx.x < 16) results[threadIdx.x] = __shfl_down_sync(0xffffu, 1, 8);
}
__global__ void returned_source(int* results) {
  if (threadIdx.x == 5) return;
  results[threadIdx.x] = __shfl_sync(full_mask, 1, 5);
}
__global__ void shuffle_against_sync(int* results) {
  if ((threadIdx.x & 1u) != 0)
    results[threadIdx.x] = __shfl_sync(full_mask, 1, 0);
  else
    __syncwarp();
}
__global__ void two_masks(int* results) {
  unsigned const mask = threadIdx.x < 4 ? 0x0000001fu : full_mask;  // lane 4 is in both
  results[threadIdx.x] = __any_sync(mask, 1);
}
__global__ void two_shuffles(int* results) {
  if (threadIdx.x < 16)
    results[threadIdx.x] = __shfl_sync(full_mask, 1, 0);
  else
    results[threadIdx.x] = __shfl_sync(full_mask, 1, 0);
}
__global__ void missing_lanes(int* results) {
  if (threadIdx.x < 30) results[threadIdx.x] = __shfl_sync(full_mask, 1, 0);
  __syncthreads();
}

}  // namespace

TEST_CASE("shuffles read the lane that CUDA says") {
  in_every_order([] { require_shuffles<int>(); });
  require_shuffles<unsigned>();
  require_shuffles<long long>();
  require_shuffles<unsigned long>();
  require_shuffles<float>();
  require_shuffles<double>();
  require_shuffles<__half>();
  require_shuffles<__nv_bfloat16>();
}

TEST_CASE("votes count the lanes of the mask") {
  unsigned seed = 1;
  for (unsigned const members : member_sets)
    for (unsigned const votes : {0u, ~0u, 1u << 31, next_random(seed), next_random(seed)}) {
      in_every_order([&] {
        std::vector<vote_results> results(32);
        launch(vote, 1, 32, 0, members, votes, results.data());
        for (unsigned lane = 0; lane < 32; ++lane) {
          if ((members >> lane & 1u) == 0) continue;
          REQUIRE(results[lane].ballot == (votes & members));
          REQUIRE((results[lane].any != 0) == ((votes & members) != 0));
          REQUIRE((results[lane].all != 0) == ((votes & members) == members));
        }
      });
    }
}

TEMPLATE_TEST_CASE("matches compare bits", "", int, unsigned long long, float, double) {
  unsigned seed = 3;
  for (unsigned const members : member_sets)
    for (unsigned const kinds : {1u, 2u, 5u}) {
      std::vector<TestType> values(32);
      for (auto& value : values) value = static_cast<TestType>((next_random(seed) >> 16) % kinds);
      std::vector<match_results> results(32);
      launch(match<TestType>, 1, 32, 0, members, static_cast<TestType const*>(values.data()), results.data());
      for (unsigned lane = 0; lane < 32; ++lane) {
        if ((members >> lane & 1u) == 0) continue;
        unsigned equal = 0;
        for (unsigned other = 0; other < 32; ++other)
          if ((members >> other & 1u) != 0 && values[other] == values[lane]) equal |= 1u << other;
        REQUIRE(results[lane].any == equal);
        REQUIRE(results[lane].all == (equal == members ? members : 0u));
        REQUIRE((results[lane].all_equal != 0) == (equal == members));
      }
    }
}

TEST_CASE("warp reductions equal a loop over the mask's lanes") {
  unsigned seed = 7;
  for (unsigned const members : member_sets)
    for (int round = 0; round < 4; ++round) {
      std::vector<unsigned> values(32);
      for (auto& value : values) value = next_random(seed);
      reductions const expected = reduce_plainly(members, values.data());
      in_every_order([&] {
        std::vector<reductions> results(32);
        launch(reduce, 1, 32, 0, members, static_cast<unsigned const*>(values.data()), results.data());
        for (unsigned lane = 0; lane < 32; ++lane) {
          if ((members >> lane & 1u) == 0) continue;
          reductions const& result = results[lane];
          REQUIRE(result.add == expected.add);
          REQUIRE(result.smallest == expected.smallest);
          REQUIRE(result.largest == expected.largest);
          REQUIRE(result.bits_and == expected.bits_and);
          REQUIRE(result.bits_or == expected.bits_or);
          REQUIRE(result.bits_xor == expected.bits_xor);
          REQUIRE(result.signed_add == expected.signed_add);
          REQUIRE(result.signed_smallest == expected.signed_smallest);
          REQUIRE(result.signed_largest == expected.signed_largest);
        }
      });
    }
}

TEST_CASE("legal patterns that look wrong are not reported") {
  std::vector<int> results(32);
  in_every_order([&] {
    launch(odd_and_even_lanes, 1, 32, 0, results.data());
    for (int lane = 0; lane < 32; ++lane)
      REQUIRE(results[static_cast<std::size_t>(lane)] == ((lane & 1) != 0 ? 256 : 40) + 7000);
    launch(tiles_with_own_loops, 1, 32, 0, results.data());
    for (int lane = 0; lane < 32; ++lane) {
      int const tile = lane / 8;
      REQUIRE(results[static_cast<std::size_t>(lane)] == tile * 8 + tile + 1);
    }
    launch(sync_at_two_places, 1, 32, 0, results.data());
    for (int lane = 0; lane < 32; ++lane) REQUIRE(results[static_cast<std::size_t>(lane)] == (lane ^ 16));
    launch(returned_lanes_do_not_count, 1, 32, 0, results.data());
    REQUIRE(results[0] == 20);
    launch(returned_lanes_do_not_count, 1, 12, 0, results.data());  // lanes 12 to 31 do not exist
    REQUIRE(results[11] == 12);
  });
}

TEST_CASE("misused warp collectives are reported") {
  std::vector<int> memory(64);
  int* const results = memory.data();
  require_failure({"__shfl_xor_sync at engine_collectives_test.cpp:"}, [&] { launch(wrong_mask, 1, 32, 0, results); });
  require_engine_works();
  {
    order_scope const scope(cuda_emulation::schedule::reverse);  // lane 31 comes first
    REQUIRE_THAT(failure_of([&] { launch(wrong_mask, 1, 32, 0, results); }),
                 Catch::Contains("calling lane 31 is not in its own mask 0x0000ffff") &&
                     Catch::Contains("block (0,0,0) thread (31,0,0)"));
  }
  for (int const width : {0, -1, 12, 33, 64})
    require_failure({"is not a power of two up to 32"}, [&] { launch(wrong_width, 1, 32, 0, width, results); });
  require_failure({"__shfl_down_sync at engine_collectives_test.cpp:", "reads lane ", "which does not take part"},
                  [&] { launch(absent_source, 1, 32, 0, results); });
  require_failure({"__shfl_sync at ", "reads lane 5, which does not take part"},
                  [&] { launch(returned_source, 1, 32, 0, results); });
  require_engine_works();
}

TEST_CASE("lanes that meet in different collectives are reported") {
  std::vector<int> memory(64);
  int* const results = memory.data();
  require_failure({"divergent warp collective: lane ",
                   "__shfl_sync at engine_collectives_test.cpp:", "__syncwarp at engine_collectives_test.cpp:"},
                  [&] { launch(shuffle_against_sync, 1, 32, 0, results); });
  require_failure({"divergent warp collective: lane ", "with mask 0x0000001f", "with mask 0xffffffff"},
                  [&] { launch(two_masks, 1, 32, 0, results); });
  require_failure({"divergent warp collective: lane "}, [&] { launch(two_shuffles, 1, 32, 0, results); });
  require_failure({"deadlock in block", "2 threads wait in __syncthreads", "30 threads wait in __shfl_sync"},
                  [&] { launch(missing_lanes, 1, 32, 0, results); });
  require_engine_works();
}

TEST_CASE("a warp collective outside a kernel is reported") {
  REQUIRE_THAT(failure_of([] { __syncwarp(); }), Catch::Contains("outside a kernel"));
}
