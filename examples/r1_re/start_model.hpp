// SPDX-License-Identifier: MIT
/// @file
/// Models that a run starts from: a tokenizer and random weights made here, and the reading practice that turns them
/// into the committed start checkpoint.
#pragma once

#include <rlvr/model/parameters.hpp>
#include <rlvr/text/bpe_trainer.hpp>

#include "embedded/practice.hpp"
#include "model_folder.hpp"
#include "presets.hpp"
#include "task.hpp"
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace r1_re {

/// The text that ends a response: a special token of the tokenizers that this program trains.
inline constexpr std::string_view end_text = "<|end|>";

/// A byte-level BPE of our own.  The tags of the prompt and of responses are tokens of their own that any text may
/// contain (sentences are escaped by the prompt template); the end is special and cannot come from text.
[[nodiscard]] inline rlvr::text::tokenizer train_tokenizer(std::vector<std::string> const& texts,
                                                           std::int32_t vocabulary) {
  rlvr::text::bpe_trainer_options options;
  options.vocab_size = vocabulary;
  options.special_tokens = {
      std::string(end_text), "<think>", "</think>", "<answer>", "</answer>", "<e1>", "</e1>", "<e2>", "</e2>"};
  rlvr::text::tokenizer_definition definition = rlvr::text::train_bpe(texts, options).definition();
  for (rlvr::text::added_token& token : definition.added) token.special = token.content == end_text;
  return rlvr::text::tokenizer(std::move(definition));
}

/// Random weights for a configuration and a tokenizer.
[[nodiscard]] inline model_parts random_model(rlvr::model_config config, rlvr::text::tokenizer tokenizer,
                                              std::uint64_t seed, double deviation) {
  model_parts parts;
  parts.tokenizer = std::make_shared<rlvr::text::tokenizer const>(std::move(tokenizer));
  config.vocab_size = parts.tokenizer->vocab_size();
  config.eos_token_ids = {*parts.tokenizer->token_to_id(end_text)};
  parts.config = config;
  parts.stop_ids = config.eos_token_ids;
  rlvr::model::parameter_layout const layout(config);
  parts.weights.resize(layout.size());
  rlvr::model::initialise(layout, parts.weights.data(), seed, deviation);
  return parts;
}

/// Texts of a task as a model sees and writes them, for training a tokenizer.
[[nodiscard]] inline std::vector<std::string> tokenizer_texts(task const& source, dialogue const& talk) {
  rlvr::text::prompt_template const prompt = prompt_of(talk);
  std::vector<std::string> texts{prompt.shared_part(source.guide)};
  for (rlvr::data::relation_example const& example : source.examples) {
    texts.push_back(sentence_prompt(prompt, example.sentence));
    texts.push_back(supervised_response(source.guide, example, talk));
  }
  return texts;
}

/// One invented guideline with its sentences, as a task.
[[nodiscard]] inline task practice_as_task(embedded::practice_task const& practice) {
  task result{"practice", {}, {}};
  for (embedded::relation_spec const& spec : practice.relations)
    result.guide.relations.push_back({.name = spec.name,
                                      .definition = spec.definition,
                                      .first_role = spec.first_role,
                                      .second_role = spec.second_role,
                                      .directed = true,
                                      .cues = spec.cues,
                                      .examples = {}});
  for (std::size_t i = 0; i < practice.samples.size(); ++i)
    result.examples.push_back(
        {std::to_string(i), practice.samples[i].sentence, practice.samples[i].label, "cue " + practice.samples[i].cue});
  return result;
}

}  // namespace r1_re
