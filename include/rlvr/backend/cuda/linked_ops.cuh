// SPDX-License-Identifier: MIT
/// @file
/// The ops of `linked_context`, for one unit of a program, which nvcc compiles (linked.cuh).  Losses are instantiated
/// by that unit, for the objectives that the program has.
#pragma once

#include <rlvr/backend/cuda/attention.cuh>
#include <rlvr/backend/cuda/attention_gradient.cuh>
#include <rlvr/backend/cuda/linked.cuh>
#include <rlvr/backend/cuda/losses.cuh>
#include <rlvr/backend/cuda/matmul.cuh>
#include <rlvr/backend/cuda/optimizer.cuh>
#include <rlvr/backend/cuda/rows.cuh>
#include <rlvr/ops/execute.hpp>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

template <class Op>
void run(linked_context& ctx, Op const& op) {
  rlvr::execute(static_cast<context&>(ctx), op);
}

template void run(linked_context&, ops::add_bias const&);
template void run(linked_context&, ops::adamw_step const&);
template void run(linked_context&, ops::attention_forward const&);
template void run(linked_context&, ops::attention_gradient const&);
template void run(linked_context&, ops::bias_gradient const&);
template void run(linked_context&, ops::copy_rows const&);
template void run(linked_context&, ops::gather_rows const&);
template void run(linked_context&, ops::global_norm const&);
template void run(linked_context&, ops::linear_forward const&);
template void run(linked_context&, ops::linear_input_gradient const&);
template void run(linked_context&, ops::linear_log_prob const&);
template void run(linked_context&, ops::linear_weight_gradient const&);
template void run(linked_context&, ops::rms_norm const&);
template void run(linked_context&, ops::rms_norm_gradient const&);
template void run(linked_context&, ops::rope const&);
template void run(linked_context&, ops::round_to_bfloat16 const&);
template void run(linked_context&, ops::sample_tokens const&);
template void run(linked_context&, ops::scatter_add_rows const&);
template void run(linked_context&, ops::scatter_rows const&);
template void run(linked_context&, ops::swiglu const&);
template void run(linked_context&, ops::swiglu_gradient const&);

}  // namespace cuda
RLVR_NAMESPACE_END
