// SPDX-License-Identifier: MIT
/// @file
/// From the records of a run to the charts of its report.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/report/svg.hpp>
#include <rlvr/train/metrics.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace report {

/// A chart and the sentence that defines what it shows.
struct figure {
  line_chart chart;
  std::string note;
};

/// The curve of a scalar over the steps of a phase; of all phases if `phase` is empty.  Steps that did not report it
/// are left out; a value that was reported as NaN stays and is a gap.
[[nodiscard]] inline series curve_of(std::vector<train::step_record> const& steps, std::string_view phase,
                                     std::string_view name, std::string_view label, int colour) {
  series result;
  result.label = label;
  result.colour = colour;
  for (auto const& record : steps) {
    if (!phase.empty() && record.phase != phase) continue;
    if (auto const value = record.find(name)) {
      result.x.push_back(static_cast<double>(record.step));
      result.y.push_back(*value);
    }
  }
  return result;
}

/// "in_domain" as "in domain".
[[nodiscard]] inline std::string readable(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

/// The data sets that were evaluated, in order of appearance: the middle of "eval/<data set>/<figure>".
[[nodiscard]] inline std::vector<std::string> evaluated_sets(std::vector<train::step_record> const& steps) {
  std::vector<std::string> sets;
  for (auto const& record : steps) {
    for (auto const& [name, value] : record.scalars) {
      std::string_view rest = name;
      if (!rest.starts_with(train::metric::evaluation_prefix)) continue;
      rest.remove_prefix(train::metric::evaluation_prefix.size());
      auto const slash = rest.rfind('/');
      if (slash == std::string_view::npos) continue;
      std::string set(rest.substr(0, slash));
      if (std::find(sets.begin(), sets.end(), set) == sets.end()) sets.push_back(std::move(set));
    }
  }
  return sets;
}

/// The colour of a reward class: the same in the stack, in the samples and in every report.
[[nodiscard]] inline int class_colour(std::string_view name) noexcept {
  constexpr std::pair<std::string_view, int> known[] = {
      {"correct", 2},    {"wrong_direction", 5}, {"wrong_label", 1}, {"invalid_label", 4},
      {"bad_format", 3}, {"error", 7},           {"timed_out", 6}};
  for (auto const& [known_name, colour] : known) {
    if (known_name == name) return colour;
  }
  return 0;
}

/// Sorts names by the order of metric::reward_classes; others follow in the order in which they came.
inline void sort_classes(std::vector<std::string>& names) {
  auto const rank = [](std::string const& name) {
    auto const& order = train::metric::reward_classes;
    return std::find(order.begin(), order.end(), name) - order.begin();
  };
  std::stable_sort(names.begin(), names.end(), [&](auto const& a, auto const& b) { return rank(a) < rank(b); });
}

/// The shares of the reward classes over the GRPO steps; a step without a class counts 0 for it.
[[nodiscard]] inline stacked_chart class_stack(std::vector<train::step_record> const& steps) {
  stacked_chart chart;
  chart.title = "Shares of reward classes over steps";
  std::vector<std::string> names;
  constexpr std::string_view prefix = train::metric::reward_class_prefix;
  std::vector<train::step_record const*> rows;
  for (auto const& record : steps) {
    if (record.phase != train::phase::grpo) continue;
    bool any = false;
    for (auto const& [name, value] : record.scalars) {
      if (!name.starts_with(prefix)) continue;
      any = true;
      std::string kind = name.substr(prefix.size());
      if (std::find(names.begin(), names.end(), kind) == names.end()) names.push_back(std::move(kind));
    }
    if (any) rows.push_back(&record);
  }
  sort_classes(names);
  for (auto const* record : rows) chart.x.push_back(static_cast<double>(record->step));
  for (auto const& name : names) {
    series layer;
    layer.label = name;
    layer.colour = class_colour(name);
    for (auto const* record : rows) layer.y.push_back(record->find(train::metric::reward_class(name)).value_or(0.0));
    if (std::any_of(layer.y.begin(), layer.y.end(), [](double y) { return y > 0; })) chart.layers.push_back(layer);
  }
  return chart;
}

/// The charts of a run; those without a point are left out.
[[nodiscard]] inline std::vector<figure> standard_figures(std::vector<train::step_record> const& steps) {
  namespace metric = train::metric;
  std::vector<figure> figures;
  auto const add = [&](std::string title, std::string note, std::vector<series> curves) -> line_chart& {
    figure made;
    made.chart.title = std::move(title);
    made.note = std::move(note);
    for (auto& curve : curves) {
      if (!curve.x.empty()) made.chart.curves.push_back(std::move(curve));
    }
    figures.push_back(std::move(made));
    return figures.back().chart;
  };
  auto const grpo = [&](std::string_view name, std::string_view label, int colour) {
    return curve_of(steps, train::phase::grpo, name, label, colour);
  };
  auto const evaluations = [&](std::string_view which, std::vector<series> curves) {
    constexpr int colours[] = {2, 1, 4, 6, 3, 5};
    std::size_t next = 0;
    for (auto const& set : evaluated_sets(steps)) {
      auto curve = curve_of(steps, "", metric::evaluation(set, which), readable(set), colours[next++ % 6]);
      curve.markers = true;
      curves.push_back(std::move(curve));
    }
    return curves;
  };

  add("Reward", "mean over the completions of a step", {grpo(metric::reward, "reward", 0)});
  auto& accuracy = add("Accuracy", "evaluations: Avg@k; rollouts: share of correct completions",
                       evaluations(metric::avg_at_k, {grpo(metric::accuracy, "training rollouts", 0)}));
  accuracy.percent = accuracy.full_scale = true;
  auto& format = add("Format rate", "share of completions that follow the response grammar",
                     evaluations(metric::format_rate, {grpo(metric::format_ok, "training rollouts", 0)}));
  format.percent = format.full_scale = true;
  add("Completion length", "tokens, mean over completions", {grpo(metric::mean_length, "tokens", 6)}).from_zero = true;
  add("Entropy", "nats per completion token", {grpo(metric::entropy, "entropy", 4)}).from_zero = true;
  add("KL to the reference", "nats per completion token", {grpo(metric::kl, "KL", 3)}).from_zero = true;
  auto& clip = add("Clip fraction", "share of completion tokens held by the clip",
                   {grpo(metric::clip_low, "lower", 0), grpo(metric::clip_high, "upper", 1)});
  clip.percent = clip.from_zero = true;
  add("Gradient norm", "before clipping", {grpo(metric::grad_norm, "gradient norm", 7)}).from_zero = true;
  add("Reward spread", "standard deviation inside groups, mean over groups", {grpo(metric::reward_std, "spread", 0)})
      .from_zero = true;
  auto& waste = add("Groups without signal, truncation", "share of groups; share of completions",
                    {grpo(metric::frac_reward_zero_std, "groups of equal rewards", 0),
                     grpo(metric::clipped_ratio, "truncated completions", 3)});
  waste.percent = waste.full_scale = true;
  add("Policy loss", "GRPO phase", {grpo(metric::loss, "loss", 0)});
  add("Supervised loss", "SFT phase, nats per token", {curve_of(steps, train::phase::sft, metric::loss, "loss", 6)})
      .from_zero = true;
  figures.erase(std::remove_if(figures.begin(), figures.end(), [](figure const& f) { return !f.chart.has_points(); }),
                figures.end());
  return figures;
}

}  // namespace report
RLVR_NAMESPACE_END
