// SPDX-License-Identifier: MIT
/// @file
/// Files that survive a kill: a whole file is replaced atomically, a log grows by whole lines.
///
/// `write_atomic` writes beside the target, syncs, renames: readers see the old content or the new, never a part.
/// `line_file` appends each line and its newline with one write(2), so that after a kill only the last line can be
/// torn, and a torn line is recognised by its missing newline.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace report {

namespace detail {

/// "cannot <action>: <the system's reason>".
[[nodiscard]] inline std::string system_failure(std::string_view action) {
  int const code = errno;
  return std::string("cannot ").append(action).append(": ").append(std::strerror(code));
}

/// A file descriptor that closes itself.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int value) noexcept : value_(value) {}
  descriptor(descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~descriptor() { reset(); }

  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] bool is_open() const noexcept { return value_ >= 0; }

  /// False if the system reports a late write error.
  bool reset() noexcept {
    int const value = std::exchange(value_, -1);
    return value < 0 || ::close(value) == 0;
  }

 private:
  int value_ = -1;
};

/// write(2) until all is written.  False with errno set otherwise.
[[nodiscard]] inline bool write_all(int file, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    auto const written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace detail

/// The whole content of a file.  @throws io_error
[[nodiscard]] inline std::string read_file(std::string const& path) {
  detail::descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw io_error(path, detail::system_failure("open"));
  std::string content;
  char buffer[1 << 16];
  for (;;) {
    auto const count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw io_error(path, detail::system_failure("read"));
    if (count == 0) return content;
    content.append(buffer, static_cast<std::size_t>(count));
  }
}

/// Replaces a file as a whole, or leaves the old one untouched.  @throws io_error
inline void write_atomic(std::string const& path, std::string_view content) {
  std::string const beside = path + ".partial";
  auto const fail = [&](std::string_view action) {
    std::string const reason = detail::system_failure(action);
    ::unlink(beside.c_str());
    throw io_error(path, reason);
  };
  detail::descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.is_open()) fail("create");
  if (!detail::write_all(file.get(), content)) fail("write");
  if (::fsync(file.get()) != 0) fail("sync");
  if (!file.reset()) fail("close");
  if (::rename(beside.c_str(), path.c_str()) != 0) fail("rename");
  // The new name itself is durable only once its folder is; a file system that can't sync folders is no failure.
  std::string const folder = std::filesystem::path(path).parent_path().string();
  detail::descriptor const parent(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.is_open()) ::fsync(parent.get());
}

/// A log of lines, open for appending.
class line_file {
 public:
  /// Opens the file, creates it where it does not exist, and cuts it to its first `keep_bytes` bytes.
  /// @throws io_error
  line_file(std::string path, std::uint64_t keep_bytes)
      : path_(std::move(path)),
        file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)),
        size_(keep_bytes) {
    if (!file_.is_open()) throw io_error(path_, detail::system_failure("open"));
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) throw io_error(path_, detail::system_failure("stat"));
    if (S_ISREG(status.st_mode) && ::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
      throw io_error(path_, detail::system_failure("truncate"));
    }
  }

  /// Appends the line and a newline.  If the disk is full, what was written of the line is taken back, so that the
  /// file still ends in a whole line.  @pre the line holds no newline  @throws io_error
  void append(std::string line) {
    line += '\n';
    if (!file_.is_open()) throw io_error(path_, "cannot write: already closed");
    if (!detail::write_all(file_.get(), line)) {
      std::string const reason = detail::system_failure("write");
      // If this fails too, the missing newline still marks the line as torn.
      [[maybe_unused]] int const taken_back = ::ftruncate(file_.get(), static_cast<off_t>(size_));
      throw io_error(path_, reason);
    }
    size_ += line.size();
  }

  /// Asks the system to put everything on the disk.  @throws io_error
  void sync() {
    if (file_.is_open() && ::fsync(file_.get()) != 0 && errno != EINVAL) {
      throw io_error(path_, detail::system_failure("sync"));
    }
  }

  /// @throws io_error if the system reports a late write error
  void close() {
    if (!file_.reset()) throw io_error(path_, detail::system_failure("close"));
  }

  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  std::string path_;
  detail::descriptor file_;
  std::uint64_t size_ = 0;
};

}  // namespace report
RLVR_NAMESPACE_END
