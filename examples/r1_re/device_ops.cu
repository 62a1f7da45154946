// SPDX-License-Identifier: MIT
/// @file
/// The program's ops on a GPU: what nvcc compiles of it (rlvr/backend/cuda/linked.cuh).
#include <rlvr/backend/cuda/linked_ops.cuh>
#include <rlvr/rl/presets.hpp>

#include <type_traits>

using grpo_objective = std::remove_const_t<decltype(rlvr::presets::r1_re.objective)>;

template void rlvr::cuda::run(rlvr::cuda::linked_context&, rlvr::ops::linear_policy_loss<grpo_objective> const&);
template void rlvr::cuda::run(rlvr::cuda::linked_context&, rlvr::ops::linear_policy_loss<rlvr::cross_entropy> const&);
