// SPDX-License-Identifier: MIT
/// @file
/// The two tables that a run ends in, as data, and a printer of tables for terminals.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/report/utf8.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace report {

/// An estimate with its interval: value +- half_width.  NaN where there is none.
struct estimate {
  double value = std::numeric_limits<double>::quiet_NaN();
  double half_width = std::numeric_limits<double>::quiet_NaN();
};

/// Models by data sets; the values are fractions, shown as percentages.
struct comparison_table {
  struct row {
    std::string name;             ///< e.g. "Start", "SFT on labels", "R1-RE"
    std::vector<estimate> cells;  ///< one per column
  };

  std::string caption;               ///< what a cell is, e.g. "Avg@4, 95 % interval, n = 200 sentences each"
  std::vector<std::string> columns;  ///< e.g. "In domain", "Out of domain"
  std::vector<row> rows;

  [[nodiscard]] bool empty() const noexcept { return rows.empty() || columns.empty(); }

  /// The row with the greatest value of a column; npos if no value is a number.
  [[nodiscard]] std::size_t best_row(std::size_t column) const noexcept {
    std::size_t best = std::string::npos;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (column >= rows[i].cells.size() || std::isnan(rows[i].cells[column].value)) continue;
      if (best == std::string::npos || rows[i].cells[column].value > rows[best].cells[column].value) best = i;
    }
    return best;
  }
};

/// Counts by gold label (row) and predicted label (column).  Labels appear in the order of `labels`; what is predicted
/// beyond them (such as "no answer") gets columns of its own, in order of appearance.
class confusion_matrix {
 public:
  confusion_matrix() = default;
  explicit confusion_matrix(std::vector<std::string> labels)
      : gold_(labels), predicted_(std::move(labels)), counts_(gold_.size(), std::vector<std::uint64_t>(gold_.size())) {}

  /// Counts one prediction.
  void add(std::string_view gold, std::string_view predicted, std::uint64_t count = 1) {
    std::size_t const column = place(predicted_, predicted);
    std::size_t const row = place(gold_, gold);
    if (row == counts_.size()) counts_.emplace_back();
    for (auto& line : counts_) line.resize(predicted_.size());
    counts_[row][column] += count;
  }

  [[nodiscard]] std::vector<std::string> const& gold_labels() const noexcept { return gold_; }
  [[nodiscard]] std::vector<std::string> const& predicted_labels() const noexcept { return predicted_; }
  [[nodiscard]] std::uint64_t count(std::size_t gold, std::size_t predicted) const {
    return counts_.at(gold).at(predicted);
  }

  /// Number of predictions for a gold label.
  [[nodiscard]] std::uint64_t row_total(std::size_t gold) const {
    std::uint64_t total = 0;
    for (std::uint64_t const count : counts_.at(gold)) total += count;
    return total;
  }

  /// Number of predictions.
  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) total += row_total(i);
    return total;
  }

 private:
  static std::size_t place(std::vector<std::string>& labels, std::string_view label) {
    auto const found = std::find(labels.begin(), labels.end(), label);
    if (found == labels.end()) labels.emplace_back(label);
    return static_cast<std::size_t>(std::find(labels.begin(), labels.end(), label) - labels.begin());
  }

  std::vector<std::string> gold_;
  std::vector<std::string> predicted_;
  std::vector<std::vector<std::uint64_t>> counts_;
};

/// "93.4 %"; "-" for NaN.  With an interval: "93.4 +- 1.2 %", the sign as U+00B1 where `unicode`.
[[nodiscard]] inline std::string percentage(estimate cell, bool unicode = true) {
  if (std::isnan(cell.value)) return unicode ? "\u2013" : "-";
  if (std::isnan(cell.half_width)) return fmt::format("{:.1f} %", 100 * cell.value);
  return fmt::format("{:.1f} {} {:.1f} %", 100 * cell.value, unicode ? "\u00b1" : "+-", 100 * cell.half_width);
}

/// Lines of a table with a rule below the header: the first column flush left, the others flush right, columns two
/// blanks apart, no blank at a line's end.  Control characters of cells are made visible.
/// @throws argument_error if a row has another number of cells than the header
[[nodiscard]] inline std::string format_table(std::vector<std::string> const& header,
                                              std::vector<std::vector<std::string>> const& rows, bool unicode = true) {
  std::vector<std::vector<std::string>> cells{header};
  cells.insert(cells.end(), rows.begin(), rows.end());
  std::vector<std::size_t> widths(header.size());
  for (auto& row : cells) {
    if (row.size() != header.size()) {
      throw argument_error(fmt::format("table: a row of {} cells under a header of {}", row.size(), header.size()));
    }
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string visible;
      for_each_code_point(row[i], [&](char32_t c) { append_visible(visible, c == '\n' || c == '\t' ? U' ' : c); });
      row[i] = std::move(visible);
      widths[i] = std::max(widths[i], count_code_points(row[i]));
    }
  }
  std::string out;
  for (std::size_t line = 0; line < cells.size(); ++line) {
    std::string text;
    for (std::size_t i = 0; i < header.size(); ++i) {
      std::string const padding(widths[i] - count_code_points(cells[line][i]), ' ');
      if (i > 0) text += "  ";
      text += i == 0 ? cells[line][i] + padding : padding + cells[line][i];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
    if (line > 0) continue;
    for (std::size_t i = 0; i < header.size(); ++i) {
      if (i > 0) out += "  ";
      for (std::size_t k = 0; k < widths[i]; ++k) out += unicode ? "\u2500" : "-";
    }
    out += '\n';
  }
  return out;
}

/// The comparison for a terminal, under its caption.
[[nodiscard]] inline std::string format_table(comparison_table const& table, bool unicode = true) {
  std::vector<std::string> header{"Model"};
  header.insert(header.end(), table.columns.begin(), table.columns.end());
  std::vector<std::vector<std::string>> rows;
  for (auto const& row : table.rows) {
    auto& cells = rows.emplace_back();
    cells.push_back(row.name);
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      cells.push_back(percentage(i < row.cells.size() ? row.cells[i] : estimate{}, unicode));
    }
  }
  return (table.caption.empty() ? "" : table.caption + '\n') + format_table(header, rows, unicode);
}

}  // namespace report
RLVR_NAMESPACE_END
