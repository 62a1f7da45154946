// SPDX-License-Identifier: MIT
// The host-device functors of rollout correction, generalised advantages and the critic's loss are launched in kernels:
// a forgotten attribute cannot survive.
#include <rlvr/rl/correction.hpp>
#include <rlvr/rl/gae.hpp>
#include <rlvr/rl/mismatch.hpp>

#include <cstdint>

namespace {

template <class T>
__global__ void evaluate_correction(rlvr::importance_weight rule, rlvr::rejection rejection,
                                    rlvr::off_policy_mask off_policy, rlvr::token_sample<T> const* samples,
                                    rlvr::log_ratio_sum row, T* weights, bool* keep) {
  rlvr::token_sample<T> const& sample = samples[threadIdx.x];
  T const kept = rlvr::sampling_log_prob(sample.old_log_prob, weights[threadIdx.x]);
  weights[threadIdx.x] = rule(sample) + rule(kept - sample.behaviour_log_prob) + rule.unbounded(kept);
  keep[threadIdx.x] =
      rejection.keeps(static_cast<double>(rejection.divergence(sample.old_log_prob, sample.behaviour_log_prob))) &&
      rule.inside(kept) && off_policy(static_cast<double>(sample.advantage), row.mean(1e-8));
}

__global__ void evaluate_statistics(rlvr::weight_statistics statistics, double* numbers) {
  statistics.add(numbers[0]);
  statistics += statistics;
  numbers[0] = statistics.mean() + statistics.standard_deviation() + statistics.effective_sample_size();
}

template <class T>
__global__ void evaluate_value_loss(rlvr::value_loss rule, T const* values, T const* old_values, T* targets) {
  rlvr::value_loss_result<T> const loss = rule(values[threadIdx.x], old_values[threadIdx.x], targets[threadIdx.x]);
  targets[threadIdx.x] = loss.clipped ? loss.value : loss.d_value;
}

__global__ void evaluate_lambda(double alpha, std::int64_t length, double* lambda) {
  *lambda = rlvr::length_adaptive_lambda(alpha, length);
}

}  // namespace

/// Never called: instantiating the launches is the check.
void launch_every_correction() {
  float* const none = nullptr;
  double* const no_doubles = nullptr;
  rlvr::token_sample<float>* const no_samples = nullptr;
  rlvr::token_sample<double>* const no_double_samples = nullptr;
  bool* const no_flags = nullptr;
  evaluate_correction<<<1, 1>>>(rlvr::importance_weight{}, rlvr::rejection{}, rlvr::off_policy_mask{}, no_samples,
                                rlvr::log_ratio_sum{}, none, no_flags);
  evaluate_correction<<<1, 1>>>(rlvr::importance_weight{}, rlvr::rejection{}, rlvr::off_policy_mask{},
                                no_double_samples, rlvr::log_ratio_sum{}, no_doubles, no_flags);
  evaluate_statistics<<<1, 1>>>(rlvr::weight_statistics{}, no_doubles);
  evaluate_value_loss<<<1, 1>>>(rlvr::value_loss{}, none, none, none);
  evaluate_value_loss<<<1, 1>>>(rlvr::value_loss{}, no_doubles, no_doubles, no_doubles);
  evaluate_lambda<<<1, 1>>>(0.05, 100, no_doubles);
}
