// SPDX-License-Identifier: MIT
/// @file
/// SemEval-2010 Task 8 (Hendrickx et al. 2010): the corpus files and the files of its scorer.
///
/// A corpus file holds blocks of four lines, ended by LF or CRLF:
///
///     ID TAB "SENTENCE"
///     LABEL
///     Comment: TEXT
///     (blank)
///
/// A key or prediction file holds lines `ID TAB LABEL`.  Both readers are strict: the first deviation is a
/// format_error that names file, line, what was found and what was expected.  Codes: Truncated, BadLine,
/// MissingMarker, UnknownLabel, DuplicateId.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/data/relation_example.hpp>
#include <rlvr/data/text_file.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

/// The nine undirected relations of the task, without "Other".
[[nodiscard]] inline std::vector<std::string> semeval_relations() {
  return {"Cause-Effect",      "Component-Whole",   "Content-Container", "Entity-Destination", "Entity-Origin",
          "Instrument-Agency", "Member-Collection", "Message-Topic",     "Product-Producer"};
}

/// `Name(e1,e2)` and `Name(e2,e1)` of every relation, then "Other".
[[nodiscard]] inline std::vector<std::string> directed_labels(std::span<std::string const> relations) {
  std::vector<std::string> labels;
  for (auto const& relation : relations) {
    labels.push_back(relation + "(e1,e2)");
    labels.push_back(relation + "(e2,e1)");
  }
  labels.emplace_back("Other");
  return labels;
}

/// The 19 labels of the task.
[[nodiscard]] inline std::vector<std::string> semeval_labels() { return directed_labels(semeval_relations()); }

/// A line of a key or prediction file.
struct labelled_id {
  std::string id;
  std::string label;

  friend bool operator==(labelled_id const&, labelled_id const&) = default;
};

namespace detail {

inline void check_label(std::string_view label, std::span<std::string const> labels, std::string_view file,
                        std::size_t line) {
  if (!labels.empty() && std::find(labels.begin(), labels.end(), label) == labels.end()) {
    throw format_error(
        "UnknownLabel", file, line_place(line), shown(label),
        "one of the " + std::to_string(labels.size()) + " labels of the task, such as " + shown(labels.front()));
  }
}

/// The id before the TAB, checked for form and for being new; `line` keeps what follows the TAB.
[[nodiscard]] inline std::string take_id(std::string_view& line, std::unordered_set<std::string>& seen,
                                         std::string_view file, std::size_t number) {
  auto const tab = line.find('\t');
  if (tab == std::string_view::npos || !is_decimal(line.substr(0, tab))) {
    throw format_error("BadLine", file, line_place(number), shown(line), "a decimal id followed by a TAB");
  }
  std::string id(line.substr(0, tab));
  if (!seen.insert(id).second) {
    throw format_error("DuplicateId", file, line_place(number), "id " + id + " a second time", "an id not used before");
  }
  line.remove_prefix(tab + 1);
  return id;
}

}  // namespace detail

/// Parses a corpus file's text.
/// @param file    how messages call the text
/// @param labels  what may stand in the label line; empty: any non-empty text
/// @throws format_error at the first deviation.  Blank lines after the last block are accepted, and the
///         last block may lack its blank line.
[[nodiscard]] inline std::vector<relation_example> parse_semeval(std::string_view text, std::string_view file,
                                                                 std::span<std::string const> labels = {}) {
  std::vector<relation_example> examples;
  std::unordered_set<std::string> seen;
  line_reader lines(text);
  auto const require = [&](std::string_view expected) {
    auto const line = lines.next();
    if (!line) {
      throw format_error("Truncated", file, detail::line_place(lines.number() + 1), "the end of the file", expected);
    }
    return *line;
  };
  while (auto line = lines.next()) {
    if (line->text.empty()) {
      while (auto const more = lines.next()) {
        if (!more->text.empty()) {
          throw format_error("BadLine", file, detail::line_place(line->number), "a blank line", "a decimal id");
        }
      }
      break;
    }
    relation_example example;
    auto sentence = line->text;
    example.id = detail::take_id(sentence, seen, file, line->number);
    if (sentence.size() < 2 || sentence.front() != '"' || sentence.back() != '"') {
      throw format_error("BadLine", file, detail::line_place(line->number), detail::shown(sentence),
                         "a sentence in double quotes");
    }
    example.sentence = sentence.substr(1, sentence.size() - 2);
    if (!find_entities(example.sentence)) {
      throw format_error("MissingMarker", file, detail::line_place(line->number), detail::shown(example.sentence),
                         "one non-empty <e1>..</e1> and one non-empty <e2>..</e2>, apart from each other");
    }

    auto const label = require("a label");
    if (label.text.empty()) {
      throw format_error("BadLine", file, detail::line_place(label.number), "a blank line", "a label");
    }
    detail::check_label(label.text, labels, file, label.number);
    example.label = label.text;

    auto const comment = require("\"Comment:\"");
    constexpr std::string_view comment_start = "Comment:";
    if (!comment.text.starts_with(comment_start)) {
      throw format_error("BadLine", file, detail::line_place(comment.number), detail::shown(comment.text),
                         "\"Comment:\"");
    }
    auto remark = comment.text.substr(comment_start.size());
    auto const first = remark.find_first_not_of(" \t");
    auto const last = remark.find_last_not_of(" \t");
    if (first != std::string_view::npos) {
      example.comment = remark.substr(first, last - first + 1);
    }

    if (auto const blank = lines.next(); blank && !blank->text.empty()) {
      throw format_error("BadLine", file, detail::line_place(blank->number), detail::shown(blank->text),
                         "the blank line between two examples");
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

/// Reads a corpus file; see parse_semeval.
/// @throws io_error, format_error
[[nodiscard]] inline std::vector<relation_example> read_semeval(std::filesystem::path const& path,
                                                                std::span<std::string const> labels = {}) {
  return parse_semeval(read_text(path), path.string(), labels);
}

/// Parses a key or prediction file as the official scorer does: every line, the last one included, ends
/// with LF or CRLF; no blank lines; no blanks round the label; no id twice.
/// @throws format_error
[[nodiscard]] inline std::vector<labelled_id> parse_label_file(std::string_view text, std::string_view file,
                                                               std::span<std::string const> labels = {}) {
  std::vector<labelled_id> entries;
  std::unordered_set<std::string> seen;
  line_reader lines(text);
  while (auto const line = lines.next()) {
    if (!line->terminated) {
      throw format_error("Truncated", file, detail::line_place(line->number), detail::shown(line->text),
                         "a newline at the end of the last line");
    }
    auto label = line->text;
    auto id = detail::take_id(label, seen, file, line->number);
    if (label.empty() || label.find('\r') != std::string_view::npos) {
      throw format_error("BadLine", file, detail::line_place(line->number), detail::shown(line->text), "id TAB label");
    }
    detail::check_label(label, labels, file, line->number);
    entries.push_back({std::move(id), std::string(label)});
  }
  return entries;
}

/// Reads a key or prediction file; see parse_label_file.
/// @throws io_error, format_error
[[nodiscard]] inline std::vector<labelled_id> read_label_file(std::filesystem::path const& path,
                                                              std::span<std::string const> labels = {}) {
  return parse_label_file(read_text(path), path.string(), labels);
}

/// The text of a key or prediction file, LF line ends.
[[nodiscard]] inline std::string label_file_text(std::span<labelled_id const> entries) {
  std::string text;
  for (auto const& [id, label] : entries) {
    text += id + "\t" + label + "\n";
  }
  return text;
}

/// The key of a labelled corpus.
[[nodiscard]] inline std::vector<labelled_id> key_of(std::span<relation_example const> examples) {
  std::vector<labelled_id> key;
  key.reserve(examples.size());
  for (auto const& example : examples) {
    key.push_back({example.id, example.label});
  }
  return key;
}

}  // namespace data
RLVR_NAMESPACE_END
