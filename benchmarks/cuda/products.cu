// SPDX-License-Identifier: MIT
// The three products of a linear layer, with weights in float and in bfloat16.
#include <rlvr/backend/cuda/matmul.cuh>

#include "operands.hpp"

namespace benchmarks {
namespace {

using cases::product_case;
using cases::product_op;

operation prepare(product_case const& c) {
  auto const owner = std::make_shared<operands>();
  auto const input = owner->matrix(c.rows, c.inputs), output = owner->matrix(c.rows, c.outputs);
  if (c.op == product_op::weight_gradient)
    return runs(owner, rlvr::ops::linear_weight_gradient{.output_gradient = output,
                                                         .input = input,
                                                         .weight_gradient = owner->matrix(c.outputs, c.inputs, 0.0f),
                                                         .operands = c.type});
  rlvr::weight_view const weight = owner->weight(c.outputs, c.inputs, c.type, 0.1f);
  if (c.op == product_op::forward)
    return runs(owner, rlvr::ops::linear_forward{.input = input, .weight = weight, .output = output});
  return runs(owner,
              rlvr::ops::linear_input_gradient{.output_gradient = output, .weight = weight, .input_gradient = input});
}

}  // namespace

void add_product_cases(std::vector<entry>& entries, bool reduced) {
  for (product_case const& full : cases::product_cases()) {
    product_case const c = sized(full, reduced);
    entries.push_back({full.name(), c.least(), c.units(), [c](rlvr::cuda::context&) { return prepare(c); }});
  }
}

}  // namespace benchmarks
