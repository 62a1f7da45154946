// SPDX-License-Identifier: MIT
/// @file
/// The figures of SemEval-2010 Task 8's official scorer, version 1.2, without Perl.
///
/// Three evaluations of the same predictions:
///  - way19_directed: a label is right if relation and direction are;
///  - way10_undirected: directions are dropped on both sides;
///  - way10_directed_official: relations without direction, but a right relation with a wrong direction
///    counts as wrong: it leaves the confusion matrix for a column of its own.
///
/// Per relation of the *key*, in percent (w = right relation, wrong direction; 0 elsewhere than official):
///
///     P = 100 correct / (proposed + w)   (0 if proposed = 0, even if w > 0)
///     R = 100 correct / gold
///     F1 = 2 P R / (P + R)               (0 if P + R = 0)
///
/// Micro averages sum the counts, macro averages are means of P, of R and of F1 (the macro F1 is the mean
/// of F1s, not the F1 of the means); both leave out "Other".  An example without a prediction is
/// skipped: it counts in `gold` alone.  A predicted label that the key does not hold gets a warning
/// and a starred column, and enters no P.  The official score is the macro F1 of the third evaluation.
///
/// Works for any label set of the forms Name(e1,e2), Name(e2,e1), Name and "Other".
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/data/semeval.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

/// A count out of another, and its percentage.
struct counted_percentage {
  std::size_t numerator = 0, denominator = 0;

  [[nodiscard]] double percent() const noexcept {
    return 100.0 * static_cast<double>(numerator) / static_cast<double>(denominator);
  }
};

/// Precision, recall and F1 in percent.
struct precision_recall {
  double precision = 0, recall = 0, f1 = 0;
};

/// One relation of the key.
struct relation_score {
  std::string label;
  std::size_t correct = 0, proposed = 0, wrong_direction = 0, gold = 0;
  precision_recall percent;
};

/// Sums over all relations but "Other"; `proposed` includes wrong directions.
struct micro_score {
  std::size_t correct = 0, proposed = 0, gold = 0;
  precision_recall percent;
};

/// Gold labels down, predicted labels across.
struct confusion_matrix {
  struct row {
    std::string gold;  ///< short name
    std::vector<std::size_t> cells;
    std::vector<std::size_t> tail;  ///< one entry per tail column
  };
  std::vector<std::string> columns;       ///< short names: C-E1; a star marks what the key does not hold
  std::vector<std::string> tail_columns;  ///< sum, [wrong_dir,] skipped, actual
  std::vector<row> rows;
  std::vector<std::size_t> column_sums;  ///< columns, then tail columns
};

/// One of the three evaluations.
struct evaluation {
  confusion_matrix confusion;
  counted_percentage coverage, accuracy_on_answered, accuracy_skipped_wrong, accuracy_skipped_as_other;
  std::vector<relation_score> per_relation;  ///< sorted by label, "Other" last
  micro_score micro;
  precision_recall macro;
};

/// Predictions with a label that occurs nowhere in the key.
struct label_warning {
  std::size_t count = 0;
  std::string label;
};

/// Everything the official scorer prints.
struct semeval_score {
  std::vector<label_warning> warnings;
  evaluation way19_directed, way10_undirected, way10_directed_official;

  /// The macro F1 of the third evaluation, in percent.
  [[nodiscard]] double official_macro_f1() const noexcept { return way10_directed_official.macro.f1; }
};

/// A label without its "(e1,e2)" or "(e2,e1)".
[[nodiscard]] inline std::string_view without_direction(std::string_view label) noexcept {
  bool const directed = label.ends_with("(e1,e2)") || label.ends_with("(e2,e1)");
  return directed ? label.substr(0, label.size() - 7) : label;
}

namespace detail {

/// By bytes, "Other" after everything else.
struct other_last {
  bool operator()(std::string const& left, std::string const& right) const noexcept {
    return std::pair(left == "Other", std::string_view(left)) < std::pair(right == "Other", std::string_view(right));
  }
};

using label_counts = std::map<std::string, std::size_t, other_last>;

/// The scorer's abbreviation: C-E1 for Cause-Effect(e1,e2), C-E without direction, _O_ for Other,
/// *CE1 if the key lacks the label.  Names without a hyphen are kept whole.
[[nodiscard]] inline std::string short_label(std::string_view label, bool in_key) {
  if (label == "Other") {
    return "_O_";
  }
  auto const name = without_direction(label);
  auto const hyphen = name.find('-');
  std::string direction;
  if (name.size() < label.size()) {
    direction = label[name.size() + 2];
  }
  if (hyphen == std::string_view::npos || hyphen == 0 || hyphen + 1 == name.size()) {
    return (in_key ? "" : "*") + std::string(name) + direction;
  }
  std::string const first(1, name.front());
  std::string const second(1, name[hyphen + 1]);
  return (in_key ? first + "-" : "*" + first) + second + direction;
}

[[nodiscard]] inline double harmonic_mean(double left, double right) noexcept {
  return left + right == 0 ? 0 : 2 * left * right / (left + right);
}

[[nodiscard]] inline double percentage(std::size_t part, std::size_t whole) noexcept {
  return whole == 0 ? 0 : counted_percentage{part, whole}.percent();
}

/// A gold label and what was predicted for it, if anything.
struct judged {
  std::string gold;
  std::optional<std::string> predicted;
  bool wrong_direction = false;
};

[[nodiscard]] inline evaluation evaluate(std::vector<judged> const& items, bool with_wrong_direction) {
  label_counts gold;
  label_counts proposed;
  label_counts wrong_direction;
  std::map<std::pair<std::string, std::string>, std::size_t> cells;
  std::size_t answered = 0;
  std::size_t wrong_direction_total = 0;
  for (auto const& item : items) {
    ++gold[item.gold];
    if (!item.predicted) {
      continue;
    }
    ++answered;
    if (item.wrong_direction) {
      ++wrong_direction[item.gold];
      ++wrong_direction_total;
    } else {
      ++proposed[*item.predicted];
      ++cells[{item.gold, *item.predicted}];
    }
  }

  std::vector<std::string> columns;
  for (auto const& entry : gold) {
    columns.push_back(entry.first);
  }
  for (auto const& entry : proposed) {
    if (!gold.contains(entry.first)) {
      columns.push_back(entry.first);
    }
  }

  evaluation result;
  auto& confusion = result.confusion;
  auto const tail = [&](std::size_t sum, std::size_t wrong, std::size_t skipped, std::size_t actual) {
    return with_wrong_direction ? std::vector{sum, wrong, skipped, actual} : std::vector{sum, skipped, actual};
  };
  confusion.tail_columns = with_wrong_direction ? std::vector<std::string>{"sum", "wrong_dir", "skipped", "actual"}
                                                : std::vector<std::string>{"sum", "skipped", "actual"};
  for (auto const& column : columns) {
    confusion.columns.push_back(short_label(column, gold.contains(column)));
    confusion.column_sums.push_back(proposed[column]);
  }
  for (auto const count :
       tail(answered - wrong_direction_total, wrong_direction_total, items.size() - answered, items.size())) {
    confusion.column_sums.push_back(count);
  }

  std::size_t correct = 0;
  std::size_t skipped_other = 0;
  std::size_t relations = 0;
  for (auto const& [label, gold_count] : gold) {
    confusion_matrix::row row{short_label(label, true), {}, {}};
    std::size_t sum = 0;
    for (auto const& column : columns) {
      row.cells.push_back(cells[{label, column}]);
      sum += row.cells.back();
    }
    auto const wrong = wrong_direction[label];
    row.tail = tail(sum, wrong, gold_count - sum - wrong, gold_count);
    confusion.rows.push_back(std::move(row));

    relation_score score{label, cells[{label, label}], proposed[label], wrong, gold_count, {}};
    auto const proposals = score.proposed == 0 ? 0 : score.proposed + wrong;
    score.percent.precision = percentage(score.correct, proposals);
    score.percent.recall = percentage(score.correct, gold_count);
    score.percent.f1 = harmonic_mean(score.percent.precision, score.percent.recall);
    correct += score.correct;
    if (label == "Other") {
      skipped_other = gold_count - sum - wrong;
    } else {
      ++relations;
      result.macro.precision += score.percent.precision;
      result.macro.recall += score.percent.recall;
      result.macro.f1 += score.percent.f1;
      result.micro.correct += score.correct;
      result.micro.proposed += score.proposed + wrong;
      result.micro.gold += gold_count;
    }
    result.per_relation.push_back(std::move(score));
  }
  for (auto* mean : {&result.macro.precision, &result.macro.recall, &result.macro.f1}) {
    *mean /= static_cast<double>(relations);
  }
  auto& micro = result.micro;
  micro.percent.precision = percentage(micro.correct, micro.proposed);
  micro.percent.recall = percentage(micro.correct, micro.gold);
  micro.percent.f1 = harmonic_mean(micro.percent.precision, micro.percent.recall);

  result.coverage = {answered, items.size()};
  result.accuracy_on_answered = {correct, answered};
  result.accuracy_skipped_wrong = {correct, items.size()};
  result.accuracy_skipped_as_other = {correct + skipped_other, items.size()};
  return result;
}

}  // namespace detail

/// Scores predictions against a key.  Order does not matter; ids are compared as texts.
/// @param prediction_file  how messages call the predictions
/// @param key_file         how messages call the key
/// @throws format_error where the official scorer aborts: no prediction at all (NoPredictions), an id that
///         the key does not hold (UnknownId), an id twice (DuplicateId), a key without any relation
///         besides "Other" (NoRelations)
[[nodiscard]] inline semeval_score score_semeval(std::span<labelled_id const> predictions,
                                                 std::span<labelled_id const> key,
                                                 std::string_view prediction_file = "predictions",
                                                 std::string_view key_file = "key") {
  std::unordered_map<std::string_view, std::optional<std::string_view>> predicted;
  detail::label_counts gold_labels;
  bool any_relation = false;
  for (auto const& entry : key) {
    if (!predicted.emplace(entry.id, std::nullopt).second) {
      throw format_error("DuplicateId", key_file, "id " + entry.id, "a second line", "one line per id");
    }
    ++gold_labels[entry.label];
    any_relation = any_relation || entry.label != "Other";
  }
  if (!any_relation) {
    throw format_error("NoRelations", key_file, "labels", key.empty() ? "none" : "only 'Other'",
                       "at least one relation to average over");
  }
  if (predictions.empty()) {
    throw format_error("NoPredictions", prediction_file, "lines", "none", "at least one prediction");
  }
  semeval_score score;
  detail::label_counts unseen;
  for (auto const& entry : predictions) {
    auto const found = predicted.find(entry.id);
    if (found == predicted.end()) {
      throw format_error("UnknownId", prediction_file, "id " + entry.id, "no such id in the key",
                         "an id of " + std::string(key_file));
    }
    if (found->second) {
      throw format_error("DuplicateId", prediction_file, "id " + entry.id, "a second line", "one line per id");
    }
    found->second = entry.label;
    if (!gold_labels.contains(entry.label)) {
      ++unseen[entry.label];
    }
  }
  for (auto const& [label, count] : unseen) {
    score.warnings.push_back({count, label});
  }

  std::vector<detail::judged> directed;
  std::vector<detail::judged> undirected;
  std::vector<detail::judged> official;
  for (auto const& entry : key) {
    auto const& answer = predicted.at(entry.id);
    std::string const gold(without_direction(entry.label));
    detail::judged full{entry.label, std::nullopt, false};
    detail::judged bare{gold, std::nullopt, false};
    if (answer) {
      full.predicted = *answer;
      bare.predicted = without_direction(*answer);
    }
    directed.push_back(full);
    undirected.push_back(bare);
    bare.wrong_direction = answer && *answer != entry.label && *bare.predicted == gold;
    official.push_back(std::move(bare));
  }
  score.way19_directed = detail::evaluate(directed, false);
  score.way10_undirected = detail::evaluate(undirected, false);
  score.way10_directed_official = detail::evaluate(official, true);
  return score;
}

/// Reads and scores two files; only the 19 labels of the task are accepted, as by the official scorer.
/// @throws io_error, format_error
[[nodiscard]] inline semeval_score score_semeval_files(std::filesystem::path const& predictions,
                                                       std::filesystem::path const& key) {
  auto const labels = semeval_labels();
  auto const proposed = read_label_file(predictions, labels);
  return score_semeval(proposed, read_label_file(key, labels), predictions.string(), key.string());
}

}  // namespace data
RLVR_NAMESPACE_END
