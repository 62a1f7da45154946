// SPDX-License-Identifier: MIT
/// @file
/// One golden case (tests/golden/README.md) as a handler sees it: inputs and parameters in, outputs and gradients
/// compared.  A handler is run once per number type at that type's tolerance; every output and every gradient that the
/// file states has to be compared, otherwise the case fails.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace golden {

using json = nlohmann::json;

template <class T>
using matrix = std::vector<std::vector<T>>;

/// A number; the file writes those that are not finite as strings.
[[nodiscard]] inline double number(json const& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (!value.is_string()) return value.get<double>();
  auto const text = value.get<std::string>();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  throw std::runtime_error("'" + text + "' is no number");
}

/// All numbers of nested arrays, row-major.
template <class T>
void flatten(json const& value, std::vector<T>& into) {
  if (value.is_array()) {
    for (auto const& part : value) flatten(part, into);
  } else {
    into.push_back(static_cast<T>(number(value)));
  }
}

/// A case in numbers of type T.
template <std::floating_point T>
class test_case {
 public:
  explicit test_case(json const& data) : data_(data) {}

  [[nodiscard]] json const& data() const { return data_; }
  [[nodiscard]] std::string name() const { return data_.at("name").template get<std::string>(); }
  [[nodiscard]] std::string operation() const { return data_.at("op").template get<std::string>(); }

  // Inputs.
  [[nodiscard]] bool has(char const* input) const { return present(data_.at("inputs"), input); }
  [[nodiscard]] json const& raw(char const* input) const { return data_.at("inputs").at(input); }
  [[nodiscard]] T scalar(char const* input) const { return static_cast<T>(number(raw(input))); }
  /// All numbers of an input, row-major.
  [[nodiscard]] std::vector<T> flat(char const* input) const {
    std::vector<T> result;
    flatten(raw(input), result);
    return result;
  }
  [[nodiscard]] std::vector<std::int64_t> integers(char const* input) const {
    std::vector<std::int64_t> result;
    for (T const x : flat(input)) result.push_back(static_cast<std::int64_t>(x));
    return result;
  }
  /// Rows of an input; a flat list is one row.
  [[nodiscard]] matrix<T> rows(char const* input) const { return rows_of(raw(input)); }
  /// `rows`; where there is one value per row, it is repeated over as many columns as `like` has there.
  [[nodiscard]] matrix<T> broadcast(char const* input, matrix<T> const& like) const {
    json const& value = raw(input);
    matrix<T> found = rows_of(value);
    bool const one_per_row = !value.empty() && !value.front().is_array() && like.size() == value.size() &&
                             !(like.size() == 1 && like[0].size() == value.size());
    matrix<T> result(like.size());
    for (std::size_t i = 0; i < like.size(); ++i) {
      std::vector<T> line = one_per_row ? std::vector<T>{found[0][i]} : found.at(i);
      result[i] = line.size() == 1 ? std::vector<T>(like[i].size(), line[0]) : line;
    }
    return result;
  }

  // Parameters; null means absent.
  [[nodiscard]] json const& parameters() const { return data_.at("params"); }
  [[nodiscard]] bool has_parameter(char const* parameter) const { return present(parameters(), parameter); }
  [[nodiscard]] double parameter(char const* parameter, double otherwise) const {
    return has_parameter(parameter) ? number(parameters().at(parameter)) : otherwise;
  }
  [[nodiscard]] double parameter(char const* parameter) const { return number(parameters().at(parameter)); }
  [[nodiscard]] std::string text(char const* parameter, std::string const& otherwise = {}) const {
    return has_parameter(parameter) ? parameters().at(parameter).template get<std::string>() : otherwise;
  }

  // Expectations.
  [[nodiscard]] bool expects(char const* output) const { return data_.at("outputs").contains(output); }
  [[nodiscard]] bool expects_gradient(char const* input) const {
    return data_.contains("grads") && data_.at("grads").contains(input);
  }
  /// Compares an output: a number, a bool, or (nested) vectors of them.
  template <class Found>
  void output(std::string const& what, Found const& found) {
    compare("outputs", what, found);
  }
  /// Compares the gradient by an input.
  template <class Found>
  void gradient(std::string const& what, Found const& found) {
    compare("grads", what, found);
  }
  /// Says that the case cannot be right, in words.
  void fail(std::string text) { failures_.push_back(std::move(text)); }

  /// Differences found, and expectations that the handler never compared.
  [[nodiscard]] std::vector<std::string> failures() const {
    std::vector<std::string> result = failures_;
    for (char const* const part : {"outputs", "grads"}) {
      if (!data_.contains(part)) continue;
      for (auto const& [what, value] : data_.at(part).items())
        if (!compared_.contains(std::string(part) + "." + what))
          result.push_back(std::string(part) + "." + what + " was not compared");
    }
    return result;
  }

 private:
  static bool present(json const& object, char const* key) {
    auto const found = object.find(key);
    return found != object.end() && !found->is_null();
  }

  static matrix<T> rows_of(json const& value) {
    matrix<T> result;
    if (value.empty() || !value.front().is_array()) {
      flatten(value, result.emplace_back());
    } else {
      for (auto const& line : value) flatten(line, result.emplace_back());
    }
    return result;
  }

  template <class Number>
  requires std::is_arithmetic_v<Number>
  static void flatten_found(Number value, std::vector<double>& into) { into.push_back(static_cast<double>(value)); }
  template <class Element>
  static void flatten_found(std::vector<Element> const& values, std::vector<double>& into) {
    for (auto const& value : values) flatten_found(static_cast<Element const&>(value), into);
  }

  template <class Found>
  void compare(std::string const& part, std::string const& what, Found const& found) {
    compared_.insert(part + "." + what);
    if (!data_.contains(part) || !data_.at(part).contains(what)) return;
    json const& tolerance = data_.at("tolerance").at(std::is_same_v<T, float> ? "f32" : "f64");
    double const absolute = tolerance.at("atol").template get<double>();
    double const relative = tolerance.at("rtol").template get<double>();
    std::vector<double> actual, expected;
    flatten_found(found, actual);
    flatten(data_.at(part).at(what), expected);
    if (actual.size() != expected.size())
      return fail(part + "." + what + ": " + std::to_string(actual.size()) + " numbers, expected " +
                  std::to_string(expected.size()));
    for (std::size_t i = 0; i < actual.size(); ++i) {
      bool const both_nan = std::isnan(actual[i]) && std::isnan(expected[i]);
      bool const close = std::abs(actual[i] - expected[i]) <= absolute + relative * std::abs(expected[i]);
      if (both_nan || actual[i] == expected[i] || (std::isfinite(expected[i]) && close)) continue;
      return fail(part + "." + what + "[" + std::to_string(i) + "]: found " + digits(actual[i]) + ", expected " +
                  digits(expected[i]));
    }
  }

  static std::string digits(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.12g", value);
    return text;
  }

  json const& data_;
  std::vector<std::string> failures_;
  std::set<std::string> compared_;
};

/// What runs the cases of one `op`, for both number types.
struct handler {
  std::function<void(test_case<double>&)> in_double;
  std::function<void(test_case<float>&)> in_float;
};

/// Handlers by family and operation, "kl/kl_token".
class registry {
 public:
  /// @param run  generic: called with `test_case<double>&` and with `test_case<float>&`
  template <class Run>
  void add(std::string const& family, std::string const& operation, Run run) {
    bool const fresh = handlers_.emplace(family + "/" + operation, handler{run, run}).second;
    if (!fresh) throw std::logic_error("two handlers for " + family + "/" + operation);
  }
  [[nodiscard]] handler const* find(std::string const& name) const {
    auto const found = handlers_.find(name);
    return found == handlers_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, handler> handlers_;
};

// One function per file of this folder.
void add_advantage(registry& all);
void add_aggregation(registry& all);
void add_dpo(registry& all);
void add_entropy(registry& all);
void add_gae(registry& all);
void add_kl(registry& all);
void add_logprob(registry& all);
void add_policy_loss(registry& all);
void add_reward_shaping(registry& all);
void add_rollout_correction(registry& all);

}  // namespace golden
