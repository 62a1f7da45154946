// SPDX-License-Identifier: MIT
// Length, truncation and repetition penalties, reward maps, and the filters of dynamic sampling.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/reward_shaping.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <support/catch.hpp>
#include <vector>

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class Filter>
std::vector<int> kept(Filter const& filter, std::vector<double> const& rewards, std::size_t group_size) {
  auto const flags = std::make_unique<bool[]>(rewards.size());
  rlvr::filter_groups(filter, std::span<double const>(rewards), group_size,
                      std::span<bool>(flags.get(), rewards.size()));
  return {flags.get(), flags.get() + rewards.size()};
}

double repetition(rlvr::repetition_penalty const& rule, std::vector<int> const& tokens) {
  return rule(std::span<int const>(tokens));
}

}  // namespace

TEST_CASE("overlong penalties grow over the buffer", "[reward]") {
  rlvr::soft_overlong const soft{.max_length = 100, .buffer = 20};
  rlvr::linear_overlong const capped{.max_length = 100, .buffer = 20, .factor = 0.5};
  rlvr::linear_overlong const open{.max_length = 100, .buffer = 20, .factor = 0.5, .capped = false};
  struct row {
    std::int64_t length;
    double soft, capped, open;
  };
  for (row const& r : {row{0, 0, 0, 0}, row{80, 0, 0, 0}, row{81, -0.05, -0.025, -0.025}, row{90, -0.5, -0.25, -0.25},
                       row{100, -1, -0.5, -0.5}, row{120, -1, -0.5, -1}}) {
    INFO("length " << r.length);
    CHECK(soft(r.length) == Approx(r.soft).margin(1e-15));
    CHECK(capped(r.length) == Approx(r.capped).margin(1e-15));
    CHECK(open(r.length) == Approx(r.open).margin(1e-15));
  }
  // Without a buffer the penalty is a step.
  CHECK(rlvr::soft_overlong{.max_length = 5, .buffer = 0}(5) == 0);
  CHECK(rlvr::soft_overlong{.max_length = 5, .buffer = 0}(6) == -1);
  CHECK(rlvr::linear_overlong{.max_length = 5, .buffer = 0}(6) == -1);
  CHECK_NOTHROW(soft.validate());
  CHECK_NOTHROW(open.validate());
  CHECK_THROWS_AS((rlvr::soft_overlong{.max_length = 5, .buffer = 6}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((rlvr::linear_overlong{.max_length = 5, .buffer = 0, .capped = false}.validate()),
                  rlvr::argument_error);
}

TEST_CASE("truncated responses are scaled or replaced, the others left alone", "[reward]") {
  CHECK(rlvr::truncation_rule{.coefficient = 0.5}(3.0, true) == 1.5);
  CHECK(rlvr::truncation_rule{.coefficient = -0.5}(3.0, true) == -0.5);
  CHECK(rlvr::truncation_rule{}(3.0f, true) == 0);
  CHECK(rlvr::truncation_rule{}(not_a_number, true) == 0);
  for (double const coefficient : {-1.0, 0.0, 0.5}) CHECK(rlvr::truncation_rule{coefficient}(3.0, false) == 3);
}

TEST_CASE("the repetition penalty equals one minus the share of distinct n-grams", "[reward]") {
  unsigned const seed = 9;
  std::mt19937_64 engine(seed);
  for (std::size_t n = 1; n <= 4; ++n) {
    for (std::size_t length = 0; length < 30; ++length) {
      INFO("seed " << seed << ", n " << n << ", length " << length);
      std::vector<int> tokens(length);
      for (int& token : tokens) token = static_cast<int>(engine() % 3);
      double expected = 0;
      if (length >= n) {
        std::set<std::vector<int>> distinct;
        for (std::size_t i = 0; i + n <= length; ++i)
          distinct.insert(
              {tokens.begin() + static_cast<std::ptrdiff_t>(i), tokens.begin() + static_cast<std::ptrdiff_t>(i + n)});
        expected = -2 * (1 - static_cast<double>(distinct.size()) / static_cast<double>(length - n + 1));
      }
      CHECK(repetition({.ngram_size = n, .penalty = -2}, tokens) == Approx(expected).margin(1e-15));
    }
  }
  CHECK(repetition({.ngram_size = 0}, {1, 1}) == 0);
  CHECK_THROWS_AS(rlvr::repetition_penalty{.ngram_size = 0}.validate(), rlvr::argument_error);
}

TEST_CASE("the cosine reward falls for right responses and rises for wrong ones", "[reward]") {
  // By hand: cos(0) = 1, cos(pi/3) = 1/2, cos(pi/2) = 0, cos(2 pi/3) = -1/2.
  rlvr::cosine_length const rule{
      .max_length = 60, .right_short = 2, .right_long = 1, .wrong_short = -10, .wrong_long = 0, .exceeded = -12};
  struct row {
    std::int64_t length;
    double right, wrong;
  };
  for (row const& r : {row{0, 2, -10}, row{20, 1.75, -7.5}, row{30, 1.5, -5}, row{40, 1.25, -2.5}, row{60, -12, -12},
                       row{99, -12, -12}, row{-1, 2, -10}}) {
    CAPTURE(r.length);
    CHECK(rule(r.length, true) == Approx(r.right).margin(1e-12));
    CHECK(rule(r.length, false) == Approx(r.wrong).margin(1e-12));
  }
  CHECK_NOTHROW(rule.validate());
  CHECK_NOTHROW(rlvr::cosine_length{}.validate());
  CHECK_THROWS_AS(rlvr::cosine_length{.max_length = 0}.validate(), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::cosine_length{.wrong_long = 0.5}.validate(), rlvr::argument_error);
}

TEST_CASE("a reward map is linear, then clamped", "[reward]") {
  rlvr::reward_map const map{
      .source_low = 0, .source_high = 2, .target_low = -1, .target_high = 1, .lowest = -1, .highest = 0.5};
  CHECK(map(0.0) == -1);
  CHECK(map(1.0) == 0);
  CHECK(map(2.0) == 0.5);
  CHECK(map(-9.0f) == -1);
  CHECK(std::isnan(map(not_a_number)));
  CHECK(rlvr::reward_map{}(0.3) == 0.3);
  CHECK_NOTHROW(map.validate());
  CHECK_THROWS_AS((rlvr::reward_map{.source_low = 1, .source_high = 1}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((rlvr::reward_map{.lowest = 1, .highest = 0}.validate()), rlvr::argument_error);
}

TEST_CASE("dynamic sampling keeps groups that carry a gradient", "[reward]") {
  CHECK(kept(rlvr::mean_between{}, {0, 0, 1, 1, 0, 1}, 2) == std::vector<int>{0, 0, 0, 0, 1, 1});
  CHECK(kept(rlvr::spread_above{}, {0, 0, 1, 1, 0, 1}, 2) == std::vector<int>{0, 0, 0, 0, 1, 1});
  // Equal rewards that are not representable: a two-pass variance would still be 0, a one-pass one would not.
  CHECK(kept(rlvr::spread_above{.threshold = 0}, {0.95, 0.95, 0.95}, 3) == std::vector<int>{0, 0, 0});
  CHECK(kept(rlvr::mean_between{.low = 0.25, .high = 0.75}, {0, 0.5, 1, 0.5}, 2) == std::vector<int>{0, 0, 0, 0});
  CHECK(kept(rlvr::mean_between{}, {0.5, not_a_number, not_a_number, not_a_number}, 2) == std::vector<int>{1, 1, 0, 0});
  CHECK(kept(rlvr::spread_above{}, {0.5, not_a_number}, 2) == std::vector<int>{0, 0});
  CHECK(kept(rlvr::spread_above{}, {}, 2).empty());
  CHECK_THROWS_AS(kept(rlvr::spread_above{}, {1, 2, 3}, 2), rlvr::shape_error);
  CHECK_THROWS_AS(kept(rlvr::spread_above{}, {1, 2}, 0), rlvr::shape_error);

  std::vector<double> const rewards{1, 0, 1, 1};
  std::vector<int> const group{4, 2, 2, 4};
  bool keep[4] = {};
  rlvr::filter_groups(rlvr::spread_above{}, std::span<double const>(rewards), std::span<int const>(group),
                      std::span<bool>(keep));
  CHECK(std::vector<int>(keep, keep + 4) == std::vector<int>{0, 1, 1, 0});
}

TEST_CASE("a filter on shaped rewards keeps groups without a signal", "[reward]") {
  rlvr::soft_overlong const overlong{.max_length = 10, .buffer = 5};
  std::vector<double> const raw{1, 1};
  std::vector<double> const shaped{1 + overlong(4), 1 + overlong(8)};
  CHECK(kept(rlvr::spread_above{}, raw, 2) == std::vector<int>{0, 0});
  CHECK(kept(rlvr::spread_above{}, shaped, 2) == std::vector<int>{1, 1});
}
