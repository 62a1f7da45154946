// SPDX-License-Identifier: MIT
/// @file
/// Errors about files.  Apart from core/error.hpp, which kernels include, because they hold texts.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN

/// The operating system refused: open, read, write, rename.
class io_error : public error {
 public:
  /// @param path    the file or folder
  /// @param action  what was attempted and the system's reason, e.g. "cannot open: No such file or directory"
  io_error(std::string_view path, std::string_view action, source_place where = source_place::current())
      : error(std::string(path) + ": " + std::string(action), where), path_(path) {}

  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// A file's content breaks its format.
class format_error : public error {
 public:
  /// Message: "FILE: PLACE: found FOUND, expected EXPECTED".
  /// @param code      short stable class of the defect, e.g. "Truncated" (`r1_re inspect` prints it)
  /// @param file      the file's name as the user gave it
  /// @param place     line, field or tensor
  /// @param found     what stands there
  /// @param expected  what should
  format_error(std::string_view code, std::string_view file, std::string_view place, std::string_view found,
               std::string_view expected, source_place where = source_place::current())
      : error(std::string(file) + ": " + std::string(place) + ": found " + std::string(found) + ", expected " +
                  std::string(expected),
              where),
        code_(code) {}

  [[nodiscard]] std::string const& code() const noexcept { return code_; }

 private:
  std::string code_;
};

RLVR_NAMESPACE_END
