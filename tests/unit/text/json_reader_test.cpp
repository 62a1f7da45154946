// SPDX-License-Identifier: MIT
#include <rlvr/text/json_reader.hpp>

#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr::text;

TEST_CASE("JSON of model text: values, members and elements in their order") {
  auto const document =
      read_json(" {\"a\" : [1, -2.5e1, \"x\\n\\u00e4\\ud83d\\ude00\\/\"], \"b\":{}, \"c\":null, \"d\":true, \"\":0}\n");
  REQUIRE(document);
  json_node const root = document->root();
  CHECK(root.is(json_kind::object));
  CHECK(root.size() == 5);
  auto const list = root.find("a");
  REQUIRE(list);
  CHECK(list->is(json_kind::array));
  CHECK(list->size() == 3);
  std::vector<json_node> const elements(list->begin(), list->end());
  CHECK(elements[0].number() == 1);
  CHECK(elements[1].number() == -25);
  CHECK(elements[2].string() == "x\n\xC3\xA4\xF0\x9F\x98\x80/");
  CHECK(root.find("b")->begin() == root.find("b")->end());
  CHECK(root.find("c")->is(json_kind::null));
  CHECK(root.find("d")->boolean());
  CHECK(root.find("")->number() == 0);
  CHECK_FALSE(root.find("e"));
  CHECK_FALSE(list->find("a"));
  std::string keys;
  for (json_node const each : root) keys += each.key();
  CHECK(keys == "abcd");
  CHECK(root.string().empty());
}

TEST_CASE("JSON of model text: accepted and refused") {
  for (char const* const text : {"0", "-0", "1e5", "1E+5", "0.5e-3", "\"\"", "[]", "{}", "[[]]", "[{},{}]", "true",
                                 "{\"a\":{\"b\":1},\"b\":1}", "\"\\u0000\"", " 1 "}) {
    INFO(text);
    CHECK(read_json(text));
  }
  for (char const* const text : {"",
                                 " ",
                                 "01",
                                 "+1",
                                 ".5",
                                 "1.",
                                 "1e",
                                 "-",
                                 "NaN",
                                 "Infinity",
                                 "-Infinity",
                                 "1e999",
                                 "nul",
                                 "True",
                                 "[1,]",
                                 "[,1]",
                                 "[1 2]",
                                 "[",
                                 "]",
                                 "{\"a\":1,}",
                                 "{a:1}",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\" 1}",
                                 "{,}",
                                 "[}",
                                 "{]",
                                 "1 2",
                                 "'a'",
                                 "\"a",
                                 "\"\\x\"",
                                 "\"\\u12\"",
                                 "\"\\ud800\"",
                                 "\"\\udc00\"",
                                 "\"\\ud800\\u0041\"",
                                 "\"\t\"",
                                 "\"\xC3\"",
                                 "\"\\",
                                 "\"\\u",
                                 "[1}",
                                 "{\"a\":1,\"a\":2}",
                                 "{\"a\":1,\"\\u0061\":2}",
                                 "[] //",
                                 "\"\\u-123\""}) {
    INFO(text);
    CHECK_FALSE(read_json(text));
  }
}

TEST_CASE("JSON of model text: limits") {
  auto const nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(read_json(nested(64)));
  CHECK_FALSE(read_json(nested(65)));
  CHECK(read_json(nested(100'000), {.bytes = 1 << 20, .depth = 100'000}));
  CHECK_FALSE(read_json("[1]", {.bytes = 2}));
  std::string many = "[0";
  for (int i = 0; i < 200'000; ++i) many += ",0";
  CHECK(read_json(many + "]")->root().size() == 200'001);
}
