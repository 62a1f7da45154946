// SPDX-License-Identifier: MIT
// Folders of weights: what is written is read back bit for bit, and a folder that does not fit is refused by name.
#include <rlvr/train/pretrained.hpp>

#include "model_support.hpp"
#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>
#include <support/catch.hpp>
#include <unistd.h>

using namespace model_support;
using rlvr::format::named_tensor;

namespace {

/// A folder that goes away.
struct temporary_folder {
  std::string path;

  temporary_folder() {
    static int count = 0;
    path = (std::filesystem::temp_directory_path() /
            ("rlvr_pretrained_" + std::to_string(::getpid()) + "_" + std::to_string(count++)))
               .string();
    std::filesystem::create_directories(path);
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// Saves a model whose tensors were changed.
void save_changed(std::string const& folder, learner const& model,
                  std::function<void(std::vector<named_tensor>&)> const& change) {
  rlvr::train::save_pretrained(folder, model.weights(), model.context());
  std::vector<named_tensor> tensors;
  for (auto const& info : model.weights().layout().tensors())
    tensors.push_back({info.name, info.shape, model.weights().values(info)});
  change(tensors);
  rlvr::format::write_safetensors(folder + "/model.safetensors", tensors);
}

named_tensor& find(std::vector<named_tensor>& tensors, std::string const& name) {
  return *std::find_if(tensors.begin(), tensors.end(), [&](auto const& tensor) { return tensor.name == name; });
}

std::string message_of(std::string const& folder) {
  try {
    rlvr::cpu::context context(1);
    static_cast<void>(rlvr::train::load_pretrained(folder, context));
  } catch (rlvr::error const& reason) {
    return reason.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a saved model is read back bit for bit, with its configuration and end tokens") {
  for (auto const family : families) {
    INFO("family " << static_cast<int>(family));
    rlvr::cpu::context context(1);
    learner model(context, tiny(family));
    randomise(model, 1);
    temporary_folder const folder;
    rlvr::train::save_pretrained(folder.path, model.weights(), context);
    auto const loaded = rlvr::train::load_pretrained(folder.path, context);
    CHECK(loaded.config() == model.weights().config());
    CHECK(bits(loaded.arena()) == bits(model.weights().arena()));
    auto const generation = rlvr::format::read_generation_config(folder.path + "/generation_config.json");
    CHECK(generation.eos_token_ids == ids{1});
    CHECK_FALSE(generation.do_sample);
  }
}

TEST_CASE("a folder that does not fit its configuration is refused with tensor, found and expected") {
  rlvr::cpu::context context(1);
  learner model(context, tiny(rlvr::model_family::qwen2));  // tied
  randomise(model, 2);
  temporary_folder const folder;
  std::string const norm = "model.norm.weight";
  std::vector<float> const some(20 * 37, 0.5f);
  std::vector<float> broken(20, 1.0f);

  save_changed(folder.path, model, [&](auto& tensors) { find(tensors, norm).name = "model.norm.bias"; });
  CHECK(message_of(folder.path) ==
        folder.path + ": tensor \"model.norm.weight\": found no such tensor, expected shape [20] by config.json");

  save_changed(folder.path, model, [&](auto& tensors) { find(tensors, norm).shape = {4, 5}; });
  CHECK(message_of(folder.path) ==
        folder.path + ": tensor \"model.norm.weight\": found shape [4, 5], expected [20] by config.json");

  save_changed(folder.path, model, [&](auto& tensors) {
    tensors.push_back({"model.layers.0.self_attn.o_proj.bias", {20}, broken});
  });
  CHECK(message_of(folder.path)
            .find("tensor \"model.layers.0.self_attn.o_proj.bias\": found a tensor that config.json "
                  "has no place for") != std::string::npos);

  broken[3] = std::numeric_limits<float>::quiet_NaN();
  save_changed(folder.path, model, [&](auto& tensors) { find(tensors, norm).values = broken; });
  CHECK(message_of(folder.path) ==
        folder.path + ": tensor \"model.norm.weight\", element 3: found NaN, expected a finite number");

  save_changed(folder.path, model, [&](auto& tensors) { tensors.push_back({"lm_head.weight", {37, 20}, some}); });
  CHECK(message_of(folder.path) ==
        folder.path +
            ": tensor \"lm_head.weight\": found other values than in model.embed_tokens.weight, expected the "
            "same or none, as config.json says tie_word_embeddings");

  std::filesystem::remove(folder.path + "/model.safetensors");
  CHECK(message_of(folder.path).find("expected one of them") != std::string::npos);
  CHECK(message_of(folder.path + "/nowhere").find("cannot open") != std::string::npos);
}

TEST_CASE("what old files carry besides is no error") {
  rlvr::cpu::context context(1);
  learner model(context, tiny(rlvr::model_family::qwen2));
  randomise(model, 2);
  temporary_folder const folder;
  std::vector<float> const frequencies(3, 1.0f);
  auto const& embedding = model.weights().layout().tensors().front();
  save_changed(folder.path, model, [&](auto& tensors) {
    tensors.push_back({"lm_head.weight", embedding.shape, model.weights().values(embedding)});
    tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", {3}, frequencies});
  });
  CHECK(message_of(folder.path) == "no error");
}

TEST_CASE("checkpoints in BF16 and in shards load") {
  rlvr::cpu::context context(1);
  CHECK(rlvr::train::load_pretrained(RLVR_TEST_DATA "/models/tiny-smollm2", context).arena().size() == 129672);
  CHECK(rlvr::train::load_pretrained(RLVR_TEST_DATA "/models/tiny-llama-sharded", context).arena().size() == 39136);
}
