// SPDX-License-Identifier: MIT
/// @file
/// One golden case (tests/golden/README.md) as a handler sees it: inputs and parameters in, outputs and gradients
/// compared.  A handler is run once per number type at that type's tolerance; every output and every gradient that the
/// file states has to be compared, otherwise the case fails.
#pragma once

#include "value.hpp"
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace golden {

template <class T>
using matrix = std::vector<std::vector<T>>;

template <class T>
[[nodiscard]] std::span<T const> view(std::vector<T> const& values) {
  return values;
}
template <class T>
[[nodiscard]] std::span<T const> view(matrix<T> const& values, std::size_t row) {
  return values.at(row);
}

/// What does not depend on the number type.
class case_data {
 public:
  /// @param tolerance  "f32" or "f64"
  case_data(value const& data, char const* tolerance) : data_(data), tolerance_(tolerance) {}

  [[nodiscard]] std::string const& name() const { return data_.at("name").text(); }
  [[nodiscard]] std::string const& operation() const { return data_.at("op").text(); }

  // Inputs.
  [[nodiscard]] bool has(char const* input) const { return data_.at("inputs").has(input); }
  [[nodiscard]] value const& raw(char const* input) const { return data_.at("inputs").at(input); }
  [[nodiscard]] std::vector<std::int64_t> integers(char const* input) const;

  // Parameters; null means absent.
  [[nodiscard]] value const& parameters() const { return data_.at("params"); }
  [[nodiscard]] bool has_parameter(char const* parameter) const { return parameters().has(parameter); }
  [[nodiscard]] double parameter(char const* parameter, double otherwise) const {
    return has_parameter(parameter) ? parameters().at(parameter).number() : otherwise;
  }
  [[nodiscard]] double parameter(char const* parameter) const { return parameters().at(parameter).number(); }
  [[nodiscard]] std::string text(char const* parameter, char const* otherwise = "") const {
    return has_parameter(parameter) ? parameters().at(parameter).text() : otherwise;
  }

  // Expectations.
  [[nodiscard]] bool expects(char const* output) const { return data_.at("outputs").contains(output); }
  [[nodiscard]] bool expects_gradient(char const* input) const {
    return data_.contains("grads") && data_.at("grads").contains(input);
  }
  /// Says that the case cannot be right, in words.
  void fail(std::string text) { failures_.push_back(std::move(text)); }
  /// Differences found, and expectations that the handler never compared.
  [[nodiscard]] std::vector<std::string> failures() const;
  /// Numbers compared.
  [[nodiscard]] std::size_t compared_numbers() const { return compared_numbers_; }

 protected:
  void compare(std::string const& part, std::string const& what, std::vector<double> const& found);

 private:
  value const& data_;
  char const* tolerance_;
  std::vector<std::string> failures_;
  std::set<std::string> compared_;
  std::size_t compared_numbers_ = 0;
};

namespace detail {

template <class Number>
requires std::is_arithmetic_v<Number>
void append_found(Number number, std::vector<double>& into) { into.push_back(static_cast<double>(number)); }
template <class Element>
void append_found(std::vector<Element> const& values, std::vector<double>& into) {
  for (auto const& value : values) append_found(static_cast<Element const&>(value), into);
}

}  // namespace detail

/// A case in numbers of type T.
template <std::floating_point T>
class test_case : public case_data {
 public:
  explicit test_case(value const& data) : case_data(data, std::is_same_v<T, float> ? "f32" : "f64") {}

  [[nodiscard]] T scalar(char const* input) const;
  /// All numbers of an input, row-major.
  [[nodiscard]] std::vector<T> flat(char const* input) const;
  /// Rows of an input; a flat list is one row.
  [[nodiscard]] matrix<T> rows(char const* input) const;
  /// `rows`; where there is one value per row, it is repeated over as many columns as `like` has there.
  [[nodiscard]] matrix<T> broadcast(char const* input, matrix<T> const& like) const;

  /// Compares an output: a number, a bool, or (nested) vectors of them.
  template <class Found>
  void output(std::string const& what, Found const& found) {
    compare_found("outputs", what, found);
  }
  /// Compares the gradient by an input.
  template <class Found>
  void gradient(std::string const& what, Found const& found) {
    compare_found("grads", what, found);
  }

 private:
  template <class Found>
  void compare_found(char const* part, std::string const& what, Found const& found) {
    std::vector<double> numbers;
    detail::append_found(found, numbers);
    compare(part, what, numbers);
  }
};

extern template class test_case<float>;
extern template class test_case<double>;

/// What runs the cases of one `op`, for both number types.
struct handler {
  void (*in_double)(test_case<double>&);
  void (*in_float)(test_case<float>&);
};

/// Handlers by family and operation, "kl/kl_token".
class registry {
 public:
  /// @tparam Run  without members: called with `test_case<double>&` and with `test_case<float>&`
  template <class Run>
  void add(std::string const& family, std::string const& operation, Run) {
    add(family + "/" + operation,
        {[](test_case<double>& test) { Run{}(test); }, [](test_case<float>& test) { Run{}(test); }});
  }
  [[nodiscard]] handler const* find(std::string const& name) const;

 private:
  void add(std::string const& name, handler run);

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
