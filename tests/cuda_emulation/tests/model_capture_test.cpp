// SPDX-License-Identifier: MIT
// Steps that are captured and replayed have the bits of eager ones, are
// captured once per shape, and are never stale.
#include <rlvr/cuda.cuh>
#include <rlvr/rl/presets.hpp>
#include <rlvr/train/grpo.hpp>

#include <cmath>
#include <limits>
#include <support/catch.hpp>
#include <unit/train/tiny_config.hpp>
#include <vector>

using namespace rlvr;

namespace {

/// A learner with or without graphs; weights are a function of the
/// configuration.
struct policy {
  cuda::context context;
  train::learner<cuda::context> learner;

  policy(model_config const& config, bool graphs) : learner(context, config) {
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

  [[nodiscard]] std::vector<model::generated_sequence> generate(std::uint32_t prompts, std::size_t tokens) {
    std::vector<model::generation_prompt> asked;
    for (std::uint32_t p = 0; p < prompts; ++p)
      asked.push_back({.tokens = {static_cast<std::int32_t>(4 + p), 2}, .id = p, .samples = 2});
    std::vector<std::int32_t> const prefix{1, 5, 7};
    model::generation_options options;
    options.max_new_tokens = tokens;
    options.seed = 3;
    return model::generate(context, learner.runner(), learner.running_weights(), std::span<std::int32_t const>(prefix),
                           std::span<model::generation_prompt const>(asked), options);
  }
};

/// Responses of three tokens to one prompt.
train::token_batch batch_of(std::int32_t responses, std::int32_t first) {
  train::token_batch batch;
  std::vector<std::int32_t> const prompt{1, 5, 7, 2};
  std::int64_t const root = batch.tree.add_segment(prompt, -1);
  for (std::int32_t i = 0; i < responses; ++i) {
    std::vector<std::int32_t> const tokens{first % 7 + 1, (first + i) % 7 + 1, 3};
    batch.add_response(tokens, root);
  }
  batch.advantage.resize(batch.scored());
  for (std::size_t i = 0; i < batch.scored(); ++i) batch.advantage[i] = i % 3 == 0 ? 1.0f : -0.5f;
  batch.old_log_prob.assign(batch.scored(), -2.0f);
  batch.set_scales(token_mean{}, batch.statistics());
  return batch;
}

}  // namespace

TEST_CASE(
    "decoding that is captured draws what eager decoding draws, with one "
    "capture for the steps of a batch") {
  model_config const config = test::tiny_config(2);
  policy eager(config, false), captured(config, true);
  for (std::uint32_t const prompts : {2u, 5u, 1u}) {  // a larger batch makes buffers grow
    CAPTURE(prompts);
    auto const before = captured.context.graphs().launches();
    auto const captures = captured.context.graphs().captures();
    auto const expected = eager.generate(prompts, 9);
    auto const found = captured.generate(prompts, 9);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i].tokens == expected[i].tokens);
      CHECK(found[i].log_probs == expected[i].log_probs);
    }
    // Of nine steps the first has no tokens to run and the second is eager.
    CHECK(captured.context.graphs().launches() - before >= 6);
    CHECK(captured.context.graphs().captures() - captures == 1);
  }
  CHECK(eager.context.graphs().launches() == 0);
}

TEST_CASE(
    "training that is captured has the bits of eager training; a batch "
    "that grew is captured anew") {
  model_config const config = test::tiny_config(2);
  policy eager(config, false), captured(config, true);
  adamw_rule const rule{.learning_rate = 0.02};
  std::int32_t index = 0;
  for (std::int32_t const responses : {2, 2, 2, 2, 6, 6, 6, 2, 2, 2}) {
    CAPTURE(index);
    auto const batch = batch_of(responses, index++);
    auto const expected = eager.learner.accumulate(batch, ppo_clip{}, {.chunk_rows = 5});
    auto const found = captured.learner.accumulate(batch, ppo_clip{}, {.chunk_rows = 5});
    CHECK(found.log_prob == expected.log_prob);
    CHECK(found.total == expected.total);
    CHECK(captured.fetch(captured.learner.gradient()) == eager.fetch(eager.learner.gradient()));
    auto const a = eager.learner.update(rule, 1.0, 0.1);
    auto const b = captured.learner.update(rule, 1.0, 0.1);
    CHECK(a.grad_norm == b.grad_norm);
    CHECK(a.clip_coefficient < 1.0);
    CHECK(captured.fetch(captured.learner.weights().arena()) == eager.fetch(eager.learner.weights().arena()));
  }
  CHECK(captured.learner.updates() == 10);
  // The pass and the update, for two responses, for six, and for two again,
  // whose buffers have moved.
  CHECK(captured.context.graphs().captures() <= 6);
  CHECK(captured.context.graphs().launches() >= 10);
}

TEST_CASE("a step whose gradient is not finite changes nothing, captured or not") {
  model_config const config = test::tiny_config(1);
  policy trained(config, true);
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
  context.replayable(key, [&] { context.zero(kept.data(), 4); });
  float value = 1.0f;
  context.download(&value, kept.data(), 1);
  CHECK(value == 0.0f);
  CHECK(context.graphs().captures() == 1);
}
