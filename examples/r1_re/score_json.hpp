// SPDX-License-Identifier: MIT
/// @file
/// The scorer's figures as one JSON object: counts as numbers, percentages as the strings with two
/// decimals that the official scorer prints.
#pragma once

#include <rlvr/data/semeval_scorer.hpp>

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace r1_re {

/// Two decimals, correctly rounded, independent of the locale.
[[nodiscard]] inline std::string percent_text(double percent) { return fmt::format("{:.2f}", percent); }

/// {num, den, pct}
[[nodiscard]] inline nlohmann::ordered_json to_json(rlvr::data::counted_percentage const& value) {
  return {{"num", value.numerator}, {"den", value.denominator}, {"pct", percent_text(value.percent())}};
}

/// {P, R, F1}
[[nodiscard]] inline nlohmann::ordered_json to_json(rlvr::data::precision_recall const& value) {
  return {{"P", percent_text(value.precision)}, {"R", percent_text(value.recall)}, {"F1", percent_text(value.f1)}};
}

/// {columns, rows: [{gold, cells, tail}], tail_columns, column_sums}
[[nodiscard]] inline nlohmann::ordered_json to_json(rlvr::data::confusion_matrix const& matrix) {
  auto rows = nlohmann::ordered_json::array();
  for (auto const& row : matrix.rows) {
    rows.push_back({{"gold", row.gold}, {"cells", row.cells}, {"tail", row.tail}});
  }
  return {{"columns", matrix.columns},
          {"rows", std::move(rows)},
          {"tail_columns", matrix.tail_columns},
          {"column_sums", matrix.column_sums}};
}

/// One of the three evaluations.
[[nodiscard]] inline nlohmann::ordered_json to_json(rlvr::data::evaluation const& evaluation) {
  auto relations = nlohmann::ordered_json::object();
  for (auto const& relation : evaluation.per_relation) {
    nlohmann::ordered_json entry{{"correct", relation.correct},
                                 {"proposed", relation.proposed},
                                 {"wrong_dir", relation.wrong_direction},
                                 {"gold", relation.gold}};
    entry.update(to_json(relation.percent));
    relations[relation.label] = std::move(entry);
  }
  nlohmann::ordered_json micro{
      {"correct", evaluation.micro.correct}, {"proposed", evaluation.micro.proposed}, {"gold", evaluation.micro.gold}};
  micro.update(to_json(evaluation.micro.percent));
  return {{"confusion", to_json(evaluation.confusion)},
          {"coverage", to_json(evaluation.coverage)},
          {"accuracy_on_answered", to_json(evaluation.accuracy_on_answered)},
          {"accuracy_skipped_wrong", to_json(evaluation.accuracy_skipped_wrong)},
          {"accuracy_skipped_as_other", to_json(evaluation.accuracy_skipped_as_other)},
          {"per_relation", std::move(relations)},
          {"micro_excl_other", std::move(micro)},
          {"macro_excl_other", to_json(evaluation.macro)}};
}

/// {warnings: [[count, label]], way19_directed, way10_undirected, way10_directed_official, official_macro_f1}
[[nodiscard]] inline nlohmann::ordered_json to_json(rlvr::data::semeval_score const& score) {
  auto warnings = nlohmann::ordered_json::array();
  for (auto const& warning : score.warnings) {
    // The official scorer's warning shows its internal name of "Other".
    std::string const label = warning.label == "Other" ? "_Other" : warning.label;
    warnings.push_back(nlohmann::ordered_json::array({std::to_string(warning.count), label}));
  }
  return {{"warnings", std::move(warnings)},
          {"way19_directed", to_json(score.way19_directed)},
          {"way10_undirected", to_json(score.way10_undirected)},
          {"way10_directed_official", to_json(score.way10_directed_official)},
          {"official_macro_f1", percent_text(score.official_macro_f1())}};
}

}  // namespace r1_re
