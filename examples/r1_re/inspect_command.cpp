// SPDX-License-Identifier: MIT
/// @file
/// `r1_re inspect`: can this file be read, and if not, what is wrong with it?
#include <rlvr/format/inspect.hpp>

#include "command_line.hpp"
#include "commands.hpp"
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace r1_re {
namespace {

struct inspect_options {
  std::string kind, path;
};

}  // namespace

void add_inspect(CLI::App& app) {
  auto const options = std::make_shared<inspect_options>();
  CLI::App* const command = app.add_subcommand("inspect", "Check a model file as strictly as the loaders do.");
  command
      ->add_option("--kind", options->kind, "safetensors, tokenizer, config, checkpoint (a folder), generation_config")
      ->required()
      ->check(CLI::IsMember({"safetensors", "tokenizer", "config", "checkpoint", "generation_config"}));
  command->add_option("PATH", options->path, "The file or folder")->required();
  command->footer(
      "Prints one JSON line: ok, error_class (null if all is well, Io if the system refuses to read), message (file,\n"
      "place, found, expected).  Exit code 0 if the file is fine, else 1.\n"
      "Example: r1_re inspect --kind safetensors model.safetensors");
  command->callback([options] {
    rlvr::format::inspect_result const result = rlvr::format::inspect(options->kind, options->path);
    nlohmann::ordered_json out{{"ok", result.ok}, {"error_class", nullptr}, {"message", one_line(result.message)}};
    if (!result.ok) out["error_class"] = result.error_class;
    print_json(out);
    if (!result.ok) throw exit_request{1};
  });
}

}  // namespace r1_re
