// SPDX-License-Identifier: MIT
/// @file
/// DocRED and Re-DocRED (Yao et al. 2019, arXiv 1906.06127; Tan et al. 2022, arXiv 2205.12696): a JSON list of
/// documents
///
///     {"title", "sents": [[token, ..], ..],
///      "vertexSet": [[{"name", "type", "sent_id", "pos": [first token, behind the last]}, ..], ..],
///      "labels": [{"h": entity, "r": relation, "t": entity, "evidence": [sentence, ..]}, ..]}
///
/// An element of vertexSet is an entity, its members are mentions.  Relations are Wikidata properties (P131); a table
/// of their names, {"P131": [name, description], ..} as the FewRel corpus has it, gives readable ones.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/data/json_array.hpp>
#include <rlvr/data/text_file.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/text/extraction_example.hpp>
#include <rlvr/text/tags.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

/// Names of relations by their identifier.
using relation_names = std::map<std::string, std::string, std::less<>>;

/// Parses {"P131": ["located in ..", "description"], ..}; each value is a text or a list that begins with one.  A name
/// that several identifiers have would make one relation of them: these keep their identifiers.
/// @param file  for messages
/// @throws format_error
[[nodiscard]] inline relation_names parse_relation_names(std::string_view text, std::string const& file) {
  nlohmann::json const tree = format::parse_json(text, file);
  format::json_object const top(tree, file);
  relation_names names;
  std::unordered_map<std::string, std::size_t> owners;
  for (auto const& [id, value] : tree.items()) {
    nlohmann::json const& name = value.is_array() && !value.empty() ? value.front() : value;
    if (!name.is_string()) top.fail("Type", id, format::json_object::describe(name), "a name");
    std::string_view const trimmed = text::trim(name.get_ref<std::string const&>());
    if (trimmed.empty()) top.fail("Empty", id, "nothing to read", "a name");
    ++owners[std::string(trimmed)];
    names.emplace(id, trimmed);
  }
  std::erase_if(names, [&](auto const& entry) { return owners[entry.second] > 1; });
  return names;
}

/// @throws io_error, format_error
[[nodiscard]] inline relation_names read_relation_names(std::string const& path) {
  return parse_relation_names(format::read_file(path, std::size_t{1} << 24), path);
}

namespace detail {

/// Reads one document.
class docred_document {
 public:
  docred_document(nlohmann::json const& tree, std::string const& file, std::size_t number, relation_names const& names)
      : top_(tree, file, "document " + std::to_string(number)), names_(&names) {}

  [[nodiscard]] text::extraction_example read() {
    text::extraction_example example;
    example.id = top_.string("title");
    read_sentences(example);
    read_entities(example);
    if (top_.has("labels")) read_facts(example);
    return example;
  }

 private:
  [[nodiscard]] nlohmann::json const& list(nlohmann::json const& value, std::string const& place) const {
    if (!value.is_array()) top_.fail("Type", place, format::json_object::describe(value), "a list");
    return value;
  }
  [[nodiscard]] static std::string at(std::string const& place, std::size_t i) {
    return place + "[" + std::to_string(i) + "]";
  }
  [[nodiscard]] static std::size_t below(format::json_object const& object, nlohmann::json const& value,
                                         std::string const& place, std::size_t count) {
    // An index of an empty list is out of range whatever it is.
    auto const most = count == 0 ? std::int64_t{-1} : static_cast<std::int64_t>(count) - 1;
    return static_cast<std::size_t>(object.as_integer(value, place, 0, most));
  }

  void read_sentences(text::extraction_example& example) {
    std::string const place = top_.name("sents");
    nlohmann::json const& sentences = list(top_.at("sents"), place);
    for (std::size_t i = 0; i < sentences.size(); ++i) {
      if (i > 0) example.text += ' ';
      example.sentences.push_back(example.text.size());
      nlohmann::json const& tokens = list(sentences[i], at(place, i));
      for (std::size_t j = 0; j < tokens.size(); ++j) {
        if (!tokens[j].is_string()) {
          top_.fail("Type", at(at(place, i), j), format::json_object::describe(tokens[j]), "a token");
        }
        if (j > 0) example.text += ' ';
        example.text += tokens[j].get_ref<std::string const&>();
      }
      token_counts_.push_back(tokens.size());
    }
  }

  void read_entities(text::extraction_example& example) const {
    std::string const place = top_.name("vertexSet");
    nlohmann::json const& entities = list(top_.at("vertexSet"), place);
    for (std::size_t i = 0; i < entities.size(); ++i) {
      text::named_entity entity{.id = std::to_string(i), .types = {}, .names = {}};
      nlohmann::json const& mentions = list(entities[i], at(place, i));
      if (mentions.empty()) top_.fail("Empty", at(place, i), "no mention", "at least one");
      for (std::size_t j = 0; j < mentions.size(); ++j) {
        format::json_object const mention(mentions[j], top_.file(), at(at(place, i), j));
        add_mention(entity, mention);
      }
      example.entities.push_back(std::move(entity));
    }
  }

  void add_mention(text::named_entity& entity, format::json_object const& mention) const {
    auto const add = [](std::vector<std::string>& texts, std::string const& text) {
      if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
    };
    auto const filled = [&](std::string_view key) {
      std::string const value = mention.string(key);
      std::string_view const trimmed = text::trim(value);
      if (trimmed.empty()) mention.fail("Empty", mention.name(key), "nothing to read", "a text");
      return std::string(trimmed);
    };
    add(entity.names, filled("name"));
    add(entity.types, filled("type"));
    std::size_t const sentence = below(mention, mention.at("sent_id"), mention.name("sent_id"), token_counts_.size());
    std::string const place = mention.name("pos");
    nlohmann::json const& position = list(mention.at("pos"), place);
    if (position.size() != 2) mention.fail("Range", place, std::to_string(position.size()) + " numbers", "2");
    std::size_t const end = below(mention, position[1], at(place, 1), token_counts_[sentence] + 1);
    static_cast<void>(below(mention, position[0], at(place, 0), end));
  }

  void read_facts(text::extraction_example& example) const {
    std::string const place = top_.name("labels");
    nlohmann::json const& labels = list(top_.at("labels"), place);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      format::json_object const label(labels[i], top_.file(), at(place, i));
      text::extracted_fact fact;
      fact.subject = below(label, label.at("h"), label.name("h"), example.entities.size());
      fact.object = below(label, label.at("t"), label.name("t"), example.entities.size());
      fact.relation = text::trim(label.string("r"));
      if (fact.relation.empty()) label.fail("Empty", label.name("r"), "nothing to read", "a relation");
      if (auto const found = names_->find(fact.relation); found != names_->end()) fact.relation = found->second;
      if (label.has("evidence")) {
        nlohmann::json const& evidence = list(label.at("evidence"), label.name("evidence"));
        for (std::size_t j = 0; j < evidence.size(); ++j) {
          fact.evidence.push_back(below(label, evidence[j], at(label.name("evidence"), j), token_counts_.size()));
        }
      }
      example.facts.push_back(std::move(fact));
    }
  }

  format::json_object top_;
  relation_names const* names_;
  std::vector<std::size_t> token_counts_;  // of each sentence
};

}  // namespace detail

/// Calls visit(example) for every document, in order; one document at a time is a JSON tree.  Its id is the title,
/// its text the tokens with blanks between, an entity's id its index.
/// @param file   for messages
/// @param names  a relation without one keeps its identifier
/// @throws format_error at the first deviation; codes Json, Type, Missing, Range, Empty, DuplicateId
template <class Visit>
void for_each_docred(std::string_view text, std::string const& file, relation_names const& names, Visit&& visit) {
  std::unordered_set<std::string> seen;
  for_each_element(text, file, [&](std::string_view element, std::size_t number) {
    std::string const place = "document " + std::to_string(number);
    nlohmann::json const tree = format::parse_json(element, file, {.place = place});
    text::extraction_example example = detail::docred_document(tree, file, number, names).read();
    if (!seen.insert(example.id).second) {
      throw format_error("DuplicateId", file, place, "title " + detail::shown(example.id) + " a second time",
                         "a title not used before");
    }
    visit(std::move(example));
  });
}

/// @throws format_error
[[nodiscard]] inline std::vector<text::extraction_example> parse_docred(std::string_view text, std::string const& file,
                                                                        relation_names const& names = {}) {
  std::vector<text::extraction_example> examples;
  for_each_docred(text, file, names, [&](text::extraction_example example) { examples.push_back(std::move(example)); });
  return examples;
}

/// @throws io_error, format_error
[[nodiscard]] inline std::vector<text::extraction_example> read_docred(std::string const& path,
                                                                       relation_names const& names = {}) {
  return parse_docred(format::read_file(path, std::size_t{1} << 29), path, names);
}

}  // namespace data
RLVR_NAMESPACE_END
