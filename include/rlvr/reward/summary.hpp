// SPDX-License-Identifier: MIT
/// @file
/// The figures of a scored batch: counts per class (errors among them), moments of the value and of each part.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/outcome.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// One named part over the outcomes that have it.
struct part_summary {
  std::string name{};
  std::size_t count = 0;
  double mean = 0;
  double deviation = 0;  ///< population standard deviation
};

/// A batch in figures.  Outcomes without a value count in `by_class` and in nothing else.
struct outcome_summary {
  std::size_t count = 0;        ///< all outcomes
  std::size_t scored = 0;       ///< those with a value
  std::size_t well_formed = 0;  ///< those that follow the response grammar
  double mean = 0;              ///< of the values; 0 if there is none
  double deviation = 0;         ///< their population standard deviation
  std::array<std::size_t, reward_class_count> by_class{};
  std::vector<part_summary> parts{};  ///< in order of first appearance

  [[nodiscard]] std::size_t of_class(reward_class kind) const noexcept {
    return by_class[static_cast<std::size_t>(kind)];
  }
  /// The share of all outcomes, in [0, 1]; 0 for an empty batch.
  [[nodiscard]] double rate(reward_class kind) const noexcept {
    return count == 0 ? 0 : static_cast<double>(of_class(kind)) / static_cast<double>(count);
  }
};

/// Sums in the outcomes' order, so equal batches give equal bits.
[[nodiscard]] inline outcome_summary summarise(std::span<outcome const> outcomes) {
  outcome_summary summary;
  auto const known_part = [&](outcome_part const& part) {
    return std::find_if(summary.parts.begin(), summary.parts.end(),
                        [&](part_summary const& known) { return known.name == part.name; });
  };
  summary.count = outcomes.size();
  for (outcome const& each : outcomes) {
    ++summary.by_class[static_cast<std::size_t>(each.kind)];
    summary.well_formed += each.well_formed() ? 1 : 0;
    if (!each.has_value()) continue;
    ++summary.scored;
    summary.mean += each.value;
    for (outcome_part const& part : each.parts) {
      auto found = known_part(part);
      if (found == summary.parts.end()) found = summary.parts.insert(found, part_summary{.name = part.name});
      ++found->count;
      found->mean += part.value;
    }
  }
  for (part_summary& part : summary.parts) part.mean /= static_cast<double>(part.count);
  if (summary.scored == 0) return summary;
  summary.mean /= static_cast<double>(summary.scored);
  auto const square = [](double x) { return x * x; };
  for (outcome const& each : outcomes) {  // the sums of squares first
    if (!each.has_value()) continue;
    summary.deviation += square(each.value - summary.mean);
    for (outcome_part const& part : each.parts) {
      auto const known = known_part(part);
      known->deviation += square(part.value - known->mean);
    }
  }
  summary.deviation = std::sqrt(summary.deviation / static_cast<double>(summary.scored));
  for (part_summary& part : summary.parts) part.deviation = std::sqrt(part.deviation / static_cast<double>(part.count));
  return summary;
}

}  // namespace reward
RLVR_NAMESPACE_END
