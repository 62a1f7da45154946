// SPDX-License-Identifier: MIT
/// @file
/// One question for all formats: can this file be read, and if not, what is wrong with it?
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/format/generation_config.hpp>
#include <rlvr/format/model_config.hpp>
#include <rlvr/format/safetensors.hpp>
#include <rlvr/format/safetensors_folder.hpp>
#include <rlvr/format/tokenizer_json.hpp>

#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

RLVR_NAMESPACE_BEGIN
namespace format {

struct inspect_result {
  bool ok = false;
  std::string error_class;  ///< the error's code, "Io" if the system refused, empty if all is well
  std::string message;      ///< one line: file, place, found, expected; or what was read
};

/// Reads a file or folder as strictly as the loaders do.
/// @param kind  safetensors, tokenizer, config, checkpoint (a folder) or generation_config
/// @throws argument_error for another kind
[[nodiscard]] inline inspect_result inspect(std::string_view kind, std::string const& path) {
  auto const read = [&]() -> std::string {
    if (kind == "safetensors") {
      return std::to_string(safetensors_file(path).entries().size()) + " tensors";
    }
    if (kind == "tokenizer") return std::to_string(read_tokenizer(path).vocab_size()) + " tokens";
    if (kind == "config") {
      return std::string(detail::facts_of(read_model_config(path).family).architecture);
    }
    if (kind == "generation_config") {
      return std::to_string(read_generation_config(path).eos_token_ids.size()) + " end tokens";
    }
    if (kind == "checkpoint") {
      std::error_code ignored;
      if (!std::filesystem::is_directory(path, ignored)) throw io_error(path, "cannot read: not a folder");
      std::size_t const tensors = safetensors_folder(path).names().size();
      std::filesystem::path const config = std::filesystem::path(path) / "config.json";
      if (std::filesystem::exists(config, ignored)) static_cast<void>(read_model_config(config.string()));
      return std::to_string(tensors) + " tensors";
    }
    throw argument_error("kind: found " + detail::excerpt(kind) +
                         ", expected safetensors, tokenizer, config, checkpoint or generation_config");
  };
  try {
    return {true, "", path + ": " + read()};
  } catch (format_error const& reason) {
    return {false, reason.code(), reason.what()};
  } catch (io_error const& reason) {
    return {false, "Io", reason.what()};
  } catch (std::bad_alloc const&) {
    return {false, "Memory", path + ": found more than fits into memory, expected a smaller file"};
  }
}

}  // namespace format
RLVR_NAMESPACE_END
