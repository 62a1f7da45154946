// SPDX-License-Identifier: MIT
/// @file
/// `r1_re logprobs`: what a model thinks of given token ids, and how it would go on.
#include <rlvr/cpu.hpp>
#include <rlvr/model/generate.hpp>
#include <rlvr/train/pretrained.hpp>

#include "command_line.hpp"
#include "commands.hpp"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace r1_re {
namespace {

using rlvr::format::json_object;
using token_ids = std::vector<std::int32_t>;
using context = rlvr::cpu::context;

struct logprobs_options {
  std::string model, input;
  std::size_t threads = 0, pass_tokens = 16384;
};

/// A continuation that is asked for.
struct continuation {
  token_ids prompt;
  std::size_t count = 0;
  token_ids stop_ids;
  std::int32_t vocabulary_limit = 0;
};

/// A sequence that is asked about.
struct query {
  token_ids ids;
  std::vector<std::size_t> logit_positions;
  continuation greedy;
};

/// Token ids of a list.
[[nodiscard]] token_ids ids_of(json_object const& object, nlohmann::json const& list, std::string const& place,
                               std::int64_t vocabulary) {
  if (!list.is_array()) object.fail("Type", place, json_object::describe(list), "a list of token ids");
  token_ids ids;
  for (std::size_t i = 0; i < list.size(); ++i)
    ids.push_back(static_cast<std::int32_t>(
        object.as_integer(list[i], place + "[" + std::to_string(i) + "]", 0, vocabulary - 1)));
  return ids;
}

/// Settings of a continuation; `count` tokens where the object does not say how many.
[[nodiscard]] continuation continuation_of(json_object const& object, token_ids prompt, std::size_t count,
                                           rlvr::model_config const& config) {
  continuation result{.prompt = std::move(prompt), .count = count, .stop_ids = {}, .vocabulary_limit = 0};
  if (auto const more = object.find_integer("max_new_tokens", 0, config.max_position_embeddings))
    result.count = static_cast<std::size_t>(*more);
  result.vocabulary_limit =
      static_cast<std::int32_t>(object.find_integer("vocabulary_limit", 1, config.vocab_size).value_or(0));
  if (object.has("stop_ids"))
    result.stop_ids = ids_of(object, object.at("stop_ids"), object.name("stop_ids"), config.vocab_size);
  auto const longest = static_cast<std::size_t>(config.max_position_embeddings);
  if (result.prompt.empty() || result.prompt.size() + result.count > longest) {
    object.fail("Range", object.name("ids"),
                std::to_string(result.prompt.size()) + " tokens and " + std::to_string(result.count) + " new ones",
                "1 to " + std::to_string(longest) + " in all, the model's positions");
  }
  return result;
}

[[nodiscard]] std::vector<std::size_t> positions_of(json_object const& object, std::size_t length) {
  std::vector<std::size_t> result;
  auto const last = static_cast<std::int64_t>(length) - 1;
  if (nlohmann::json const* const list = object.find("logit_positions"); list != nullptr) {
    std::string const place = object.name("logit_positions");
    if (!list->is_array()) object.fail("Type", place, json_object::describe(*list), "a list of positions");
    for (nlohmann::json const& item : *list)
      result.push_back(static_cast<std::size_t>(object.as_integer(item, place, 0, last)));
    return result;
  }
  if (!object.has("logits")) return result;  // as in golden.json: an object whose keys are positions
  json_object const logits = object.object("logits");
  for (auto const& [key, value] : logits.value().items()) {
    bool const is_number = !key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number || std::stoll(key) > last)
      object.fail("Range", logits.name(key), "a position", "0 to " + std::to_string(last));
    result.push_back(static_cast<std::size_t>(std::stoll(key)));
  }
  return result;
}

[[nodiscard]] query query_of(nlohmann::json const& item, std::string const& file, std::string const& place,
                             rlvr::model_config const& config) {
  nlohmann::json const wrapped = item.is_array() ? nlohmann::json{{"ids", item}} : nlohmann::json();
  json_object const object(item.is_array() ? wrapped : item, file, place);
  query result;
  result.ids = ids_of(object, object.at("ids"), object.name("ids"), config.vocab_size);
  auto const count = object.find_integer("greedy", 0, config.max_position_embeddings).value_or(0);
  result.greedy = continuation_of(object, result.ids, static_cast<std::size_t>(count), config);
  result.logit_positions = positions_of(object, result.ids.size());
  return result;
}

/// Model and scratch of a run.
class session {
 public:
  session(std::string const& folder, std::size_t threads)
      : context_(threads), weights_(rlvr::train::load_pretrained(folder, context_)), runner_(context_) {}

  [[nodiscard]] rlvr::model_config const& config() const { return weights_.config(); }

  /// One pass over sequences side by side; they do not see each other.
  void describe(std::vector<query> const& queries, std::size_t first, std::size_t last,
                std::vector<nlohmann::ordered_json>& out) {
    rlvr::model::prefix_tree tree;
    token_ids next;
    for (std::size_t i = first; i < last; ++i) {
      tree.add_segment(queries[i].ids);
      next.insert(next.end(), queries[i].ids.begin() + 1, queries[i].ids.end());
      next.push_back(0);  // nothing follows the last token: only its entropy is read
    }
    auto const hidden = runner_.forward(weights_, tree);
    std::vector<float> log_prob(tree.size()), entropy(tree.size());
    rlvr::execute(context_, rlvr::ops::linear_log_prob{.head = {.hidden = hidden, .weight = weights_.views().head},
                                                       .target = next.data(),
                                                       .log_prob = log_prob.data(),
                                                       .entropy = entropy.data()});
    for (std::size_t i = first; i < last; ++i) {
      auto const begin = static_cast<std::size_t>(tree.segments()[i - first].begin);
      std::size_t const length = queries[i].ids.size();
      nlohmann::ordered_json sequence{{"ids", queries[i].ids}};
      sequence["logprob_next"] = std::vector<float>(log_prob.begin() + static_cast<std::ptrdiff_t>(begin),
                                                    log_prob.begin() + static_cast<std::ptrdiff_t>(begin + length - 1));
      sequence["entropy"] = std::vector<float>(entropy.begin() + static_cast<std::ptrdiff_t>(begin),
                                               entropy.begin() + static_cast<std::ptrdiff_t>(begin + length));
      sequence["log_probs"] = sequence["logprob_next"];
      sequence["entropies"] = sequence["entropy"];
      add_logits(hidden.middle_rows(begin, length), queries[i], sequence);
      out.push_back(std::move(sequence));
    }
  }

  [[nodiscard]] token_ids continue_greedily(continuation const& asked) {
    std::vector<rlvr::model::generation_prompt> const prompts{{.tokens = asked.prompt, .id = 0, .samples = 1}};
    rlvr::model::generation_options options;
    options.sampling.temperature = 0.0f;
    options.sampling.vocabulary_limit = asked.vocabulary_limit;
    options.max_new_tokens = asked.count;
    options.stop_ids = asked.stop_ids;
    return rlvr::model::generate(context_, runner_, weights_, {},
                                 std::span<rlvr::model::generation_prompt const>(prompts), options)
        .front()
        .tokens;
  }

 private:
  /// The most likely next token after every prefix, and the logits that are asked for.
  void add_logits(rlvr::matrix_view<float const> hidden, query const& asked, nlohmann::ordered_json& sequence) {
    std::size_t const vocabulary = weights_.views().head.rows;
    constexpr std::size_t chunk = 64;
    token_ids best;
    nlohmann::ordered_json logits = nlohmann::ordered_json::object();
    for (std::size_t first = 0; first < hidden.rows; first += chunk) {
      std::size_t const count = std::min(chunk, hidden.rows - first);
      logits_.resize(count, vocabulary);
      rlvr::execute(context_, rlvr::ops::linear_forward{.input = hidden.middle_rows(first, count),
                                                        .weight = weights_.views().head,
                                                        .output = logits_.view()});
      for (std::size_t r = 0; r < count; ++r) {
        float const* const row = logits_.view().row(r);
        best.push_back(static_cast<std::int32_t>(std::max_element(row, row + vocabulary) - row));
        if (std::find(asked.logit_positions.begin(), asked.logit_positions.end(), first + r) !=
            asked.logit_positions.end())
          logits[std::to_string(first + r)] = std::vector<float>(row, row + vocabulary);
      }
    }
    sequence["argmax"] = best;
    if (!logits.empty()) sequence["logits"] = std::move(logits);
  }

  context context_;
  rlvr::model::parameters<context::memory> weights_;
  rlvr::model::transformer<context> runner_;
  rlvr::matrix<float> logits_;
};

[[nodiscard]] nlohmann::ordered_json describe_sequences(session& model, std::vector<query> const& queries,
                                                        std::size_t pass_tokens) {
  std::vector<nlohmann::ordered_json> sequences;
  for (std::size_t first = 0; first < queries.size();) {
    std::size_t last = first;
    for (std::size_t tokens = 0; last < queries.size(); ++last) {
      tokens += queries[last].ids.size();
      if (last > first && tokens > pass_tokens) break;
    }
    model.describe(queries, first, last, sequences);
    first = last;
  }
  for (std::size_t i = 0; i < queries.size(); ++i)
    if (queries[i].greedy.count > 0) sequences[i]["greedy"] = model.continue_greedily(queries[i].greedy);
  return sequences;
}

/// The list "greedy" of the file: prompts to be continued, as in golden.json.
[[nodiscard]] nlohmann::ordered_json describe_continuations(session& model, json_object const& root) {
  nlohmann::ordered_json result = nlohmann::ordered_json::array();
  nlohmann::json const& list = root.at("greedy");
  if (!list.is_array()) root.fail("Type", "greedy", json_object::describe(list), "a list of objects with a prompt");
  std::int64_t const limit =
      root.find_integer("tokenizer_size", 1, model.config().vocab_size).value_or(model.config().vocab_size);
  for (std::size_t i = 0; i < list.size(); ++i) {
    json_object const object(list[i], root.file(), "greedy[" + std::to_string(i) + "]");
    std::size_t count = 16;
    if (nlohmann::json const* const ids = object.find("ids"); ids != nullptr && ids->is_array()) count = ids->size();
    continuation asked =
        continuation_of(object, ids_of(object, object.at("prompt"), object.name("prompt"), model.config().vocab_size),
                        count, model.config());
    nlohmann::ordered_json entry{{"prompt", asked.prompt}, {"ids", model.continue_greedily(asked)}};
    if (limit < model.config().vocab_size) {
      asked.vocabulary_limit = static_cast<std::int32_t>(limit);
      entry["ids_below_tokenizer_size"] = model.continue_greedily(asked);
    }
    result.push_back(std::move(entry));
  }
  return result;
}

void run(logprobs_options const& options) {
  nlohmann::json const value = rlvr::format::read_json(options.input, most_input_bytes);
  nlohmann::json const wrapped = value.is_array() ? nlohmann::json{{"sequences", value}} : nlohmann::json();
  json_object const root(value.is_array() ? wrapped : value, options.input);
  session model(options.model, options.threads);
  if (!root.has("sequences") && !root.has("greedy"))
    root.fail("Missing", "sequences", "neither it nor greedy", "a list of token ids or of objects with ids");
  std::vector<query> queries;
  if (nlohmann::json const* const list = root.find("sequences"); list != nullptr) {
    if (!list->is_array()) root.fail("Type", "sequences", json_object::describe(*list), "a list");
    for (std::size_t i = 0; i < list->size(); ++i)
      queries.push_back(query_of((*list)[i], options.input, "sequences[" + std::to_string(i) + "]", model.config()));
  }
  nlohmann::ordered_json out{{"vocab_size", model.config().vocab_size}};
  out["sequences"] = describe_sequences(model, queries, options.pass_tokens);
  if (root.has("greedy")) out["greedy"] = describe_continuations(model, root);
  print_json(out);
}

}  // namespace

void add_logprobs(CLI::App& app) {
  auto const options = std::make_shared<logprobs_options>();
  CLI::App* const command =
      app.add_subcommand("logprobs", "Log-probs, entropies, logits and greedy continuations of token ids.");
  command->add_option("--model", options->model, "Hugging Face folder (no tokenizer is needed)")->required();
  command->add_option("--input", options->input, "JSON file, see below")->required();
  command->add_option("--threads", options->threads, "0: all cores; results do not depend on it")
      ->capture_default_str();
  command->add_option("--pass-tokens", options->pass_tokens, "Tokens of one pass, about; results do not depend on it")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->footer(
      "Input: {\"sequences\": [S, ...], \"greedy\": [G, ...], \"tokenizer_size\": N}, or the list of sequences alone.\n"
      "  S: [ids], or {\"ids\": [..], \"logit_positions\": [..], \"greedy\": n, \"vocabulary_limit\": m, \"stop_ids\": "
      "[..]}\n"
      "     (\"logits\": {\"position\": ..} asks for positions as well; greedy: n tokens after the sequence)\n"
      "  G: {\"prompt\": [..], \"max_new_tokens\": n, \"vocabulary_limit\": m, \"stop_ids\": [..]}; n: as many as "
      "\"ids\"\n"
      "     holds, else 16.  Nothing stops a continuation early but stop_ids; ids >= vocabulary_limit are not taken.\n"
      "Prints one JSON object: {\"vocab_size\", \"sequences\": [{\"ids\", \"logprob_next\": log p of each next token "
      "(T - 1),\n"
      "  \"entropy\": nats (T), \"log_probs\" and \"entropies\": the same two, \"argmax\" (T), \"logits\": "
      "{\"position\": [V]},\n"
      "  \"greedy\": [ids]}], \"greedy\": [{\"prompt\", \"ids\", \"ids_below_tokenizer_size\"}]}.\n"
      "All are over the whole vocabulary at temperature 1.  A golden.json of tests/models is such an input.\n"
      "Example: r1_re logprobs --model tests/models/tiny-qwen3 --input tests/models/tiny-qwen3/golden.json");
  command->callback([options] { run(*options); });
}

}  // namespace r1_re
