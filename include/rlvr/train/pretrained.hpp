// SPDX-License-Identifier: MIT
/// @file
/// Weights to and from folders in Hugging Face's layout: config.json with model.safetensors or its shards.
///
/// Reading is strict, because a wrong tensor shows up only as a worse model: every tensor of the configuration must be
/// there with its shape, as F32, BF16 or F16 (widened exactly), and finite; one that the configuration has no place for
/// is refused.  Two exceptions, both harmless: `*.rotary_emb.inv_freq`, which old files carry and which the
/// configuration determines, and a stored `lm_head.weight` of a tied model if it equals the embedding.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/core/model_config.hpp>
#include <rlvr/format/generation_config.hpp>
#include <rlvr/format/model_config.hpp>
#include <rlvr/format/safetensors_folder.hpp>
#include <rlvr/format/safetensors_writer.hpp>
#include <rlvr/model/parameters.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace train {

namespace detail {

inline constexpr std::string_view head_name = "lm_head.weight";
inline constexpr std::string_view embedding_name = "model.embed_tokens.weight";

/// "[272, 48]"
template <class Extent>
[[nodiscard]] std::string shape_text(std::vector<Extent> const& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

[[nodiscard]] inline std::string tensor_place(std::string_view name) {
  return "tensor " + format::detail::excerpt(name);
}

/// Compares names and shapes; reads headers alone.
inline void check_tensors(std::string const& folder, format::safetensors_folder const& files,
                          model::parameter_layout const& layout) {
  std::unordered_set<std::string_view> known;
  for (model::parameter_info const& info : layout.tensors()) {
    known.insert(info.name);
    format::safetensors_entry const* const entry = files.find(info.name);
    if (entry == nullptr) {
      throw format_error("MissingTensor", folder, tensor_place(info.name), "no such tensor",
                         "shape " + shape_text(info.shape) + " by config.json");
    }
    if (!std::equal(entry->shape.begin(), entry->shape.end(), info.shape.begin(), info.shape.end())) {
      throw format_error("Shape", folder, tensor_place(info.name), "shape " + shape_text(entry->shape),
                         shape_text(info.shape) + " by config.json");
    }
  }
  for (std::string const& name : files.names()) {
    bool const tied_head = layout.config().tie_word_embeddings && name == head_name;
    if (known.contains(name) || tied_head || name.ends_with(".rotary_emb.inv_freq")) continue;
    throw format_error("UnexpectedTensor", folder, tensor_place(name), "a tensor that config.json has no place for",
                       "the " + std::to_string(layout.tensors().size()) + " tensors of its model");
  }
}

/// One tensor, finite.
inline void read_finite(std::string const& folder, format::safetensors_folder const& files, std::string_view name,
                        std::span<float> values) {
  files.read_f32(name, values);
  auto const bad =
      std::find_if_not(values.begin(), values.end(), [](float const value) { return std::isfinite(value); });
  if (bad == values.end()) return;
  throw numeric_error(folder + ": " + tensor_place(name) + ", element " + std::to_string(bad - values.begin()) +
                      ": found " + (std::isnan(*bad) ? "NaN" : "an infinity") + ", expected a finite number");
}

}  // namespace detail

/// The configuration of a folder.  The headers of the weights are compared with it, so that whoever allocates by it
/// allocates no more than the files hold.
/// @throws io_error, format_error naming file, field or tensor, found and expected
[[nodiscard]] inline model_config load_config(std::string const& folder) {
  model_config config = format::read_model_config(folder + "/config.json");
  detail::check_tensors(folder, format::safetensors_folder(folder), model::parameter_layout(config));
  return config;
}

/// Fills weights from a folder.
/// @throws io_error; format_error MissingTensor, Shape, UnexpectedTensor, Conflict (a tied model with a head of its
///         own); unsupported_error for other element types; numeric_error for NaN and infinities
template <class Context>
void load_weights(std::string const& folder, model::parameters<typename Context::memory>& weights, Context& context) {
  format::safetensors_folder const files(folder);
  detail::check_tensors(folder, files, weights.layout());
  std::vector<float> values;
  std::vector<float> head;
  for (model::parameter_info const& info : weights.layout().tensors()) {
    values.resize(info.size());
    detail::read_finite(folder, files, info.name, values);
    context.upload(weights.values(info).data(), values.data(), values.size());
    bool const is_tied = weights.config().tie_word_embeddings && info.name == detail::embedding_name;
    format::safetensors_entry const* const stray = is_tied ? files.find(detail::head_name) : nullptr;
    if (stray == nullptr) continue;
    bool same = std::equal(stray->shape.begin(), stray->shape.end(), info.shape.begin(), info.shape.end());
    if (same) {
      head.resize(values.size());
      files.read_f32(detail::head_name, head);
      same = std::equal(head.begin(), head.end(), values.begin());
    }
    if (!same) {
      throw format_error("Conflict", folder, detail::tensor_place(detail::head_name),
                         "other values than in " + std::string(detail::embedding_name),
                         "the same or none, as config.json says tie_word_embeddings");
    }
  }
}

/// The weights of a folder.  @throws as load_config and load_weights
template <class Context>
[[nodiscard]] model::parameters<typename Context::memory> load_pretrained(std::string const& folder, Context& context) {
  model::parameters<typename Context::memory> weights(load_config(folder));
  load_weights(folder, weights, context);
  return weights;
}

/// Writes config.json, model.safetensors (F32) and generation_config.json into an existing folder, each replaced as a
/// whole; Hugging Face's transformers load them.  The tokenizer's files are the caller's.
/// @throws io_error, argument_error if the configuration is none of a known family
template <class Context>
void save_pretrained(std::string const& folder, model::parameters<typename Context::memory> const& weights,
                     Context& context, format::file_operations const& operations = format::system_files) {
  model_config const& config = weights.config();
  std::string const text = format::model_config_text(config);  // refuses before anything is written
  std::vector<float> values(weights.layout().size());
  context.download(values.data(), weights.arena().data(), values.size());
  std::vector<format::named_tensor> tensors;
  for (model::parameter_info const& info : weights.layout().tensors())
    tensors.push_back({info.name, info.shape, std::span<float const>(values).subspan(info.offset, info.size())});
  format::write_safetensors(folder + "/model.safetensors", std::move(tensors), {{"format", "pt"}}, operations);
  format::atomic_write(folder + "/config.json", text, operations);
  format::generation_config generation;
  generation.eos_token_ids = config.eos_token_ids;
  generation.bos_token_id = config.bos_token_id;
  generation.pad_token_id = config.pad_token_id;
  format::write_generation_config(folder + "/generation_config.json", generation, operations);
}

}  // namespace train
RLVR_NAMESPACE_END
