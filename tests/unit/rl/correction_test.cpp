// SPDX-License-Identifier: MIT
// Corrections of the mismatch between sampler and trainer: expectations by exact enumeration, bounds, levels,
// rejection, kept mass, and the figures about the mismatch against their definitions.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/correction.hpp>
#include <rlvr/rl/mismatch.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <support/catch.hpp>
#include <vector>

namespace {

using rlvr::importance_level;
using rlvr::rejection_scope;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// A mask as a span; std::vector<bool> has none.
struct flags {
  explicit flags(std::vector<int> const& values) : size(values.size()), data(std::make_unique<bool[]>(size)) {
    for (std::size_t i = 0; i < size; ++i) data[i] = values[i] != 0;
  }
  operator std::span<bool const>() const { return {data.get(), size}; }
  std::span<bool> writable() { return {data.get(), size}; }
  std::vector<int> values() const { return {data.get(), data.get() + size}; }
  std::size_t size;
  std::unique_ptr<bool[]> data;
};

template <class T>
std::vector<T> weights_of(rlvr::importance_weight const& rule, importance_level level, std::vector<T> const& old,
                          std::vector<T> const& behaviour, std::vector<int> const& mask) {
  std::vector<T> weights(old.size(), std::numeric_limits<T>::quiet_NaN());
  rlvr::importance_weights<T>(rule, level, old, behaviour, flags(mask), weights);
  return weights;
}

std::vector<int> kept_by(rlvr::rejection const& rule, std::vector<double> const& old,
                         std::vector<double> const& behaviour, std::vector<int> const& mask) {
  flags keep(std::vector<int>(mask.size(), 1));
  rule.apply<double>(old, behaviour, flags(mask), keep.writable());
  return keep.values();
}

void check_close(std::vector<double> const& found, std::vector<double> const& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("entry " << i << ": " << found[i] << ", expected " << expected[i]);
    CHECK(std::abs(found[i] - expected[i]) <= 1e-12 * (1 + std::abs(expected[i])));
  }
}

// Two policies over three actions; a response is two actions, the second depending on the first.
constexpr std::size_t actions = 3;
using row = std::array<double, actions>;
constexpr row trainer_first{0.5, 0.3, 0.2};
constexpr row sampler_first{0.4, 0.35, 0.25};
constexpr std::array<row, actions> trainer_second{row{0.6, 0.3, 0.1}, row{0.2, 0.2, 0.6}, row{0.1, 0.8, 0.1}};
constexpr std::array<row, actions> sampler_second{row{0.5, 0.3, 0.2}, row{0.3, 0.2, 0.5}, row{0.2, 0.6, 0.2}};
constexpr std::array<row, actions> reward{row{1, -2, 0.5}, row{0, 3, -1}, row{2, 0.25, 4}};

// Sum over responses of probability * f(first, second).
template <class F>
double expectation(row const& first, std::array<row, actions> const& second, F const& f) {
  double sum = 0;
  for (std::size_t a = 0; a < actions; ++a)
    for (std::size_t b = 0; b < actions; ++b) sum += first[a] * second[a][b] * f(a, b);
  return sum;
}

// Weights of the two tokens of a response.
std::vector<double> response_weights(rlvr::importance_weight const& rule, importance_level level, std::size_t a,
                                     std::size_t b) {
  return weights_of<double>(rule, level, {std::log(trainer_first[a]), std::log(trainer_second[a][b])},
                            {std::log(sampler_first[a]), std::log(sampler_second[a][b])}, {1, 1});
}

}  // namespace

TEST_CASE("sequence weights make expectations under the sampler those under the trainer", "[correction]") {
  auto const value = [](std::size_t a, std::size_t b) { return reward[a][b]; };
  double const exact = expectation(trainer_first, trainer_second, value);
  auto const corrected = [&](rlvr::importance_weight const& rule, importance_level level) {
    return expectation(sampler_first, sampler_second, [&](std::size_t a, std::size_t b) {
      return response_weights(rule, level, a, b)[0] * value(a, b);
    });
  };
  double const none = rlvr::unlimited;
  CHECK(std::abs(corrected({.upper = none}, importance_level::sequence) - exact) < 1e-12);
  // Neither a geometric mean nor the first token's ratio alone corrects the whole response.
  CHECK(std::abs(corrected({.upper = none}, importance_level::geometric) - exact) > 1e-3);
  CHECK(std::abs(corrected({.upper = none}, importance_level::token) - exact) > 1e-3);
  // The bias of truncation is the expectation of what the bound takes away.
  double const bound = 1.1;
  double const taken = expectation(sampler_first, sampler_second, [&](std::size_t a, std::size_t b) {
    double const w = response_weights({.upper = none}, importance_level::sequence, a, b)[0];
    return (w > bound ? w - bound : 0) * value(a, b);
  });
  CHECK(taken != 0);
  CHECK(std::abs(corrected({.upper = bound}, importance_level::sequence) - (exact - taken)) < 1e-12);
  // Of masking: what lies outside.
  double const outside = expectation(sampler_first, sampler_second, [&](std::size_t a, std::size_t b) {
    double const w = response_weights({.upper = none}, importance_level::sequence, a, b)[0];
    return (w > bound || w < 0.7 ? w : 0) * value(a, b);
  });
  CHECK(std::abs(
            corrected({.lower = 0.7, .upper = bound, .beyond = rlvr::out_of_bounds::mask}, importance_level::sequence) -
            (exact - outside)) < 1e-12);
}

TEST_CASE("a token's own ratio corrects expectations given its prefix", "[correction]") {
  for (std::size_t a = 0; a < actions; ++a) {
    double found = 0, exact = 0;
    for (std::size_t b = 0; b < actions; ++b) {
      found += sampler_second[a][b] * response_weights({.upper = rlvr::unlimited}, importance_level::token, a, b)[1] *
               reward[a][b];
      exact += trainer_second[a][b] * reward[a][b];
    }
    CHECK(std::abs(found - exact) < 1e-12);
  }
}

TEST_CASE("kept mass: weights against a renormalising sampler", "[correction]") {
  // Top-2 of both policies: actions 0 and 1 are kept.
  std::vector<double> log_probs, sampler_log_probs;
  for (std::size_t a = 0; a < actions; ++a) {
    log_probs.push_back(std::log(trainer_first[a]));
    sampler_log_probs.push_back(std::log(sampler_first[a]));
  }
  flags const kept({1, 1, 0});
  double const trainer_mass = rlvr::kept_mass<double>(log_probs, kept);
  double const sampler_mass = rlvr::kept_mass<double>(sampler_log_probs, kept);
  CHECK(std::abs(trainer_mass - 0.8) < 1e-12);
  CHECK(std::abs(sampler_mass - 0.75) < 1e-12);
  rlvr::importance_weight const rule{.upper = rlvr::unlimited};
  double plain = 0, corrected = 0, undone = 0, exact = 0, norm = 0;
  for (std::size_t a = 0; a < 2; ++a) {
    double const drawn = rlvr::sampling_log_prob(sampler_log_probs[a], sampler_mass);  // what the sampler reports
    double const probability = std::exp(drawn);
    norm += probability;
    plain += probability * rule(log_probs[a] - drawn) * reward[0][a];
    corrected += probability * rule(rlvr::sampling_log_prob(log_probs[a], trainer_mass) - drawn) * reward[0][a];
    undone += probability * rule(log_probs[a] - (drawn + std::log(sampler_mass))) * reward[0][a];
    exact += trainer_first[a] / 0.8 * reward[0][a];
  }
  CHECK(std::abs(norm - 1) < 1e-12);
  CHECK(std::abs(corrected - exact) < 1e-12);
  CHECK(std::abs(plain - 0.8 * exact) < 1e-12);  // biased by the mass
  CHECK(std::abs(undone - 0.8 / 0.75 * exact) < 1e-12);
  CHECK(rlvr::sampling_log_prob(-1.0, 0.0) == -1.0);
  CHECK(rlvr::sampling_log_prob(-1.0, not_a_number) == -1.0);
  CHECK(rlvr::kept_mass<double>(std::vector<double>{}, flags({})) == 0);
}

TEST_CASE("levels against sums over the row; what is masked is never read", "[correction]") {
  std::vector<double> const old{-1, not_a_number, -2, -0.5, infinity, -3},
      behaviour{-1.5, -1, -1.75, -0.5, not_a_number, -2.75};
  std::vector<int> const mask{1, 0, 1, 1, 0, 1};
  rlvr::importance_weight const rule{.upper = rlvr::unlimited};
  auto const at = [&](importance_level level) { return weights_of(rule, level, old, behaviour, mask); };
  double const e = std::exp(1.0);
  check_close(at(importance_level::token), {std::sqrt(e), 0, std::exp(-0.25), 1, 0, std::exp(-0.25)});
  check_close(at(importance_level::sequence), {1, 0, 1, 1, 0, 1});
  check_close(at(importance_level::segment), {std::sqrt(e), 0, std::exp(-0.125), std::exp(-0.125), 0, std::exp(-0.25)});
  std::vector<double> const shifted{-1, not_a_number, -2, -0.5, infinity, -1.75};
  check_close(weights_of(rule, importance_level::geometric, shifted, behaviour, mask),
              {std::exp(1.25 / 4), 0, std::exp(1.25 / 4), std::exp(1.25 / 4), 0, std::exp(1.25 / 4)});
  check_close(weights_of(rule, importance_level::sequence, old, behaviour, std::vector<int>(6, 0)),
              std::vector<double>(6, 0));
  CHECK(weights_of<double>(rule, importance_level::segment, {}, {}, {}).empty());
  CHECK_THROWS_AS(weights_of<double>(rule, importance_level::token, {-1, -2}, {-1, -2}, {1}), rlvr::shape_error);
}

TEST_CASE("weights stay within their bounds, which belong to them", "[correction]") {
  rlvr::importance_weight const truncated{.lower = 0.5, .upper = 2};
  rlvr::importance_weight const masked{.lower = 0.5, .upper = 2, .beyond = rlvr::out_of_bounds::mask};
  for (double const x : {-1e3, -20.5, -0.8, -0.2, 0.0, 0.3, 0.8, 20.5, 1e3}) {
    INFO("log-ratio " << x);
    double const w = std::exp(x);
    CHECK(std::abs(truncated(x) - (w < 0.5 ? 0.5 : (w > 2 ? 2 : w))) < 1e-15);
    CHECK(std::abs(masked(x) - (w < 0.5 || w > 2 ? 0 : w)) < 1e-15);
    CHECK(masked.inside(x) == (masked(x) > 0));
    CHECK(std::isfinite(rlvr::importance_weight{.upper = rlvr::unlimited}(static_cast<float>(x))));
  }
  rlvr::importance_weight const inclusive{.lower = 1, .upper = 1, .beyond = rlvr::out_of_bounds::mask};
  CHECK(inclusive(0.0) == 1);
  CHECK(truncated(not_a_number) == 0);
  CHECK(masked(not_a_number) == 0);
  CHECK(rlvr::importance_weight{.upper = rlvr::unlimited, .max_log_ratio = 20}(1e3) == std::exp(20.0));
  // -inf log-probs: equal ones have ratio 1.
  check_close(weights_of<double>(truncated, importance_level::token, {-infinity, -infinity, -1},
                                 {-infinity, -1, -infinity}, {1, 1, 1}),
              {1, 0.5, 2});
  rlvr::token_sample<double> const sample{.log_prob = -9, .old_log_prob = -1, .behaviour_log_prob = -1.25};
  CHECK(truncated(sample) == std::exp(0.25));
  CHECK_THROWS_AS((rlvr::importance_weight{.lower = 3, .upper = 2}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((rlvr::importance_weight{.lower = -1}.validate()), rlvr::argument_error);
  CHECK_NOTHROW(truncated.validate());
}

TEST_CASE("rejection per token and per row", "[correction]") {
  std::vector<double> const old{-1, -1, not_a_number, -1}, behaviour{-1, -1.5, 0, -0.75};
  std::vector<int> const mask{1, 1, 0, 1};
  using rlvr::rejection_estimator;
  auto const rule = [](rejection_estimator estimator, rejection_scope scope, double upper) {
    return rlvr::rejection{.estimator = estimator, .scope = scope, .upper = upper};
  };
  std::vector<int> const all{1, 1, 0, 1}, none{0, 0, 0, 0};
  CHECK(kept_by(rule(rejection_estimator::k2, rejection_scope::token, 0.125), old, behaviour, mask) == all);
  CHECK(kept_by(rule(rejection_estimator::k2, rejection_scope::token, 0.12), old, behaviour, mask) ==
        std::vector<int>{1, 0, 0, 1});
  double const sum = 0.125 + 0.03125;
  CHECK(kept_by(rule(rejection_estimator::k2, rejection_scope::row_sum, sum), old, behaviour, mask) == all);
  CHECK(kept_by(rule(rejection_estimator::k2, rejection_scope::row_sum, 0.99 * sum), old, behaviour, mask) == none);
  CHECK(kept_by(rule(rejection_estimator::k2, rejection_scope::row_mean, 1.01 * sum / 3), old, behaviour, mask) == all);
  CHECK(kept_by(rule(rejection_estimator::k2, rejection_scope::row_mean, 0.99 * sum / 3), old, behaviour, mask) ==
        none);
  CHECK(kept_by(rule(rejection_estimator::k2, rejection_scope::row_max, 0.125), old, behaviour, mask) == all);
  CHECK(kept_by(rule(rejection_estimator::k2, rejection_scope::row_max, 0.124), old, behaviour, mask) == none);
  double const k3 = std::exp(0.5) - 1.5;
  CHECK(kept_by(rule(rejection_estimator::k3, rejection_scope::row_max, k3 * 1.001), old, behaviour, mask) == all);
  CHECK(kept_by(rule(rejection_estimator::k3, rejection_scope::row_max, k3 * 0.999), old, behaviour, mask) == none);

  SECTION("bounds of the ratio, and of its inverse") {
    std::vector<double> const ratios{std::log(1.5), std::log(0.65), std::log(1.3)}, zeros(3);
    std::vector<int> const three(3, 1);
    CHECK(kept_by(rlvr::rejection::inverse_ratio(rejection_scope::token, 0.6, 1.4), ratios, zeros, three) ==
          std::vector<int>{1, 0, 1});
    CHECK(kept_by(rlvr::rejection::ratio(rejection_scope::token, 0.6, 1.4), ratios, zeros, three) ==
          std::vector<int>{0, 1, 1});
  }
  SECTION("the order of rules does not matter, and they add up") {
    auto const first = rule(rejection_estimator::k2, rejection_scope::token, 0.12);
    auto const second = rule(rejection_estimator::k2, rejection_scope::row_mean, 0.04);
    for (bool const swapped : {false, true}) {
      flags keep(std::vector<int>(4, 1));
      (swapped ? second : first).apply<double>(old, behaviour, flags(mask), keep.writable());
      (swapped ? first : second).apply<double>(old, behaviour, flags(mask), keep.writable());
      CHECK(keep.values() == none);
    }
  }
  SECTION("extremes") {
    auto const row = rule(rejection_estimator::k3, rejection_scope::row_mean, 1);
    CHECK(kept_by(row, {-1e3, -1}, {-1, -1}, {1, 1}) == std::vector<int>{0, 0});
    CHECK(kept_by(row, {-1, -1}, {-1e3, -1}, {1, 1}) == std::vector<int>{0, 0});
    CHECK(kept_by(row, {-infinity, -1}, {-infinity, -1}, {1, 1}) == std::vector<int>{1, 1});
    CHECK(kept_by(row, {not_a_number, -1}, {-1, -1}, {1, 1}) == std::vector<int>{0, 0});
    CHECK(kept_by(row, {not_a_number, not_a_number}, {not_a_number, not_a_number}, {0, 0}) == std::vector<int>{0, 0});
    CHECK(kept_by(row, {}, {}, {}).empty());
  }
}

TEST_CASE("the off-policy mask drops bad responses only", "[correction]") {
  rlvr::off_policy_mask const rule{.threshold = 0.1};
  CHECK(rule(-1, 0.1));
  CHECK_FALSE(rule(-1, 0.11));
  CHECK(rule(0, 5));
  CHECK(rule(1, 1e3));
  CHECK(rule(-1, -1e3));
}

TEST_CASE("normalised weights have mean 1", "[correction]") {
  std::vector<std::int64_t> const offsets{0, 3, 3, 5, 6};
  std::vector<double> const weights{1, 2, not_a_number, 4, 1, not_a_number};
  flags const mask({1, 1, 0, 1, 1, 0});
  std::vector<double> by_token = weights, by_row = weights;
  CHECK(rlvr::normalise_weights<double>(rlvr::weight_mean::tokens, by_token, mask, offsets) == 2);
  CHECK(by_token[3] == 2);
  CHECK(std::isnan(by_token[2]));
  CHECK(rlvr::normalise_weights<double>(rlvr::weight_mean::rows, by_row, mask, offsets) == 2);
  CHECK(by_row[0] == 0.5);
  std::vector<double> zeros(6);
  CHECK(rlvr::normalise_weights<double>(rlvr::weight_mean::tokens, zeros, mask, offsets) == 0);
  CHECK(zeros == std::vector<double>(6));
  CHECK_THROWS_AS(rlvr::normalise_weights<double>(rlvr::weight_mean::rows, zeros, mask, {}), rlvr::shape_error);
}

TEST_CASE("moments of weights", "[mismatch]") {
  unsigned const seed = 31;
  INFO("seed " << seed);
  std::mt19937_64 engine(seed);
  std::lognormal_distribution<double> draw(0, 1);
  rlvr::weight_statistics whole{}, first{}, second{};
  std::vector<double> weights(201);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = draw(engine);
    sum += weights[i];
    squares += weights[i] * weights[i];
    whole.add(weights[i]);
    (i % 3 == 0 ? first : second).add(weights[i]);
  }
  double const n = static_cast<double>(weights.size());
  check_close({whole.mean(), whole.standard_deviation(), whole.effective_sample_size()},
              {sum / n, std::sqrt(squares / n - sum / n * (sum / n)), sum * sum / n / squares});
  first += second;
  check_close({first.mean(), first.standard_deviation()}, {whole.mean(), whole.standard_deviation()});
  rlvr::weight_statistics zeros{.epsilon = 1e-8}, equal{}, none{};
  for (int i = 0; i < 5; ++i) {
    zeros.add(0);
    equal.add(1.1);
  }
  CHECK(zeros.effective_sample_size() == 0);
  CHECK(zeros.standard_deviation() == 0);
  CHECK(std::abs(equal.effective_sample_size() - 1) < 1e-15);
  CHECK(equal.standard_deviation() == 0);
  CHECK(none.mean() == 0);
  CHECK(none.standard_deviation() == 0);
  CHECK(none.effective_sample_size() == 0);
}

TEST_CASE("figures about the mismatch", "[mismatch]") {
  std::vector<double> const old{-1, not_a_number, -2}, behaviour{-1.5, not_a_number, -1.75};
  flags const mask({1, 0, 1}), one({1, 0, 0}), nothing({0, 0, 0});
  rlvr::mismatch_statistics whole{}, first{}, second{};
  whole.add<double>(old, behaviour, mask);
  whole.add<double>(old, behaviour, one);
  whole.add<double>(old, behaviour, nothing);
  check_close({whole.kl(), whole.k3_kl(), whole.chi_square(), whole.sequence_chi_square()},
              {-0.75 / 3, (2 * (std::exp(0.5) - 1.5) + std::exp(-0.25) - 0.75) / 3,
               (2 * std::exp(1.0) + std::exp(-0.5)) / 3 - 1, (std::exp(0.5) + std::exp(1.0)) / 2 - 1});
  check_close(
      {whole.row_mean(whole.sum_training_perplexity), whole.row_mean(whole.sum_rollout_log_perplexity),
       whole.perplexity_ratio(), whole.largest_difference, whole.smallest_difference},
      {(std::exp(1.5) + std::exp(1.0)) / 2, (1.625 + 1.5) / 2, (std::exp(-0.125) + std::exp(-0.5)) / 2, -0.125, -0.5});
  first.add<double>(old, behaviour, mask);
  second.add<double>(old, behaviour, one);
  first += second;
  check_close({first.kl(), first.sequence_chi_square(), first.perplexity_ratio(), first.largest_difference},
              {whole.kl(), whole.sequence_chi_square(), whole.perplexity_ratio(), whole.largest_difference});
  // Chi-square and k3 are expectations: exact over the action set.
  double chi = 0, kl = 0;
  for (std::size_t a = 0; a < actions; ++a) {
    rlvr::mismatch_statistics action{};
    action.add<double>(std::vector{std::log(trainer_first[a])}, std::vector{std::log(sampler_first[a])}, flags({1}));
    chi += sampler_first[a] * action.chi_square();
    kl += sampler_first[a] * (action.k3_kl() - action.kl());
  }
  double exact = -1;
  for (std::size_t a = 0; a < actions; ++a) exact += trainer_first[a] * trainer_first[a] / sampler_first[a];
  CHECK(std::abs(chi - exact) < 1e-12);
  CHECK(std::abs(kl) < 1e-12);

  SECTION("nothing, extremes and -infinity are finite") {
    rlvr::mismatch_statistics const none{};
    CHECK(none.kl() + none.k3_kl() + none.chi_square() + none.sequence_chi_square() + none.perplexity_ratio() == 0);
    rlvr::mismatch_statistics extreme{.max_log_ratio = rlvr::unlimited};
    extreme.add<double>(std::vector{-1e3, -1.0, -infinity, -infinity, -1.0},
                        std::vector{-1.0, -1e3, -infinity, -1.0, -infinity}, flags({1, 1, 1, 1, 1}));
    for (double const figure : {extreme.kl(), extreme.k3_kl(), extreme.chi_square(), extreme.sequence_chi_square(),
                                extreme.perplexity_ratio(), extreme.row_mean(extreme.sum_training_perplexity)}) {
      INFO(figure);
      CHECK(std::isfinite(figure));
    }
  }
}
