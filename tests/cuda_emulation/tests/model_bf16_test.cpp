// SPDX-License-Identifier: MIT
// A model that runs with bfloat16 weights, on both backends, against the same model in float.
//
// Rounding to bfloat16 has a relative error of at most u = 2^-8, uniform below it: u / sqrt(3) in the mean square.  The
// CPU rounds weights alone; on the GPU both operands of every product are rounded.
#include <rlvr/cpu.hpp>
#include <rlvr/cuda.cuh>
#include <rlvr/rl/presets.hpp>
#include <rlvr/train/grpo.hpp>
#include <rlvr/train/sft.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <support/catch.hpp>
#include <unit/train/tiny_config.hpp>
#include <vector>

using namespace rlvr;

namespace {

constexpr std::size_t samples_per_prompt = 4;
constexpr std::int32_t end = 0;

/// A learner whose weights are a function of the seed.
template <class Context>
struct mixed_policy {
  Context context;
  train::learner<Context> learner;

  explicit mixed_policy(model_config const& config, dtype running_type, bool round_weights = false)
      : learner(context, config, model::activation_policy::keep_all, running_type) {
    auto const& layout = learner.weights().layout();
    std::vector<float> weights(layout.size());
    model::initialise(layout, weights.data(), 5, 0.2);
    for (model::parameter_info const& info : layout.tensors()) {
      bool const is_bias = info.name.ends_with(".bias");
      for (std::size_t i = info.offset; i < info.offset + info.size(); ++i) {
        if (is_bias) weights[i] = 0.1f * static_cast<float>(static_cast<int>(i % 7) - 3);
        if (round_weights && info.shape.size() == 2) weights[i] = static_cast<float>(bf16(weights[i]));
      }
    }
    context.upload(learner.weights().arena().data(), weights.data(), weights.size());
  }

  template <class T>
  [[nodiscard]] std::vector<T> fetch(T const* values, std::size_t count) {
    std::vector<T> result(count);
    context.download(result.data(), values, count);
    return result;
  }
  [[nodiscard]] std::vector<float> gradient() { return fetch(learner.gradient().data(), learner.gradient().size()); }
  [[nodiscard]] std::vector<float> master() {
    return fetch(learner.weights().arena().data(), learner.weights().arena().size());
  }
  /// Whether the model runs with the master copy's matrices, rounded.
  [[nodiscard]] bool runs_rounded_master() {
    model::weight_views const running = learner.running_weights().views();
    auto const layout = learner.weights().layout();
    std::vector<float> weights = master();
    auto const expected = layout.views(weights.data());
    auto const same = [&](weight_view found, matrix_view<float> wanted) {
      REQUIRE(found.type == dtype::bf16);
      std::vector<bf16> const bits = fetch(found.as<bf16>().data, found.rows * found.columns);
      for (std::size_t i = 0; i < bits.size(); ++i)
        if (bits[i].bits != bf16(wanted.data[i]).bits) return false;
      return true;
    };
    bool all = same(running.embedding, expected.embedding) && same(running.head, expected.head);
    for (std::size_t i = 0; i < running.layers.size(); ++i)
      all = all && same(running.layers[i].query, expected.layers[i].query) &&
            same(running.layers[i].output, expected.layers[i].output) &&
            same(running.layers[i].down, expected.layers[i].down);
    return all;
  }
};

std::vector<train::sft_group> examples() {
  train::sft_group group{.prefix = {1, 5, 7}, .examples = {}};
  for (std::int32_t p = 4; p < 10; ++p)
    group.examples.push_back({.prompt = {p, 2}, .response = {p, static_cast<std::int32_t>(p + 1), 3, end}});
  return {group};
}

/// |a - b| / |a|, of the vectors.
double relative_distance(std::vector<float> const& a, std::vector<float> const& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(difference / size);
}

double root_mean_square(std::vector<float> const& a, std::vector<float> const& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

struct pass_results {
  std::vector<float> log_prob, gradient;
};

template <class Context>
pass_results run_pass(mixed_policy<Context>& of) {
  auto const groups = examples();
  auto const losses = of.learner.accumulate(train::pack(groups), cross_entropy{}, {.chunk_rows = 7});
  return {losses.log_prob, of.gradient()};
}

std::vector<model::generation_prompt> mixed_prompts() {
  std::vector<model::generation_prompt> result;
  for (std::uint32_t p = 0; p < 3; ++p)
    result.push_back({.tokens = {static_cast<std::int32_t>(4 + p), 2}, .id = p, .samples = samples_per_prompt});
  return result;
}

template <class Context>
void check_rollouts(model_config const& config) {
  mixed_policy<Context> own(config, dtype::bf16);
  std::vector<std::int32_t> const prefix{1, 5, 7};
  auto const asked = mixed_prompts();
  train::rollout_batch rollouts;
  auto settings = presets::r1_re;
  settings.group_size = samples_per_prompt;
  model::generation_options options;
  options.max_new_tokens = 5;
  options.stop_ids = {end};
  auto const score = [](std::span<model::generated_sequence const> sequences) {
    std::vector<reward::outcome> outcomes;
    for (auto const& sequence : sequences)
      outcomes.push_back(
          reward::outcome::of(static_cast<double>(std::count(sequence.tokens.begin(), sequence.tokens.end(), 3))));
    return outcomes;
  };
  auto const before = own.master();
  auto const record = train::grpo_step(own.learner, nullptr, std::span<std::int32_t const>(prefix),
                                       std::span<model::generation_prompt const>(asked), settings, {.chunk_rows = 7},
                                       {.rule = {.learning_rate = 0.02}}, options, score, rollouts);
  REQUIRE(record.find(train::metric::grad_norm));
  CHECK(*record.find(train::metric::grad_norm) > 0);
  // Every ratio of the first pass is 1 exactly: the sampler's log-probs are those of the training pass.
  CHECK(*record.find(train::metric::policy_kl) == 0.0);
  CHECK(*record.find(train::metric::ratio_low) == 1.0);
  CHECK(*record.find(train::metric::ratio_high) == 1.0);
  CHECK(own.master() != before);
  CHECK(own.runs_rounded_master());

  rollouts.sequences = train::rollout(own.learner, prefix, asked, options);
  rollouts.advantages.assign(rollouts.sequences.size(), 1.0);
  rollouts.outcomes.clear();
  auto const batches = train::pack(rollouts, prefix, asked, 0, asked.size(), samples_per_prompt, {});
  REQUIRE(batches.size() == 1);
  std::vector<float> log_prob;
  own.learner.log_probs(own.learner.running_weights(), batches[0], {}, log_prob);
  CHECK(log_prob == batches[0].old_log_prob);
}

}  // namespace

TEST_CASE("the CPU's bfloat16 weights are a way of storing them: the bits are those of rounded float weights") {
  for (model_config const& config : test::tiny_families()) {
    mixed_policy<cpu::context> stored(config, dtype::bf16), rounded(config, dtype::f32, true),
        other(config, dtype::f32);
    pass_results const a = run_pass(stored), b = run_pass(rounded);
    CHECK(a.log_prob == b.log_prob);
    CHECK(a.gradient == b.gradient);
    CHECK(run_pass(other).log_prob != a.log_prob);
  }
}

// An output of a product over k terms, both operands rounded, is off by about sqrt(2) u / sqrt(3) of the root of its
// terms' sum of squares, which for terms of random sign is its own size.  From an embedding to a logit stand 9
// products one after the other or beside each other (4 in each of two layers, the head), so a logit, of size about 1
// here, is off by about u sqrt(2 / 3) sqrt(9) = 0.01, and so are log-probs and, relatively, gradients, which pass the
// same products backwards.  Allowed is twice that; a tenth of it must be there, or nothing was rounded.
TEST_CASE("log-probs and gradients with bfloat16 weights are the float model's within their rounding") {
  for (model_config const& config : test::tiny_families()) {
    CAPTURE(config.qk_norm);
    mixed_policy<cpu::context> exact(config, dtype::f32), host(config, dtype::bf16);
    mixed_policy<cuda::context> device(config, dtype::bf16), device_exact(config, dtype::f32);
    pass_results const expected = run_pass(exact);
    auto const check = [&](pass_results const& found, double least, double most) {
      double const log_probs = root_mean_square(expected.log_prob, found.log_prob);
      double const gradients = relative_distance(expected.gradient, found.gradient);
      INFO("log-probs " << log_probs << ", gradients " << gradients);
      CHECK(log_probs > least);
      CHECK(log_probs < most);
      CHECK(gradients > least);
      CHECK(gradients < most);
    };
    double const rounding = 0x1p-8 * std::sqrt(2.0 / 3.0 * 9.0);
    check(run_pass(host), 0.1 * rounding, 2 * rounding);
    pass_results const found = run_pass(device);
    check(found, 0.1 * rounding, 2 * rounding);
    check(run_pass(device_exact), 0.0, 1e-5);
    mixed_policy<cuda::context> other(config, dtype::bf16);  // TF32 is for floats
    other.context.products().set({.compute_type = CUBLAS_COMPUTE_32F_FAST_TF32});
    CHECK(run_pass(other).log_prob == found.log_prob);
  }
}

TEST_CASE("bfloat16 weights: the sampler's log-probs are those of the training pass, bit for bit, after steps too") {
  for (model_config const& config : test::tiny_families()) {
    check_rollouts<cpu::context>(config);
    check_rollouts<cuda::context>(config);
  }
}

TEST_CASE("supervised steps with bfloat16 weights: the master copy learns, and what runs is its rounding") {
  mixed_policy<cuda::context> device(test::tiny_families()[1], dtype::bf16);
  auto const groups = examples();
  double first = 0, last = 0;
  for (int step = 0; step < 8; ++step) {
    auto const record =
        train::sft_step(device.learner, std::span<train::sft_group const>(groups), {.rule = {.learning_rate = 0.02}});
    last = *record.find(train::metric::loss);
    if (step == 0) first = last;
    CHECK(device.runs_rounded_master());
  }
  CHECK(last < 0.8 * first);
  // Steps far below bfloat16's resolution are not lost.
  auto const before = device.master();
  for (int step = 0; step < 3; ++step)
    (void)train::sft_step(device.learner, std::span<train::sft_group const>(groups), {.rule = {.learning_rate = 1e-5}});
  auto const after = device.master();
  std::size_t moved = 0, moved_in_bf16 = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    moved += before[i] != after[i] ? 1 : 0;
    moved_in_bf16 += bf16(before[i]).bits != bf16(after[i]).bits ? 1 : 0;
  }
  CHECK(moved > before.size() / 2);
  CHECK(moved_in_bf16 < before.size() / 10);
}

TEST_CASE("a learner runs with float or bfloat16 weights, nothing else") {
  cpu::context context(1);
  using learner = train::learner<cpu::context>;
  CHECK_THROWS_AS(learner(context, test::tiny_config(1), model::activation_policy::keep_all, dtype::f16),
                  argument_error);
}
