// SPDX-License-Identifier: MIT
// Returns per token, and the optimal token baseline against its definition.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/optimal_baseline.hpp>
#include <rlvr/rl/returns.hpp>

#include "close.hpp"
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <support/catch.hpp>
#include <vector>

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// A mask as a span; std::vector<bool> has none.
struct flags {
  explicit flags(std::vector<int> const& values) : size(values.size()), data(std::make_unique<bool[]>(size)) {
    for (std::size_t i = 0; i < size; ++i) data[i] = values[i] != 0;
  }
  operator std::span<bool const>() const { return {data.get(), size}; }
  std::size_t size;
  std::unique_ptr<bool[]> data;
};

std::vector<double> returns_of(rlvr::discounted_returns const& rule, std::vector<double> const& rewards,
                               std::vector<int> const& mask) {
  std::vector<double> returns(rewards.size(), not_a_number);
  rule.apply(std::span<double const>(rewards), flags(mask), std::span<double>(returns));
  return returns;
}

std::vector<double> judged(rlvr::terminal_reward const& rule, double reward, std::vector<double> const& kl,
                           std::vector<int> const& mask) {
  std::vector<double> rewards(mask.size(), not_a_number);
  rule.apply(reward, std::span<double const>(kl), flags(mask), std::span<double>(rewards));
  return rewards;
}

}  // namespace

TEST_CASE("discounted returns equal the sum over later tokens that count", "[returns]") {
  unsigned const seed = 5;
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  for (int round = 0; round < 10; ++round) {
    INFO("seed " << seed << ", round " << round);
    std::size_t const length = 1 + engine() % 9;
    std::vector<double> rewards(length);
    std::vector<int> mask(length);
    for (std::size_t t = 0; t < length; ++t) {
      mask[t] = engine() % 3 != 0;
      rewards[t] = mask[t] != 0 ? normal(engine) : not_a_number;
    }
    std::vector<double> expected(length, 0.0);
    for (std::size_t t = 0; t < length; ++t) {
      double discount = 1;
      for (std::size_t s = t; s < length; ++s) {
        if (mask[s] == 0) continue;
        expected[t] += discount * rewards[s];
        discount *= 0.9;
      }
    }
    check_close(returns_of({.gamma = 0.9}, rewards, mask), expected);
  }
}

TEST_CASE("a token that does not count carries the return, or cuts the episode", "[returns]") {
  std::vector<double> const rewards{1, 2, infinity, 4, not_a_number};
  std::vector<int> const mask{1, 1, 0, 1, 0};
  check_close(returns_of({.gamma = 0.5}, rewards, mask), {3, 4, 4, 4, 0}, 0);
  check_close(returns_of({.gamma = 0.5, .masked = rlvr::masked_return::reset}, rewards, mask), {2, 2, 0, 4, 0}, 0);
  check_close(returns_of({}, {not_a_number, not_a_number}, {0, 0}), {0, 0}, 0);
  CHECK(returns_of({}, {}, {}).empty());
  std::vector<double> in_place{1, 2, 4};
  rlvr::discounted_returns{.gamma = 0.5}.apply(std::span<double const>(in_place), std::span<double>(in_place));
  check_close(in_place, {3, 4, 4}, 0);
  CHECK_THROWS_AS(returns_of({}, {1, 2}, {1}), rlvr::shape_error);
  CHECK_THROWS_AS(rlvr::discounted_returns{.gamma = 1.1}.validate(), rlvr::argument_error);
}

TEST_CASE("the reward of a response lands on its last token that counts", "[returns]") {
  std::vector<double> const kl{0.5, not_a_number, -1, infinity};
  check_close(judged({.kl_coefficient = 0.1}, 3, kl, {1, 0, 1, 0}), {-0.05, 0, 3.1, 0});
  check_close(judged({.lowest = -1, .highest = 2}, 3, {}, {1, 1, 1, 0}), {0, 0, 2, 0}, 0);
  check_close(judged({}, 3, {not_a_number, not_a_number}, {1, 1}), {0, 3}, 0);  // coefficient 0: kl is not read
  check_close(judged({.kl_coefficient = 1}, 3, kl, {0, 0, 0, 0}), {0, 0, 0, 0}, 0);
  check_close(judged({}, not_a_number, {}, {1, 1}), {0, 0}, 0);
  check_close(judged({}, infinity, {}, {1, 1}), {0, 0}, 0);
  check_close(judged({.highest = 10}, infinity, {}, {1, 1}), {0, 10}, 0);
  CHECK_THROWS_AS(judged({}, 1, {1, 2}, {1}), rlvr::shape_error);
  CHECK_THROWS_AS((rlvr::terminal_reward{.lowest = 1, .highest = 0}.validate()), rlvr::argument_error);
}

TEST_CASE("helpers over one row never read what does not count", "[returns]") {
  flags const mask({1, 0, 1});
  std::vector<double> row{1, not_a_number, 3};
  CHECK(rlvr::masked_sum(std::span<double const>(row), mask) == 4);
  rlvr::reward_to_go(std::span<double const>(row), mask, std::span<double>(row));
  check_close(row, {4, 3, 3}, 0);
  rlvr::greedy_baseline(std::span<double const>(row), mask, 1.5, std::span<double>(row));
  check_close(row, {2.5, 0, 1.5}, 0);
  rlvr::spread_over_tokens(7.0, mask, std::span<double>(row));
  check_close(row, {7, 0, 7}, 0);
}

TEST_CASE("distillation advantages are finite where a limit is set", "[returns]") {
  CHECK(rlvr::distillation_advantage{}(0.0, -1.0, -3.0) == 2);
  CHECK(rlvr::distillation_advantage{.coefficient = 0.5}(1.0f, -3.0f, -1.0f) == 0);
  CHECK(rlvr::distillation_advantage{.limit = 5}(1.0, -infinity, -1.0) == -4);
  CHECK(rlvr::distillation_advantage{}(1.0, -infinity, -infinity) == 1);
}

namespace {

struct response {
  std::vector<double> rewards, log_prob, squares, importance;
  std::vector<int> mask;
};

// b_t by the definition, one position at a time; `position` maps (response, token) to what is compared.
template <class Position>
std::vector<std::vector<double>> naive_baseline(std::vector<response> const& group, bool zero_tail, Position position) {
  auto const length_of = [](response const& r) {
    std::size_t count = 0;
    for (int const m : r.mask) count += m != 0 ? 1 : 0;
    return count;
  };
  auto const return_at = [](response const& r, std::size_t t) {
    double sum = 0;
    for (std::size_t s = t; s < r.mask.size(); ++s) sum += r.mask[s] != 0 ? r.rewards[s] : 0;
    return sum;
  };
  auto const weight_at = [](response const& r, std::size_t t) {
    double sum = 0;
    for (std::size_t s = 0; s <= t; ++s)
      if (r.mask[s] != 0) sum += (1 - 2 * std::exp(r.log_prob[s]) + r.squares[s]) * std::pow(r.importance[s], 2);
    return sum;
  };
  std::vector<std::vector<double>> result;
  for (response const& r : group) {
    auto& line = result.emplace_back(r.mask.size(), 0.0);
    std::size_t second = 0;
    for (response const& other : group)
      if (&other != &r) second = std::max(second, length_of(other));
    for (std::size_t t = 0; t < r.mask.size(); ++t) {
      if (r.mask[t] == 0) continue;
      double weighted = 0, total = 1e-8;
      for (response const& other : group)
        for (std::size_t s = 0; s < other.mask.size(); ++s) {
          if (other.mask[s] == 0 || position(other, s) != position(r, t)) continue;
          weighted += return_at(other, s) * weight_at(other, s);
          total += weight_at(other, s);
        }
      bool const tail = zero_tail && length_of(r) > second && position(r, t) >= second;
      line[t] = return_at(r, t) - (group.size() == 1 || tail ? 0 : weighted / total);
    }
  }
  return result;
}

std::vector<std::vector<double>> with_library(std::vector<response> const& group,
                                              rlvr::optimal_token_baseline const& rule) {
  std::vector<std::vector<double>> returns, weights, advantages;
  std::vector<flags> masks;
  for (response const& r : group) {
    flags const& mask = masks.emplace_back(r.mask);
    auto& row = returns.emplace_back(r.mask.size());
    rlvr::reward_to_go(std::span<double const>(r.rewards), mask, std::span<double>(row));
    auto& weight = weights.emplace_back(r.mask.size());
    rlvr::cumulative_score_norm{}.apply(std::span<double const>(r.log_prob), std::span<double const>(r.squares),
                                        std::span<double const>(r.importance), mask, std::span<double>(weight));
    advantages.emplace_back(r.mask.size(), not_a_number);
  }
  std::vector<rlvr::baseline_row<double>> rows;
  for (std::size_t i = 0; i < group.size(); ++i) rows.push_back({returns[i], weights[i], masks[i], advantages[i]});
  rule.apply(std::span<rlvr::baseline_row<double> const>(rows));
  return advantages;
}

}  // namespace

TEST_CASE("the optimal token baseline follows its definition, rows of any length", "[returns]") {
  unsigned const seed = 31;
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> uniform(0.05, 0.9);
  for (int round = 0; round < 20; ++round) {
    INFO("seed " << seed << ", round " << round);
    std::vector<response> group(1 + static_cast<std::size_t>(round) % 5);
    for (response& r : group) {
      for (std::size_t t = engine() % 7; t-- > 0;) {
        bool const counts = engine() % 4 != 0;
        double const p = uniform(engine);
        r.mask.push_back(counts ? 1 : 0);
        r.rewards.push_back(counts ? uniform(engine) - 0.5 : not_a_number);
        r.log_prob.push_back(counts ? std::log(p) : not_a_number);
        r.squares.push_back(counts ? p * p + (1 - p) * (1 - p) : not_a_number);
        r.importance.push_back(counts ? uniform(engine) : not_a_number);
      }
    }
    auto const column = [](response const&, std::size_t t) { return t; };
    auto const compact = [](response const& r, std::size_t t) {
      std::size_t before = 0;
      for (std::size_t s = 0; s < t; ++s) before += r.mask[s] != 0 ? 1 : 0;
      return before;
    };
    for (bool const zero_tail : {true, false}) {
      auto const check = [&](auto const& found, auto const& expected) {
        for (std::size_t i = 0; i < group.size(); ++i) check_close(found[i], expected[i], 1e-12);
      };
      check(with_library(group, {.zero_tail = zero_tail}), naive_baseline(group, zero_tail, column));
      check(with_library(group, {.zero_tail = zero_tail, .alignment = rlvr::token_alignment::counting_token}),
            naive_baseline(group, zero_tail, compact));
    }
  }
}

TEST_CASE("the optimal token baseline at its edges", "[returns]") {
  // Certain tokens have no gradient: weight 0, baseline 0, even where rounding puts the norm below 0.
  response const certain{{1}, {1e-9}, {1}, {1}, {1}};
  auto const both = with_library({certain, certain}, {.epsilon = 0});
  CHECK(both[0][0] == 1);
  CHECK(both[1][0] == 1);
  CHECK(rlvr::cumulative_score_norm{}(1e-9, 1) == 0);
  CHECK(rlvr::cumulative_score_norm{.floor = -rlvr::unlimited}(1e-9, 1) < 0);
  CHECK(rlvr::cumulative_score_norm{}(-infinity, 0.5, 2) == 6);
  response const masked{{infinity}, {not_a_number}, {not_a_number}, {not_a_number}, {0}};
  CHECK(with_library({certain, masked}, {})[1][0] == 0);
  CHECK(with_library({certain}, {})[0][0] == 1);
  CHECK(with_library({}, {}).empty());
}
