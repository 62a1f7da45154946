// SPDX-License-Identifier: MIT
// What the KL estimators estimate, by exact enumeration over a small action set: the expectation of each value, and the
// expectation of each gradient when it is used as a loss on-policy, against exact gradients of KL(pi || ref) and
// KL(ref || pi) taken by finite differences of their definitions.
#include <rlvr/kernel/vocabulary_kl.hpp>
#include <rlvr/rl/kl.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
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

TEST_CASE("expected gradients are those of the divergences over the whole vocabulary", "[kl]") {
  numbers const logits{0.3, -1.2, 0.8, 0.1, -0.4, 1.1};
  numbers const reference_logits{-0.5, 0.4, 0.9, -1.0, 0.2, 0.6};
  numbers const log_pi = log_softmax(logits);
  numbers const log_ref = log_softmax(reference_logits);
  auto const exact = [&](auto divergence) {
    expectation result{};
    result.value = rlvr::vocabulary_kl<double>(divergence, logits, reference_logits, result.gradient);
    return result;
  };
  auto const reverse = exact(rlvr::reverse_kl{});
  check_gradient(enumerate(rlvr::k2{}, log_pi, log_ref).gradient, reverse.gradient);
  check_gradient(enumerate(rlvr::straight_through{rlvr::k1{}}, log_pi, log_ref).gradient, reverse.gradient);
  CHECK(enumerate(rlvr::straight_through{rlvr::k1{}}, log_pi, log_ref).value == Approx(reverse.value));
  check_gradient(enumerate(rlvr::k3{}, log_pi, log_ref).gradient, exact(rlvr::forward_kl{}).gradient);
  // |d| is an upper bound; e^-d + d - 1 has the expectation KL(ref || pi) where the reference samples.
  CHECK(enumerate(rlvr::absolute_kl{}, log_pi, log_ref).value > reverse.value);
  double reversed = 0;
  for (std::size_t a = 0; a < actions; ++a)
    reversed += std::exp(log_ref[a]) * rlvr::reverse_k3{}(log_pi[a], log_ref[a]).value;
  CHECK(reversed == Approx(exact(rlvr::forward_kl{}).value));
}

TEST_CASE("ratio-weighted estimators are unbiased under another sampler, plain ones are not", "[kl]") {
  numbers const logits{0.3, -1.2, 0.8, 0.1, -0.4, 1.1};
  numbers const reference_logits{-0.5, 0.4, 0.9, -1.0, 0.2, 0.6};
  numbers const log_pi = log_softmax(logits);
  numbers const log_ref = log_softmax(reference_logits);
  numbers const log_sampler = log_softmax({0.9, 0.2, -0.3, 0.5, 0.0, 0.4});
  numbers gradient{};
  double const kl = rlvr::vocabulary_kl<double>(rlvr::reverse_kl{}, logits, reference_logits, gradient);
  auto const off_policy = [&](auto const& estimator) {
    expectation result{};
    for (std::size_t a = 0; a < actions; ++a) {
      rlvr::kl_value<double> const found = estimator(rlvr::token_sample<double>{.log_prob = log_pi[a],
                                                                                .old_log_prob = log_sampler[a],
                                                                                .reference_log_prob = log_ref[a],
                                                                                .behaviour_log_prob = log_sampler[a]});
      double const probability = std::exp(log_sampler[a]);
      result.value += probability * found.value;
      for (std::size_t i = 0; i < actions; ++i)
        result.gradient[i] += probability * found.d_log_prob * ((i == a ? 1.0 : 0.0) - std::exp(log_pi[i]));
    }
    return result;
  };
  for (auto const weight : {rlvr::kl_weight::importance_ratio, rlvr::kl_weight::behaviour_ratio}) {
    auto const first = off_policy(rlvr::ratio_weighted{rlvr::k1{}, weight});
    CHECK(first.value == Approx(kl));
    check_gradient(first.gradient, gradient);
    auto const third = off_policy(rlvr::ratio_weighted{rlvr::k3{}, weight});
    CHECK(third.value == Approx(kl));
    check_gradient(third.gradient, gradient);
  }
  auto const plain = [](auto estimator) {
    return [=](rlvr::token_sample<double> const& s) { return estimator(s.log_prob, s.reference_log_prob); };
  };
  CHECK(std::abs(off_policy(plain(rlvr::k1{})).value - kl) > 0.01);
  CHECK(std::abs(off_policy(plain(rlvr::k3{})).value - kl) > 0.01);
}

TEMPLATE_TEST_CASE("KL estimators are finite for all log-probabilities, with and without clamps", "[kl]", float,
                   double) {
  using T = TestType;
  T const never = -std::numeric_limits<T>::infinity();
  T const extremes[]{never, T(-1e30f), T(-1e6), T(-1000), T(-900), T(-88.8f), T(-20), T(-0.5), T(0)};
  double const off = rlvr::unlimited;
  for (T const log_prob : extremes)
    for (T const reference : extremes)
      for (double const input : {off, 20.0, 1e5})
        for (double const output : {off, 10.0}) {
          INFO("log_prob=" << log_prob << " reference=" << reference << " clamps " << input << " " << output);
          auto const check = [&](rlvr::kl_value<T> const& kl) {
            CHECK(std::isfinite(kl.value));
            CHECK(std::isfinite(kl.d_log_prob));
            if (log_prob == reference) CHECK(kl.value == 0);
            if (static_cast<double>(kl.value) >= output) CHECK(static_cast<double>(kl.value) == output);
          };
          auto const check_all = [&](auto estimator) {
            check(estimator(log_prob, reference));
            check({rlvr::straight_through{estimator}(log_prob, reference)});
            estimator.output_clamp = off;
            for (T const old : extremes)
              for (auto const weight : {rlvr::kl_weight::importance_ratio, rlvr::kl_weight::score_function})
                for (bool const detach : {false, true})
                  check(rlvr::ratio_weighted{estimator, weight, output, detach}(rlvr::token_sample<T>{
                      .log_prob = log_prob, .old_log_prob = old, .reference_log_prob = reference}));
          };
          check_all(rlvr::k1{input, output});
          check_all(rlvr::k2{input, output});
          check_all(rlvr::k3{input, output});
          check_all(rlvr::absolute_kl{input, output});
          check_all(rlvr::reverse_k3{input, output});
        }
}
