// SPDX-License-Identifier: MIT
/// @file
/// Every kernel of the CUDA backend, in the instances that the ops launch: what the compile matrix and the resource
/// table compile.  The losses are those of two simple objectives, of the one that the example program trains with, and
/// of a user's own arithmetic.
#include <rlvr/backend/cuda/linked_ops.cuh>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/presets.hpp>

#include <type_traits>

/// Reads what a sample has, bends it, and leaves the derivative to `differentiate`.
struct soft_clip {
  template <class Sample>
  RLVR_HD auto operator()(Sample const& s) const {
    auto const width = 0.1f + 0.3f * stop_gradient(s.entropy);
    return -s.advantage * width * tanh((s.log_prob - s.old_log_prob) / width);
  }
};

using example_objective = std::remove_const_t<decltype(rlvr::presets::r1_re.objective)>;

template void rlvr::cuda::run(rlvr::cuda::linked_context&, rlvr::ops::linear_policy_loss<rlvr::ppo_clip> const&);
template void rlvr::cuda::run(rlvr::cuda::linked_context&, rlvr::ops::linear_policy_loss<rlvr::cross_entropy> const&);
template void rlvr::cuda::run(rlvr::cuda::linked_context&, rlvr::ops::linear_policy_loss<example_objective> const&);
template void rlvr::cuda::run(rlvr::cuda::linked_context&,
                              rlvr::ops::linear_policy_loss<rlvr::differentiated<soft_clip>> const&);
