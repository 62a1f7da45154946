// SPDX-License-Identifier: MIT
/// @file
/// Figures of an evaluation with k samples per prompt: Avg@k (mean share of correct samples), Pass@k (share of prompts
/// with a correct one), format rate, and the 95 % interval of Avg@k.
///
/// Samples of a prompt depend on each other, so the interval treats the prompt as the unit: 1.96 standard errors of the
/// mean of the per-prompt shares.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/reward/summary.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>

RLVR_NAMESPACE_BEGIN
namespace train {

/// Figures over `prompts` x `samples` responses; shares lie in [0, 1].
struct evaluation_figures {
  std::size_t prompts = 0;
  std::size_t samples = 0;
  double avg_at_k = 0.0;
  double half_interval = 0.0;  ///< Avg@k lies in avg_at_k +- this, at 95 %
  double pass_at_k = 0.0;
  double format_rate = 0.0;
  double mean_reward = 0.0;  ///< over the outcomes that have a value
};

/// @param outcomes  prompts in order, `samples` outcomes each
/// @throws argument_error if they do not make whole groups
[[nodiscard]] inline evaluation_figures evaluate_outcomes(std::span<reward::outcome const> outcomes,
                                                          std::size_t samples) {
  if (samples == 0 || outcomes.size() % samples != 0)
    throw argument_error("evaluate_outcomes: " + std::to_string(outcomes.size()) +
                         " outcomes are not whole groups of " + std::to_string(samples));
  evaluation_figures result;
  result.samples = samples;
  result.prompts = outcomes.size() / samples;
  if (result.prompts == 0) return result;
  double sum = 0.0, squares = 0.0;
  std::size_t passed = 0;
  for (std::size_t p = 0; p < result.prompts; ++p) {
    std::size_t correct = 0;
    for (reward::outcome const& outcome : outcomes.subspan(p * samples, samples))
      correct += outcome.kind == reward::reward_class::correct ? 1 : 0;
    double const share = static_cast<double>(correct) / static_cast<double>(samples);
    sum += share;
    squares += share * share;
    passed += correct > 0 ? 1 : 0;
  }
  auto const n = static_cast<double>(result.prompts);
  result.avg_at_k = sum / n;
  if (result.prompts > 1) {
    double const variance = std::fmax(0.0, (squares - sum * sum / n) / (n - 1.0));
    result.half_interval = 1.96 * std::sqrt(variance / n);
  }
  reward::outcome_summary const summary = reward::summarise(outcomes);
  result.pass_at_k = static_cast<double>(passed) / n;
  result.format_rate = static_cast<double>(summary.well_formed) / static_cast<double>(summary.count);
  result.mean_reward = summary.mean;
  return result;
}

}  // namespace train
RLVR_NAMESPACE_END
