// SPDX-License-Identifier: MIT
/// @file
/// PubTator files, as the BioCreative V chemical-disease corpus (Li et al. 2016, doi 10.1093/database/baw068) is
/// published: documents apart by blank lines, each
///
///     PMID|t|TITLE
///     PMID|a|ABSTRACT
///     PMID TAB begin TAB end TAB mention TAB type TAB identifiers [TAB parts]
///     PMID TAB relation TAB identifier TAB identifier
///
/// Offsets count characters of TITLE, one character, ABSTRACT.  Identifiers apart by `|` belong to one mention of
/// several concepts ("hepatic and renal toxicity"), whose parts, if given, name them one by one; -1 is no concept.  The
/// reader is strict: the first deviation is a format_error that names file and line.  Codes: Truncated, BadLine,
/// BadOffset, UnknownId, DuplicateId.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/data/text_file.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/text/extraction_example.hpp>
#include <rlvr/text/tags.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

/// A place in the text that names one or several concepts.
struct pubtator_mention {
  std::size_t begin = 0;  ///< byte offset in the document's text
  std::size_t end = 0;    ///< byte offset behind it
  std::string text{};
  std::string type{};
  std::vector<std::string> identifiers{};  ///< "-1": no concept
  std::vector<std::string> parts{};        ///< the name of each identifier; empty: not given
};

/// A relation of the document between two concepts.
struct pubtator_relation {
  std::string name{};
  std::string first{};
  std::string second{};
  friend bool operator==(pubtator_relation const&, pubtator_relation const&) = default;
};

/// One document.
struct pubtator_document {
  std::string id{};
  std::string text{};           ///< title, blank, abstract
  std::size_t title_bytes = 0;  ///< the abstract begins one byte behind
  std::vector<pubtator_mention> mentions{};
  std::vector<pubtator_relation> relations{};
};

namespace detail {

[[nodiscard]] inline std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  for (;;) {
    std::size_t const end = text.find(separator);
    fields.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return fields;
    text.remove_prefix(end + 1);
  }
}

[[nodiscard]] inline std::optional<std::size_t> read_count(std::string_view text) {
  std::size_t value = 0;
  auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Where each character begins, and where the last one ends; empty if every character is one byte.
[[nodiscard]] inline std::vector<std::size_t> character_begins(std::string_view text) {
  std::vector<std::size_t> begins;
  if (std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<unsigned char>(byte) < 0x80; })) {
    return begins;
  }
  for (std::size_t at = 0; at < text.size();) {
    begins.push_back(at);
    at += text::decode_utf8_front(text.substr(at)).bytes;
  }
  begins.push_back(text.size());
  return begins;
}

/// Reads one document's lines behind title and abstract.
class pubtator_annotations {
 public:
  pubtator_annotations(pubtator_document& document, std::string_view file)
      : document_(&document), file_(file), begins_(character_begins(document.text)) {}

  void add(std::string_view line, std::size_t number) {
    auto const fields = split_at(line, '\t');
    if (fields.front() != document_->id) fail(number, shown(fields.front()), "id " + document_->id);
    if (fields.size() == 4) {
      for (std::string_view const field : fields) {
        if (field.empty()) fail(number, shown(line), "id TAB relation TAB identifier TAB identifier");
      }
      document_->relations.push_back({std::string(fields[1]), std::string(fields[2]), std::string(fields[3])});
      return;
    }
    if (fields.size() != 6 && fields.size() != 7) {
      fail(number, std::to_string(fields.size()) + " fields",
           "4 (a relation) or 6 to 7 (a mention) fields with a TAB between");
    }
    pubtator_mention mention;
    auto const begin = offset(fields[1]);
    auto const end = offset(fields[2]);
    if (!begin || !end || *begin >= *end) {
      fail(number, shown(line), "two ascending offsets of at most " + std::to_string(characters()), "BadOffset");
    }
    mention.begin = *begin;
    mention.end = *end;
    mention.text = fields[3];
    std::string_view const there = std::string_view(document_->text).substr(*begin, *end - *begin);
    if (there != fields[3]) fail(number, "mention " + shown(fields[3]), "the text there, " + shown(there), "BadOffset");
    mention.type = fields[4];
    if (mention.type.empty()) fail(number, "no type", "a type");
    for (std::string_view const each : split_at(fields[5], '|')) {
      if (each.empty()) fail(number, shown(fields[5]), "identifiers with '|' between");
      mention.identifiers.emplace_back(each);
    }
    if (fields.size() == 7 && !text::trim(fields[6]).empty()) {
      for (std::string_view const each : split_at(fields[6], '|')) mention.parts.emplace_back(text::trim(each));
      if (mention.parts.size() != mention.identifiers.size()) {
        fail(number, std::to_string(mention.parts.size()) + " parts",
             "one for each of the " + std::to_string(mention.identifiers.size()) + " identifiers");
      }
    }
    document_->mentions.push_back(std::move(mention));
  }

 private:
  [[noreturn]] void fail(std::size_t number, std::string_view found, std::string_view expected,
                         std::string_view code = "BadLine") const {
    throw format_error(code, file_, line_place(number), found, expected);
  }
  [[nodiscard]] std::size_t characters() const { return begins_.empty() ? document_->text.size() : begins_.size() - 1; }
  // The byte offset of a character offset.
  [[nodiscard]] std::optional<std::size_t> offset(std::string_view field) const {
    auto const count = read_count(field);
    if (!count || *count > characters()) return std::nullopt;
    return begins_.empty() ? *count : begins_[*count];
  }

  pubtator_document* document_;
  std::string_view file_;
  std::vector<std::size_t> begins_;
};

}  // namespace detail

/// Calls visit(document) for every document, in order.
/// @param file  for messages
/// @throws format_error at the first deviation
template <class Visit>
void for_each_pubtator(std::string_view text, std::string_view file, Visit&& visit) {
  std::unordered_set<std::string> seen;
  line_reader lines(text);
  while (auto first = lines.next()) {
    if (first->text.empty()) continue;
    pubtator_document document;
    // PMID|kind|text
    auto const take = [&](text_line const& line, std::string_view kind) {
      std::size_t const bar = line.text.find('|');
      std::string_view const id = line.text.substr(0, bar);
      bool const right_id = detail::is_decimal(id) && (document.id.empty() || id == document.id);
      if (bar == std::string_view::npos || !right_id || !line.text.substr(bar).starts_with(kind)) {
        throw format_error("BadLine", file, detail::line_place(line.number), detail::shown(line.text),
                           (document.id.empty() ? "PMID" : document.id) + std::string(kind) + "text");
      }
      document.id = id;
      return line.text.substr(bar + kind.size());
    };
    document.text = take(*first, "|t|");
    if (!seen.insert(document.id).second) {
      throw format_error("DuplicateId", file, detail::line_place(first->number), "id " + document.id + " a second time",
                         "an id not used before");
    }
    document.title_bytes = document.text.size();
    auto const second = lines.next();
    if (!second) {
      throw format_error("Truncated", file, detail::line_place(lines.number() + 1), "the end of the file",
                         document.id + "|a|text");
    }
    document.text += ' ';
    document.text += take(*second, "|a|");
    detail::pubtator_annotations annotations(document, file);
    while (auto const line = lines.next()) {
      if (line->text.empty()) break;
      annotations.add(line->text, line->number);
    }
    visit(std::move(document));
  }
}

/// A document as an example: concepts are entities, the mentions their names, relations the facts.
/// @param file  for messages
/// @throws format_error UnknownId if a relation joins a concept that has no mention
[[nodiscard]] inline text::extraction_example example_of(pubtator_document const& document, std::string_view file) {
  text::extraction_example example;
  example.id = document.id;
  example.text = document.text;
  std::unordered_map<std::string, std::size_t> index;
  std::unordered_set<std::string> seen;  // entity, name or type
  auto const add_once = [&](std::vector<std::string>& list, std::size_t entity, char kind, std::string const& item) {
    if (seen.insert(std::to_string(entity) + kind + item).second) list.push_back(item);
  };
  for (pubtator_mention const& mention : document.mentions) {
    for (std::size_t i = 0; i < mention.identifiers.size(); ++i) {
      std::string const& id = mention.identifiers[i];
      if (id == "-1") continue;
      auto const [found, is_new] = index.emplace(id, example.entities.size());
      if (is_new) example.entities.push_back({.id = id, .types = {}, .names = {}});
      text::named_entity& entity = example.entities[found->second];
      add_once(entity.types, found->second, ':', mention.type);
      add_once(entity.names, found->second, '=', mention.text);
      if (i < mention.parts.size() && !mention.parts[i].empty()) {
        add_once(entity.names, found->second, '=', mention.parts[i]);
      }
    }
  }
  for (pubtator_relation const& each : document.relations) {
    auto const find = [&](std::string const& id) {
      auto const found = index.find(id);
      if (found == index.end()) {
        throw format_error("UnknownId", file, "document " + document.id, each.name + " of " + detail::shown(id),
                           "an identifier of one of its mentions");
      }
      return found->second;
    };
    std::size_t const subject = find(each.first);
    example.facts.push_back({.subject = subject, .relation = each.name, .object = find(each.second), .evidence = {}});
  }
  return example;
}

/// @param file  for messages
/// @throws format_error
[[nodiscard]] inline std::vector<text::extraction_example> parse_pubtator(std::string_view text,
                                                                          std::string_view file) {
  std::vector<text::extraction_example> examples;
  for_each_pubtator(text, file,
                    [&](pubtator_document const& document) { examples.push_back(example_of(document, file)); });
  return examples;
}

/// @throws io_error, format_error
[[nodiscard]] inline std::vector<text::extraction_example> read_pubtator(std::string const& path) {
  return parse_pubtator(format::read_file(path, std::size_t{1} << 28), path);
}

}  // namespace data
RLVR_NAMESPACE_END
