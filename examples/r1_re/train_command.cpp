// SPDX-License-Identifier: MIT
/// @file
/// `r1_re train`: teaches relation extraction with verifiable rewards and reports what came of it.
#include <rlvr/format/crc64.hpp>
#include <rlvr/report/console.hpp>
#include <rlvr/report/environment.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include <fmt/format.h>

#include "commands.hpp"
#include "devices.hpp"
#include "guideline_json.hpp"
#include "pipeline.hpp"
#include "run_report.hpp"
#include "start_model.hpp"
#include "start_practice.hpp"
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace r1_re {
namespace {

/// As given on the command line or in --config.
struct train_options {
  std::string preset = "embedded";
  std::string task_name, data, guideline, model, config, device = "cpu", output = "out";
  std::vector<std::string> evaluation;
  std::uint64_t seed = 1;
  std::size_t threads = 0;
  bool resume = false;
  std::optional<std::uint64_t> steps, warm_steps, label_steps, checkpoint_every;
  std::optional<std::size_t> prompts, group_size, max_new_tokens, evaluation_prompts;
  std::optional<double> learning_rate, kl_coefficient;
};

volatile std::sig_atomic_t interrupt_count = 0;

/// The first Ctrl-C lets the step finish and saves; the second ends the program at once.
void on_interrupt(int) {
  interrupt_count = interrupt_count + 1;
  if (interrupt_count > 1) std::_Exit(1);
}

[[nodiscard]] std::string own_file(std::string const& name) { return std::string(RLVR_R1_RE_FOLDER) + "/" + name; }

[[nodiscard]] run_settings settings_of(train_options const& options) {
  run_settings settings = preset(options.preset);
  auto const set = [](auto& to, auto const& from) {
    if (from) to = *from;
  };
  set(settings.reinforcement.steps, options.steps);
  set(settings.warm_start.steps, options.warm_steps);
  set(settings.label_tuning.steps, options.label_steps);
  set(settings.reinforcement.prompts, options.prompts);
  set(settings.reinforcement.group_size, options.group_size);
  set(settings.reinforcement.learning_rate, options.learning_rate);
  set(settings.reinforcement.kl_coefficient, options.kl_coefficient);
  set(settings.max_new_tokens, options.max_new_tokens);
  set(settings.evaluation_prompts, options.evaluation_prompts);
  set(settings.checkpoint_every, options.checkpoint_every);
  return settings;
}

/// The guideline of a run: --guideline, or the one that belongs to the task.
[[nodiscard]] rlvr::text::guideline guideline_of(train_options const& options) {
  if (!options.guideline.empty()) return read_guideline(options.guideline);
  if (options.preset == "semeval2010" || options.task_name == "semeval2010") return rlvr::text::semeval2010_guideline();
  throw rlvr::argument_error("--guideline: expected a guideline file for --data of task '" + options.task_name + "'");
}

[[nodiscard]] run_data read_data(train_options const& options, run_settings const& settings) {
  if (options.data.empty()) {
    if (options.preset != "embedded")
      throw rlvr::argument_error("--data: expected a file in SemEval's text form for preset " + options.preset);
    rlvr::text::guideline const general = read_guideline(own_file("data/general_guideline.json"));
    rlvr::text::guideline const clinical = read_guideline(own_file("data/clinical_guideline.json"));
    return {read_task("general", general, own_file("data/general_train.txt")),
            {read_task("in_domain", general, own_file("data/general_test.txt")),
             read_task("out_of_domain", clinical, own_file("data/clinical_test.txt"))}};
  }
  std::string const name = options.task_name.empty() ? options.preset : options.task_name;
  rlvr::text::guideline const guide = guideline_of(options);
  task whole = read_task(name, guide, options.data);
  if (!options.evaluation.empty()) {
    run_data data{std::move(whole), {}};
    for (std::string const& path : options.evaluation)
      data.evaluation.push_back(read_task(std::filesystem::path(path).stem().string(), guide, path));
    return data;
  }
  std::size_t const held_out = settings.held_out ? settings.held_out : whole.examples.size() / 10;
  auto const split =
      rlvr::data::split_train_test(whole.examples.size(), held_out, seed_of(options.seed, stream::split));
  run_data data{subset(whole, split.train), {subset(whole, split.test)}};
  data.evaluation.front().name = "held_out";
  return data;
}

[[nodiscard]] model_parts start_of(train_options const& options, run_settings& settings, run_data const& data) {
  if (!options.model.empty() || settings.scratch.vocab_size == 0) {
    model_parts parts = read_model(options.model.empty() ? own_file("start") : options.model);
    settings.prompt = parts.talk.prompt;
    if (parts.stop_ids.empty()) throw rlvr::argument_error("model: expected an eos_token_id to end responses with");
    return parts;
  }
  dialogue const talk{.prompt = settings.prompt, .reasoned = true};
  rlvr::text::tokenizer tokenizer =
      train_tokenizer(tokenizer_texts(data.train, talk), static_cast<std::int32_t>(settings.vocabulary));
  model_parts parts =
      random_model(settings.scratch, std::move(tokenizer), seed_of(options.seed, stream::weights), 0.05);
  parts.talk = talk;
  return parts;
}

[[nodiscard]] rlvr::train::run_record record_of(train_options const& options, run_settings const& settings,
                                                model_parts const& start, run_data const& data) {
  rlvr::train::run_record record;
  record.name = options.preset;
  record.command = "r1_re train --preset " + options.preset;
  auto const fact = [&](char const* name, auto const& value) {
    record.configuration.emplace_back(name, fmt::format("{}", value));
  };
  fact("preset", settings.preset);
  fact("prompt", settings.prompt);
  fact("parameters", start.weights.size());
  fact("layers", start.config.num_hidden_layers);
  fact("hidden_size", start.config.hidden_size);
  fact("vocabulary", start.tokenizer->vocab_size());
  fact("train_sentences", data.train.examples.size());
  fact("label_tuning.steps", settings.label_tuning.steps);
  fact("warm_start.steps", settings.warm_start.steps);
  fact("grpo.steps", settings.reinforcement.steps);
  fact("grpo.prompts", settings.reinforcement.prompts);
  fact("grpo.group_size", settings.reinforcement.group_size);
  fact("grpo.learning_rate", settings.reinforcement.learning_rate);
  fact("grpo.kl_coefficient", settings.reinforcement.kl_coefficient);
  fact("max_new_tokens", settings.max_new_tokens);
  fact("evaluation.samples", settings.evaluation_samples);
  fact("device", options.device);
  record.seeds.emplace_back("run", options.seed);
  std::vector<std::string> files = options.evaluation;
  if (!options.data.empty()) files.insert(files.begin(), options.data);
  if (options.data.empty())
    for (char const* name : {"data/general_train.txt", "data/general_test.txt", "data/clinical_test.txt"})
      files.push_back(own_file(name));
  for (std::string const& file : files)
    record.data_hashes.emplace_back(
        std::filesystem::path(file).filename().string(),
        fmt::format("crc64 {:016x}", rlvr::format::crc64(rlvr::format::read_file(file, std::size_t{1} << 30))));
  rlvr::report::describe_environment(record);
  return record;
}

/// Fills in the options that the command line left open.  CLI11 reads configuration files for the root command alone.
/// @throws CLI::FileError for a missing file, CLI::ConfigError for a name that is no option
void read_config(CLI::App& command, std::string const& path) {
  std::ifstream file(path);
  if (!file) throw CLI::FileError::Missing(path);
  for (CLI::ConfigItem const& item : CLI::ConfigTOML().from_config(file)) {
    CLI::Option* const option = command.get_option_no_throw("--" + item.name);
    if (option == nullptr || !item.parents.empty()) throw CLI::ConfigError::Extras(item.fullname());
    if (option->count() > 0) continue;
    for (std::string const& value : item.inputs) option->add_result(value);
    option->run_callback();
  }
}

void run(train_options const& options) {
  if (options.preset == "start") {
    if (options.device != "cpu") throw rlvr::unsupported_error("--preset start: runs on the cpu alone");
    practise({.output = options.output,
              .seed = options.seed,
              .threads = options.threads,
              .steps = options.steps.value_or(0)});
    return;
  }
  run_settings settings = settings_of(options);
  run_data const data = read_data(options, settings);
  model_parts const start = start_of(options, settings, data);
  std::signal(SIGINT, on_interrupt);
  rlvr::train::run_record const record = record_of(options, settings, start, data);
  rlvr::report::memory_sink const records =
      with_device(options.device, options.threads, [&]<class Context>(Context& context) {
        pipeline<Context> whole(context, settings, start, data, options.output, options.seed,
                                static_cast<unsigned>(options.threads), [] { return interrupt_count > 0; });
        return whole.run(options.resume, record);
      });

  std::vector<std::string> sets;
  for (task const& each : data.evaluation) sets.push_back(each.name);
  rlvr::report::comparison_table const table =
      comparison(records, sets, settings.evaluation_samples, settings.evaluation_temperature);
  write_run_report(options.output, records, record, table, sets.front(), data.evaluation.front().guide);
  nlohmann::ordered_json const results = summary(records, sets, options.output);
  rlvr::format::atomic_write(options.output + "/results.json", results.dump(2) + "\n");
  fmt::print(stderr, "\n{}\nreport: {}/report.html\n", rlvr::report::format_table(table), options.output);
  fmt::print("{}\n", results.dump());
}

}  // namespace

void add_train(CLI::App& app) {
  auto const options = std::make_shared<train_options>();
  CLI::App* const command = app.add_subcommand(
      "train",
      "Teach relation extraction with verifiable rewards: evaluation of the start, label fine-tuning as the\n"
      "baseline, GRPO with the staged R1-RE reward, a table and a report.");
  command
      ->add_option("--preset", options->preset,
                   "embedded (data of this repository), semeval2010, or start (makes\n"
                   "the checkpoint that embedded starts from)")
      ->check(CLI::IsMember({"embedded", "semeval2010", "start"}))
      ->capture_default_str();
  command->add_option("--config", options->config,
                      "Options from this file (TOML: name = value); the command line wins");
  command->add_option("--data", options->data, "Training sentences in SemEval-2010 Task 8's text form");
  command->add_option("--task", options->task_name, "Name of the task of --data; semeval2010 brings its guideline");
  command->add_option("--guideline", options->guideline, "Annotation guideline (JSON) of --data");
  command->add_option("--evaluation-data", options->evaluation,
                      "Sentences to evaluate on; default: a part of --data that is kept from training");
  command->add_option("--model", options->model, "Hugging Face folder to start from");
  add_device_option(*command, options->device);
  command->add_option("--output", options->output, "Folder of the run")->capture_default_str();
  command->add_option("--seed", options->seed, "Key of all random numbers")->capture_default_str();
  command->add_option("--threads", options->threads, "0: all cores; results do not depend on it")
      ->capture_default_str();
  command->add_option("--steps", options->steps, "GRPO steps (preset start: practice steps)");
  command->add_option("--warm-steps", options->warm_steps, "Steps of supervised warm start on reasoning traces");
  command->add_option("--label-steps", options->label_steps, "Steps of label fine-tuning, the baseline; 0: none");
  command->add_option("--prompts", options->prompts, "Sentences of a GRPO step")->check(CLI::PositiveNumber);
  command->add_option("--group-size", options->group_size, "Responses of a sentence")->check(CLI::PositiveNumber);
  command->add_option("--learning-rate", options->learning_rate, "Of GRPO")->check(CLI::PositiveNumber);
  command->add_option("--kl", options->kl_coefficient, "Coefficient of the KL term")->check(CLI::NonNegativeNumber);
  command->add_option("--max-new-tokens", options->max_new_tokens, "Longest response")->check(CLI::PositiveNumber);
  command->add_option("--evaluation-prompts", options->evaluation_prompts, "Sentences of each evaluation at most")
      ->check(CLI::PositiveNumber);
  command->add_option("--checkpoint-every", options->checkpoint_every, "Steps between checkpoints");
  command->add_flag("--resume", options->resume, "Continue the run in --output from its last checkpoint");
  command->footer("Example: r1_re train --preset semeval2010 --data TRAIN_FILE.TXT --output out");
  command->parse_complete_callback([command, options] {
    if (!options->config.empty()) read_config(*command, options->config);
  });
  command->final_callback([options] { run(*options); });
}

}  // namespace r1_re
