// SPDX-License-Identifier: MIT
/// @file
/// Files read with a limit and replaced as a whole: write beside the target, sync, rename, sync the folder.  A kill, a
/// full disk or a failing device leaves the old content; the new file is removed.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace format {

/// The system calls that can lose data, replaceable so that a test can make the n-th of them fail.
class file_operations {
 public:
  [[nodiscard]] virtual ::ssize_t write(int file, void const* bytes, std::size_t count) const = 0;
  [[nodiscard]] virtual int sync(int file) const = 0;
  [[nodiscard]] virtual int rename(char const* from, char const* to) const = 0;

 protected:
  ~file_operations() = default;
};

/// The system's own.
class system_file_operations final : public file_operations {
 public:
  [[nodiscard]] ::ssize_t write(int file, void const* bytes, std::size_t count) const override {
    return ::write(file, bytes, count);
  }
  [[nodiscard]] int sync(int file) const override { return ::fsync(file); }
  [[nodiscard]] int rename(char const* from, char const* to) const override { return std::rename(from, to); }
};
inline constexpr system_file_operations system_files{};

namespace detail {

[[nodiscard]] inline std::string cannot(std::string_view action) {
  int const code = errno;
  return "cannot " + std::string(action) + ": " + std::strerror(code);
}

/// A name that stays in its folder.
[[nodiscard]] inline bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

/// A file descriptor that closes itself.
class file_descriptor {
 public:
  explicit file_descriptor(int value) noexcept : value_(value) {}
  file_descriptor(file_descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~file_descriptor() { close(); }

  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] bool is_open() const noexcept { return value_ >= 0; }
  /// False if the system reports a late write error.
  bool close() noexcept {
    int const value = std::exchange(value_, -1);
    return value < 0 || ::close(value) == 0;
  }

 private:
  int value_;
};

/// Makes names in a folder durable.  A file system that cannot sync folders is no failure.
inline void sync_folder(std::filesystem::path const& folder, file_operations const& operations) {
  std::string const name = folder.empty() ? "." : folder.string();
  file_descriptor const file(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.is_open()) throw io_error(name, cannot("open folder"));
  if (operations.sync(file.get()) != 0 && errno != EINVAL) throw io_error(name, cannot("sync folder"));
}

}  // namespace detail

/// The whole content of a regular file.
/// @throws io_error if the system refuses; format_error TooLarge if it is longer than max_bytes
[[nodiscard]] inline std::string read_file(std::string const& path, std::size_t max_bytes) {
  detail::file_descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw io_error(path, detail::cannot("open"));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw io_error(path, detail::cannot("stat"));
  if (!S_ISREG(status.st_mode)) throw io_error(path, "cannot read: not a regular file");
  auto const too_large = [&] {
    return format_error("TooLarge", path, "file", "more bytes", "at most " + std::to_string(max_bytes));
  };
  if (static_cast<std::uint64_t>(status.st_size) > max_bytes) throw too_large();
  std::string content(static_cast<std::size_t>(status.st_size) + 1, '\0');
  std::size_t filled = 0;
  for (;;) {
    auto const count = ::read(file.get(), content.data() + filled, content.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw io_error(path, detail::cannot("read"));
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
    if (filled > max_bytes) throw too_large();
    if (filled == content.size()) content.resize(2 * filled);
  }
  content.resize(filled);
  return content;
}

/// A file that grows beside its target and takes its place in commit(); without a commit nothing remains of it.
class atomic_file {
 public:
  /// @throws io_error if the temporary sibling cannot be created
  explicit atomic_file(std::string path, file_operations const& operations = system_files)
      : operations_(&operations),
        path_(std::move(path)),
        temporary_(path_ + ".tmp." + std::to_string(::getpid())),
        file_(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (!file_.is_open()) throw io_error(path_, detail::cannot("create " + temporary_));
  }
  atomic_file(atomic_file const&) = delete;
  atomic_file& operator=(atomic_file const&) = delete;
  ~atomic_file() {
    if (!committed_) ::unlink(temporary_.c_str());
  }

  /// @throws io_error, e.g. on a full disk
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      auto const written = operations_->write(file_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw io_error(path_, detail::cannot("write"));
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  /// The file is the new content, durably, once this returns.  @throws io_error
  void commit() {
    if (operations_->sync(file_.get()) != 0) throw io_error(path_, detail::cannot("sync"));
    if (!file_.close()) throw io_error(path_, detail::cannot("close"));
    if (operations_->rename(temporary_.c_str(), path_.c_str()) != 0) throw io_error(path_, detail::cannot("rename"));
    committed_ = true;
    detail::sync_folder(std::filesystem::path(path_).parent_path(), *operations_);
  }

 private:
  file_operations const* operations_;
  std::string path_;
  std::string temporary_;
  detail::file_descriptor file_;
  bool committed_ = false;
};

/// Replaces a file as a whole or leaves the old one.  @throws io_error
inline void atomic_write(std::string const& path, std::string_view bytes,
                         file_operations const& operations = system_files) {
  atomic_file file(path, operations);
  file.write(bytes);
  file.commit();
}

}  // namespace format
RLVR_NAMESPACE_END
