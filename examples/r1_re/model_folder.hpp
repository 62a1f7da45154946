// SPDX-License-Identifier: MIT
/// @file
/// A model on disk: a Hugging Face folder (config.json, model.safetensors, tokenizer.json, generation_config.json) and
/// r1_re.json, which says how this program talks to it.
#pragma once

#include <rlvr/backend/cpu/context.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/generation_config.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/format/tokenizer_json.hpp>
#include <rlvr/train/learner.hpp>
#include <rlvr/train/pretrained.hpp>

#include "task.hpp"
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace r1_re {

inline constexpr std::string_view dialogue_name = "r1_re.json";

/// Everything that a folder holds, on the host.
struct model_parts {
  rlvr::model_config config;
  std::vector<float> weights;  ///< in the order of the parameter arena
  std::shared_ptr<rlvr::text::tokenizer const> tokenizer;
  dialogue talk;
  std::vector<std::int32_t> stop_ids;
};

/// How to talk to the model of a folder: its r1_re.json, or the full prompt for folders from elsewhere.
[[nodiscard]] inline dialogue read_dialogue(std::string const& folder) {
  std::string const path = folder + "/" + std::string(dialogue_name);
  if (!std::filesystem::exists(path)) return {};
  nlohmann::json const value = rlvr::format::read_json(path);
  rlvr::format::json_object const object(value, path);
  dialogue talk;
  talk.prompt = object.string("prompt");
  talk.reasoned = object.find_boolean("reasoned").value_or(true);
  (void)prompt_of(talk);  // refuses an unknown name
  return talk;
}

/// Reads a folder.  @throws io_error, format_error, unsupported_error
[[nodiscard]] inline model_parts read_model(std::string const& folder) {
  if (!std::filesystem::is_directory(folder))
    throw rlvr::io_error(folder, "no such folder; expected a model with config.json and model.safetensors");
  model_parts parts;
  parts.config = rlvr::train::load_config(folder);
  parts.tokenizer =
      std::make_shared<rlvr::text::tokenizer const>(rlvr::format::read_tokenizer(folder + "/tokenizer.json"));
  if (parts.tokenizer->vocab_size() > parts.config.vocab_size)
    throw rlvr::format_error("Conflict", folder + "/tokenizer.json", "vocabulary",
                             std::to_string(parts.tokenizer->vocab_size()) + " ids",
                             "at most vocab_size " + std::to_string(parts.config.vocab_size) + " of config.json");
  rlvr::cpu::context host(1);
  rlvr::model::parameters<rlvr::host_memory> weights(parts.config);
  rlvr::train::load_weights(folder, weights, host);
  parts.weights.assign(weights.arena().begin(), weights.arena().end());
  parts.talk = read_dialogue(folder);
  parts.stop_ids = parts.config.eos_token_ids;
  std::string const generation = folder + "/generation_config.json";
  if (std::filesystem::exists(generation))
    for (std::int32_t const id : rlvr::format::read_generation_config(generation).eos_token_ids)
      if (std::find(parts.stop_ids.begin(), parts.stop_ids.end(), id) == parts.stop_ids.end())
        parts.stop_ids.push_back(id);
  return parts;
}

/// The weights in a context's memory.
template <class Context>
[[nodiscard]] rlvr::model::parameters<typename Context::memory> weights_of(model_parts const& parts, Context& context) {
  rlvr::model::parameters<typename Context::memory> weights(parts.config);
  context.upload(weights.arena().data(), parts.weights.data(), parts.weights.size());
  return weights;
}

/// Publishes a folder; what was there under this name is replaced only when the new one is complete.
template <class Context>
void save_model(std::string const& folder, rlvr::train::learner<Context> const& model, model_parts const& like,
                dialogue const& talk) {
  std::string const temporary = folder + ".tmp";
  std::error_code code;
  std::filesystem::remove_all(temporary, code);
  std::filesystem::create_directories(temporary, code);
  if (code) throw rlvr::io_error(temporary, "cannot create: " + code.message());
  rlvr::train::save_pretrained(temporary, model.weights(), model.context());
  rlvr::format::write_tokenizer(temporary + "/tokenizer.json", *like.tokenizer);
  nlohmann::ordered_json const object{{"prompt", talk.prompt}, {"reasoned", talk.reasoned}};
  rlvr::format::atomic_write(temporary + "/" + std::string(dialogue_name), object.dump(2) + "\n");
  std::string const replaced = folder + ".old";  // what a kill between the two renames leaves of the former model
  std::filesystem::remove_all(replaced, code);
  std::filesystem::rename(folder, replaced, code);
  std::filesystem::rename(temporary, folder, code);
  if (code) throw rlvr::io_error(folder, "cannot rename " + temporary + " to it: " + code.message());
  std::filesystem::remove_all(replaced, code);
}

}  // namespace r1_re
