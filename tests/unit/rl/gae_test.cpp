// SPDX-License-Identifier: MIT
// Generalised advantages against the double sum of their definition, and the critic's loss against finite differences.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/gae.hpp>
#include <rlvr/rl/returns.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <support/catch.hpp>
#include <utility>
#include <vector>

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr unsigned seed = 17;

// A mask as a span; std::vector<bool> has none.
struct flags {
  explicit flags(std::vector<int> const& values) : size(values.size()), data(std::make_unique<bool[]>(size)) {
    for (std::size_t i = 0; i < size; ++i) data[i] = values[i] != 0;
  }
  operator std::span<bool const>() const { return {data.get(), size}; }
  std::size_t size;
  std::unique_ptr<bool[]> data;
};

struct random_row {
  random_row(std::mt19937_64& engine, std::size_t length, double counting) {
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform(0, 1);
    for (std::size_t t = 0; t < length; ++t) {
      mask.push_back(uniform(engine) < counting ? 1 : 0);
      rewards.push_back(mask.back() != 0 ? normal(engine) : not_a_number);
      values.push_back(mask.back() != 0 ? normal(engine) : not_a_number);
    }
  }
  std::vector<double> rewards, values;
  std::vector<int> mask;
};

// A_t = sum_k (gamma lambda)^k (r + gamma V' - V) of the k-th later token, over the tokens that count alone.
std::vector<double> by_definition(random_row const& row, double gamma, double lambda) {
  std::vector<double> r, v;
  for (std::size_t t = 0; t < row.mask.size(); ++t) {
    if (row.mask[t] == 0) continue;
    r.push_back(row.rewards[t]);
    v.push_back(row.values[t]);
  }
  std::vector<double> result;
  for (std::size_t t = 0; t < r.size(); ++t) {
    double sum = 0;
    for (std::size_t k = t; k < r.size(); ++k)
      sum += std::pow(gamma * lambda, static_cast<double>(k - t)) *
             (r[k] + gamma * (k + 1 < r.size() ? v[k + 1] : 0.0) - v[k]);
    result.push_back(sum);
  }
  return result;
}

struct estimate {
  std::vector<double> advantages, returns;
};

template <class Rule>
estimate estimate_of(Rule const& rule, random_row const& row) {
  estimate result{std::vector<double>(row.mask.size(), not_a_number),
                  std::vector<double>(row.mask.size(), not_a_number)};
  rule.apply(std::span<double const>(row.rewards), std::span<double const>(row.values), flags(row.mask),
             std::span<double>(result.advantages), std::span<double>(result.returns));
  return result;
}

bool close(double a, double b, double tolerance = 1e-12) { return std::abs(a - b) <= tolerance * (1 + std::abs(b)); }

}  // namespace

TEST_CASE("carried advantages are the double sum over the tokens that count", "[gae]") {
  INFO("seed " << seed);
  std::mt19937_64 engine(seed);
  for (int round = 0; round < 60; ++round) {
    double const gamma = round % 3 == 0 ? 1 : 0.9;
    double const lambda = round % 4 == 0 ? 0 : (round % 4 == 1 ? 1 : 0.95);
    random_row const row(engine, static_cast<std::size_t>(round % 13), round % 5 == 0 ? 1 : 0.6);
    estimate const found = estimate_of(rlvr::generalised_advantage{.gamma = gamma, .lambda = lambda}, row);
    std::vector<double> const expected = by_definition(row, gamma, lambda);
    std::size_t next = 0;
    for (std::size_t t = 0; t < row.mask.size(); ++t) {
      INFO("round " << round << ", token " << t);
      CHECK(std::isfinite(found.advantages[t]));
      if (row.mask[t] == 0) continue;
      CHECK(close(found.advantages[t], expected[next]));
      CHECK(close(found.returns[t], expected[next] + row.values[t]));
      ++next;
    }
  }
}

TEST_CASE("lambda 1 gives discounted returns, lambda 0 one-step differences", "[gae]") {
  std::mt19937_64 engine(seed + 1);
  random_row const row(engine, 9, 0.7);
  std::vector<double> returns(9);
  rlvr::discounted_returns{.gamma = 0.9}.apply(std::span<double const>(row.rewards), flags(row.mask),
                                               std::span<double>(returns));
  estimate const found = estimate_of(rlvr::generalised_advantage{.gamma = 0.9, .lambda = 1}, row);
  for (std::size_t t = 0; t < 9; ++t)
    if (row.mask[t] != 0) CHECK(close(found.returns[t], returns[t]));
}

TEST_CASE("zero runs over masked tokens with nothing in them, ignore over what is there", "[gae]") {
  std::mt19937_64 engine(seed + 2);
  random_row const row(engine, 12, 0.5);
  random_row filled = row, everything = row;
  for (std::size_t t = 0; t < 12; ++t)
    if (row.mask[t] == 0) filled.rewards[t] = filled.values[t] = 0;
  everything.rewards = filled.rewards;
  everything.values = filled.values;
  everything.mask.assign(12, 1);
  std::vector<double> const expected = by_definition(everything, 0.99, 0.95);
  auto const with = [](rlvr::masked_gae masked) {
    return rlvr::generalised_advantage{.gamma = 0.99, .lambda = 0.95, .masked = masked};
  };
  estimate const zero = estimate_of(with(rlvr::masked_gae::zero), row);
  estimate const ignore = estimate_of(with(rlvr::masked_gae::ignore), filled);
  for (std::size_t t = 0; t < 12; ++t) {
    CHECK(close(zero.advantages[t], expected[t]));
    CHECK(close(zero.returns[t], expected[t] + filled.values[t]));
    CHECK(close(ignore.advantages[t], expected[t]));
  }
}

TEST_CASE("rows without tokens, extremes and wrong sizes", "[gae]") {
  random_row row(*std::make_unique<std::mt19937_64>(seed), 4, -1);
  for (auto const masked : {rlvr::masked_gae::carry, rlvr::masked_gae::zero}) {
    estimate const found = estimate_of(rlvr::generalised_advantage{.masked = masked}, row);
    CHECK(found.advantages == std::vector<double>(4, 0.0));
  }
  row.mask = {1, 1, 1, 1};
  row.rewards = {1e3, -1e3, 0, 1e3};
  row.values = {-1e3, 1e3, 1e3, -1e3};
  for (double const a : estimate_of(rlvr::generalised_advantage{}, row).advantages) CHECK(std::isfinite(a));
  row.values.pop_back();
  CHECK_THROWS_AS(estimate_of(rlvr::generalised_advantage{}, row), rlvr::shape_error);
  CHECK_THROWS_AS((rlvr::generalised_advantage{.lambda = 1.5}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((rlvr::generalised_advantage{.gamma = -0.5}.validate()), rlvr::argument_error);
  CHECK_NOTHROW(rlvr::decoupled_advantage{}.validate());
}

TEST_CASE("decoupled lambdas, and the one that adapts to the length", "[gae]") {
  CHECK(rlvr::length_adaptive_lambda(0.5, 10) == 0.8);
  CHECK(rlvr::length_adaptive_lambda(0.5, 1) == 0);
  CHECK(rlvr::length_adaptive_lambda(0.5, 0) == 0);
  std::mt19937_64 engine(seed + 3);
  random_row const row(engine, 14, 0.7);
  auto const length = std::count(row.mask.begin(), row.mask.end(), 1);
  for (double const alpha : {0.0, 0.4}) {
    double const lambda = alpha > 0 ? rlvr::length_adaptive_lambda(alpha, length) : 0.9;
    estimate const found = estimate_of(
        rlvr::decoupled_advantage{
            .gamma = 0.99, .lambda_value = 1, .lambda_policy = 0.9, .length_adaptive_alpha = alpha},
        row);
    estimate const policy = estimate_of(rlvr::generalised_advantage{.gamma = 0.99, .lambda = lambda}, row);
    estimate const critic = estimate_of(rlvr::generalised_advantage{.gamma = 0.99, .lambda = 1}, row);
    for (std::size_t t = 0; t < 14; ++t) {
      CHECK(found.advantages[t] == (row.mask[t] != 0 ? policy.advantages[t] : 0));
      if (row.mask[t] != 0) CHECK(found.returns[t] == critic.returns[t]);
    }
  }
}

TEST_CASE("value loss: derivative by finite differences, kinks included", "[gae]") {
  INFO("seed " << seed);
  std::mt19937_64 engine(seed + 4);
  std::normal_distribution<double> normal;
  double const h = 1e-6;
  int clipped = 0;
  for (int round = 0; round < 400; ++round) {
    rlvr::value_loss const rule{.clip = round % 4 == 0 ? rlvr::unlimited : 0.3, .scale = 0.7};
    double const old = normal(engine), value = old + 0.6 * normal(engine), target = normal(engine);
    auto const at = [&](double v) { return rule(v, old, target).value; };
    double const left = (at(value) - at(value - h)) / h, right = (at(value + h) - at(value)) / h;
    auto const found = rule(value, old, target);
    INFO("round " << round << ": " << value << ", " << old << ", " << target);
    if (std::abs(left - right) < 1e-5) CHECK(std::abs(found.d_value - (left + right) / 2) < 1e-5);
    double const plain = 0.35 * (value - target) * (value - target);
    double const bounded = std::min(std::max(value, old - 0.3), old + 0.3);
    double const other = rule.clip == rlvr::unlimited ? 0 : 0.35 * (bounded - target) * (bounded - target);
    CHECK(close(found.value, std::max(plain, other)));
    CHECK(found.clipped == (other > plain));
    clipped += found.clipped ? 1 : 0;
  }
  CHECK(clipped > 20);

  rlvr::value_loss const rule{.clip = 0.5};
  // On the bound V = old + clip, target inside: the inner side is the plain square, the outer side too.
  CHECK(rule(0.5, 0.0, 0.25).d_value == 0.25);
  // On the bound, target beyond: inside plain, outside constant; the derivative is that of the inside.
  auto const bound = rule(0.5, 0.0, 2.0);
  CHECK(bound.d_value == -1.5);
  CHECK_FALSE(bound.clipped);
  CHECK(rule(0.75, 0.0, 2.0).d_value == 0);
  // Where plain and clipped are equal, V and the bound lying symmetrically about the target: the plain one's.
  auto const tie = rule(1.0, 0.0, 0.75);
  CHECK(tie.d_value == 0.25);
  CHECK_FALSE(tie.clipped);
  for (double const v : {-1e3, 1e3}) {
    CHECK(std::isfinite(rule(v, -v, v).value));
    CHECK(rule(v, -v, v).d_value == 0);
  }
  CHECK_THROWS_AS((rlvr::value_loss{.clip = 0}.validate()), rlvr::argument_error);
}

TEST_CASE("value loss of a batch: its gradient, and any split of it", "[gae]") {
  std::mt19937_64 engine(seed + 5);
  std::normal_distribution<double> normal;
  std::vector<std::int64_t> const offsets{0, 4, 4, 7, 9};
  flags const mask({1, 0, 1, 1, 1, 1, 0, 0, 0});
  std::vector<double> values, old, targets, slopes(9, not_a_number);
  for (std::size_t i = 0; i < 9; ++i) {
    old.push_back(mask.data[i] ? normal(engine) : not_a_number);
    values.push_back(mask.data[i] ? old.back() + normal(engine) : not_a_number);
    targets.push_back(mask.data[i] ? normal(engine) : not_a_number);
  }
  rlvr::value_loss const rule{.clip = 0.4};
  rlvr::batch_statistics const statistics = rlvr::count_batch(mask, offsets);
  rlvr::sequence_mean_token_mean const aggregation{};
  auto const loss = [&](std::vector<double> const& v, std::span<double> d = {}) {
    return rlvr::batch_value_loss<double>(rule, aggregation, statistics, v, old, targets, mask, offsets, d);
  };
  auto const whole = loss(values, slopes);
  CHECK(whole.tokens == 5);
  for (std::size_t i = 0; i < 9; ++i) {
    std::vector<double> up = values, down = values;
    up[i] += 1e-6;
    down[i] -= 1e-6;
    CHECK(std::abs((loss(up).loss - loss(down).loss) / 2e-6 - slopes[i]) < 1e-6);
  }
  double parts = 0;
  std::int64_t clipped = 0;
  for (auto const& bounds : {std::pair<std::size_t, std::size_t>{0, 4}, {4, 9}}) {
    std::size_t const first = bounds.first, last = bounds.second;  // clang 14 captures no structured bindings
    auto const part = [&](auto const& all) { return std::span(all).subspan(first, last - first); };
    std::vector<std::int64_t> const rows =
        first == 0 ? std::vector<std::int64_t>{0, 4} : std::vector<std::int64_t>{0, 0, 3, 5};
    auto const found = rlvr::batch_value_loss<double>(rule, aggregation, statistics, part(std::as_const(values)),
                                                      part(std::as_const(old)), part(std::as_const(targets)),
                                                      std::span<bool const>(mask).subspan(first, last - first), rows);
    parts += found.loss;
    clipped += found.clipped;
  }
  CHECK(close(parts, whole.loss));
  CHECK(clipped == whole.clipped);
  CHECK(whole.clip_fraction() == static_cast<double>(clipped) / 5);
  rlvr::value_loss_summary<double> const none{};
  CHECK(none.clip_fraction(1e-8) == 0);
  CHECK_THROWS_AS(loss({0.5}), rlvr::shape_error);
}
