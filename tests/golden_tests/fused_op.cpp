// SPDX-License-Identifier: MIT
// The one unit that knows a backend's ops.
#include "fused_op.hpp"

#if defined(RLVR_TEST_CUDA)
#  include <rlvr/backend/cuda/losses.cuh>
#else
#  include <rlvr/backend/cpu/losses.hpp>
#endif
#include <rlvr/ops/execute.hpp>

namespace golden {
namespace {

template <class Op>
void execute(Op const& op) {
#if defined(RLVR_TEST_CUDA)
  static rlvr::cuda::context context;
  rlvr::execute(context, op);
  context.synchronize();
  ++test::kernel_launches;
#else
  rlvr::cpu::context context(1);
  rlvr::execute(context, op);
#endif
}

template <class Objective>
fused_output run(fused_input const& input, Objective const& objective) {
  auto const hidden = test::to_storage(input.hidden), weight = test::to_storage(input.weight),
             scale = test::to_storage(input.scale), advantage = test::to_storage(input.advantage),
             old = test::to_storage(input.old_log_prob), reference = test::to_storage(input.reference_log_prob);
  auto const target = test::to_storage(input.target);
  test::storage<float> log_prob(input.rows), d_hidden(input.hidden.size()), d_weight(input.weight.size());
  test::storage<rlvr::loss_value<float>> losses(input.rows);
  auto const record = [](auto const& values) { return values.empty() ? nullptr : values.data(); };
  execute(
      rlvr::ops::linear_policy_loss<Objective>{.head = {.hidden = {hidden.data(), input.rows, input.width},
                                                        .weight = {weight.data(), input.vocabulary, input.width},
                                                        .temperature = input.temperature,
                                                        .chunk_rows = input.chunk_rows},
                                               .objective = objective,
                                               .records = {.target = target.data(),
                                                           .scale = record(scale),
                                                           .advantage = record(advantage),
                                                           .old_log_prob = record(old),
                                                           .reference_log_prob = record(reference)},
                                               .results = {.log_prob = log_prob.data(), .loss = losses.data()},
                                               .hidden_gradient = {d_hidden.data(), input.rows, input.width},
                                               .weight_gradient = {d_weight.data(), input.vocabulary, input.width}});
  fused_output result{.log_prob = {log_prob.begin(), log_prob.end()},
                      .loss = {},
                      .hidden_gradient = {d_hidden.begin(), d_hidden.end()},
                      .weight_gradient = {d_weight.begin(), d_weight.end()}};
  for (auto const& loss : losses) result.loss.push_back(loss.value);
  return result;
}

}  // namespace

fused_output evaluate_fused(fused_input const& input, rlvr::cross_entropy const& objective) {
  return run(input, objective);
}

fused_output evaluate_fused(fused_input const& input, rlvr::kl_penalised<grpo_policy, rlvr::k3> const& objective) {
  return run(input, objective);
}

}  // namespace golden
