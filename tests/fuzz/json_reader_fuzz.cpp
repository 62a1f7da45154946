// SPDX-License-Identifier: MIT
// libFuzzer target: JSON of model text, against nlohmann::json and the laws of a repair.
//
//   tests/fuzz/run --seconds 60 json_reader
#include <rlvr/text/json_repair.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace rlvr::text;
using nlohmann::json;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Writes a document back as plain JSON; depth is limited by the reader.
void write(json_node node, std::string& out) {
  auto const quote = [&out](std::string_view text) {
    out += '"';
    for (char const byte : text) {
      constexpr std::string_view digits = "0123456789abcdef";
      auto const value = static_cast<unsigned char>(byte);
      if (value < 0x20) {
        ((out += "\\u00") += digits[value >> 4]) += digits[value & 15U];
      } else {
        if (byte == '"' || byte == '\\') out += '\\';
        out += byte;
      }
    }
    out += '"';
  };
  bool first = true;
  auto const comma = [&] {
    if (!first) out += ',';
    first = false;
  };
  switch (node.kind()) {
    case json_kind::null:
      out += "null";
      return;
    case json_kind::boolean:
      out += node.boolean() ? "true" : "false";
      return;
    case json_kind::number:
      out += node.number_text();
      return;
    case json_kind::string:
      return quote(node.string());
    case json_kind::array:
      out += '[';
      for (json_node const each : node) {
        comma();
        write(each, out);
      }
      out += ']';
      return;
    case json_kind::object:
      out += '{';
      for (json_node const each : node) {
        comma();
        quote(each.key());
        out += ':';
        write(each, out);
      }
      out += '}';
      return;
  }
}

std::string written(json_document const& document) {
  std::string out;
  write(document.root(), out);
  return out;
}

/// What the contract refuses and nlohmann takes.
struct strictness : nlohmann::json_sax<json> {
  std::vector<std::vector<std::string>> keys;
  std::size_t deepest = 0;
  bool repeated = false;
  bool tiny = false;

  bool open() {
    deepest = std::max(deepest, keys.size());
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t value, string_t const& text) override {
    // Below the normal doubles the two round by rules of their own.
    bool const zero = text.substr(0, text.find_first_of("eE")).find_first_of("123456789") == std::string::npos;
    tiny = tiny || (!zero && std::abs(value) < 2.3e-308);
    return true;
  }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    keys.emplace_back();
    return open();
  }
  bool key(string_t& name) override {
    for (std::string const& each : keys.back()) repeated = repeated || each == name;
    keys.back().push_back(name);
    return true;
  }
  bool end_object() override {
    keys.pop_back();
    return true;
  }
  bool start_array(std::size_t) override {
    keys.emplace_back();
    return open();
  }
  bool end_array() override {
    keys.pop_back();
    return true;
  }
  bool parse_error(std::size_t, std::string const&, json::exception const&) override { return false; }
};

bool same(json_node node, json const& expected) {
  if (node.is(json_kind::null)) return expected.is_null();
  if (node.is(json_kind::boolean)) return expected.is_boolean() && expected.get<bool>() == node.boolean();
  if (node.is(json_kind::number)) return expected.is_number() && expected.get<double>() == node.number();
  if (node.is(json_kind::string))
    return expected.is_string() && expected.get_ref<std::string const&>() == node.string();
  if (node.size() != expected.size()) return false;
  std::size_t at = 0;
  for (json_node const each : node) {
    if (node.is(json_kind::array)) {
      if (!expected.is_array() || !same(each, expected[at++])) return false;
    } else {
      if (!expected.is_object()) return false;
      auto const member = expected.find(std::string(each.key()));
      if (member == expected.end() || !same(each, *member)) return false;
    }
  }
  return true;
}

void check_reader(std::string const& text) {
  std::string why;
  auto const found = read_json(text, {}, &why);
  require(found.has_value() == why.empty());
  strictness verdict;
  bool accepted = json::sax_parse(text, &verdict);
  if (verdict.tiny) return;
  // nlohmann takes a zero byte for the end and skips a byte order mark.
  accepted = accepted && text.find('\0') == std::string::npos && !verdict.repeated &&
             verdict.deepest <= json_limits{}.depth && !text.starts_with("\xEF\xBB\xBF");
  require(found.has_value() == accepted);
  json_limits replacing;
  replacing.replace_invalid_utf8 = true;
  auto const replaced = read_json(text, replacing);
  if (!found) return;
  require(same(found->root(), json::parse(text)));
  std::string const again = written(*found);
  auto const reread = read_json(again);
  require(reread && written(*reread) == again);
  require(replaced && written(*replaced) == again);
  for (json_repairs const& repairs : {json_repairs{}, all_json_repairs}) {  // JSON keeps its meaning
    auto const plain = repair_json(text, repairs);
    require(plain.has_value());
    auto const repaired = read_json(*plain);
    require(repaired && written(*repaired) == again);
  }
}

void check_search(std::string const& text, std::uint8_t flags) {
  json_search search;
  search.repairs = {(flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0, (flags & 8) != 0, (flags & 16) != 0};
  if ((flags & 32) != 0) search.root = json_kind::object;
  if ((flags & 64) != 0) search.key = "a";
  search.labelled = (flags & 128) != 0;
  std::optional<found_json> results[3];
  for (json_choice const choice : {json_choice::only, json_choice::first, json_choice::last}) {
    search.choice = choice;
    auto const found = results[static_cast<int>(choice)] = find_json(text, search);
    if (!found) continue;
    // It stands where it says, is what stands there, and fits.
    json_node const root = found->document.root();
    require(!search.root || root.is(*search.root));
    require(search.key.empty() || root.find(search.key));
    require(found->text.data() >= text.data() && found->text.data() + found->text.size() <= text.data() + text.size());
    auto const plain = found->repaired ? repair_json(found->text, search.repairs) : std::string(found->text);
    require(plain.has_value());
    auto const reread = read_json(*plain);
    require(reread && written(*reread) == written(found->document));
    require(found->repaired ? search.repairs.any() : read_json(found->text).has_value());
    if (found->source == json_source::whole) require(found->text == trim(text));
    // A smaller search that reaches this step finds the same; one that does not finds nothing.
    json_search narrow = search;
    narrow.deepest = found->source;
    auto const narrower = find_json(text, narrow);
    require(narrower.has_value() && written(narrower->document) == written(found->document));
  }
  auto const& [only, first, last] = results;
  require(first.has_value() == last.has_value());
  require(!only || (first && first->text.data() == only->text.data() && last->text.data() == only->text.data()));
  if (first && !only) require(first->text.data() < last->text.data());
  // Strict JSON that fits is found as a whole, repairs or not.
  search = {};
  search.repairs = all_json_repairs;
  auto const whole = find_json(text, search);
  if (read_json(text)) require(whole && whole->source == json_source::whole && !whole->repaired);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string const text(reinterpret_cast<char const*>(data) + 1, size - 1);
  check_reader(text);
  check_search(text, data[0]);
  return 0;
}
