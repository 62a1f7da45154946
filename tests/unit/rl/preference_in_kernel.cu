// SPDX-License-Identifier: MIT
// Every functor of the preference losses is launched in a kernel: a forgotten host-device attribute cannot survive.
#include <rlvr/rl/preference.hpp>
#include <rlvr/rl/preference_batch.hpp>
#include <rlvr/rl/preference_score.hpp>
#include <rlvr/rl/reference_free.hpp>
#include <rlvr/rl/unpaired_preference.hpp>

namespace {

namespace preference = rlvr::preference;

template <class Loss, class T>
__global__ void evaluate_pair(Loss loss, rlvr::preference_sample<T> const* pairs, rlvr::preference_value<T>* values) {
  values[threadIdx.x] = loss(pairs[threadIdx.x]);
}

template <class Loss, class T>
__global__ void evaluate_response(Loss loss, T const* log_ratios, rlvr::unpaired_value<T>* values) {
  values[threadIdx.x] = loss(log_ratios[threadIdx.x], threadIdx.x % 2 == 0);
}

template <class Score, class T>
__global__ void evaluate_score(Score score, T const* log_ratios, preference::score_value<T>* values) {
  values[threadIdx.x] = score(log_ratios[threadIdx.x]);
}

__global__ void evaluate_wpo(rlvr::wpo_weight weight, double* values) {
  values[threadIdx.x] = weight(values[threadIdx.x], -1);
}

template <class T>
void launch_all() {
  rlvr::preference_sample<T>* pairs = nullptr;
  rlvr::preference_value<T>* values = nullptr;
  T* ratios = nullptr;
  auto const pair = [&](auto loss) { evaluate_pair<<<1, 1>>>(loss, pairs, values); };
  pair(preference::dpo{});
  pair(preference::robust{});
  pair(preference::hinge{});
  pair(preference::ipo{});
  pair(preference::exo_pair{});
  pair(preference::discopop{});
  pair(preference::nca_pair{});
  pair(preference::bco_pair{});
  pair(preference::sppo_hard{});
  pair(preference::apo_zero{});
  pair(preference::apo_down{});
  pair(preference::simpo{});
  pair(preference::orpo{});
  pair(preference::bradley_terry{});
  pair(preference::sigmoid_norm{});
  pair(preference::mixture<preference::dpo, preference::bco_pair>{});
  pair(preference::transformed<preference::forward_kl_score, preference::length_normalised<preference::ipo>>{});
  auto const response = [&](auto loss) {
    evaluate_response<<<1, 1>>>(loss, ratios, static_cast<rlvr::unpaired_value<T>*>(nullptr));
  };
  response(preference::kto{});
  response(preference::apo_zero_unpaired{});
  response(preference::bco{});
  auto const score = [&](auto rule) {
    evaluate_score<<<1, 1>>>(rule, ratios, static_cast<preference::score_value<T>*>(nullptr));
  };
  score(preference::reverse_kl_score{});
  score(preference::forward_kl_score{});
  score(preference::js_score{});
  score(preference::alpha_score{});
  score(preference::alpha_reward{});
}

}  // namespace

void launch_preference_losses() {
  launch_all<float>();
  launch_all<double>();
  evaluate_wpo<<<1, 1>>>(rlvr::wpo_weight{}, nullptr);
}
