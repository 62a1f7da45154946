// SPDX-License-Identifier: MIT
/// @file
/// What is measured: the cases of tests/support/cases.hpp, each with its operands.  Every family of ops is a unit of
/// its own and knows nothing of timing.
#pragma once

#include <rlvr/backend/cuda/context.cuh>

#include <functional>
#include <string>
#include <support/cases.hpp>
#include <vector>

namespace benchmarks {

/// Runs an op once on the context's stream, and owns its operands.
using operation = std::function<void(rlvr::cuda::context&)>;

/// A case, ready to be measured.
struct entry {
  std::string name;
  cases::work least;
  cases::arithmetic units = cases::arithmetic::fp32;
  std::function<operation(rlvr::cuda::context&)> prepare;  ///< makes the operands
};

/// The case in full, or reduced to what an emulated device runs in milliseconds.
template <class Case>
[[nodiscard]] Case sized(Case const& full, bool reduced) {
  return reduced ? full.reduced() : full;
}

void add_row_cases(std::vector<entry>& entries, bool reduced);
void add_flat_cases(std::vector<entry>& entries, bool reduced);
void add_product_cases(std::vector<entry>& entries, bool reduced);
void add_attention_cases(std::vector<entry>& entries, bool reduced);
void add_vocabulary_cases(std::vector<entry>& entries, bool reduced);

}  // namespace benchmarks
