// SPDX-License-Identifier: MIT
/// @file
/// Facts of the machine and the build, for run.json and the report.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/train/metrics.hpp>

#include <fstream>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace report {

/// rlvr's version, "0.1.0".
[[nodiscard]] inline std::string library_version() {
  return std::to_string(RLVR_VERSION_MAJOR) + "." + std::to_string(RLVR_VERSION_MINOR) + "." +
         std::to_string(RLVR_VERSION_PATCH);
}

/// Name and version of the compiler of this unit.
[[nodiscard]] inline std::string compiler_name() {
#if defined(__clang__)
  std::string name = "clang " __clang_version__;
#elif defined(__GNUC__)
  std::string name = "g++ " __VERSION__;
#else
  std::string name = "unknown compiler";
#endif
#if defined(__OPTIMIZE__)
  name += ", optimised";
#endif
#if defined(__AVX512F__)
  name += ", AVX-512";
#elif defined(__AVX2__)
  name += ", AVX2";
#endif
  return name;
}

/// The processor's name from /proc/cpuinfo; "unknown" where the system does not tell.
[[nodiscard]] inline std::string cpu_name() {
  std::ifstream information("/proc/cpuinfo");
  for (std::string line; std::getline(information, line);) {
    constexpr std::string_view key = "model name";
    auto const colon = line.find(": ");
    if (line.starts_with(key) && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

/// Fills in library version, compiler and CPU.
inline void describe_environment(train::run_record& run) {
  run.library_version = library_version();
  run.compiler = compiler_name();
  run.cpu = cpu_name();
}

}  // namespace report
RLVR_NAMESPACE_END
