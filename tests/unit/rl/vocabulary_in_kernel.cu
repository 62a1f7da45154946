// SPDX-License-Identifier: MIT
// The divergences over the vocabulary and the bodies of a row of logits are launched in kernels, in float and double.
#include <rlvr/kernel/cross_entropy.hpp>
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/kernel/token_loss.hpp>
#include <rlvr/kernel/vocabulary_kl.hpp>
#include <rlvr/rl/controller.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/vocabulary_kl.hpp>

#include <cstddef>
#include <cstdint>

namespace {

template <class Divergence, class T>
__global__ void evaluate_divergence(Divergence divergence, rlvr::vocabulary_kl_settings settings, T* logits,
                                    T const* reference, std::size_t vocabulary, T* values) {
  rlvr::single_thread_group const group;
  values[0] = rlvr::kernel::vocabulary_kl_value(group, divergence, static_cast<T const*>(logits), reference, vocabulary,
                                                settings);
  values[1] = rlvr::kernel::vocabulary_kl_row(group, divergence, logits, reference, vocabulary, settings, T(1));
}

template <class T>
__global__ void evaluate_row(T* logits, std::size_t vocabulary, bool const* keep, std::int32_t target, T* values) {
  namespace kernel = rlvr::kernel;
  rlvr::single_thread_group const group;
  kernel::token_log_prob_row(group, logits, vocabulary, T(1), target, values, values + 1);
  auto const s = kernel::softmax_statistics(group, logits, vocabulary, T(1));
  values[2] = kernel::sum_of_squared_probabilities(group, logits, vocabulary, T(1), s);
  kernel::replace_by_squares_gradient(group, logits, vocabulary, T(1), s, values[2], T(1));
  kernel::kept_tokens const kept{keep, target};
  auto const restricted = kernel::softmax_statistics(group, logits, vocabulary, T(1), kept);
  kernel::replace_by_gradient(group, logits, vocabulary, T(1), s, restricted, kept, target, T(1), T(1));
  kernel::replace_by_gradient(group, logits, vocabulary, T(1), s, target, T(1), T(1));
  values[3] =
      kernel::cross_entropy_row(group, logits, vocabulary, rlvr::cross_entropy_rule{0.1, 0.01, 5}, target, T(1));
}

__global__ void evaluate_token_loss(float* logits, std::size_t vocabulary, rlvr::token_records records,
                                    rlvr::token_results results) {
  rlvr::kernel::token_loss_row(rlvr::single_thread_group{}, logits, vocabulary, 1.0f, rlvr::ppo_clip{}, records,
                               results, 0);
}

__global__ void update_controllers(rlvr::fixed_coefficient* fixed, rlvr::adaptive_kl* kl,
                                   rlvr::adaptive_entropy* entropy, double* applied) {
  fixed->update(0.1, 1);
  kl->update(0.1, 1);
  entropy->update(0.1);
  applied[0] = entropy->applied();
}

template <class Divergence>
void launch_divergence(Divergence divergence) {
  evaluate_divergence<<<1, 1>>>(divergence, rlvr::vocabulary_kl_settings{}, static_cast<float*>(nullptr),
                                static_cast<float const*>(nullptr), 0, static_cast<float*>(nullptr));
  evaluate_divergence<<<1, 1>>>(divergence, rlvr::vocabulary_kl_settings{}, static_cast<double*>(nullptr),
                                static_cast<double const*>(nullptr), 0, static_cast<double*>(nullptr));
}

}  // namespace

/// Never called: instantiating the launches is the check.
void launch_every_row_body() {
  launch_divergence(rlvr::forward_kl{});
  launch_divergence(rlvr::reverse_kl{});
  launch_divergence(rlvr::jensen_shannon{});
  launch_divergence(rlvr::skewed_forward_kl{});
  launch_divergence(rlvr::skewed_reverse_kl{});
  evaluate_row<<<1, 1>>>(static_cast<float*>(nullptr), 0, nullptr, 0, static_cast<float*>(nullptr));
  evaluate_row<<<1, 1>>>(static_cast<double*>(nullptr), 0, nullptr, 0, static_cast<double*>(nullptr));
  evaluate_token_loss<<<1, 1>>>(nullptr, 0, rlvr::token_records{}, rlvr::token_results{});
  update_controllers<<<1, 1>>>(nullptr, nullptr, nullptr, nullptr);
}
