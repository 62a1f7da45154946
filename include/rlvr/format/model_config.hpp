// SPDX-License-Identifier: MIT
/// @file
/// Reads and writes the config.json of Hugging Face's Llama, Qwen2 and Qwen3 classes.
///
/// Both generations of keys are read: `rope_theta` with `rope_scaling`, and `rope_parameters`; `torch_dtype` and
/// `dtype`.  What would change the numbers and is not implemented is refused, never ignored.  Codes: Type, Missing,
/// Range, Shape (sizes that do not fit together), Conflict (two fields that contradict each other), UnsupportedModel
/// (another architecture), Unsupported (a switch that is not implemented).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/model_config.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/json.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace format {

namespace detail {

/// What depends on the class: names, and the values of absent fields.
struct family_facts {
  model_family family;
  std::string_view architecture;
  std::string_view model_type;
  std::int64_t max_position_embeddings;
};
inline constexpr std::array<family_facts, 3> families{{
    {model_family::llama, "LlamaForCausalLM", "llama", 2048},
    {model_family::qwen2, "Qwen2ForCausalLM", "qwen2", 32768},
    {model_family::qwen3, "Qwen3ForCausalLM", "qwen3", 32768},
}};

[[nodiscard]] inline family_facts const& facts_of(model_family family) {
  return families[static_cast<std::size_t>(family)];
}

inline constexpr std::int64_t max_token_id = std::numeric_limits<std::int32_t>::max();

/// A token id, or nothing for an absent field.
[[nodiscard]] inline std::optional<std::int32_t> find_token_id(json_object const& object, std::string_view key,
                                                               std::int64_t most = max_token_id) {
  auto const id = object.find_integer(key, 0, most);
  return id ? std::optional(static_cast<std::int32_t>(*id)) : std::nullopt;
}

/// One token id or a list of them.
[[nodiscard]] inline std::vector<std::int32_t> token_ids(json_object const& object, std::string_view key,
                                                         std::int64_t most = max_token_id) {
  std::vector<std::int32_t> result;
  nlohmann::json const* const found = object.find(key);
  if (found == nullptr) return result;
  if (!found->is_array()) return {*find_token_id(object, key, most)};
  for (nlohmann::json const& item : *found) {
    result.push_back(static_cast<std::int32_t>(object.as_integer(item, object.name(key), 0, most)));
  }
  return result;
}

[[nodiscard]] inline family_facts const& read_family(json_object const& config) {
  std::optional<std::string> const type = config.find_string("model_type");
  family_facts const* by_type = nullptr;
  family_facts const* by_class = nullptr;
  std::string const expected = "llama, qwen2 or qwen3";
  if (type) {
    for (family_facts const& facts : families) by_type = facts.model_type == *type ? &facts : by_type;
    if (by_type == nullptr) config.fail("UnsupportedModel", "model_type", excerpt(*type), expected);
  }
  if (nlohmann::json const* const classes = config.find("architectures"); classes != nullptr) {
    if (!classes->is_array()) config.fail("Type", "architectures", json_object::describe(*classes), "a list of names");
    for (nlohmann::json const& name : *classes) {
      if (!name.is_string()) config.fail("Type", "architectures", json_object::describe(name), "a list of names");
      family_facts const* known = nullptr;
      for (family_facts const& facts : families) known = facts.architecture == name ? &facts : known;
      if (known == nullptr) {
        config.fail("UnsupportedModel", "architectures", json_object::describe(name),
                    "LlamaForCausalLM, Qwen2ForCausalLM or Qwen3ForCausalLM");
      }
      if ((by_class != nullptr && by_class != known) || (by_type != nullptr && by_type != known)) {
        config.fail("Conflict", "architectures", json_object::describe(name), "the class that belongs to the others");
      }
      by_class = known;
    }
  }
  if (by_type == nullptr && by_class == nullptr) config.fail("Missing", "model_type", "nothing", expected);
  return by_type != nullptr ? *by_type : *by_class;
}

/// One of the two spellings of rotary scaling.
[[nodiscard]] inline rope_scaling read_rope_kind(json_object const& rope) {
  std::optional<std::string> kind = rope.find_string("rope_type");
  std::optional<std::string> const old_kind = rope.find_string("type");
  if (kind && old_kind && *kind != *old_kind) {
    rope.fail("Conflict", rope.name("type"), excerpt(*old_kind), excerpt(*kind) + " as in rope_type");
  }
  if (!kind) kind = old_kind;
  if (!kind && rope.has("factor")) rope.fail("Missing", rope.name("rope_type"), "nothing", "the kind of scaling");
  rope_scaling result;
  if (!kind || *kind == "default") return result;
  auto const required = [&](std::string_view key, double least) {
    static_cast<void>(rope.at(key));
    std::optional<double> const number = rope.find_number(key);
    if (!number) rope.fail("Type", rope.name(key), "null", "a number");
    if (!(*number >= least) || *number == 0) {
      rope.fail("Range", rope.name(key), std::to_string(*number), least > 0 ? "at least 1" : "a positive number");
    }
    return *number;
  };
  if (*kind == "linear") {
    result.kind = rope_scaling_kind::linear;
    result.factor = required("factor", 1);
  } else if (*kind == "llama3") {
    result.kind = rope_scaling_kind::llama3;
    result.factor = required("factor", 1);
    result.low_freq_factor = required("low_freq_factor", 0);
    result.high_freq_factor = required("high_freq_factor", 0);
    if (!(result.high_freq_factor > result.low_freq_factor)) {
      rope.fail("Range", rope.name("high_freq_factor"), std::to_string(result.high_freq_factor),
                "more than low_freq_factor " + std::to_string(result.low_freq_factor));
    }
    result.original_max_position_embeddings =
        rope.integer("original_max_position_embeddings", 1, std::int64_t{1} << 30);
  } else {
    rope.fail("Unsupported", rope.name("rope_type"), excerpt(*kind), "default, linear or llama3");
  }
  return result;
}

inline void check_partial_rotation(json_object const& object) {
  if (auto const part = object.find_number("partial_rotary_factor"); part && *part != 1.0) {
    object.fail("Unsupported", object.name("partial_rotary_factor"), std::to_string(*part), "1");
  }
}

inline void read_rope(json_object const& config, model_config& result) {
  auto const theta_of = [](json_object const& object) {
    std::optional<double> const theta = object.find_number("rope_theta");
    if (theta && !(*theta > 0)) object.fail("Range", object.name("rope_theta"), std::to_string(*theta), "above 0");
    return theta;
  };
  std::optional<double> theta = theta_of(config);
  std::optional<rope_scaling> scaling;
  check_partial_rotation(config);
  if (config.has("rope_scaling")) {
    json_object const rope = config.object("rope_scaling");
    scaling = read_rope_kind(rope);
    check_partial_rotation(rope);
    if (auto const inner = theta_of(rope); inner && theta && *inner != *theta) {
      rope.fail("Conflict", rope.name("rope_theta"), std::to_string(*inner), std::to_string(*theta) + " as outside");
    } else if (inner) {
      theta = inner;
    }
  }
  if (config.has("rope_parameters")) {
    json_object const rope = config.object("rope_parameters");
    for (auto const& [key, value] : rope.value().items()) {
      if (value.is_object()) rope.fail("Unsupported", rope.name(key), "parameters per kind of layer", "one set");
    }
    rope_scaling const newer = read_rope_kind(rope);
    check_partial_rotation(rope);
    if (scaling && !(*scaling == newer)) {
      rope.fail("Conflict", "rope_parameters", "another scaling than in rope_scaling", "the same");
    }
    scaling = newer;
    if (auto const inner = theta_of(rope); inner && theta && *inner != *theta) {
      rope.fail("Conflict", rope.name("rope_theta"), std::to_string(*inner), std::to_string(*theta) + " as outside");
    } else if (inner) {
      theta = inner;
    }
  }
  result.rope_theta = theta.value_or(10000.0);
  result.scaling = scaling.value_or(rope_scaling{});
}

/// Sliding windows are allowed where no layer uses one.
inline void check_full_attention(json_object const& config, family_facts const& facts, std::int64_t layers) {
  bool const used = config.find_boolean("use_sliding_window").value_or(false);
  auto const window = config.find_integer("sliding_window", 0, std::int64_t{1} << 40);
  auto const first = config.find_integer("max_window_layers", 0, 1 << 20);
  if (nlohmann::json const* const types = config.find("layer_types"); types != nullptr) {
    if (!types->is_array()) config.fail("Type", "layer_types", json_object::describe(*types), "a list of names");
    if (types->size() != static_cast<std::size_t>(layers)) {
      config.fail("Shape", "layer_types", std::to_string(types->size()) + " layers", std::to_string(layers));
    }
    for (nlohmann::json const& type : *types) {
      if (!type.is_string()) config.fail("Type", "layer_types", json_object::describe(type), "a name");
      if (type != "full_attention") {
        config.fail("Unsupported", "layer_types", json_object::describe(type), "full_attention");
      }
    }
    return;
  }
  if (facts.family != model_family::llama && used && window && first.value_or(28) < layers) {
    config.fail("Unsupported", "use_sliding_window", "true", "false: every layer attends to all tokens");
  }
}

inline void check_switches(json_object const& config) {
  auto const activation = config.find_string("hidden_act").value_or("silu");
  if (activation != "silu" && activation != "swish") {
    config.fail("Unsupported", "hidden_act", excerpt(activation), "silu");
  }
  for (char const* const key : {"mlp_bias", "rope_interleaved"}) {
    if (config.find_boolean(key).value_or(false)) config.fail("Unsupported", key, "true", "false");
  }
  if (config.has("quantization_config")) {
    config.fail("Unsupported", "quantization_config", "quantized weights", "F32, BF16 or F16");
  }
  auto const old_type = config.find_string("torch_dtype");
  auto const new_type = config.find_string("dtype");
  if (old_type && new_type && *old_type != *new_type) {
    config.fail("Conflict", "dtype", excerpt(*new_type), excerpt(*old_type) + " as in torch_dtype");
  }
  for (auto const& type : {old_type, new_type}) {
    bool const known = !type || *type == "float32" || *type == "bfloat16" || *type == "float16" || *type == "auto";
    if (!known) config.fail("Unsupported", "dtype", excerpt(*type), "float32, bfloat16 or float16");
  }
}

}  // namespace detail

/// @param file  for messages  @throws format_error
[[nodiscard]] inline model_config parse_model_config(nlohmann::json const& value, std::string const& file) {
  json_object const config(value, file);
  detail::family_facts const& facts = detail::read_family(config);
  constexpr std::int64_t widest = std::int64_t{1} << 24;
  model_config result;
  result.family = facts.family;
  result.vocab_size = config.integer("vocab_size", 1, widest);
  result.hidden_size = config.integer("hidden_size", 1, widest);
  result.intermediate_size = config.integer("intermediate_size", 1, widest);
  result.num_hidden_layers = config.integer("num_hidden_layers", 1, 4096);
  result.num_attention_heads = config.integer("num_attention_heads", 1, 65536);
  result.num_key_value_heads =
      config.find_integer("num_key_value_heads", 1, 65536).value_or(result.num_attention_heads);
  if (result.num_attention_heads % result.num_key_value_heads != 0) {
    config.fail("Shape", "num_key_value_heads", std::to_string(result.num_key_value_heads),
                "a divisor of num_attention_heads " + std::to_string(result.num_attention_heads));
  }
  auto head_dim = config.find_integer("head_dim", 1, 65536);
  // Qwen3's class sets 128; null, there and in the other classes, means the quotient.
  bool const has_default = facts.family == model_family::qwen3 && !config.value().contains("head_dim");
  if (!head_dim && has_default) head_dim = 128;
  if (!head_dim && result.hidden_size % result.num_attention_heads != 0) {
    config.fail("Shape", "num_attention_heads", std::to_string(result.num_attention_heads),
                "a divisor of hidden_size " + std::to_string(result.hidden_size) + ", as there is no head_dim");
  }
  result.head_dim = head_dim.value_or(result.hidden_size / result.num_attention_heads);
  if (result.head_dim % 2 != 0) {
    config.fail("Shape", "head_dim", std::to_string(result.head_dim), "an even number");
  }
  result.rms_norm_eps = config.find_number("rms_norm_eps").value_or(1e-6);
  if (!(result.rms_norm_eps > 0 && result.rms_norm_eps < 1)) {
    config.fail("Range", "rms_norm_eps", nlohmann::json(result.rms_norm_eps).dump(), "a number in (0, 1)");
  }
  result.max_position_embeddings =
      config.find_integer("max_position_embeddings", 1, std::int64_t{1} << 30).value_or(facts.max_position_embeddings);
  detail::read_rope(config, result);
  detail::check_full_attention(config, facts, result.num_hidden_layers);
  detail::check_switches(config);
  result.tie_word_embeddings = config.find_boolean("tie_word_embeddings").value_or(false);
  bool const attention_bias = config.find_boolean("attention_bias").value_or(false);
  result.qkv_bias = facts.family == model_family::qwen2 || attention_bias;
  result.output_bias = facts.family != model_family::qwen2 && attention_bias;
  result.qk_norm = facts.family == model_family::qwen3;
  result.eos_token_ids = detail::token_ids(config, "eos_token_id", result.vocab_size - 1);
  result.bos_token_id = detail::find_token_id(config, "bos_token_id", result.vocab_size - 1);
  // Old Llama files say -1 where there is none.
  if (auto const pad = config.find_integer("pad_token_id", -1, result.vocab_size - 1); pad && *pad >= 0) {
    result.pad_token_id = static_cast<std::int32_t>(*pad);
  }
  try {
    result.validate();
  } catch (argument_error const& reason) {
    config.fail("Range", "model", reason.what(), "sizes this library can hold");
  }
  return result;
}

/// @throws io_error, format_error
[[nodiscard]] inline model_config read_model_config(std::string const& path) {
  return parse_model_config(read_json(path, std::size_t{1} << 24), path);
}

/// The text of a config.json that Hugging Face's transformers (4 and 5) load as the same model.
/// @throws argument_error if the configuration contradicts itself or its family has no such switch
[[nodiscard]] inline std::string model_config_text(model_config const& config) {
  config.validate();
  detail::family_facts const& facts = detail::facts_of(config.family);
  bool const is_qwen2 = config.family == model_family::qwen2;
  if (config.qk_norm != (config.family == model_family::qwen3)) {
    throw argument_error("qk_norm: Qwen3 alone has it, and has it always");
  }
  if (is_qwen2 ? !config.qkv_bias || config.output_bias : config.qkv_bias != config.output_bias) {
    throw argument_error("biases: Qwen2 has them on q, k and v; Llama and Qwen3 on all four projections or none");
  }
  nlohmann::ordered_json out;
  out["architectures"] = {facts.architecture};
  out["model_type"] = facts.model_type;
  out["vocab_size"] = config.vocab_size;
  out["hidden_size"] = config.hidden_size;
  out["intermediate_size"] = config.intermediate_size;
  out["num_hidden_layers"] = config.num_hidden_layers;
  out["num_attention_heads"] = config.num_attention_heads;
  out["num_key_value_heads"] = config.num_key_value_heads;
  out["head_dim"] = config.head_dim;
  out["hidden_act"] = "silu";
  out["rms_norm_eps"] = config.rms_norm_eps;
  out["max_position_embeddings"] = config.max_position_embeddings;
  out["rope_theta"] = config.rope_theta;
  nlohmann::ordered_json& rope = out["rope_scaling"];
  if (config.scaling.kind != rope_scaling_kind::none) {
    rope["rope_type"] = config.scaling.kind == rope_scaling_kind::linear ? "linear" : "llama3";
    rope["factor"] = config.scaling.factor;
    if (config.scaling.kind == rope_scaling_kind::llama3) {
      rope["low_freq_factor"] = config.scaling.low_freq_factor;
      rope["high_freq_factor"] = config.scaling.high_freq_factor;
      rope["original_max_position_embeddings"] = config.scaling.original_max_position_embeddings;
    }
  }
  out["tie_word_embeddings"] = config.tie_word_embeddings;
  if (!is_qwen2) out["attention_bias"] = config.qkv_bias;
  if (config.family == model_family::llama) out["mlp_bias"] = false;
  if (config.family != model_family::llama) out["use_sliding_window"] = false;
  auto const id = [](std::optional<std::int32_t> const& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  };
  out["bos_token_id"] = id(config.bos_token_id);
  out["eos_token_id"] = config.eos_token_ids.size() == 1 ? nlohmann::ordered_json(config.eos_token_ids.front())
                        : config.eos_token_ids.empty()   ? nlohmann::ordered_json()
                                                         : nlohmann::ordered_json(config.eos_token_ids);
  out["pad_token_id"] = id(config.pad_token_id);
  out["torch_dtype"] = "float32";
  return out.dump(2) + "\n";
}

/// @throws argument_error, io_error
inline void write_model_config(std::string const& path, model_config const& config,
                               file_operations const& operations = system_files) {
  atomic_write(path, model_config_text(config), operations);
}

}  // namespace format
RLVR_NAMESPACE_END
