// SPDX-License-Identifier: MIT
// JSON of model text against nlohmann::json, on generated documents, damaged ones and prefixes.
#include <rlvr/text/json_reader.hpp>

#include "draws.hpp"
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::text;
using nlohmann::json;

namespace {

using test::below;
using test::generator;

std::string random_text(generator& random) {
  static std::vector<std::string> const pieces{"a",
                                               "\\\"",
                                               "'",
                                               "\\\\",
                                               "\\n",
                                               "{",
                                               "}",
                                               "[",
                                               "]",
                                               ",",
                                               ": ",
                                               "/",
                                               "\\/",
                                               "\\t\\b",
                                               "\\f",
                                               "\\r",
                                               "\\u0000",
                                               "\\u00E4",
                                               "\\ud83d\\ude00",
                                               " ",
                                               "1",
                                               "`",
                                               "\xC3\xA4",
                                               "\xF0\x9F\x98\x80",
                                               "\x7F"};
  std::string text = "\"";
  for (std::size_t left = below(random, 5); left > 0; --left) text += pieces[below(random, pieces.size())];
  return text += '"';
}

std::string random_document(generator& random, std::size_t depth) {
  static std::vector<std::string> const scalars{"null", "true",  "false", "0",    "-0",
                                                "12",   "-3.25", "1e5",   "2E-3", "0.1e+2"};
  static std::vector<std::string> const gaps{"", "", "", " ", "\n\t", "\r\n "};
  auto const gap = [&random] { return gaps[below(random, gaps.size())]; };
  std::size_t const kind = below(random, depth == 0 ? 3 : 6);
  if (kind == 0) return random_text(random);
  if (kind == 1) return scalars[below(random, scalars.size())];
  if (kind == 2) return std::to_string(static_cast<double>(random()) / 3);
  std::string out(1, kind == 5 ? '[' : '{');
  for (std::size_t left = below(random, 4); left > 0; --left) {
    if (kind != 5) out += gap() + random_text(random) + gap() + ':';
    out += gap() + random_document(random, depth - 1) + gap() + (left > 1 ? "," : "");
  }
  return out + gap() + (kind == 5 ? ']' : '}');
}

/// Whether both are the same value; documents here are shallow.
bool same(json_node node, json const& expected) {
  switch (node.kind()) {
    case json_kind::null:
      return expected.is_null();
    case json_kind::boolean:
      return expected.is_boolean() && expected.get<bool>() == node.boolean();
    case json_kind::number:
      return expected.is_number() && expected.get<double>() == node.number();
    case json_kind::string:
      return expected.is_string() && expected.get_ref<std::string const&>() == node.string();
    case json_kind::array: {
      if (!expected.is_array() || expected.size() != node.size()) return false;
      std::size_t at = 0;
      for (json_node const each : node) {
        if (!same(each, expected[at++])) return false;
      }
      return at == node.size();
    }
    case json_kind::object: {
      if (!expected.is_object() || expected.size() != node.size()) return false;
      for (json_node const each : node) {
        auto const member = expected.find(std::string(each.key()));
        if (member == expected.end() || !same(each, *member)) return false;
      }
      return true;
    }
  }
  return false;
}

std::size_t key_count(json const& value) {
  std::size_t count = value.is_object() ? value.size() : 0;
  if (value.is_structured()) {
    for (json const& each : value) count += key_count(each);
  }
  return count;
}

/// How many keys are written in a valid document: its colons outside strings.
std::size_t written_keys(std::string const& text) {
  std::size_t count = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (quoted && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[at] == ':') {
      ++count;
    }
  }
  return count;
}

/// How often the readers disagree is 0; these are the texts on which they agreed.
struct agreement {
  std::size_t valid = 0;
  std::size_t invalid = 0;
  std::size_t equal_keys = 0;

  void check(std::string const& text) {
    json const expected = json::parse(text, nullptr, false);
    // nlohmann skips a byte order mark and keeps the last of equal keys; the contract refuses both.
    bool const repeated = !expected.is_discarded() && key_count(expected) != written_keys(text);
    bool const accepted = !expected.is_discarded() && !repeated && !text.starts_with("\xEF\xBB\xBF");
    std::string why;
    auto const found = read_json(text, {}, &why);
    if (found.has_value() != accepted) FAIL((found ? "accepted: " : "refused: ") << why << ": " << text);
    if (found && !same(found->root(), expected)) FAIL("another value: " << text);
    if (found.has_value() != why.empty()) FAIL("a reason is missing or too much: " << text);
    ++(found ? valid : repeated ? equal_keys : invalid);
  }
};

}  // namespace

TEST_CASE("generated documents, damaged ones and their prefixes read as nlohmann::json reads them") {
  generator random(20250711);
  std::string const bytes = "{}[]\",:\\truefalsn0123456789.eE+- \n'u/\x01\x80\xC3";
  agreement whole, damaged, prefixes;
  for (int i = 0; i < 500; ++i) {
    std::string const text = random_document(random, 4);
    whole.check(text);
    for (int damage = 0; damage < 5; ++damage) {
      std::string broken = text;
      for (std::size_t left = 1 + below(random, 2); left > 0; --left) {
        std::size_t const at = below(random, broken.size() + 1);
        std::size_t const kind = below(random, 3);
        if (kind != 0 && at < broken.size()) broken.erase(at, 1);
        if (kind != 1) broken.insert(at, 1, bytes[below(random, bytes.size())]);
      }
      damaged.check(broken);
    }
    for (std::size_t size = 0; i < 50 && size < text.size(); ++size) prefixes.check(text.substr(0, size));
  }
  CHECK(whole.valid > 400);
  CHECK(whole.invalid == 0);
  CHECK(whole.equal_keys > 0);
  CHECK(damaged.valid > 300);
  CHECK(damaged.invalid > 1000);
  CHECK(prefixes.invalid > 500);
}

TEST_CASE("a reader says what broke the text, keeps numbers as written, and replaces bytes if told to") {
  auto const why = [](std::string_view text, json_limits const& limits = {}) {
    std::string line = "unset";
    return read_json(text, limits, &line) ? "none" : line;
  };
  CHECK(why("[1 2]") == "',' or ']' expected at byte 3");
  CHECK(why("{\"a\" 1}") == "':' expected at byte 5");
  CHECK(why("{a:1}") == "a key expected at byte 1");
  CHECK(why("[") == "a value expected at byte 1");
  CHECK(why("1 x") == "text after the value at byte 2");
  CHECK(why("\"\\ud800\"") == "a bad escape at byte 7");
  CHECK(why("\"a") == "a string that does not end at byte 2");
  CHECK(why("[1e999]") == "a number that a double cannot hold at byte 6");
  CHECK(why("{\"a\":1,\"a\":2}") == "two equal keys in the object that ends at byte 13");
  CHECK(why("[[1]]", {.depth = 1}) == "nested deeper than the limit at byte 2");
  CHECK(why("[1,2]", {.nodes = 2}) == "more values than the limit at byte 4");
  CHECK(why("[1,2]", {.nodes = 3}) == "none");
  CHECK(why("[1,2]", {.bytes = 4}) == "a text of 5 bytes is above the limit");

  auto const numbers = read_json("[1.50, -0, 12345678901234567890123]");
  REQUIRE(numbers);
  std::string written;
  for (json_node const each : numbers->root()) (written += each.number_text()) += each.string();
  CHECK(written == "1.50-012345678901234567890123");
  CHECK(read_json("\"x\"")->root().number_text().empty());

  json_limits replacing;
  replacing.replace_invalid_utf8 = true;
  CHECK(why("\"a\xFF\"") == "bytes that are no UTF-8 in a string at byte 2");
  auto const replaced = read_json("\"a\xFF\xE2\x82z\xED\xA0\x80\"", replacing);
  REQUIRE(replaced);
  // Maximal subparts: FF; E2 82; then ED, A0, 80 one by one, since ED A0 begins nothing.
  CHECK(replaced->root().string() == "a\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK_FALSE(read_json("\xFF", replacing));
}
