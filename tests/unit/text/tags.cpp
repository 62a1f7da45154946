// SPDX-License-Identifier: MIT
#include <rlvr/text/tags.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <support/time_limit.hpp>

using namespace rlvr::text;
using namespace std::string_literals;

namespace {

// Appendable UTF-8, written the long way round so that it shares nothing with the decoder under test.
std::string encode(unsigned code_point) {
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  std::string tail;
  unsigned lead = 0x40;  // two marker bits after this many payload bits
  do {
    tail.insert(tail.begin(), static_cast<char>(0x80 | (code_point % 64)));
    code_point /= 64;
    lead /= 2;
  } while (code_point >= lead);
  unsigned const marker = 0x100 - 2 * lead;
  tail.insert(tail.begin(), static_cast<char>(marker + code_point));
  return tail;
}

response_status status_of(std::string_view text, response_policy const& policy = {}) {
  return parse_think_answer(text, policy).status;
}

}  // namespace

TEST_CASE("visible code points follow the Unicode categories") {
  // From Python's unicodedata 14.0: every code point of Z*, Cc and Cf, as ranges, and the neighbours outside.
  struct range {
    unsigned first, last;
  };
  range const invisible[] = {
      {0x0000, 0x0020},   {0x007F, 0x00A0},   {0x00AD, 0x00AD},   {0x0600, 0x0605},   {0x061C, 0x061C},
      {0x06DD, 0x06DD},   {0x070F, 0x070F},   {0x0890, 0x0891},   {0x08E2, 0x08E2},   {0x1680, 0x1680},
      {0x180E, 0x180E},   {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x2064},   {0x2066, 0x206F},
      {0x3000, 0x3000},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
      {0x13430, 0x13438}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0001, 0xE0001}, {0xE0020, 0xE007F},
  };
  std::string all_invisible;
  unsigned wrong = 0;
  for (unsigned c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    if (c >= 0x13439 && c <= 0x1343F) continue;  // assigned (Cf) since Unicode 15
    bool expected = true;
    for (range const r : invisible) expected = expected && !(c >= r.first && c <= r.last);
    wrong += has_visible(encode(c)) != expected;
    if (!expected) all_invisible += encode(c);
  }
  CHECK(wrong == 0);
  CHECK_FALSE(has_visible(all_invisible));
  CHECK(has_visible(all_invisible + "x"));
  CHECK_FALSE(has_visible(""));
}

TEST_CASE("malformed UTF-8 counts as visible") {
  for (std::string const& bytes :
       {"\x80"s, "\xff"s, "\xc0\xa0"s, "\xc1\x80"s, "\xc2"s, "\xe0\x80\xa0"s, "\xe2\x80"s, "\xed\xa0\x80"s,
        "\xf0\x80\x80\xa0"s, "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xe2\x28\x8b"s, " \xe2"s}) {
    CHECK(has_visible(bytes));
  }
  CHECK_FALSE(has_visible("\xe2\x80\x8b"));  // the zero-width space, whole
}

TEST_CASE("tag_scan counts occurrences and keeps the first position") {
  std::array<std::string_view, 3> const tags{"<a>", "</a>", "<ab>"};
  auto const found = tag_scan("x<a><<a></a><ab>", tags);
  CHECK(found[0] == tag_occurrence{2, 1});
  CHECK(found[1] == tag_occurrence{1, 8});
  CHECK(found[2] == tag_occurrence{1, 12});
  CHECK(tag_scan("", tags)[0] == tag_occurrence{});
  CHECK(tag_scan("<a", tags)[0].count == 0);

  // Different first bytes take the general path; an empty tag never occurs.
  auto const mixed = tag_scan("[x]<a>[x]", std::array<std::string_view, 3>{"[x]", "<a>", ""});
  CHECK(mixed[0] == tag_occurrence{2, 0});
  CHECK(mixed[1] == tag_occurrence{1, 3});
  CHECK(mixed[2].count == 0);

  CHECK(find_once("ab<a>", "<a>") == 2);
  CHECK_FALSE(find_once("<a><a>", "<a>"));
  CHECK_FALSE(find_once("", "<a>"));
  static_assert(find_once("0123<e1>", "<e1>") == 4);
}

TEST_CASE("the strict grammar accepts exactly its own form") {
  tagged_response const parsed = parse_think_answer(" \r\n<think>\nwhy\t</think>\n\n<answer> A </answer>\t");
  CHECK(parsed.ok());
  CHECK(parsed.think == "\nwhy\t");
  CHECK(parsed.answer == " A ");
  CHECK(describe(parsed) == "well-formed");

  auto const fails = [](std::string_view text, response_status status, std::string_view tag) {
    tagged_response const response = parse_think_answer(text);
    CAPTURE(text);
    CHECK(response.status == status);
    CHECK(response.tag == tag);
    CHECK(response.think.empty());
    CHECK(response.answer.empty());
    CHECK_FALSE(describe(response).empty());
  };
  fails("", response_status::missing_tag, "<think>");
  fails("<think>x<answer>A</answer>", response_status::missing_tag, "</think>");
  fails("<think>x</think>A</answer>", response_status::missing_tag, "<answer>");
  fails("<think>x</think><answer>A", response_status::missing_tag, "</answer>");
  fails("<think>x</think><answer>A</answer><answer>A</answer>", response_status::repeated_tag, "<answer>");
  fails("<think>a</think></think><answer>A</answer>", response_status::repeated_tag, "</think>");
  fails("<answer>A</answer><think>x</think>", response_status::wrong_order, "<answer>");
  fails("<think>x<answer>A</think></answer>", response_status::wrong_order, "<answer>");
  fails("</think>x<think><answer>A</answer>", response_status::wrong_order, "</think>");
  fails("a<think>x</think><answer>A</answer>", response_status::text_outside, "<think>");
  fails("<think>x</think>a<answer>A</answer>", response_status::text_outside, "<answer>");
  fails("<think>x</think><answer>A</answer>a", response_status::text_outside, "</answer>");
  fails("\v<think>x</think><answer>A</answer>", response_status::text_outside, "<think>");
  fails("<think>x</think><answer>A</answer>\0"s, response_status::text_outside, "</answer>");
  fails("<think>\n \xe2\x80\x8b\0</think><answer>A</answer>"s, response_status::empty_think, "<think>");
  CHECK(describe(parse_think_answer("<think>x")) == "tag </think> is missing");
}

TEST_CASE("policies relax one rule each") {
  CHECK(status_of("Sure: <think>x</think> so <answer>A</answer>.", talkative_response) == response_status::ok);
  CHECK(status_of("<think>x</think><answer>A</answer><answer>", talkative_response) == response_status::repeated_tag);
  CHECK(status_of("<think></think><answer>A</answer>", talkative_response) == response_status::empty_think);
  CHECK(status_of("<think></think><answer>A</answer>", {.empty_think_allowed = true}) == response_status::ok);

  CHECK(parse_think_answer(" <answer>A</answer>\n", answer_only_response).answer == "A");
  CHECK(status_of("<think>x</think><answer>A</answer>", answer_only_response) == response_status::ok);
  CHECK(status_of("x<answer>A</answer>", answer_only_response) == response_status::text_outside);
  CHECK(status_of("<answer>A</answer>x", answer_only_response) == response_status::text_outside);
  CHECK(status_of("</answer>A<answer>", answer_only_response) == response_status::wrong_order);
  CHECK(status_of("</think><answer>A</answer>", answer_only_response) == response_status::missing_tag);

  response_policy const renamed{.think_open = "[r]", .think_close = "[/r]", .answer_open = "{", .answer_close = "}"};
  tagged_response const response = parse_think_answer("[r]why[/r] {A}", renamed);
  CHECK(response.ok());
  CHECK(response.think == "why");
  CHECK(response.answer == "A");
}

TEST_CASE("a prefill is part of the response") {
  joined_response const joined("<think>\n", "x</think><answer>A</answer>");
  CHECK(joined.view() == "<think>\nx</think><answer>A</answer>");
  CHECK(parse_think_answer(joined.view()).think == "\nx");
  // A tag split over the border is found.
  joined_response const split("<thi", "nk>x</think><answer>A</answer>");
  CHECK(parse_think_answer(split.view()).ok());
  std::string const completion = "abc";
  joined_response const alone("", completion);
  CHECK(alone.view().data() == completion.data());
}

TEST_CASE("a megabyte of anything parses in linear time") {
  auto const repeated = [](std::string_view unit, std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += unit;
    return text;
  };
  std::string_view const units[] = {"<",
                                    "</",
                                    "<think>",
                                    "</think>",
                                    "<think",
                                    " ",
                                    "<answer>",
                                    "</answer>",
                                    "<thin</th",
                                    "\xe2\x80\x8b",
                                    "a<b>",
                                    "\x00",
                                    "\xff\xfe\xe2",
                                    "<think></think><answer>x</answer>"};
  for (std::string_view const unit : units) {
    std::string const filler = repeated(unit.empty() ? std::string_view("\0", 1) : unit, 1 << 20);
    std::string const inside = "<think>" + filler + "</think><answer>" + filler + "</answer>";
    auto const start = std::chrono::steady_clock::now();
    (void)status_of(filler);
    (void)status_of(inside);
    std::chrono::duration<double, std::milli> const elapsed = std::chrono::steady_clock::now() - start;
    CAPTURE(unit, elapsed.count());
    CHECK(elapsed.count() < test::time_limit(2000));  // 3 MB, a few ms; quadratic work would take minutes
  }
}
