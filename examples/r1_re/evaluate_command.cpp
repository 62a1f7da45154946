// SPDX-License-Identifier: MIT
/// @file
/// `r1_re evaluate`: accuracy, format rate and official macro-F1 of a model on a corpus.
#include <rlvr/data/semeval_scorer.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <fmt/format.h>

#include "commands.hpp"
#include "devices.hpp"
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
};

void run(evaluate_options const& options) {
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
      "(of each sentence's first sample).  Prints one JSON object.");
  command->add_option("--model", options->model, "Hugging Face folder")->required();
  command->add_option("--task", options->task_name, "Name of the task; semeval2010 brings its guideline")
      ->capture_default_str();
  command->add_option("--data", options->data, "Sentences in SemEval-2010 Task 8's text form")->required();
  command->add_option("--guideline", options->guideline, "Annotation guideline (JSON)");
  command->add_option("--limit", options->limit, "At most so many sentences; 0: all")->capture_default_str();
  command->add_option("--samples", options->samples, "Responses of a sentence; 1: greedy")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--temperature", options->temperature, "Of several samples")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--predictions", options->predictions, "Write id TAB label of each answered sentence here");
  command->add_option("--max-new-tokens", options->max_new_tokens, "Longest response")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Key of the sampling")->capture_default_str();
  add_device_option(*command, options->device);
  command->add_option("--threads", options->threads, "0: all cores")->capture_default_str();
  command->footer("Example: r1_re evaluate --model out/r1_re --task semeval2010 --data TEST_FILE_FULL.TXT");
  command->callback([options] { run(*options); });
}

}  // namespace r1_re
