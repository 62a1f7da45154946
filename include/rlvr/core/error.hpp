// SPDX-License-Identifier: MIT
/// @file
/// The exception hierarchy.  Everything that rlvr throws derives from `rlvr::error`, carries the source
/// location that raised it, and has a message a user can act on: what, where, found, expected.
#pragma once

#include <rlvr/core/config.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

RLVR_NAMESPACE_BEGIN

/// The file and line of a call.  std::source_location, were it not that clang 14 cannot use libstdc++'s and that nvcc
/// 13 fails on constructors that inherit one as a default argument (which is why each class below spells its own).
struct source_place {
  char const* file = "";
  unsigned line = 0;

  [[nodiscard]] static constexpr source_place current(char const* in_file = __builtin_FILE(),
                                                      unsigned at_line = __builtin_LINE()) {
    source_place place;
    place.file = in_file;
    place.line = at_line;
    return place;
  }
};

/// Root of the hierarchy.
class error : public std::runtime_error {
 public:
  explicit error(std::string const& message, source_place where = source_place::current())
      : std::runtime_error(message), where_(where) {}

  /// The line of the library (or of its user) that raised the error; for developers, not part of `what()`.
  [[nodiscard]] source_place const& where() const noexcept { return where_; }

 private:
  source_place where_;
};

/// A function was called with a value outside its contract.
class argument_error : public error {
 public:
  explicit argument_error(std::string const& message, source_place where = source_place::current())
      : error(message, where) {}
};

/// Extents do not fit together, or their product does not fit into memory.
class shape_error : public error {
 public:
  explicit shape_error(std::string const& message, source_place where = source_place::current())
      : error(message, where) {}
};

/// The input is well-formed, but asks for something this library does not do.
class unsupported_error : public error {
 public:
  explicit unsupported_error(std::string const& message, source_place where = source_place::current())
      : error(message, where) {}
};

/// A number that must be finite is not.
class numeric_error : public error {
 public:
  explicit numeric_error(std::string const& message, source_place where = source_place::current())
      : error(message, where) {}
};

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
