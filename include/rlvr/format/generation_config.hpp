// SPDX-License-Identifier: MIT
/// @file
/// Reads and writes generation_config.json: the sampling that a model's authors suggest and its end tokens.  A trainer
/// uses sampling values of its own; from here it takes the end tokens.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/format/model_config.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace format {

/// What the file says; absent fields are empty.
struct generation_config {
  bool do_sample = false;
  std::optional<double> temperature;           ///< above 0; 0 only without sampling
  std::optional<double> top_p;                 ///< in (0, 1]
  std::optional<double> min_p;                 ///< in [0, 1]
  std::optional<std::int64_t> top_k;           ///< 0: off
  std::optional<double> repetition_penalty;    ///< above 0
  std::optional<std::int64_t> max_new_tokens;  ///< at least 1
  std::vector<std::int32_t> eos_token_ids;
  std::optional<std::int32_t> bos_token_id;
  std::optional<std::int32_t> pad_token_id;

  friend bool operator==(generation_config const&, generation_config const&) = default;
};

/// @param file  for messages  @throws format_error Type, Range
[[nodiscard]] inline generation_config parse_generation_config(nlohmann::json const& value, std::string const& file) {
  json_object const source(value, file);
  auto const number = [&](std::string_view key, double least, bool least_fits, double most) {
    std::optional<double> const found = source.find_number(key);
    if (found && !((*found > least || (least_fits && *found == least)) && *found <= most)) {
      std::string const bounds = (least_fits ? "at least " : "above ") + nlohmann::json(least).dump();
      source.fail("Range", key, nlohmann::json(*found).dump(),
                  most < 2 ? bounds + " and at most " + nlohmann::json(most).dump() : bounds);
    }
    return found;
  };
  generation_config result;
  result.do_sample = source.find_boolean("do_sample").value_or(false);
  result.temperature = number("temperature", 0, !result.do_sample, 1e9);
  result.top_p = number("top_p", 0, false, 1);
  result.min_p = number("min_p", 0, true, 1);
  result.top_k = source.find_integer("top_k", 0, detail::max_token_id);
  result.repetition_penalty = number("repetition_penalty", 0, false, 1e9);
  result.max_new_tokens = source.find_integer("max_new_tokens", 1, detail::max_token_id);
  result.eos_token_ids = detail::token_ids(source, "eos_token_id");
  result.bos_token_id = detail::find_token_id(source, "bos_token_id");
  if (auto const pad = source.find_integer("pad_token_id", -1, detail::max_token_id); pad && *pad >= 0) {
    result.pad_token_id = static_cast<std::int32_t>(*pad);
  }
  return result;
}

/// @throws io_error, format_error
[[nodiscard]] inline generation_config read_generation_config(std::string const& path) {
  return parse_generation_config(read_json(path, std::size_t{1} << 24), path);
}

/// The text of a generation_config.json.
[[nodiscard]] inline std::string generation_config_text(generation_config const& config) {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  auto const put = [&](char const* key, auto const& value) {
    if (value) out[key] = *value;
  };
  put("bos_token_id", config.bos_token_id);
  out["do_sample"] = config.do_sample;
  if (config.eos_token_ids.size() == 1) out["eos_token_id"] = config.eos_token_ids.front();
  if (config.eos_token_ids.size() > 1) out["eos_token_id"] = config.eos_token_ids;
  put("pad_token_id", config.pad_token_id);
  put("temperature", config.temperature);
  put("top_p", config.top_p);
  put("min_p", config.min_p);
  put("top_k", config.top_k);
  put("repetition_penalty", config.repetition_penalty);
  put("max_new_tokens", config.max_new_tokens);
  return out.dump(2) + "\n";
}

/// @throws io_error
inline void write_generation_config(std::string const& path, generation_config const& config,
                                    file_operations const& operations = system_files) {
  atomic_write(path, generation_config_text(config), operations);
}

}  // namespace format
RLVR_NAMESPACE_END
