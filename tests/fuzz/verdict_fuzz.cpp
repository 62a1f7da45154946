// SPDX-License-Identifier: MIT
// libFuzzer target: the readers of judges' and policies' text against naive references.
//
//   tests/fuzz/run --seconds 60 verdict
//
// The input's first byte is the window, the rest is the text.
#include <rlvr/reward/fence.hpp>
#include <rlvr/reward/soft_judge.hpp>
#include <rlvr/reward/verdict.hpp>
#include <rlvr/text/utf8.hpp>
#include <rlvr/text/visible.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using rlvr::reward::verdict_status;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Begins of the code points, from the front; bytes of no sequence count one each.
std::vector<std::size_t> code_points(std::string_view text) {
  std::vector<std::size_t> begins;
  for (std::size_t at = 0; at < text.size(); at += rlvr::text::decode_utf8_front(text.substr(at)).bytes)
    begins.push_back(at);
  return begins;
}

verdict_status naive_window(std::string const& text, std::size_t window) {
  std::vector<std::size_t> const begins = code_points(text);
  std::size_t const from = window == 0 ? text.size() : begins.size() <= window ? 0 : begins[begins.size() - window];
  std::string const tail = text.substr(from);
  bool const a = tail.find("<answer>[[A]]</answer>") != std::string::npos;
  bool const b = tail.find("<answer>[[B]]</answer>") != std::string::npos;
  return a && b ? verdict_status::both
         : a    ? verdict_status::first
         : b    ? verdict_status::second
                : verdict_status::missing;
}

std::size_t count(std::string const& text, std::string const& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

std::string without_white_space_at_ends(std::string text) {
  while (!text.empty() && std::string(" \t\r\n").find(text.back()) != std::string::npos) text.pop_back();
  while (!text.empty() && std::string(" \t\r\n").find(text.front()) != std::string::npos) text.erase(0, 1);
  return text;
}

/// The strict rule: the text ends in a block with one of the verdicts, and holds neither tag elsewhere.
verdict_status naive_closing(std::string const& text) {
  std::size_t const open = text.rfind("<answer>");
  bool const once = count(text, "<answer>") == 1 && count(text, "</answer>") == 1;
  if (once) {
    std::string const block = without_white_space_at_ends(text.substr(open));
    if (!block.ends_with("</answer>") || block.size() < 17) return verdict_status::missing;
    std::string const inside = without_white_space_at_ends(block.substr(8, block.size() - 17));
    return inside == "[[A]]"   ? verdict_status::first
           : inside == "[[B]]" ? verdict_status::second
                               : verdict_status::missing;
  }
  return count(text, "<answer>[[A]]</answer>") > 0 && count(text, "<answer>[[B]]</answer>") > 0
             ? verdict_status::both
             : verdict_status::missing;
}

/// All lines from the front; the last that shows something.
std::string naive_last_line(std::string const& text) {
  std::string line, last;
  for (char const byte : text + "\n") {
    if (byte != '\n' && byte != '\r') {
      line += byte;
      continue;
    }
    if (rlvr::text::has_visible(line)) last = line;
    line.clear();
  }
  return without_white_space_at_ends(last);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string const text(reinterpret_cast<char const*>(data) + 1, size - 1);
  rlvr::reward::verdict_extractor read;
  require(read(text) == naive_window(text, 80));
  read.window = data[0];
  require(read(text) == naive_window(text, data[0]));
  require(rlvr::reward::closing_verdict_extractor()(text) == naive_closing(text));
  require(rlvr::reward::last_non_empty_line(text) == naive_last_line(text));
  static_cast<void>(rlvr::reward::read_task_type(text));

  std::string const escaped = rlvr::reward::escape_for_judge(text);
  require(escaped.find('<') == std::string::npos && escaped.size() <= 6 * text.size());
  require(rlvr::text::is_valid_utf8(escaped));
  require(escaped.find("[INST]") == std::string::npos);
  std::string const fenced = rlvr::reward::fence_text("text", text, "0123456789abcdef");
  require(count(fenced, "</text mark=\"0123456789abcdef\">") == 1);
  return 0;
}
