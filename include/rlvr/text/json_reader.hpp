// SPDX-License-Identifier: MIT
/// @file
/// Strict JSON (RFC 8259) out of text that a model wrote.  Nothing here throws on any text: what is not JSON is no
/// document.  One pass, no recursion, memory proportional to the text.
///
/// Refused, because readers disagree on them and a reward must not: two equal keys in one object, bytes or escapes that
/// are no Unicode, NaN and Infinity, numbers that a double cannot hold, anything after the value.
///
/// Why not the reader of format/json.hpp: that one is for files, throws on what it refuses and needs a library, while
/// rewards need the standard library alone and see malformed text all day.  json_repair.hpp finds JSON among prose.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/text/tags.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

enum class json_kind : std::uint8_t { null, boolean, number, string, array, object };

/// What `read_json` takes at most; more is no document.
struct json_limits {
  std::size_t bytes = std::size_t{1} << 24;  ///< of the text; 2^32 - 1 at most (a third if replacing UTF-8)
  std::size_t depth = 64;                    ///< arrays and objects inside each other
  std::size_t nodes = std::size_t{1} << 20;  ///< values, the root among them; each takes 48 bytes
  bool replace_invalid_utf8 = false;         ///< in strings: U+FFFD instead of a refusal
};

namespace detail {

/// A stretch of a document's strings.
struct json_stretch {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
};

/// One value.  Index 0 is the root, so 0 as a link means "none".
struct json_record {
  json_kind kind = json_kind::null;
  bool truth = false;
  double number = 0;
  json_stretch key{};
  json_stretch text{};
  std::uint32_t first = 0;
  std::uint32_t next = 0;
  std::uint32_t size = 0;
};

struct json_store {
  std::vector<json_record> records{};
  std::string strings{};

  [[nodiscard]] std::string_view view(json_stretch part) const noexcept {
    return std::string_view(strings).substr(part.begin, part.size);
  }
};

}  // namespace detail

/// A value of a document; valid while the document lives and stays where it is.  Asked for what it is not, it gives
/// false, 0 or an empty text.
class json_node {
 public:
  [[nodiscard]] json_kind kind() const noexcept { return record().kind; }
  [[nodiscard]] bool is(json_kind wanted) const noexcept { return kind() == wanted; }
  [[nodiscard]] bool boolean() const noexcept { return record().truth; }
  [[nodiscard]] double number() const noexcept { return record().number; }
  /// The number as it was written, for who must not round.
  [[nodiscard]] std::string_view number_text() const noexcept { return text_of(json_kind::number); }
  /// The characters of a string, escapes resolved; UTF-8.
  [[nodiscard]] std::string_view string() const noexcept { return text_of(json_kind::string); }
  /// The key under which its object holds it.
  [[nodiscard]] std::string_view key() const noexcept { return store_->view(record().key); }
  /// The number of elements or members.
  [[nodiscard]] std::size_t size() const noexcept { return record().size; }

  /// Walks over elements or members in their order.
  class iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = json_node;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = json_node;

    iterator() = default;
    iterator(detail::json_store const* store, std::uint32_t at) noexcept : store_(store), at_(at) {}
    [[nodiscard]] json_node operator*() const noexcept { return {*store_, at_}; }
    iterator& operator++() noexcept {
      at_ = store_->records[at_].next;
      return *this;
    }
    iterator operator++(int) noexcept {
      iterator const before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(iterator const& left, iterator const& right) noexcept { return left.at_ == right.at_; }

   private:
    detail::json_store const* store_ = nullptr;
    std::uint32_t at_ = 0;
  };
  [[nodiscard]] iterator begin() const noexcept { return {store_, record().first}; }
  [[nodiscard]] iterator end() const noexcept { return {store_, 0}; }

  /// The member of this key; nothing if there is none, or this is no object.  Linear in the number of members.
  [[nodiscard]] std::optional<json_node> find(std::string_view wanted) const noexcept {
    if (!is(json_kind::object)) return std::nullopt;
    for (json_node const child : *this) {
      if (child.key() == wanted) return child;
    }
    return std::nullopt;
  }

  json_node(detail::json_store const& store, std::uint32_t at) noexcept : store_(&store), at_(at) {}

 private:
  [[nodiscard]] detail::json_record const& record() const noexcept { return store_->records[at_]; }
  [[nodiscard]] std::string_view text_of(json_kind wanted) const noexcept {
    return is(wanted) ? store_->view(record().text) : std::string_view{};
  }

  detail::json_store const* store_;
  std::uint32_t at_;
};

/// A parsed text; it owns all that its nodes show.
class json_document {
 public:
  explicit json_document(detail::json_store store) noexcept : store_(std::move(store)) {}
  [[nodiscard]] json_node root() const noexcept { return {store_, 0}; }

 private:
  detail::json_store store_;
};

namespace detail {

/// Parses one text into a store.
class json_parser {
 public:
  json_parser(std::string_view text, json_limits const& limits) : text_(text), limits_(limits) {}

  [[nodiscard]] bool run() {
    skip();
    if (!value({})) return false;
    bool after_comma = false;
    while (!open_.empty()) {
      skip();
      bool const object = store_.records[open_.back().at].kind == json_kind::object;
      if (!after_comma && take(object ? '}' : ']')) {
        if (object && !keys_differ()) return fail("two equal keys in the object that ends");
        open_.pop_back();
        continue;
      }
      if (store_.records[open_.back().at].size > 0 && !after_comma) {
        if (!take(',')) return fail(object ? "',' or '}' expected" : "',' or ']' expected");
        after_comma = true;
        continue;
      }
      after_comma = false;
      json_stretch key;
      if (object) {
        if (!string(key)) return fail("a key expected");
        skip();
        if (!take(':')) return fail("':' expected");
        skip();
      }
      if (!value(key)) return false;
    }
    skip();
    return at_ == text_.size() || fail("text after the value");
  }
  [[nodiscard]] json_store release() { return std::move(store_); }
  /// What broke the text, and where; for people.
  [[nodiscard]] std::string fault() const {
    return std::string(fault_ != nullptr ? fault_ : "no fault") + " at byte " + std::to_string(at_);
  }

 private:
  struct level {
    std::uint32_t at;
    std::uint32_t last;  // child; 0 if there is none yet
  };

  // The first fault counts: callers report it again in their own words.
  [[nodiscard]] bool fail(char const* why) noexcept {
    if (fault_ == nullptr) fault_ = why;
    return false;
  }
  void skip() noexcept {
    while (at_ < text_.size() && is_white_space(text_[at_])) ++at_;
  }
  [[nodiscard]] bool take(char wanted) noexcept {
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] bool take(std::string_view wanted) noexcept {
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }

  // Reads a scalar, or opens an array or object.
  [[nodiscard]] bool value(json_stretch key) {
    json_record record;
    record.key = key;
    if (take('{')) {
      record.kind = json_kind::object;
    } else if (take('[')) {
      record.kind = json_kind::array;
    } else if (at_ < text_.size() && text_[at_] == '"') {
      record.kind = json_kind::string;
      if (!string(record.text)) return fail("a string expected");
    } else if (take("true")) {
      record.kind = json_kind::boolean;
      record.truth = true;
    } else if (take("false")) {
      record.kind = json_kind::boolean;
    } else if (!take("null")) {
      record.kind = json_kind::number;
      if (!number(record)) return fail("a value expected");
    }
    if (store_.records.size() >= limits_.nodes) return fail("more values than the limit");
    auto const added = static_cast<std::uint32_t>(store_.records.size());
    store_.records.push_back(record);
    if (!open_.empty()) {
      level& parent = open_.back();
      (parent.last == 0 ? store_.records[parent.at].first : store_.records[parent.last].next) = added;
      parent.last = added;
      ++store_.records[parent.at].size;
    }
    if (record.kind < json_kind::array) return true;
    if (open_.size() >= limits_.depth) return fail("nested deeper than the limit");
    open_.push_back({added, 0});
    return true;
  }

  [[nodiscard]] bool digits() noexcept {
    std::size_t const begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > begin;
  }
  [[nodiscard]] bool number(json_record& out) {
    std::size_t const begin = at_;
    (void)take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) (void)take('-');
      if (!digits()) return false;
    }
    auto const read = std::from_chars(text_.data() + begin, text_.data() + at_, out.number);
    if (read.ec != std::errc{} || read.ptr != text_.data() + at_) return fail("a number that a double cannot hold");
    out.text = {static_cast<std::uint32_t>(store_.strings.size()), static_cast<std::uint32_t>(at_ - begin)};
    store_.strings += text_.substr(begin, at_ - begin);
    return true;
  }

  [[nodiscard]] bool string(json_stretch& out) {
    if (!take('"')) return false;
    std::size_t const begin = store_.strings.size();
    while (at_ < text_.size()) {
      char const byte = text_[at_];
      if (take('"')) {
        out = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(store_.strings.size() - begin)};
        return true;
      }
      if (take('\\')) {
        if (!escape()) return fail("a bad escape");
        continue;
      }
      if (static_cast<unsigned char>(byte) < 0x20) return fail("a control character in a string");
      utf8_sequence const next = decode_utf8_subpart(text_.substr(at_));
      if (next.well_formed) {
        store_.strings += text_.substr(at_, next.bytes);
      } else if (limits_.replace_invalid_utf8) {
        append_utf8(store_.strings, 0xFFFD);
      } else {
        return fail("bytes that are no UTF-8 in a string");
      }
      at_ += next.bytes;
    }
    return fail("a string that does not end");
  }
  [[nodiscard]] bool escape() {
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meaning = "\"\\/\b\f\n\r\t";
    if (at_ == text_.size()) return false;
    std::size_t const found = letters.find(text_[at_]);
    if (found != std::string_view::npos) {
      ++at_;
      store_.strings += meaning[found];
      return true;
    }
    char32_t point = 0;
    if (!take('u') || !four_digits(point)) return false;
    if (point >= 0xDC00 && point <= 0xDFFF) return false;
    if (point >= 0xD800 && point <= 0xDBFF) {
      char32_t low = 0;
      if (!take("\\u") || !four_digits(low) || low < 0xDC00 || low > 0xDFFF) return false;
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(store_.strings, point);
    return true;
  }
  [[nodiscard]] bool four_digits(char32_t& out) noexcept {
    std::string_view const part = text_.substr(at_, 4);
    std::uint32_t value = 0;
    auto const read = std::from_chars(part.data(), part.data() + part.size(), value, 16);
    if (part.size() < 4 || read.ptr != part.data() + 4) return false;
    at_ += 4;
    out = value;
    return true;
  }

  [[nodiscard]] bool keys_differ() {
    std::vector<std::string_view> keys;
    keys.reserve(store_.records[open_.back().at].size);
    for (std::uint32_t child = store_.records[open_.back().at].first; child != 0; child = store_.records[child].next) {
      keys.push_back(store_.view(store_.records[child].key));
    }
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) == keys.end();
  }

  std::string_view text_;
  json_limits limits_;
  std::size_t at_ = 0;
  json_store store_;
  std::vector<level> open_;
  char const* fault_ = nullptr;
};

}  // namespace detail

/// Reads one JSON value that fills the text but for white space; nothing if it is none.  Time O(n log n) at worst (the
/// keys of one object are sorted), else linear.
/// @param why  if given and there is nothing: receives what broke the text and where, one line without any of its bytes
[[nodiscard]] inline std::optional<json_document> read_json(std::string_view text, json_limits const& limits = {},
                                                            std::string* why = nullptr) {
  // A replaced byte grows to three, and offsets into the strings have 32 bits.
  std::size_t const most = limits.replace_invalid_utf8 ? 0xFFFFFFFFU / 3 : 0xFFFFFFFFU;
  if (text.size() > std::min<std::size_t>(limits.bytes, most)) {
    if (why != nullptr) *why = "a text of " + std::to_string(text.size()) + " bytes is above the limit";
    return std::nullopt;
  }
  detail::json_parser parser(text, limits);
  if (!parser.run()) {
    if (why != nullptr) *why = parser.fault();
    return std::nullopt;
  }
  return json_document(parser.release());
}

}  // namespace text
RLVR_NAMESPACE_END
