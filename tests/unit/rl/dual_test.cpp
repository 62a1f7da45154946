// SPDX-License-Identifier: MIT
// Dual numbers: every operation against central differences, the documented choice at every kink, and the guarantee
// that a constant never produces 0 * inf.
#include <rlvr/core/dual.hpp>

#include <cmath>
#include <limits>
#include <support/catch.hpp>

namespace {

using number = rlvr::dual<double>;

// Evaluates `f` on duals at (x, y) and compares its partials with differences of its values.
template <class F>
void check_partials(char const* name, F f, double x, double y) {
  INFO(name << " at " << x << ", " << y);
  double const h = 1e-6;
  auto const value = [&](double a, double b) { return f(number::constant(a), number::constant(b)).value; };
  number const result = f(number{x, 1, 0}, number{y, 0, 1});
  CHECK(result.value == Approx(value(x, y)));
  CHECK(result.d_log_prob == Approx((value(x + h, y) - value(x - h, y)) / (2 * h)).epsilon(1e-6).margin(1e-8));
  CHECK(result.d_entropy == Approx((value(x, y + h) - value(x, y - h)) / (2 * h)).epsilon(1e-6).margin(1e-8));
}

}  // namespace

TEST_CASE("dual numbers follow the rules of calculus", "[dual]") {
  for (double x : {0.3, 1.7, 2.9}) {
    for (double y : {0.2, 0.9, 3.1}) {
      check_partials(
          "x + y", [](auto a, auto b) { return a + b; }, x, y);
      check_partials(
          "x - y", [](auto a, auto b) { return a - b; }, x, y);
      check_partials(
          "x y", [](auto a, auto b) { return a * b; }, x, y);
      check_partials(
          "x / y", [](auto a, auto b) { return a / b; }, x, y);
      check_partials(
          "-x + +y", [](auto a, auto b) { return -a + +b; }, x, y);
      check_partials(
          "scalars", [](auto a, auto b) { return (2 * a + 1) / (b + 0.5f) - 3.0 / a + (1 - b) * 4; }, x, y);
      check_partials(
          "exp", [](auto a, auto b) { return exp(a * b); }, x, y);
      check_partials(
          "expm1", [](auto a, auto b) { return expm1(a - b); }, x, y);
      check_partials(
          "log", [](auto a, auto b) { return log(a + 2 * b); }, x, y);
      check_partials(
          "log1p", [](auto a, auto b) { return log1p(a / b); }, x, y);
      check_partials(
          "sqrt", [](auto a, auto b) { return sqrt(a * a + b); }, x, y);
      check_partials(
          "tanh", [](auto a, auto b) { return tanh(a - b); }, x, y);
      check_partials(
          "sigmoid", [](auto a, auto b) { return sigmoid(a - b); }, x, y);
      check_partials(
          "pow", [](auto a, auto b) { return pow(a + b, 1.5) + pow(a, 2) / pow(b, -1.0f); }, x, y);
      check_partials(
          "abs", [](auto a, auto b) { return abs(a - 2 * b); }, x, y);
      check_partials(
          "min", [](auto a, auto b) { return min(a * a, b) + min(a, 1) + min(0.5, b); }, x, y);
      check_partials(
          "max", [](auto a, auto b) { return max(a * a, b) + max(a, 1) + max(0.5, b); }, x, y);
      check_partials(
          "clamp", [](auto a, auto b) { return clamp(a, 0.5f, 2) * clamp(b, a, a + 1); }, x, y);
      auto const compound = [](auto a, auto b) {
        a += b;
        a *= 2;
        a -= 0.25f;
        a /= b;
        return a;
      };
      check_partials("compound assignment", compound, x, y);
    }
  }
}

TEST_CASE("a kink selects one side", "[dual]") {
  number const x{1, 1, 0};
  number const y{1, 0, 1};
  CHECK(min(x, y).d_log_prob == 1);
  CHECK(min(x, y).d_entropy == 0);
  CHECK(max(y, x).d_entropy == 1);
  CHECK(max(y, x).d_log_prob == 0);
  CHECK(clamp(x, 1, 2).d_log_prob == 1);
  CHECK(clamp(x, 0, 1).d_log_prob == 1);
  CHECK(clamp(x, 1.5, 2).d_log_prob == 0);
  CHECK(clamp(x, 0, 0.5).d_log_prob == 0);
  CHECK(abs(x - 1).d_log_prob == 0);
  CHECK(stop_gradient(x).value == 1);
  CHECK(stop_gradient(x).d_log_prob == 0);
}

TEST_CASE("comparisons look at values", "[dual]") {
  number const x{1, 5, 5};
  number const y{2, 0, 0};
  CHECK((x < y && y > x && x <= y && y >= x && !(x == y)));
  CHECK((x == 1 && x < 2 && x <= 1 && x > 0.5f && x >= 1 && 0 < x && 1 <= x && 2 > x && 1 >= x));
  CHECK(x == number{1, 0, 0});
  CHECK(x != y);
}

TEST_CASE("a partial of zero stays zero beside an infinite factor", "[dual]") {
  double const infinity = std::numeric_limits<double>::infinity();
  number const x{infinity, infinity, 0};
  number const constant = number::constant(-2);
  CHECK((x * constant).d_log_prob == -infinity);
  CHECK((x * constant).d_entropy == 0);
  CHECK(exp(number::constant(1000)).d_log_prob == 0);
  CHECK(log(number::constant(0)).d_log_prob == 0);
  CHECK(sqrt(number::constant(0)).d_entropy == 0);
  CHECK(min(x, 3).d_log_prob == 0);
}

TEST_CASE("duals of float take double constants without widening", "[dual]") {
  rlvr::dual<float> const x{0.5f, 1, 0};
  auto const y = 0.1 * x + 1;
  STATIC_REQUIRE(std::is_same_v<decltype(y), rlvr::dual<float> const>);
  CHECK(y.value == 0.1f * 0.5f + 1);
}
