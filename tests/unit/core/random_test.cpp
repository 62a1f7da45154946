// SPDX-License-Identifier: MIT
// Philox against the known answers that its authors publish (Random123, kat_vectors), and sanity of what is built on
// it.
#include <rlvr/core/random.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <support/catch.hpp>
#include <vector>

namespace {

using rlvr::philox;
using rlvr::philox_block;

// Pearson's statistic over equally likely cells.
double chi_square(std::vector<std::uint64_t> const& counts, double expected) {
  double sum = 0;
  for (std::uint64_t const count : counts) {
    double const difference = static_cast<double>(count) - expected;
    sum += difference * difference / expected;
  }
  return sum;
}

// Mean + 5 standard deviations of the chi-square distribution.
double chi_square_limit(std::size_t cells) {
  auto const freedom = static_cast<double>(cells - 1);
  return freedom + 5 * std::sqrt(2 * freedom);
}

}  // namespace

TEST_CASE("philox4x32-10: published known answers") {
  CHECK(philox(0, {{0, 0, 0, 0}}) == philox_block{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  CHECK(philox(~std::uint64_t{0}, {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}) ==
        philox_block{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  CHECK(philox(0x299f31d0a4093822, {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}) ==
        philox_block{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
  static_assert(philox(0, {{0, 0, 0, 0}}).word[0] == 0x6627e8d5);  // usable at compile time
}

TEST_CASE("sample_key: every field changes the draw") {
  rlvr::sample_key const base{.seed = 7, .step = 1, .prompt = 2, .sample = 3, .position = 4};
  std::set<std::uint64_t> seen{base.bits()};
  for (std::uint32_t delta = 1; delta <= 100; ++delta) {
    for (int field = 0; field < 5; ++field) {
      rlvr::sample_key key = base;
      (field == 0   ? key.step
       : field == 1 ? key.prompt
       : field == 2 ? key.sample
                    : key.position) += field < 4 ? delta : 0;
      if (field == 4) key.seed += delta;
      seen.insert(key.bits());
    }
  }
  CHECK(seen.size() == 501);
  CHECK(base.bits() == rlvr::sample_key{.seed = 7, .step = 1, .prompt = 2, .sample = 3, .position = 4}.bits());
  // Fields are not added up: exchanging two of them is another draw.
  CHECK(base.bits() != rlvr::sample_key{.seed = 7, .step = 2, .prompt = 1, .sample = 3, .position = 4}.bits());
}

TEST_CASE("random_stream: uniform numbers are uniform") {
  constexpr std::size_t cells = 100;
  constexpr std::size_t draws = 200000;
  rlvr::random_stream stream(20250704);
  std::vector<std::uint64_t> counts(cells);
  double sum = 0;
  double lag_product = 0;
  double previous = 0.5;
  for (std::size_t i = 0; i < draws; ++i) {
    double const u = stream.uniform();
    REQUIRE((u >= 0.0 && u < 1.0));
    ++counts[static_cast<std::size_t>(u * cells)];
    sum += u;
    lag_product += (u - 0.5) * (previous - 0.5);
    previous = u;
  }
  CHECK(chi_square(counts, static_cast<double>(draws) / cells) < chi_square_limit(cells));
  CHECK(std::abs(sum / draws - 0.5) < 5 / std::sqrt(12.0 * draws));
  CHECK(std::abs(lag_product / draws) < 5 / (12 * std::sqrt(static_cast<double>(draws))));
}

TEST_CASE("random_stream: every bit is set half of the time") {
  constexpr int draws = 20000;
  rlvr::random_stream stream(3, 9);
  std::array<int, 64> ones{};
  for (int i = 0; i < draws; ++i) {
    std::uint64_t const bits = stream.bits();
    for (std::size_t bit = 0; bit < 64; ++bit) ones[bit] += static_cast<int>(bits >> bit & 1);
  }
  for (int const count : ones) CHECK(std::abs(count - draws / 2) < 5 * std::sqrt(draws / 4.0));
}

TEST_CASE("random_stream: seeds and streams differ, equal ones repeat") {
  rlvr::random_stream a(1, 0), again(1, 0), other_seed(2, 0), other_stream(1, 1), far_stream(1, std::uint64_t{1} << 32);
  for (int i = 0; i < 100; ++i) {
    std::uint64_t const bits = a.bits();
    CHECK(bits == again.bits());
    CHECK(bits != other_seed.bits());
    CHECK(bits != other_stream.bits());
    CHECK(bits != far_stream.bits());
  }
}

TEST_CASE("random_stream: below is uniform for any bound") {
  for (std::uint64_t const bound : {1u, 2u, 3u, 7u, 10u, 97u}) {
    rlvr::random_stream stream(11, bound);
    constexpr std::size_t draws = 50000;
    std::vector<std::uint64_t> counts(bound);
    for (std::size_t i = 0; i < draws; ++i) {
      std::uint64_t const draw = stream.below(bound);
      REQUIRE(draw < bound);
      ++counts[draw];
    }
    INFO("bound " << bound);
    if (bound > 1) CHECK(chi_square(counts, draws / static_cast<double>(bound)) < chi_square_limit(bound));
  }
  // Two thirds of the 64-bit range: taking the remainder would favour the lower half of the results by two to one.
  std::uint64_t const bound = 0xaaaaaaaaaaaaaaaau;
  rlvr::random_stream stream(12);
  int lower = 0;
  for (int i = 0; i < 20000; ++i) lower += stream.below(bound) < bound / 2;
  CHECK(std::abs(lower - 10000) < 5 * std::sqrt(5000.0));
}
