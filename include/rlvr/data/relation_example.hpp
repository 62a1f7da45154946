// SPDX-License-Identifier: MIT
/// @file
/// One sentence of a relation classification corpus, with its two entities marked in the text.
#pragma once

#include <rlvr/core/config.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace data {

/// A labelled sentence.
struct relation_example {
  std::string id;        ///< decimal digits, as in the file
  std::string sentence;  ///< with <e1>..</e1> and <e2>..</e2>; escapes of the corpus are left as they are
  std::string label;     ///< e.g. "Cause-Effect(e1,e2)" or "Other"
  std::string comment;   ///< the annotators' remark, without "Comment:" and the blanks around it

  friend bool operator==(relation_example const&, relation_example const&) = default;
};

/// The marked texts of a sentence: views into it.
struct entity_pair {
  std::string_view e1, e2;
};

/// Finds both entities.  Nothing if one of the four markers is absent or occurs twice, if an entity is
/// empty, or if the entities overlap.
[[nodiscard]] inline std::optional<entity_pair> find_entities(std::string_view sentence) {
  auto const only = [&](std::string_view marker) -> std::size_t {
    auto const at = sentence.find(marker);
    bool const twice = at != std::string_view::npos && sentence.find(marker, at + 1) != std::string_view::npos;
    return twice ? std::string_view::npos : at;
  };
  auto const e1_open = only("<e1>");
  auto const e1_close = only("</e1>");
  auto const e2_open = only("<e2>");
  auto const e2_close = only("</e2>");
  for (auto const at : {e1_open, e1_close, e2_open, e2_close}) {
    if (at == std::string_view::npos) {
      return std::nullopt;
    }
  }
  constexpr std::size_t open_length = 4;
  bool const e1_filled = e1_open + open_length < e1_close;
  bool const e2_filled = e2_open + open_length < e2_close;
  bool const apart = e1_close < e2_open || e2_close < e1_open;
  if (!e1_filled || !e2_filled || !apart) {
    return std::nullopt;
  }
  auto const between = [&](std::size_t open, std::size_t close) {
    return sentence.substr(open + open_length, close - open - open_length);
  };
  return entity_pair{between(e1_open, e1_close), between(e2_open, e2_close)};
}

}  // namespace data
RLVR_NAMESPACE_END
