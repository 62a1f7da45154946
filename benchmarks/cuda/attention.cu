// SPDX-License-Identifier: MIT
// Attention over prompts, forward and backward, and one step of decoding; in float and on tensor cores.
#include <rlvr/backend/cuda/attention.cuh>
#include <rlvr/backend/cuda/attention_gradient.cuh>

#include "operands.hpp"

namespace benchmarks {
namespace {

using cases::attention_case;
using cases::attention_op;

/// The op with its plan, and with the context's setting that it needs.
template <class Op>
[[nodiscard]] operation runs_with(std::shared_ptr<rlvr::ops::attention_plan> plan, bool tensor_cores,
                                  std::shared_ptr<operands> owner, Op const& op) {
  return [plan = std::move(plan), tensor_cores, run = runs(std::move(owner), op)](rlvr::cuda::context& context) {
    context.attention().tensor_cores = tensor_cores;
    run(context);
  };
}

operation prepare(rlvr::cuda::context& context, attention_case const& c) {
  auto const owner = std::make_shared<operands>();
  auto const plan = std::make_shared<rlvr::ops::attention_plan>(c.plan());
  std::size_t const queries = c.sequences * c.queries, keys = c.sequences * c.context();
  std::size_t const width = c.heads * c.head_size, narrow = c.key_value_heads * c.head_size;
  rlvr::ops::attention_forward forward{.shape = c.shape(),
                                       .plan = plan.get(),
                                       .query = owner->matrix(queries, width),
                                       .key = owner->matrix(keys, narrow),
                                       .value = owner->matrix(keys, narrow),
                                       .output = owner->matrix(queries, width, 0.0f)};
  // Decoding keeps no statistics; a prompt's are what its gradient needs.
  if (c.queries > 1)
    forward.statistics = {owner->matrix(queries, c.heads, 0.0f), owner->matrix(queries, c.heads, 0.0f)};
  operation const run = runs_with(plan, c.tensor_cores, owner, forward);
  if (c.op == attention_op::forward) return run;
  run(context);  // output and statistics, of which the gradient is made
  return runs_with(plan, c.tensor_cores, owner,
                   rlvr::ops::attention_gradient{.forward = forward,
                                                 .output_gradient = owner->matrix(queries, width),
                                                 .query_gradient = owner->matrix(queries, width, 0.0f),
                                                 .key_gradient = owner->matrix(keys, narrow, 0.0f),
                                                 .value_gradient = owner->matrix(keys, narrow, 0.0f)});
}

}  // namespace

void add_attention_cases(std::vector<entry>& entries, bool reduced) {
  for (attention_case const& full : cases::attention_cases()) {
    attention_case const c = sized(full, reduced);
    entries.push_back(
        {full.name(), c.least(), c.units(), [c](rlvr::cuda::context& context) { return prepare(context, c); }});
  }
}

}  // namespace benchmarks
