// SPDX-License-Identifier: MIT
/// @file
/// `r1_re annotate`: one sentence, annotated under a guideline.

#include <fmt/format.h>

#include "commands.hpp"
#include "devices.hpp"
#include "guideline_json.hpp"
#include "model_folder.hpp"
#include "scoring.hpp"
#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace r1_re {
namespace {

struct annotate_options {
  std::string model, guideline, sentence, device = "cpu";
  std::size_t threads = 0, max_new_tokens = 64;
};

void run(annotate_options const& options) {
  model_parts const parts = read_model(options.model);
  rlvr::text::guideline const guide = read_guideline(options.guideline);
  rlvr::text::prompt_template const prompt = prompt_of(parts.talk);
  std::vector<std::int32_t> const prefix = parts.tokenizer->encode(prompt.shared_part(guide));
  std::vector<rlvr::model::generation_prompt> const prompts{
      {.tokens = parts.tokenizer->encode(sentence_prompt(prompt, options.sentence)), .id = 0, .samples = 1}};

  rlvr::model::generation_options sampling = sampling_of(parts, options.max_new_tokens);
  sampling.sampling.temperature = 0.0f;
  auto const sequences = with_device(options.device, options.threads, [&]<class Context>(Context& context) {
    auto const weights = weights_of(parts, context);
    rlvr::model::transformer<Context> runner(context);
    return rlvr::model::generate(context, runner, weights, std::span<std::int32_t const>(prefix),
                                 std::span<rlvr::model::generation_prompt const>(prompts), sampling);
  });
  std::string const text = response_text(*parts.tokenizer, sequences.front());
  auto const parsed = rlvr::text::parse_think_answer(text, response_policy_of(parts.talk));
  auto const answer = answer_of(guide, text, response_policy_of(parts.talk));
  nlohmann::ordered_json out;
  out["answer"] = answer ? nlohmann::ordered_json(*answer) : nlohmann::ordered_json(nullptr);
  out["format_ok"] = parsed.ok();
  out["reasoning"] = std::string(parsed.think);
  out["response"] = text;
  fmt::print("{}\n", out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

void add_annotate(CLI::App& app) {
  auto const options = std::make_shared<annotate_options>();
  CLI::App* const command =
      app.add_subcommand("annotate", "Annotate one sentence under a guideline.  Prints one JSON object.");
  command->add_option("--model", options->model, "Hugging Face folder")->required();
  command->add_option("--guideline", options->guideline, "Annotation guideline (JSON)")->required();
  command->add_option("--sentence", options->sentence, "With <e1>..</e1> and <e2>..</e2>")->required();
  command->add_option("--max-new-tokens", options->max_new_tokens, "Longest response")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_device_option(*command, options->device);
  command->add_option("--threads", options->threads, "0: all cores")->capture_default_str();
  command->footer(
      "Example: r1_re annotate --model out/r1_re --guideline guideline.json --sentence 'The <e1>cook</e1> baked the\n"
      "<e2>bread</e2>.'");
  command->callback([options] { run(*options); });
}

}  // namespace r1_re
