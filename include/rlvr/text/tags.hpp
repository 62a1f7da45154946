// SPDX-License-Identifier: MIT
/// @file
/// Tags in model text, without regular expressions: one pass over the bytes, constant stack, no allocation, no
/// exception whatever the text holds.
///
/// `tag_scan` counts any set of tags; `parse_think_answer` is the grammar of a reasoning model's reply,
///
///     response := WS <think> T </think> WS <answer> A </answer> WS        WS = blank, tab, CR, LF
///
/// where each tag occurs exactly once in the whole text (letters as written), and T shows at least one visible
/// code point.  Counting the tags is what makes the grammar unambiguous: a second block, an answer inside the
/// reasoning or a tag quoted anywhere fails instead of being resolved by "first" or "last" (reward hacking by
/// several answer blocks is reported against several trainers).  `response_policy` relaxes it by name;
/// `last_answer_block` is the lenient contract that evaluations use.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/text/visible.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace text {

/// The white space of the response grammar: ASCII blank, tab, CR, LF and nothing else.
[[nodiscard]] constexpr bool is_white_space(char byte) noexcept {
  return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

[[nodiscard]] constexpr std::string_view trim_front(std::string_view text) noexcept {
  std::size_t begin = 0;
  while (begin < text.size() && is_white_space(text[begin])) ++begin;
  return text.substr(begin);
}

[[nodiscard]] constexpr std::string_view trim_back(std::string_view text) noexcept {
  std::size_t end = text.size();
  while (end > 0 && is_white_space(text[end - 1])) --end;
  return text.substr(0, end);
}

/// The text without white space at both ends; a view into the argument.
[[nodiscard]] constexpr std::string_view trim(std::string_view text) noexcept { return trim_front(trim_back(text)); }

/// How often a tag occurs, and where first.
struct tag_occurrence {
  std::size_t count = 0;
  std::size_t position = std::string_view::npos;  ///< byte offset of the first one; npos if there is none

  [[nodiscard]] constexpr bool once() const noexcept { return count == 1; }
  friend constexpr bool operator==(tag_occurrence const&, tag_occurrence const&) = default;
};

namespace detail {

/// Whether the tag stands at this offset.  Byte by byte: tags are too short for calls to memcmp to pay.
[[nodiscard]] constexpr bool stands_at(std::string_view text, std::size_t at, std::string_view tag) noexcept {
  if (text.size() - at < tag.size()) return false;
  for (std::size_t i = 0; i < tag.size(); ++i) {
    if (text[at + i] != tag[i]) return false;
  }
  return true;
}

}  // namespace detail

/// Counts every tag in one pass; time proportional to the text's length times the tags' total length at worst, and
/// to the length alone where their first byte is rare.  An empty tag never occurs.
template <std::size_t Count>
[[nodiscard]] constexpr std::array<tag_occurrence, Count> tag_scan(
    std::string_view text, std::array<std::string_view, Count> const& tags) noexcept {
  std::array<tag_occurrence, Count> found{};
  bool one_lead = Count > 0;       // one first byte: the next candidate is found by memchr
  bool any_second = false;         // some tag is a single byte
  std::array<bool, 256> second{};  // the second bytes of the tags
  for (std::string_view const tag : tags) {
    one_lead = one_lead && !tag.empty() && tag.front() == tags.front().front();
    any_second = any_second || tag.size() == 1;
    if (tag.size() > 1) second[static_cast<unsigned char>(tag[1])] = true;
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (one_lead && text[at] != tags.front().front()) {
      at = text.find(tags.front().front(), at);
      if (at == std::string_view::npos) break;
    }
    if (!any_second && (at + 1 == text.size() || !second[static_cast<unsigned char>(text[at + 1])])) continue;
    for (std::size_t i = 0; i < Count; ++i) {
      if (tags[i].empty() || !detail::stands_at(text, at, tags[i])) continue;
      if (found[i].count++ == 0) found[i].position = at;
    }
  }
  return found;
}

/// The byte offset of a tag that occurs exactly once, else nothing.
[[nodiscard]] constexpr std::optional<std::size_t> find_once(std::string_view text, std::string_view tag) noexcept {
  auto const [found] = tag_scan(text, std::array{tag});
  if (!found.once()) return std::nullopt;
  return found.position;
}

/// What a response may look like.  The default is the strict grammar above; every member relaxes or renames one
/// part of it.  The views must outlive the policy (literals do).
struct response_policy {
  bool text_outside_allowed = false;  ///< anything but tags may stand before, between and after the blocks
  bool empty_think_allowed = false;   ///< the reasoning may show no visible code point
  bool think_optional = false;        ///< both think tags may be absent (models tuned on bare answers)
  std::string_view think_open = "<think>";
  std::string_view think_close = "</think>";
  std::string_view answer_open = "<answer>";
  std::string_view answer_close = "</answer>";
};

/// The strict grammar, by its name.
inline constexpr response_policy strict_response{};
/// Chatter round the blocks is forgiven; the tags still occur once, in order.
inline constexpr response_policy talkative_response{.text_outside_allowed = true};
/// Reasoning is accepted and not asked for: how models without it are evaluated.
inline constexpr response_policy answer_only_response{.empty_think_allowed = true, .think_optional = true};

/// Why a response is refused, the first reason in this order.
enum class response_status : std::uint8_t {
  ok,
  missing_tag,
  repeated_tag,
  wrong_order,
  text_outside,
  empty_think,
};

/// The two blocks of a response; views into the parsed text, both empty unless `ok()`.
struct tagged_response {
  std::string_view think{};
  std::string_view answer{};  ///< untrimmed
  response_status status = response_status::ok;
  std::string_view tag{};  ///< the tag at fault, if one is

  [[nodiscard]] constexpr bool ok() const noexcept { return status == response_status::ok; }
};

/// Parses one response.  Never throws, never allocates; one pass for the tags and one over the white space.
[[nodiscard]] constexpr tagged_response parse_think_answer(std::string_view text,
                                                           response_policy const& policy = {}) noexcept {
  std::array const tags{policy.think_open, policy.think_close, policy.answer_open, policy.answer_close};
  auto const found = tag_scan(text, tags);
  auto const refuse = [](response_status status, std::string_view tag = {}) {
    return tagged_response{.think = {}, .answer = {}, .status = status, .tag = tag};
  };

  bool const think_absent = policy.think_optional && found[0].count + found[1].count == 0;
  std::size_t const first = think_absent ? 2 : 0;
  for (std::size_t i = first; i < tags.size(); ++i) {
    if (found[i].count == 0) return refuse(response_status::missing_tag, tags[i]);
  }
  for (std::size_t i = first; i < tags.size(); ++i) {
    if (found[i].count > 1) return refuse(response_status::repeated_tag, tags[i]);
  }
  std::array<std::size_t, 5> gap_begin{};  // where the text before tag i begins
  for (std::size_t i = first; i < tags.size(); ++i) {
    if (found[i].position < gap_begin[i]) return refuse(response_status::wrong_order, tags[i]);
    gap_begin[i + 1] = found[i].position + tags[i].size();
  }
  auto const before = [&](std::size_t i) { return text.substr(gap_begin[i], found[i].position - gap_begin[i]); };
  if (!policy.text_outside_allowed) {
    for (std::size_t i = first; i < tags.size(); i += 2) {
      if (!trim(before(i)).empty()) return refuse(response_status::text_outside, tags[i]);
    }
    if (!trim(text.substr(gap_begin[4])).empty()) return refuse(response_status::text_outside, tags[3]);
  }
  std::string_view const think = think_absent ? std::string_view{} : before(1);
  if (!think_absent && !policy.empty_think_allowed && !has_visible(think)) {
    return refuse(response_status::empty_think, tags[0]);
  }
  return {.think = think, .answer = before(3), .status = response_status::ok, .tag = {}};
}

/// The part of a response that is meant for the reader: what follows its last `</think>` and precedes a later `<think>`
/// that is never closed; all of it if neither tag occurs.  A closing tag alone ends the reasoning too: prompts often
/// write the opening one.  Linear, allocates nothing.
[[nodiscard]] constexpr std::string_view closing_text(std::string_view text,
                                                      response_policy const& policy = {}) noexcept {
  std::size_t const closed = text.rfind(policy.think_close);
  if (closed != std::string_view::npos) text.remove_prefix(closed + policy.think_close.size());
  return text.substr(0, text.find(policy.think_open));
}

/// The *lenient* contract: the last answer block of the closing text, trimmed; nothing if there is none, if it shows
/// nothing, or if another block is begun after it and never ended.  Blocks inside the reasoning do not count, closed or
/// not.  For evaluation of models that were not trained on the strict grammar; as a training reward it pays for
/// whatever stands round the block.  Linear, allocates nothing.
[[nodiscard]] constexpr std::optional<std::string_view> last_answer_block(std::string_view text,
                                                                          response_policy const& policy = {}) noexcept {
  text = closing_text(text, policy);
  std::size_t const open = text.rfind(policy.answer_open);
  if (open == std::string_view::npos) return std::nullopt;
  text.remove_prefix(open + policy.answer_open.size());
  std::size_t const close = text.find(policy.answer_close);
  if (close == std::string_view::npos) return std::nullopt;
  std::string_view const answer = trim(text.substr(0, close));
  if (!has_visible(answer)) return std::nullopt;
  return answer;
}

/// One line for people: "tag </think> is missing", or "well-formed".
[[nodiscard]] inline std::string describe(tagged_response const& response) {
  std::string line{"tag "};
  line += response.tag;
  switch (response.status) {
    case response_status::ok:
      return "well-formed";
    case response_status::missing_tag:
      return line += " is missing";
    case response_status::repeated_tag:
      return line += " occurs more than once";
    case response_status::wrong_order:
      return line += " stands before a tag it should follow";
    case response_status::text_outside:
      return line += " has text next to it outside the blocks";
    case response_status::empty_think:
      return "the reasoning is empty";
  }
  return line;
}

/// A prefill (what the prompt template already wrote of the response) and the completion as one text.  Without a
/// prefill nothing is copied and `view()` is the completion itself, which must then outlive this object.
class joined_response {
 public:
  joined_response(std::string_view prefill, std::string_view completion) : view_(completion) {
    if (prefill.empty()) return;
    storage_.reserve(prefill.size() + completion.size());
    storage_.append(prefill).append(completion);
    view_ = storage_;
  }
  joined_response(joined_response const&) = delete;
  joined_response& operator=(joined_response const&) = delete;

  [[nodiscard]] std::string_view view() const noexcept { return view_; }

 private:
  std::string storage_;
  std::string_view view_;
};

}  // namespace text
RLVR_NAMESPACE_END
