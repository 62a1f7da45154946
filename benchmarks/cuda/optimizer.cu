// SPDX-License-Identifier: MIT
// What goes over all parameters: rounding to bfloat16, the norm of the gradient, AdamW.
#include <rlvr/backend/cuda/optimizer.cuh>
#include <rlvr/backend/cuda/rows.cuh>

#include "operands.hpp"

namespace benchmarks {
namespace {

using cases::flat_case;
using cases::flat_op;

operation prepare(flat_case const& c) {
  auto const owner = std::make_shared<operands>();
  std::size_t const count = c.parameters;
  auto const values = owner->array(count);
  if (c.op == flat_op::global_norm)
    return runs(owner, rlvr::ops::global_norm{.values = values, .result = owner->copy_of(std::vector<double>(1, 0.0))});
  if (c.op == flat_op::round_to_bfloat16)
    return runs(owner, rlvr::ops::round_to_bfloat16{.source = values, .destination = owner->array<rlvr::bf16>(count)});
  rlvr::ops::adamw_step step{.parameter = values,
                             .gradient = owner->array(count),  // zero after the first run, which costs the same
                             .first_moment = owner->array(count, 0.0f),
                             .second_moment = owner->array(count, 0.0f),
                             .rule = {}};
  if (c.op == flat_op::adamw_step_mirrored) step.mirror = owner->array<rlvr::bf16>(count, 0.0f);
  return runs(owner, step);
}

}  // namespace

void add_flat_cases(std::vector<entry>& entries, bool reduced) {
  for (flat_case const& full : cases::flat_cases()) {
    flat_case const c = sized(full, reduced);
    entries.push_back(
        {full.name(), c.least(), cases::arithmetic::fp32, [c](rlvr::cuda::context&) { return prepare(c); }});
  }
}

}  // namespace benchmarks
