// SPDX-License-Identifier: MIT
// What the KL estimators estimate, by exact enumeration over a small action set: the expectation of each value, and the
// expectation of each gradient when it is used as a loss on-policy, against exact gradients of KL(pi || ref) and
// KL(ref || pi) taken by finite differences of their definitions.
#include <rlvr/rl/kl.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <support/catch.hpp>

namespace {

constexpr std::size_t actions = 6;
using numbers = std::array<double, actions>;

numbers log_softmax(numbers const& logits) {
  double sum = 0;
  for (double x : logits) sum += std::exp(x);
  numbers result{};
  for (std::size_t a = 0; a < actions; ++a) result[a] = logits[a] - std::log(sum);
  return result;
}

double divergence(numbers const& log_p, numbers const& log_q) {
  double sum = 0;
  for (std::size_t a = 0; a < actions; ++a) sum += std::exp(log_p[a]) * (log_p[a] - log_q[a]);
  return sum;
}

template <class F>
numbers differences(F f, numbers const& logits) {
  numbers gradient{};
  double const h = 1e-6;
  for (std::size_t i = 0; i < actions; ++i) {
    numbers up = logits;
    numbers down = logits;
    up[i] += h;
    down[i] -= h;
    gradient[i] = (f(log_softmax(up)) - f(log_softmax(down))) / (2 * h);
  }
  return gradient;
}

struct expectation {
  double value = 0;
  numbers gradient{};  // with respect to the logits, sampling probabilities held fixed
};

template <class Estimate>
expectation enumerate(Estimate estimate, numbers const& log_pi, numbers const& log_ref) {
  expectation result{};
  for (std::size_t a = 0; a < actions; ++a) {
    rlvr::kl_value<double> const kl = estimate(log_pi[a], log_ref[a]);
    double const probability = std::exp(log_pi[a]);
    result.value += probability * kl.value;
    for (std::size_t i = 0; i < actions; ++i) {
      double const d_log_prob = (i == a ? 1.0 : 0.0) - std::exp(log_pi[i]);
      result.gradient[i] += probability * kl.d_log_prob * d_log_prob;
    }
  }
  return result;
}

void check_gradient(numbers const& found, numbers const& expected) {
  for (std::size_t i = 0; i < actions; ++i) {
    INFO("logit " << i);
    CHECK(found[i] == Approx(expected[i]).margin(1e-8));
  }
}

}  // namespace

TEST_CASE("expectations of the KL estimators and of their gradients", "[kl]") {
  numbers const logits{0.3, -1.2, 0.8, 0.1, -0.4, 1.1};
  numbers const log_pi = log_softmax(logits);
  numbers const log_ref = log_softmax({-0.5, 0.4, 0.9, -1.0, 0.2, 0.6});
  double const kl = divergence(log_pi, log_ref);
  numbers const gradient_kl = differences([&](numbers const& p) { return divergence(p, log_ref); }, logits);
  numbers const gradient_forward = differences([&](numbers const& p) { return divergence(log_ref, p); }, logits);

  auto const first = enumerate(rlvr::k1{}, log_pi, log_ref);
  CHECK(first.value == Approx(kl));
  check_gradient(first.gradient, numbers{});

  auto const second = enumerate(rlvr::k2{}, log_pi, log_ref);
  CHECK(std::abs(second.value - kl) > 1e-3);
  check_gradient(second.gradient, gradient_kl);

  auto const third = enumerate(rlvr::k3{}, log_pi, log_ref);
  CHECK(third.value == Approx(kl));
  check_gradient(third.gradient, gradient_forward);

  auto const straight = enumerate(rlvr::straight_through{rlvr::k3{}}, log_pi, log_ref);
  CHECK(straight.value == Approx(kl));
  check_gradient(straight.gradient, gradient_kl);

  auto const weighted = [](auto estimator) {
    return [estimator](double log_prob, double reference) {
      rlvr::token_sample<double> const sample{
          .log_prob = log_prob, .old_log_prob = log_prob, .reference_log_prob = reference};
      return rlvr::ratio_weighted{estimator}(sample);
    };
  };
  auto const weighted_first = enumerate(weighted(rlvr::k1{}), log_pi, log_ref);
  CHECK(weighted_first.value == Approx(kl));
  check_gradient(weighted_first.gradient, gradient_kl);
  auto const weighted_third = enumerate(weighted(rlvr::k3{}), log_pi, log_ref);
  CHECK(weighted_third.value == Approx(kl));
  check_gradient(weighted_third.gradient, gradient_kl);
}
