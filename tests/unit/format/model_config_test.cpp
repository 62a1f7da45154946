// SPDX-License-Identifier: MIT
#include <rlvr/format/generation_config.hpp>
#include <rlvr/format/model_config.hpp>

#include <filesystem>
#include <string>
#include <support/catch.hpp>
#include <unit/data/shared_data.hpp>

using namespace rlvr;
using namespace rlvr::format;

namespace {

nlohmann::json valid(std::string const& type = "llama") {
  return {{"model_type", type},       {"hidden_size", 64},        {"intermediate_size", 128}, {"num_hidden_layers", 2},
          {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"vocab_size", 512}};
}

model_config parse(nlohmann::json const& value) { return parse_model_config(value, "config.json"); }

std::string code_of(nlohmann::json const& value) {
  try {
    static_cast<void>(parse(value));
    return "";
  } catch (format_error const& reason) {
    return reason.code();
  }
}

nlohmann::json with(nlohmann::json value, std::string const& key, nlohmann::json const& item) {
  value[key] = item;
  return value;
}

}  // namespace

TEST_CASE("defaults follow the class") {
  model_config const llama = parse(valid());
  CHECK(llama.head_dim == 16);
  CHECK(llama.rms_norm_eps == 1e-6);
  CHECK_FALSE(llama.qkv_bias);
  model_config const qwen2 = parse(valid("qwen2"));
  CHECK(qwen2.qkv_bias);
  CHECK_FALSE(qwen2.output_bias);
  model_config const qwen3 = parse(valid("qwen3"));
  CHECK(qwen3.head_dim == 128);
  CHECK(qwen3.qk_norm);
  CHECK(parse(with(valid("qwen3"), "head_dim", nullptr)).head_dim == 16);
  CHECK(parse(with(valid(), "attention_bias", true)).output_bias);
}

TEST_CASE("both generations of keys are read, and contradictions refused") {
  nlohmann::json const linear = {{"rope_type", "linear"}, {"factor", 2}};
  model_config const older = parse(with(with(valid(), "rope_theta", 5e5), "rope_scaling", linear));
  CHECK(older.scaling.kind == rope_scaling_kind::linear);
  CHECK(older.rope_theta == 5e5);
  nlohmann::json newer = linear;
  newer["rope_theta"] = 5e5;
  CHECK(parse(with(valid(), "rope_parameters", newer)) == older);
  CHECK(code_of(with(with(valid(), "rope_theta", 1e4), "rope_parameters", newer)) == "Conflict");
  CHECK(code_of(with(with(valid(), "rope_scaling", {{"rope_type", "linear"}, {"factor", 4}}), "rope_parameters",
                     newer)) == "Conflict");
  CHECK(code_of(with(valid(), "rope_scaling", {{"rope_type", "linear"}, {"type", "llama3"}, {"factor", 4}})) ==
        "Conflict");
  CHECK(parse(with(valid(), "rope_scaling", {{"type", "linear"}, {"factor", 4.0}})).scaling.factor == 4);
  CHECK(code_of(with(valid(), "rope_scaling", {{"rope_type", "linear"}})) == "Missing");
  CHECK(code_of(with(valid(), "rope_scaling", {{"rope_type", "linear"}, {"factor", 0.5}})) == "Range");
  CHECK(code_of(with(valid(), "rope_scaling", {{"rope_type", "yarn"}, {"factor", 4}})) == "Unsupported");
  CHECK(code_of(with(valid(), "rope_scaling", "linear")) == "Type");
  CHECK(code_of(with(with(valid(), "dtype", "float32"), "torch_dtype", "bfloat16")) == "Conflict");
  CHECK(code_of(with(valid("qwen2"), "architectures", {"LlamaForCausalLM"})) == "Conflict");
}

TEST_CASE("what is not implemented is refused, what has no effect is not") {
  nlohmann::json window = with(with(valid("qwen2"), "sliding_window", 16), "max_window_layers", 1);
  CHECK(code_of(with(window, "use_sliding_window", false)).empty());
  CHECK(code_of(with(window, "use_sliding_window", true)) == "Unsupported");
  CHECK(code_of(with(with(window, "use_sliding_window", true), "max_window_layers", 2)).empty());
  CHECK(code_of(with(valid("qwen2"), "layer_types", {"full_attention", "sliding_attention"})) == "Unsupported");
  CHECK(code_of(with(valid("qwen2"), "layer_types", {"full_attention"})) == "Shape");
  CHECK(code_of(with(valid(), "mlp_bias", true)) == "Unsupported");
  CHECK(code_of(with(valid(), "partial_rotary_factor", 0.5)) == "Unsupported");
  CHECK(code_of(with(valid(), "quantization_config", nlohmann::json::object())) == "Unsupported");
  CHECK(code_of(with(valid(), "hidden_act", "gelu")) == "Unsupported");
}

TEST_CASE("sizes and ids are checked by type and range") {
  CHECK(code_of(nlohmann::json::array()) == "Type");
  CHECK(code_of(with(valid(), "hidden_size", 64.0)) == "Type");
  CHECK(code_of(with(valid(), "hidden_size", true)) == "Type");
  CHECK(code_of(with(valid(), "hidden_size", 18446744073709551615u)) == "Range");
  CHECK(code_of(with(valid(), "hidden_size", 1e300)) == "Range");
  CHECK(code_of(with(valid(), "head_dim", 15)) == "Shape");
  CHECK(code_of(with(valid(), "rope_theta", 0)) == "Range");
  CHECK(code_of(with(valid(), "eos_token_id", 512)) == "Range");
  CHECK(code_of(with(valid(), "eos_token_id", {1, -1})) == "Range");
  CHECK(code_of(with(valid(), "eos_token_id", "2")) == "Type");
  CHECK(parse(with(valid(), "pad_token_id", -1)).pad_token_id == std::nullopt);
  for (char const* const key : {"model_type", "hidden_size", "vocab_size", "num_hidden_layers"}) {
    nlohmann::json value = valid();
    value.erase(key);
    CHECK(code_of(value) == "Missing");
  }
}

TEST_CASE("the reference checkpoints' files are read, and what is written reads back as the same") {
  auto const models = shared_data("models");
  if (!models) return;
  std::size_t count = 0;
  for (auto const& entry : std::filesystem::directory_iterator(*models)) {
    if (!entry.is_directory()) continue;
    CAPTURE(entry.path());
    model_config const config = read_model_config((entry.path() / "config.json").string());
    CHECK(parse_model_config(parse_json(model_config_text(config), "x"), "x") == config);
    nlohmann::json const golden = read_json((entry.path() / "golden.json").string());
    CHECK(config.head_dim == golden["head_dim"].get<std::int64_t>());
    CHECK(config.vocab_size == golden["vocab_size"].get<std::int64_t>());
    CHECK(config.tie_word_embeddings == golden["tied"].get<bool>());
    generation_config const generation = read_generation_config((entry.path() / "generation_config.json").string());
    CHECK_FALSE(generation.eos_token_ids.empty());
    CHECK(parse_generation_config(parse_json(generation_config_text(generation), "x"), "x") == generation);
    ++count;
  }
  CHECK(count >= 6);
}

TEST_CASE("a configuration that its class cannot express is not written") {
  model_config config = parse(valid("qwen2"));
  config.output_bias = true;
  CHECK_THROWS_AS(model_config_text(config), argument_error);
  config = parse(valid());
  config.qk_norm = true;
  CHECK_THROWS_AS(model_config_text(config), argument_error);
}

TEST_CASE("sampling values are checked") {
  auto const code = [](nlohmann::json const& value) {
    try {
      static_cast<void>(parse_generation_config(value, "x"));
      return std::string();
    } catch (format_error const& reason) {
      return reason.code();
    }
  };
  CHECK(code({{"do_sample", false}, {"temperature", 0.0}}).empty());
  CHECK(code({{"do_sample", true}, {"temperature", -1}}) == "Range");
  CHECK(code({{"top_p", 1.5}}) == "Range");
  CHECK(code({{"top_k", -1}}) == "Range");
  CHECK(code({{"top_k", "20"}}) == "Type");
  CHECK(code({{"repetition_penalty", 0}}) == "Range");
}
