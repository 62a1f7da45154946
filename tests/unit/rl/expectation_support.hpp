// SPDX-License-Identifier: MIT
/// @file
/// A softmax policy over few actions, so small that expectations are sums over everything that can happen.
///
/// The *library's* expected gradient is sum_a b_a (d_log_prob grad log p_a + d_entropy grad H), with the derivatives
/// that an objective returns.  The *expected* one comes from central differences of sum_a b_a surrogate(a), where the
/// surrogate is the header's formula written anew on probabilities: no log-ratio, no dual number, no helper is shared.
/// Where a formula has a stop gradient the surrogate reads `held`, which does not move with the parameters.
#pragma once

#include <rlvr/rl/token_sample.hpp>

#include "loss_support.hpp"
#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace expectation_test {

inline constexpr std::size_t actions = 4;
using numbers = std::array<double, actions>;

/// What a surrogate reads of one action.
struct action {
  double p = 0;             ///< probability under the policy, whose parameters are moved
  double held = 0;          ///< the same where the derivative is taken: what a stop gradient lets through
  double entropy = 0;       ///< of the policy, moved
  double held_entropy = 0;  ///< not moved
  double old = 0;
  double behaviour = 0;
  double reference = 0;
  double advantage = 0;
  double reward = 0;
  double weight = 1;
  bool selected = false;
};

using surrogate = std::function<double(action const&)>;

template <std::size_t Count>
std::array<double, Count> softmax(std::array<double, Count> const& logits) {
  double sum = 0;
  for (double const x : logits) sum += std::exp(x);
  std::array<double, Count> result{};
  for (std::size_t a = 0; a < Count; ++a) result[a] = std::exp(logits[a]) / sum;
  return result;
}

template <std::size_t Count>
double entropy_of(std::array<double, Count> const& p) {
  double sum = 0;
  for (double const x : p) sum -= x * std::log(x);
  return sum;
}

/// One decision: the policy's parameters, and probabilities of the policies that stand still.
struct decision {
  numbers logits{};
  numbers old{};
  numbers behaviour{};  ///< draws the actions
  numbers reference{};
  numbers reward{};
  numbers advantage{};
  numbers weight{};
  std::array<bool, actions> selected{};

  /// @param drift  how far the policy has moved from the old one; 0: on-policy, behaviour included
  decision(loss_test::random_numbers& random, double drift) {
    numbers earlier{}, sampler{}, frozen{};
    double mean = 0;
    for (std::size_t a = 0; a < actions; ++a) {
      logits[a] = random.normal(0.7);
      earlier[a] = logits[a] + random.normal(drift);
      sampler[a] = earlier[a] + random.normal(0.2 * drift);
      frozen[a] = logits[a] + random.normal(0.5);
      reward[a] = random.normal(1);
      weight[a] = random.uniform(0.2, 2);
      selected[a] = random.uniform(0, 1) < 0.5;
    }
    old = softmax(earlier);
    behaviour = softmax(sampler);
    reference = softmax(frozen);
    for (std::size_t a = 0; a < actions; ++a) mean += behaviour[a] * reward[a];
    for (std::size_t a = 0; a < actions; ++a) advantage[a] = reward[a] - mean;
  }

  [[nodiscard]] rlvr::token_sample<double> sample(std::size_t a) const {
    numbers const p = softmax(logits);
    rlvr::token_sample<double> result{.log_prob = std::log(p[a]),
                                      .old_log_prob = std::log(old[a]),
                                      .reference_log_prob = std::log(reference[a]),
                                      .behaviour_log_prob = std::log(behaviour[a]),
                                      .advantage = advantage[a],
                                      .entropy = entropy_of(p),
                                      .weight = weight[a],
                                      .selected = selected[a]};
    result.sequence.reward = reward[a];
    return result;
  }
};

/// An expected loss and its gradient by the logits.
struct expectation {
  double loss = 0;
  numbers gradient{};
};

/// From the derivatives that the objective returns.
template <class Objective>
expectation by_library(decision const& d, Objective const& objective) {
  numbers const p = softmax(d.logits);
  double const entropy = entropy_of(p);
  expectation result;
  for (std::size_t a = 0; a < actions; ++a) {
    rlvr::loss_value<double> const loss = objective(d.sample(a));
    result.loss += d.behaviour[a] * loss.value;
    for (std::size_t k = 0; k < actions; ++k) {
      double const score = (a == k ? 1 : 0) - p[k];
      double const entropy_slope = -p[k] * (std::log(p[k]) + entropy);
      result.gradient[k] += d.behaviour[a] * (loss.d_log_prob * score + loss.d_entropy * entropy_slope);
    }
  }
  return result;
}

inline double expected_surrogate(decision const& d, numbers const& logits, surrogate const& formula) {
  numbers const p = softmax(logits), held = softmax(d.logits);
  double sum = 0;
  for (std::size_t a = 0; a < actions; ++a)
    sum += d.behaviour[a] * formula({.p = p[a],
                                     .held = held[a],
                                     .entropy = entropy_of(p),
                                     .held_entropy = entropy_of(held),
                                     .old = d.old[a],
                                     .behaviour = d.behaviour[a],
                                     .reference = d.reference[a],
                                     .advantage = d.advantage[a],
                                     .reward = d.reward[a],
                                     .weight = d.weight[a],
                                     .selected = d.selected[a]});
  return sum;
}

inline constexpr double difference_step = 1e-5;

/// From central differences of the expected surrogate.
inline expectation by_differences(decision const& d, surrogate const& formula) {
  expectation result{.loss = expected_surrogate(d, d.logits, formula)};
  for (std::size_t k = 0; k < actions; ++k) {
    numbers above = d.logits, below = d.logits;
    above[k] += difference_step;
    below[k] -= difference_step;
    result.gradient[k] =
        (expected_surrogate(d, above, formula) - expected_surrogate(d, below, formula)) / (2 * difference_step);
  }
  return result;
}

/// Both gradients, or a gradient and a multiple of another.
template <class Numbers>
void check_equal(Numbers const& found, Numbers const& expected, double factor = 1, double tolerance = 1e-12) {
  for (std::size_t k = 0; k < found.size(); ++k) {
    INFO("parameter " << k << ": " << found[k] << ", expected " << factor * expected[k]);
    CHECK(std::abs(found[k] - factor * expected[k]) < tolerance * (1 + std::abs(expected[k])));
  }
}

/// PPO's clipped surrogate of any ratio.
struct clip {
  double low = 0.2;
  double high = 0.2;
  double dual = rlvr::unlimited;
  double cap = rlvr::unlimited;

  [[nodiscard]] double operator()(double ratio, double advantage) const {
    double const bounded = std::min(std::max(ratio, 1 - low), 1 + high);
    double const loss = std::max(-advantage * std::min(ratio, cap), -advantage * bounded);
    return advantage < 0 ? std::min(loss, -advantage * dual) : loss;
  }
};

/// KL estimate k3 from probabilities.
inline double k3_of(double p, double reference) { return reference / p - 1 - std::log(reference / p); }

/// Names of the objectives that the two files of expectations enumerate.
std::vector<std::string> token_case_names();
std::vector<std::string> sequence_case_names();

}  // namespace expectation_test
