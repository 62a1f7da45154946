// SPDX-License-Identifier: MIT
#include <rlvr/cpu.hpp>
#include <rlvr/train/grpo.hpp>
#include <rlvr/train/sft.hpp>

#include "tiny_config.hpp"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;

namespace {

constexpr std::int32_t end_id = 0;
constexpr std::int32_t wanted_id = 3;

std::vector<model::generation_prompt> prompts_of(std::uint32_t samples) {
  std::vector<model::generation_prompt> prompts;
  for (std::uint32_t p = 0; p < 4; ++p)
    prompts.push_back({.tokens = {static_cast<std::int32_t>(4 + p), 2}, .id = p, .samples = samples});
  return prompts;
}

/// Pays for the share of wanted tokens.
std::vector<reward::outcome> pay_for_wanted(std::span<model::generated_sequence const> sequences) {
  std::vector<reward::outcome> outcomes;
  for (auto const& sequence : sequences) {
    auto const count = std::count(sequence.tokens.begin(), sequence.tokens.end(), wanted_id);
    double const share = static_cast<double>(count) / static_cast<double>(sequence.tokens.size());
    outcomes.push_back(reward::outcome::of(share, share > 0.5, reward::reward_class::scored));
  }
  return outcomes;
}

struct run {
  cpu::context context;
  train::learner<cpu::context> learner;
  std::vector<std::int32_t> prefix{1, 5, 7};
  train::rollout_batch rollouts;

  explicit run(std::size_t threads) : context(threads), learner(context, test::tiny_config(2)) {
    model::initialise(learner.weights().layout(), learner.weights().arena().data(), 7, 0.1);
  }

  template <class Score>
  train::step_record step(std::uint32_t index, Score const& score, train::grpo_schedule const& schedule = {},
                          double learning_rate = 0.02, bool reference = false) {
    auto settings = presets::r1_re;
    settings.group_size = 8;
    settings.objective.beta = reference ? 0.1 : 0.0;
    model::generation_options options;
    options.max_new_tokens = 6;
    options.stop_ids = {end_id};
    options.seed = 11;
    options.step = index;
    auto const prompts = prompts_of(8);
    return train::grpo_step(learner, reference ? &learner.weights() : nullptr, std::span<std::int32_t const>(prefix),
                            std::span<model::generation_prompt const>(prompts), settings, schedule,
                            {.rule = {.learning_rate = learning_rate, .weight_decay = 0.0}}, options, score, rollouts);
  }
};

}  // namespace

TEST_CASE("GRPO raises a reward that a policy can reach") {
  run policy(2);
  double const first = *policy.step(0, pay_for_wanted).find(train::metric::reward);
  double last = first;
  for (std::uint32_t i = 1; i < 40; ++i) last = *policy.step(i, pay_for_wanted).find(train::metric::reward);
  CAPTURE(first, last);
  CHECK(first < 0.3);
  CHECK(last > 0.8);
}

TEST_CASE("the sampler's log-probs are those of the training pass, bit for bit: ratios of the first update are 1") {
  run policy(2);
  auto const record = policy.step(0, pay_for_wanted, {}, 0.0);
  CHECK(record.find(train::metric::clip_low) == 0.0);
  auto const prompts = prompts_of(8);
  auto const parts = train::pack(policy.rollouts, policy.prefix, prompts, 0, prompts.size(), 8, {});
  REQUIRE(parts.size() == 1);
  std::vector<float> log_prob;
  policy.learner.log_probs(policy.learner.weights(), parts[0], {}, log_prob);
  REQUIRE(log_prob.size() == parts[0].old_log_prob.size());
  CHECK(std::memcmp(log_prob.data(), parts[0].old_log_prob.data(), log_prob.size() * sizeof(float)) == 0);
}

TEST_CASE("equal rewards give no gradient, unscorable responses no advantage") {
  run policy(1);
  std::vector<float> const before(policy.learner.weights().arena().begin(), policy.learner.weights().arena().end());
  auto const flat = [](std::span<model::generated_sequence const> s) {
    return std::vector<reward::outcome>(s.size(), reward::outcome::of(-3.0));
  };
  auto const record = policy.step(0, flat);
  CHECK(record.find(train::metric::frac_reward_zero_std) == 1.0);
  CHECK(record.find(train::metric::grad_norm) == 0.0);
  CHECK(std::equal(before.begin(), before.end(), policy.learner.weights().arena().begin()));

  auto const broken = [](std::span<model::generated_sequence const> s) {
    auto outcomes = pay_for_wanted(s);
    outcomes[1] = reward::outcome::failed("on purpose");
    return outcomes;
  };
  auto const with_error = policy.step(1, broken);
  CHECK(policy.rollouts.advantages[1] == 0.0);
  CHECK(with_error.find("reward_class/error") == 1.0 / 32.0);
  CHECK(with_error.find(train::metric::unscorable) == 1.0 / 32.0);
}

TEST_CASE("a reward's name, its parts and the time it takes are metrics") {
  run policy(1);
  policy.rollouts.reward_name = "staged";
  auto const record = policy.step(0, [&](std::span<model::generated_sequence const> s) {
    policy.rollouts.reward_seconds.assign(s.size(), 0.5);
    policy.rollouts.reward_seconds[3] = 2.0;
    std::vector<reward::outcome> outcomes;
    for (std::size_t i = 0; i < s.size(); ++i) {
      outcomes.push_back(reward::outcome::of(i % 2 == 0 ? 3.0 : 1.0));
      outcomes.back().parts.push_back({"format", 1.0});
    }
    return outcomes;
  });
  CHECK(record.find("rewards/staged/mean") == 2.0);
  CHECK(*record.find("rewards/staged/std") == Approx(std::sqrt(32.0 / 31.0)));
  CHECK(record.find("rewards/staged/format/mean") == 1.0);
  CHECK(record.find("time/reward_p50") == 0.5);
  CHECK(record.find("time/reward_p99") == 2.0);
  CHECK(train::metric::is_time("time/reward_p99"));
}

TEST_CASE("weights after steps are the same bits for 1, 2 and 3 threads") {
  run one(1), two(2), three(3);
  for (std::uint32_t i = 0; i < 3; ++i) {
    auto const a = one.step(i, pay_for_wanted, {.mini_batches = 2}, 0.01, true);
    auto const b = two.step(i, pay_for_wanted, {.mini_batches = 2}, 0.01, true);
    three.step(i, pay_for_wanted, {.mini_batches = 2}, 0.01, true);
    CHECK(a.find(train::metric::loss) == b.find(train::metric::loss));
  }
  auto const bytes = one.learner.weights().arena().size_bytes();
  CHECK(std::memcmp(one.learner.weights().arena().data(), two.learner.weights().arena().data(), bytes) == 0);
  CHECK(std::memcmp(one.learner.weights().arena().data(), three.learner.weights().arena().data(), bytes) == 0);
}

TEST_CASE("passes of any size add up to the same step") {
  run whole(1), split(1);
  auto const a = whole.step(0, pay_for_wanted, {}, 0.0);
  auto const b = split.step(0, pay_for_wanted, {.max_pass_tokens = 1}, 0.0);
  CHECK(*a.find(train::metric::loss) == Approx(*b.find(train::metric::loss)).margin(1e-6));
  CHECK(*a.find(train::metric::grad_norm) == Approx(*b.find(train::metric::grad_norm)).epsilon(1e-4));
}

TEST_CASE("supervised steps lower the loss of what they show") {
  run policy(2);
  train::sft_group const group{
      .prefix = policy.prefix,
      .examples = {{.prompt = {4, 2}, .response = {3, 9, end_id}}, {.prompt = {5, 2}, .response = {8, end_id}}}};
  train::update_settings const settings{.rule = {.learning_rate = 0.02, .weight_decay = 0.0}};
  double const first = *train::sft_step(policy.learner, std::span(&group, 1), settings).find(train::metric::loss);
  double last = first;
  for (int i = 0; i < 30; ++i)
    last = *train::sft_step(policy.learner, std::span(&group, 1), settings).find(train::metric::loss);
  CHECK(first > 2.0);  // of log 12 = 2.48 for a uniform guess: a fresh model knows nothing
  CHECK(last < 0.05);
}

TEST_CASE("a gradient that is not finite is skipped and counted") {
  run policy(1);
  std::vector<float> const before(policy.learner.weights().arena().begin(), policy.learner.weights().arena().end());
  policy.learner.gradient()[5] = std::nanf("");
  train::update_result const result = policy.learner.update({}, 1.0, 1.0);
  CHECK(result.skipped);
  CHECK(policy.learner.updates() == 0);
  CHECK(std::equal(before.begin(), before.end(), policy.learner.weights().arena().begin()));
  CHECK(policy.learner.gradient()[5] == 0.0f);
}

TEST_CASE("metrics of the loss: ratios are 1 on-policy and spread over a second epoch") {
  run policy(1);
  auto const first = policy.step(0, pay_for_wanted, {}, 0.05);
  CHECK(first.find(train::metric::policy_kl) == 0.0);
  CHECK(first.find(train::metric::ratio_low) == 1.0);
  CHECK(first.find(train::metric::ratio_high) == 1.0);
  auto const second = policy.step(1, pay_for_wanted, {.epochs = 3}, 0.05);
  CHECK(*second.find(train::metric::policy_kl) != 0.0);
  CHECK(*second.find(train::metric::ratio_low) < 1.0);
  CHECK(*second.find(train::metric::ratio_high) > 1.0);
}
