// SPDX-License-Identifier: MIT
/// @file
/// Large JSON lists, element by element: the text is cut at the commas between elements, so that only one element at a
/// time becomes a tree (a tree is ten times the size of its text).  What lies inside an element is checked by who
/// parses it; the cut itself only tracks strings and brackets.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/data/text_file.hpp>
#include <rlvr/text/tags.hpp>

#include <cstddef>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace data {

/// Calls visit(element, index) for the text of every element of a JSON list.  Linear, constant stack.
/// @param file  for messages
/// @throws format_error Json if the text is no list, an element is empty or the list does not end; what `visit` throws
template <class Visit>
void for_each_element(std::string_view text, std::string_view file, Visit&& visit) {
  std::string_view const inside = text::trim(text);
  auto const fail = [&](std::size_t index, std::string_view found, std::string_view expected) {
    throw format_error("Json", file, "element " + std::to_string(index), found, expected);
  };
  if (!inside.starts_with('[')) throw format_error("Json", file, "begin", detail::shown(inside.substr(0, 20)), "'['");
  std::size_t begin = 1;
  std::size_t index = 0;
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t at = 1; at < inside.size(); ++at) {
    char const byte = inside[at];
    if (quoted) {
      if (byte == '\\') ++at;
      if (byte == '"') quoted = false;
      continue;
    }
    if (byte == '"') quoted = true;
    if (byte == '[' || byte == '{') ++depth;
    bool const closes = byte == ']' || byte == '}';
    if (closes && depth > 0) {
      --depth;
      continue;
    }
    if (depth > 0 || (byte != ',' && !closes)) continue;
    std::string_view const element = text::trim(inside.substr(begin, at - begin));
    bool const last = closes;
    if (byte == '}') fail(index, "'}'", "',' or ']'");
    if (element.empty() && !(last && index == 0)) fail(index, "nothing", "a value");
    if (!element.empty()) visit(element, index++);
    begin = at + 1;
    if (!last) continue;
    if (begin != inside.size()) fail(index, detail::shown(inside.substr(begin)), "the end of the file behind ']'");
    return;
  }
  fail(index, "the end of the file", "']'");
}

}  // namespace data
RLVR_NAMESPACE_END
