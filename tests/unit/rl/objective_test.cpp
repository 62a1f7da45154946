// SPDX-License-Identifier: MIT
// Token objectives, KL estimators and combinators: derivatives against central differences with random parameters,
// the documented choice at each kink, limits, and `differentiate` against the hand-written derivative.
#include <rlvr/core/error.hpp>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/presets.hpp>

#include <cmath>
#include <limits>
#include <random>
#include <support/catch.hpp>
#include <type_traits>

namespace {

using rlvr::token_sample;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

constexpr unsigned seed = 20250704;

class random_samples {
 public:
  token_sample<double> operator()() {
    token_sample<double> sample{};
    sample.log_prob = -std::abs(normal(1.5)) - 0.01;
    sample.old_log_prob = sample.log_prob + normal(0.4);
    sample.reference_log_prob = sample.log_prob + normal(0.8);
    sample.behaviour_log_prob = sample.old_log_prob + normal(0.05);
    sample.advantage = normal(1.0);
    sample.entropy = std::abs(normal(1.0));
    sample.sequence = {5, normal(0.1), 3};
    return sample;
  }
  double normal(double scale) { return scale * std::normal_distribution<double>()(engine_); }
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }

 private:
  std::mt19937_64 engine_{seed};
};

// Compares both derivatives with central differences; skips samples whose loss has a kink within the step.
template <class Objective>
void check_derivatives(Objective const& objective, token_sample<double> const& sample) {
  double const h = 1e-6;
  auto const at = [&](double log_prob_step, double entropy_step) {
    token_sample<double> moved = sample;
    moved.log_prob += log_prob_step;
    moved.entropy += entropy_step;
    return objective(moved);
  };
  auto const loss = objective(sample);
  double const slope_jump = std::abs(at(h, 0).d_log_prob - at(-h, 0).d_log_prob);
  if (slope_jump > 1e-3) return;
  CHECK(loss.d_log_prob == Approx((at(h, 0).value - at(-h, 0).value) / (2 * h)).epsilon(1e-5).margin(1e-7));
  CHECK(loss.d_entropy == Approx((at(0, h).value - at(0, -h).value) / (2 * h)).epsilon(1e-5).margin(1e-7));
}

template <class Kl>
struct kl_alone {
  Kl kl;
  template <class T>
  rlvr::loss_value<T> operator()(token_sample<T> const& sample) const {
    if constexpr (rlvr::kl_estimator<Kl, T>) {
      auto const estimate = kl(sample.log_prob, sample.reference_log_prob);
      return {.value = estimate.value, .d_log_prob = estimate.d_log_prob};
    } else {
      auto const estimate = kl(sample);
      return {.value = estimate.value, .d_log_prob = estimate.d_log_prob};
    }
  }
};

template <class T>
void check_equal(rlvr::loss_value<T> const& a, rlvr::loss_value<T> const& b, T tolerance) {
  CHECK(std::abs(a.value - b.value) <= tolerance * (1 + std::abs(b.value)));
  CHECK(std::abs(a.d_log_prob - b.d_log_prob) <= tolerance * (1 + std::abs(b.d_log_prob)));
  CHECK(std::abs(a.d_entropy - b.d_entropy) <= tolerance * (1 + std::abs(b.d_entropy)));
}

template <class T>
token_sample<T> narrowed(token_sample<double> const& s) {
  return {.log_prob = static_cast<T>(s.log_prob),
          .old_log_prob = static_cast<T>(s.old_log_prob),
          .reference_log_prob = static_cast<T>(s.reference_log_prob),
          .behaviour_log_prob = static_cast<T>(s.behaviour_log_prob),
          .advantage = static_cast<T>(s.advantage),
          .entropy = static_cast<T>(s.entropy),
          .sequence = {static_cast<T>(s.sequence.length), static_cast<T>(s.sequence.mean_log_ratio), s.sequence.index}};
}

}  // namespace

TEST_CASE("derivatives of every objective agree with finite differences", "[objective]") {
  random_samples random;
  INFO("seed " << seed);
  for (int round = 0; round < 400; ++round) {
    auto const sample = random();
    rlvr::ppo_clip const clip{.low = random.uniform(0.05, 0.5),
                              .high = random.uniform(0.05, 0.6),
                              .dual_clip = random.uniform(0, 1) < 0.5 ? random.uniform(1.1, 3) : rlvr::unlimited,
                              .max_log_ratio = random.uniform(0, 1) < 0.5 ? random.uniform(0.2, 1) : rlvr::unlimited,
                              .ratio_cap = random.uniform(0, 1) < 0.5 ? random.uniform(1.7, 2.5) : rlvr::unlimited};
    INFO("round " << round << ", low " << clip.low << ", high " << clip.high << ", dual " << clip.dual_clip
                  << ", max_log_ratio " << clip.max_log_ratio << ", cap " << clip.ratio_cap);
    double const beta = random.uniform(-1, 1);
    double const in = random.uniform(0.2, 2);
    double const out = random.uniform(0.05, 1);
    check_derivatives(clip, sample);
    check_derivatives(rlvr::reinforce{}, sample);
    check_derivatives(rlvr::cross_entropy{}, sample);
    check_derivatives(kl_alone<rlvr::k1>{{in, out}}, sample);
    check_derivatives(kl_alone<rlvr::k2>{{in, out}}, sample);
    check_derivatives(kl_alone<rlvr::k3>{{in, out}}, sample);
    check_derivatives(kl_alone<rlvr::k3>{}, sample);
    check_derivatives(kl_alone<rlvr::absolute_kl>{{in, out}}, sample);
    check_derivatives(kl_alone<rlvr::reverse_k3>{{in, out}}, sample);
    check_derivatives(kl_alone<rlvr::ratio_weighted<rlvr::k1>>{{{}, rlvr::kl_weight::importance_ratio, out}}, sample);
    check_derivatives(kl_alone<rlvr::ratio_weighted<rlvr::k3>>{{{in}, rlvr::kl_weight::behaviour_ratio}}, sample);
    check_derivatives(rlvr::kl_penalised{clip, rlvr::k3{in, out}, beta}, sample);
    check_derivatives(rlvr::kl_penalised{clip, rlvr::ratio_weighted{rlvr::k3{}}, beta}, sample);
    check_derivatives(rlvr::entropy_regularised{clip, beta}, sample);
    check_derivatives(rlvr::weighted_sum{beta, clip, 1 - beta, rlvr::cross_entropy{}}, sample);
  }
}

TEST_CASE("the score-function weight has value one and adds the score term", "[kl]") {
  token_sample<double> const sample{.log_prob = -1, .reference_log_prob = -1.5};
  auto const plain = rlvr::k3{}(sample.log_prob, sample.reference_log_prob);
  auto const weighted = rlvr::ratio_weighted{rlvr::k3{}, rlvr::kl_weight::score_function}(sample);
  CHECK(weighted.value == Approx(plain.value));
  CHECK(weighted.d_log_prob == Approx(plain.value + plain.d_log_prob));
}

TEST_CASE("straight through has the value of its estimator and the gradient of k2", "[kl]") {
  auto const result = rlvr::straight_through{rlvr::k3{0.2, 0.01}}(-1.0, -2.0);
  CHECK(result.value == Approx(0.01));
  CHECK(result.d_log_prob == Approx(1.0));
}

TEST_CASE("a token exactly on a clipping bound keeps its gradient", "[objective]") {
  // Ratio 1 with bounds 1: the tie is exact.
  rlvr::ppo_clip const on_bound{.low = 0, .high = 0};
  for (double advantage : {2.0, -2.0}) {
    auto const loss = on_bound(token_sample<double>{.log_prob = -1, .old_log_prob = -1, .advantage = advantage});
    CHECK(loss.d_log_prob == -advantage);
    CHECK(loss.clip == rlvr::clip_region::none);
  }
  // Dual clip: loss exactly equal to its cap.
  double const two = std::exp(std::log(2.0));
  rlvr::ppo_clip const capped{.dual_clip = two};
  token_sample<double> const at_cap{.log_prob = std::log(2.0), .old_log_prob = 0, .advantage = -1};
  CHECK(capped(at_cap).d_log_prob == two);
  CHECK(capped(at_cap).clip == rlvr::clip_region::none);
}

TEST_CASE("the clip region is told apart", "[objective]") {
  rlvr::ppo_clip const objective{.low = 0.2, .high = 0.3, .dual_clip = 3};
  auto const region = [&](double log_ratio, double advantage) {
    auto const loss = objective(token_sample<double>{.log_prob = log_ratio, .advantage = advantage});
    if (loss.clip != rlvr::clip_region::none) CHECK(loss.d_log_prob == 0);
    return loss.clip;
  };
  CHECK(region(0.5, 1) == rlvr::clip_region::high);
  CHECK(region(-0.5, 1) == rlvr::clip_region::none);
  CHECK(region(-0.5, -1) == rlvr::clip_region::low);
  CHECK(region(0.5, -1) == rlvr::clip_region::none);
  CHECK(region(1.5, -1) == rlvr::clip_region::dual);
  CHECK(region(1.5, 1) == rlvr::clip_region::high);
  CHECK(region(0.1, 1) == rlvr::clip_region::none);
}

TEST_CASE("extreme ratios give no NaN", "[objective]") {
  rlvr::ppo_clip const plain{};
  token_sample<float> sample{.log_prob = -1, .old_log_prob = -500, .advantage = 1};
  CHECK(plain(sample).value == -1.2f);
  CHECK(plain(sample).d_log_prob == 0);
  sample.advantage = 0;
  CHECK(plain(sample).value == 0);
  CHECK(plain(sample).d_log_prob == 0);
  sample.advantage = -1;
  CHECK(plain(sample).value == std::exp(60.0f));  // ratios saturate
  CHECK(plain(sample).d_log_prob == 0);
  rlvr::ppo_clip const guarded{.dual_clip = 3, .max_log_ratio = 20};
  CHECK(guarded(sample).value == 3);
  CHECK(guarded(sample).d_log_prob == 0);
  sample.old_log_prob = -1;
  sample.log_prob = -std::numeric_limits<float>::infinity();
  CHECK(plain(sample).value == 0.8f);
  CHECK(plain(sample).d_log_prob == 0);
  CHECK(rlvr::ppo_clip{.dual_clip = 0}(sample).value == 0.8f);
}

TEST_CASE("k3 neither overflows nor cancels", "[kl]") {
  auto const far_off = rlvr::k3{.input_clamp = 20, .output_clamp = 10}(-900.0f, -0.5f);
  CHECK(far_off.value == 10);
  CHECK(far_off.d_log_prob == 0);
  auto const output_only = rlvr::k3{.output_clamp = 10}(-900.0f, -0.5f);
  CHECK(output_only.value == 10);
  CHECK(output_only.d_log_prob == 0);
  auto const impossible = rlvr::k3{}(-infinity, -0.5);
  CHECK(std::isfinite(impossible.value));
  CHECK(impossible.d_log_prob == 0);
  // e^d - d - 1 = d^2 / 2 + ... keeps its digits at d = 1e-3 in float.
  auto const close = rlvr::k3{}(0.0f, 1e-3f);
  CHECK(close.value == Approx(5.0016671e-7).epsilon(1e-4));
}

TEST_CASE("a coefficient of zero does not read what it weighs", "[penalty]") {
  token_sample<double> const sample{.log_prob = -1,
                                    .old_log_prob = -1.1,
                                    .reference_log_prob = not_a_number,
                                    .advantage = 1,
                                    .entropy = not_a_number};
  auto const expected = rlvr::ppo_clip{}(sample);
  check_equal(rlvr::kl_penalised{rlvr::ppo_clip{}, rlvr::k3{}, 0}(sample), expected, 0.0);
  check_equal(rlvr::entropy_regularised{rlvr::ppo_clip{}, 0}(sample), expected, 0.0);
  auto const broken = rlvr::kl_penalised{rlvr::ppo_clip{}, rlvr::k3{}, 1};
  check_equal(rlvr::weighted_sum{1, rlvr::ppo_clip{}, 0, broken}(sample), expected, 0.0);
  CHECK(std::isnan(broken(sample).value));
}

TEST_CASE("combinators report clip region and KL", "[penalty]") {
  token_sample<double> const sample{
      .log_prob = -0.5, .old_log_prob = -1, .reference_log_prob = -1.5, .advantage = 1, .entropy = 2};
  auto const kl = rlvr::k3{}(-0.5, -1.5);
  auto const loss = rlvr::entropy_regularised{rlvr::kl_penalised{rlvr::ppo_clip{}, rlvr::k3{}, 0.1}, 0.01}(sample);
  CHECK(loss.clip == rlvr::clip_region::high);
  CHECK(loss.kl == Approx(kl.value));
  CHECK(loss.value == Approx(-1.2 + 0.1 * kl.value - 0.02));
  CHECK(loss.d_log_prob == Approx(0.1 * kl.d_log_prob));
  CHECK(loss.d_entropy == Approx(-0.01));
  auto const sum = rlvr::weighted_sum{0.5, rlvr::cross_entropy{}, 2, rlvr::ppo_clip{}}(sample);
  CHECK(sum.value == Approx(0.25 - 2.4));
  CHECK(sum.clip == rlvr::clip_region::high);
}

TEST_CASE("KL in the reward changes the reward by the value alone", "[kl]") {
  CHECK(rlvr::kl_in_reward{rlvr::k1{}, 0.1}(2.0, -1.0, -1.5) == Approx(2 - 0.05));
  CHECK(rlvr::kl_in_reward{rlvr::k1{}, 0.0}(2.0, -1.0, not_a_number) == 2.0);
}

TEMPLATE_TEST_CASE("differentiate equals the derivative by hand", "[differentiate]", float, double) {
  using T = TestType;
  random_samples random;
  T const tolerance = std::is_same_v<T, float> ? T(3e-5) : T(1e-12);
  double const low = 0.2;
  double const high = 0.28;
  auto const clip = rlvr::differentiate([=](auto s) {
    auto ratio = exp(s.log_prob - s.old_log_prob);
    return -min(ratio * s.advantage, clamp(ratio, 1 - low, 1 + high) * s.advantage);
  });
  auto const dual_clip = rlvr::differentiate([=](auto s) {
    auto ratio = exp(clamp(s.log_prob - s.old_log_prob, -20, 20));
    auto loss = max(-s.advantage * ratio, -s.advantage * clamp(ratio, 1 - low, 1 + high));
    return s.advantage < 0 ? min(loss, -s.advantage * 1.5f) : loss;
  });
  auto const kl = rlvr::differentiate([](auto s) {
    auto d = s.reference_log_prob - s.log_prob;
    return -s.advantage * s.log_prob + 0.04 * (expm1(d) - d) - 0.01 * s.entropy;
  });
  STATIC_REQUIRE(rlvr::token_objective<decltype(clip), T>);
  STATIC_REQUIRE(rlvr::token_objective<decltype(kl), T>);
  for (int round = 0; round < 1000; ++round) {
    INFO("seed " << seed << ", round " << round);
    auto const sample = narrowed<T>(random());
    check_equal(clip(sample), rlvr::ppo_clip{.low = low, .high = high}(sample), tolerance);
    check_equal(dual_clip(sample),
                rlvr::ppo_clip{.low = low, .high = high, .dual_clip = 1.5, .max_log_ratio = 20}(sample), tolerance);
    rlvr::entropy_regularised const by_hand{rlvr::kl_penalised{rlvr::reinforce{}, rlvr::k3{}, 0.04}, 0.01};
    check_equal(kl(sample), by_hand(sample), tolerance);
  }
}

TEST_CASE("differentiate agrees with the hand-written objective where ratios overflow", "[differentiate]") {
  auto const clip = rlvr::differentiate([](auto s) {
    auto ratio = exp(clamp(s.log_prob - s.old_log_prob, -60, 60));
    return -min(ratio * s.advantage, clamp(ratio, 0.8f, 1.2f) * s.advantage);
  });
  for (float advantage : {1.0f, -1.0f}) {
    token_sample<float> const sample{.log_prob = -1, .old_log_prob = -500, .advantage = advantage};
    CHECK(clip(sample).value == rlvr::ppo_clip{}(sample).value);
    CHECK(clip(sample).d_log_prob == rlvr::ppo_clip{}(sample).d_log_prob);
  }
}

TEST_CASE("parameters outside their range are refused", "[objective]") {
  CHECK_NOTHROW(rlvr::ppo_clip{}.validate());
  CHECK_NOTHROW(rlvr::ppo_clip{.dual_clip = 0}.validate());
  CHECK_THROWS_AS(rlvr::ppo_clip{.low = -0.1}.validate(), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::ppo_clip{.low = not_a_number}.validate(), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::ppo_clip{.high = -0.1}.validate(), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::ppo_clip{.dual_clip = 1}.validate(), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::ppo_clip{.max_log_ratio = 0}.validate(), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::ppo_clip{.ratio_cap = 1.1}.validate(), rlvr::argument_error);
}

TEST_CASE("presets carry the numbers of their sources", "[presets]") {
  namespace presets = rlvr::presets;
  CHECK(presets::r1_re.group_size == 16);
  CHECK(presets::r1_re.optimiser.learning_rate == 1e-6);
  CHECK(presets::r1_re.objective.beta == 0.001);
  CHECK(presets::r1_re.objective.kl.input_clamp == 20);
  CHECK(presets::verl.objective.objective.dual_clip == 3);
  CHECK(presets::verl.objective.beta == 0);
  CHECK(presets::trl.advantage.epsilon == 1e-4);
  CHECK(presets::rule_reasoner.objective.beta == 0);
  CHECK(presets::rule_reasoner.group_size == 64);
  CHECK(presets::rule_reasoner.temperature == 0.8);
  CHECK(presets::table_r1.objective.objective.dual_clip == 10);
  CHECK(presets::one_shot_rlvr.objective.coefficient == 0.001);
  CHECK(presets::one_shot_rlvr.objective.objective.beta == 0.001);
  CHECK(presets::dr_grpo.aggregation.rows == rlvr::count_rows::all);
  // Clip-higher: a ratio of 1.27 with A > 0 keeps its gradient, 1.29 does not.
  for (auto const& clip_higher : {presets::table_r1.objective, presets::dapo.objective}) {
    CHECK(clip_higher(token_sample<double>{.log_prob = std::log(1.27), .advantage = 1}).d_log_prob < 0);
    CHECK(clip_higher(token_sample<double>{.log_prob = std::log(1.29), .advantage = 1}).d_log_prob == 0);
  }
  CHECK(presets::trl.objective.objective.dual_clip == rlvr::unlimited);
  auto settings = presets::r1_re;
  settings.objective.beta = 0;
  CHECK(settings.objective.objective.low == 0.2);
}
