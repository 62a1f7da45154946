// SPDX-License-Identifier: MIT
// Cross entropy with label smoothing, z-loss and softcap: definition, derivative, ignored rows, impossible tokens; the
// same, and divergences, on a group of threads.
#include <rlvr/kernel/cross_entropy.hpp>
#include <rlvr/kernel/vocabulary_kl.hpp>

#include "random_row.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <support/catch.hpp>
#include <support/host_threads_group.hpp>
#include <vector>

namespace {

namespace kernel = rlvr::kernel;
using numbers = std::vector<double>;
using rlvr::cross_entropy_rule;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr rlvr::single_thread_group group{};

double by_definition(cross_entropy_rule const& rule, numbers const& raw, std::size_t target) {
  numbers logits;
  double total = 0;
  for (double const x : raw) {
    logits.push_back(rule.softcap > 0 ? rule.softcap * std::tanh(x / rule.softcap) : x);
    total += std::exp(logits.back());
  }
  double const log_sum = std::log(total);
  double smooth = 0;
  for (double const l : logits) smooth += (log_sum - l) / static_cast<double>(raw.size());
  return (1 - rule.label_smoothing) * (log_sum - logits[target]) + rule.label_smoothing * smooth +
         rule.z_loss * log_sum * log_sum;
}

}  // namespace

TEST_CASE("cross entropy: definition and derivative", "[cross_entropy]") {
  unsigned const seed = 77;
  INFO("seed=" << seed);
  std::mt19937 engine(seed);
  for (std::size_t const n : {1u, 2u, 11u, 16u, 33u})
    for (double const smoothing : {0.0, 0.1, 1.0})
      for (double const z_loss : {0.0, 0.01})
        for (double const softcap : {0.0, 5.0}) {
          cross_entropy_rule const rule{smoothing, z_loss, softcap};
          INFO("vocabulary=" << n << " smoothing=" << smoothing << " z=" << z_loss << " cap=" << softcap);
          numbers const logits = random_row(engine, n);
          std::size_t const target = engine() % n;
          numbers gradient = logits;
          double const loss =
              kernel::cross_entropy_row(group, gradient.data(), n, rule, static_cast<std::int32_t>(target), 0.5);
          CHECK(loss == Approx(by_definition(rule, logits, target)).margin(1e-13));
          for (std::size_t j = 0; j < n; ++j) {
            double const h = 1e-5;
            numbers up = logits, down = logits;
            up[j] += h;
            down[j] -= h;
            double const slope = (by_definition(rule, up, target) - by_definition(rule, down, target)) / (2 * h);
            CHECK(gradient[j] == Approx(0.5 * slope).epsilon(1e-6).margin(1e-8));
          }
          std::vector<float> narrow(logits.begin(), logits.end());
          float const found =
              kernel::cross_entropy_row(group, narrow.data(), n, rule, static_cast<std::int32_t>(target), 0.5f);
          CHECK(static_cast<double>(found) == Approx(loss).epsilon(1e-5).margin(1e-5));
          for (std::size_t j = 0; j < n; ++j)
            CHECK(static_cast<double>(narrow[j]) == Approx(gradient[j]).epsilon(1e-4).margin(1e-6));
        }
}

TEST_CASE("cross entropy: ignored rows and impossible tokens", "[cross_entropy]") {
  cross_entropy_rule const rule{0.2, 0.01, 0};
  double const nan = std::numeric_limits<double>::quiet_NaN();
  numbers ignored{nan, infinity, 1};
  CHECK(kernel::cross_entropy_row(group, ignored.data(), 3, rule, -1, 1.0) == 0);
  CHECK(ignored == numbers(3, 0.0));

  for (double const softcap : {0.0, 5.0}) {
    cross_entropy_rule const capped{0.2, 0.01, softcap};
    numbers with{0.5, -infinity, 1.5, -infinity}, without{0.5, 1.5};
    double const loss = kernel::cross_entropy_row(group, with.data(), 4, capped, 2, 1.0);
    CHECK(loss == Approx(kernel::cross_entropy_row(group, without.data(), 2, capped, 1, 1.0)));
    CHECK(with[0] == Approx(without[0]));
    CHECK(with[1] == 0);
    CHECK(with[2] == Approx(without[1]));
    CHECK(with[3] == 0);
  }
  numbers impossible{-infinity, 1, 2};
  CHECK(kernel::cross_entropy_row(group, impossible.data(), 3, cross_entropy_rule{}, 0, 1.0) == infinity);
  for (double const slope : impossible) CHECK(std::isfinite(slope));
  numbers capped{1e300, -1e300, 0};
  CHECK(std::isfinite(kernel::cross_entropy_row(group, capped.data(), 3, cross_entropy_rule{0.1, 0.1, 30}, 1, 1.0)));
  for (double const slope : capped) CHECK(std::isfinite(slope));

  CHECK_THROWS_AS((cross_entropy_rule{1.5, 0, 0}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((cross_entropy_rule{0, -1, 0}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((cross_entropy_rule{0, 0, -1}.validate()), rlvr::argument_error);
  CHECK_NOTHROW(cross_entropy_rule{}.validate());
}

TEST_CASE("cross entropy and divergences on host threads agree with one thread", "[cross_entropy]") {
  std::mt19937 engine(6);
  for (std::size_t const n : {1u, 4u, 31u})
    for (std::size_t const threads : {1u, 2u, 3u, 5u}) {
      numbers const logits = random_row(engine, n), reference = random_row(engine, n);
      auto const check = [&](auto const& body) {
        numbers expected = logits, found = logits, losses(threads);
        double const loss = body(group, expected);
        test::run_on_host_threads(threads, [&](auto const& some) {
          double const own = body(some, found);
          some.for_each(threads, [&](std::size_t own_index) { losses[own_index] = own; });
        });
        for (double const other : losses) CHECK(other == Approx(loss));
        for (std::size_t j = 0; j < n; ++j) CHECK(found[j] == Approx(expected[j]).margin(1e-13));
      };
      check([&](auto const& some, numbers& row) {
        return kernel::cross_entropy_row(some, row.data(), n, cross_entropy_rule{0.1, 0.01, 5}, 0, 1.0);
      });
      for (std::size_t const top_k : {0u, 3u})
        for (bool const tail : {true, false})
          check([&](auto const& some, numbers& row) {
            rlvr::vocabulary_kl_settings const settings{.top_k = top_k, .tail = tail};
            return kernel::vocabulary_kl_row(some, rlvr::jensen_shannon{0.3}, row.data(), reference.data(), n, settings,
                                             1.0);
          });
    }
}
