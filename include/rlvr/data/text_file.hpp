// SPDX-License-Identifier: MIT
/// @file
/// Whole text files and their lines, as the readers need them.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

RLVR_NAMESPACE_BEGIN
namespace data {

/// The bytes of a file.
/// @throws io_error if it cannot be opened or read, or is a folder
[[nodiscard]] inline std::string read_text(std::filesystem::path const& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw io_error(path.string(), "cannot read: it is a folder");
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw io_error(path.string(),
                   std::string("cannot open: ") + (errno != 0 ? std::strerror(errno) : "unknown reason"));
  }
  std::string text;
  char block[1 << 14];
  while (in.read(block, sizeof block) || in.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) {
    throw io_error(path.string(), "cannot read to the end");
  }
  return text;
}

/// One line and how it ended.
struct text_line {
  std::string_view text;    ///< without its line end, LF or CRLF
  std::size_t number = 0;   ///< from 1
  bool terminated = false;  ///< an LF stood behind it; false only for an unfinished last line
};

/// Walks through the lines of a text; both line ends are accepted.
class line_reader {
 public:
  explicit line_reader(std::string_view text) : rest_(text) {}

  /// The next line; nothing at the end (a final LF opens no further line).
  [[nodiscard]] std::optional<text_line> next() {
    if (rest_.empty()) {
      return std::nullopt;
    }
    auto const end = rest_.find('\n');
    bool const terminated = end != std::string_view::npos;
    auto line = rest_.substr(0, end);
    rest_.remove_prefix(terminated ? end + 1 : rest_.size());
    if (terminated && line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    return text_line{line, ++number_, terminated};
  }

  /// How many lines have been returned.
  [[nodiscard]] std::size_t number() const noexcept { return number_; }

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

namespace detail {

/// A piece of a file for an error message: quoted, one line, printable, cut at 60 bytes.
[[nodiscard]] inline std::string shown(std::string_view text) {
  constexpr std::size_t limit = 60;
  std::string quoted = "'";
  for (char const letter : text.substr(0, limit)) {
    if (letter == '\t') {
      quoted += "\\t";
    } else if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F) {
      quoted += '?';
    } else {
      quoted += letter;
    }
  }
  return quoted + (text.size() > limit ? "...'" : "'");
}

[[nodiscard]] inline std::string line_place(std::size_t number) { return "line " + std::to_string(number); }

[[nodiscard]] inline bool is_decimal(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace detail

}  // namespace data
RLVR_NAMESPACE_END
