// SPDX-License-Identifier: MIT
/// @file
/// What `r1_re train` does by name: sizes, steps and rates of each phase.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/core/model_config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace r1_re {

/// Steps and rates of supervised training.
struct supervised_settings {
  std::uint64_t steps = 0;
  std::size_t batch = 32;  ///< sentences a step
  double learning_rate = 1e-3;
};

/// Steps and rates of GRPO.
struct reinforcement_settings {
  std::uint64_t steps = 0;
  std::size_t prompts = 16;    ///< sentences a step
  std::size_t group_size = 8;  ///< responses a sentence
  double learning_rate = 2e-4;
  double kl_coefficient = 0.001;      ///< of k3 against the policy at the start of this phase
  std::size_t mini_batches = 1;       ///< updates a step
  std::uint64_t evaluate_every = 0;   ///< steps between small evaluations; 0: none
  std::size_t evaluate_prompts = 48;  ///< sentences of each set in those
};

/// A whole run.
struct run_settings {
  std::string preset;
  std::string prompt = "lexicon";      ///< see dialogue::prompt
  supervised_settings label_tuning{};  ///< the baseline: labels without reasoning; 0 steps: none
  supervised_settings warm_start{};    ///< reasoning traces before GRPO; 0 steps: none
  reinforcement_settings reinforcement{};
  std::size_t max_new_tokens = 64;
  std::size_t evaluation_samples = 4;    ///< k of Avg@k
  float evaluation_temperature = 0.6f;   ///< of those samples, as DeepSeek-R1 (2501.12948) evaluates; rollouts have 1
  std::size_t evaluation_prompts = 240;  ///< sentences of each set at most
  std::size_t held_out = 0;              ///< sentences of the data kept from training where no test set is given
  std::uint64_t checkpoint_every = 20;
  std::size_t vocabulary = 512;  ///< of a tokenizer trained here
  rlvr::model_config scratch{};  ///< a model trained from random weights; vocab_size 0: none
};

/// A small decoder's configuration.
[[nodiscard]] inline rlvr::model_config scratch_model(std::int64_t layers, std::int64_t hidden, std::int64_t heads,
                                                      std::int64_t intermediate, std::int64_t vocabulary) {
  rlvr::model_config config;
  config.vocab_size = vocabulary;
  config.hidden_size = hidden;
  config.intermediate_size = intermediate;
  config.num_hidden_layers = layers;
  config.num_attention_heads = heads;
  config.num_key_value_heads = heads;
  config.head_dim = hidden / heads;
  config.max_position_embeddings = 2048;
  config.tie_word_embeddings = true;
  return config;
}

/// @throws rlvr::argument_error for an unknown name
[[nodiscard]] inline run_settings preset(std::string_view name) {
  run_settings run;
  run.preset = std::string(name);
  if (name == "embedded") {
    // Starts from the committed checkpoint, which has learnt to read invented guidelines (preset "start").
    run.label_tuning = {.steps = 120, .batch = 48, .learning_rate = 1.5e-3};
    run.warm_start = {.steps = 8, .batch = 48, .learning_rate = 1e-3};  // just the habit: GRPO shall do the rest
    run.reinforcement = {.steps = 85, .prompts = 16, .group_size = 8, .learning_rate = 4e-4, .evaluate_every = 20};
    return run;
  }
  if (name == "semeval2010") {
    run.prompt = "compact";
    run.vocabulary = 2048;
    run.scratch = scratch_model(4, 128, 4, 384, 2048);
    run.warm_start = {.steps = 700, .batch = 64, .learning_rate = 1.5e-3};
    run.reinforcement = {.steps = 150, .prompts = 32, .group_size = 8, .learning_rate = 2e-4, .evaluate_every = 25};
    run.held_out = 500;
    return run;
  }
  throw rlvr::argument_error("preset: found '" + std::string(name) + "', expected embedded, semeval2010 or start");
}

}  // namespace r1_re
