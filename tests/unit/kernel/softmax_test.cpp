// SPDX-License-Identifier: MIT
// Softmax bodies in double: values against their definitions, gradients against central differences; impossible tokens;
// the same on a group of threads.
#include <rlvr/kernel/softmax.hpp>

#include "random_row.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <support/catch.hpp>
#include <support/host_threads_group.hpp>
#include <vector>

namespace {

namespace kernel = rlvr::kernel;
using numbers = std::vector<double>;
constexpr rlvr::single_thread_group group{};

// What a row is asked: log-prob of the target in the softmax over the kept tokens, entropy and sum of squares of all.
struct readings {
  double log_prob = 0, entropy = 0, squares = 0;
};

readings read_naively(numbers const& logits, double temperature, std::size_t target, std::vector<int> const& keep) {
  double all = 0, kept = 0;
  for (std::size_t j = 0; j < logits.size(); ++j) {
    all += std::exp(logits[j] / temperature);
    kept += keep[j] != 0 || j == target ? std::exp(logits[j] / temperature) : 0;
  }
  readings result{.log_prob = logits[target] / temperature - std::log(kept)};
  for (double const l : logits) {
    double const p = std::exp(l / temperature) / all;
    result.entropy -= p > 0 ? p * std::log(p) : 0;
    result.squares += p * p;
  }
  return result;
}

std::unique_ptr<bool[]> as_mask(std::vector<int> const& keep) {
  auto mask = std::make_unique<bool[]>(keep.size());
  for (std::size_t j = 0; j < keep.size(); ++j) mask[j] = keep[j] != 0;
  return mask;
}

}  // namespace

TEST_CASE("softmax bodies: values and derivatives in double", "[softmax]") {
  unsigned const seed = 41;
  INFO("seed=" << seed);
  std::mt19937 engine(seed);
  for (std::size_t const n : {1u, 2u, 3u, 15u, 16u, 17u, 37u})
    for (double const temperature : {1.0, 0.6, 1.7})
      for (bool const restricted : {false, true}) {
        INFO("vocabulary=" << n << " temperature=" << temperature << " restricted=" << restricted);
        double const inverse = 1 / temperature;
        numbers const logits = random_row(engine, n);
        std::size_t const target = engine() % n;
        std::vector<int> keep(n, 1);
        if (restricted)
          for (int& k : keep) k = static_cast<int>(engine() % 2);
        auto const mask = as_mask(keep);
        kernel::kept_tokens const kept{mask.get(), static_cast<std::int32_t>(target)};

        readings const expected = read_naively(logits, temperature, target, keep);
        auto const s = kernel::softmax_statistics(group, logits.data(), n, inverse);
        auto const r = kernel::softmax_statistics(group, logits.data(), n, inverse, kept);
        double const squares = kernel::sum_of_squared_probabilities(group, logits.data(), n, inverse, s);
        CHECK(kernel::log_probability(r, logits[target], inverse) == Approx(expected.log_prob).margin(1e-13));
        CHECK(s.entropy == Approx(expected.entropy).margin(1e-13));
        CHECK(squares == Approx(expected.squares));

        double const a = 0.75, b = -0.5;
        numbers by_both = logits, by_squares = logits;
        kernel::replace_by_gradient(group, by_both.data(), n, inverse, s, r, kept, static_cast<std::int32_t>(target),
                                    a * inverse, b * inverse);
        kernel::replace_by_squares_gradient(group, by_squares.data(), n, inverse, s, squares, inverse);
        for (std::size_t j = 0; j < n; ++j) {
          double const h = 1e-5;
          numbers up = logits, down = logits;
          up[j] += h;
          down[j] -= h;
          readings const high = read_naively(up, temperature, target, keep);
          readings const low = read_naively(down, temperature, target, keep);
          double const slope = (a * (high.log_prob - low.log_prob) + b * (high.entropy - low.entropy)) / (2 * h);
          CHECK(by_both[j] == Approx(slope).epsilon(1e-6).margin(1e-8));
          CHECK(by_squares[j] == Approx((high.squares - low.squares) / (2 * h)).epsilon(1e-6).margin(1e-8));
        }
        if (!restricted) {  // the two forms of the gradient agree
          numbers plain = logits;
          kernel::replace_by_gradient(group, plain.data(), n, inverse, s, static_cast<std::int32_t>(target),
                                      a * inverse, b * inverse);
          for (std::size_t j = 0; j < n; ++j) CHECK(plain[j] == Approx(by_both[j]).margin(1e-14));
        }
      }
}

TEMPLATE_TEST_CASE("softmax bodies: impossible tokens", "[softmax]", float, double) {
  using T = TestType;
  T const never = -std::numeric_limits<T>::infinity();
  std::vector<T> const row{never, T(1), never, T(3)};
  T log_prob = 1, entropy = 1;
  kernel::token_log_prob_row(group, row.data(), 4, T(1), 3, &log_prob, &entropy);
  T const p = T(1) / (T(1) + std::exp(T(-2)));
  CHECK(log_prob == Approx(std::log(p)));
  CHECK(entropy == Approx(-p * std::log(p) - (1 - p) * std::log(1 - p)));
  kernel::token_log_prob_row(group, row.data(), 4, T(1), 0, &log_prob, &entropy);
  CHECK(log_prob == never);
  CHECK(std::isfinite(entropy));
  kernel::token_log_prob_row(group, row.data(), 4, T(1), -1, &log_prob, &entropy);
  CHECK(log_prob == 0);
  CHECK(entropy == 0);
  kernel::token_log_prob_row(group, row.data(), 4, T(1), 3, nullptr, nullptr);  // nothing is wanted

  auto const s = kernel::softmax_statistics(group, row.data(), 4, T(1));
  std::vector<T> gradient = row;
  kernel::replace_by_gradient(group, gradient.data(), 4, T(1), s, 3, T(1), T(1));
  CHECK(gradient[0] == 0);
  CHECK(gradient[2] == 0);
  CHECK(std::isfinite(gradient[1]));
  CHECK(gradient[1] == Approx(-gradient[3]));

  bool const keep[]{true, false, true, false};  // keeps nothing that is possible but the target
  kernel::kept_tokens const kept{keep, 1};
  auto const r = kernel::softmax_statistics(group, row.data(), 4, T(1), kept);
  CHECK(kernel::log_probability(r, row[1], T(1)) == 0);
  gradient = row;
  kernel::replace_by_gradient(group, gradient.data(), 4, T(1), s, r, kept, 1, T(1), T(0));
  for (T const slope : gradient) CHECK(slope == 0);
  gradient = row;
  kernel::replace_by_gradient(group, gradient.data(), 4, T(1), s, r, kept, 1, T(1), T(1));
  for (T const slope : gradient) CHECK(std::isfinite(slope));

  std::vector<T> const only{never, T(-700), never};
  auto const certain = kernel::softmax_statistics(group, only.data(), 3, T(0.5));
  CHECK(certain.entropy == 0);
  CHECK(kernel::log_probability(certain, only[1], T(0.5)) == 0);
  CHECK(kernel::sum_of_squared_probabilities(group, only.data(), 3, T(0.5), certain) == 1);
}

TEST_CASE("softmax bodies keep their digits where all logits are shifted", "[softmax]") {
  std::vector<float> const row{0.25f, -1.5f, 0.75f, 2.0f};
  std::vector<float> shifted = row;
  for (float& l : shifted) l += 4096;
  auto const a = kernel::softmax_statistics(group, row.data(), 4, 1.0f);
  auto const b = kernel::softmax_statistics(group, shifted.data(), 4, 1.0f);
  CHECK(a.entropy == b.entropy);
  CHECK(a.log_normaliser == b.log_normaliser);
}

TEST_CASE("softmax bodies on host threads agree with one thread", "[softmax]") {
  std::mt19937 engine(5);
  for (std::size_t const n : {1u, 4u, 31u})
    for (std::size_t const threads : {1u, 2u, 3u, 5u}) {
      numbers const logits = random_row(engine, n);
      auto const mask = as_mask(std::vector<int>(n, 0));
      kernel::kept_tokens const kept{mask.get(), 0};
      auto const body = [&](auto const& some, numbers& row) {
        auto const s = kernel::softmax_statistics(some, logits.data(), n, 0.5);
        auto const r = kernel::softmax_statistics(some, logits.data(), n, 0.5, kept);
        some.sync();
        kernel::replace_by_gradient(some, row.data(), n, 0.5, s, r, kept, 0, 1.0, 1.0);
      };
      numbers expected = logits, found = logits;
      body(group, expected);
      test::run_on_host_threads(threads, [&](auto const& some) { body(some, found); });
      for (std::size_t j = 0; j < n; ++j) CHECK(found[j] == Approx(expected[j]).margin(1e-14));
    }
}
