// SPDX-License-Identifier: MIT
// Normalised rewards and several rewards per response.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/multi_reward.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <support/catch.hpp>
#include <vector>

namespace {

using rlvr::statistic_scope;
constexpr double missing = std::numeric_limits<double>::quiet_NaN();

std::vector<double> normalised(rlvr::reward_normalisation const& rule, std::vector<double> rewards,
                               std::vector<int> const& group) {
  rule.apply(std::span<double const>(rewards), std::span<int const>(group), std::span<double>(rewards));
  return rewards;
}

std::vector<double> combined(rlvr::multi_reward const& rule, std::vector<double> const& rewards,
                             std::vector<double> const& weights, std::vector<int> const& group) {
  std::vector<double> advantages(group.size(), missing);
  rule.apply(std::span<double const>(rewards), std::span<double const>(weights), std::span<int const>(group),
             std::span<double>(advantages));
  return advantages;
}

void check_close(std::vector<double> const& found, std::vector<double> const& expected, double tolerance = 1e-12) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("entry " << i << ": " << found[i] << ", expected " << expected[i]);
    CHECK(std::abs(found[i] - expected[i]) <= tolerance);
  }
}

// Mean and standard deviation (n - 1) of some numbers, the plain way.
std::array<double, 2> moments(std::vector<double> const& values) {
  double mean = 0;
  for (double const x : values) mean += x / static_cast<double>(values.size());
  double squares = 0;
  for (double const x : values) squares += (x - mean) * (x - mean);
  return {mean, std::sqrt(squares / static_cast<double>(values.size() - 1))};
}

}  // namespace

TEST_CASE("the grid of means and deviations", "[reward]") {
  unsigned const seed = 77;
  INFO("seed " << seed);
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<int> const group{5, 1, 5, 1, 1, 5, 5};
  std::vector<double> rewards(group.size());
  for (double& reward : rewards) reward = normal(engine);
  auto const batch = moments(rewards);
  for (auto const mean : {statistic_scope::none, statistic_scope::group, statistic_scope::batch}) {
    for (auto const deviation : {statistic_scope::none, statistic_scope::group, statistic_scope::batch}) {
      auto const found = normalised({.mean = mean, .deviation = deviation, .epsilon = 0.01}, rewards, group);
      for (std::size_t i = 0; i < rewards.size(); ++i) {
        std::vector<double> own;
        for (std::size_t j = 0; j < rewards.size(); ++j)
          if (group[j] == group[i]) own.push_back(rewards[j]);
        auto const centre =
            mean == statistic_scope::none ? 0 : (mean == statistic_scope::group ? moments(own) : batch)[0];
        auto const spread = deviation == statistic_scope::none
                                ? 1
                                : (deviation == statistic_scope::group ? moments(own) : batch)[1] + 0.01;
        CHECK(found[i] == Approx((rewards[i] - centre) / spread).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("normalisation leaves out what is missing and divides by nothing that is zero", "[reward]") {
  std::vector<int> const group{0, 0, 0, 1};
  // One scorable reward in the second group: its mean is itself, its deviation unknown.
  check_close(normalised({.epsilon = 0}, {1, 3, missing, 7}, group), {-std::sqrt(0.5), std::sqrt(0.5), 0, 0});
  check_close(normalised({.mean = statistic_scope::none, .epsilon = 0}, {2, 2, 2, 7}, group), {2, 2, 2, 7}, 0);
  check_close(normalised({.mean = statistic_scope::batch, .deviation = statistic_scope::batch, .epsilon = 0},
                         {missing, missing, missing, missing}, group),
              {0, 0, 0, 0}, 0);
  CHECK(normalised({}, {}, {}).empty());
  CHECK_THROWS_AS(normalised({}, {1, 2}, {1}), rlvr::shape_error);
  std::vector<double> rewards{1, 3, 5, 5};
  rlvr::reward_normalisation{.epsilon = 0}.apply(std::span<double const>(rewards), 2, std::span<double>(rewards));
  check_close(rewards, {-std::sqrt(0.5), std::sqrt(0.5), 0, 0});
  CHECK_THROWS_AS(rlvr::reward_normalisation{}.apply(std::span<double const>(rewards), 3, std::span<double>(rewards)),
                  rlvr::shape_error);
}

TEST_CASE("sums of rewards skip what is missing", "[reward]") {
  std::vector<double> const rewards{1, 2, missing, 4, missing, missing};
  std::vector<double> const weights{1, 0.5};
  std::vector<double> sums(3);
  rlvr::weighted_reward_sum(std::span<double const>(rewards), std::span<double const>(weights),
                            std::span<double>(sums));
  CHECK(sums[0] == 2);
  CHECK(sums[1] == 2);
  CHECK(std::isnan(sums[2]));
  CHECK_THROWS_AS(rlvr::weighted_reward_sum(std::span<double const>(rewards), std::span<double const>(weights),
                                            std::span<double>(sums).first(2)),
                  rlvr::shape_error);
  CHECK_THROWS_AS(rlvr::weighted_reward_sum(std::span<double const>(rewards), std::span<double const>(weights).first(0),
                                            std::span<double>(sums)),
                  rlvr::shape_error);
}

TEST_CASE("normalising each reward first keeps the weight of one with a small spread", "[reward]") {
  // Reward 1 is reward 0 in reverse order, a hundred times smaller.
  std::vector<double> const rewards{3, 0.01, 2, 0.02, 1, 0.03};
  std::vector<int> const group{0, 0, 0};
  std::vector<double> sums(3);
  std::vector<double> const weights{1, 1};
  rlvr::normalise_then_sum(rlvr::group_z_score{.epsilon = 0}, std::span<double const>(rewards),
                           std::span<double const>(weights), std::span<int const>(group), std::span<double>(sums));
  check_close(sums, {0, 0, 0}, 1e-12);  // they cancel
  auto const summed = combined({.epsilon = 0}, rewards, weights, group);
  check_close(summed, {1, 0, -1});  // the small one is lost
}

TEST_CASE("both ways to combine rewards follow their formula; missing rewards give zero", "[reward]") {
  std::vector<double> const rewards{1, 0, 2, 1, missing, missing, 0, 1, 4, missing, 1, 0};
  std::vector<double> const weights{1, 2};
  std::vector<int> const group{3, 3, 3, 8, 8, 8};
  // Sums 1, 4, -, 2, 4, 1.
  auto const batch = moments({1, 4, 2, 4, 1});
  double const second_mean = 7.0 / 3;
  check_close(combined({.scale = statistic_scope::none}, rewards, weights, group),
              {-1.5, 1.5, 0, 2 - second_mean, 4 - second_mean, 1 - second_mean});
  double const spread = batch[1] + 1e-4;
  check_close(combined({.scale = statistic_scope::batch}, rewards, weights, group),
              {-1.5 / spread, 1.5 / spread, 0, (2 - second_mean) / spread, (4 - second_mean) / spread,
               (1 - second_mean) / spread});
  double const first = moments({1, 4})[1] + 1e-4;
  auto const found = combined({}, rewards, weights, group);
  check_close({found[0], found[1], found[2]}, {-1.5 / first, 1.5 / first, 0});

  // Each reward by itself: (1, 2, -), (0, 4, 1); (0, 1, -), (1, -, 0).
  double const half = std::sqrt(0.5);
  auto const z = [](double x, double mean, double deviation) { return (x - mean) / (deviation + 1e-4); };
  auto const last = moments({0, 4, 1});
  std::vector<double> const totals{3 * z(1, 1.5, half), 3 * z(2, 1.5, half),
                                   z(0, last[0], last[1]) + 2 * z(1, 0.5, half), z(4, last[0], last[1]),
                                   z(1, last[0], last[1]) + 2 * z(0, 0.5, half)};
  auto const all = moments(totals);
  check_close(combined({.aggregation = rlvr::reward_aggregation::normalise_then_sum}, rewards, weights, group),
              {z(totals[0], all[0], all[1]), z(totals[1], all[0], all[1]), 0, z(totals[2], all[0], all[1]),
               z(totals[3], all[0], all[1]), z(totals[4], all[0], all[1])});
}

TEST_CASE("responses without a baseline stay out of the normalisation that follows", "[reward]") {
  std::vector<double> const rewards{1, 3, 5, missing, 2, missing};
  std::vector<int> const group{0, 0, 1, 1, 0, 2};
  std::vector<double> advantages{-1, 1, 0, 0, 0, 0};
  rlvr::exclude_without_baseline(std::span<double const>(rewards), std::span<int const>(group),
                                 std::span<double>(advantages));
  CHECK(advantages[4] == 0);
  CHECK(std::isnan(advantages[2]));
  CHECK(std::isnan(advantages[3]));
  CHECK(std::isnan(advantages[5]));
  check_close(normalised({.mean = statistic_scope::batch, .deviation = statistic_scope::batch, .epsilon = 0},
                         advantages, group),
              {-1, 1, 0, 0, 0, 0});
  CHECK_THROWS_AS(rlvr::exclude_without_baseline(std::span<double const>(rewards), std::span<int const>(group).first(2),
                                                 std::span<double>(advantages)),
                  rlvr::shape_error);
}
