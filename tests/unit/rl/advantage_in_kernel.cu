// SPDX-License-Identifier: MIT
// The host-device functors of advantages, returns and reward shaping are launched in kernels: a forgotten attribute
// cannot survive.
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/group_advantage.hpp>
#include <rlvr/rl/multi_reward.hpp>
#include <rlvr/rl/optimal_baseline.hpp>
#include <rlvr/rl/returns.hpp>
#include <rlvr/rl/reward_shaping.hpp>

#include <cstdint>

namespace {

template <class Estimator, class T>
__global__ void evaluate_group(Estimator estimator, T const* rewards, std::int64_t group_size, T* advantages) {
  rlvr::advantages_of_group(
      estimator, group_size, [=](std::int64_t i) { return rewards[i]; },
      [=](std::int64_t i, double advantage) { advantages[i] = static_cast<T>(advantage); });
}

template <class T>
__global__ void evaluate_length_weighted(rlvr::length_weighted_baseline rule, T const* rewards,
                                         std::int64_t const* lengths, std::int64_t group_size, T* advantages) {
  rule.of_group(
      group_size, [=](std::int64_t i) { return rewards[i]; }, [=](std::int64_t i) { return lengths[i]; },
      [=](std::int64_t i, double advantage) { advantages[i] = static_cast<T>(advantage); });
}

__global__ void evaluate_per_token(rlvr::running_baseline running, rlvr::reward_normalisation normalisation,
                                   rlvr::cumulative_score_norm norm, rlvr::distillation_advantage distillation,
                                   rlvr::reward_statistics statistics, float* single, double* numbers) {
  numbers[0] = running.score(numbers[0]);
  numbers[1] = normalisation(numbers[1], statistics, rlvr::merge(statistics, statistics));
  numbers[2] = norm(numbers[2], numbers[3], numbers[4]);
  numbers[3] = distillation(numbers[3], numbers[4], numbers[5]);
  single[0] = distillation(single[0], single[1], single[2]);
}

__global__ void evaluate_shaping(rlvr::soft_overlong soft, rlvr::linear_overlong linear,
                                 rlvr::truncation_rule truncation, rlvr::reward_map map, rlvr::mean_between mean,
                                 rlvr::spread_above spread, rlvr::reward_statistics statistics, std::int64_t length,
                                 float* single, double* numbers) {
  numbers[0] = soft(length) + linear(length);
  numbers[1] = map(truncation(numbers[1], mean(statistics)));
  single[0] = map(truncation(single[0], spread(statistics)));
}

}  // namespace

/// Never called: instantiating the launches is the check.
void launch_every_advantage() {
  float* const none = nullptr;
  double* const no_doubles = nullptr;
  evaluate_group<<<1, 1>>>(rlvr::gpg_baseline{}, none, 4, none);
  evaluate_group<<<1, 1>>>(rlvr::mean_relative{}, none, 4, none);
  evaluate_group<<<1, 1>>>(rlvr::leave_one_out_z_score{}, none, 4, none);
  evaluate_group<<<1, 1>>>(rlvr::top_two_margin{}, no_doubles, 4, no_doubles);
  evaluate_length_weighted<<<1, 1>>>(rlvr::length_weighted_baseline{}, none, static_cast<std::int64_t*>(nullptr), 4,
                                     none);
  evaluate_per_token<<<1, 1>>>({}, {}, {}, {}, {}, none, no_doubles);
  evaluate_shaping<<<1, 1>>>({}, {}, {}, {}, {}, {}, {}, 4, none, no_doubles);
}
