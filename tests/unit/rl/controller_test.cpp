// SPDX-License-Identifier: MIT
// Coefficients that follow a measurement.
#include <rlvr/rl/controller.hpp>
#include <rlvr/rl/kl.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <support/catch.hpp>

namespace {
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
}  // namespace

TEST_CASE("the adaptive KL coefficient moves towards its target, within bounds", "[controller]") {
  rlvr::adaptive_kl rule{.coefficient = 0.2, .target = 0.1, .horizon = 1000};
  rule.update(0.1, 500);
  CHECK(rule.coefficient == 0.2);
  rule.update(0.11, 500);  // 10 % too much over half a horizon
  CHECK(rule.coefficient == Approx(0.2 * 1.05));
  rule.update(5.0, 100);  // the error counts as 20 %
  CHECK(rule.coefficient == Approx(0.2 * 1.05 * 1.02));
  rule.update(-5.0, 100);  // k1 can be negative
  CHECK(rule.coefficient == Approx(0.2 * 1.05 * 1.02 * 0.98));
  double const before = rule.coefficient;
  rule.update(not_a_number, 100);
  rule.update(infinity, 100);
  CHECK(rule.coefficient == before);
  rlvr::fixed_coefficient fixed{0.3};
  fixed.update(100, 100);
  CHECK(fixed.coefficient == 0.3);
}

TEST_CASE("the adaptive KL coefficient holds a system at its target", "[controller]") {
  // A policy whose KL falls as the coefficient grows: kl = 0.02 / coefficient.
  rlvr::adaptive_kl rule{.coefficient = 5, .target = 0.1, .horizon = 1000};
  for (int step = 0; step < 2000; ++step) rule.update(0.02 / rule.coefficient, 64);
  CHECK(rule.coefficient == Approx(0.2).epsilon(1e-6));
}

TEST_CASE("the adaptive entropy coefficient rises while the entropy is low", "[controller]") {
  rlvr::adaptive_entropy rule{.target = 0.25, .delta = 0.005, .lowest = 0, .highest = 0.01};
  CHECK(rule.applied() == 0);
  rule.update(0.4);
  CHECK(rule.coefficient == 0);  // not below the lowest
  rule.update(0.1);
  CHECK(rule.coefficient == 0.005);
  CHECK(rule.applied() == 0.005);
  rule.update(0.25);  // at the target: counts as low
  rule.update(0.2);
  CHECK(rule.coefficient == 0.01);  // not above the highest
  rule.update(0.3);
  CHECK(rule.coefficient == Approx(0.005));
  CHECK(rule.applied() == 0);  // kept, but not applied while the entropy is high
  rule.update(not_a_number);
  CHECK(rule.coefficient == Approx(0.005));
  CHECK(rule.applied() == 0);
  CHECK(rlvr::adaptive_entropy{.coefficient = 0.1}.applied() == 0.1);
}

TEST_CASE("controllers refuse parameters that make no sense", "[controller]") {
  CHECK_THROWS_AS((rlvr::adaptive_kl{.target = 0}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((rlvr::adaptive_kl{.horizon = -1}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((rlvr::adaptive_kl{.limit = not_a_number}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((rlvr::adaptive_entropy{.delta = -1}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((rlvr::adaptive_entropy{.lowest = 2, .highest = 1}.validate()), rlvr::argument_error);
  CHECK_NOTHROW(rlvr::adaptive_kl{}.validate());
  CHECK_NOTHROW(rlvr::adaptive_entropy{}.validate());
}

TEST_CASE("KL in the reward of a response: masked tokens are not read", "[controller][kl]") {
  std::array<double, 4> const rewards{0, 0, 7, 1}, log_prob{-1, -2, not_a_number, -0.5};
  std::array<double, 4> const reference{-1.5, -1, -infinity, -0.5};
  std::array<bool, 4> const mask{true, true, false, true};
  std::array<double, 4> out{};
  rlvr::kl_in_reward const rule{rlvr::k1{}, 0.1};
  auto const apply = [&](std::span<bool const> counts) {
    return rule.apply<double>(rewards, log_prob, reference, counts, out);
  };
  CHECK(apply(mask) == Approx((0.5 - 1 + 0) / 3));
  CHECK(out[0] == Approx(-0.05));
  CHECK(out[1] == Approx(0.1));
  CHECK(out[2] == 7);
  CHECK(out[3] == 1);
  std::array<bool, 4> const none{};
  CHECK(apply(none) == 0);
  CHECK(out == rewards);
  CHECK(rule.apply<double>({}, {}, {}, {}, {}) == 0);
  CHECK_THROWS_AS(apply(std::span<bool const>(mask).first(3)), rlvr::shape_error);
}
