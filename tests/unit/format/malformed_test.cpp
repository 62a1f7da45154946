// SPDX-License-Identifier: MIT
// Every row of tests/malformed/manifest.jsonl: accepted or refused, with which class, and what must hold of it.
#include <rlvr/format/inspect.hpp>

#include <chrono>
#include <cmath>
#include <fstream>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::format;

namespace {

std::string const folder = std::string(RLVR_TEST_DATA) + "/malformed/";

std::vector<nlohmann::json> rows() {
  std::ifstream file(folder + "manifest.jsonl");
  std::vector<nlohmann::json> result;
  for (std::string line; std::getline(file, line);) result.push_back(nlohmann::json::parse(line));
  return result;
}

/// Is an error class among "A|B"?
bool is_expected(std::string const& found, std::string const& expected) {
  return ("|" + expected + "|").find("|" + found + "|") != std::string::npos;
}

}  // namespace

TEST_CASE("every malformed file is refused with its class, every odd but valid one is read") {
  auto const all = rows();
  REQUIRE(all.size() == 54);
  for (nlohmann::json const& row : all) {
    std::string const path = folder + row["path"].get<std::string>();
    CAPTURE(row["path"], row["why"]);
    auto const start = std::chrono::steady_clock::now();
    inspect_result const result = inspect(row["kind"].get<std::string>(), path);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
    CAPTURE(result.error_class, result.message);
    if (row.contains("divergence_allowed")) continue;
    CHECK(result.ok == (row["expect"] == "accept"));
    CHECK(result.message.find('\n') == std::string::npos);
    CHECK(result.message.find(path) == 0);  // names the file
    if (!result.ok) {
      CHECK(is_expected(result.error_class, row["error_class"].get<std::string>()));
      CHECK(result.message.find(", expected ") != std::string::npos);
    }
    if (row.contains("encode")) {
      text::tokenizer const tokenizer = read_tokenizer(path);
      for (auto const& [text, ids] : row["encode"].items()) {
        CHECK(tokenizer.encode(text, text::special_text::parse) == ids.get<std::vector<std::int32_t>>());
      }
    }
  }
}

TEST_CASE("the checks that the manifest states in words") {
  safetensors_file const unaligned(folder + "st/ok-unaligned-header.safetensors");
  std::vector<float> values(2);
  unaligned.read_f32(unaligned.entries().at(0).name, values);
  CHECK(values == std::vector<float>{1.5F, -2.0F});
  CHECK(safetensors_file(folder + "st/ok-nan-inf.safetensors").count_non_finite() == 3);

  CHECK(read_model_config(folder + "cfg/ok-eos-list.json").eos_token_ids == std::vector<std::int32_t>{2, 7});
  model_config const defaults = read_model_config(folder + "cfg/ok-defaults.json");
  CHECK(defaults.num_key_value_heads == 4);
  CHECK_FALSE(defaults.tie_word_embeddings);
  CHECK(defaults.rope_theta == 10000.0);
  CHECK(read_model_config(folder + "cfg/ok-qwen2.json").qkv_bias);
}

TEST_CASE("a refusal names the field") {
  CHECK(inspect("config", folder + "cfg/string-hidden.json").message.find("hidden_size") != std::string::npos);
  CHECK(inspect("config", folder + "cfg/unknown-arch.json").message.find("mamba") != std::string::npos);
  CHECK(inspect("safetensors", folder + "st/neg-shape.safetensors").message.find("shape") != std::string::npos);
  CHECK(inspect("generation_config", folder + "gen/temp-zero.json").message.find("temperature") != std::string::npos);
  CHECK(inspect("config", folder + "cfg/absent.json").error_class == "Io");
  CHECK(inspect("safetensors", folder + "cfg").error_class == "Io");
  CHECK_THROWS_AS(inspect("picture", folder + "cfg/ok-qwen2.json"), argument_error);
}

TEST_CASE("no single flipped byte of a valid file makes a reader fail otherwise than by a typed error") {
  for (auto const& [kind, name] : {std::pair<std::string, std::string>{"safetensors", "st/ok-two.safetensors"},
                                   {"tokenizer", "tok/ok-pair-merges.json"},
                                   {"config", "cfg/ok-qwen2.json"},
                                   {"generation_config", "gen/ok.json"}}) {
    std::string const valid = read_file(folder + name, 1 << 20);
    std::string const path =
        (std::filesystem::temp_directory_path() / ("rlvr-flip-" + std::to_string(::getpid()))).string();
    std::size_t refused = 0;
    for (std::size_t i = 0; i < valid.size(); i += 1 + valid.size() / 400) {
      std::string flipped = valid;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << i % 8));
      std::ofstream(path, std::ios::binary) << flipped;
      inspect_result const result = inspect(kind, path);
      if (!result.ok) {
        ++refused;
        CHECK_FALSE(result.error_class.empty());
      }
      std::ofstream(path, std::ios::binary) << valid.substr(0, i);
      CHECK_FALSE(inspect(kind, path).ok);
    }
    CHECK(refused > 0);
    std::filesystem::remove(path);
  }
}
