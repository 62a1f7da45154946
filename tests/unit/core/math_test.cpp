// SPDX-License-Identifier: MIT
// math::exp against the double exponential over every region of float, and the small helpers beside it.
#include <rlvr/core/math.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <support/catch.hpp>

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

// Error in units of the last place of the correctly rounded result.
double ulp_error(float x) {
  double const expected = std::exp(static_cast<double>(x));
  auto const rounded = static_cast<float>(expected);
  double const ulp = static_cast<double>(std::nextafter(rounded, infinity)) - static_cast<double>(rounded);
  return std::abs(static_cast<double>(rlvr::math::exp(x)) - expected) / ulp;
}

}  // namespace

TEST_CASE("exp: about 1 ulp over the range of normal results") {
  double worst = 0;
  float worst_at = 0;
  auto const visit = [&](float x) {
    double const error = ulp_error(x);
    if (error > worst) {
      worst = error;
      worst_at = x;
    }
  };
  SECTION("every 211th float of either sign") {
    auto const visit_range = [&](float from, float to) {
      auto const last = std::bit_cast<std::uint32_t>(to);
      for (std::uint32_t bits = std::bit_cast<std::uint32_t>(from); bits <= last; bits += 211)
        visit(std::bit_cast<float>(bits));
    };
    visit_range(1e-12f, 88.72f);
    visit_range(-1e-12f, -86.9f);
  }
  SECTION("every float round the ends of the range and round the seams between powers of two") {
    float const ln2 = std::log(2.0f);
    for (int n = -124; n <= 127; ++n) {
      float x = (static_cast<float>(n) + 0.5f) * ln2;
      if (x < -86.9f || x > 88.7f) continue;
      for (int step = 0; step < 50; ++step) x = std::nextafter(x, -infinity);
      for (int step = 0; step < 100; ++step, x = std::nextafter(x, infinity)) visit(x);
    }
    for (float x = 88.70f; x <= 88.722f; x = std::nextafter(x, infinity)) visit(x);
    for (float x = -86.9f; x <= -86.89f; x = std::nextafter(x, infinity)) visit(x);
  }
  INFO("worst at x = " << worst_at);
  CHECK(worst < 1.25);
}

TEST_CASE("exp: limits") {
  using rlvr::math::exp;
  CHECK(exp(0.0f) == 1.0f);
  CHECK(exp(-0.0f) == 1.0f);
  CHECK(exp(std::numeric_limits<float>::denorm_min()) == 1.0f);
  CHECK(exp(-infinity) == 0.0f);
  CHECK_FALSE(std::signbit(exp(-infinity)));
  CHECK(exp(infinity) == infinity);
  CHECK(std::isnan(exp(not_a_number)));
  CHECK(std::isnan(exp(-not_a_number)));
  CHECK(exp(88.7228f) < infinity);
  for (float const x : {88.7229f, 88.8f, 89.0f, 90.0f, 128.0f, 1e10f, std::numeric_limits<float>::max()}) {
    INFO(x);
    CHECK(exp(x) == infinity);
  }
  for (float const x : {-87.01f, -87.4f, -88.0f, -100.0f, -104.0f, -1e10f, std::numeric_limits<float>::lowest()}) {
    INFO(x);
    CHECK(exp(x) == 0.0f);
  }
  CHECK(exp(-86.9f) > 0.0f);
  CHECK(exp(1.0) == std::exp(1.0));  // double is the standard library's
}

TEST_CASE("exp: grows, so that the largest logit keeps the largest probability") {
  float previous = 0.0f;
  bool grows = true;
  for (float x = -90.0f; x < 89.0f; x += 0.00037f) {
    float const value = rlvr::math::exp(x);
    grows = grows && value >= previous;
    previous = value;
  }
  CHECK(grows);
}

TEST_CASE("sigmoid: values and limits") {
  using rlvr::math::sigmoid;
  CHECK(sigmoid(0.0f) == 0.5f);
  CHECK(sigmoid(infinity) == 1.0f);
  CHECK(sigmoid(-infinity) == 0.0f);
  CHECK(sigmoid(-200.0f) == 0.0f);
  CHECK(sigmoid(200.0f) == 1.0f);
  CHECK(std::isnan(sigmoid(not_a_number)));
  for (double x = -80; x < 80; x += 0.037) {
    double const expected = 1 / (1 + std::exp(-static_cast<double>(static_cast<float>(x))));
    INFO(x);
    REQUIRE(static_cast<double>(sigmoid(static_cast<float>(x))) == Approx(expected).epsilon(5e-7));
  }
}

TEST_CASE("min, max, clamp, ceil_div") {
  using namespace rlvr::math;
  CHECK(rlvr::math::min(2, 3) == 2);
  CHECK(rlvr::math::max(2, 3) == 3);
  CHECK(clamp(-1.0f, 0.0f, 1.0f) == 0.0f);
  CHECK(clamp(2.0f, 0.0f, 1.0f) == 1.0f);
  CHECK(clamp(0.5f, 0.0f, 1.0f) == 0.5f);
  CHECK(std::isnan(clamp(not_a_number, 0.0f, 1.0f)));
  CHECK(ceil_div(0, 8) == 0);
  CHECK(ceil_div(1, 8) == 1);
  CHECK(ceil_div(8, 8) == 1);
  CHECK(ceil_div(9, 8) == 2);
}
