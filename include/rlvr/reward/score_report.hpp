// SPDX-License-Identifier: MIT
/// @file
/// A scored batch with the time that each call took, and its metrics by name.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/reward/summary.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// The q-quantile by nearest rank: the smallest value that at least a share q of the values does not exceed.  NaN are
/// left out; NaN if nothing is left.
[[nodiscard]] inline double quantile(std::vector<double> values, double q) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  double const rank = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(values.size()));
  auto const nth = values.begin() + static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

/// Outcomes in the samples' order, and wall times in seconds.
struct score_report {
  std::vector<outcome> outcomes{};
  std::vector<double> seconds{};  ///< per call: per sample, or per group for group rewards; NaN: never called
  double p50 = std::numeric_limits<double>::quiet_NaN();  ///< median of `seconds`
  double p99 = std::numeric_limits<double>::quiet_NaN();
};

/// A report with its quantiles.
[[nodiscard]] inline score_report make_report(std::vector<outcome> outcomes, std::vector<double> seconds) {
  score_report report{.outcomes = std::move(outcomes), .seconds = std::move(seconds)};
  report.p50 = quantile(report.seconds, 0.50);
  report.p99 = quantile(report.seconds, 0.99);
  return report;
}

/// A list of named numbers in the order in which they are shown.
using named_numbers = std::vector<std::pair<std::string, double>>;

/// The metrics of a batch.  For a reward called `name`:
///
///     rewards/<name>/mean, rewards/<name>/std                  of the values, over outcomes that have one
///     rewards/<name>/<part>/mean, rewards/<name>/<part>/std    of each part, over outcomes that have it
///     reward_class/<class>                                     share of all outcomes, every class
///     reward/unscorable_frac                                   share of all outcomes that have no value
///
/// std has the divisor n - 1 (0 for n = 1), as the dashboards of TRL expect.  Where there are no values, mean and std
/// are NaN.  An empty name leaves the reward's own two out and lists the parts as rewards/<part>/...
[[nodiscard]] inline named_numbers reward_metrics(std::span<outcome const> outcomes, std::string_view name) {
  outcome_summary const summary = summarise(outcomes);
  named_numbers metrics;
  auto const moments = [&](std::string const& path, std::size_t count, double mean, double deviation) {
    double const none = std::numeric_limits<double>::quiet_NaN();
    auto const n = static_cast<double>(count);
    metrics.emplace_back(path + "/mean", count == 0 ? none : mean);
    metrics.emplace_back(path + "/std", count == 0 ? none : count == 1 ? 0 : deviation * std::sqrt(n / (n - 1)));
  };
  std::string root = "rewards";
  if (!name.empty()) {
    (root += '/') += name;
    moments(root, summary.scored, summary.mean, summary.deviation);
  }
  for (part_summary const& part : summary.parts) {
    moments(root + "/" + part.name, part.count, part.mean, part.deviation);
  }
  for (std::size_t i = 0; i < reward_class_count; ++i) {
    auto const kind = static_cast<reward_class>(i);
    metrics.emplace_back("reward_class/" + std::string(class_name(kind)), summary.rate(kind));
  }
  auto const total = static_cast<double>(std::max<std::size_t>(summary.count, 1));
  metrics.emplace_back("reward/unscorable_frac", static_cast<double>(summary.count - summary.scored) / total);
  return metrics;
}

/// The same and, in seconds, time/reward_p50 and time/reward_p99.
[[nodiscard]] inline named_numbers reward_metrics(score_report const& report, std::string_view name) {
  named_numbers metrics = reward_metrics(std::span<outcome const>(report.outcomes), name);
  metrics.emplace_back("time/reward_p50", report.p50);
  metrics.emplace_back("time/reward_p99", report.p99);
  return metrics;
}

}  // namespace reward
RLVR_NAMESPACE_END
