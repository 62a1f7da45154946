// SPDX-License-Identifier: MIT
// What baselines do to the policy gradient, by exact enumeration of every group over a small action set: which
// estimators leave its expectation alone, which only rescale it, and which change its direction.
#include <rlvr/rl/group_advantage.hpp>
#include <rlvr/rl/optimal_baseline.hpp>
#include <rlvr/rl/returns.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <support/catch.hpp>
#include <vector>

namespace {

constexpr std::size_t actions = 3;
using numbers = std::array<double, actions>;

constexpr numbers logits{0.3, -0.8, 0.4};
constexpr numbers rewards{1.0, -0.5, 0.25};

numbers softmax(numbers const& x) {
  double sum = 0;
  for (double const value : x) sum += std::exp(value);
  numbers result{};
  for (std::size_t a = 0; a < actions; ++a) result[a] = std::exp(x[a]) / sum;
  return result;
}

numbers const pi = softmax(logits);

// Gradient of log pi(a) by the logits.
numbers score(std::size_t a) {
  numbers result{};
  for (std::size_t k = 0; k < actions; ++k) result[k] = (k == a ? 1 : 0) - pi[k];
  return result;
}

// Gradient of the expected reward: pi_k (r_k - mean reward).
numbers exact_gradient() {
  double mean = 0;
  for (std::size_t a = 0; a < actions; ++a) mean += pi[a] * rewards[a];
  numbers result{};
  for (std::size_t k = 0; k < actions; ++k) result[k] = pi[k] * (rewards[k] - mean);
  return result;
}

// Calls f(actions of the group, probability) for every group of `size` independent actions.
template <class F>
void for_every_group(std::size_t size, F f) {
  std::vector<std::size_t> group(size, 0);
  for (bool more = true; more;) {
    double probability = 1;
    for (std::size_t const a : group) probability *= pi[a];
    f(group, probability);
    more = false;
    for (std::size_t i = 0; i < size && !more; ++i) {
      group[i] = (group[i] + 1) % actions;
      more = group[i] != 0;
    }
  }
}

// E[1/n sum_i A_i grad log pi(a_i)]; `advantages_of` maps the actions of a group to its advantages.
template <class AdvantagesOf>
numbers expected_gradient(std::size_t size, AdvantagesOf advantages_of) {
  numbers result{};
  for_every_group(size, [&](std::vector<std::size_t> const& group, double probability) {
    std::vector<double> const advantages = advantages_of(group);
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t k = 0; k < actions; ++k)
        result[k] += probability * advantages[i] * score(group[i])[k] / static_cast<double>(size);
  });
  return result;
}

std::vector<double> rewards_of(std::vector<std::size_t> const& group) {
  std::vector<double> result;
  for (std::size_t const a : group) result.push_back(rewards[a]);
  return result;
}

template <class Estimator>
auto with(Estimator const& estimator) {
  return [estimator](std::vector<std::size_t> const& group) {
    auto const scored = rewards_of(group);
    std::vector<double> advantages(scored.size());
    rlvr::group_advantages(estimator, std::span<double const>(scored), scored.size(), std::span<double>(advantages));
    return advantages;
  };
}

void check_equal(numbers const& found, numbers const& expected, double factor = 1) {
  for (std::size_t k = 0; k < actions; ++k) {
    INFO("logit " << k << ": " << found[k] << ", expected " << factor * expected[k]);
    CHECK(std::abs(found[k] - factor * expected[k]) < 1e-13);
  }
}

// |sine| of the angle between two gradients; both have components that sum to 0, hence live in a plane.
double misalignment(numbers const& x, numbers const& y) {
  auto const dot = [](numbers const& a, numbers const& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; };
  double const cosine = dot(x, y) / std::sqrt(dot(x, x) * dot(y, y));
  return std::sqrt(std::max(0.0, 1 - cosine * cosine));
}

double distance(numbers const& x, numbers const& y) {
  double sum = 0;
  for (std::size_t k = 0; k < actions; ++k) sum += (x[k] - y[k]) * (x[k] - y[k]);
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("leave one out and no baseline are unbiased; the group's mean shrinks by 1 - 1/n", "[advantage]") {
  for (std::size_t const n : {2U, 3U, 5U}) {
    double const size = static_cast<double>(n);
    check_equal(expected_gradient(n, with(rlvr::no_baseline{})), exact_gradient());
    check_equal(expected_gradient(n, with(rlvr::leave_one_out{})), exact_gradient());
    check_equal(expected_gradient(n, with(rlvr::group_mean_baseline{})), exact_gradient(), 1 - 1 / size);
    auto const rescaled = with(rlvr::gpg_baseline{.alpha = size / (size - 1)});
    check_equal(expected_gradient(n, rescaled), exact_gradient());
  }
}

TEST_CASE("GRPO's z-score turns the gradient, leave-one-out standardisation only rescales it", "[advantage]") {
  std::size_t const n = 4;
  CHECK(misalignment(expected_gradient(n, with(rlvr::group_z_score{})), exact_gradient()) > 1e-3);
  // The deviation of the others does not depend on the response, so that the expectation factorises.
  rlvr::leave_one_out_z_score const rule{};
  double factor = 0;
  for_every_group(n - 1, [&](std::vector<std::size_t> const& others, double probability) {
    double mean = 0;
    for (std::size_t const a : others) mean += rewards[a] / static_cast<double>(n - 1);
    double squares = 0;
    for (std::size_t const a : others) squares += (rewards[a] - mean) * (rewards[a] - mean);
    double const deviation = std::sqrt(squares / static_cast<double>(n - 2));
    bool const equal = others[0] == others[1] && others[1] == others[2];
    factor += probability * (equal ? 1 : 1 / (deviation + rule.epsilon));
  });
  check_equal(expected_gradient(n, with(rule)), exact_gradient(), factor);
}

TEST_CASE("the margin of the best over the second best is the gradient of the expected best of n", "[advantage]") {
  for (std::size_t const n : {2U, 4U}) {
    numbers exact{};
    for_every_group(n, [&](std::vector<std::size_t> const& group, double probability) {
      double best = rewards[group[0]];
      for (std::size_t const a : group) best = std::max(best, rewards[a]);
      for (std::size_t const a : group)
        for (std::size_t k = 0; k < actions; ++k) exact[k] += probability * best * score(a)[k];
    });
    auto const found = expected_gradient(n, with(rlvr::top_two_margin{.divide_by_std = false}));
    check_equal(found, exact, 1 / static_cast<double>(n));
  }
}

TEST_CASE("baselines that do not look at the response are unbiased", "[advantage]") {
  // RAE: the baseline comes from earlier responses; ReMax: from the greedy one.
  rlvr::running_baseline earlier{.decay = 0.5};
  for (double const reward : {0.7, -1.3, 2.0}) static_cast<void>(earlier.score(reward));
  check_equal(expected_gradient(1,
                                [&](std::vector<std::size_t> const& group) {
                                  rlvr::running_baseline baseline = earlier;
                                  return std::vector<double>{baseline.score(rewards[group[0]])};
                                }),
              exact_gradient());
  // Two tokens, the second's logits depend on the first; a reward after each.
  auto const second_policy = [](std::size_t first) {
    return softmax({0.2 * static_cast<double>(first), -0.3, 0.1 * static_cast<double>(first * first)});
  };
  auto const second_reward = [](std::size_t first, std::size_t a) {
    return rewards[a] * static_cast<double>(first + 1);
  };
  numbers exact{};
  numbers found{};
  std::array<bool, 2> const mask{true, true};
  for (std::size_t first = 0; first < actions; ++first) {
    for (std::size_t second = 0; second < actions; ++second) {
      double const probability = pi[first] * second_policy(first)[second];
      std::array<double, 2> tokens{rewards[first], second_reward(first, second)};
      rlvr::reward_to_go(std::span<double const>(tokens), std::span<bool const>(mask), std::span<double>(tokens));
      double const total = tokens[0];
      rlvr::greedy_baseline(std::span<double const>(tokens), std::span<bool const>(mask), 0.9,
                            std::span<double>(tokens));
      for (std::size_t k = 0; k < actions; ++k) {
        exact[k] += probability * total * score(first)[k];
        found[k] += probability * tokens[0] * score(first)[k];
      }
    }
  }
  check_equal(found, exact);
}

namespace {

// The advantages of a group of one-token responses under the optimal token baseline.
std::vector<double> optimal_baseline_advantages(std::vector<std::size_t> const& group) {
  std::vector<double> const returns = rewards_of(group);
  std::vector<double> weights(group.size());
  std::vector<double> advantages(group.size());
  std::array<bool, 1> const mask{true};
  double squares = 0;
  for (double const p : pi) squares += p * p;
  std::vector<rlvr::baseline_row<double>> rows;
  for (std::size_t i = 0; i < group.size(); ++i) {
    double const log_prob = std::log(pi[group[i]]);
    rlvr::cumulative_score_norm{}.apply(std::span<double const>(&log_prob, 1), std::span<double const>(&squares, 1),
                                        std::span<double const>(), std::span<bool const>(mask),
                                        std::span<double>(weights).subspan(i, 1));
    double norm = 0;
    for (double const x : score(group[i])) norm += x * x;
    CHECK(std::abs(weights[i] - norm) < 1e-14);  // the squared norm of the score, exactly
    rows.push_back({std::span<double const>(returns).subspan(i, 1), std::span<double const>(weights).subspan(i, 1),
                    mask, std::span<double>(advantages).subspan(i, 1)});
  }
  rlvr::optimal_token_baseline{.epsilon = 0}.apply(std::span<rlvr::baseline_row<double> const>(rows));
  return advantages;
}

// Variance (trace of the covariance) of the gradient of one response with a constant baseline.
double variance_with(double baseline) {
  double second_moment = 0;
  for (std::size_t a = 0; a < actions; ++a)
    for (double const x : score(a)) second_moment += pi[a] * std::pow((rewards[a] - baseline) * x, 2);
  double squared_mean = 0;
  for (double const x : exact_gradient()) squared_mean += x * x;
  return second_moment - squared_mean;
}

}  // namespace

TEST_CASE("the optimal token baseline: least variance in the limit, a bias that falls as 1/n", "[advantage]") {
  // In the limit of large groups it is the constant E[G W] / E[W], hence unbiased; no other constant is better.
  double weighted = 0;
  double total = 0;
  for (std::size_t a = 0; a < actions; ++a) {
    double norm = 0;
    for (double const x : score(a)) norm += x * x;
    weighted += pi[a] * norm * rewards[a];
    total += pi[a] * norm;
  }
  double const limit = weighted / total;
  double mean = 0;
  for (std::size_t a = 0; a < actions; ++a) mean += pi[a] * rewards[a];
  for (double const other : {limit - 0.1, limit + 0.1, mean, 0.0}) CHECK(variance_with(limit) < variance_with(other));

  // A group's estimate contains each response's own return.  Leaving it out would cost the factor 1 - 1/n; here the
  // distance to the exact gradient, times n, stays about constant.
  std::vector<double> scaled;
  for (std::size_t const n : {2U, 4U, 8U}) {
    auto const found = expected_gradient(n, optimal_baseline_advantages);
    scaled.push_back(static_cast<double>(n) * distance(found, exact_gradient()));
    INFO("group size " << n << ", n * bias " << scaled.back());
    CHECK(scaled.back() > 0.01);
  }
  CHECK(scaled[2] == Approx(scaled[1]).epsilon(0.1));
  CHECK(scaled[1] == Approx(scaled[0]).epsilon(0.2));
}
