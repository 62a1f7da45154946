// SPDX-License-Identifier: MIT
/// @file
/// `r1_re reward`: the staged R1-RE reward of completions in a file.
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include "command_line.hpp"
#include "commands.hpp"
#include "completion_json.hpp"
#include "guideline_json.hpp"
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace r1_re {
namespace {

struct reward_options {
  std::string task, guideline, input;
};

[[nodiscard]] nlohmann::ordered_json judge(rlvr::text::guideline const& guide, rlvr::format::json_object const& row) {
  nlohmann::json const& id = row.at("id");
  if (!id.is_string() && !id.is_number_integer()) {
    row.fail("Type", row.name("id"), rlvr::format::json_object::describe(id), "a text or an integer");
  }
  nlohmann::ordered_json result{{"id", id}};
  // Fields that do not enter the reward are checked all the same: a row is read as a whole or not at all.
  static_cast<void>(row.find_string("prompt"));
  static_cast<void>(row.find_boolean("truncated"));
  if (row.find_string("kind").value_or("completion") == "input") {
    result.update({{"format_ok", nullptr}, {"answer", nullptr}, {"reward_class", "n/a"}, {"reward", nullptr}});
    return result;
  }
  std::string const gold = row.string("gold");
  if (!rlvr::text::parse_label(guide, gold)) {
    row.fail("Label", row.name("gold"), rlvr::format::json_object::describe(row.at("gold")),
             "a label of guideline " + guide.title);
  }
  auto const found = rlvr::reward::classify(guide, gold, completion_of(row), row.find_string("prefill").value_or(""));
  result["format_ok"] = found.format_ok;
  result["answer"] = found.answer ? nlohmann::ordered_json(*found.answer) : nlohmann::ordered_json();
  result["reward_class"] = rlvr::reward::class_name(found.kind);
  result["reward"] = found.reward;
  return result;
}

}  // namespace

void add_reward(CLI::App& app) {
  auto const options = std::make_shared<reward_options>();
  CLI::App* const command = app.add_subcommand("reward", "Classify completions and give them the staged R1-RE reward.");
  CLI::Option* const task = command->add_option("--task", options->task, "semeval2010: its guideline is built in")
                                ->check(CLI::IsMember({"semeval2010"}));
  command->add_option("--guideline", options->guideline, "Annotation guideline (JSON) whose labels count")
      ->excludes(task);
  command->add_option("--input", options->input, "Completions, one JSON object per line")->required();
  command->footer(
      "Fields of a line: id; gold, a label; one of completion (text), completion_b64 (base64 of any bytes),\n"
      "completion_parts (list of texts and of [text, count]); prefill, what the prompt wrote of the response\n"
      "already; prompt, truncated and others do not enter the reward.  A line with \"kind\": \"input\" has nothing\n"
      "to be judged and is answered with its id.\n"
      "Prints a JSON line per line, in order: id, format_ok, answer (null if none), reward_class (bad_format,\n"
      "invalid_label, wrong_direction, wrong_label, correct), reward.\n"
      "Guideline: {\"name\", \"introduction\", \"direction_rule\", \"relations\": [{\"name\", \"definition\", "
      "\"first_role\",\n"
      "\"second_role\", \"directed\", \"cues\": [..], \"examples\": [{\"sentence\", \"answer\"}]}]}.\n"
      "Example: r1_re reward --task semeval2010 --input completions.jsonl");
  command->callback([options] {
    if (options->task.empty() && options->guideline.empty()) throw CLI::RequiredError("--task or --guideline");
    rlvr::text::guideline const guide =
        options->guideline.empty() ? rlvr::text::semeval2010_guideline() : read_guideline(options->guideline);
    for_each_object(options->input, [&](rlvr::format::json_object const& row) { print_json(judge(guide, row)); });
  });
}

}  // namespace r1_re
