// SPDX-License-Identifier: MIT
/// @file
/// Checkpoints as folders that are there whole or not at all.
///
/// A writer fills `NAME.tmp.<pid>/`; commit() syncs the files, writes `manifest.json` with their sizes and checksums
/// last, syncs the folder, renames it to `NAME`, syncs the root, points the file `latest` at it and removes all but the
/// newest checkpoints.  A kill at any point leaves the earlier ones whole; what it leaves behind is removed by the next
/// writer.  A reader verifies every size and checksum and falls back to the newest checkpoint that is whole.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/format/crc64.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/format/safetensors.hpp>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace format {

namespace detail {

inline constexpr char const* manifest_name = "manifest.json";
inline constexpr char const* manifest_format = "rlvr-checkpoint/1";

/// The process in "NAME.tmp.<pid>" or "NAME.old.<pid>", or nothing for other names.
[[nodiscard]] inline std::optional<::pid_t> owner_of_temporary(std::string_view name) {
  for (std::string_view const mark : {".tmp.", ".old."}) {
    auto const at = name.rfind(mark);
    if (at == std::string_view::npos) continue;
    std::string_view const digits = name.substr(at + mark.size());
    ::pid_t pid = 0;
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    if (error == std::errc() && end == digits.data() + digits.size() && pid > 0) return pid;
  }
  return std::nullopt;
}

struct checkpoint_file {
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;
};

struct checkpoint_manifest {
  std::int64_t sequence = 0;  ///< counts the checkpoints of a root; the highest is the newest
  std::map<std::string, checkpoint_file> files;
};

[[nodiscard]] inline std::string hexadecimal(std::uint64_t value) {
  std::string result(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) result[i] = "0123456789abcdef"[value & 15];
  return result;
}

/// @throws io_error, format_error
[[nodiscard]] inline checkpoint_manifest read_manifest(std::filesystem::path const& folder) {
  std::string const path = (folder / manifest_name).string();
  nlohmann::json const value = read_json(path, std::size_t{1} << 26);
  json_object const root(value, path);
  if (root.string("format") != manifest_format) {
    root.fail("Unsupported", "format", excerpt(root.string("format")), manifest_format);
  }
  checkpoint_manifest result;
  constexpr std::int64_t most = std::int64_t{1} << 62;
  result.sequence = root.integer("sequence", 1, most);
  json_object const files = root.object("files");
  for (auto const& [name, entry] : files.value().get_ref<nlohmann::json::object_t const&>()) {
    if (!is_plain_name(name)) files.fail("Path", "files", excerpt(name), "a file name without a path");
    json_object const file(entry, path, "files." + excerpt(name));
    std::string const digits = file.string("crc64");
    checkpoint_file& added = result.files[name];
    added.bytes = static_cast<std::uint64_t>(file.integer("bytes", 0, most));
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), added.checksum, 16);
    if (digits.size() != 16 || error != std::errc() || end != digits.data() + digits.size()) {
      file.fail("Type", file.name("crc64"), excerpt(digits), "16 hexadecimal digits");
    }
  }
  return result;
}

[[nodiscard]] inline checkpoint_file checksum_of(std::string const& path) {
  mapped_file const file(path);
  return {file.bytes().size(), crc64(file.bytes())};
}

/// All checkpoints of a root whose manifest can be read, the newest first.
[[nodiscard]] inline std::vector<std::pair<std::int64_t, std::string>> list_checkpoints(
    std::filesystem::path const& root, std::vector<std::string>* notes = nullptr) {
  std::vector<std::pair<std::int64_t, std::string>> result;
  std::error_code ignored;
  for (auto const& entry : std::filesystem::directory_iterator(root, ignored)) {
    std::string const name = entry.path().filename().string();
    if (!entry.is_directory(ignored) || owner_of_temporary(name)) continue;
    try {
      result.emplace_back(read_manifest(entry.path()).sequence, name);
    } catch (error const& reason) {
      if (notes != nullptr) notes->push_back(reason.what());
    }
  }
  std::sort(result.rbegin(), result.rend());
  return result;
}

}  // namespace detail

/// Compares a checkpoint with its manifest.  @throws io_error, format_error MissingFile, SizeMismatch, Checksum
inline void verify_checkpoint(std::string const& folder) {
  for (auto const& [name, expected] : detail::read_manifest(folder).files) {
    std::string const path = (std::filesystem::path(folder) / name).string();
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) {
      throw format_error("MissingFile", path, "file", "nothing", "the file that the manifest lists");
    }
    auto const size = std::filesystem::file_size(path);
    if (size != expected.bytes) {
      throw format_error("SizeMismatch", path, "file", std::to_string(size) + " bytes",
                         std::to_string(expected.bytes) + " by the manifest");
    }
    std::uint64_t const checksum = detail::checksum_of(path).checksum;
    if (checksum != expected.checksum) {
      throw format_error("Checksum", path, "file", "the checksum " + detail::hexadecimal(checksum),
                         detail::hexadecimal(expected.checksum) + " by the manifest");
    }
  }
}

/// A verified checkpoint.
struct found_checkpoint {
  std::string name;
  std::string path;
  std::vector<std::string> notes;  ///< why newer ones were passed over; one line each, for the user to see
};

/// The checkpoint that `latest` names, or else the newest that is whole; nothing if there is none.
/// @param notes  where to put the reasons if nothing is found
[[nodiscard]] inline std::optional<found_checkpoint> find_latest_valid(std::string const& root,
                                                                       std::vector<std::string>* notes = nullptr) {
  namespace fs = std::filesystem;
  std::vector<std::string> reasons;
  std::vector<std::string> candidates;
  std::error_code ignored;
  std::string const pointer = (fs::path(root) / "latest").string();
  if (fs::exists(pointer, ignored)) {
    try {
      std::string name = read_file(pointer, 4096);
      if (name.ends_with('\n')) name.pop_back();
      if (detail::is_plain_name(name)) {
        candidates.push_back(name);
      } else {
        reasons.push_back(pointer + ": found " + detail::excerpt(name) + ", expected the name of a checkpoint");
      }
    } catch (error const& reason) {
      reasons.push_back(reason.what());
    }
  }
  for (auto& [sequence, name] : detail::list_checkpoints(root, &reasons)) {
    if (candidates.empty() || candidates.front() != name) candidates.push_back(std::move(name));
  }
  for (std::string const& name : candidates) {
    std::string path = (fs::path(root) / name).string();
    try {
      verify_checkpoint(path);
      return found_checkpoint{name, std::move(path), std::move(reasons)};
    } catch (error const& reason) {
      if (std::find(reasons.begin(), reasons.end(), reason.what()) == reasons.end()) reasons.push_back(reason.what());
    }
  }
  if (notes != nullptr) *notes = std::move(reasons);
  return std::nullopt;
}

/// Writes one checkpoint.
class checkpoint_writer {
 public:
  /// Makes the temporary folder and removes those of processes that are gone.
  /// @param root  the folder of all checkpoints; made if need be
  /// @param name  of this one, e.g. "step_100"
  /// @param keep  how many of the newest stay after commit(); 0: all
  /// @throws argument_error for a name that is a path or looks temporary, io_error
  checkpoint_writer(std::string root, std::string name, std::size_t keep = 0,
                    file_operations const& operations = system_files)
      : operations_(&operations), root_(std::move(root)), name_(std::move(name)), keep_(keep) {
    if (!detail::is_plain_name(name_) || name_ == "latest" || detail::owner_of_temporary(name_)) {
      throw argument_error("checkpoint name: found " + detail::excerpt(name_) + ", expected a plain folder name");
    }
    std::error_code failed;
    std::filesystem::create_directories(root_, failed);
    if (failed) throw io_error(root_.string(), "cannot create: " + failed.message());
    remove_stale();
    temporary_ = root_ / (name_ + ".tmp." + std::to_string(::getpid()));
    std::filesystem::remove_all(temporary_, failed);
    if (!std::filesystem::create_directory(temporary_, failed)) {
      throw io_error(temporary_.string(), "cannot create: " + failed.message());
    }
  }
  checkpoint_writer(checkpoint_writer const&) = delete;
  checkpoint_writer& operator=(checkpoint_writer const&) = delete;
  ~checkpoint_writer() {
    std::error_code ignored;
    if (!committed_) std::filesystem::remove_all(temporary_, ignored);
  }

  /// @throws argument_error for a name that is a path, io_error
  void write_file(std::string const& name, std::string_view bytes) {
    atomic_write(file_path(name), bytes, *operations_);
    files_[name] = {bytes.size(), crc64(bytes)};
  }

  /// Where another writer, e.g. write_safetensors, is to put a file of this checkpoint; commit() reads it for its
  /// checksum and syncs it.  @throws argument_error for a name that is a path
  [[nodiscard]] std::string file_path(std::string const& name) {
    if (!detail::is_plain_name(name) || name == detail::manifest_name) {
      throw argument_error("checkpoint file: found " + detail::excerpt(name) + ", expected a plain file name");
    }
    files_.try_emplace(name);
    return (temporary_ / name).string();
  }

  /// Publishes the checkpoint.  An older one of the same name is replaced.  @throws io_error; then nothing is published
  void commit() {
    if (committed_) throw argument_error("checkpoint " + name_ + ": already committed");
    nlohmann::ordered_json files = nlohmann::ordered_json::object();
    for (auto& [name, file] : files_) {
      std::string const path = (temporary_ / name).string();
      if (!file) {
        file = detail::checksum_of(path);
        detail::file_descriptor const opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!opened.is_open() || operations_->sync(opened.get()) != 0) throw io_error(path, detail::cannot("sync"));
      }
      files[name] = {{"bytes", file->bytes}, {"crc64", detail::hexadecimal(file->checksum)}};
    }
    auto const others = detail::list_checkpoints(root_);
    nlohmann::ordered_json manifest;
    manifest["format"] = detail::manifest_format;
    manifest["sequence"] = others.empty() ? 1 : others.front().first + 1;
    manifest["files"] = std::move(files);
    atomic_write((temporary_ / detail::manifest_name).string(), manifest.dump(2) + "\n", *operations_);

    std::filesystem::path const target = root_ / name_;
    std::filesystem::path const replaced = root_ / (name_ + ".old." + std::to_string(::getpid()));
    std::error_code ignored;
    bool const replaces = std::filesystem::exists(target, ignored);
    if (replaces) rename(target, replaced);
    try {
      rename(temporary_, target);
    } catch (...) {
      if (replaces) std::filesystem::rename(replaced, target, ignored);
      throw;
    }
    committed_ = true;
    detail::sync_folder(root_, *operations_);
    atomic_write((root_ / "latest").string(), name_ + "\n", *operations_);
    std::filesystem::remove_all(replaced, ignored);
    if (keep_ > 0) remove_old();
  }

 private:
  void rename(std::filesystem::path const& from, std::filesystem::path const& to) const {
    if (operations_->rename(from.c_str(), to.c_str()) != 0) throw io_error(to.string(), detail::cannot("rename"));
  }

  void remove_stale() const {
    std::error_code ignored;
    std::vector<std::filesystem::path> stale;
    for (auto const& entry : std::filesystem::directory_iterator(root_, ignored)) {
      auto const owner = detail::owner_of_temporary(entry.path().filename().string());
      if (owner && ::kill(*owner, 0) != 0 && errno == ESRCH) stale.push_back(entry.path());
    }
    for (std::filesystem::path const& path : stale) {
      // Killed between the two renames of a replacement: the older one takes its name back.
      std::string const text = path.string();
      auto const mark = text.rfind(".old.");
      bool const is_orphan = mark != std::string::npos && !std::filesystem::exists(text.substr(0, mark), ignored);
      if (is_orphan) {
        std::filesystem::rename(path, text.substr(0, mark), ignored);
      } else {
        std::filesystem::remove_all(path, ignored);
      }
    }
  }

  void remove_old() const {
    auto const all = detail::list_checkpoints(root_);
    std::error_code ignored;
    for (std::size_t i = keep_; i < all.size(); ++i) {
      // Under a temporary name first: what a kill leaves half removed is no checkpoint, and the next writer clears it.
      std::filesystem::path const old = root_ / all[i].second;
      std::filesystem::path const doomed = root_ / (all[i].second + ".tmp." + std::to_string(::getpid()));
      std::filesystem::rename(old, doomed, ignored);
      std::filesystem::remove_all(doomed, ignored);
    }
  }

  file_operations const* operations_;
  std::filesystem::path root_;
  std::string name_;
  std::size_t keep_;
  std::filesystem::path temporary_;
  std::map<std::string, std::optional<detail::checkpoint_file>> files_;
  bool committed_ = false;
};

}  // namespace format
RLVR_NAMESPACE_END
