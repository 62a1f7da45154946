// SPDX-License-Identifier: MIT
/// @file
/// What a golden file holds, without the parser that read it, whose header costs a unit seconds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace golden {

/// A value of JSON.  Bools are numbers, and so are the words inf, -inf and nan.
class value {
 public:
  value() = default;
  explicit value(double number) : kind_(kind::number), number_(number) {}
  explicit value(std::string text) : kind_(kind::text), text_(std::move(text)) {}
  /// A list.
  explicit value(std::vector<value> items) : kind_(kind::list), items_(std::move(items)) {}
  /// An object; as many names as items.
  value(std::vector<std::string> names, std::vector<value> items)
      : kind_(kind::object), names_(std::move(names)), items_(std::move(items)) {}

  [[nodiscard]] bool is_null() const { return kind_ == kind::null; }
  [[nodiscard]] bool is_text() const { return kind_ == kind::text; }
  [[nodiscard]] bool is_list() const { return kind_ == kind::list; }
  [[nodiscard]] bool is_object() const { return kind_ == kind::object; }

  /// @throws std::runtime_error if it is none
  [[nodiscard]] double number() const;
  [[nodiscard]] std::string const& text() const;

  /// Parts of a list or an object, and of an object their names.
  [[nodiscard]] std::vector<value> const& items() const { return items_; }
  [[nodiscard]] std::vector<std::string> const& names() const { return names_; }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] value const& at(std::size_t index) const;
  [[nodiscard]] value const& at(std::string_view key) const;
  /// Null where there is no such key.
  [[nodiscard]] value const* find(std::string_view key) const;
  [[nodiscard]] bool contains(std::string_view key) const { return find(key) != nullptr; }
  /// Whether the key is there and is not null.
  [[nodiscard]] bool has(std::string_view key) const;

 private:
  enum class kind : unsigned char { null, number, text, list, object } kind_ = kind::null;
  double number_ = 0;
  std::string text_;
  std::vector<std::string> names_;
  std::vector<value> items_;
};

/// A file of cases.
struct document {
  std::string family;
  value cases;
};

/// @throws std::exception if the file cannot be read
[[nodiscard]] document read_document(std::string const& path);

/// Appends all numbers of nested lists, row-major.
void append_numbers(value const& from, std::vector<double>& into);

/// The same in another type.
template <class T>
void flatten(value const& from, std::vector<T>& into) {
  std::vector<double> numbers;
  append_numbers(from, numbers);
  for (double const x : numbers) into.push_back(static_cast<T>(x));
}

}  // namespace golden
