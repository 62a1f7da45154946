// SPDX-License-Identifier: MIT
// What json_repair.hpp finds in text: by hand, and against documents that are printed twice, strictly and in a loose
// style.
#include <rlvr/text/json_repair.hpp>

#include "draws.hpp"
#include <chrono>
#include <random>
#include <string>
#include <support/catch.hpp>
#include <support/time_limit.hpp>
#include <vector>

using namespace rlvr::text;

namespace {

using test::below;
using test::generator;

/// A value in one fixed form; documents here are shallow.
std::string dump(json_node node) {
  std::string out;
  switch (node.kind()) {
    case json_kind::null:
      return "null";
    case json_kind::boolean:
      return node.boolean() ? "true" : "false";
    case json_kind::number:
      return std::string(node.number_text());
    case json_kind::string:
      return "\"" + std::string(node.string()) + "\"";
    case json_kind::array:
      for (json_node const each : node) (out += out.empty() ? "" : ",") += dump(each);
      return "[" + out + "]";
    case json_kind::object:
      for (json_node const each : node) (((out += out.empty() ? "" : ",") += each.key()) += ":") += dump(each);
      return "{" + out + "}";
  }
  return out;
}

/// A document written twice.
struct twice {
  std::string strict;
  std::string loose;  ///< Python's way of writing, and worse
};

twice random_text(generator& random, bool key) {
  static std::vector<twice> const pieces{{"a", "a"},
                                         {"\\\"", "\""},
                                         {"\\\"", "\\\""},
                                         {"'", "\\'"},
                                         {"\\n", "\\n"},
                                         {"{", "{"},
                                         {"}", "}"},
                                         {"]", "]"},
                                         {", ", ", "},
                                         {": ", ": "},
                                         {"\\\\", "\\\\"},
                                         {"\xC3\xA4", "\xC3\xA4"},
                                         {"\\u00e4", "\\u00e4"},
                                         {"1", "1"},
                                         {"`", "`"}};
  twice text;
  bool const bare = key && below(random, 2) == 0;
  bool const single = below(random, 2) == 0;
  std::string const name = "k" + std::to_string(random());
  if (key) text = {name, name};
  if (bare) return {'"' + name + '"', name};
  for (std::size_t left = below(random, 5); left > 0; --left) {
    twice const& piece = pieces[below(random, pieces.size())];
    text.strict += piece.strict;
    text.loose += single ? piece.loose : piece.strict;
  }
  std::string const quote = single ? "'" : "\"";
  return {'"' + text.strict + '"', quote + text.loose + quote};
}

twice random_value(generator& random, std::size_t depth) {
  std::size_t const kind = below(random, depth == 0 ? 5 : 8);
  bool const python = below(random, 2) == 0;
  if (kind == 0) return {"null", python ? "None" : "null"};
  if (kind == 1) return {"true", python ? "True" : "true"};
  if (kind == 2) return {"false", python ? "False" : "false"};
  if (kind == 3) return {"-1.5e3", "-1.5e3"};
  if (kind == 4) return random_text(random, false);
  bool const object = kind == 7;
  twice out;
  for (std::size_t left = below(random, 4); left > 0; --left) {
    if (object) {
      twice const key = random_text(random, true);
      out.strict += key.strict + ":";
      out.loose += key.loose + " : ";
    }
    twice const each = random_value(random, depth - 1);
    out.strict += each.strict + (left > 1 ? "," : "");
    out.loose += each.loose + (left > 1 || below(random, 2) == 0 ? "\n, " : "");
  }
  if (object) return {"{" + out.strict + "}", "{" + out.loose + "}"};
  return {"[" + out.strict + "]", "[ " + out.loose + "]"};
}

json_search repairing(json_search search = {}) {
  search.repairs = all_json_repairs;
  return search;
}

/// What was found, for comparison: source, whether repaired, the value; "none".
std::string found_in(std::string_view text, json_search const& search = {}) {
  auto const found = find_json(text, search);
  if (!found) return "none";
  char const* const names[] = {"whole", "fenced", "bracketed"};
  return std::string(names[static_cast<int>(found->source)]) + (found->repaired ? " repaired " : " ") +
         dump(found->document.root());
}

double milliseconds(std::string const& text, json_search const& search) {
  auto const begin = std::chrono::steady_clock::now();
  (void)find_json(text, search);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("where JSON is found in a text, and in which order") {
  CHECK(found_in(" {\"a\":1}\n") == "whole {a:1}");
  CHECK(found_in("true") == "whole true");
  CHECK(found_in("Here:\n```json\n{\"a\":1}\n```\nand {\"b\":2}") == "fenced {a:1}");
  CHECK(found_in("```JSON{\"a\":1}```") == "fenced {a:1}");
  CHECK(found_in("```\n[1]\n```") == "fenced [1]");
  CHECK(found_in("```\n[1]\n```", {.labelled = true}) == "bracketed [1]");
  CHECK(found_in("```\n[1]\n```", {.deepest = json_source::fenced, .labelled = true}) == "none");
  CHECK(found_in("```python\n{\"a\":1}\n```\n```json\n{\"b\":2}\n```") == "fenced {b:2}");
  CHECK(found_in("````json\n{\"a\":\"```\"}\n````") == "fenced {a:\"```\"}");
  CHECK(found_in("```json\n1\n``````json\n2\n```", {.choice = json_choice::last}) == "fenced 2");  // ends and begins
  CHECK(found_in("``` x\n```json\n{\"a\":1}\n```") == "bracketed {a:1}");  // the second run ends the first block
  CHECK(found_in("So {\"a\":\"}{\"} it is.") == "bracketed {a:\"}{\"}");
  CHECK(found_in("So {\"a\":1} it is.", {.deepest = json_source::fenced}) == "none");
  CHECK(found_in("{\"a\":1}", {.deepest = json_source::whole}) == "whole {a:1}");
  CHECK(found_in("By [1] and \\frac{1}{2}: {\"a\":[2]}", {.root = json_kind::object}) == "bracketed {a:[2]}");
  CHECK(found_in("The interval [0,1) and {\"a\":2}", {.root = json_kind::object}) == "bracketed {a:2}");
  CHECK(found_in("The interval [0,1) and {\"a\":2}") == "none");
  CHECK(found_in("[{\"a\":1}]", {.root = json_kind::object}) == "bracketed {a:1}");
  CHECK(found_in("{\"a\":1}", {.root = json_kind::array}) == "none");
  CHECK(found_in("x {\"b\":1} {\"a\":1}", {.key = "a"}) == "bracketed {a:1}");
  CHECK(found_in("x [1]", {.key = "a"}) == "none");
  // A part of what is broken is not looked at.
  CHECK(found_in("{\"x\": {\"a\":1}, oh") == "none");
  CHECK(found_in("{\"x\": {\"a\":1}, }") == "none");
  CHECK(found_in("") == "none");
  CHECK(found_in("no") == "none");

  auto const found = find_json("say {\"a\":1}!");
  REQUIRE(found);
  CHECK(found->text == "{\"a\":1}");
}

TEST_CASE("several candidates in one step are refused, or resolved as asked") {
  std::string const two = "{\"a\":1} or {\"a\":2}";
  CHECK(found_in(two) == "none");
  CHECK(found_in(two, {.choice = json_choice::first}) == "bracketed {a:1}");
  CHECK(found_in(two, {.choice = json_choice::last}) == "bracketed {a:2}");
  CHECK(found_in("{\"a\":1} or {b}") == "bracketed {a:1}");  // what is no JSON is no candidate
  std::string const blocks = "```json\n1\n```\n```json\n2\n```\n```json\n3\n```";
  CHECK(found_in(blocks) == "none");
  CHECK(found_in(blocks, {.choice = json_choice::first}) == "fenced 1");
  CHECK(found_in(blocks, {.choice = json_choice::last}) == "fenced 3");
  // Two of an earlier step are not settled by a later one.
  CHECK(found_in(blocks + "{\"a\":1}") == "none");
  CHECK(found_in("{a:1} {a:2}", repairing()) == "none");
}

TEST_CASE("each repair mends what its name says and nothing else does") {
  struct damage {
    bool json_repairs::*repair;
    char const* text;
    char const* value;
  };
  for (damage const& each : {damage{&json_repairs::trailing_commas, "[1,2, ]", "[1,2]"},
                             damage{&json_repairs::trailing_commas, "{\"a\":1,}", "{a:1}"},
                             damage{&json_repairs::single_quotes, "{'a':'it\\'s \"x\"\\n'}", "{a:\"it's \"x\"\n\"}"},
                             damage{&json_repairs::bare_keys, "{a:1, $b_2:3}", "{a:1,$b_2:3}"},
                             damage{&json_repairs::python_words, "[True, False, None]", "[true,false,null]"},
                             damage{&json_repairs::missing_closers, "[1, {\"a\": [\"x\"", "[1,{a:[\"x\"]}]"},
                             damage{&json_repairs::missing_closers, "{", "{}"}}) {
    INFO(each.text);
    json_search alone;
    alone.repairs.*each.repair = true;
    CHECK(found_in(each.text, alone) == std::string("whole repaired ") + each.value);
    json_search others = repairing();
    others.repairs.*each.repair = false;
    CHECK(found_in(each.text, others) == "none");
    CHECK(found_in(each.text) == "none");
  }
  json_search closers;
  closers.repairs.missing_closers = true;
  CHECK(found_in("[1,", closers) == "none");  // two repairs at once
  closers.repairs.trailing_commas = true;
  CHECK(found_in("[1,", closers) == "whole repaired [1]");
  CHECK_FALSE(json_repairs{}.any());
  CHECK(all_json_repairs.any());
}

TEST_CASE("what no repair mends") {
  for (char const* const text : {"{\"a\": \"cut o",
                                 "{\"a\"",
                                 "{\"a\":",
                                 "[NaN]",
                                 "[Infinity]",
                                 "[-Infinity]",
                                 "[nan]",
                                 "[,]",
                                 "{,}",
                                 "[,1]",
                                 "[1,,2]",
                                 "[1,,]",
                                 "[1 2]",
                                 "{\"a\":1 \"b\":2}",
                                 "{1:2}",
                                 "{a:1,a:2}",
                                 "{\"a\":1,a:2}",
                                 "[truex]",
                                 "[tRUE]",
                                 "[01]",
                                 "[1.]",
                                 "[+1]",
                                 "[0x10]",
                                 "['a\"]",
                                 "[\"a']",
                                 "[1}",
                                 "{\"a\":1]",
                                 "[1]]",
                                 "\"\\'\"",
                                 "['\\x41']",
                                 "[yes]",
                                 "[a]",
                                 "//[1]",
                                 "[\"\\ud800\"]",
                                 "[\"\xFF\"]",
                                 "['a\nb']"}) {
    INFO(text);
    CHECK(found_in(text, repairing({.deepest = json_source::whole})) == "none");
  }
}

TEST_CASE("repairs in text: strict steps come first, blocks may lack their end") {
  CHECK(found_in("{a:1} then {\"b\":2}", repairing()) == "bracketed {b:2}");
  CHECK(found_in("ok: {'a': '}'}.", repairing()) == "bracketed repaired {a:\"}\"}");
  CHECK(found_in("```json\n{a: 1,}\n```", repairing()) == "fenced repaired {a:1}");
  CHECK(found_in("```json\n{\"a\": [1, 2\n```", repairing()) == "fenced repaired {a:[1,2]}");
  CHECK(found_in("```json\n{\"a\": [1, 2", repairing()) == "fenced repaired {a:[1,2]}");
  CHECK(found_in("```json\n{\"a\":1}", repairing()) == "bracketed {a:1}");
  CHECK(found_in("so {\"a\": 1, ", repairing()) == "bracketed repaired {a:1}");
  CHECK(found_in("don't {x: 'y'}", repairing()) == "bracketed repaired {x:\"y\"}");
}

TEST_CASE("documents in a loose style are found with their values; JSON passes through a repair unchanged") {
  generator random(7);
  for (int i = 0; i < 500; ++i) {
    twice const written = random_value(random, 3);
    INFO(written.loose);
    auto const expected = read_json(written.strict);
    REQUIRE(expected);
    std::string const value = dump(expected->root());
    auto const found = find_json(written.loose, repairing());
    REQUIRE(found);
    REQUIRE(dump(found->document.root()) == value);
    json_kind const kind = expected->root().kind();
    if (kind == json_kind::array || kind == json_kind::object) {
      auto const among = find_json("Well, " + written.loose + " :-)", repairing({.root = kind}));
      REQUIRE(among);
      REQUIRE(dump(among->document.root()) == value);
    }
    REQUIRE(repair_json(written.strict, {}) == written.strict);
  }
}

TEST_CASE("a document that was cut off is repaired to its begin or not at all") {
  generator random(11);
  std::size_t repaired = 0;
  for (int i = 0; i < 60; ++i) {
    std::string const text = "[" + random_value(random, 3).strict + "]";
    for (std::size_t size = 1; size < text.size(); ++size) {
      auto const found = find_json(text.substr(0, size), repairing({.deepest = json_source::whole}));
      if (!found) continue;
      ++repaired;
      // What was added, by a second way: the brackets outside strings that are open, and no comma before them.
      std::string closed = text.substr(0, size);
      std::string open;
      bool quoted = false;
      for (std::size_t at = 0; at < closed.size(); ++at) {
        char const byte = closed[at];
        if (quoted && byte == '\\') {
          ++at;
        } else if (byte == '"') {
          quoted = !quoted;
        } else if (!quoted && (byte == '{' || byte == '[')) {
          open += byte == '{' ? '}' : ']';
        } else if (!quoted && (byte == '}' || byte == ']')) {
          open.pop_back();
        }
      }
      if (quoted) FAIL("a cut string was taken: " << closed);
      if (closed.back() == ',') closed.pop_back();
      closed.append(open.rbegin(), open.rend());
      auto const expected = read_json(closed);
      if (!expected || dump(found->document.root()) != dump(expected->root())) FAIL(closed);
    }
  }
  CHECK(repaired > 100);
}

TEST_CASE("a megabyte of anything is searched in linear time and constant stack") {
  std::string const deep(200'000, '[');
  CHECK_FALSE(read_json(deep));
  CHECK_FALSE(repair_json(deep, all_json_repairs));
  CHECK_FALSE(find_json(deep + std::string(200'000, ']'), repairing()));
  for (char const* const unit :
       {"[",    "{",    "{\"a\":",   "[\"",         "\"",      "'",  "{'",          "[1,",  "{}",
        "[{\"", "```",  "```json\n", "```json{",    "` ```` ", "\\", "{\"a\":\"\\", "[\",", "{a:1,",
        "{},",  "\xFF", "{\"\xE2",   "[1],{\"a\":", "]",       "1",  "}{"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    INFO(unit);
    json_search search = repairing({.choice = json_choice::last, .root = json_kind::object});
    search.limits.depth = text.size() % 2 == 0 ? 64 : 1'000'000;  // both occur
    CHECK(milliseconds(text, search) < test::time_limit(400));
  }
}
