// SPDX-License-Identifier: MIT
// Cases and their handlers, apart from the handlers' own units.
#include "case.hpp"

#include <cmath>
#include <cstdio>
#include <utility>

namespace golden {
namespace {

std::string printed(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.12g", value);
  return text;
}

template <class T>
matrix<T> rows_of(value const& from) {
  matrix<T> result;
  if (from.size() == 0 || !from.at(0).is_list()) {
    flatten(from, result.emplace_back());
  } else {
    for (value const& line : from.items()) flatten(line, result.emplace_back());
  }
  return result;
}

}  // namespace

std::vector<std::int64_t> case_data::integers(char const* input) const {
  std::vector<std::int64_t> result;
  flatten(raw(input), result);
  return result;
}

std::vector<std::string> case_data::failures() const {
  std::vector<std::string> result = failures_;
  for (char const* const part : {"outputs", "grads"}) {
    if (!data_.contains(part)) continue;
    for (std::string const& what : data_.at(part).names())
      if (!compared_.contains(std::string(part) + "." + what))
        result.push_back(std::string(part) + "." + what + " was not compared");
  }
  return result;
}

void case_data::compare(std::string const& part, std::string const& what, std::vector<double> const& found) {
  compared_.insert(part + "." + what);
  if (!data_.contains(part) || !data_.at(part).contains(what)) return;
  value const& tolerance = data_.at("tolerance").at(tolerance_);
  double const absolute = tolerance.at("atol").number();
  double const relative = tolerance.at("rtol").number();
  std::vector<double> expected;
  append_numbers(data_.at(part).at(what), expected);
  if (found.size() != expected.size())
    return fail(part + "." + what + ": " + std::to_string(found.size()) + " numbers, expected " +
                std::to_string(expected.size()));
  compared_numbers_ += found.size();
  for (std::size_t i = 0; i < found.size(); ++i) {
    bool const both_nan = std::isnan(found[i]) && std::isnan(expected[i]);
    bool const close = std::abs(found[i] - expected[i]) <= absolute + relative * std::abs(expected[i]);
    if (both_nan || found[i] == expected[i] || (std::isfinite(expected[i]) && close)) continue;
    return fail(part + "." + what + "[" + std::to_string(i) + "]: found " + printed(found[i]) + ", expected " +
                printed(expected[i]));
  }
}

template <std::floating_point T>
T test_case<T>::scalar(char const* input) const {
  return static_cast<T>(raw(input).number());
}

template <std::floating_point T>
std::vector<T> test_case<T>::flat(char const* input) const {
  std::vector<T> result;
  flatten(raw(input), result);
  return result;
}

template <std::floating_point T>
matrix<T> test_case<T>::rows(char const* input) const {
  return rows_of<T>(raw(input));
}

template <std::floating_point T>
matrix<T> test_case<T>::broadcast(char const* input, matrix<T> const& like) const {
  value const& from = raw(input);
  matrix<T> const found = rows_of<T>(from);
  bool const one_per_row = from.size() != 0 && !from.at(0).is_list() && like.size() == from.size() &&
                           !(like.size() == 1 && like[0].size() == from.size());
  matrix<T> result(like.size());
  for (std::size_t i = 0; i < like.size(); ++i) {
    std::vector<T> const line = one_per_row ? std::vector<T>{found[0][i]} : found.at(i);
    result[i] = line.size() == 1 ? std::vector<T>(like[i].size(), line[0]) : line;
  }
  return result;
}

template class test_case<float>;
template class test_case<double>;

handler const* registry::find(std::string const& name) const {
  auto const found = handlers_.find(name);
  return found == handlers_.end() ? nullptr : &found->second;
}

void registry::add(std::string const& name, handler run) {
  if (!handlers_.emplace(name, run).second) throw std::logic_error("two handlers for " + name);
}

}  // namespace golden
