// SPDX-License-Identifier: MIT
/// @file
/// `r1_re evaluate`: accuracy, format rate and official macro-F1 of a model on a corpus; or precision, recall and F1 of
/// given predictions of an extraction task.
#include <rlvr/data/semeval_scorer.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <fmt/format.h>

#include "commands.hpp"
#include "devices.hpp"
#include "extraction_evaluation.hpp"
#include "extraction_tasks.hpp"
#include "guideline_json.hpp"
#include "model_folder.hpp"
#include "scoring.hpp"
#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace r1_re {
namespace {

struct evaluate_options {
  std::string model, task_name = "semeval2010", data, guideline, predictions, device = "cpu";
  std::size_t limit = 0, samples = 1, threads = 0, max_new_tokens = 64;
  std::uint64_t seed = 1;
  float temperature = 0.6f;
  // Extraction tasks alone.
  std::string relation_names, matching;
  bool types = false, partial_credit = false;
  double threshold = 0.5;
};

[[nodiscard]] rlvr::reward::fact_matching matching_of(evaluate_options const& options, bool pairs) {
  rlvr::reward::fact_matching matching = pairs ? rlvr::reward::normalised_facts : rlvr::reward::exact_facts;
  if (options.matching == "exact") matching = rlvr::reward::exact_facts;
  if (options.matching == "normalised") matching = rlvr::reward::normalised_facts;
  if (options.matching == "overlap") matching = rlvr::reward::overlapping_facts;
  if (options.types && pairs) throw CLI::ValidationError("--types", "the answers of this task are pairs without types");
  if (options.partial_credit && options.matching != "overlap")
    throw CLI::ValidationError("--partial-credit", "expected --matching overlap with it");
  matching.types = options.types;
  matching.partial_credit = options.partial_credit;
  matching.threshold = options.threshold;
  return matching;
}

/// An extraction task: predictions come from a file, not from a model.
void run_extraction(evaluate_options const& options) {
  if (!options.model.empty())
    throw CLI::ValidationError("--model", "task '" + options.task_name + "' is scored from --predictions");
  extraction_task const task = read_extraction_task(
      options.task_name,
      {.data = options.data, .ontology = options.guideline, .relation_names = options.relation_names});
  extraction_settings const settings{.matching = matching_of(options, task.pairs), .limit = options.limit};
  if (options.predictions.empty())
    throw CLI::RequiredError("--predictions (JSON lines with id and answer or completion, to be scored against the " +
                             std::to_string(task.examples.size()) + " records and " +
                             std::to_string(task.fact_count()) + " facts of " + options.data + ")");
  print_json(evaluate_extraction(task, read_predictions(options.predictions, task), settings));
}

void run(evaluate_options const& options) {
  if (is_extraction_task(options.task_name)) return run_extraction(options);
  if (options.model.empty()) throw CLI::RequiredError("--model");
  model_parts const parts = read_model(options.model);
  rlvr::text::guideline guide;
  if (!options.guideline.empty())
    guide = read_guideline(options.guideline);
  else if (options.task_name == "semeval2010")
    guide = rlvr::text::semeval2010_guideline();
  else
    throw rlvr::argument_error("--guideline: expected a guideline file for task '" + options.task_name + "'");
  task source = read_task(options.task_name, std::move(guide), options.data);
  if (options.limit && options.limit < source.examples.size()) source.examples.resize(options.limit);
  encoded_task const encoded = encode(source, parts.talk, *parts.tokenizer);

  evaluation_result const result = with_device(options.device, options.threads, [&]<class Context>(Context& context) {
    auto const weights = weights_of(parts, context);
    rlvr::model::transformer<Context> runner(context);
    return evaluate(context, runner, weights, encoded, parts.talk, parts,
                    {.samples = options.samples,
                     .temperature = options.temperature,
                     .max_new_tokens = options.max_new_tokens,
                     .seed = options.seed,
                     .threads = static_cast<unsigned>(options.threads)});
  });

  // A response without a label is a skipped sentence: no line in the file, wrong for the official scorer.
  std::vector<rlvr::data::labelled_id> predictions;
  std::vector<rlvr::data::labelled_id> const key = rlvr::data::key_of(source.examples);
  nlohmann::ordered_json per_relation = nlohmann::ordered_json::object();
  std::map<std::string, std::pair<std::size_t, std::size_t>> counts;  // correct, all
  for (std::size_t i = 0; i < source.examples.size(); ++i) {
    std::string const& gold = source.examples[i].label;
    auto& [correct, all] = counts[gold];
    ++all;
    std::optional<std::string> const& answer = result.records[i].answer;
    if (!answer) continue;
    correct += *answer == gold ? 1 : 0;
    predictions.push_back({source.examples[i].id, *answer});
  }
  for (auto const& [label, count] : counts)
    per_relation[label] = {{"correct", count.first},
                           {"gold", count.second},
                           {"accuracy", static_cast<double>(count.first) / static_cast<double>(count.second)}};
  if (!options.predictions.empty())
    rlvr::format::atomic_write(options.predictions, rlvr::data::label_file_text(predictions));

  rlvr::train::evaluation_figures const& figures = result.figures;
  nlohmann::ordered_json out;
  out["task"] = options.task_name;
  out["sentences"] = figures.prompts;
  out["samples"] = figures.samples;
  out["avg_at_k"] = figures.avg_at_k;
  out["avg_at_k_half_interval"] = figures.half_interval;
  out["pass_at_k"] = figures.pass_at_k;
  out["format_rate"] = figures.format_rate;
  out["mean_reward"] = figures.mean_reward;
  out["answered"] = predictions.size();
  // The scorer's own figure, in per cent; nothing was predicted: 0 by definition, where the scorer divides by zero.
  out["macro_f1"] = predictions.empty() ? 0.0 : rlvr::data::score_semeval(predictions, key).official_macro_f1();
  out["per_relation"] = per_relation;
  fmt::print("{}\n", out.dump());
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto const options = std::make_shared<evaluate_options>();
  CLI::App* const command = app.add_subcommand(
      "evaluate",
      "Evaluate a model on a corpus: Avg@k, Pass@k, format rate, macro-F1 by the official definition\n"
      "(of each sentence's first sample).  Or score predictions of an extraction task: micro and macro precision,\n"
      "recall and F1 of entities and triples, mean reward.  Prints one JSON object.");
  command->add_option("--model", options->model, "Hugging Face folder; not for extraction tasks");
  command
      ->add_option("--task", options->task_name,
                   "Name of the task; semeval2010 brings its guideline; extraction: text2kgbench, bc5cdr, re_docred")
      ->capture_default_str();
  command
      ->add_option("--data", options->data,
                   "Sentences in SemEval-2010 Task 8's text form; extraction: the corpus as published")
      ->required();
  command->add_option("--guideline", options->guideline, "Annotation guideline (JSON); text2kgbench: an ontology");
  command->add_option("--limit", options->limit, "At most so many sentences; 0: all")->capture_default_str();
  command->add_option("--samples", options->samples, "Responses of a sentence; 1: greedy")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--temperature", options->temperature, "Of several samples")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--predictions", options->predictions,
                      "Write id TAB label of each answered sentence here; extraction: read JSON lines from here");
  command->add_option("--max-new-tokens", options->max_new_tokens, "Longest response")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Key of the sampling")->capture_default_str();
  add_device_option(*command, options->device);
  command->add_option("--threads", options->threads, "0: all cores")->capture_default_str();
  std::vector<CLI::Option*> const extraction_only{
      command->add_option("--relation-names", options->relation_names, "re_docred: {\"P131\": [name, ..], ..} (JSON)"),
      command->add_option("--matching", options->matching, "How names match; default exact, bc5cdr normalised")
          ->check(CLI::IsMember({"exact", "normalised", "overlap"})),
      command->add_flag("--types", options->types, "An entity is name and type"),
      command->add_flag("--partial-credit", options->partial_credit, "With overlap: a match counts its similarity"),
      command->add_option("--threshold", options->threshold, "With overlap: least Jaccard index of words")
          ->capture_default_str()};
  command->footer(
      "Extraction tasks need no model.  --data is for text2kgbench a folder with ontologies/ and ground_truth/, or\n"
      "one file of sentences; for bc5cdr a PubTator file; for re_docred a JSON file.  A prediction is a JSON line "
      "with\n"
      "id (of the sentence, abstract or title) and either answer, the lines of the answer, or completion, a whole\n"
      "response <think>..</think><answer>..</answer>.  Lines of an answer: subject | relation | object; with --types\n"
      "subject | type | relation | object | type; for bc5cdr chemical | disease, each by a mention or its identifier.\n"
      "Any name of an entity in the document names it.  Records without prediction count as empty responses.\n"
      "Example: r1_re evaluate --model out/r1_re --task semeval2010 --data TEST_FILE_FULL.TXT\n"
      "         r1_re evaluate --task bc5cdr --data CDR_TestSet.PubTator.txt --predictions predictions.jsonl");
  command->callback([options, extraction_only] {
    for (CLI::Option const* const each : extraction_only) {
      if (each->count() > 0 && !is_extraction_task(options->task_name))
        throw CLI::ValidationError(each->get_name(), "expected with text2kgbench, bc5cdr or re_docred alone");
    }
    run(*options);
  });
}

}  // namespace r1_re
