// SPDX-License-Identifier: MIT
/// @file
/// `r1_re tokenize`: texts to token ids and back.
#include <rlvr/format/tokenizer_json.hpp>

#include "command_line.hpp"
#include "commands.hpp"
#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace r1_re {
namespace {

struct tokenize_options {
  std::string tokenizer, input;
  bool plain = false, skip_special = false;
};

[[nodiscard]] std::vector<std::int32_t> ids_of(rlvr::text::tokenizer const& tokenizer,
                                               rlvr::format::json_object const& row, bool plain) {
  if (row.has("text"))
    return tokenizer.encode(row.string("text"),
                            plain ? rlvr::text::special_text::plain : rlvr::text::special_text::parse);
  nlohmann::json const& list = row.at("ids");
  if (!list.is_array()) row.fail("Type", row.name("ids"), rlvr::format::json_object::describe(list), "a list of ids");
  std::vector<std::int32_t> ids;
  for (nlohmann::json const& item : list)
    ids.push_back(static_cast<std::int32_t>(row.as_integer(item, row.name("ids"), 0, tokenizer.vocab_size() - 1)));
  return ids;
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto const options = std::make_shared<tokenize_options>();
  CLI::App* const command = app.add_subcommand("tokenize", "Encode texts with a byte-level BPE tokenizer.json.");
  command->add_option("--tokenizer", options->tokenizer, "Hugging Face tokenizer.json")->required();
  command->add_option("--input", options->input, "JSON objects with a field text, one per line or in one array")
      ->required();
  command->add_flag("--plain", options->plain, "The text of special tokens is text like any other (user input)");
  command->add_flag("--skip-special", options->skip_special, "Leave special tokens out of the decoded text");
  command->footer(
      "A line {\"text\": \"...\"} is encoded; a line with {\"ids\": [...]} and no text is decoded.  An id is echoed.\n"
      "Prints a JSON line per line, in order: ids, decoded.\n"
      "Example: r1_re tokenize --tokenizer model/tokenizer.json --input texts.jsonl");
  command->callback([options] {
    rlvr::text::tokenizer const tokenizer = rlvr::format::read_tokenizer(options->tokenizer);
    for_each_object(options->input, [&](rlvr::format::json_object const& row) {
      std::vector<std::int32_t> const ids = ids_of(tokenizer, row, options->plain);
      nlohmann::ordered_json out;
      if (row.has("id")) out["id"] = row.at("id");
      out["ids"] = ids;
      out["decoded"] = tokenizer.decode(ids, options->skip_special);
      print_json(out);
    });
  });
}

}  // namespace r1_re
