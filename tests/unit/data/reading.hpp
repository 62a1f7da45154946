// SPDX-License-Identifier: MIT
/// @file
/// What readers make of damaged text.
#pragma once

#include <rlvr/core/file_error.hpp>

#include <string>
#include <support/catch.hpp>

namespace test {

/// How reading failed.
struct failure {
  std::string code;  ///< "no error" if it did not
  std::string message;
};

/// The format_error that `parse` throws.
template <class Parse>
failure failing(Parse const& parse) {
  try {
    parse();
  } catch (rlvr::format_error const& error) {
    return {error.code(), error.what()};
  }
  return {"no error", ""};
}

/// The text with the first `from` replaced.
inline std::string replaced(std::string text, std::string const& from, std::string const& to) {
  auto const at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace test
