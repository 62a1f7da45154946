// SPDX-License-Identifier: MIT
/// @file
/// A text and the facts that annotators found in it: what every extraction corpus (sentences with triples, documents
/// with entity mentions, documents with pairs of identifiers) is read into, so that one reward and one evaluation
/// serve them all.  An entity may have several names (its mentions); a fact joins two entities, not two names.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <cstddef>
#include <string>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

/// Something that a text speaks of.
struct named_entity {
  std::string id{};                  ///< unique in its example; not empty
  std::vector<std::string> types{};  ///< any of them is right; none: the corpus does not say
  std::vector<std::string> names{};  ///< any of them names it; at least one, none empty
  friend bool operator==(named_entity const&, named_entity const&) = default;
};

/// A relation between two entities of an example.
struct extracted_fact {
  std::size_t subject = 0;  ///< index of the entity
  std::string relation{};
  std::size_t object = 0;               ///< index of the entity
  std::vector<std::size_t> evidence{};  ///< sentences that state it, by index; empty: the corpus does not say
  friend bool operator==(extracted_fact const&, extracted_fact const&) = default;
};

/// One sentence or document with all its facts.
struct extraction_example {
  std::string id{};  ///< as in the corpus
  std::string text{};
  std::vector<std::size_t> sentences{};  ///< where each sentence begins in `text`; empty: not split
  std::vector<named_entity> entities{};
  std::vector<extracted_fact> facts{};
  friend bool operator==(extraction_example const&, extraction_example const&) = default;
};

/// Checks what every user of an example relies on.
/// @throws argument_error if an entity has no name or an empty one, a fact has no relation, or joins what is not there
inline void validate(extraction_example const& example) {
  std::string const place = "example '" + example.id + "': ";
  for (std::size_t i = 0; i < example.entities.size(); ++i) {
    bool named = !example.entities[i].names.empty();
    for (std::string const& name : example.entities[i].names) named = named && !name.empty();
    if (!named) throw argument_error(place + "entity " + std::to_string(i) + " has no name, or an empty one");
  }
  for (std::size_t i = 0; i < example.facts.size(); ++i) {
    extracted_fact const& fact = example.facts[i];
    if (fact.relation.empty()) throw argument_error(place + "fact " + std::to_string(i) + " has no relation");
    for (std::size_t const end : {fact.subject, fact.object}) {
      if (end < example.entities.size()) continue;
      throw argument_error(place + "fact " + std::to_string(i) + " joins entity " + std::to_string(end) +
                           ", expected one of the " + std::to_string(example.entities.size()) + " entities");
    }
  }
}

}  // namespace text
RLVR_NAMESPACE_END
