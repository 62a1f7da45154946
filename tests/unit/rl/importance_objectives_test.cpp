// SPDX-License-Identifier: MIT
// Objectives with importance weights: derivatives against finite differences and dual numbers, kinks, edge cases, and
// the expected gradient by enumeration.
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/importance_objectives.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>

#include "loss_support.hpp"
#include <array>

using namespace loss_test;

namespace {

void check_same(rlvr::loss_value<double> const& by_hand, rlvr::loss_value<double> const& by_dual) {
  CHECK(by_hand.value == Approx(by_dual.value).epsilon(1e-12).margin(1e-14));
  CHECK(by_hand.d_log_prob == Approx(by_dual.d_log_prob).epsilon(1e-12).margin(1e-14));
}

}  // namespace

TEST_CASE("derivatives of losses that are differentiated through the ratio", "[importance_objectives]") {
  random_numbers random;
  for (int round = 0; round < 300; ++round) {
    auto const sample = random.sample();
    INFO("seed " << seed << ", round " << round);
    check_slope(rlvr::sapo{random.uniform(0.5, 2), random.uniform(0.5, 2)}, sample);
    check_slope(rlvr::sapo{.max_log_ratio = 0.2}, sample);
    check_slope(rlvr::direct_reward{random.uniform(0, 2)}, sample);
    check_slope(rlvr::direct_reward{.beta = 1, .max_log_ratio = 0.2}, sample);
    check_slope(rlvr::squared_log_ratio{}, sample);
    check_slope(rlvr::kl_cov{random.uniform(0, 1)}, sample);
    auto const clear_of_the_edge = [&](double low, double high) {
      double const moved = std::exp(sample.log_prob) - std::exp(sample.behaviour_log_prob);
      return std::abs(moved + low) > 1e-4 && std::abs(moved - high) > 1e-4;
    };
    if (clear_of_the_edge(0.05, 0.1))
      check_slope(rlvr::trust_region_policy_gradient{{.low = 0.05, .high = 0.1}}, sample);
    if (clear_of_the_edge(0.07, 0.07))
      check_slope(
          rlvr::trust_region_policy_gradient{{.divergence = rlvr::probability_divergence::absolute, .high = 0.07}},
          sample);
    check_slope(rlvr::importance_weighted{rlvr::ppo_clip{}}, sample);
    check_slope(rlvr::restricted_to{rlvr::ppo_clip{}}, sample);
  }
}

TEST_CASE("by hand equals through dual numbers", "[importance_objectives]") {
  random_numbers random(1);
  auto const ratio_of = [](auto const& s) { return exp(s.log_prob - s.old_log_prob); };
  for (int round = 0; round < 500; ++round) {
    auto const sample = random.sample();
    INFO("seed " << seed << ", round " << round);
    check_same(rlvr::cispo(0.1, 0.3)(sample), rlvr::differentiate([=](auto s) {
                 return -stop_gradient(clamp(ratio_of(s), 0.9, 1.3)) * s.advantage * s.log_prob;
               })(sample));
    check_same(rlvr::cispo_capped(1.2)(sample), rlvr::differentiate([=](auto s) {
                 return -stop_gradient(min(ratio_of(s), 1.2)) * s.advantage * s.log_prob;
               })(sample));
    check_same(rlvr::truncated_policy_gradient()(sample), rlvr::differentiate([=](auto s) {
                 return -stop_gradient(clamp(ratio_of(s), 0, 1)) * s.advantage * s.log_prob;
               })(sample));
    check_same(rlvr::cispo_masked(0.2, 0.2)(sample), rlvr::differentiate([=](auto s) {
                 auto const r = ratio_of(s);
                 bool const drop = (s.advantage > 0 && r > 1.2) || (s.advantage < 0 && r < 0.8);
                 return (drop ? 0 : -1) * stop_gradient(clamp(r, 0.8, 1.2)) * s.advantage * s.log_prob;
               })(sample));
    check_same(rlvr::topr{2, 0.5}(sample), rlvr::differentiate([=](auto s) {
                 auto const weight = 0.5 * stop_gradient(clamp(ratio_of(s), 0, 1));
                 return -(s.sequence.reward > 0 ? 0 * weight + 2 : weight) * s.advantage * s.log_prob;
               })(sample));
    check_same(rlvr::sapo{1.0, 1.05}(sample), rlvr::differentiate([=](auto s) {
                 double const tau = s.advantage > 0 ? 1.0 : 1.05;
                 return -4 / tau * s.advantage / (1 + exp(-tau * (ratio_of(s) - 1)));
               })(sample));
    check_same(rlvr::dppo{{.low = 0.1, .high = 0.2}, 1.5}(sample), rlvr::differentiate([=](auto s) {
                 auto const moved = stop_gradient(exp(s.log_prob) - exp(s.old_log_prob));
                 bool const drop = s.advantage > 0 ? moved > 0.2 : moved < -0.1;
                 return (drop ? 0 : -1) * stop_gradient(min(ratio_of(s), 1.5)) * s.advantage * s.log_prob;
               })(sample));
    check_same(rlvr::reference_policy_gradient{0.2}(sample), rlvr::differentiate([=](auto s) {
                 auto const fallen = exp(s.log_prob) - exp(s.behaviour_log_prob) < -0.2;
                 return (fallen ? 0 : -1) * stop_gradient(s.reference_log_prob - s.log_prob) *
                        exp(s.log_prob - s.behaviour_log_prob);
               })(sample));
    check_same(rlvr::importance_weighted{rlvr::ppo_clip{}}(sample), rlvr::differentiate([=](auto s) {
                 auto const r = ratio_of(s);
                 return -s.weight * min(r * s.advantage, clamp(r, 0.8, 1.2) * s.advantage);
               })(sample));
  }
}

TEST_CASE("at a kink the derivative is a one-sided one", "[importance_objectives]") {
  for (double const advantage : {1.5, -1.5}) {
    for (double const bound : {std::log(0.8), std::log(1.2), std::log(3.0), std::log(1.5)}) {
      rlvr::token_sample<double> const sample{.log_prob = bound, .old_log_prob = 0, .advantage = advantage};
      check_kink(rlvr::ppo_clip{}, sample);
      check_kink(rlvr::ppo_clip{.dual_clip = 3}, sample);
      check_kink(rlvr::ppo_clip{.ratio_cap = 1.5}, sample);
      check_kink(rlvr::ppo_clip{.max_log_ratio = bound < 0 ? -bound : bound}, sample);
      check_kink(rlvr::sapo{.max_log_ratio = bound < 0 ? -bound : bound}, sample);
      check_kink(rlvr::direct_reward{.beta = 1, .max_log_ratio = bound < 0 ? -bound : bound}, sample);
    }
  }
  // |l - o| at 0: by symmetry 0, between the one-sided derivatives.
  rlvr::token_sample<double> const still{.log_prob = -1, .old_log_prob = -1, .advantage = 0, .selected = true};
  CHECK(rlvr::kl_cov{0.1}(still).d_log_prob == 0);
}

TEST_CASE("losses are finite at the edges of arithmetic", "[importance_objectives]") {
  check_finite(rlvr::ppo_clip{});
  check_finite(rlvr::ppo_clip{.dual_clip = 3, .max_log_ratio = 20});
  check_finite(rlvr::reinforce{});
  check_finite(rlvr::cross_entropy{});
  check_finite(rlvr::cispo());
  check_finite(rlvr::cispo_capped());
  check_finite(rlvr::cispo_masked());
  check_finite(rlvr::topr{});
  check_finite(rlvr::sapo{});
  check_finite(rlvr::direct_reward{});
  for (auto const divergence : {rlvr::probability_divergence::total_variation, rlvr::probability_divergence::binary_kl,
                                rlvr::probability_divergence::absolute}) {
    check_finite(rlvr::dppo{{.divergence = divergence}});
    check_finite(rlvr::trust_region_policy_gradient{{.divergence = divergence}});
  }
  check_finite(rlvr::reference_policy_gradient{});
  check_finite(rlvr::squared_log_ratio{});
  check_finite(rlvr::kl_cov{});
}

TEST_CASE("documented values at the edges", "[importance_objectives]") {
  double const infinity = std::numeric_limits<double>::infinity();
  rlvr::token_sample<double> const impossible{
      .log_prob = -infinity, .old_log_prob = -1, .behaviour_log_prob = -1, .advantage = 2};
  CHECK(rlvr::reinforce{}(impossible).value == -2 * rlvr::least_log_prob);
  CHECK(rlvr::reinforce{}(impossible).d_log_prob == -2);
  CHECK(rlvr::truncated_policy_gradient()(impossible).value == Approx(0).margin(1e-200));
  // Both -inf: nothing has moved.
  rlvr::token_sample<double> const both{.log_prob = -infinity, .old_log_prob = -infinity, .advantage = 2};
  CHECK(rlvr::ppo_clip{}(both).value == -2);
  // No advantage, no loss, whatever the ratio.
  rlvr::token_sample<double> const neutral{.log_prob = 0, .old_log_prob = -1000};
  CHECK(rlvr::sapo{}(neutral).value == 0);
  CHECK(rlvr::cispo()(neutral).d_log_prob == 0);
  // A token of weight 0 has no loss, but is still counted as clipped.
  rlvr::token_sample<double> clipped{.log_prob = 0, .old_log_prob = -1, .advantage = 1, .weight = 0};
  auto const loss = rlvr::importance_weighted{rlvr::ppo_clip{}}(clipped);
  CHECK(loss.value == 0);
  CHECK(loss.clip == rlvr::clip_region::high);
  CHECK(rlvr::restricted_to{rlvr::ppo_clip{}}(clipped).value == 0);
  CHECK(rlvr::restricted_to{rlvr::ppo_clip{}, rlvr::token_choice::not_selected}(clipped).value == Approx(-1.2));
}

TEST_CASE("a token on the edge of a trust region stays", "[importance_objectives]") {
  rlvr::probability_trust_region const region{.low = 0.25, .high = 0.25};
  double const half = std::log(0.5), quarter = std::log(0.25);
  CHECK(region.contains(half, quarter, 1.0));
  CHECK(region.contains(quarter, half, -1.0));
  CHECK_FALSE(region.contains(std::log(0.51), quarter, 1.0));
  CHECK(region.contains(std::log(0.51), quarter, -1.0));    // moved the other way
  CHECK_FALSE(region.contains(std::log(0.24), half, 0.0));  // A = 0 counts as A < 0
}

TEST_CASE("weighted off-policy gradients are unbiased by enumeration", "[importance_objectives]") {
  // Actions are drawn from b; with weights p / b the expected gradient is that of -sum_a p_a A_a for the policy p.
  std::array<double, 3> const p{0.5, 0.3, 0.2}, b{0.2, 0.5, 0.3}, advantage{1.0, -0.5, 2.0};
  std::array<double, 3> expected{}, through_ratio{}, truncated{}, exact{};
  for (std::size_t a = 0; a < 3; ++a) {
    rlvr::token_sample<double> const sample{.log_prob = std::log(p[a]),
                                            .old_log_prob = std::log(b[a]),
                                            .behaviour_log_prob = std::log(b[a]),
                                            .advantage = advantage[a]};
    rlvr::probability_trust_region const everywhere{.low = 2, .high = 2};
    for (std::size_t j = 0; j < 3; ++j) {
      double const score = (a == j ? 1 : 0) - p[j];  // d log p_a / d logit_j
      expected[j] += b[a] * score * rlvr::weighted_policy_gradient{}(sample).d_log_prob;
      through_ratio[j] += b[a] * score * rlvr::trust_region_policy_gradient{everywhere}(sample).d_log_prob;
      truncated[j] += b[a] * score * rlvr::truncated_policy_gradient()(sample).d_log_prob;
      exact[j] -= p[a] * advantage[a] * score;
    }
  }
  for (std::size_t j = 0; j < 3; ++j) {
    CHECK(expected[j] == Approx(exact[j]));
    CHECK(through_ratio[j] == Approx(exact[j]));
  }
  CHECK(truncated[0] != Approx(exact[0]).epsilon(0.01));  // truncation is biased, as documented
}

TEST_CASE("parameters of importance objectives outside their range", "[importance_objectives]") {
  CHECK_NOTHROW(rlvr::cispo().validate());
  CHECK_THROWS_AS(rlvr::weighted_policy_gradient({.lowest = 2, .highest = 1}).validate(), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::sapo({.temperature_positive = 0}).validate(), rlvr::argument_error);
}
