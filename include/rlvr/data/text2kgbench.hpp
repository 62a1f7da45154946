// SPDX-License-Identifier: MIT
/// @file
/// Text2KGBench (Mihindukulasooriya et al. 2023, arXiv 2308.02357): sentences and the facts that they state under the
/// relations of a small ontology.
///
/// An ontology is a JSON object {"title", "id", "concepts": [{"qid", "label"}], "relations": [{"pid", "label",
/// "domain", "range"}]}.  Sentences are JSON lines, with all facts of a sentence or, in the training files, one:
///
///     {"id", "sent", "triples": [{"sub", "rel", "obj"}, ..]}
///     {"id", "sent", "sub_label", "rel_label", "obj_label", ..}
///
/// The published files use some relations that their ontology lacks ("occupation" under music), list some facts twice,
/// and declare two labels twice with different domains; all of it is read as it stands.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/data/text_file.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/text/extraction_example.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/tags.hpp>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

/// An ontology: the guideline a model is shown, and the types that each relation allows.
struct text2kgbench_ontology {
  std::string id{};  ///< e.g. "ont_1_movie": ids of its sentences begin with it
  /// A relation's roles are its domain and its range; alternatives are joined by " or ", and "" is anything.  Names
  /// hold blanks ("cast member"): for lists of facts, not for labels such as Name(e1,e2), which `validate` checks.
  text::guideline guide{};
  std::vector<std::vector<std::string>> domains{};  ///< of each relation; empty: anything
  std::vector<std::vector<std::string>> ranges{};   ///< the same
};

namespace detail {

/// The members of a list field as objects.
template <class Visit>
void for_each_member(format::json_object const& object, std::string_view key, Visit&& visit) {
  nlohmann::json const& list = object.at(key);
  if (!list.is_array()) object.fail("Type", object.name(key), format::json_object::describe(list), "a list");
  for (std::size_t i = 0; i < list.size(); ++i) {
    visit(format::json_object(list[i], object.file(), object.name(key) + "[" + std::to_string(i) + "]"));
  }
}

/// A text field with something to read in it, trimmed.
[[nodiscard]] inline std::string filled_string(format::json_object const& object, std::string_view key) {
  std::string const value = object.string(key);
  std::string_view const trimmed = text::trim(value);
  if (trimmed.empty()) object.fail("Empty", object.name(key), "nothing to read", "a text");
  return std::string(trimmed);
}

inline void add_once(std::vector<std::string>& list, std::string const& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

[[nodiscard]] inline std::string joined_types(std::vector<std::string> const& types) {
  std::string text;
  for (std::string const& each : types) text += (text.empty() ? "" : " or ") + each;
  return text;
}

/// The entities of an example under construction, by name.
class entity_list {
 public:
  explicit entity_list(text::extraction_example& example) : example_(&example) {}

  /// The entity of that name, which may have any of these types.
  std::size_t add(std::string const& name, std::vector<std::string> const& types) {
    auto const [found, is_new] = index_.emplace(name, example_->entities.size());
    if (is_new) example_->entities.push_back({.id = name, .types = {}, .names = {name}});
    for (std::string const& type : types) add_once(example_->entities[found->second].types, type);
    return found->second;
  }

 private:
  text::extraction_example* example_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace detail

/// @param file  for messages
/// @throws format_error
[[nodiscard]] inline text2kgbench_ontology parse_text2kgbench_ontology(std::string_view text, std::string const& file) {
  nlohmann::json const tree = format::parse_json(text, file);
  format::json_object const top(tree, file);
  text2kgbench_ontology ontology;
  ontology.id = detail::filled_string(top, "id");
  ontology.guide.title = detail::filled_string(top, "title");
  std::unordered_map<std::string, std::string> labels;  // of concepts
  detail::for_each_member(top, "concepts", [&](format::json_object const& concept_entry) {
    labels.emplace(detail::filled_string(concept_entry, "qid"), detail::filled_string(concept_entry, "label"));
  });
  std::vector<std::pair<bool, bool>> anything;  // domain, range
  detail::for_each_member(top, "relations", [&](format::json_object const& entry) {
    std::string const name = detail::filled_string(entry, "label");
    if (name.find('|') != std::string::npos || name.find('\n') != std::string::npos) {
      entry.fail("Unsupported", entry.name("label"), detail::shown(name), "a label without '|' and line feed");
    }
    auto index = text::find_relation(ontology.guide, name);
    if (!index) {
      index = ontology.guide.relations.size();
      ontology.guide.relations.push_back({.name = name});
      ontology.domains.emplace_back();
      ontology.ranges.emplace_back();
      anything.emplace_back(false, false);
    }
    auto const note = [&](std::string_view key, std::vector<std::string>& types, bool& any) {
      std::string const qid = entry.find_string(key).value_or("");
      auto const label = labels.find(qid);
      any = any || qid.empty();
      // Some concepts are used without being declared: their identifier is all there is.
      if (!qid.empty()) detail::add_once(types, label == labels.end() ? qid : label->second);
      if (any) types.clear();
    };
    note("domain", ontology.domains[*index], anything[*index].first);
    note("range", ontology.ranges[*index], anything[*index].second);
  });
  for (std::size_t i = 0; i < ontology.guide.relations.size(); ++i) {
    ontology.guide.relations[i].first_role = detail::joined_types(ontology.domains[i]);
    ontology.guide.relations[i].second_role = detail::joined_types(ontology.ranges[i]);
  }
  return ontology;
}

/// @throws io_error, format_error
[[nodiscard]] inline text2kgbench_ontology read_text2kgbench_ontology(std::string const& path) {
  return parse_text2kgbench_ontology(format::read_file(path, std::size_t{1} << 24), path);
}

/// Parses sentences; blank lines are skipped.
/// @param file      for messages
/// @param ontology  gives the entities their types; nullptr: they have none
/// @throws format_error at the first deviation; codes Json, Type, Missing, Empty, DuplicateId
[[nodiscard]] inline std::vector<text::extraction_example> parse_text2kgbench(
    std::string_view text, std::string const& file, text2kgbench_ontology const* ontology = nullptr) {
  std::vector<text::extraction_example> examples;
  std::unordered_set<std::string> seen;
  line_reader lines(text);
  while (auto const line = lines.next()) {
    if (text::trim(line->text).empty()) continue;
    std::string const place = file + ":" + std::to_string(line->number);
    nlohmann::json const tree = format::parse_json(line->text, place);
    format::json_object const row(tree, place);
    text::extraction_example example;
    example.id = detail::filled_string(row, "id");
    if (!seen.insert(example.id).second) {
      row.fail("DuplicateId", "id", detail::shown(example.id) + " a second time", "an id not used before");
    }
    example.text = row.string("sent");
    detail::entity_list entities(example);
    auto const add = [&](format::json_object const& from, char const* subject, char const* relation,
                         char const* object) {
      std::string const name = detail::filled_string(from, relation);
      auto const known = ontology == nullptr ? std::nullopt : text::find_relation(ontology->guide, name);
      std::vector<std::string> const none;
      auto const first = entities.add(detail::filled_string(from, subject), known ? ontology->domains[*known] : none);
      auto const second = entities.add(detail::filled_string(from, object), known ? ontology->ranges[*known] : none);
      example.facts.push_back({.subject = first, .relation = name, .object = second, .evidence = {}});
    };
    if (row.has("rel_label")) {
      add(row, "sub_label", "rel_label", "obj_label");
    } else {
      detail::for_each_member(row, "triples", [&](format::json_object const& fact) { add(fact, "sub", "rel", "obj"); });
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

/// @throws io_error, format_error
[[nodiscard]] inline std::vector<text::extraction_example> read_text2kgbench(
    std::string const& path, text2kgbench_ontology const* ontology = nullptr) {
  return parse_text2kgbench(format::read_file(path, std::size_t{1} << 28), path, ontology);
}

}  // namespace data
RLVR_NAMESPACE_END
