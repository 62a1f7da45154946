// SPDX-License-Identifier: MIT
// Reads the golden cases of tests/golden (README there) and compares at the tolerance each of them states.
#pragma once

#include <cmath>
#include <cstddef>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <support/catch.hpp>
#include <type_traits>
#include <vector>

namespace golden {

using json = nlohmann::json;

/// A number; non-finite ones are written as strings.
template <class T = double>
T number(json const& value) {
  if (!value.is_string()) return static_cast<T>(value.get<double>());
  auto const text = value.get<std::string>();
  if (text == "inf") return std::numeric_limits<T>::infinity();
  if (text == "-inf") return -std::numeric_limits<T>::infinity();
  REQUIRE(text == "nan");
  return std::numeric_limits<T>::quiet_NaN();
}

template <class T>
using matrix = std::vector<std::vector<T>>;

/// One row of numbers, or a number on its own.
template <class T>
std::vector<T> row(json const& value) {
  std::vector<T> result;
  for (auto const& x : value) result.push_back(number<T>(x));
  return result;
}

/// Rows of numbers; a flat list is one row.
template <class T>
matrix<T> rows(json const& value) {
  if (value.empty() || !value.front().is_array()) return {row<T>(value)};
  matrix<T> result;
  for (auto const& line : value) result.push_back(row<T>(line));
  return result;
}

/// `rows`; where there is one value per row, it is repeated over the row's columns.
template <class T>
matrix<T> broadcast(json const& value, matrix<T> const& like) {
  if (!value.front().is_array() && like.size() == 1) return {row<T>(value)};
  matrix<T> result;
  for (std::size_t i = 0; i < like.size(); ++i) {
    auto const line = value[i].is_array() ? row<T>(value[i]) : std::vector<T>{number<T>(value[i])};
    result.push_back(line.size() == 1 ? std::vector<T>(like[i].size(), line[0]) : line);
  }
  return result;
}

inline std::vector<json> cases(std::string const& family) {
  std::ifstream file(std::string(RLVR_TEST_DATA "/golden/") + family + ".json");
  REQUIRE(file);
  return json::parse(file).at("cases").get<std::vector<json>>();
}

/// A parameter that may be missing or null.
inline double parameter(json const& test, char const* name, double otherwise) {
  auto const found = test.at("params").find(name);
  return found == test.at("params").end() || found->is_null() ? otherwise : number(*found);
}

inline bool has_parameter(json const& test, char const* name) {
  auto const found = test.at("params").find(name);
  return found != test.at("params").end() && !found->is_null();
}

template <class T>
void check(json const& test, std::string const& what, T found, json const& expected_json) {
  json const& tolerance = test.at("tolerance").at(std::is_same_v<T, float> ? "f32" : "f64");
  double const expected = number(expected_json);
  double const difference = std::abs(static_cast<double>(found) - expected);
  double const allowed = tolerance.at("atol").get<double>() + tolerance.at("rtol").get<double>() * std::abs(expected);
  INFO(test.at("name").get<std::string>() << ": " << what << " = " << found << ", expected " << expected);
  CHECK((difference <= allowed || static_cast<double>(found) == expected));
}

template <class T>
void check(json const& test, std::string const& what, std::vector<T> const& found, json const& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    check(test, what + "[" + std::to_string(i) + "]", found[i], expected[i]);
}

template <class T>
void check(json const& test, std::string const& what, matrix<T> const& found, json const& expected) {
  if (found.size() == 1 && !expected.front().is_array()) return check(test, what, found[0], expected);
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    check(test, what + "[" + std::to_string(i) + "]", found[i], expected[i]);
}

/// Counts how many cases of each operation ran, and insists that each one that is claimed did.
class coverage {
 public:
  explicit coverage(std::initializer_list<char const*> operations) {
    for (auto const* operation : operations) ran_[operation] = 0;
  }
  [[nodiscard]] bool claims(json const& test) const { return ran_.count(test.at("op").get<std::string>()) > 0; }
  void ran(json const& test) { ++ran_.at(test.at("op").get<std::string>()); }
  void require_all() const {
    for (auto const& [operation, count] : ran_) {
      INFO("operation " << operation);
      CHECK(count > 0);
    }
  }
  [[nodiscard]] int count(std::string const& operation) const { return ran_.at(operation); }

 private:
  std::map<std::string, int> ran_;
};

}  // namespace golden
