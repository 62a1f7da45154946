// SPDX-License-Identifier: MIT
// Contrastive losses: a naive double reference, known figures, gradients against central differences, limits,
// invariances.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/contrastive.hpp>

#include <cmath>
#include <limits>
#include <random>
#include <support/catch.hpp>
#include <vector>

namespace {

constexpr unsigned seed = 20261125;

struct points {
  std::vector<double> values;
  std::vector<int> labels;
  std::vector<double> gradient = std::vector<double>(values.size(), std::numeric_limits<double>::quiet_NaN());
};

points random_points(std::size_t rows, std::size_t width, int classes, unsigned salt) {
  std::mt19937_64 engine(seed + salt);
  std::normal_distribution<double> normal(0, 1.5);
  points result;
  for (std::size_t i = 0; i < rows * width; ++i) result.values.push_back(normal(engine));
  for (std::size_t i = 0; i < rows; ++i)
    result.labels.push_back(static_cast<int>(engine() % static_cast<unsigned>(classes)));
  result.gradient.resize(result.values.size());
  return result;
}

template <class Loss>
double evaluate(Loss const& loss, points& data) {
  return rlvr::contrastive_batch_loss(loss, std::span<double const>(data.values), std::span<int const>(data.labels),
                                      std::span<double>(data.gradient));
}

// The formulas as they stand in the header, nothing shared with it.
enum class kind { supervised, centres, summed };
double naive(kind which, double t, double t2, points const& data) {
  std::size_t const n = data.labels.size(), width = data.values.size() / n;
  auto const similarity = [&](std::size_t i, std::size_t j) {
    double dot = 0, a = 0, b = 0;
    for (std::size_t c = 0; c < width; ++c) {
      double const x = data.values[i * width + c], y = data.values[j * width + c];
      dot += x * y;
      a += x * x;
      b += y * y;
    }
    return dot / std::sqrt(a * b);
  };
  double total = 0, anchors = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double all = 0, weights = 0, positives = 0, weighted = 0, inside = 0;
    for (std::size_t a = 0; a < n; ++a)
      if (a != i) all += std::exp(similarity(i, a) / t);
    for (std::size_t p = 0; p < n; ++p) {
      if (p == i || data.labels[p] != data.labels[i]) continue;
      double const w = which == kind::centres ? std::exp(similarity(i, p) / t2) : 1;
      weights += w;
      positives += 1;
      weighted += w * std::log(std::exp(similarity(i, p) / t) / all);
      inside += std::exp(similarity(i, p) / t) / all;
    }
    if (positives == 0) continue;
    anchors += 1;
    total -= which == kind::summed ? std::log(inside) : weighted / weights;
  }
  return anchors > 0 ? total / anchors : 0;
}

points two_clusters() {
  points result;
  for (double const degrees : {0.0, 5.0, 175.0, 180.0, 90.0, 95.0}) {
    double const angle = degrees * std::acos(-1.0) / 180;
    result.values.insert(result.values.end(), {std::cos(angle), std::sin(angle)});
    result.labels.push_back(degrees > 80 && degrees < 100 ? 1 : 0);
  }
  result.gradient.resize(result.values.size());
  return result;
}

}  // namespace

TEST_CASE("contrastive losses: two clusters of one label", "[contrastive]") {
  points data = two_clusters();
  CHECK(evaluate(rlvr::supervised_contrastive{}, data) == Approx(8.846896).margin(1e-6));
  CHECK(evaluate(rlvr::multi_centre_contrastive{}, data) == Approx(0.000256).margin(1e-6));
  CHECK(evaluate(rlvr::summed_contrastive{}, data) == Approx(0.000256).margin(1e-6));
}

TEST_CASE("contrastive losses: values against a naive reference", "[contrastive]") {
  INFO("seed " << seed);
  for (unsigned salt = 0; salt < 5; ++salt) {
    points data = random_points(9, 3, 4, salt);
    CHECK(evaluate(rlvr::supervised_contrastive{0.3}, data) == Approx(naive(kind::supervised, 0.3, 0, data)));
    CHECK(evaluate(rlvr::multi_centre_contrastive{0.3, 0.2}, data) == Approx(naive(kind::centres, 0.3, 0.2, data)));
    CHECK(evaluate(rlvr::summed_contrastive{0.3}, data) == Approx(naive(kind::summed, 0.3, 0, data)));
  }
}

TEST_CASE("contrastive losses: gradients against central differences", "[contrastive]") {
  INFO("seed " << seed);
  double const h = 1e-5;
  auto const check = [&](auto const& loss, points data) {
    (void)evaluate(loss, data);
    std::vector<double> const found = data.gradient;
    for (std::size_t i = 0; i < data.values.size(); ++i) {
      double const at = data.values[i];
      data.values[i] = at + h;
      double const above = evaluate(loss, data);
      data.values[i] = at - h;
      double const below = evaluate(loss, data);
      data.values[i] = at;
      CHECK(found[i] == Approx((above - below) / (2 * h)).epsilon(1e-5).margin(1e-8));
    }
  };
  points const data = random_points(7, 3, 3, 11);
  check(rlvr::supervised_contrastive{0.4}, data);
  check(rlvr::summed_contrastive{0.4}, data);
  // The weights of the multi-centre loss are constants: with one positive per anchor they are 1 and it is exact; with
  // t2 -> infinity they do not depend on the embeddings.
  points pairs = data;
  pairs.labels = {0, 1, 0, 2, 1, 2, 3};
  check(rlvr::multi_centre_contrastive{0.4, 0.1}, pairs);
  check(rlvr::multi_centre_contrastive{0.4, 1e12}, data);
}

TEST_CASE("contrastive losses: the gradient of fixed weights", "[contrastive]") {
  // d/ds of -sum w l with w held constant, written out for the raw embeddings by differences of a weighted SupCon: the
  // gradient is linear in the weights, so it must lie between those of uniform weights and of the nearest positive.
  points data = random_points(6, 2, 2, 3);
  double const h = 1e-5, t = 0.5, t2 = 0.3;
  std::size_t const n = 6, width = 2;
  auto const similarity = [&](std::vector<double> const& v, std::size_t i, std::size_t j) {
    double const dot = v[2 * i] * v[2 * j] + v[2 * i + 1] * v[2 * j + 1];
    return dot / (std::hypot(v[2 * i], v[2 * i + 1]) * std::hypot(v[2 * j], v[2 * j + 1]));
  };
  auto const value = [&](std::vector<double> const& v, std::vector<double> const& for_weights) {
    double total = 0, anchors = 0;
    for (std::size_t i = 0; i < n; ++i) {
      double all = 0, weights = 0, sum = 0;
      for (std::size_t a = 0; a < n; ++a) all += a != i ? std::exp(similarity(v, i, a) / t) : 0;
      for (std::size_t p = 0; p < n; ++p) {
        if (p == i || data.labels[p] != data.labels[i]) continue;
        double const w = std::exp(similarity(for_weights, i, p) / t2);
        weights += w;
        sum -= w * (similarity(v, i, p) / t - std::log(all));
      }
      if (weights == 0) continue;
      total += sum / weights;
      anchors += 1;
    }
    return total / anchors;
  };
  CHECK(evaluate(rlvr::multi_centre_contrastive{t, t2}, data) == Approx(value(data.values, data.values)));
  for (std::size_t i = 0; i < n * width; ++i) {
    std::vector<double> above = data.values, below = data.values;
    above[i] += h;
    below[i] -= h;
    double const expected = (value(above, data.values) - value(below, data.values)) / (2 * h);
    CHECK(data.gradient[i] == Approx(expected).epsilon(1e-5).margin(1e-8));
  }
}

TEST_CASE("contrastive losses: limits and invariances", "[contrastive]") {
  points data = random_points(8, 2, 3, 5);
  double const supervised = evaluate(rlvr::supervised_contrastive{0.2}, data);
  CHECK(evaluate(rlvr::multi_centre_contrastive{0.2, 1e9}, data) == Approx(supervised));
  CHECK(evaluate(rlvr::multi_centre_contrastive{0.2, 1e-4}, data) <= evaluate(rlvr::summed_contrastive{0.2}, data) + 2);
  // Rotation and scale do not matter; the gradient is at right angles to the embedding.
  points turned = data;
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    double const x = data.values[2 * i], y = data.values[2 * i + 1];
    turned.values[2 * i] = 3 * (0.6 * x - 0.8 * y);
    turned.values[2 * i + 1] = 3 * (0.8 * x + 0.6 * y);
  }
  CHECK(evaluate(rlvr::supervised_contrastive{0.2}, turned) == Approx(supervised));
  for (std::size_t i = 0; i < data.labels.size(); ++i)
    CHECK(turned.gradient[2 * i] * turned.values[2 * i] + turned.gradient[2 * i + 1] * turned.values[2 * i + 1] ==
          Approx(0).margin(1e-12));
}

TEST_CASE("contrastive losses: edge cases", "[contrastive]") {
  points lonely = random_points(3, 2, 1, 1);
  lonely.labels = {0, 1, 2};
  CHECK(evaluate(rlvr::supervised_contrastive{}, lonely) == 0);
  CHECK(lonely.gradient == std::vector<double>(6));
  points one = random_points(1, 2, 1, 1);
  CHECK(evaluate(rlvr::supervised_contrastive{}, one) == 0);
  points none;
  CHECK(evaluate(rlvr::summed_contrastive{}, none) == 0);
  points zero = random_points(4, 2, 1, 2);
  zero.values[0] = zero.values[1] = 0;
  zero.values[2] = 1e-200;
  zero.values[4] = 1e200;
  CHECK(std::isfinite(evaluate(rlvr::multi_centre_contrastive{0.01, 0.01}, zero)));
  CHECK(zero.gradient[0] == 0);
  points bad = random_points(4, 2, 1, 2);
  bad.labels.pop_back();
  CHECK_THROWS_AS(evaluate(rlvr::summed_contrastive{}, bad), rlvr::shape_error);
  bad.labels.push_back(0);
  CHECK_THROWS_AS(evaluate(rlvr::summed_contrastive{0}, bad), rlvr::argument_error);
}

TEST_CASE("matching the blanks: value, gradient, edge cases", "[contrastive]") {
  points const u = random_points(4, 3, 2, 21), v = random_points(4, 3, 2, 22);
  bool const same[] = {true, false, false, true};
  std::vector<double> d_u(12), d_v(12), scratch_u(12), scratch_v(12);
  auto const run = [&](std::vector<double> const& a, std::vector<double> const& b, auto& da, auto& db) {
    return rlvr::matching_the_blanks(std::span<double const>(a), std::span<double const>(b), same,
                                     std::span<double>(da), std::span<double>(db));
  };
  double expected = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    double dot = 0;
    for (std::size_t c = 0; c < 3; ++c) dot += u.values[3 * k + c] * v.values[3 * k + c];
    double const p = 1 / (1 + std::exp(-dot));
    expected -= std::log(same[k] ? p : 1 - p) / 4;
  }
  CHECK(run(u.values, v.values, d_u, d_v) == Approx(expected));
  double const h = 1e-6;
  for (std::size_t i = 0; i < 12; ++i) {
    std::vector<double> above = u.values, below = u.values;
    above[i] += h;
    below[i] -= h;
    CHECK(d_u[i] ==
          Approx((run(above, v.values, scratch_u, scratch_v) - run(below, v.values, scratch_u, scratch_v)) / (2 * h))
              .margin(1e-8));
    above = below = v.values;
    above[i] += h;
    below[i] -= h;
    CHECK(d_v[i] ==
          Approx((run(u.values, above, scratch_u, scratch_v) - run(u.values, below, scratch_u, scratch_v)) / (2 * h))
              .margin(1e-8));
  }
  std::vector<double> const huge(12, 1e3);
  CHECK(run(huge, huge, d_u, d_v) == Approx(1.5e6));
  std::vector<double> nothing;
  CHECK(rlvr::matching_the_blanks(std::span<double const>(), std::span<double const>(), std::span<bool const>(),
                                  std::span<double>(), std::span<double>()) == 0);
  CHECK_THROWS_AS(run(u.values, nothing, d_u, d_v), rlvr::shape_error);
}
