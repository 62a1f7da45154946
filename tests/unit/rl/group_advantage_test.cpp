// SPDX-License-Identifier: MIT
// Estimators of rl/group_advantage.hpp: against naive formulas, and at their edges.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/group_advantage.hpp>

#include "close.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <support/catch.hpp>
#include <vector>

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

template <class T = double, class Estimator>
std::vector<T> of_one_group(Estimator const& estimator, std::vector<T> const& rewards) {
  std::vector<T> advantages(rewards.size(), T(not_a_number));
  rlvr::group_advantages(estimator, std::span<T const>(rewards), rewards.size(), std::span<T>(advantages));
  return advantages;
}

template <class T = double>
std::vector<T> by_length(rlvr::length_weighted_baseline const& rule, std::vector<T> const& rewards,
                         std::vector<std::int64_t> const& lengths) {
  std::vector<T> advantages(rewards.size(), T(not_a_number));
  std::vector<int> const one_group(rewards.size(), 0);
  rule.apply(std::span<T const>(rewards), std::span<std::int64_t const>(lengths), std::span<int const>(one_group),
             std::span<T>(advantages));
  return advantages;
}

}  // namespace

TEST_CASE("every estimator follows its formula on random groups", "[advantage]") {
  unsigned const seed = 20251;
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  for (int round = 0; round < 20; ++round) {
    INFO("seed " << seed << ", round " << round);
    std::vector<double> rewards(static_cast<std::size_t>(2 + round % 7));
    std::vector<std::int64_t> lengths;
    for (double& reward : rewards) reward = 2 + normal(engine);
    for (std::size_t i = 0; i < rewards.size(); ++i) lengths.push_back(static_cast<std::int64_t>(engine() % 9));
    lengths[0] += 1;
    double const n = static_cast<double>(rewards.size());
    double mean = 0, weighted = 0, tokens = 0;
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      mean += rewards[i] / n;
      weighted += rewards[i] * static_cast<double>(lengths[i]);
      tokens += static_cast<double>(lengths[i]);
    }
    std::vector<double> relative, by_tokens, scaled, leave_one_out, best(rewards.size(), 0.0);
    double squares = 0;
    for (double const r : rewards) squares += (r - mean) * (r - mean);
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      relative.push_back((rewards[i] - mean) / (mean + 0.5));
      by_tokens.push_back(rewards[i] - weighted / tokens);
      scaled.push_back(3 * (rewards[i] - mean) / 2);
      double const others = (mean * n - rewards[i]) / (n - 1);
      double deviation = 0;
      for (std::size_t j = 0; j < rewards.size(); ++j)
        deviation += j == i ? 0 : (rewards[j] - others) * (rewards[j] - others);
      deviation = n > 2 ? std::sqrt(deviation / (n - 2)) : 0;
      leave_one_out.push_back((rewards[i] - others) / (n > 2 ? deviation + 1e-3 : 1));
    }
    std::vector<double> sorted = rewards;
    std::sort(sorted.begin(), sorted.end());
    auto const winner = std::max_element(rewards.begin(), rewards.end()) - rewards.begin();
    best[static_cast<std::size_t>(winner)] =
        (sorted[sorted.size() - 1] - sorted[sorted.size() - 2]) / (std::sqrt(squares / (n - 1)) + 1e-6);
    check_close(of_one_group(rlvr::mean_relative{.epsilon = 0.5}, rewards), relative);
    check_close(of_one_group(rlvr::gpg_baseline{.alpha = 3, .f = 2}, rewards), scaled);
    check_close(of_one_group(rlvr::leave_one_out_z_score{.epsilon = 1e-3}, rewards), leave_one_out, 1e-9);
    check_close(of_one_group(rlvr::top_two_margin{}, rewards), best);
    check_close(by_length({}, rewards, lengths), by_tokens);
  }
}

TEMPLATE_TEST_CASE("nasty rewards: leave-one-out deviations keep their digits", "[advantage]", float, double) {
  using T = TestType;
  // The others of the first response are exactly equal: its advantage is not divided by rounding noise.
  std::vector<T> const odd{T(0), T(0.95), T(0.95), T(0.95), T(0.95), T(0.95), T(0.95), T(0.95)};
  auto const found = of_one_group<T>(rlvr::leave_one_out_z_score{}, odd);
  CHECK(found[0] == -odd[1]);
  double const deviation = static_cast<double>(odd[1]) / std::sqrt(7.0);
  double const expected = (static_cast<double>(odd[1]) / 7) / (deviation + 1e-6);
  CHECK(static_cast<double>(found[1]) == Approx(expected).epsilon(1e-6));
  // A large offset: 2^20 + {0, 1, 2, 3} is exact in float; its z-scores are those of {0, 1, 2, 3}.
  std::vector<T> const shifted{T(1048576), T(1048577), T(1048578), T(1048579)};
  auto const far = of_one_group<T>(rlvr::leave_one_out_z_score{}, shifted);
  auto const near_zero = of_one_group<T>(rlvr::leave_one_out_z_score{}, {T(0), T(1), T(2), T(3)});
  for (std::size_t i = 0; i < far.size(); ++i) CHECK(far[i] == Approx(near_zero[i]).epsilon(1e-7));
}

TEST_CASE("groups of equal rewards give exactly zero", "[advantage]") {
  for (double const reward : {0.1, -3.0, 0.95, 1e30}) {
    std::vector<double> const same(7, reward);
    std::vector<double> const zeros(7, 0.0);
    CHECK(of_one_group(rlvr::gpg_baseline{.alpha = 2}, same) == zeros);
    CHECK(of_one_group(rlvr::mean_relative{}, same) == zeros);
    CHECK(of_one_group(rlvr::leave_one_out_z_score{}, same) == zeros);
    CHECK(of_one_group(rlvr::top_two_margin{}, same) == zeros);
    CHECK(by_length({}, same, {1, 2, 3, 4, 5, 6, 7}) == zeros);
  }
}

TEST_CASE("groups of one follow the singleton rule, also when the others are unscorable", "[advantage]") {
  auto const keep = rlvr::singleton_rule::keep_reward;
  auto const zero = rlvr::singleton_rule::zero;
  for (auto const& group : {std::vector<double>{2.5}, std::vector<double>{2.5, not_a_number, -infinity}}) {
    auto const first = [&](auto const& rule) {
      auto const found = of_one_group(rule, group);
      for (std::size_t i = 1; i < found.size(); ++i) CHECK(found[i] == 0);
      return found[0];
    };
    CHECK(first(rlvr::gpg_baseline{.alpha = 2}) == 5);
    CHECK(first(rlvr::gpg_baseline{.alpha = 2, .singleton = zero}) == 0);
    CHECK(first(rlvr::mean_relative{}) == 0);
    CHECK(first(rlvr::mean_relative{.singleton = keep}) == 2.5);
    CHECK(first(rlvr::leave_one_out_z_score{}) == 0);
    CHECK(first(rlvr::leave_one_out_z_score{.singleton = keep}) == 2.5);
    CHECK(first(rlvr::top_two_margin{}) == 0);
    CHECK(first(rlvr::top_two_margin{.singleton = keep}) == 2.5);
    std::vector<std::int64_t> const lengths(group.size(), 3);
    CHECK(by_length({}, group, lengths)[0] == 2.5);
    CHECK(by_length({.singleton = zero}, group, lengths)[0] == 0);
  }
}

TEST_CASE("unscorable rewards are left out, or count as zero", "[advantage]") {
  std::vector<double> const holed{3, not_a_number, 1, infinity, 0.5};
  std::vector<double> const clean{3, 1, 0.5};
  auto const same_as_clean = [&](auto const& rule) {
    auto const with = of_one_group(rule, holed);
    auto const without = of_one_group(rule, clean);
    check_close({with[0], with[2], with[4]}, without, 0);
    CHECK(with[1] == 0);
    CHECK(with[3] == 0);
  };
  same_as_clean(rlvr::gpg_baseline{});
  same_as_clean(rlvr::mean_relative{});
  same_as_clean(rlvr::leave_one_out_z_score{});
  same_as_clean(rlvr::top_two_margin{});
  check_close(by_length({}, holed, {1, 50, 2, 50, 3}), {3 - 6.5 / 6, 0, 1 - 6.5 / 6, 0, 0.5 - 6.5 / 6});
  auto const as_zero = rlvr::unscorable_rule::as_zero;
  check_close(of_one_group(rlvr::top_two_margin{.divide_by_std = false, .unscorable = as_zero}, {-1.0, not_a_number}),
              {0, 1});
  check_close(by_length({.unscorable = as_zero}, {2.0, not_a_number}, {1, 3}), {1.5, -0.5});
  for (auto const& nothing : {std::vector<double>{}, std::vector<double>{not_a_number, infinity}}) {
    std::vector<double> const zeros(nothing.size(), 0.0);
    std::vector<double> advantages(nothing.size(), not_a_number);
    rlvr::advantages_of_group(
        rlvr::top_two_margin{}, static_cast<std::int64_t>(nothing.size()),
        [&](std::int64_t i) { return nothing[static_cast<std::size_t>(i)]; },
        [&](std::int64_t i, double advantage) { advantages[static_cast<std::size_t>(i)] = advantage; });
    CHECK(advantages == zeros);
    CHECK(by_length({}, nothing, std::vector<std::int64_t>(nothing.size(), 2)) == zeros);
  }
}

TEST_CASE("the scale of GPG counts responses with a reward", "[advantage]") {
  auto const scale = [](std::vector<double> const& rewards) {
    return rlvr::gpg_scale(std::span<double const>(rewards));
  };
  CHECK(scale({1, 0, 0, -1}) == 2);
  CHECK(scale({1, not_a_number, 0, 0}) == 4);
  CHECK(scale({0, 0, 0}) == 3);
  CHECK(scale({}) == 0);
}

TEST_CASE("a mean of zero or less leaves nothing to be relative to", "[advantage]") {
  check_close(of_one_group(rlvr::mean_relative{}, {1.0, -1.0}), {0, 0}, 0);
  check_close(of_one_group(rlvr::mean_relative{}, {1.0, -3.0}), {0, 0}, 0);
  check_close(of_one_group(rlvr::mean_relative{}, {1.0, 0.0, 0.0, 0.0}), {3, -1, -1, -1});
}

TEST_CASE("a group without tokens has advantage zero under the length-weighted baseline", "[advantage]") {
  check_close(by_length({}, {1.0, 2.0}, {0, 0}), {0, 0}, 0);
  CHECK_THROWS_AS(by_length({}, {1.0, 2.0}, {1}), rlvr::shape_error);
  CHECK_THROWS_AS(by_length({}, {1.0, 2.0}, {1, -1}), rlvr::argument_error);
  CHECK_NOTHROW(by_length({}, {}, {}));
}

TEST_CASE("the length penalty prefers the short one of two good responses", "[advantage]") {
  auto const run = [](rlvr::length_penalised_baseline const& rule, std::vector<double> const& rewards,
                      std::vector<rlvr::response_cost> const& costs) {
    std::vector<double> advantages(rewards.size(), not_a_number);
    rule.apply(std::span<double const>(rewards), std::span<rlvr::response_cost const>(costs),
               std::span<double>(advantages));
    return advantages;
  };
  rlvr::length_penalised_baseline const rule{.output_weight = 0.2, .input_weight = 0.1, .turns_weight = 0.4};
  std::vector<rlvr::response_cost> const costs{{100, 50, 1}, {50, 0, 2}, {25, 10, 2}};
  // mean 2/3; penalties .2 + .1 + .2, .1 + 0 + .4, .05 + .02 + .4.
  double const s0 = 1 - 2.0 / 3 * 0.5, s1 = 1 - 2.0 / 3 * 0.5, s2 = -2.0 / 3 * 0.47;
  double const mean = (s0 + s1 + s2) / 3;
  check_close(run(rule, {1, 1, 0}, costs), {s0 - mean, s1 - mean, s2 - mean});
  check_close(run(rule, {0, 0, 0}, costs), {0, 0, 0}, 0);
  check_close(run({}, {1, 0, not_a_number}, costs), {0.5, -0.5, 0}, 0);
  check_close(run(rule, {1}, {{0, 0, 0}}), {0}, 0);
  CHECK(run(rule, {}, {}).empty());
  CHECK_THROWS_AS(run(rule, {1, 2}, costs), rlvr::shape_error);
}

TEST_CASE("a running baseline scores first and moves afterwards", "[advantage]") {
  rlvr::running_baseline baseline{.decay = 0.75, .value = 1};
  CHECK(baseline.score(3) == 2);
  CHECK(baseline.value == 1.5);
  CHECK(baseline.score(not_a_number) == 0);
  CHECK(baseline.score(infinity) == 0);
  CHECK(baseline.value == 1.5);
  CHECK_THROWS_AS(rlvr::running_baseline{.decay = 1.5}.validate(), rlvr::argument_error);
  CHECK_NOTHROW(baseline.validate());
}
