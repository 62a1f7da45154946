// SPDX-License-Identifier: MIT
// Objectives that look at whole responses, through the model: the gradient of a weight against differences of the loss.
#include <rlvr/cpu.hpp>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/sequence_objectives.hpp>
#include <rlvr/train/learner.hpp>

#include "tiny_config.hpp"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;

namespace {

struct policy {
  cpu::context context{2};
  train::learner<cpu::context> learner{context, test::tiny_config(1)};
  train::token_batch batch;

  policy() {
    model::initialise(learner.weights().layout(), learner.weights().arena().data(), 5, 0.3);
    std::vector<std::int32_t> const prefix{1, 5, 7}, prompt{4, 2};
    std::int64_t const segment = batch.tree.add_segment(prompt, batch.tree.add_segment(prefix));
    std::vector<std::vector<std::int32_t>> const responses{{3, 8, 0}, {6, 0}, {9, 9, 2, 11, 0}};
    std::vector<float> const advantages{1.0f, -0.5f, 0.25f};
    for (std::size_t i = 0; i < responses.size(); ++i) {
      batch.add_response(responses[i], segment);
      batch.advantage.insert(batch.advantage.end(), responses[i].size(), advantages[i]);
      batch.reward.push_back(advantages[i]);
    }
    batch.set_scales(sequence_mean_token_mean{}, batch.statistics());
    learner.log_probs(learner.weights(), batch, {}, batch.old_log_prob);
    for (std::size_t i = 0; i < batch.scored(); ++i) {
      batch.old_log_prob[i] += 0.05f * static_cast<float>(i % 3) - 0.04f;  // off-policy
      batch.weight.push_back(1.0f + 0.1f * static_cast<float>(i % 2));
    }
    batch.reference_log_prob = batch.old_log_prob;
  }

  template <class Objective>
  double loss(Objective const& objective) {
    std::fill(learner.gradient().begin(), learner.gradient().end(), 0.0f);
    return learner.accumulate(batch, objective).total;
  }
};

// Central differences of the loss by the weights of largest gradient.
template <class Objective>
void check_gradient(Objective const& objective) {
  static_assert(needs_sequence_pass<Objective>);
  policy model;
  double const value = model.loss(objective);
  CHECK(std::isfinite(value));
  std::vector<float> const gradient(model.learner.gradient().begin(), model.learner.gradient().end());
  std::vector<std::size_t> order(gradient.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::partial_sort(order.begin(), order.begin() + 8, order.end(),
                    [&](std::size_t a, std::size_t b) { return std::abs(gradient[a]) > std::abs(gradient[b]); });
  REQUIRE(std::abs(gradient[order[7]]) > 1e-3f);
  std::span<float> const weights = model.learner.weights().arena();
  for (std::size_t k = 0; k < 8; ++k) {
    std::size_t const i = order[k];
    float const here = weights[i], step = 4e-3f;
    weights[i] = here + step;
    double const above = model.loss(objective);
    weights[i] = here - step;
    double const below = model.loss(objective);
    weights[i] = here;
    double const difference = (above - below) / (2.0 * static_cast<double>(step));
    INFO("weight " << i << ": gradient " << gradient[i] << ", difference " << difference);
    CHECK(std::abs(static_cast<double>(gradient[i]) - difference) <= 0.02 * std::abs(difference) + 1e-4);
  }
}

}  // namespace

TEST_CASE("sequence-level objectives have their exact gradient through the model") {
  SECTION("GSPO, nothing clipped") { check_gradient(gspo(0.9, 9.0)); }
  SECTION("product of the ratios") {
    check_gradient(sequence_clip{.low = 0.9, .high = 9.0, .level = sequence_level::product});
  }
  SECTION("GMPO") { check_gradient(gmpo{.log_low = 4, .log_high = 4}); }
  SECTION("inside a combinator, with a KL term of the sequence's ratio") {
    check_gradient(kl_penalised{gspo(0.9, 9.0), sequence_ratio_weighted<k3>{}, 0.5});
  }
}

TEST_CASE("token objectives need no pass; importance weights and rewards reach the objective") {
  static_assert(!needs_sequence_pass<ppo_clip> && !needs_sequence_pass<kl_penalised<ppo_clip, k3>>);
  static_assert(needs_sequence_pass<entropy_regularised<gmpo>>);
  policy model;
  double const weighted = model.loss(importance_weighted<reinforce>{});
  std::vector<float> const weights = std::exchange(model.batch.weight, {});
  double const plain = model.loss(reinforce{});
  CHECK(model.loss(importance_weighted<reinforce>{}) == plain);
  auto const losses = model.learner.accumulate(model.batch, reinforce{});
  double expected = 0;
  for (std::size_t i = 0; i < weights.size(); ++i)
    expected += static_cast<double>(weights[i]) * static_cast<double>(model.batch.scale[i] * losses.loss[i].value);
  CHECK(weighted == Approx(expected).epsilon(1e-5));
  CHECK(weighted != Approx(plain).epsilon(1e-3));
}
