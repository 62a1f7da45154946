// SPDX-License-Identifier: MIT
/// @file
/// Scores predictions of an extraction task.  A row of the predictions is a JSON object with `id` and either a
/// completion (completion_json.hpp), which must have the form of a response, or `answer`, the lines inside its answer
/// block alone.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/reward/document_pairs.hpp>
#include <rlvr/reward/extraction_figures.hpp>
#include <rlvr/reward/fact_matcher.hpp>
#include <rlvr/reward/triples.hpp>
#include <rlvr/text/tags.hpp>

#include "command_line.hpp"
#include "completion_json.hpp"
#include "extraction_tasks.hpp"
#include <algorithm>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace r1_re {

/// How predictions are compared with the gold.
struct extraction_settings {
  rlvr::reward::fact_matching matching{};
  std::size_t limit = 0;  ///< at most so many records; 0: all
};

/// One response for each example, none where a row lacks.  @throws rlvr::io_error, rlvr::format_error
[[nodiscard]] inline std::vector<std::optional<std::string>> read_predictions(std::string const& path,
                                                                              extraction_task const& task) {
  std::unordered_map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < task.examples.size(); ++i) index.emplace(task.examples[i].id, i);
  std::vector<std::optional<std::string>> responses(task.examples.size());
  for_each_object(path, [&](rlvr::format::json_object const& row) {
    nlohmann::json const& id = row.at("id");
    if (!id.is_string() && !id.is_number_integer())
      row.fail("Type", row.name("id"), rlvr::format::json_object::describe(id), "a text or an integer");
    auto const found = index.find(id.is_string() ? id.get<std::string>() : id.dump());
    if (found == index.end())
      row.fail("UnknownId", row.name("id"), rlvr::format::json_object::describe(id), "the id of a record of the data");
    std::optional<std::string>& response = responses[found->second];
    if (response)
      row.fail("DuplicateId", row.name("id"), rlvr::format::json_object::describe(id) + " a second time",
               "one row for a record");
    auto const answer = row.find_string("answer");
    bool const completed = row.has("completion") || row.has("completion_b64") || row.has("completion_parts");
    if (answer && completed) row.fail("Conflict", row.name("answer"), "an answer and a completion", "one of them");
    response = answer ? "<think>.</think><answer>" + *answer + "</answer>" : completion_of(row);
  });
  return responses;
}

namespace detail {

[[nodiscard]] inline nlohmann::ordered_json count_json(rlvr::reward::match_score const& score) {
  return {{"precision", score.precision()}, {"recall", score.recall()},           {"f1", score.f1()},
          {"matched", score.count.matched}, {"predicted", score.count.predicted}, {"gold", score.count.gold}};
}

[[nodiscard]] inline nlohmann::ordered_json averages_json(rlvr::reward::averaged_matches const& matches) {
  auto const macro = matches.macro();
  return {{"micro", count_json(matches.micro())},
          {"macro", {{"precision", macro.precision}, {"recall", macro.recall}, {"f1", macro.f1}}},
          {"perfect_records", matches.perfect()}};
}

}  // namespace detail

/// The figures of some predictions.  A record without prediction is one with an empty response.
[[nodiscard]] inline nlohmann::ordered_json evaluate_extraction(
    extraction_task const& task, std::vector<std::optional<std::string>> const& responses,
    extraction_settings const& settings) {
  namespace reward = rlvr::reward;
  reward::answer_form const form = task.pairs                ? reward::answer_form::pairs
                                   : settings.matching.types ? reward::answer_form::typed_triples
                                                             : reward::answer_form::triples;
  reward::triples_reward triples;
  triples.form = form;
  triples.matching = settings.matching;
  reward::document_pairs_reward pairs;
  pairs.matching = settings.matching;

  reward::extraction_figures figures;
  std::size_t predicted = 0, well_formed = 0, unknown_names = 0, unknown_relations = 0;
  double total = 0;
  std::map<std::string, std::size_t> classes;
  std::map<std::string, std::size_t> undeclared;
  std::map<std::string, reward::set_score> per_relation;
  std::size_t const count = settings.limit == 0 ? task.examples.size() : std::min(settings.limit, task.examples.size());
  for (std::size_t i = 0; i < count; ++i) {
    rlvr::text::extraction_example const& gold = task.examples[i];
    rlvr::text::guideline const* const guide = task.guides[i].get();
    std::string const response = responses[i].value_or("");
    predicted += responses[i] ? 1 : 0;
    reward::extraction_sample const sample{.completion = response, .gold = &gold, .guide = guide, .prefill = {}};
    reward::outcome const result = task.pairs ? pairs(sample) : triples(sample);
    total += result.value;
    well_formed += result.well_formed() ? 1 : 0;
    ++classes[std::string(reward::class_name(result.kind))];

    // The counts are those of every list of facts that can be read, whatever its relations.
    auto const parsed = rlvr::text::parse_think_answer(response);
    std::optional<std::vector<reward::proposed_fact>> facts;
    if (parsed.ok())
      facts = reward::parse_facts(parsed.answer, form, task.pairs ? reward::only_relation(gold, guide) : "");
    std::vector<reward::set_score> by_relation;
    reward::fact_matcher const matcher(gold, settings.matching, guide, task.pairs);
    reward::fact_scores const scores =
        matcher.score(facts ? *facts : std::vector<reward::proposed_fact>{}, &by_relation);
    figures.add(scores);
    unknown_names += scores.unknown_names;
    unknown_relations += scores.unknown_relations;
    for (std::size_t j = 0; j < by_relation.size(); ++j) {
      if (by_relation[j].gold + by_relation[j].predicted == 0) continue;
      reward::set_score& sum = per_relation[matcher.relations()[j]];
      sum.matched += by_relation[j].matched;
      sum.predicted += by_relation[j].predicted;
      sum.gold += by_relation[j].gold;
    }
    if (guide != nullptr) {
      for (auto const& fact : gold.facts)
        if (!rlvr::text::find_relation(*guide, fact.relation)) ++undeclared[fact.relation];
    }
  }

  auto const records = static_cast<double>(std::max<std::size_t>(count, 1));
  nlohmann::ordered_json out;
  out["task"] = task.name;
  out["records"] = count;
  out["predicted_records"] = predicted;
  out["format_rate"] = static_cast<double>(well_formed) / records;
  out["mean_reward"] = total / records;
  out["reward_classes"] = classes;
  out["entities"] = detail::averages_json(figures.entities);
  out[task.pairs ? "pairs" : "triples"] = detail::averages_json(figures.facts);
  out["unknown_names"] = unknown_names;
  out["unknown_relations"] = unknown_relations;
  out["undeclared_gold_relations"] = nlohmann::ordered_json(undeclared);
  out["per_relation"] = nlohmann::ordered_json::object();
  for (auto const& [name, sum] : per_relation) out["per_relation"][name] = detail::count_json({.count = sum});
  return out;
}

}  // namespace r1_re
