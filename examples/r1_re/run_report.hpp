// SPDX-License-Identifier: MIT
/// @file
/// What a finished run tells: the comparison table, the confusion matrix, report.html and a JSON summary.  All of it is
/// made from the run's records, so a resumed run tells the same.
#pragma once

#include <rlvr/report/html.hpp>
#include <rlvr/report/json_lines.hpp>
#include <rlvr/report/sinks.hpp>
#include <rlvr/report/tables.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/train/evaluate.hpp>
#include <rlvr/train/metrics.hpp>

#include <fmt/format.h>

#include "presets.hpp"
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace r1_re {

/// The phases that evaluate a model, in the order of a run.
namespace phase_names {
inline constexpr std::string_view start = "evaluate_start";
inline constexpr std::string_view label_tuned = "evaluate_sft_labels";
inline constexpr std::string_view warm_started = "evaluate_sft";
inline constexpr std::string_view reinforced = "evaluate_r1_re";
}  // namespace phase_names

/// Rows of the table.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 4> compared_models{{
    {phase_names::start, "start"},
    {phase_names::label_tuned, "SFT on labels"},
    {phase_names::warm_started, "SFT on traces"},
    {phase_names::reinforced, "R1-RE"},
}};

inline constexpr std::string_view half_interval = "half_interval";
inline constexpr std::string_view prompt_count = "prompts";

/// Writes the figures of one set into an evaluation's record.
inline void add_figures(rlvr::train::step_record& record, std::string_view set,
                        rlvr::train::evaluation_figures const& figures) {
  namespace metric = rlvr::train::metric;
  record.set(metric::evaluation(set, metric::avg_at_k), figures.avg_at_k);
  record.set(metric::evaluation(set, half_interval), figures.half_interval);
  record.set(metric::evaluation(set, metric::pass_at_k), figures.pass_at_k);
  record.set(metric::evaluation(set, metric::format_rate), figures.format_rate);
  record.set(metric::evaluation(set, metric::reward), figures.mean_reward);
  record.set(metric::evaluation(set, prompt_count), static_cast<double>(figures.prompts));
}

/// Records of a run that was cut off, from its folder.
[[nodiscard]] inline rlvr::report::memory_sink read_records(std::string const& folder) {
  rlvr::report::memory_sink memory;
  memory.steps = rlvr::report::read_metrics(folder + "/metrics.jsonl").records;
  memory.completions = rlvr::report::read_completions(folder + "/completions.jsonl").records;
  return memory;
}

[[nodiscard]] inline rlvr::train::step_record const* find_phase(rlvr::report::memory_sink const& records,
                                                                std::string_view phase) {
  for (rlvr::train::step_record const& record : records.steps)
    if (record.phase == phase) return &record;
  return nullptr;
}

/// Models by data sets, Avg@k.
[[nodiscard]] inline rlvr::report::comparison_table comparison(rlvr::report::memory_sink const& records,
                                                               std::vector<std::string> const& sets,
                                                               std::size_t samples, float temperature) {
  namespace metric = rlvr::train::metric;
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  rlvr::report::comparison_table table;
  std::string counts;
  for (std::string const& set : sets) {
    table.columns.push_back(set);
    if (auto const* first = find_phase(records, phase_names::start))
      counts += (counts.empty() ? "" : ", ") + set + " n = " +
                std::to_string(static_cast<int>(first->find(metric::evaluation(set, prompt_count)).value_or(0.0)));
  }
  table.caption =
      (samples == 1 ? std::string("accuracy, greedy") : fmt::format("Avg@{} at temperature {}", samples, temperature)) +
      " with 95 % intervals; " + counts;
  for (auto const& [phase, label] : compared_models) {
    auto const* record = find_phase(records, phase);
    if (!record) continue;
    rlvr::report::comparison_table::row row{std::string(label), {}};
    for (std::string const& set : sets)
      row.cells.push_back({record->find(metric::evaluation(set, metric::avg_at_k)).value_or(none),
                           record->find(metric::evaluation(set, half_interval)).value_or(none)});
    table.rows.push_back(std::move(row));
  }
  return table;
}

/// Gold by predicted label of a final evaluation's records.
[[nodiscard]] inline rlvr::report::confusion_matrix confusion(rlvr::report::memory_sink const& records,
                                                              std::string_view phase,
                                                              rlvr::text::guideline const& guide) {
  rlvr::report::confusion_matrix matrix(rlvr::text::label_texts(guide));
  for (rlvr::train::completion_record const& completion : records.completions)
    if (completion.phase == phase) matrix.add(completion.gold, completion.answer.value_or("(none)"));
  return matrix;
}

/// Writes OUTPUT/report.html.
inline void write_run_report(std::string const& output, rlvr::report::memory_sink const& records,
                             rlvr::train::run_record const& run, rlvr::report::comparison_table const& table,
                             std::string const& in_domain, rlvr::text::guideline const& guide) {
  rlvr::report::report_data data;
  data.title = "R1-RE: " + run.name;
  data.subtitle =
      "Relation extraction by reasoning over an annotation guideline, trained with GRPO and a staged rule reward.";
  data.run = run;
  data.comparison = table;
  data.confusion = confusion(records, std::string(phase_names::reinforced) + "/" + in_domain, guide);
  data.confusion_caption = "R1-RE on " + in_domain + ", first sample of each sentence";
  for (rlvr::train::step_record const& record : records.steps)  // the baseline has no place in the curves of R1-RE
    if (record.phase != "sft_labels" && record.phase != phase_names::label_tuned) data.steps.push_back(record);
  data.completions = records.completions;
  rlvr::report::write_report(output + "/report.html", data);
}

/// The summary that `train` prints and keeps as results.json.
[[nodiscard]] inline nlohmann::ordered_json summary(rlvr::report::memory_sink const& records,
                                                    std::vector<std::string> const& sets, std::string const& output) {
  namespace metric = rlvr::train::metric;
  nlohmann::ordered_json result;
  nlohmann::ordered_json models = nlohmann::ordered_json::object();
  for (auto const& [phase, label] : compared_models) {
    auto const* record = find_phase(records, phase);
    if (!record) continue;
    nlohmann::ordered_json model;
    for (std::string const& set : sets) {
      nlohmann::ordered_json figures;
      for (std::string_view const figure :
           {metric::avg_at_k, half_interval, metric::pass_at_k, metric::format_rate, metric::reward, prompt_count})
        if (auto const value = record->find(metric::evaluation(set, figure))) figures[std::string(figure)] = *value;
      model[set] = figures;
    }
    models[std::string(label)] = model;
  }
  result["models"] = models;
  nlohmann::ordered_json curve;
  rlvr::train::step_record const* first = nullptr;
  rlvr::train::step_record const* last = nullptr;
  for (rlvr::train::step_record const& record : records.steps) {
    if (record.phase != rlvr::train::phase::grpo) continue;
    if (!first) first = &record;
    last = &record;
  }
  if (first)
    for (std::string_view const name : {metric::reward, metric::format_ok, metric::accuracy, metric::mean_length})
      curve[std::string(name)] = {{"first", first->find(name).value_or(0.0)}, {"last", last->find(name).value_or(0.0)}};
  result["grpo"] = curve;
  result["report"] = output + "/report.html";
  return result;
}

}  // namespace r1_re
