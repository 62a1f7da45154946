// SPDX-License-Identifier: MIT
/// @file
/// Text into HTML, whatever the text is.
///
/// `escape_html` is safe in element content and in quoted attribute values of HTML and SVG: it replaces & < > " ' and
/// the backtick, makes controls and invisible format characters visible (see `append_visible`), and malformed UTF-8
/// becomes U+FFFD.  It is the only way by which text that is not ours enters a report.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/report/utf8.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace report {

/// The text with everything that HTML would interpret escaped.
[[nodiscard]] inline std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for_each_code_point(text, [&out](char32_t code_point) {
    switch (code_point) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '`':
        out += "&#96;";
        break;
      default:
        append_visible(out, code_point);
    }
  });
  return out;
}

/// The first `code_points` code points, and an ellipsis if there are more.  Works on bytes as they are.
[[nodiscard]] inline std::string shorten(std::string_view text, std::size_t code_points) {
  std::string_view rest = text;
  for (std::size_t i = 0; i < code_points && !rest.empty(); ++i)
    rest.remove_prefix(text::decode_utf8_subpart(rest).bytes);
  std::string front(text.substr(0, text.size() - rest.size()));
  return rest.empty() ? front : front + "\u2026";
}

/// Escaped model text in which the tags of the response grammar stand out.  The marks go round the *escaped* tags, so
/// nothing of the text itself becomes markup.
[[nodiscard]] inline std::string mark_up_response(std::string_view text) {
  constexpr std::array<std::string_view, 4> tags{"&lt;think&gt;", "&lt;/think&gt;", "&lt;answer&gt;",
                                                 "&lt;/answer&gt;"};
  std::string const escaped = escape_html(text);
  std::string out;
  for (std::size_t at = 0; at < escaped.size();) {
    std::string_view const rest = std::string_view(escaped).substr(at);
    std::string_view found;
    if (rest.front() == '&') {
      for (std::string_view const tag : tags) {
        if (rest.starts_with(tag)) found = tag;
      }
    }
    if (found.empty()) {
      out += escaped[at++];
    } else {
      out.append("<span class=\"tag\">").append(found).append("</span>");
      at += found.size();
    }
  }
  return out;
}

}  // namespace report
RLVR_NAMESPACE_END
