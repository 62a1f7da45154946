// SPDX-License-Identifier: MIT
// Divergences over the whole vocabulary: values against their definitions, gradients against central differences, the
// edges of the supports.
#include <rlvr/kernel/vocabulary_kl.hpp>
#include <rlvr/rl/vocabulary_kl.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <support/catch.hpp>
#include <vector>

namespace {

using numbers = std::vector<double>;
using rlvr::vocabulary_kl_settings;
constexpr double infinity = std::numeric_limits<double>::infinity();

numbers softmax(numbers const& logits, double temperature) {
  double const highest = *std::max_element(logits.begin(), logits.end());
  numbers result;
  double total = 0;
  for (double const l : logits) total += std::exp((l - highest) / temperature);
  for (double const l : logits) result.push_back(std::exp((l - highest) / temperature) / total);
  return result;
}

double kl(numbers const& p, numbers const& q) {
  double sum = 0;
  for (std::size_t j = 0; j < p.size(); ++j) sum += p[j] > 0 ? p[j] * std::log(p[j] / q[j]) : 0;
  return sum;
}

numbers mix(double share, numbers const& a, numbers const& b) {
  numbers result;
  for (std::size_t j = 0; j < a.size(); ++j) result.push_back(share * a[j] + (1 - share) * b[j]);
  return result;
}

// The divergences by their definitions, of (p, g).
double by_definition(rlvr::forward_kl, numbers const& p, numbers const& g) { return kl(g, p); }
double by_definition(rlvr::reverse_kl, numbers const& p, numbers const& g) { return kl(p, g); }
double by_definition(rlvr::jensen_shannon d, numbers const& p, numbers const& g) {
  numbers const m = mix(d.alpha, g, p);
  return (1 - d.alpha) * kl(p, m) + d.alpha * kl(g, m);
}
double by_definition(rlvr::skewed_forward_kl d, numbers const& p, numbers const& g) { return kl(g, mix(d.skew, g, p)); }
double by_definition(rlvr::skewed_reverse_kl d, numbers const& p, numbers const& g) { return kl(p, mix(d.skew, p, g)); }

// Probabilities of the buckets that the settings describe.
void to_buckets(vocabulary_kl_settings const& settings, numbers& p, numbers& g) {
  if (settings.top_k == 0 || settings.top_k >= p.size()) return;
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  order.resize(std::min(order.size(), settings.top_k));
  auto const gather = [&](numbers& all) {
    numbers part;
    for (std::size_t const j : order) part.push_back(all[j]);
    double const kept = std::accumulate(part.begin(), part.end(), 0.0);
    if (settings.tail) {
      part.push_back(std::max(1 - kept, 0.0));
    } else {
      for (double& x : part) x /= kept;
    }
    all = part;
  };
  gather(g);
  gather(p);
}

template <class Divergence>
double value_of(Divergence const& divergence, numbers const& logits, numbers const& reference,
                vocabulary_kl_settings const& settings = {}) {
  return rlvr::vocabulary_kl<double>(divergence, logits, reference, {}, settings);
}

template <class Divergence>
numbers gradient_of(Divergence const& divergence, numbers const& logits, numbers const& reference,
                    vocabulary_kl_settings const& settings = {}) {
  numbers gradient(logits.size(), std::numeric_limits<double>::quiet_NaN());
  rlvr::vocabulary_kl<double>(divergence, logits, reference, gradient, settings);
  return gradient;
}

template <class Visit>
void for_each_divergence(Visit const& visit) {
  visit(rlvr::forward_kl{});
  visit(rlvr::reverse_kl{});
  for (double const share : {0.1, 0.5, 0.9}) {
    visit(rlvr::jensen_shannon{share});
    visit(rlvr::skewed_forward_kl{share});
    visit(rlvr::skewed_reverse_kl{share});
  }
}

numbers random_row(std::mt19937& engine, std::size_t count, double spread) {
  std::normal_distribution<double> draw(0, spread);
  numbers row(count);
  for (double& l : row) l = draw(engine);
  return row;
}

}  // namespace

TEST_CASE("divergences over the vocabulary: definition and derivative", "[kl][vocabulary]") {
  unsigned const seed = 20251123;
  INFO("seed=" << seed);
  std::mt19937 engine(seed);
  std::vector<vocabulary_kl_settings> const all_settings{{},
                                                         {.temperature = 2, .reference_temperature = 0.7},
                                                         {.top_k = 3},
                                                         {.temperature = 0.8, .top_k = 3, .tail = false},
                                                         {.top_k = 1},
                                                         {.top_k = 1, .tail = false},
                                                         {.top_k = 100}};
  for (std::size_t const vocabulary : {1u, 2u, 5u, 17u, 40u})
    for (auto const& settings : all_settings) {
      INFO("vocabulary=" << vocabulary << " top_k=" << settings.top_k << " tail=" << settings.tail);
      numbers const logits = random_row(engine, vocabulary, 1.5);
      numbers const reference = random_row(engine, vocabulary, 1.5);
      for_each_divergence([&](auto divergence) {
        numbers p = softmax(logits, settings.temperature);
        numbers g = softmax(reference, settings.reference_temperature);
        to_buckets(settings, p, g);
        CHECK(value_of(divergence, logits, reference, settings) ==
              Approx(by_definition(divergence, p, g)).epsilon(1e-10).margin(1e-12));
        CHECK(value_of(divergence, logits, reference, settings) >= -1e-14);
        numbers const gradient = gradient_of(divergence, logits, reference, settings);
        double sum = 0;
        for (std::size_t j = 0; j < vocabulary; ++j) {
          double const h = 1e-5;
          numbers up = logits, down = logits;
          up[j] += h;
          down[j] -= h;
          double const slope =
              (value_of(divergence, up, reference, settings) - value_of(divergence, down, reference, settings)) /
              (2 * h);
          CHECK(gradient[j] == Approx(slope).epsilon(1e-6).margin(1e-8));
          sum += gradient[j];
        }
        CHECK(std::abs(sum) < 1e-12);  // adding a constant to all logits changes nothing
        numbers const same = gradient_of(divergence, logits, logits, {.top_k = settings.top_k, .tail = settings.tail});
        CHECK(std::abs(value_of(divergence, logits, logits)) < 1e-14);
        for (double const slope : same) CHECK(std::abs(slope) < 1e-14);
      });
    }
}

TEST_CASE("divergences over the vocabulary: limits of their parameters", "[kl][vocabulary]") {
  numbers const logits{0.3, -1.0, 2.0}, reference{1.0, 0.5, -0.5};
  CHECK(value_of(rlvr::jensen_shannon{0}, logits, reference) == value_of(rlvr::forward_kl{}, logits, reference));
  CHECK(value_of(rlvr::jensen_shannon{1}, logits, reference) == value_of(rlvr::reverse_kl{}, logits, reference));
  CHECK(value_of(rlvr::skewed_forward_kl{0}, logits, reference) ==
        Approx(value_of(rlvr::forward_kl{}, logits, reference)).epsilon(1e-14));
  CHECK(value_of(rlvr::skewed_reverse_kl{0}, logits, reference) ==
        Approx(value_of(rlvr::reverse_kl{}, logits, reference)).epsilon(1e-14));
  for (double const slope : gradient_of(rlvr::skewed_forward_kl{1}, logits, reference)) CHECK(std::abs(slope) < 1e-15);
  for (double const slope : gradient_of(rlvr::skewed_reverse_kl{1}, logits, reference)) CHECK(std::abs(slope) < 1e-15);
  CHECK(value_of(rlvr::jensen_shannon{0.5}, logits, reference) ==
        Approx(value_of(rlvr::jensen_shannon{0.5}, reference, logits)));
  CHECK(value_of(rlvr::jensen_shannon{0.5}, {0, -900}, {-900, 0}) == Approx(std::log(2.0)));  // its bound
}

TEST_CASE("divergences over the vocabulary: impossible tokens and extreme logits are finite", "[kl][vocabulary]") {
  std::vector<numbers> const rows{{0.5, -infinity, 1.0, -infinity},
                                  {-infinity, 0.2, 0.1, -infinity},
                                  {900, -900, 0, 1},
                                  {-infinity, -infinity, -infinity, 3},
                                  {0, 0, 0, 0},
                                  {1e6, -1e6, 1e3, -1e3}};
  for (auto const& logits : rows)
    for (auto const& reference : rows)
      for (std::size_t const top_k : {0u, 1u, 2u, 4u})
        for (bool const tail : {true, false})
          for_each_divergence([&](auto divergence) {
            INFO("logits " << logits[0] << " " << logits[1] << ", reference " << reference[0] << " " << reference[1]
                           << ", top_k " << top_k << " tail " << tail);
            // Without the tail a reference that has nothing of the support is no distribution.
            double outside = -infinity;
            if (top_k > 0 && !tail) {
              rlvr::single_thread_group const group;
              auto const kept = rlvr::kernel::find_greatest(group, logits.data(), logits.size(), top_k);
              for (std::size_t j = 0; j < reference.size(); ++j)
                if (kept(j)) outside = std::max(outside, reference[j]);
              if (outside == -infinity) return;
            }
            vocabulary_kl_settings const settings{.top_k = top_k, .tail = tail};
            double const value = value_of(divergence, logits, reference, settings);
            CHECK(std::isfinite(value));
            CHECK(value >= -1e-12);
            numbers const gradient = gradient_of(divergence, logits, reference, settings);
            for (double const slope : gradient) CHECK(std::isfinite(slope));
            std::vector<float> const narrow(logits.begin(), logits.end()), other(reference.begin(), reference.end());
            std::vector<float> narrow_gradient(narrow.size());
            float const found = rlvr::vocabulary_kl<float>(divergence, narrow, other, narrow_gradient, settings);
            CHECK(std::isfinite(found));
            CHECK(static_cast<double>(found) == Approx(value).epsilon(1e-4).margin(1e-5));
            for (float const slope : narrow_gradient) CHECK(std::isfinite(slope));
          });
}

TEST_CASE("the k greatest logits: of equal ones the first", "[kl][vocabulary]") {
  rlvr::single_thread_group const group;
  auto const chosen = [&](numbers const& row, std::size_t k) {
    auto const kept = rlvr::kernel::find_greatest(group, row.data(), row.size(), k);
    std::vector<std::size_t> result;
    for (std::size_t j = 0; j < row.size(); ++j)
      if (kept(j)) result.push_back(j);
    return result;
  };
  using positions = std::vector<std::size_t>;
  numbers const row{1, 3, 2, 3, 1, 1, 3};
  CHECK(chosen(row, 1) == positions{1});
  CHECK(chosen(row, 2) == positions{1, 3});
  CHECK(chosen(row, 3) == positions{1, 3, 6});
  CHECK(chosen(row, 4) == positions{1, 2, 3, 6});
  CHECK(chosen(row, 5) == positions{0, 1, 2, 3, 6});
  CHECK(chosen(row, 6) == positions{0, 1, 2, 3, 4, 6});
  CHECK(chosen(row, 7).size() == 7);
  CHECK(chosen(row, 0).size() == 7);
  CHECK(chosen({-infinity, 2, -infinity}, 2) == positions{0, 1});
  CHECK(chosen(numbers(33, 0.5), 20).back() == 19);
}

TEST_CASE("divergences over the vocabulary refuse what makes no sense", "[kl][vocabulary]") {
  numbers const row{1, 2, 3}, shorter{1, 2};
  numbers gradient(2);
  CHECK_THROWS_AS(value_of(rlvr::reverse_kl{}, row, shorter), rlvr::shape_error);
  CHECK_THROWS_AS(rlvr::vocabulary_kl<double>(rlvr::reverse_kl{}, row, row, gradient), rlvr::shape_error);
  CHECK_THROWS_AS(value_of(rlvr::jensen_shannon{1.5}, row, row), rlvr::argument_error);
  CHECK_THROWS_AS(value_of(rlvr::skewed_forward_kl{-0.1}, row, row), rlvr::argument_error);
  CHECK_THROWS_AS(value_of(rlvr::skewed_reverse_kl{2}, row, row), rlvr::argument_error);
  CHECK_THROWS_AS(value_of(rlvr::reverse_kl{}, row, row, {.temperature = 0}), rlvr::argument_error);
  CHECK(value_of(rlvr::reverse_kl{}, {}, {}) == 0);
  CHECK(std::isnan(value_of(rlvr::reverse_kl{}, {std::nan(""), 1, 2}, row)));
  // In place.
  numbers in_place{0.5, 1.5, -1};
  numbers const expected = gradient_of(rlvr::reverse_kl{}, in_place, row);
  rlvr::vocabulary_kl<double>(rlvr::reverse_kl{}, in_place, row, in_place);
  CHECK(in_place == expected);
}
