// SPDX-License-Identifier: MIT
/// @file
/// Wall time of a piece of work.
#pragma once

#include <rlvr/core/config.hpp>

#include <chrono>

RLVR_NAMESPACE_BEGIN
namespace train {

/// Runs from its construction.
class stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace train
RLVR_NAMESPACE_END
