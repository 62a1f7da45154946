// SPDX-License-Identifier: MIT
/// @file
/// A shared library of somebody's that runs every op behind one function of its own, compiled without any option about
/// visibility: what it exports beside that function is what the headers let out.
#include <rlvr/backend/cuda/linked_ops.cuh>
#include <rlvr/rl/objective.hpp>

namespace {

template <class... Ops>
void run_each(rlvr::cuda::context& context) {
  (rlvr::execute(context, Ops{}), ...);
}

}  // namespace

extern "C" int somebodys_function(cudaStream_t stream) try {
  rlvr::cuda::context context(stream);
  using namespace rlvr::ops;
  run_each<add_bias, adamw_step, attention_forward, attention_gradient, bias_gradient, copy_rows, gather_rows,
           global_norm, linear_forward, linear_input_gradient, linear_log_prob, linear_policy_loss<rlvr::ppo_clip>,
           linear_weight_gradient, rms_norm, rms_norm_gradient, rope, round_to_bfloat16, sample_tokens,
           scatter_add_rows, scatter_rows, swiglu, swiglu_gradient>(context);
  return 0;
} catch (std::exception const&) {
  return 1;
}
