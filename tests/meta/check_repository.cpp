// SPDX-License-Identifier: MIT
/// @file
/// check_repository <folder>: prints what breaks the rules of rules.hpp, one line each; exit 1 if anything does.
#include "rules.hpp"
#include <cstdio>
#include <exception>

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: check_repository FOLDER\n");
    return 2;
  }
  try {
    meta::report const result = meta::check_repository(arguments[1]);
    for (meta::violation const& one : result.violations)
      std::printf("%s:%zu: [%s] %s\n", one.file.c_str(), one.line, one.rule.c_str(), one.message.c_str());
    std::printf("%zu headers, %zu violations\n", result.headers, result.violations.size());
    return result.headers == 0 || !result.violations.empty() ? 1 : 0;
  } catch (std::exception const& problem) {
    std::fprintf(stderr, "check_repository: %s\n", problem.what());
    return 1;
  }
}
