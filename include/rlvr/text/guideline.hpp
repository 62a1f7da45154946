// SPDX-License-Identifier: MIT
/// @file
/// An annotation guideline as data: what an annotator (or a model) is told about each relation of a task.  Swapping
/// the guideline swaps the domain; prompt, label parsing and reward all read the same object.  The idea of giving a
/// model the guideline rather than label names alone is that of R1-RE (arXiv 2507.04642).
///
/// Labels.  A directed relation has two, `Name(e1,e2)` and `Name(e2,e1)`: in the first, entity e1 fills the first
/// role and e2 the second; in the other the roles are swapped.  An undirected relation has one, the plain `Name`.
/// Their order is that of the relations, (e1,e2) before (e2,e1); `label_index` and `label_at` convert.
///
/// A label in model text is read byte by byte: white space (blank, tab, CR, LF) round it, before `(` and inside the
/// brackets is ignored, and nothing else is forgiven: no case folding, no Unicode normalisation, no direction on an
/// undirected relation, none missing on a directed one.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/text/tags.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

/// A sentence with marked entities and the label that the guideline gives it.
struct relation_example {
  std::string sentence{};
  std::string answer{};
};

/// One relation of a guideline.
struct relation_definition {
  std::string name{};               ///< as it stands in labels: no white space, control bytes or any of ( ) < > |
  std::string definition{};         ///< when the relation holds
  std::string first_role{};         ///< what the first argument is, e.g. "cause"
  std::string second_role{};        ///< what the second argument is, e.g. "effect"
  bool directed = true;             ///< whether its labels carry (e1,e2) or (e2,e1)
  std::vector<std::string> cues{};  ///< wording that points to the relation, e.g. "leads to"
  std::vector<relation_example> examples{};
};

/// The instructions of one task.  A plain value: build it, `validate` it once, share it.
struct guideline {
  std::string title{};
  std::string introduction{};    ///< what holds for all relations
  std::string direction_rule{};  ///< what (e1,e2) and (e2,e1) mean
  std::vector<relation_definition> relations{};
};

/// Which entity fills the first role.
enum class direction : std::uint8_t {
  e1_e2,  ///< e1 the first role, e2 the second
  e2_e1,  ///< the other way round
  none,   ///< the relation is undirected
};

/// A label as a value: which relation of its guideline, and which way.
struct relation_label {
  std::size_t relation = 0;
  text::direction direction = text::direction::none;
  friend constexpr bool operator==(relation_label const&, relation_label const&) = default;
};

/// The position of a relation by its exact name.  Linear in the number of relations.
[[nodiscard]] inline std::optional<std::size_t> find_relation(guideline const& guide, std::string_view name) noexcept {
  for (std::size_t i = 0; i < guide.relations.size(); ++i) {
    if (guide.relations[i].name == name) return i;
  }
  return std::nullopt;
}

/// How many labels the guideline has: two per directed relation, one per undirected one.
[[nodiscard]] inline std::size_t label_count(guideline const& guide) noexcept {
  std::size_t count = 0;
  for (relation_definition const& relation : guide.relations) count += relation.directed ? 2 : 1;
  return count;
}

/// The label's position in the enumeration.  @throws argument_error if the label is not one of the guideline's
[[nodiscard]] inline std::size_t label_index(guideline const& guide, relation_label label) {
  if (label.relation >= guide.relations.size() ||
      guide.relations[label.relation].directed == (label.direction == direction::none)) {
    throw argument_error("label_index: the label does not belong to guideline '" + guide.title + "'");
  }
  std::size_t index = 0;
  for (std::size_t i = 0; i < label.relation; ++i) index += guide.relations[i].directed ? 2 : 1;
  return index + (label.direction == direction::e2_e1 ? 1 : 0);
}

/// The inverse of `label_index`.  @throws argument_error if index >= label_count(guide)
[[nodiscard]] inline relation_label label_at(guideline const& guide, std::size_t index) {
  std::size_t left = index;
  for (std::size_t i = 0; i < guide.relations.size(); ++i) {
    if (!guide.relations[i].directed) {
      if (left == 0) return {i, direction::none};
      left -= 1;
    } else {
      if (left < 2) return {i, left == 0 ? direction::e1_e2 : direction::e2_e1};
      left -= 2;
    }
  }
  throw argument_error("label_at: index " + std::to_string(index) + ", but the guideline has " +
                       std::to_string(label_count(guide)) + " labels");
}

/// The label's canonical text, e.g. "Cause-Effect(e1,e2)".
/// @throws argument_error if the label is not one of the guideline's
[[nodiscard]] inline std::string label_text(guideline const& guide, relation_label label) {
  (void)label_index(guide, label);
  std::string text = guide.relations[label.relation].name;
  if (label.direction == direction::e1_e2) text += "(e1,e2)";
  if (label.direction == direction::e2_e1) text += "(e2,e1)";
  return text;
}

/// Every label's text, in enumeration order.
[[nodiscard]] inline std::vector<std::string> label_texts(guideline const& guide) {
  std::vector<std::string> texts;
  texts.reserve(label_count(guide));
  for (std::size_t i = 0; i < label_count(guide); ++i) texts.push_back(label_text(guide, label_at(guide, i)));
  return texts;
}

namespace detail {

/// Whether the text is `expected` once its white space is left out.  Linear, allocates nothing.
[[nodiscard]] constexpr bool equal_without_white_space(std::string_view text, std::string_view expected) noexcept {
  std::size_t matched = 0;
  for (char const byte : text) {
    if (is_white_space(byte)) continue;
    if (matched == expected.size() || byte != expected[matched]) return false;
    ++matched;
  }
  return matched == expected.size();
}

}  // namespace detail

/// Reads a label from model text by the rule above; nothing if it is no label of the guideline.  Linear, allocates
/// nothing, never throws.
[[nodiscard]] inline std::optional<relation_label> parse_label(guideline const& guide, std::string_view text) noexcept {
  text = trim(text);
  std::size_t const bracket = text.find('(');
  auto const relation = find_relation(guide, trim_back(text.substr(0, bracket)));
  if (!relation) return std::nullopt;
  if (bracket == std::string_view::npos) {
    if (guide.relations[*relation].directed) return std::nullopt;
    return relation_label{*relation, direction::none};
  }
  if (!guide.relations[*relation].directed || text.back() != ')') return std::nullopt;
  std::string_view const inside = text.substr(bracket + 1, text.size() - bracket - 2);
  if (detail::equal_without_white_space(inside, "e1,e2")) return relation_label{*relation, direction::e1_e2};
  if (detail::equal_without_white_space(inside, "e2,e1")) return relation_label{*relation, direction::e2_e1};
  return std::nullopt;
}

/// Checks what every reader of a guideline relies on.
/// @throws argument_error if there is no relation, a name is empty, repeated or holds white space, a control byte or
///         one of ( ) < > |, a cue is empty or more than one line, or an example's answer is no label
inline void validate(guideline const& guide) {
  std::string const place = "guideline '" + guide.title + "': ";
  if (guide.relations.empty()) throw argument_error(place + "it has no relation, expected at least one");
  for (std::size_t i = 0; i < guide.relations.size(); ++i) {
    relation_definition const& relation = guide.relations[i];
    if (relation.name.empty()) throw argument_error(place + "relation " + std::to_string(i) + " has an empty name");
    for (char const byte : relation.name) {
      auto const value = static_cast<unsigned char>(byte);
      if (value <= 0x20 || value == 0x7F || std::string_view("()<>|").find(byte) != std::string_view::npos) {
        throw argument_error(place + "the name of relation " + std::to_string(i) + " holds byte " +
                             std::to_string(value) + ", expected no white space, control byte or any of ( ) < > |");
      }
    }
    if (*find_relation(guide, relation.name) != i) {
      throw argument_error(place + "relation '" + relation.name + "' is defined more than once");
    }
  }
  for (relation_definition const& relation : guide.relations) {
    for (std::string const& cue : relation.cues) {
      if (!cue.empty() && cue.find_first_of("\r\n") == std::string::npos) continue;
      throw argument_error(place + "a cue of '" + relation.name + "' is empty or holds a line feed");
    }
    for (relation_example const& example : relation.examples) {
      if (parse_label(guide, example.answer)) continue;
      throw argument_error(place + "an example of '" + relation.name + "' has the answer '" + example.answer +
                           "', expected a label of the guideline");
    }
  }
}

/// Which parts of a guideline appear in the prompt; a small model's context has no room for all.
struct guideline_rendering {
  bool title = true;
  bool introduction = true;
  bool relations = true;  ///< the list of relations, in the form that the next switches choose
  bool definitions = true;
  bool roles = true;  ///< the argument roles of directed relations
  bool direction_rule = true;
  bool labels = false;                                                          ///< a list of every label
  std::size_t examples_per_relation = std::numeric_limits<std::size_t>::max();  ///< at most so many
  /// One line " cue Name" per cue: first cues of all relations, then second ones, ...  A blank before each word, as in
  /// a sentence: byte-level tokenizers then give a word the same tokens in both places.
  bool cue_lines = false;
  bool compact = false;  ///< no headings, no blank lines
};

/// The line of one cue, see guideline_rendering::cue_lines.
[[nodiscard]] inline std::string cue_line(std::string_view cue, std::string_view relation) {
  return std::string(" ").append(cue).append(" ").append(relation).append("\n");
}

/// The guideline as text, ending in a line feed; equal inputs give equal bytes.  The guideline is its author's text
/// and goes in as it is, markers and tags included; only sentences are escaped (text/prompt.hpp).
[[nodiscard]] inline std::string render(guideline const& guide, guideline_rendering const& options = {}) {
  std::string text;
  std::string_view const paragraph = options.compact ? "\n" : "\n\n";
  if (options.title && !guide.title.empty()) (text += guide.title) += paragraph;
  if (options.introduction && !guide.introduction.empty()) (text += guide.introduction) += paragraph;
  if (options.relations && !options.compact) text += "Relations:\n";
  for (relation_definition const& relation : guide.relations) {
    if (!options.relations) break;
    if (!options.compact) text += "- ";
    text += relation.name;
    if (options.roles && relation.directed) {
      ((((text += '(') += relation.first_role) += ',') += options.compact ? "" : " ") += relation.second_role;
      text += ')';
    }
    if (options.definitions && !relation.definition.empty()) (text += ": ") += relation.definition;
    text += '\n';
    for (std::size_t i = 0; i < relation.examples.size() && i < options.examples_per_relation; ++i) {
      if (!options.compact) text += "  Example: ";
      ((text += relation.examples[i].sentence) += " -> ") += relation.examples[i].answer;
      text += '\n';
    }
  }
  if (options.cue_lines) {
    if (!options.compact) text += "\nCues:\n";
    bool more = true;
    for (std::size_t i = 0; more; ++i) {
      more = false;
      for (relation_definition const& relation : guide.relations) {
        if (i >= relation.cues.size()) continue;
        text += cue_line(relation.cues[i], relation.name);
        more = true;
      }
    }
  }
  if (options.direction_rule && !guide.direction_rule.empty()) {
    if (!options.compact) text += "\nDirection: ";
    (text += guide.direction_rule) += '\n';
  }
  if (options.labels) {
    if (!options.compact) text += "\nLabels: ";
    std::vector<std::string> const labels = label_texts(guide);
    for (std::size_t i = 0; i < labels.size(); ++i) (text += i == 0 ? "" : " ") += labels[i];
    text += '\n';
  }
  return text;
}

}  // namespace text
RLVR_NAMESPACE_END
