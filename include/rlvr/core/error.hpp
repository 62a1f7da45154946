// SPDX-License-Identifier: MIT
/// @file
/// The exception hierarchy.  Everything that rlvr throws derives from `rlvr::error`, carries the source
/// location that raised it, and has a message a user can act on: what, where, found, expected.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/message.hpp>

#include <exception>

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
class error : public std::exception {
 public:
  explicit error(message text, source_place where = source_place::current())
      : text_(static_cast<message&&>(text)), where_(where) {}

  [[nodiscard]] char const* what() const noexcept override { return text_.c_str(); }

  /// The line of the library (or of its user) that raised the error; for developers, not part of `what()`.
  [[nodiscard]] source_place const& where() const noexcept { return where_; }

 private:
  message text_;
  source_place where_;
};

/// A function was called with a value outside its contract.
class argument_error : public error {
 public:
  explicit argument_error(message text, source_place where = source_place::current())
      : error(static_cast<message&&>(text), where) {}
};

/// Extents do not fit together, or their product does not fit into memory.
class shape_error : public error {
 public:
  explicit shape_error(message text, source_place where = source_place::current())
      : error(static_cast<message&&>(text), where) {}
};

/// The input is well-formed, but asks for something this library does not do.
class unsupported_error : public error {
 public:
  explicit unsupported_error(message text, source_place where = source_place::current())
      : error(static_cast<message&&>(text), where) {}
};

/// A number that must be finite is not.
class numeric_error : public error {
 public:
  explicit numeric_error(message text, source_place where = source_place::current())
      : error(static_cast<message&&>(text), where) {}
};

RLVR_NAMESPACE_END
