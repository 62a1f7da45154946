// SPDX-License-Identifier: MIT
// Advantages, aggregation, AdamW and schedules: published values, edge cases, invariants.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/adamw_rule.hpp>
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/schedule.hpp>

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

template <class Estimator, class T = double>
std::vector<T> of_one_group(Estimator const& estimator, std::vector<T> const& rewards) {
  std::vector<T> advantages(rewards.size(), T(not_a_number));
  rlvr::group_advantages(estimator, std::span<T const>(rewards), rewards.size(), std::span<T>(advantages));
  return advantages;
}

void check_close(std::vector<double> const& found, std::vector<double> const& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("entry " << i);
    CHECK(std::abs(found[i] - expected[i]) <= tolerance);
  }
}

}  // namespace

TEST_CASE("z-scores of the R1-RE reward levels", "[advantage]") {
  std::vector<double> const rewards{3, -0.5, -0.5, -3};
  check_close(of_one_group(rlvr::group_z_score{.epsilon = 0, .ddof = 0}, rewards),
              {1.521535, -0.117041, -0.117041, -1.287453}, 5e-7);
  check_close(of_one_group(rlvr::group_z_score{.epsilon = 1e-6, .ddof = 1}, rewards),
              {1.317687, -0.101361, -0.101361, -1.114966}, 5e-7);
  std::vector<double> group(16, -0.5);
  std::fill_n(group.begin(), 4, 3.0);
  std::fill_n(group.begin() + 14, 2, -3.0);
  auto const advantages = of_one_group(rlvr::group_z_score{}, group);
  CHECK(advantages[0] == Approx(1.51440).margin(5e-6));
  CHECK(advantages[4] == Approx(-0.28999).margin(5e-6));
  CHECK(advantages[15] == Approx(-1.57884).margin(5e-6));
}

TEST_CASE("z-scores of a soft judge's rewards", "[advantage]") {
  // arXiv 2503.23829 does not say which standard deviation it divides by: both.
  std::vector<double> const rewards{0.9, 0.6, 0.3, 0.2};
  check_close(of_one_group(rlvr::group_z_score{.epsilon = 0, .ddof = 0}, rewards),
              {1.460593, 0.365148, -0.730297, -1.095445}, 5e-7);
  check_close(of_one_group(rlvr::group_z_score{.epsilon = 0, .ddof = 1}, rewards),
              {1.264911, 0.316228, -0.632456, -0.948683}, 5e-7);
}

TEST_CASE("leave one out subtracts the mean of the others", "[advantage]") {
  // Soft judge rewards of one group, worked by hand: .9 - (.6 + .3 + .2) / 3 = .53333.
  check_close(of_one_group(rlvr::leave_one_out{}, {0.9, 0.6, 0.3, 0.2}), {0.533333, 0.133333, -0.266667, -0.4}, 5e-7);
  check_close(of_one_group(rlvr::group_mean_baseline{}, {1.0, 0.0, 0.0, 0.0}), {0.75, -0.25, -0.25, -0.25}, 0);
  check_close(of_one_group(rlvr::no_baseline{}, {1.0, -2.0}), {1, -2}, 0);
}

TEST_CASE("a group of equal rewards gives exactly zero", "[advantage]") {
  for (double reward : {0.1, -3.0, 0.95, 1e30}) {
    for (double advantage : of_one_group(rlvr::group_z_score{.epsilon = 0}, std::vector<double>(7, reward))) {
      CHECK(advantage == 0);
    }
    for (double advantage : of_one_group(rlvr::leave_one_out{}, std::vector<double>(7, reward))) CHECK(advantage == 0);
    for (double advantage : of_one_group(rlvr::group_mean_baseline{}, std::vector<double>(3, reward))) {
      CHECK(advantage == 0);
    }
  }
}

TEST_CASE("groups of one follow the singleton rule", "[advantage]") {
  using rlvr::singleton_rule;
  CHECK(of_one_group(rlvr::group_z_score{}, {2.0})[0] == 0);
  CHECK(of_one_group(rlvr::group_z_score{.singleton = singleton_rule::keep_reward}, {2.0})[0] == 2.0 / (1 + 1e-6));
  CHECK(of_one_group(rlvr::group_mean_baseline{}, {2.0})[0] == 0);
  CHECK(of_one_group(rlvr::group_mean_baseline{.singleton = singleton_rule::keep_reward}, {2.0})[0] == 2);
  CHECK(of_one_group(rlvr::leave_one_out{}, {2.0})[0] == 0);
  CHECK(of_one_group(rlvr::leave_one_out{.singleton = singleton_rule::keep_reward}, {2.0})[0] == 2);
  // A NaN does not count: the other response is alone.
  check_close(of_one_group(rlvr::leave_one_out{.singleton = singleton_rule::keep_reward}, {2.0, not_a_number}), {2, 0},
              0);
}

TEST_CASE("unscorable rewards stay out of the baseline and get advantage zero", "[advantage]") {
  double const infinity = std::numeric_limits<double>::infinity();
  auto const without = of_one_group(rlvr::group_z_score{}, {3.0, -0.5, -3.0});
  check_close(of_one_group(rlvr::group_z_score{}, {3.0, not_a_number, -0.5, infinity, -3.0}),
              {without[0], 0, without[1], 0, without[2]}, 0);
  check_close(
      of_one_group(rlvr::group_mean_baseline{.unscorable = rlvr::unscorable_rule::as_zero}, {2.0, not_a_number}),
      {1, -1}, 0);
  check_close(of_one_group(rlvr::group_z_score{}, {not_a_number, not_a_number}), {0, 0}, 0);
  check_close(of_one_group(rlvr::no_baseline{}, {not_a_number, 1.0}), {0, 1}, 0);
}

TEST_CASE("group ids in any order equal neighbouring groups", "[advantage]") {
  std::vector<float> const rewards{1, 2, 4, 8, 16, 32};
  std::vector<float> grouped(6);
  rlvr::group_advantages(rlvr::group_z_score{}, std::span<float const>(rewards), 3, std::span<float>(grouped));
  std::vector<float> const shuffled_rewards{8, 1, 2, 32, 4, 16};
  std::vector<std::int64_t> const ids{7, -2, -2, 7, -2, 7};
  std::vector<float> shuffled(6);
  rlvr::group_advantages(rlvr::group_z_score{}, std::span<float const>(shuffled_rewards),
                         std::span<std::int64_t const>(ids), std::span<float>(shuffled));
  CHECK(shuffled == std::vector<float>{grouped[3], grouped[0], grouped[1], grouped[5], grouped[2], grouped[4]});
}

TEST_CASE("sizes that do not fit are refused", "[advantage]") {
  std::vector<double> const rewards(6);
  std::vector<double> advantages(6);
  std::vector<int> const ids(5);
  rlvr::group_z_score const rule{};
  std::span<double const> const in(rewards);
  std::span<double> const out(advantages);
  CHECK_THROWS_AS(rlvr::group_advantages(rule, in, 4, out), rlvr::shape_error);
  CHECK_THROWS_AS(rlvr::group_advantages(rule, in, 0, out), rlvr::shape_error);
  CHECK_THROWS_AS(rlvr::group_advantages(rule, in, 3, out.first(5)), rlvr::shape_error);
  CHECK_THROWS_AS(rlvr::group_advantages(rule, in, std::span<int const>(ids), out), rlvr::shape_error);
  CHECK_NOTHROW(rlvr::group_advantages(rule, in.first(0), 4, out.first(0)));
  CHECK_THROWS_AS(rlvr::group_z_score{.epsilon = -1}.validate(), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::group_z_score{.ddof = 2}.validate(), rlvr::argument_error);
}

TEST_CASE("whitening gives mean zero and variance one", "[advantage]") {
  std::vector<double> values{1, 2, not_a_number, 4, 9, 100};
  std::array<bool, 6> const mask{true, true, false, true, true, false};
  rlvr::whitening{.epsilon = 0}.apply(std::span<double>(values), std::span<bool const>(mask));
  CHECK(values[2] == 0);
  CHECK(values[5] == 0);
  CHECK(values[0] + values[1] + values[3] + values[4] == Approx(0).margin(1e-12));
  CHECK(values[0] * values[0] + values[1] * values[1] + values[3] * values[3] + values[4] * values[4] == Approx(3));
  std::vector<double> one{5};
  rlvr::whitening{}.apply(std::span<double>(one));
  CHECK(one[0] == 0);
}

TEST_CASE("whitening's variants follow their formula", "[advantage]") {
  // Counting: 1, 2, 6 with mean 3, squared deviations 14.
  std::array<bool, 4> const mask{true, true, false, true};
  auto const run = [&](rlvr::whitening const& rule, std::vector<double> values) {
    rule.apply(std::span<double>(values), std::span<bool const>(mask));
    return values;
  };
  double const sample = std::sqrt(7.0);
  double const population = std::sqrt(14.0 / 3);
  check_close(run({.epsilon = 0}, {1, 2, 9, 6}), {-2 / sample, -1 / sample, 0, 3 / sample}, 1e-14);
  check_close(run({.epsilon = 0, .ddof = 0, .masked = rlvr::masked_rule::transform}, {1, 2, 9, 6}),
              {-2 / population, -1 / population, 6 / population, 3 / population}, 1e-14);
  check_close(run({.epsilon = 0, .shift_mean = false}, {1, 2, 9, 6}),
              {3 - 2 / sample, 3 - 1 / sample, 0, 3 + 3 / sample}, 1e-14);
  check_close(run({.epsilon = 0, .min_variance = 100}, {1, 2, 9, 6}), {-0.2, -0.1, 0, 0.3}, 1e-14);
  check_close(run({.divide = false}, {1, 2, 9, 6}), {-2, -1, 0, 3}, 1e-14);
  // Nothing is read from a masked NaN, and nothing counts at all: zeros.
  rlvr::whitening const transform{.epsilon = 0, .masked = rlvr::masked_rule::transform};
  check_close(run(transform, {5, 5, not_a_number, 5}), {0, 0, 0, 0}, 0);
  check_close(run(transform, {5, 5, 7, 5}), {0, 0, 0, 0}, 0);
  check_close(run(transform, {not_a_number, not_a_number, 7, not_a_number}), {0, 0, 0, 0}, 0);
}

TEST_CASE("statistics of parts merge into those of the whole", "[advantage]") {
  unsigned const seed = 13;
  INFO("seed " << seed);
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal(100, 0.5);
  std::vector<double> rewards(50);
  for (double& reward : rewards) reward = normal(engine);
  auto const of = [&](std::size_t begin, std::size_t end) {
    return rlvr::summarise_rewards(static_cast<std::int64_t>(end - begin),
                                   [&](std::int64_t i) { return rewards[begin + static_cast<std::size_t>(i)]; });
  };
  auto const whole = of(0, 50);
  for (std::size_t const cut : {0U, 1U, 7U, 49U, 50U}) {
    auto const merged = rlvr::merge(of(0, cut), of(cut, 50));
    CHECK(merged.count == 50);
    CHECK(merged.mean == Approx(whole.mean).epsilon(1e-14));
    CHECK(merged.squared_deviations == Approx(whole.squared_deviations).epsilon(1e-12));
    CHECK(!merged.all_equal);
  }
  std::fill(rewards.begin(), rewards.end(), 0.95);
  CHECK(rlvr::merge(of(0, 7), of(7, 50)).all_equal);
  CHECK(rlvr::merge(of(0, 7), of(7, 50)).squared_deviations == 0);
  rewards[3] = 1;
  CHECK(!rlvr::merge(of(0, 7), of(7, 50)).all_equal);
  CHECK(!rlvr::merge(of(3, 4), of(7, 50)).all_equal);
}

TEST_CASE("groups are visited in the order of their ids", "[advantage]") {
  std::vector<int> const ids{7, -1, 7, 3, -1, 7};
  std::vector<std::vector<std::size_t>> visited;
  rlvr::for_each_group(std::span<int const>(ids), [&](std::span<std::size_t const> members) {
    visited.emplace_back(members.begin(), members.end());
  });
  CHECK(visited == std::vector<std::vector<std::size_t>>{{1, 4}, {3}, {0, 2, 5}});
  visited.clear();
  rlvr::for_each_group(std::span<int const>(),
                       [&](std::span<std::size_t const> members) { visited.emplace_back(members.size()); });
  CHECK(visited.empty());
}

TEST_CASE("any split into micro-batches gives the loss of one batch", "[aggregate]") {
  std::mt19937_64 engine(11);
  std::vector<std::vector<double>> rows(12);
  rlvr::batch_statistics global{};
  for (auto& row : rows) {
    row.resize(&row == &rows[4] ? 0 : engine() % 6);
    for (double& x : row) x = std::normal_distribution<double>()(engine);
    global.add_sequence(static_cast<std::int64_t>(row.size()));
  }
  auto const loss_of = [&](auto const& aggregation, std::size_t begin, std::size_t end) {
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i) {
      double const scale = aggregation.template scale<double>(global, static_cast<std::int64_t>(rows[i].size()));
      for (double x : rows[i]) sum += scale * x;
    }
    return sum;
  };
  auto const check = [&](auto const& aggregation, double expected) {
    CHECK(loss_of(aggregation, 0, 12) == Approx(expected));
    CHECK(loss_of(aggregation, 0, 5) + loss_of(aggregation, 5, 6) + loss_of(aggregation, 6, 12) == Approx(expected));
  };
  double total = 0;
  double means = 0;
  double rows_with_tokens = 0;
  double tokens = 0;
  std::size_t longest = 0;
  for (auto const& row : rows) {
    double sum = 0;
    for (double x : row) sum += x;
    total += sum;
    tokens += static_cast<double>(row.size());
    longest = std::max(longest, row.size());
    if (row.empty()) continue;
    means += sum / static_cast<double>(row.size());
    rows_with_tokens += 1;
  }
  REQUIRE(rows_with_tokens < 12);
  check(rlvr::token_mean{}, total / tokens);
  check(rlvr::sequence_mean_token_mean{}, means / rows_with_tokens);
  check(rlvr::sequence_mean_token_mean{.rows = rlvr::count_rows::all}, means / 12);
  check(rlvr::sequence_mean_token_sum{}, total / rows_with_tokens);
  check(rlvr::constant_length{.length = 32, .rows = rlvr::count_rows::all}, total / (12 * 32));
  check(rlvr::constant_length{}, total / (rows_with_tokens * static_cast<double>(longest)));
  check(rlvr::token_sum{}, total);
}

TEST_CASE("statistics of parts add up", "[aggregate]") {
  rlvr::batch_statistics first{};
  first.add_sequence(3);
  first.add_sequence(0);
  rlvr::batch_statistics second{};
  second.add_sequence(5);
  second += first;
  CHECK(second == rlvr::batch_statistics{8, 3, 2, 5});
}

TEST_CASE("a batch without tokens has scale zero", "[aggregate]") {
  rlvr::batch_statistics empty{};
  auto const check = [&] {
    CHECK(rlvr::token_mean{1e-8}.scale<float>(empty, 0) == 0);
    CHECK(rlvr::sequence_mean_token_mean{rlvr::count_rows::all, 1e-8}.scale<float>(empty, 0) == 0);
    CHECK(rlvr::sequence_mean_token_sum{rlvr::count_rows::all}.scale<float>(empty, 0) == 0);
    CHECK(rlvr::constant_length{8, rlvr::count_rows::one}.scale<float>(empty, 0) == 0);
  };
  check();
  empty.add_sequence(0);
  check();
}

TEST_CASE("AdamW follows its formula", "[adamw]") {
  rlvr::adamw_rule const rule{
      .learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.01};
  std::mt19937_64 engine(5);
  std::normal_distribution<double> normal;
  double p = 0.7, m = 0, v = 0;
  double q = p, mm = 0, vv = 0;
  float pf = 0.7f, mf = 0, vf = 0;
  for (int t = 1; t <= 50; ++t) {
    double const g = normal(engine) * std::pow(10.0, t % 5 - 3);
    rule.at<double>(t)(p, m, v, g);
    rule.at<float>(t)(pf, mf, vf, static_cast<float>(g));
    mm = 0.9 * mm + 0.1 * g;
    vv = 0.95 * vv + 0.05 * g * g;
    q = q * (1 - 1e-3 * 0.01) - 1e-3 * (mm / (1 - std::pow(0.9, t))) / (std::sqrt(vv / (1 - std::pow(0.95, t))) + 1e-8);
    INFO("step " << t);
    CHECK(std::abs(p - q) <= 1e-14);
    CHECK(std::abs(static_cast<double>(pf) - q) <= 2e-5 * t / 50 + 1e-6);
  }
}

TEST_CASE("AdamW's first step has the size of the learning rate, and zero gradients only decay", "[adamw]") {
  rlvr::adamw_rule const rule{.learning_rate = 0.1, .weight_decay = 0.5};
  double p = 1, m = 0, v = 0;
  rule.at<double>(1)(p, m, v, -3e-4);
  CHECK(p == Approx(0.95 + 0.1).epsilon(1e-4));
  p = 1, m = 0, v = 0;
  rule.at<double>(1)(p, m, v, 0);
  CHECK(p == 0.95);
  p = 1;
  rule.at<double>(1, 0.5)(p, m, v, 0);
  CHECK(p == 0.975);
  CHECK_THROWS_AS(rule.at<double>(0), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::adamw_rule{.beta1 = 1}.validate(), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::adamw_rule{.epsilon = 0}.validate(), rlvr::argument_error);
  CHECK_NOTHROW(rule.validate());
}

TEST_CASE("schedules warm up, decay and end where they say", "[schedule]") {
  rlvr::constant_schedule const constant{.warmup_steps = 4};
  CHECK(constant(1) == 0.25);
  CHECK(constant(4) == 1);
  CHECK(constant(1000) == 1);
  CHECK(rlvr::constant_schedule{}(1) == 1);
  rlvr::linear_schedule const linear{.warmup_steps = 10, .total_steps = 110, .final_factor = 0.2};
  CHECK(linear(5) == 0.5);
  CHECK(linear(10) == 1);
  CHECK(linear(60) == Approx(0.6));
  CHECK(linear(110) == Approx(0.2));
  CHECK(linear(200) == Approx(0.2));
  rlvr::cosine_schedule const cosine{.warmup_steps = 10, .total_steps = 110, .final_factor = 0.1};
  CHECK(cosine(10) == 1);
  CHECK(cosine(35) == Approx(0.1 + 0.9 * 0.5 * (1 + std::sqrt(0.5))));
  CHECK(cosine(60) == Approx(0.55));
  CHECK(cosine(110) == Approx(0.1));
  CHECK(cosine(111) == Approx(0.1));
  CHECK_THROWS_AS((rlvr::linear_schedule{.warmup_steps = 5, .total_steps = 5}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((rlvr::cosine_schedule{.total_steps = 5, .final_factor = 2}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::constant_schedule{.warmup_steps = -1}.validate(), rlvr::argument_error);
}
