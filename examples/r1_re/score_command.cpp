// SPDX-License-Identifier: MIT
/// @file
/// `r1_re score`: the figures of SemEval-2010 Task 8's official scorer.
#include <rlvr/data/semeval_scorer.hpp>

#include "command_line.hpp"
#include "commands.hpp"
#include "score_json.hpp"
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace r1_re {
namespace {

struct score_options {
  std::string key, predictions;
};

}  // namespace

void add_score(CLI::App& app) {
  auto const options = std::make_shared<score_options>();
  CLI::App* const command =
      app.add_subcommand("score", "Score predictions as the official scorer of SemEval-2010 Task 8 does.");
  command->add_option("--key", options->key, "Gold labels, one \"id TAB label\" per line")->required();
  command->add_option("--predictions", options->predictions, "Predicted labels in the same form; ids may be missing")
      ->required();
  command->footer(
      "Prints one JSON object: warnings, way19_directed, way10_undirected, way10_directed_official (each with\n"
      "confusion, coverage, three accuracies, per_relation, micro and macro averages) and official_macro_f1.\n"
      "Percentages are strings with two decimals, as the official scorer prints them.  Both files must end in a\n"
      "line feed; a label is Name(e1,e2), Name(e2,e1) or Other; an id that the key lacks or that occurs twice is\n"
      "an error.\n"
      "Example: r1_re score --key TEST_KEY_DIRECTED.txt --predictions predictions.txt");
  command->callback(
      [options] { print_json(to_json(rlvr::data::score_semeval_files(options->predictions, options->key))); });
}

}  // namespace r1_re
