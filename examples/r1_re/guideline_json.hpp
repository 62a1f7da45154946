// SPDX-License-Identifier: MIT
/// @file
/// An annotation guideline as JSON; data/general_guideline.json is one:
///
///   {"name": "general", "introduction": "...", "direction_rule": "...",
///    "relations": [{"name": "Makes", "definition": "...", "first_role": "person", "second_role": "dish",
///                   "directed": true, "cues": ["baked"], "examples": [{"sentence": "...", "answer":
///                   "Makes(e1,e2)"}]}]}
///
/// Required: name, relations, and of each relation its name.  A relation is directed unless it says otherwise.  A field
/// by another name is refused: a misspelt one would otherwise be lost in silence.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/text/guideline.hpp>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace r1_re {

namespace detail {

inline void refuse_other_fields(rlvr::format::json_object const& object,
                                std::initializer_list<std::string_view> known) {
  for (auto const& [key, value] : object.value().items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string names;
    for (std::string_view const name : known) names += (names.empty() ? "" : ", ") + std::string(name);
    object.fail("Unsupported", object.name(key), "an unknown field", "one of " + names);
  }
}

/// Calls task(item, place) for the members of a list; an absent list is empty.
template <class Task>
void for_each_item(rlvr::format::json_object const& object, std::string_view key, Task&& task) {
  nlohmann::json const* const list = object.find(key);
  if (list == nullptr) return;
  if (!list->is_array()) {
    object.fail("Type", object.name(key), rlvr::format::json_object::describe(*list), "a list");
  }
  for (std::size_t i = 0; i < list->size(); ++i) task((*list)[i], object.name(key) + "[" + std::to_string(i) + "]");
}

[[nodiscard]] inline rlvr::text::relation_definition parse_relation(rlvr::format::json_object const& object) {
  refuse_other_fields(object, {"name", "definition", "first_role", "second_role", "directed", "cues", "examples"});
  rlvr::text::relation_definition relation;
  relation.name = object.string("name");
  relation.definition = object.find_string("definition").value_or("");
  relation.first_role = object.find_string("first_role").value_or("");
  relation.second_role = object.find_string("second_role").value_or("");
  relation.directed = object.find_boolean("directed").value_or(true);
  for_each_item(object, "cues", [&](nlohmann::json const& item, std::string const& place) {
    if (!item.is_string()) object.fail("Type", place, rlvr::format::json_object::describe(item), "a string");
    relation.cues.push_back(item.get<std::string>());
  });
  for_each_item(object, "examples", [&](nlohmann::json const& item, std::string const& place) {
    rlvr::format::json_object const example(item, object.file(), place);
    refuse_other_fields(example, {"sentence", "answer"});
    relation.examples.push_back({example.string("sentence"), example.string("answer")});
  });
  return relation;
}

}  // namespace detail

/// @param file  for messages
/// @throws rlvr::format_error for JSON of another form or a guideline that contradicts itself
[[nodiscard]] inline rlvr::text::guideline parse_guideline(nlohmann::json const& value, std::string const& file) {
  rlvr::format::json_object const object(value, file);
  detail::refuse_other_fields(object, {"name", "introduction", "direction_rule", "relations"});
  rlvr::text::guideline guide;
  guide.title = object.string("name");
  guide.introduction = object.find_string("introduction").value_or("");
  guide.direction_rule = object.find_string("direction_rule").value_or("");
  static_cast<void>(object.at("relations"));
  detail::for_each_item(object, "relations", [&](nlohmann::json const& item, std::string const& place) {
    guide.relations.push_back(detail::parse_relation(rlvr::format::json_object(item, file, place)));
  });
  try {
    rlvr::text::validate(guide);
  } catch (rlvr::argument_error const& reason) {
    object.fail("Conflict", "relations", reason.what(), "a guideline without contradictions");
  }
  return guide;
}

/// @throws rlvr::io_error, rlvr::format_error
[[nodiscard]] inline rlvr::text::guideline read_guideline(std::string const& path) {
  return parse_guideline(rlvr::format::read_json(path, std::size_t{1} << 26), path);
}

}  // namespace r1_re
