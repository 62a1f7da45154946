// SPDX-License-Identifier: MIT
// The one unit that knows the parser.
#include "value.hpp"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace golden {
namespace {

value convert(nlohmann::json const& from) {
  using type = nlohmann::json::value_t;
  switch (from.type()) {
    case type::null:
      return {};
    case type::boolean:
      return value(from.get<bool>() ? 1.0 : 0.0);
    case type::string: {
      auto text = from.get<std::string>();
      if (text == "inf") return value(std::numeric_limits<double>::infinity());
      if (text == "-inf") return value(-std::numeric_limits<double>::infinity());
      if (text == "nan") return value(std::numeric_limits<double>::quiet_NaN());
      return value(std::move(text));
    }
    case type::array:
    case type::object: {
      std::vector<std::string> names;
      std::vector<value> items;
      for (auto const& [key, content] : from.items()) {
        if (from.is_object()) names.push_back(key);
        items.push_back(convert(content));
      }
      return from.is_object() ? value(std::move(names), std::move(items)) : value(std::move(items));
    }
    default:
      return value(from.get<double>());
  }
}

}  // namespace

double value::number() const {
  if (kind_ != kind::number) throw std::runtime_error("'" + text_ + "' is no number");
  return number_;
}

std::string const& value::text() const {
  if (kind_ != kind::text) throw std::runtime_error("a text was expected");
  return text_;
}

value const& value::at(std::size_t index) const { return items_.at(index); }

value const& value::at(std::string_view key) const {
  if (value const* const found = find(key)) return *found;
  throw std::runtime_error("there is no " + std::string(key));
}

value const* value::find(std::string_view key) const {
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (names_[i] == key) return &items_[i];
  return nullptr;
}

bool value::has(std::string_view key) const {
  value const* const found = find(key);
  return found != nullptr && !found->is_null();
}

document read_document(std::string const& path) {
  std::ifstream file(path);
  nlohmann::json const content = nlohmann::json::parse(file);
  return {content.at("family").get<std::string>(), convert(content.at("cases"))};
}

void append_numbers(value const& from, std::vector<double>& into) {
  if (!from.is_list()) return into.push_back(from.number());
  for (value const& item : from.items()) append_numbers(item, into);
}

}  // namespace golden
