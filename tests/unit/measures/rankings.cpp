// SPDX-License-Identifier: MIT
#include <rlvr/core/error.hpp>
#include <rlvr/reward/measures/rank_correlation.hpp>
#include <rlvr/reward/measures/ranking.hpp>

#include "golden_table.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::reward::measures;
using rlvr::argument_error;
using rlvr::shape_error;

namespace {

using series = std::vector<double>;
double const not_a_number = std::numeric_limits<double>::quiet_NaN();
double const infinity = std::numeric_limits<double>::infinity();

struct brute {
  double balance = 0;
  double all = 0;
  double untied_left = 0;
  double untied_right = 0;
};

brute count(series const& x, series const& y) {
  brute counts;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      auto const sign = [](double value) { return value > 0 ? 1.0 : value < 0 ? -1.0 : 0.0; };
      counts.balance += sign(x[i] - x[j]) * sign(y[i] - y[j]);
      counts.all += 1;
      counts.untied_left += x[i] != x[j] ? 1 : 0;
      counts.untied_right += y[i] != y[j] ? 1 : 0;
    }
  }
  return counts;
}

// The rank of a value is 1 + those below + half of the others equal to it.
series brute_ranks(series const& values) {
  series ranks;
  for (double const value : values) {
    auto const below = std::count_if(values.begin(), values.end(), [&](double other) { return other < value; });
    auto const equal = std::count(values.begin(), values.end(), value);
    ranks.push_back(1 + static_cast<double>(below) + (static_cast<double>(equal) - 1) / 2);
  }
  return ranks;
}

// From the sums of products, in long double.
double brute_pearson(series const& x, series const& y) {
  long double const n = static_cast<long double>(x.size());
  long double sx = 0, sy = 0, sxy = 0, sxx = 0, syy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sx += x[i];
    sy += y[i];
    sxy += static_cast<long double>(x[i]) * y[i];
    sxx += static_cast<long double>(x[i]) * x[i];
    syy += static_cast<long double>(y[i]) * y[i];
  }
  return static_cast<double>((n * sxy - sx * sy) / std::sqrt((n * sxx - sx * sx) * (n * syy - sy * sy)));
}

// The expected DCG over all orders of tied candidates, by trying every permutation.
double brute_ndcg(series const& gold, series const& predicted, std::size_t places) {
  std::vector<std::size_t> order(gold.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  double sum = 0;
  double orders = 0;
  double best = 0;
  do {
    double value = 0;
    bool sorted = true;
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i < places) value += gold[order[i]] / std::log2(static_cast<double>(i) + 2);
      sorted = sorted && (i == 0 || predicted[order[i - 1]] >= predicted[order[i]]);
    }
    best = std::max(best, value);
    sum += sorted ? value : 0;
    orders += sorted ? 1 : 0;
  } while (std::next_permutation(order.begin(), order.end()));
  return sum / orders / best;
}

}  // namespace

TEST_CASE("correlations of small random series are those of the definitions") {
  std::mt19937 random(42);
  int defined = 0;
  for (int round = 0; round < 2000; ++round) {
    INFO("round " << round);
    std::size_t const size = random() % 12;
    unsigned const values = 1 + static_cast<unsigned>(random() % 9);
    series x(size);
    series y(size);
    for (double& each : x) each = static_cast<double>(random() % values) - 3;
    for (double& each : y) each = static_cast<double>(random() % values) / 4;
    brute const counts = count(x, y);
    REQUIRE(kendall_tau_a(x, y).has_value() == (size >= 2));
    bool const varied = counts.untied_left > 0 && counts.untied_right > 0;
    REQUIRE(kendall_tau_b(x, y).has_value() == varied);
    REQUIRE(spearman(x, y).has_value() == varied);
    REQUIRE(pearson(x, y).has_value() == varied);
    if (size >= 2) CHECK(*kendall_tau_a(x, y) == Approx(counts.balance / counts.all).margin(1e-14));
    CHECK(average_ranks(x) == brute_ranks(x));
    if (!varied) continue;
    ++defined;
    CHECK(*kendall_tau_b(x, y) ==
          Approx(counts.balance / std::sqrt(counts.untied_left * counts.untied_right)).margin(1e-14));
    CHECK(*pearson(x, y) == Approx(brute_pearson(x, y)).margin(1e-12));
    CHECK(*spearman(x, y) == Approx(brute_pearson(brute_ranks(x), brute_ranks(y))).margin(1e-12));
  }
  CHECK(defined > 1000);
}

TEST_CASE("correlations that are not defined say so") {
  series const x{1, 2, 3};
  for (series const& y : {series{4, 4, 4}, series{1, not_a_number, 2}}) {
    CHECK_FALSE(pearson(x, y).has_value());
    CHECK_FALSE(spearman(y, x).has_value());
    CHECK_FALSE(kendall_tau_b(x, y).has_value());
  }
  CHECK(kendall_tau_a(x, series{4, 4, 4}) == 0.0);
  CHECK_FALSE(kendall_tau_a(x, series{not_a_number, 1, 2}).has_value());
  CHECK_FALSE(pearson(x, series{1, 2, infinity}).has_value());
  CHECK(spearman(x, series{1, 2, infinity}) == 1.0);
  CHECK(kendall_tau_b(x, series{infinity, 2, -infinity}) == -1.0);
  CHECK_FALSE(pearson(series{}, series{}).has_value());
  CHECK_FALSE(kendall_tau_a(series{1}, series{1}).has_value());
  CHECK_THROWS_AS(pearson(x, series{1}), shape_error);
  CHECK_THROWS_AS(spearman(x, series{1}), shape_error);
  CHECK_THROWS_AS(kendall_tau_a(x, series{1}), shape_error);
  CHECK_THROWS_AS(kendall_tau_b(x, series{1}), shape_error);
  // Neither overflow nor a large common offset spoil it.
  CHECK(*pearson(series{1e308, -1e308, 1e308}, series{1, 0, 1}) == Approx(1));
  CHECK(*pearson(series{1e-300, 2e-300, 4e-300}, series{1, 2, 4}) == Approx(1));
  CHECK(*pearson(series{5e-324, 0, 0}, series{1, 0, 0}) == Approx(1));
  CHECK(*pearson(series{1e9 + 1, 1e9 + 2, 1e9 + 4}, series{1, 2, 4}) == Approx(1).margin(1e-9));
}

TEST_CASE("weighted pairs cost what the released code of RewardAnything takes") {
  CHECK(weighted_pair_reward(series{5, 3, 1}, series{3, 4, 4}) == Approx(0.136364).margin(5e-7));
  CHECK(weighted_pair_reward(series{5, 3, 1}, series{3, 4, 4}) == Approx(1.5 / 11));
  CHECK(weighted_pair_reward(series{5, 3, 1}, series{9, 2, 1}) == 1);
  CHECK(weighted_pair_reward(series{5, 3, 1}, series{1, 2, 3}) == 0);
  CHECK(weighted_pair_reward(series{5, 3, 1}, series{2, 2, 2}) == Approx(0.5));
  // Gold's own ties cost nothing, but weigh.
  CHECK(weighted_pair_reward(series{3, 3, 1}, series{1, 2, 3}) == Approx(1.0 / 7));
  CHECK(weighted_pair_reward(series{}, series{}) == 1);
  CHECK(weighted_pair_reward(series{2}, series{not_a_number}) == 1);
  // What is not a number wins no pair, whichever side it is on.
  CHECK(weighted_pair_reward(series{5, 1}, series{not_a_number, 1}) == 0);
  CHECK(weighted_pair_reward(series{5, 1}, series{1, not_a_number}) == 0);
  CHECK_THROWS_AS(weighted_pair_reward(series{1, 2}, series{1}), shape_error);
  CHECK_THROWS_AS(weighted_pair_reward(series{1, not_a_number}, series{1, 2}), argument_error);
}

TEST_CASE("a strict ranking admits no tie") {
  series const gold{0.5, 2, -1};
  CHECK(strict_ranking_match(gold, series{0.3, 0.9, 0.1}));
  CHECK_FALSE(strict_ranking_match(gold, series{0.3, 0.9, 0.3}));
  CHECK_FALSE(strict_ranking_match(gold, series{0.9, 0.3, 0.1}));
  CHECK_FALSE(strict_ranking_match(gold, series{0.3, not_a_number, 0.1}));
  CHECK_FALSE(strict_ranking_match(gold, series{0.3, 0.9, not_a_number}));
  CHECK_FALSE(strict_ranking_match(series{1}, series{not_a_number}));
  CHECK(strict_ranking_match(series{1}, series{0}));
  CHECK(strict_ranking_match(series{}, series{}));
  CHECK_THROWS_AS(strict_ranking_match(series{1, 1}, series{1, 2}), argument_error);
  CHECK_THROWS_AS(strict_ranking_match(series{1, infinity}, series{1, 2}), argument_error);
  CHECK_THROWS_AS(strict_ranking_match(gold, series{1}), shape_error);

  CHECK(best_on_top(gold, series{0.1, 0.9, 0.3}));
  CHECK_FALSE(best_on_top(gold, series{0.9, 0.9, 0.3}));
  CHECK_FALSE(best_on_top(gold, series{0.1, 0.9, not_a_number}));
  CHECK_FALSE(best_on_top(gold, series{0.1, not_a_number, 0.3}));
  CHECK_FALSE(best_on_top(series{1}, series{not_a_number}));
  CHECK(best_on_top(series{1, 1, 2}, series{5, 4, 6}));
  CHECK_THROWS_AS(best_on_top(series{2, 1, 2}, series{5, 4, 6}), argument_error);
}

TEST_CASE("NDCG is the mean over the orders of tied candidates") {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    INFO("round " << round);
    std::size_t const size = 1 + random() % 5;
    series gold(size);
    series predicted(size);
    for (double& each : gold) each = static_cast<double>(random() % 4);
    for (double& each : predicted) each = static_cast<double>(random() % 3);
    ndcg_options options;
    options.places = 1 + random() % 6;
    std::optional<double> const found = ndcg(gold, predicted, options);
    bool const worthless = std::all_of(gold.begin(), gold.end(), [](double each) { return each == 0; });
    REQUIRE(found.has_value() == !worthless);
    if (found) CHECK(*found == Approx(brute_ndcg(gold, predicted, options.places)).margin(1e-12));
  }
  ndcg_options first;
  first.average_ties = false;
  first.places = 1;
  CHECK(ndcg(series{3, 0}, series{1, 1}, first) == 1.0);
  CHECK(ndcg(series{0, 3}, series{1, 1}, first) == 0.0);
  ndcg_options exponential;
  exponential.gain = ndcg_gain::exponential;
  CHECK(*ndcg(series{2, 1}, series{0, 1}, exponential) == Approx((1 + 3 / std::log2(3)) / (3 + 1 / std::log2(3))));
  // Not a number comes last.
  CHECK(*ndcg(series{2, 0}, series{not_a_number, -infinity}) == Approx(1 / std::log2(3)));
  CHECK_FALSE(ndcg(series{}, series{}).has_value());
  ndcg_options nowhere;
  nowhere.places = 0;
  CHECK_FALSE(ndcg(series{1}, series{1}, nowhere).has_value());
  CHECK(*ndcg(series{1e308, 1e308}, series{1, 2}) == Approx(1));
  CHECK_THROWS_AS(ndcg(series{-1}, series{1}), argument_error);
  CHECK_THROWS_AS(ndcg(series{2000}, series{1}, exponential), argument_error);
  CHECK_THROWS_AS(ndcg(series{1}, series{}), shape_error);
}

TEST_CASE("correlations and NDCG of real series are those of SciPy and scikit-learn") {
  std::vector<golden::row> const rows = golden::rows_of("rank");
  CHECK(rows.size() > 100);
  for (golden::row const& fields : rows) {
    REQUIRE(fields.size() == 10);
    std::vector<double> const left = golden::numbers(fields[1]);
    std::vector<double> const right = golden::numbers(fields[2]);
    ndcg_options first_five;
    first_five.places = 5;
    ndcg_options exponential;
    exponential.gain = ndcg_gain::exponential;
    ndcg_options first_three = exponential;
    first_three.places = 3;
    std::array const found{
        pearson(left, right),          spearman(left, right),          kendall_tau_b(left, right),    ndcg(right, left),
        ndcg(right, left, first_five), ndcg(right, left, exponential), ndcg(right, left, first_three)};
    for (std::size_t i = 0; i < found.size(); ++i) {
      INFO("figure " << i << " of " << fields[1] << " and " << fields[2]);
      std::optional<double> const expected = golden::number(fields[3 + i]);
      REQUIRE(found[i].has_value() == expected.has_value());
      if (expected) CHECK(golden::close(*found[i], *expected));
    }
  }
}
