// SPDX-License-Identifier: MIT
// Every public functor of rlvr/rl is launched in a kernel: a forgotten host-device attribute cannot survive.
#include <rlvr/core/dual.hpp>
#include <rlvr/rl/adamw_rule.hpp>
#include <rlvr/rl/advantage.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/differentiate.hpp>
#include <rlvr/rl/importance_objectives.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/loss_metrics.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/presets.hpp>
#include <rlvr/rl/schedule.hpp>
#include <rlvr/rl/sequence_objectives.hpp>
#include <rlvr/rl/sequence_pass.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cstdint>

namespace {

template <class Objective, class T>
__global__ void evaluate_objective(Objective objective, rlvr::token_sample<T> const* samples,
                                   rlvr::loss_value<T>* losses) {
  losses[threadIdx.x] = objective(samples[threadIdx.x]);
}

template <class Kl, class T>
__global__ void evaluate_kl(Kl kl, rlvr::token_sample<T> const* samples, rlvr::kl_value<T>* values) {
  rlvr::token_sample<T> const& sample = samples[threadIdx.x];
  if constexpr (rlvr::kl_estimator<Kl, T>) {
    values[threadIdx.x] = kl(sample.log_prob, sample.reference_log_prob);
  } else {
    values[threadIdx.x] = kl(sample);
  }
}

template <class Kl, class T>
__global__ void evaluate_kl_in_reward(rlvr::kl_in_reward<Kl> kl, rlvr::token_sample<T> const* samples, T* rewards) {
  rlvr::token_sample<T> const& sample = samples[threadIdx.x];
  rewards[threadIdx.x] = kl(rewards[threadIdx.x], sample.log_prob, sample.reference_log_prob);
}

template <class Estimator, class T>
__global__ void evaluate_advantage(Estimator estimator, T const* rewards, std::int64_t group_size, T* advantages) {
  T const* const first = rewards + threadIdx.x * group_size;
  T* const out = advantages + threadIdx.x * group_size;
  rlvr::advantages_of_group(
      estimator, group_size, [=](std::int64_t i) { return first[i]; },
      [=](std::int64_t i, double advantage) { out[i] = static_cast<T>(advantage); });
}

template <class T>
__global__ void evaluate_whitening(rlvr::whitening rule, rlvr::reward_statistics batch, T* values) {
  values[threadIdx.x] = static_cast<T>(rule(values[threadIdx.x], batch));
}

template <class Aggregation, class T>
__global__ void evaluate_aggregation(Aggregation aggregation, rlvr::batch_statistics batch, T* scales) {
  batch.add_sequence(3);
  batch += batch;
  scales[threadIdx.x] = aggregation.template scale<T>(batch, threadIdx.x);
}

template <class T>
__global__ void evaluate_adamw(rlvr::adamw_update<T> update, T* parameter, T* first, T* second, T const* gradient) {
  auto const i = threadIdx.x;
  update(parameter[i], first[i], second[i], gradient[i]);
}

/// The records of rows of a fixed length, and their metrics.
template <class Objective, class T>
__global__ void evaluate_sequence(Objective objective, rlvr::token_sample<T>* samples, std::int64_t length,
                                  rlvr::loss_metrics* metrics) {
  rlvr::token_sample<T>* const row = samples + threadIdx.x * length;
  auto const record = rlvr::summarise_sequence<T>(
      objective, length, [](std::int64_t) { return true; }, [=](std::int64_t t) { return row[t]; });
  rlvr::loss_metrics part{};
  for (std::int64_t t = 0; t < length; ++t) {
    row[t].sequence = record;
    part.add(row[t], objective(row[t]));
  }
  metrics[threadIdx.x] += part;
  metrics[threadIdx.x].loss_sum = part.log_ratio_quantile(0.9) + part.clip_fraction() + part.approximate_kl_k3();
}

template <class T>
__global__ void evaluate_vespo_weight(rlvr::vespo_weight weight, T* values) {
  values[threadIdx.x] = weight(values[threadIdx.x], T(1));
}

template <class Schedule>
__global__ void evaluate_schedule(Schedule schedule, double* factors) {
  factors[threadIdx.x] = schedule(static_cast<std::int64_t>(threadIdx.x) + 1);
}

/// Touches every operation of the dual numbers.
struct all_dual_operations {
  double low = 0.8;

  template <class Sample>
  RLVR_HD auto operator()(Sample const& s) const {
    auto ratio = exp(s.log_prob - s.old_log_prob);
    auto x = -min(ratio * s.advantage, clamp(ratio, low, 1.2f) * s.advantage) + max(s.entropy, 0) / 2;
    x += abs(s.log_prob) + log(1 + ratio) + log1p(ratio) + sqrt(ratio) + expm1(s.log_prob) + tanh(s.log_prob);
    x += sigmoid(s.log_prob) + pow(ratio, 2) + pow(ratio, 0.5f);
    x *= s.sequence.length;
    x -= 1;
    x /= 2.0f;
    bool const positive = s.advantage > 0 && ratio <= 2 && ratio >= 0 && !(ratio == 1) && 0 < ratio && 2 >= ratio;
    return positive ? x : stop_gradient(x) + 1.0 / ratio + min(1, ratio) - max(0.5, min(ratio, 2) * s.log_prob);
  }
};

template <class Objective>
void launch_objective(Objective objective) {
  evaluate_objective<<<1, 1>>>(objective, static_cast<rlvr::token_sample<float> const*>(nullptr),
                               static_cast<rlvr::loss_value<float>*>(nullptr));
  evaluate_objective<<<1, 1>>>(objective, static_cast<rlvr::token_sample<double> const*>(nullptr),
                               static_cast<rlvr::loss_value<double>*>(nullptr));
}

template <class Objective>
void launch_sequence_objective(Objective objective) {
  launch_objective(objective);
  rlvr::loss_metrics* const metrics = nullptr;
  evaluate_sequence<<<1, 1>>>(objective, static_cast<rlvr::token_sample<float>*>(nullptr), 4, metrics);
  evaluate_sequence<<<1, 1>>>(objective, static_cast<rlvr::token_sample<double>*>(nullptr), 4, metrics);
}

template <class Kl>
void launch_kl(Kl kl) {
  evaluate_kl<<<1, 1>>>(kl, static_cast<rlvr::token_sample<float> const*>(nullptr),
                        static_cast<rlvr::kl_value<float>*>(nullptr));
  evaluate_kl<<<1, 1>>>(kl, static_cast<rlvr::token_sample<double> const*>(nullptr),
                        static_cast<rlvr::kl_value<double>*>(nullptr));
}

}  // namespace

/// Never called: instantiating the launches is the check.
void launch_every_functor() {
  launch_objective(rlvr::ppo_clip{});
  launch_objective(rlvr::reinforce{});
  launch_objective(rlvr::cross_entropy{});
  launch_objective(rlvr::kl_penalised{rlvr::ppo_clip{}, rlvr::k3{}, 0.1});
  launch_objective(rlvr::kl_penalised{rlvr::reinforce{}, rlvr::ratio_weighted{rlvr::k3{}}, 0.1});
  launch_objective(rlvr::entropy_regularised{rlvr::ppo_clip{}, 0.1});
  launch_objective(rlvr::weighted_sum{0.5, rlvr::ppo_clip{}, 0.5, rlvr::cross_entropy{}});
  launch_objective(rlvr::importance_weighted{rlvr::ppo_clip{}});
  launch_objective(rlvr::restricted_to{rlvr::ppo_clip{}, rlvr::token_choice::not_selected});
  launch_objective(rlvr::cispo());
  launch_objective(rlvr::cispo_capped());
  launch_objective(rlvr::cispo_masked());
  launch_objective(rlvr::truncated_policy_gradient());
  launch_objective(rlvr::topr{});
  launch_objective(rlvr::sapo{});
  launch_objective(rlvr::direct_reward{});
  launch_objective(rlvr::dppo{});
  launch_objective(rlvr::trust_region_policy_gradient{});
  launch_objective(rlvr::reference_policy_gradient{});
  launch_objective(rlvr::squared_log_ratio{});
  launch_objective(rlvr::kl_cov{});
  launch_sequence_objective(rlvr::ppo_clip{});
  launch_sequence_objective(rlvr::gspo());
  launch_sequence_objective(rlvr::gspo_token());
  launch_sequence_objective(rlvr::gmpo{});
  launch_sequence_objective(rlvr::vespo{});
  launch_sequence_objective(rlvr::kl_penalised{rlvr::gspo(), rlvr::sequence_ratio_weighted{rlvr::k3{}}, 0.1});
  launch_sequence_objective(rlvr::weighted_sum{0.5, rlvr::gspo(), 0.5, rlvr::reinforce{}});
  launch_objective(rlvr::differentiate(all_dual_operations{}));
  launch_objective(rlvr::presets::verl.objective);

  launch_kl(rlvr::k1{});
  launch_kl(rlvr::k2{});
  launch_kl(rlvr::k3{});
  launch_kl(rlvr::absolute_kl{});
  launch_kl(rlvr::reverse_k3{});
  launch_kl(rlvr::straight_through{rlvr::k3{}});
  launch_kl(rlvr::ratio_weighted{rlvr::k1{}});
  evaluate_kl_in_reward<<<1, 1>>>(rlvr::kl_in_reward{rlvr::k1{}, 0.1},
                                  static_cast<rlvr::token_sample<float> const*>(nullptr), static_cast<float*>(nullptr));

  float* const none = nullptr;
  evaluate_advantage<<<1, 1>>>(rlvr::group_z_score{}, none, 4, none);
  evaluate_advantage<<<1, 1>>>(rlvr::group_mean_baseline{}, none, 4, none);
  evaluate_advantage<<<1, 1>>>(rlvr::leave_one_out{}, none, 4, none);
  evaluate_advantage<<<1, 1>>>(rlvr::no_baseline{}, none, 4, none);
  evaluate_whitening<<<1, 1>>>(rlvr::whitening{}, rlvr::reward_statistics{}, none);
  evaluate_aggregation<<<1, 1>>>(rlvr::token_mean{}, rlvr::batch_statistics{}, none);
  evaluate_aggregation<<<1, 1>>>(rlvr::sequence_mean_token_mean{}, rlvr::batch_statistics{}, none);
  evaluate_aggregation<<<1, 1>>>(rlvr::sequence_mean_token_sum{}, rlvr::batch_statistics{}, none);
  evaluate_aggregation<<<1, 1>>>(rlvr::constant_length{}, rlvr::batch_statistics{}, none);
  evaluate_aggregation<<<1, 1>>>(rlvr::token_sum{}, rlvr::batch_statistics{}, none);
  evaluate_aggregation<<<1, 1>>>(rlvr::prompt_mean{}, rlvr::batch_statistics{}, none);
  evaluate_aggregation<<<1, 1>>>(rlvr::row_denominator{}, rlvr::batch_statistics{}, none);
  evaluate_aggregation<<<1, 1>>>(rlvr::micro_batch_mean{}, rlvr::batch_statistics{}, none);
  evaluate_aggregation<<<1, 1>>>(rlvr::scaled_by{0.5, rlvr::token_mean{}}, rlvr::batch_statistics{}, none);
  evaluate_vespo_weight<<<1, 1>>>(rlvr::vespo_weight{}, none);
  evaluate_adamw<<<1, 1>>>(rlvr::adamw_rule{}.at<float>(1), none, none, none, none);
  evaluate_schedule<<<1, 1>>>(rlvr::constant_schedule{}, static_cast<double*>(nullptr));
  evaluate_schedule<<<1, 1>>>(rlvr::linear_schedule{}, static_cast<double*>(nullptr));
  evaluate_schedule<<<1, 1>>>(rlvr::cosine_schedule{}, static_cast<double*>(nullptr));
}
