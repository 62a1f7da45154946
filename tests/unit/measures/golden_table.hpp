// SPDX-License-Identifier: MIT
/// @file
/// Reads tests/golden_text/text_measures.tsv: the figures of public packages on real texts, made by
/// tests/peers/text_measures.py.
#pragma once

#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace golden {

inline std::string unescape(std::string const& field) {
  std::string text;
  for (std::size_t at = 0; at < field.size(); ++at) {
    if (field[at] != '\\') {
      text += field[at];
      continue;
    }
    char const next = field.at(++at);
    text += next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : next;
  }
  return text;
}

using row = std::vector<std::string>;

// The rows of one kind, without it.
inline std::vector<row> rows_of(std::string const& kind) {
  std::ifstream file(RLVR_TEST_DATA "/golden_text/text_measures.tsv", std::ios::binary);
  std::vector<row> rows;
  for (std::string line; std::getline(file, line);) {
    row fields;
    std::size_t begin = 0;
    for (std::size_t tab = 0; tab != std::string::npos; begin = tab + 1) {
      tab = line.find('\t', begin);
      fields.push_back(unescape(line.substr(begin, tab == std::string::npos ? tab : tab - begin)));
    }
    if (fields.front() != kind) continue;
    fields.erase(fields.begin());
    rows.push_back(fields);
  }
  return rows;
}

inline std::optional<double> number(std::string const& field) {
  if (field == "none") return std::nullopt;
  return std::stod(field);
}

inline std::vector<double> numbers(std::string const& field) {
  std::istringstream in(field);
  std::vector<double> values;
  for (double value = 0; in >> value;) values.push_back(value);
  return values;
}

inline bool close(double ours, double theirs) { return std::abs(ours - theirs) <= 1e-11 + 1e-10 * std::abs(theirs); }

}  // namespace golden
