// SPDX-License-Identifier: MIT
/// @file
/// A relation-classification task as the pipeline sees it: a guideline, labelled sentences, and their token ids.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/data/semeval.hpp>
#include <rlvr/model/generate.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/prompt.hpp>
#include <rlvr/text/tokenizer.hpp>
#include <rlvr/train/sft.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace r1_re {

/// How a model is talked to; stored beside its weights as r1_re.json, so that a folder can be used without options.
struct dialogue {
  std::string prompt = "full";  ///< "full", "compact" (definitions on one line each) or "lexicon" (cue lines)
  bool reasoned = true;         ///< answers follow <think>..</think>; false: the answer alone (label fine-tuning)

  friend bool operator==(dialogue const&, dialogue const&) = default;
};

/// The prompt template of a dialogue.  @throws rlvr::argument_error for an unknown name
[[nodiscard]] inline rlvr::text::prompt_template prompt_of(dialogue const& talk) {
  if (talk.prompt == "full") return {};
  rlvr::text::prompt_template result = rlvr::text::compact_prompt();
  result.wording.before_sentence = "> ";
  if (talk.prompt == "compact") return result;
  if (talk.prompt != "lexicon")
    throw rlvr::argument_error("prompt: found '" + talk.prompt + "', expected full, compact or lexicon");
  result.rendering.relations = false;
  result.rendering.direction_rule = false;
  result.rendering.cue_lines = true;
  return result;
}

/// The grammar that responses of a dialogue must follow.
[[nodiscard]] inline rlvr::text::response_policy response_policy_of(dialogue const& talk) {
  return talk.reasoned ? rlvr::text::strict_response : rlvr::text::answer_only_response;
}

/// A guideline and labelled sentences.
struct task {
  std::string name;
  rlvr::text::guideline guide;
  std::vector<rlvr::data::relation_example> examples;
};

/// Reads a corpus in SemEval's text form under a guideline.  @throws format_error for a label outside the guideline
[[nodiscard]] inline task read_task(std::string name, rlvr::text::guideline guide, std::string const& path) {
  std::vector<std::string> const labels = rlvr::text::label_texts(guide);
  std::vector<rlvr::data::relation_example> examples = rlvr::data::read_semeval(path, labels);
  return {std::move(name), std::move(guide), std::move(examples)};
}

/// The examples with these indices.
[[nodiscard]] inline task subset(task const& whole, std::span<std::size_t const> indices) {
  task result{whole.name, whole.guide, {}};
  for (std::size_t const i : indices) result.examples.push_back(whole.examples[i]);
  return result;
}

/// A task in token ids.  Sentence i has prompt ids `prompts[i]` after the shared `prefix`.
struct encoded_task {
  std::string name;
  std::shared_ptr<rlvr::text::guideline const> guide;  ///< stays where it is: outcomes' samples point to it
  std::vector<rlvr::data::relation_example> examples;
  std::vector<std::int32_t> prefix;
  std::vector<std::vector<std::int32_t>> prompts;
  std::vector<std::string> prompt_texts;  ///< of the sentence part, for records
  std::vector<rlvr::text::relation_label> gold;

  [[nodiscard]] std::size_t size() const noexcept { return examples.size(); }
};

/// A sentence's part of the prompt.
[[nodiscard]] inline std::string sentence_prompt(rlvr::text::prompt_template const& prompt, std::string_view sentence) {
  return prompt.sentence_part(rlvr::text::parse_marked_sentence(sentence));
}

[[nodiscard]] inline encoded_task encode(task const& source, dialogue const& talk,
                                         rlvr::text::tokenizer const& tokenizer) {
  rlvr::text::prompt_template const prompt = prompt_of(talk);
  encoded_task result;
  result.name = source.name;
  result.guide = std::make_shared<rlvr::text::guideline const>(source.guide);
  result.examples = source.examples;
  result.prefix = tokenizer.encode(prompt.shared_part(source.guide));
  for (rlvr::data::relation_example const& example : source.examples) {
    result.prompt_texts.push_back(sentence_prompt(prompt, example.sentence));
    result.prompts.push_back(tokenizer.encode(result.prompt_texts.back()));
    auto const label = rlvr::text::parse_label(source.guide, example.label);
    if (!label)
      throw rlvr::format_error("Label", source.name, "sentence " + example.id, "label '" + example.label + "'",
                               "a label of guideline '" + source.guide.title + "'");
    result.gold.push_back(*label);
  }
  return result;
}

/// Prompts of some sentences for the sampler; a sentence's index is its random key.
[[nodiscard]] inline std::vector<rlvr::model::generation_prompt> generation_prompts(
    encoded_task const& task, std::span<std::size_t const> indices, std::size_t samples) {
  std::vector<rlvr::model::generation_prompt> result;
  for (std::size_t const i : indices)
    result.push_back({.tokens = task.prompts[i],
                      .id = static_cast<std::uint32_t>(i),
                      .samples = static_cast<std::uint32_t>(samples)});
  return result;
}

/// The response that supervised training asks for: a reasoning trace and the label, or the label alone.
///
/// The trace names what the guideline is consulted for.  Where the corpus says which wording decides (the embedded
/// task: "Comment: cue X") it goes cue -> relation -> who acts; else it names the entities, the relation, their roles.
[[nodiscard]] inline std::string supervised_response(rlvr::text::guideline const& guide,
                                                     rlvr::data::relation_example const& example,
                                                     dialogue const& talk) {
  std::string const answer = "<answer> " + example.label + "</answer>";
  if (!talk.reasoned) return answer;
  auto const label = rlvr::text::parse_label(guide, example.label);
  if (!label) throw rlvr::argument_error("sentence " + example.id + ": '" + example.label + "' is no label");
  rlvr::text::relation_definition const& relation = guide.relations[label->relation];
  bool const reversed = label->direction == rlvr::text::direction::e2_e1;
  constexpr std::string_view cue_mark = "cue ";
  std::string trace;
  if (std::string_view(example.comment).starts_with(cue_mark)) {
    trace = " " + example.comment.substr(cue_mark.size()) + " " + relation.name + ". " + (reversed ? "e2" : "e1") +
            " acted.";
  } else {
    auto const entities = rlvr::data::find_entities(example.sentence);
    if (entities) trace = " " + std::string(entities->e1) + ", " + std::string(entities->e2) + ":";
    trace += " " + relation.name + ".";
    if (relation.directed) trace += std::string(reversed ? " e2" : " e1") + " is the " + relation.first_role + ".";
  }
  return "<think>" + trace + "</think>" + answer;
}

/// Supervised examples of some sentences under the task's guideline; a response ends with `end_id`.
[[nodiscard]] inline rlvr::train::sft_group supervised_group(encoded_task const& task,
                                                             std::span<std::size_t const> indices, dialogue const& talk,
                                                             rlvr::text::tokenizer const& tokenizer,
                                                             std::int32_t end_id) {
  rlvr::train::sft_group group{.prefix = task.prefix, .examples = {}};
  for (std::size_t const i : indices) {
    group.examples.push_back(
        {task.prompts[i], tokenizer.encode(supervised_response(*task.guide, task.examples[i], talk))});
    group.examples.back().response.push_back(end_id);
  }
  return group;
}

}  // namespace r1_re
