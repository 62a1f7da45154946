// SPDX-License-Identifier: MIT
// Steps that are captured and replayed have the bits of eager ones, are
// captured once per shape, and are never stale.
#include <rlvr/cuda.cuh>
#include <rlvr/rl/presets.hpp>
#include <rlvr/rl/sequence_objectives.hpp>
#include <rlvr/train/grpo.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <support/catch.hpp>
#include <unit/train/tiny_config.hpp>
#include <vector>

using namespace rlvr;

namespace {

/// A learner with or without graphs; weights are a function of the
/// configuration.
struct device_policy {
  cuda::context context;
  train::learner<cuda::context> learner;

  device_policy(model_config const& config, bool graphs) : learner(context, config) {
    context.use_graphs() = graphs;
    std::vector<float> weights(learner.weights().layout().size());
    model::initialise(learner.weights().layout(), weights.data(), 5, 0.2);
    context.upload(learner.weights().arena().data(), weights.data(), weights.size());
  }

  [[nodiscard]] std::vector<float> fetch(std::span<float const> values) {
    std::vector<float> result(values.size());
    context.download(result.data(), values.data(), values.size());
    return result;
  }

  /// With memory that the learner keeps between calls, or with memory of the call's own.
  [[nodiscard]] std::vector<model::generated_sequence> generate(std::uint32_t prompts, std::size_t tokens,
                                                                bool kept = false, std::uint32_t step = 0) {
    std::vector<model::generation_prompt> asked;
    for (std::uint32_t p = 0; p < prompts; ++p)
      asked.push_back({.tokens = {static_cast<std::int32_t>((4 + p + step) % 12), 2}, .id = p, .samples = 2});
    std::vector<std::int32_t> const prefix{1, 5, 7};
    model::generation_options options;
    options.max_new_tokens = tokens;
    options.seed = 3;
    options.step = step;
    if (kept) return learner.generate(prefix, asked, options);
    return model::generate(context, learner.runner(), learner.running_weights(), std::span<std::int32_t const>(prefix),
                           std::span<model::generation_prompt const>(asked), options);
  }
};

/// Responses of these lengths to one prompt.
train::token_batch batch_of(std::vector<std::size_t> const& lengths, std::int32_t first) {
  train::token_batch batch;
  std::vector<std::int32_t> const prompt{1, 5, 7, 2};
  std::int64_t const root = batch.tree.add_segment(prompt, -1);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    std::vector<std::int32_t> tokens(lengths[i], 3);
    for (std::size_t t = 0; t + 1 < tokens.size(); ++t) tokens[t] = (first + static_cast<std::int32_t>(i * t)) % 7 + 1;
    batch.add_response(tokens, root);
  }
  batch.advantage.resize(batch.scored());
  for (std::size_t i = 0; i < batch.scored(); ++i) batch.advantage[i] = i % 3 == 0 ? 1.0f : -0.5f;
  batch.old_log_prob.assign(batch.scored(), -2.0f);
  batch.set_scales(token_mean{}, batch.statistics());
  return batch;
}
/// Responses of three tokens.
train::token_batch batch_of(std::size_t responses, std::int32_t first) {
  return batch_of(std::vector<std::size_t>(responses, 3), first);
}

/// A pass and an update of both must agree in every bit.
template <class Objective>
void step_both(device_policy& eager, device_policy& captured, train::token_batch const& batch,
               Objective const& objective) {
  adamw_rule const rule{.learning_rate = 0.02};
  auto const expected = eager.learner.accumulate(batch, objective, {.chunk_rows = 5});
  auto const found = captured.learner.accumulate(batch, objective, {.chunk_rows = 5});
  CHECK((found.log_prob == expected.log_prob));
  CHECK((found.entropy == expected.entropy));
  CHECK(found.total == expected.total);
  CHECK((captured.fetch(captured.learner.gradient()) == eager.fetch(eager.learner.gradient())));
  auto const a = eager.learner.update(rule, 1.0, 0.1);
  auto const b = captured.learner.update(rule, 1.0, 0.1);
  CHECK(a.grad_norm == b.grad_norm);
  CHECK(a.clip_coefficient < 1.0);
  CHECK((captured.fetch(captured.learner.weights().arena()) == eager.fetch(eager.learner.weights().arena())));
}

void check_same(std::vector<model::generated_sequence> const& found,
                std::vector<model::generated_sequence> const& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].tokens == expected[i].tokens);
    CHECK(found[i].log_probs == expected[i].log_probs);
  }
}

}  // namespace

TEST_CASE(
    "decoding that is captured draws what eager decoding draws, with one "
    "capture for the steps of a batch") {
  model_config const config = test::tiny_config(2);
  device_policy eager(config, false), captured(config, true);
  for (std::uint32_t const prompts : {2u, 5u, 1u}) {  // a larger batch makes buffers grow
    CAPTURE(prompts);
    auto const before = captured.context.graphs().launches();
    auto const captures = captured.context.graphs().captures();
    auto const expected = eager.generate(prompts, 9);
    auto const found = captured.generate(prompts, 9);
    check_same(found, expected);
    // Of nine steps the first has no tokens to run and the second is eager.
    CHECK(captured.context.graphs().launches() - before >= 6);
    CHECK(captured.context.graphs().captures() - captures == 1);
  }
  CHECK(eager.context.graphs().launches() == 0);
}

TEST_CASE("decoding with kept memory is captured in the first calls alone, whatever is trained in between") {
  model_config const config = test::tiny_config(2);
  device_policy eager(config, false), captured(config, true);
  std::size_t captures = 0, launches = 0;
  for (std::uint32_t round = 0; round < 5; ++round) {
    CAPTURE(round);
    if (round == 3) {  // the first rounds made memory grow, ran eagerly and captured
      captures = captured.context.graphs().captures();
      launches = captured.context.graphs().launches();
    }
    for (std::uint32_t const prompts : {5u, 2u}) {
      check_same(captured.generate(prompts, 4, true, round), eager.generate(prompts, 4, true, round));
      step_both(eager, captured, batch_of(prompts, static_cast<std::int32_t>(round)), ppo_clip{});
    }
  }
  CHECK(captured.context.graphs().captures() == captures);
  // Two rounds of two calls and two steps: each call's four tokens, each step's pass and update.
  CHECK(captured.context.graphs().launches() - launches == 2 * 2 * (4 + 2));
  // Two shapes of a call's first step, two of the others, two of a pass, the update; some again when memory had grown.
  CHECK(captures >= 7);
  CHECK(captures <= 10);
  captured.learner.release_generation();
  check_same(captured.generate(2, 4, true, 9), eager.generate(2, 4, true, 9));
}

TEST_CASE("training is captured once per shape, whatever the tokens; a pass that moved memory ends what used it") {
  model_config const config = test::tiny_config(1);
  device_policy eager(config, false), captured(config, true);
  std::int32_t index = 0;
  auto const train = [&](std::vector<std::size_t> const& sizes) {
    auto const before = captured.context.graphs().captures();
    for (std::size_t const responses : sizes) {
      CAPTURE(index);
      step_both(eager, captured, batch_of(responses, index++), ppo_clip{});
    }
    return captured.context.graphs().captures() - before;
  };
  SECTION("shapes in turn") {
    CHECK(train({2, 6, 2, 6, 2}) == 3);  // a pass for each of the two, and the update
    auto const launches = captured.context.graphs().launches();
    CHECK(train({6, 2, 6, 2}) == 0);
    CHECK(captured.context.graphs().launches() - launches == 8);
  }
  SECTION("the largest first") {
    CHECK(train({6, 6, 6}) == 2);
    CHECK(train({2, 2, 2}) == 1);
    CHECK(train({2, 6, 6, 2, 2}) == 0);
  }
  SECTION("rollouts in between") {
    (void)captured.generate(4, 3, true);
    (void)train({6, 6, 6});
    for (std::uint32_t const prompts : {1u, 3u, 2u}) {
      (void)captured.generate(prompts, 3, true);
      captured.learner.release_generation();
      CHECK(train({6}) == 0);
    }
  }
  SECTION("the largest later: memory grows, and the smaller one is captured again") {
    CHECK(train({2, 2, 2}) == 2);
    CHECK(train({6, 6, 6}) <= 2);
    CHECK(train({2, 2, 2}) == 1);
    CHECK(train({6, 2}) == 0);
  }
}

TEST_CASE("the shape of a batch is sizes: who attends to whom within them is data") {
  model_config const config = test::tiny_config(1);
  device_policy eager(config, false), captured(config, true);
  std::int32_t index = 0;
  auto const train = [&](std::vector<std::size_t> const& lengths) {
    auto const before = captured.context.graphs().captures();
    step_both(eager, captured, batch_of(lengths, index++), ppo_clip{});
    return captured.context.graphs().captures() - before;
  };
  for (int i = 0; i < 2; ++i) train({1, 2, 5});
  CHECK(train({1, 2, 5}) == 0);
  auto const launches = captured.context.graphs().launches();
  CHECK(train({5, 1, 2}) == 0);
  CHECK(train({2, 5, 1}) == 0);
  CHECK(captured.context.graphs().launches() - launches == 4);
  train({3, 5});  // as many tokens in two responses
  CHECK(train({5, 3}) == 1);
}

TEST_CASE("an objective over whole responses: captured passes have the bits of eager ones") {
  model_config const config = test::tiny_config(1);
  device_policy eager(config, false), captured(config, true);
  for (std::int32_t index = 0; index < 5; ++index) {
    CAPTURE(index);
    step_both(eager, captured,
              batch_of(index % 2 ? std::vector<std::size_t>{3, 1, 4} : std::vector<std::size_t>{4, 3, 1}, index),
              gspo(0.9, 9.0));
  }
  // The log-probs, the loss with its gradient, and the update; the first of them once eagerly more, since the first
  // backward pass adds tables to the plan's.
  CHECK(captured.context.graphs().captures() == 3);
  CHECK(captured.context.graphs().launches() == 4 * 3 - 1);
}

TEST_CASE("a graph is found while the memory that its work asked for stays, and not after that") {
  cuda::context context;
  rlvr::buffer<float, cuda::device_memory> kept(4);
  auto const key = [] { return replay_key(); };
  auto const count = [&](cuda::scratch_purpose purpose) {
    for (int i = 0; i < 2; ++i)
      context.replayable(key, [&] {
        float* const asked = context.scratch<float>(purpose, 4);
        context.zero(asked, 4);
        context.zero(kept.data(), 4);
      });
    return context.graphs().captures();
  };
  CHECK(count(cuda::scratch_purpose::chunk) == 1);
  (void)context.scratch<float>(cuda::scratch_purpose::reduction, 4000);
  CHECK(count(cuda::scratch_purpose::chunk) == 1);
  CHECK(context.graphs().launches() == 3);
  (void)context.scratch<float>(cuda::scratch_purpose::chunk, 4000);
  CHECK(count(cuda::scratch_purpose::chunk) == 2);
  CHECK(context.graphs().launches() == 4);
}

TEST_CASE("steps of GRPO whose rollouts keep their memory are those that do not") {
  model_config const config = test::tiny_config(1);
  device_policy eager(config, false), captured(config, true);
  auto const step = [](device_policy& of, std::uint32_t index, bool keep) {
    std::vector<std::int32_t> const prefix{1, 5, 7};
    std::vector<model::generation_prompt> asked;
    for (std::uint32_t p = 0; p < 2; ++p)
      asked.push_back({.tokens = {static_cast<std::int32_t>(4 + p), 2}, .id = p, .samples = 3});
    auto settings = presets::r1_re;
    settings.group_size = 3;
    model::generation_options options;
    options.max_new_tokens = 5;
    options.stop_ids = {0};
    options.step = index;
    train::rollout_batch rollouts;
    auto const pay_for_threes = [](std::span<model::generated_sequence const> sequences) {
      std::vector<reward::outcome> outcomes;
      for (auto const& sequence : sequences)
        outcomes.push_back(
            reward::outcome::of(static_cast<double>(std::count(sequence.tokens.begin(), sequence.tokens.end(), 3))));
      return outcomes;
    };
    (void)train::grpo_step(of.learner, nullptr, prefix, asked, settings, {.chunk_rows = 7, .keep_generation = keep},
                           {.rule = {.learning_rate = 0.02}}, options, pay_for_threes, rollouts);
    return rollouts.sequences;
  };
  for (std::uint32_t index = 0; index < 4; ++index) {
    CAPTURE(index);
    check_same(step(captured, index, true), step(eager, index, false));
    CHECK((captured.fetch(captured.learner.weights().arena()) == eager.fetch(eager.learner.weights().arena())));
  }
  CHECK(captured.context.graphs().launches() > captured.context.graphs().captures());
}

TEST_CASE("a step whose gradient is not finite changes nothing, captured or not") {
  model_config const config = test::tiny_config(1);
  device_policy trained(config, true);
  for (int i = 0; i < 4; ++i) {
    auto const before = trained.fetch(trained.learner.weights().arena());
    float const bad = std::numeric_limits<float>::infinity();
    trained.context.upload(trained.learner.gradient().data(), &bad, 1);
    CHECK(trained.learner.update({}, 1.0, 1.0).skipped);
    CHECK(trained.fetch(trained.learner.weights().arena()) == before);
    CHECK(trained.fetch(trained.learner.gradient()) == std::vector<float>(before.size()));
    CHECK(trained.fetch(trained.learner.first_moment()) == std::vector<float>(before.size()));
  }
  CHECK(trained.learner.updates() == 0);
}

TEST_CASE("what cannot be captured is reported, and the stream works afterwards") {
  cuda::context context;
  auto const key = [] {
    replay_key words;
    words.add(7);
    return words;
  };
  rlvr::buffer<float, cuda::device_memory> kept(4);
  context.replayable(key, [&] { context.zero(kept.data(), 4); });
  CHECK_THROWS_AS(context.replayable(key, [&] { rlvr::buffer<float, cuda::device_memory> const more(8); }),
                  cuda::cuda_error);
  CHECK_THROWS_AS(context.replayable(key, [&] { context.synchronize(); }), cuda::cuda_error);
  int const on_host = 1;  // the copy would be made again at each launch, from memory that is others' by then
  CHECK_THROWS_AS(context.replayable(key, [&] { (void)context.visible(std::span(&on_host, 1)); }), cuda::cuda_error);
  context.replayable(key, [&] { context.zero(kept.data(), 4); });
  float value = 1.0f;
  context.download(&value, kept.data(), 1);
  CHECK(value == 0.0f);
  CHECK(context.graphs().captures() == 1);
}
