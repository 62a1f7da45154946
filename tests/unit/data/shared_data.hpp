// SPDX-License-Identifier: MIT
/// @file
/// Where the collected reference data lies, if it does.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <support/catch.hpp>

/// A path below the shared data folder: $RLVR_SHARED_DIR, else the folder beside the repository.  Warns
/// and returns nothing if it is absent, so that a skipped check is seen.
inline std::optional<std::filesystem::path> shared_data(std::string const& name) {
  char const* const set = std::getenv("RLVR_SHARED_DIR");
  auto const path =
      (set != nullptr ? std::filesystem::path(set) : std::filesystem::path(RLVR_TEST_DATA) / ".." / ".." / "shared") /
      name;
  if (!std::filesystem::exists(path)) {
    WARN("skipped: no " + name + " in the shared data folder");
    return std::nullopt;
  }
  return path;
}
