// SPDX-License-Identifier: MIT
#include <rlvr/format/json.hpp>

#include <string>
#include <support/catch.hpp>

using namespace rlvr;
using namespace rlvr::format;

namespace {
std::string code_of(std::string const& text) {
  try {
    static_cast<void>(parse_json(text, "f.json"));
    return "";
  } catch (format_error const& reason) {
    CHECK(std::string(reason.what()).find("f.json: ") == 0);
    return reason.code();
  }
}
}  // namespace

TEST_CASE("strict JSON: what the grammar allows is read as it stands") {
  std::string const text = R"({"a":[1,-2,0.5,true,null,"\u00e9\n"],"b":{"a":{}},"c":18446744073709551615})";
  CHECK(parse_json(text, "f") == nlohmann::json::parse(text));
  CHECK(parse_json(" [ ] ", "f").is_array());
  CHECK(parse_json("3", "f") == 3);
  CHECK(code_of(std::string(64, '[') + std::string(64, ']')).empty());
}

TEST_CASE("strict JSON: what it does not allow is refused") {
  for (char const* const text :
       {"", "{", "[1,]", "{\"a\":1,}", "[1] 2", "NaN", "[01]", "'a'", "\"\\ud800\"", "\"\xff\"", "\"\xC0\x80\"",
        "[1e999]", "// x\n1", "\xEF\xBB\xBF[]", "\"\n\"", "+1", "[.5]"}) {
    CAPTURE(text);
    CHECK(code_of(text) == "Json");
  }
  CHECK(code_of(std::string("[]\0[", 4)) == "Json");
  CHECK(code_of(std::string(65, '[') + std::string(65, ']')) == "Json");
  CHECK(code_of(std::string(200000, '[')) == "Json");
  CHECK(code_of(R"({"a":1,"b":2,"a":1})") == "DuplicateKey");
  CHECK(code_of(R"([{"x":{"\u0061":1,"a":1}}])") == "DuplicateKey");
  CHECK(code_of(R"({"a":{"a":1},"b":{"a":1}})").empty());
}

TEST_CASE("fields are fetched by type; errors name file and field") {
  nlohmann::json const value = parse_json(R"({"n":3,"f":0.5,"s":"x","b":true,"o":{"k":null},"big":1e30})", "f");
  json_object const object(value, "f.json");
  CHECK(object.integer("n", 0, 3) == 3);
  CHECK(object.find_number("n") == 3.0);
  CHECK(object.find_number("f") == 0.5);
  CHECK(object.find_boolean("b") == true);
  CHECK(object.string("s") == "x");
  CHECK_FALSE(object.find_integer("absent", 0, 1));
  CHECK_FALSE(object.object("o").has("k"));
  CHECK_THROWS_WITH(object.integer("n", 0, 2), "f.json: n: found 3, expected 0 to 2");
  CHECK_THROWS_WITH(object.integer("s", 0, 2), "f.json: s: found \"x\", expected an integer");
  CHECK_THROWS_WITH(object.object("o").integer("z", 0, 2), "f.json: o.z: found nothing, expected this field");
  CHECK_THROWS_WITH(object.object("n"), "f.json: n: found 3, expected an object");
  CHECK_THROWS_WITH(object.integer("big", 0, 2), "f.json: big: found 1e+30, expected 0 to 2");
}
