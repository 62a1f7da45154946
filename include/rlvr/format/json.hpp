// SPDX-License-Identifier: MIT
/// @file
/// Strict JSON (RFC 8259) for files that nobody vouches for: two equal keys, a byte order mark, NUL bytes, invalid
/// UTF-8 and deep nesting are errors; fields are fetched by type, and an error names the file and the field.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/format/file.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace format {

/// What parse_json refuses, and the codes it gives.
struct json_options {
  std::size_t max_depth = 64;
  std::size_t max_key_bytes = std::numeric_limits<std::size_t>::max();
  std::string_view syntax_code = "Json";
  std::string_view duplicate_code = "DuplicateKey";
  std::string_view place = "JSON";  ///< which part of the file it is, for messages
};

namespace detail {

/// A key or a value for a message: cut to a length, control characters and foreign bytes replaced.
[[nodiscard]] inline std::string excerpt(std::string_view text) {
  std::string result = "\"";
  for (char const c : text.substr(0, 60)) {
    bool const printable = static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F;
    result += printable ? c : '?';
  }
  return result + (text.size() > 60 ? "...\"" : "\"");
}

/// Builds the tree from the parser's events.
class json_builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  json_builder(std::string_view file, json_options const& options) : file_(file), options_(options) {}

  [[nodiscard]] nlohmann::json take() { return std::move(root_); }

  bool null() override { return place(nullptr) != nullptr; }
  bool boolean(bool value) override { return place(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return place(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return place(value) != nullptr; }
  bool number_float(number_float_t value, string_t const&) override { return place(value) != nullptr; }
  bool string(string_t& value) override { return place(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(nlohmann::json::object()); }
  bool start_array(std::size_t) override { return open(nlohmann::json::array()); }
  bool end_object() override { return stack_.pop_back(), true; }
  bool end_array() override { return stack_.pop_back(), true; }
  bool key(string_t& value) override {
    if (value.size() > options_.max_key_bytes) {
      throw format_error(options_.syntax_code, file_, options_.place,
                         "a key of " + std::to_string(value.size()) + " bytes",
                         "at most " + std::to_string(options_.max_key_bytes));
    }
    auto const [position, is_new] = stack_.back()->get_ref<nlohmann::json::object_t&>().emplace(value, nullptr);
    if (!is_new) {
      throw format_error(options_.duplicate_code, file_, options_.place, "the key " + excerpt(value) + " twice",
                         "each key once");
    }
    member_ = &position->second;
    return true;
  }
  bool parse_error(std::size_t position, std::string const&, nlohmann::json::exception const&) override {
    throw format_error(options_.syntax_code, file_, std::string(options_.place) + ", byte " + std::to_string(position),
                       "malformed JSON", "valid JSON");
  }

 private:
  template <class Value>
  nlohmann::json* place(Value&& value) {
    if (stack_.empty()) return &(root_ = std::forward<Value>(value));
    if (stack_.back()->is_object()) return &(*member_ = std::forward<Value>(value));
    return &stack_.back()->get_ref<nlohmann::json::array_t&>().emplace_back(std::forward<Value>(value));
  }
  bool open(nlohmann::json value) {
    if (stack_.size() >= options_.max_depth) {
      throw format_error(options_.syntax_code, file_, options_.place, "deeper nesting",
                         "at most " + std::to_string(options_.max_depth) + " levels");
    }
    stack_.push_back(place(std::move(value)));
    return true;
  }

  std::string_view file_;
  json_options const& options_;
  nlohmann::json root_;
  std::vector<nlohmann::json*> stack_;
  nlohmann::json* member_ = nullptr;
};

}  // namespace detail

/// Parses one JSON value that fills the text.  @param file  for messages  @throws format_error
[[nodiscard]] inline nlohmann::json parse_json(std::string_view text, std::string_view file,
                                               json_options const& options = {}) {
  auto const refuse = [&](std::string_view found) {
    throw format_error(options.syntax_code, file, options.place, found, "JSON in UTF-8 without it");
  };
  if (text.starts_with("\xEF\xBB\xBF")) refuse("a byte order mark");
  // The parser would take a NUL byte for the end of the text.
  if (text.find('\0') != std::string_view::npos) refuse("a NUL byte");
  detail::json_builder builder(file, options);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) refuse("malformed JSON");
  return builder.take();
}

/// Reads and parses a file.  @throws io_error, format_error
[[nodiscard]] inline nlohmann::json read_json(std::string const& path, std::size_t max_bytes = std::size_t{1} << 30) {
  return parse_json(read_file(path, max_bytes), path);
}

/// An object of a parsed file, whose fields are fetched by type.  Refers to the value: keep that alive.
///
/// Codes: Type for a value of another kind, Missing for an absent required field, Range for a number outside its
/// bounds.  Optional fields treat null as absent, as Hugging Face's files do.
class json_object {
 public:
  /// @param place  the object's name in messages, e.g. "rope_scaling"; empty for the file's top
  /// @throws format_error if the value is no object
  json_object(nlohmann::json const& value, std::string file, std::string place = {})
      : value_(&value), file_(std::move(file)), place_(std::move(place)) {
    if (!value.is_object()) fail("Type", place_.empty() ? "top level" : place_, describe(value), "an object");
  }

  [[nodiscard]] nlohmann::json const& value() const noexcept { return *value_; }
  [[nodiscard]] std::string const& file() const noexcept { return file_; }
  /// Is there such a field, with a value other than null?
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  /// The field, or a null pointer if it is absent or null.
  [[nodiscard]] nlohmann::json const* find(std::string_view key) const {
    auto const position = value_->find(std::string(key));
    return position == value_->end() || position->is_null() ? nullptr : &*position;
  }
  /// A field that must be there.
  [[nodiscard]] nlohmann::json const& at(std::string_view key) const {
    auto const position = value_->find(std::string(key));
    if (position == value_->end()) fail("Missing", name(key), "nothing", "this field");
    return *position;
  }
  [[nodiscard]] json_object object(std::string_view key) const { return {at(key), file_, name(key)}; }

  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most) const {
    return as_integer(at(key), name(key), least, most);
  }
  [[nodiscard]] std::optional<std::int64_t> find_integer(std::string_view key, std::int64_t least,
                                                         std::int64_t most) const {
    nlohmann::json const* const found = find(key);
    return found == nullptr ? std::nullopt : std::optional(as_integer(*found, name(key), least, most));
  }
  /// A finite number, written as an integer or not.
  [[nodiscard]] std::optional<double> find_number(std::string_view key) const {
    nlohmann::json const* const found = find(key);
    if (found == nullptr) return std::nullopt;
    if (!found->is_number()) fail("Type", name(key), describe(*found), "a number");
    double const result = found->get<double>();
    if (!std::isfinite(result)) fail("Range", name(key), describe(*found), "a finite number");
    return result;
  }
  [[nodiscard]] std::optional<bool> find_boolean(std::string_view key) const {
    nlohmann::json const* const found = find(key);
    if (found == nullptr) return std::nullopt;
    if (!found->is_boolean()) fail("Type", name(key), describe(*found), "true or false");
    return found->get<bool>();
  }
  [[nodiscard]] std::optional<std::string> find_string(std::string_view key) const {
    nlohmann::json const* const found = find(key);
    if (found == nullptr) return std::nullopt;
    if (!found->is_string()) fail("Type", name(key), describe(*found), "a string");
    return found->get<std::string>();
  }
  [[nodiscard]] std::string string(std::string_view key) const {
    nlohmann::json const& found = at(key);
    if (!found.is_string()) fail("Type", name(key), describe(found), "a string");
    return found.get<std::string>();
  }

  /// A value as an integer within bounds; 64.0 and true are none.
  [[nodiscard]] std::int64_t as_integer(nlohmann::json const& value, std::string_view where, std::int64_t least,
                                        std::int64_t most) const {
    if (!value.is_number()) fail("Type", where, describe(value), "an integer");
    std::string const bounds = std::to_string(least) + " to " + std::to_string(most);
    if (value.is_number_float()) {
      // Integers beyond 64 bits arrive as floating point.
      bool const huge = std::fabs(value.get<double>()) >= 9.2e18;
      fail(huge ? "Range" : "Type", where, describe(value), huge ? bounds : "an integer");
    }
    bool const fits = !value.is_number_unsigned() || value.get<std::uint64_t>() <= std::uint64_t{1} << 62;
    if (!fits || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most) {
      fail("Range", where, describe(value), bounds);
    }
    return value.get<std::int64_t>();
  }

  /// The full name of a field, e.g. "rope_scaling.factor".
  [[nodiscard]] std::string name(std::string_view key) const {
    return place_.empty() ? std::string(key) : place_ + "." + std::string(key);
  }
  [[noreturn]] void fail(std::string_view code, std::string_view where, std::string_view found,
                         std::string_view expected) const {
    throw format_error(code, file_, where, found, expected);
  }
  /// A value in a message: kind or short text.
  [[nodiscard]] static std::string describe(nlohmann::json const& value) {
    if (value.is_string()) return detail::excerpt(value.get_ref<std::string const&>());
    if (value.is_structured()) return value.is_array() ? "an array" : "an object";
    return value.dump();
  }

 private:
  nlohmann::json const* value_;
  std::string file_;
  std::string place_;
};

}  // namespace format
RLVR_NAMESPACE_END
