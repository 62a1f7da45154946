// SPDX-License-Identifier: MIT
/// @file
/// From token ids to outcomes: decoding, the R1-RE reward, records for people, evaluation.
#pragma once

#include <rlvr/model/generate.hpp>
#include <rlvr/reward/process.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/train/evaluate.hpp>
#include <rlvr/train/learner.hpp>
#include <rlvr/train/metrics.hpp>

#include "model_folder.hpp"
#include "task.hpp"
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace r1_re {

/// A response as text: the end token is the decoder's, not the response's.
[[nodiscard]] inline std::string response_text(rlvr::text::tokenizer const& tokenizer,
                                               rlvr::model::generated_sequence const& sequence) {
  std::span<std::int32_t const> tokens = sequence.tokens;
  if (sequence.finish == rlvr::model::finish_reason::stop && !tokens.empty()) tokens = tokens.first(tokens.size() - 1);
  return tokenizer.decode(tokens);
}

/// Responses to some sentences of a task, and their outcomes.
struct scored_responses {
  std::vector<std::string> texts;
  std::vector<rlvr::reward::outcome> outcomes;
  std::vector<double> seconds;  ///< that each took
};

/// Scores sequences whose prompt i is sentence `indices[i]`.
[[nodiscard]] inline scored_responses score_responses(encoded_task const& task, std::span<std::size_t const> indices,
                                                      std::span<rlvr::model::generated_sequence const> sequences,
                                                      rlvr::text::tokenizer const& tokenizer,
                                                      rlvr::reward::r1_re const& reward, unsigned threads) {
  scored_responses result;
  for (auto const& sequence : sequences) result.texts.push_back(response_text(tokenizer, sequence));
  std::vector<rlvr::reward::relation_sample> samples;
  for (std::size_t i = 0; i < sequences.size(); ++i)
    samples.push_back({.completion = result.texts[i],
                       .gold = task.gold[indices[sequences[i].prompt]],
                       .guide = task.guide.get(),
                       .truncated = sequences[i].finish == rlvr::model::finish_reason::length,
                       .group = sequences[i].prompt});
  rlvr::reward::score_report report =
      rlvr::reward::score_timed(std::span<rlvr::reward::relation_sample const>(samples), reward, {.threads = threads});
  result.outcomes = std::move(report.outcomes);
  result.seconds = std::move(report.seconds);
  return result;
}

/// The label that a response gives; nothing if it gives none.
[[nodiscard]] inline std::optional<std::string> answer_of(rlvr::text::guideline const& guide, std::string_view response,
                                                          rlvr::text::response_policy const& policy) {
  auto const parsed = rlvr::text::parse_think_answer(response, policy);
  if (!parsed.ok()) return std::nullopt;
  auto const label = rlvr::text::parse_label(guide, parsed.answer);
  if (!label) return std::nullopt;
  return rlvr::text::label_text(guide, *label);
}

/// A record of one response for completions.jsonl and the report.
[[nodiscard]] inline rlvr::train::completion_record describe_response(encoded_task const& task, std::size_t index,
                                                                      rlvr::model::generated_sequence const& sequence,
                                                                      std::string const& text,
                                                                      rlvr::reward::outcome const& outcome,
                                                                      rlvr::text::response_policy const& policy) {
  rlvr::train::completion_record record;
  record.prompt_id = task.examples[index].id;
  record.prompt = task.prompt_texts[index];
  record.completion = text;
  record.token_hash = rlvr::train::hash_tokens(sequence.tokens.data(), sequence.tokens.size());
  record.gold = task.examples[index].label;
  record.answer = answer_of(*task.guide, text, policy);
  record.reward = outcome.has_value() ? outcome.value : std::numeric_limits<double>::quiet_NaN();
  for (auto const& part : outcome.parts) record.reward_parts.emplace_back(part.name, part.value);
  record.reward_class = std::string(rlvr::reward::class_name(outcome.kind));
  record.truncated = sequence.finish == rlvr::model::finish_reason::length;
  return record;
}

/// Settings of the sampler for a model of this program.
[[nodiscard]] inline rlvr::model::generation_options sampling_of(model_parts const& parts, std::size_t max_new_tokens) {
  rlvr::model::generation_options options;
  options.sampling.vocabulary_limit = parts.tokenizer->vocab_size();
  options.max_new_tokens = max_new_tokens;
  options.stop_ids = parts.stop_ids;
  return options;
}

/// How an evaluation samples.
struct evaluation_options {
  std::size_t samples = 4;                                          ///< k; 1: greedy
  float temperature = 0.6f;                                         ///< of several samples
  std::size_t sentences = std::numeric_limits<std::size_t>::max();  ///< the first ones of the task, at most so many
  std::size_t max_new_tokens = 64;
  std::size_t max_active = 128;
  std::uint64_t seed = 0;
  unsigned threads = 0;  ///< that score; 0: all cores
};

/// Figures and the first sample of every sentence.
struct evaluation_result {
  rlvr::train::evaluation_figures figures;
  std::vector<rlvr::train::completion_record> records;  ///< of each sentence's first sample
};

/// Samples and scores the sentences of a task.
/// @param parts  tokenizer and stop ids of the model; its weights are `weights`
template <class Context>
[[nodiscard]] evaluation_result evaluate(Context& context, rlvr::model::transformer<Context>& runner,
                                         rlvr::model::parameters<typename Context::memory> const& weights,
                                         encoded_task const& task, dialogue const& talk, model_parts const& parts,
                                         evaluation_options const& options) {
  std::vector<std::size_t> indices(std::min(task.size(), options.sentences));
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  rlvr::model::generation_options sampling = sampling_of(parts, options.max_new_tokens);
  sampling.sampling.temperature = options.samples == 1 ? 0.0f : options.temperature;
  sampling.max_active = options.max_active;
  sampling.seed = options.seed;
  sampling.step = std::numeric_limits<std::uint32_t>::max();  // a stream of its own, apart from all rollouts
  auto const prompts = generation_prompts(task, indices, options.samples);
  auto const sequences = rlvr::model::generate(context, runner, weights, std::span<std::int32_t const>(task.prefix),
                                               std::span<rlvr::model::generation_prompt const>(prompts), sampling);
  rlvr::reward::r1_re reward;
  reward.policy = response_policy_of(talk);
  scored_responses const scored = score_responses(task, indices, sequences, *parts.tokenizer, reward, options.threads);
  evaluation_result result;
  result.figures = rlvr::train::evaluate_outcomes(scored.outcomes, options.samples);
  for (std::size_t const i : indices) {
    std::size_t const first = i * options.samples;
    result.records.push_back(
        describe_response(task, i, sequences[first], scored.texts[first], scored.outcomes[first], reward.policy));
  }
  return result;
}

/// The same with a model in training.
template <class Context>
[[nodiscard]] evaluation_result evaluate(rlvr::train::learner<Context>& model, encoded_task const& task,
                                         dialogue const& talk, model_parts const& parts,
                                         evaluation_options const& options) {
  return evaluate(model.context(), model.runner(), model.weights(), task, talk, parts, options);
}

}  // namespace r1_re
