// SPDX-License-Identifier: MIT
// The same model and trainer code on both backends: rollouts, losses, gradients and a step of GRPO agree.
#include <rlvr/cpu.hpp>
#include <rlvr/cuda.cuh>
#include <rlvr/rl/presets.hpp>
#include <rlvr/train/grpo.hpp>

#include <algorithm>
#include <cmath>
#include <support/catch.hpp>
#include <unit/train/tiny_config.hpp>
#include <vector>

using namespace rlvr;

namespace {

constexpr std::size_t group_size = 4;

std::vector<model::generation_prompt> prompts() {
  std::vector<model::generation_prompt> result;
  for (std::uint32_t p = 0; p < 3; ++p)
    result.push_back({.tokens = {static_cast<std::int32_t>(4 + p), 2}, .id = p, .samples = group_size});
  return result;
}

std::vector<reward::outcome> pay_for_threes(std::span<model::generated_sequence const> sequences) {
  std::vector<reward::outcome> outcomes;
  for (auto const& sequence : sequences) {
    auto const count = std::count(sequence.tokens.begin(), sequence.tokens.end(), 3);
    outcomes.push_back(reward::outcome::of(static_cast<double>(count)));
  }
  return outcomes;
}

/// A learner whose weights are a function of the seed.
template <class Context>
struct policy {
  Context context;
  train::learner<Context> learner;
  train::rollout_batch rollouts;

  explicit policy(model_config const& config) : learner(context, config) {
    std::vector<float> weights(learner.weights().layout().size());
    model::initialise(learner.weights().layout(), weights.data(), 5, 0.2);
    context.upload(learner.weights().arena().data(), weights.data(), weights.size());
  }

  [[nodiscard]] std::vector<float> fetch(std::span<float const> values) {
    std::vector<float> result(values.size());
    context.download(result.data(), values.data(), values.size());
    return result;
  }

  train::step_record step(std::uint32_t index) {
    auto settings = presets::r1_re;
    settings.group_size = group_size;
    settings.objective.beta = 0.1;
    model::generation_options options;
    options.max_new_tokens = 5;
    options.stop_ids = {0};
    options.seed = 3;
    options.step = index;
    std::vector<std::int32_t> const prefix{1, 5, 7};
    auto const asked = prompts();
    return train::grpo_step(learner, &learner.weights(), std::span<std::int32_t const>(prefix),
                            std::span<model::generation_prompt const>(asked), settings, {.chunk_rows = 7},
                            {.rule = {.learning_rate = 0.02, .weight_decay = 0.01}}, options, pay_for_threes, rollouts);
  }
};

/// Largest |a - b| / (1 + |a|).
double distance(std::vector<float> const& a, std::vector<float> const& b) {
  if (a.size() != b.size()) return 1e30;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(difference <= 1e30)) return 1e30;
    worst = std::max(worst, difference / (1 + std::abs(static_cast<double>(a[i]))));
  }
  return worst;
}

}  // namespace

TEST_CASE("steps of GRPO on the GPU are those on the CPU") {
  for (model_config const& config : test::tiny_families()) {
    CAPTURE(config.qk_norm);
    policy<cpu::context> host(config);
    policy<cuda::context> device(config);
    for (std::uint32_t index = 0; index < 3; ++index) {
      auto const expected = host.step(index);
      auto const found = device.step(index);
      REQUIRE(found.find(train::metric::loss));
      CHECK(*found.find(train::metric::loss) == Approx(*expected.find(train::metric::loss)).margin(1e-5));
      CHECK(*found.find(train::metric::grad_norm) == Approx(*expected.find(train::metric::grad_norm)).epsilon(1e-4));
      CHECK(*found.find(train::metric::entropy) == Approx(*expected.find(train::metric::entropy)).epsilon(1e-5));
      REQUIRE(found.find(train::metric::reward) == expected.find(train::metric::reward));
      for (std::size_t i = 0; i < host.rollouts.sequences.size(); ++i) {
        REQUIRE(device.rollouts.sequences[i].tokens == host.rollouts.sequences[i].tokens);
        CHECK(distance(host.rollouts.sequences[i].log_probs, device.rollouts.sequences[i].log_probs) < 1e-5);
      }
      CHECK(distance(host.fetch(host.learner.weights().arena()), device.fetch(device.learner.weights().arena())) <
            2e-5);
    }
  }
}

TEST_CASE("gradients of a batch agree, and the GPU's log-probs of rollouts are those of its training pass") {
  for (model_config const& config : test::tiny_families()) {
    policy<cpu::context> host(config);
    policy<cuda::context> device(config);
    auto const asked = prompts();
    std::vector<std::int32_t> const prefix{1, 5, 7};
    model::generation_options options;
    options.max_new_tokens = 6;
    device.rollouts.sequences = train::rollout(device.learner, prefix, asked, options);
    device.rollouts.advantages.resize(device.rollouts.sequences.size());
    for (std::size_t i = 0; i < device.rollouts.advantages.size(); ++i)
      device.rollouts.advantages[i] = i % 2 ? 1.0 : -0.5;
    auto batches = train::pack(device.rollouts, prefix, asked, 0, asked.size(), group_size, {});
    REQUIRE(batches.size() == 1);
    train::token_batch& batch = batches[0];
    batch.set_scales(token_mean{}, batch.statistics());

    std::vector<float> log_prob;
    device.learner.log_probs(device.learner.weights(), batch, {}, log_prob);
    CHECK(log_prob == batch.old_log_prob);  // bit for bit: the first update has ratio 1 exactly

    auto const expected = host.learner.accumulate(batch, ppo_clip{}, {.chunk_rows = 5});
    auto const found = device.learner.accumulate(batch, ppo_clip{}, {.chunk_rows = 9});
    CHECK(found.total == Approx(expected.total).margin(1e-6));
    std::vector<float> const host_gradient = host.fetch(host.learner.gradient());
    CHECK(*std::max_element(host_gradient.begin(), host_gradient.end()) > 1e-3f);
    CHECK(distance(host_gradient, device.fetch(device.learner.gradient())) < 1e-5);
  }
}
