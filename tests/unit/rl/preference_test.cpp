// SPDX-License-Identifier: MIT
// Preference losses: derivatives against central differences, values against the formulas as the papers write them,
// kinks, extreme log-ratios in float, and identities between losses.
#include <rlvr/rl/preference.hpp>
#include <rlvr/rl/preference_score.hpp>
#include <rlvr/rl/reference_free.hpp>
#include <rlvr/rl/unpaired_preference.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <support/catch.hpp>

namespace {

namespace preference = rlvr::preference;
using sample = rlvr::preference_sample<double>;
constexpr unsigned seed = 20261123;

// Calls `use(loss, name)` with every pairwise loss, parameters away from their defaults.
template <class Use>
void for_each_loss(Use const& use) {
  using preference::length_normalised, preference::transformed;
  use(preference::dpo{0.4, 0.1}, "dpo");
  use(preference::robust{0.4, 0.2}, "robust");
  use(preference::hinge{0.4}, "hinge");
  use(preference::ipo{0.4}, "ipo");
  use(preference::exo_pair{0.4, 0.05}, "exo_pair");
  use(preference::discopop{0.4, 0.3}, "discopop");
  use(preference::nca_pair{0.4}, "nca_pair");
  use(preference::bco_pair{0.4, 0.3}, "bco_pair");
  use(preference::sppo_hard{0.4}, "sppo_hard");
  use(preference::apo_zero{0.4}, "apo_zero");
  use(preference::apo_down{0.4}, "apo_down");
  use(preference::mixture{0.8, preference::dpo{0.3}, 0.2, preference::bco_pair{0.2}}, "mixture");
  use(preference::simpo{1.5, 0.4, 0.1}, "simpo");
  use(preference::bradley_terry{}, "bradley_terry");
  use(preference::sigmoid_norm{{0.4, 0.1}}, "sigmoid_norm");
  use(transformed{preference::forward_kl_score{}, preference::dpo{0.2}}, "forward_kl");
  use(transformed{preference::js_score{}, length_normalised{preference::ipo{0.3}}}, "js");
  use(transformed{preference::alpha_score{0.3}, preference::nca_pair{0.3}}, "alpha");
  use(length_normalised{transformed{preference::alpha_reward{0.2}, preference::simpo{2, 0.3}}}, "alphapo");
}

template <class Loss>
void check_derivatives(Loss const& loss, sample const& pair) {
  double const h = 1e-6;
  auto const value = [&](double chosen, double rejected) {
    sample moved = pair;
    moved.chosen += chosen;
    moved.rejected += rejected;
    return loss(moved).value;
  };
  auto const found = loss(pair);
  CHECK(found.d_chosen == Approx((value(h, 0) - value(-h, 0)) / (2 * h)).epsilon(1e-5).margin(1e-7));
  CHECK(found.d_rejected == Approx((value(0, h) - value(0, -h)) / (2 * h)).epsilon(1e-5).margin(1e-7));
}

double naive_sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

TEST_CASE("preference losses: derivatives are those of the values", "[preference]") {
  INFO("seed " << seed);
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal(0, 2);
  for_each_loss([&](auto const& loss, char const* name) {
    INFO(name);
    for (int i = 0; i < 100; ++i) {
      sample pair{.chosen = normal(engine), .rejected = normal(engine), .chosen_length = 3, .rejected_length = 7};
      pair.margin = 0.3;
      if (std::abs(1 - 0.4 * (pair.chosen - pair.rejected)) < 1e-3) continue;  // the hinge's kink
      check_derivatives(loss, pair);
    }
  });
  for (int i = 0; i < 100; ++i) {
    sample const pair{.chosen = -0.01 - std::abs(normal(engine)), .rejected = -0.01 - std::abs(normal(engine))};
    check_derivatives(preference::orpo{0.3}, pair);
  }
}

TEST_CASE("preference losses: values are the formulas", "[preference]") {
  INFO("seed " << seed);
  std::mt19937_64 engine(seed + 1);
  std::normal_distribution<double> normal(0, 3);
  double const b = 0.4, e = 0.1;
  for (int i = 0; i < 100; ++i) {
    double const c = normal(engine), r = normal(engine), x = c - r;
    sample const pair{.chosen = c, .rejected = r, .chosen_length = 2, .rejected_length = 5};
    auto const ls = [](double z) { return std::log(naive_sigmoid(z)); };
    auto const s = [](double z) { return naive_sigmoid(z); };
    CHECK(preference::dpo{b, e}(pair).value == Approx(-(1 - e) * ls(b * x) - e * ls(-b * x)));
    CHECK(preference::robust{b, e}(pair).value ==
          Approx((-(1 - e) * ls(b * x) + e * ls(-b * x)) / (1 - 2 * e)).margin(1e-12));
    CHECK(preference::hinge{b}(pair).value == Approx(std::max(0.0, 1 - b * x)).margin(1e-12));
    CHECK(preference::ipo{b}(pair).value == Approx(std::pow(x - 1 / (2 * b), 2)));
    CHECK(preference::exo_pair{b, e}(pair).value ==
          Approx(s(b * x) * (ls(b * x) - std::log(1 - e)) + s(-b * x) * (ls(-b * x) - std::log(e))).margin(1e-12));
    CHECK(preference::nca_pair{b}(pair).value == Approx(-ls(b * c) - (ls(-b * c) + ls(-b * r)) / 2));
    CHECK(preference::bco_pair{b, 0.2}(pair).value == Approx(-ls(b * c - 0.2) - ls(0.2 - b * r)));
    CHECK(preference::sppo_hard{b}(pair).value == Approx(std::pow(c - 0.5 / b, 2) + std::pow(r + 0.5 / b, 2)));
    CHECK(preference::apo_zero{b}(pair).value == Approx(1 - s(b * c) + s(b * r)));
    CHECK(preference::apo_down{b}(pair).value == Approx(s(b * c) + 1 - s(b * x)));
    double const m = s(b * x / 0.3);
    CHECK(preference::discopop{b, 0.3}(pair).value == Approx(-ls(b * x) * (1 - m) + std::exp(-b * x) * m));
    CHECK(preference::sigmoid_norm{{b, 0}}(pair).value == Approx(-ls(b * (c / 2 - r / 5))));
    CHECK(preference::simpo{2, 0.5}(pair).value == Approx(-ls(2 * (x - 0.25))));
    sample const odds{.chosen = -std::abs(c) - 0.1, .rejected = -std::abs(r) - 0.1};
    auto const log_odds = [](double l) { return std::log(std::exp(l) / (1 - std::exp(l))); };
    CHECK(preference::orpo{b}(odds).value == Approx(-b * ls(log_odds(odds.chosen) - log_odds(odds.rejected))));
    CHECK(preference::alpha_reward{0.3}(c).value == Approx((1 - std::exp(-0.3 * c)) / 0.3));
    CHECK(preference::alpha_score{0.3}(c).value == Approx(std::exp(-0.7 * c) / -0.7));
    CHECK(preference::kto{b, 0.7, 2, 3}(c, true).value == Approx(2 * (1 - s(b * (c - 0.7)))));
    CHECK(preference::kto{b, 0.7, 2, 3}(c, false).value == Approx(3 * (1 - s(b * (0.7 - c)))));
    CHECK(preference::bco{b, 0.1}(c, false).value == Approx(-ls(0.1 - b * c)));
  }
}

TEST_CASE("preference losses: kinks, limits and identities", "[preference]") {
  preference::hinge const hinge{0.5};
  CHECK(hinge.of_margin(2.0).value == 0);
  CHECK(hinge.of_margin(2.0).d_chosen == 0);
  CHECK(hinge.of_margin(std::nextafter(2.0, 0.0)).d_chosen == -0.5);

  // Equal margins: log 2.  Paper 9's figure: beta .1, policy margin 2, reference margin .5.
  CHECK(preference::dpo{}.of_margin(0.0).value == Approx(std::log(2.0)));
  CHECK(preference::dpo{}.of_margin(2.0 - 0.5).value == Approx(0.620957).margin(1e-6));
  // A stated noise of 0 is the default 1e-3 of TRL.
  CHECK(preference::exo_pair{0.1, 0}.of_margin(1.5).value == preference::exo_pair{0.1, 1e-3}.of_margin(1.5).value);
  // alpha 0 is forward KL; alpha 1 the log-ratio.
  CHECK(preference::alpha_score{0}(1.3).value == Approx(preference::forward_kl_score{}(1.3).value));
  CHECK(preference::alpha_score{1}(1.3).value == 1.3);
  // The expectation of `robust` over labels flipped with probability e is the clean loss: unbiased.
  double const e = 0.2;
  preference::robust const robust{0.3, e};
  for (double const x : {-4.0, 0.3, 5.0}) {
    auto const right = robust.of_margin(x), flipped = robust.of_margin(-x);
    CHECK((1 - e) * right.value + e * flipped.value == Approx(preference::dpo{0.3}.of_margin(x).value));
    CHECK((1 - e) * right.d_chosen - e * flipped.d_chosen == Approx(preference::dpo{0.3}.of_margin(x).d_chosen));
  }
  // exo_pair is a KL divergence: 0 where the policy's preference is the smoothed label.
  auto const best = preference::exo_pair{1, 0.1}.of_margin(std::log(0.9 / 0.1));
  CHECK(best.value == Approx(0).margin(1e-12));
  CHECK(best.d_chosen == Approx(0).margin(1e-12));
  // bradley_terry with margin m is dpo shifted by m.
  CHECK(preference::bradley_terry{}(sample{.chosen = 1, .rejected = 0.5, .margin = 0.2}).value ==
        Approx(preference::dpo{1}.of_margin(0.3).value));
}

TEST_CASE("preference losses: extreme log-ratios are finite, in float too", "[preference]") {
  for_each_loss([](auto const& loss, char const* name) {
    for (float const c : {-1e6f, -1e3f, -90.0f, 0.0f, 90.0f, 1e3f, 1e6f})
      for (float const r : {-1e6f, -1e3f, 0.0f, 1e3f, 1e6f}) {
        INFO(name << " " << c << " " << r);
        auto const found = loss(rlvr::preference_sample<float>{.chosen = c, .rejected = r});
        CHECK((std::isfinite(found.value) && std::isfinite(found.d_chosen) && std::isfinite(found.d_rejected)));
      }
  });
  for (float const l : {-1e6f, -1e3f, -1e-9f, 0.0f}) {
    auto const found = preference::orpo{}(rlvr::preference_sample<float>{.chosen = l, .rejected = -1.0f});
    CHECK((std::isfinite(found.value) && std::isfinite(found.d_chosen)));
  }
  CHECK(preference::orpo{}(sample{.chosen = 0, .rejected = -1}).d_chosen == 0);
  for (bool const liked : {false, true})
    for (float const d : {-1e6f, -1e3f, 1e3f, 1e6f}) {
      CHECK(std::isfinite(preference::kto{}(d, liked).value));
      CHECK(std::isfinite(preference::bco{}(d, liked).value));
      CHECK(std::isfinite(preference::bco{}(d, liked).d_log_ratio));
    }
  // Far out the logistic loss is linear, with slope beta.
  CHECK(preference::dpo{0.1}.of_margin(-1000.0f).value == Approx(100));
  CHECK(preference::dpo{0.1}.of_margin(-1000.0f).d_chosen == Approx(-0.1f));
}

TEST_CASE("unpaired losses: derivatives, mean, baseline", "[preference]") {
  double const h = 1e-6;
  auto const check = [&](auto const& loss) {
    for (bool const liked : {false, true})
      for (double const d : {-7.0, -0.4, 0.0, 0.7, 5.0})
        CHECK(loss(d, liked).d_log_ratio ==
              Approx((loss(d + h, liked).value - loss(d - h, liked).value) / (2 * h)).epsilon(1e-6).margin(1e-9));
  };
  check(preference::kto{0.4, 0.3, 1.2, 0.7});
  check(preference::apo_zero_unpaired{0.4, 1.2, 0.7});
  check(preference::bco{0.4, 0.3, 1.2, 0.7});

  double const d[] = {1.0, -2.0, 0.5};
  bool const liked[] = {true, false, false};
  rlvr::unpaired_value<double> each[3];
  preference::kto const loss{0.3, 0.1};
  double const mean = rlvr::mean_unpaired_loss(loss, std::span<double const>(d), liked, 0.0,
                                               std::span<rlvr::unpaired_value<double>>(each));
  CHECK(mean == Approx((loss(1.0, true).value + loss(-2.0, false).value + loss(0.5, false).value) / 3));
  CHECK(each[1].d_log_ratio == Approx(loss(-2.0, false).d_log_ratio / 3));
  // Two halves with the normaliser of the whole add up to it.
  std::span<double const> const all(d);
  std::span<bool const> const labels(liked);
  double const first = rlvr::mean_unpaired_loss(loss, all.first(1), labels.first(1), 3.0,
                                                std::span<rlvr::unpaired_value<double>>(each).first(1));
  double const rest = rlvr::mean_unpaired_loss(loss, all.last(2), labels.last(2), 3.0,
                                               std::span<rlvr::unpaired_value<double>>(each).last(2));
  CHECK(first + rest == Approx(mean).epsilon(1e-14));
  CHECK(rlvr::mean_unpaired_loss(loss, all.first(0), labels.first(0), 0.0,
                                 std::span<rlvr::unpaired_value<double>>(each).first(0)) == 0);
  CHECK_THROWS_AS(
      rlvr::mean_unpaired_loss(loss, all, labels.first(1), 0.0, std::span<rlvr::unpaired_value<double>>(each)),
      rlvr::shape_error);

  CHECK(rlvr::kto_baseline(all) == 0);  // a negative mean is no KL
  CHECK(rlvr::kto_baseline(all.last(1)) == 0.5);
  CHECK(rlvr::kto_baseline(all.first(0)) == 0);
}

TEST_CASE("preference losses: parameters out of range", "[preference]") {
  CHECK_THROWS_AS((preference::dpo{0}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((preference::dpo{0.1, 0.5}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((preference::robust{0.1, 0.5}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((preference::ipo{-1}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((preference::exo_pair{0.1, 1}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((preference::discopop{0.1, 1}.validate()), rlvr::argument_error);
  CHECK_THROWS_AS((preference::simpo{0}.validate()), rlvr::argument_error);
  CHECK_NOTHROW(preference::dpo{}.validate());
  CHECK_NOTHROW(preference::exo_pair{}.validate());
}
