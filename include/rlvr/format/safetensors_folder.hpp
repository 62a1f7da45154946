// SPDX-License-Identifier: MIT
/// @file
/// The weights of a checkpoint folder: `model.safetensors`, or shards listed by `model.safetensors.index.json`.
///
/// Names of shards are names of files in the folder: separators, `..` and the like are refused before anything is
/// opened [Path].  Further codes: MissingFile, MissingTensor (the index names what the shard lacks), DuplicateTensor
/// (two shards hold it).  The index's total_size is advice and not compared.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/format/safetensors.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace format {

/// A checked folder.  Immutable: threads may share it.
class safetensors_folder {
 public:
  /// @param folder  a folder, or a single safetensors file
  /// @throws io_error, format_error
  explicit safetensors_folder(std::string const& folder) : folder_(folder) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) {
      add_file(folder);
      return;
    }
    fs::path const single = fs::path(folder) / "model.safetensors";
    fs::path const index = fs::path(folder) / "model.safetensors.index.json";
    // As Hugging Face's loader does: the single file wins.
    if (fs::exists(single, ignored)) {
      add_file(single.string());
    } else if (fs::exists(index, ignored)) {
      add_shards(index.string());
    } else {
      throw format_error("MissingFile", folder, "model.safetensors", "neither it nor model.safetensors.index.json",
                         "one of them");
    }
  }

  /// All names, sorted.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (auto const& [name, shard] : shard_of_) result.push_back(name);
    return result;
  }
  /// The tensor of that name, or a null pointer.
  [[nodiscard]] safetensors_entry const* find(std::string_view name) const {
    auto const position = shard_of_.find(name);
    return position == shard_of_.end() ? nullptr : shards_[position->second].find(name);
  }
  /// As safetensors_file::read_f32.
  void read_f32(std::string_view name, std::span<float> values) const {
    auto const position = shard_of_.find(name);
    if (position == shard_of_.end()) {
      throw format_error("MissingTensor", folder_, "tensor " + detail::excerpt(name), "no such tensor", "this tensor");
    }
    shards_[position->second].read_f32(name, values);
  }
  [[nodiscard]] std::vector<safetensors_file> const& shards() const noexcept { return shards_; }

 private:
  void add_file(std::string const& path) {
    shards_.emplace_back(path);
    for (safetensors_entry const& entry : shards_.back().entries()) shard_of_.emplace(entry.name, 0);
  }

  void add_shards(std::string const& index_path) {
    nlohmann::json const value = read_json(index_path, std::size_t{1} << 28);
    json_object const index(value, index_path);
    json_object const weight_map = index.object("weight_map");
    std::set<std::string> files;
    for (auto const& [name, file] : weight_map.value().get_ref<nlohmann::json::object_t const&>()) {
      std::string const where = "weight_map, tensor " + detail::excerpt(name);
      if (!file.is_string()) weight_map.fail("Type", where, json_object::describe(file), "a file name");
      auto const& text = file.get_ref<std::string const&>();
      if (!detail::is_plain_name(text)) {
        weight_map.fail("Path", where, json_object::describe(file), "a file name without a path");
      }
      files.insert(text);
    }
    if (files.empty()) weight_map.fail("Missing", "weight_map", "no tensors", "at least one");
    std::map<std::string, std::size_t> position_of;
    for (std::string const& file : files) {
      std::string const path = (std::filesystem::path(folder_) / file).string();
      std::error_code ignored;
      if (!std::filesystem::is_regular_file(path, ignored)) {
        index.fail("MissingFile", "weight_map", "the shard " + detail::excerpt(file) + ", which is not there",
                   "the name of a file in this folder");
      }
      position_of.emplace(file, shards_.size());
      shards_.emplace_back(path);
    }
    std::map<std::string_view, std::string const*> holder;
    for (safetensors_file const& shard : shards_) {
      for (safetensors_entry const& entry : shard.entries()) {
        auto const [other, is_new] = holder.emplace(entry.name, &shard.path());
        if (!is_new) {
          index.fail("DuplicateTensor", "tensor " + detail::excerpt(entry.name),
                     "it in " + *other->second + " and " + shard.path(), "it in one shard");
        }
      }
    }
    for (auto const& [name, file] : weight_map.value().get_ref<nlohmann::json::object_t const&>()) {
      std::size_t const position = position_of.at(file.get_ref<std::string const&>());
      if (shards_[position].find(name) == nullptr) {
        index.fail("MissingTensor", "weight_map, tensor " + detail::excerpt(name),
                   "a shard without it: " + json_object::describe(file), "the shard that holds it");
      }
      shard_of_.emplace(name, position);
    }
  }

  std::string folder_;
  std::vector<safetensors_file> shards_;
  std::map<std::string, std::size_t, std::less<>> shard_of_;
};

}  // namespace format
RLVR_NAMESPACE_END
