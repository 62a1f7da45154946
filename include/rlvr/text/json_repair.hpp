// SPDX-License-Identifier: MIT
/// @file
/// JSON in a response: where it stands, and how much of it had to be mended.  `find_json` looks in this order and says
/// which step found it, so that a reward can pay less for a later one:
///
///   whole      the whole text
///   fenced     a ``` block labelled json, or not labelled
///   bracketed  an outermost {..} or [..] among other text
///
/// strictly first (json_reader.hpp); then, only if `repairs` names something, in the same order with these repairs:
///
///   trailing_commas  [1, 2,]  {"a": 1,}       single_quotes    {'a': 'it\'s'}
///   bare_keys        {answer: 1}              python_words     True, False, None
///   missing_closers  [1, {"a": 2              brackets, and the fence, that the end of the text cut off
///
/// Nothing is guessed: a string or a key without its value that the end cuts off is no JSON, nor are NaN and Infinity
/// ever.  A number that ends the text may be cut off too, and nobody can tell: where that matters, do not repair what
/// the length limit ended.
///
/// More than one candidate in the same step is an answer left open.  `json_choice::only` finds nothing then, as the tag
/// grammar refuses a second answer block; `first` and `last` resolve it and invite lists of guesses.
///
/// Brackets are paired outside quotes, in one pass.  One that is never closed holds all that follows: the objects
/// inside of it are not looked at, since a part of a broken answer is another answer.  Linear time (but for the sorting
/// of keys), no recursion, no exception on any text.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/text/json_reader.hpp>
#include <rlvr/text/tags.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

/// Where JSON was found.
enum class json_source : std::uint8_t { whole, fenced, bracketed };

/// What may be mended; see the top of this file.  By default nothing.
struct json_repairs {
  bool trailing_commas = false;
  bool single_quotes = false;
  bool bare_keys = false;
  bool python_words = false;
  bool missing_closers = false;

  [[nodiscard]] constexpr bool any() const noexcept { return *this != json_repairs{}; }
  friend constexpr bool operator==(json_repairs const&, json_repairs const&) = default;
};

/// Every repair there is.
inline constexpr json_repairs all_json_repairs{true, true, true, true, true};

/// What to do about several candidates in one step.
enum class json_choice : std::uint8_t { only, first, last };

/// Where `find_json` looks and what it takes.
struct json_search {
  json_source deepest = json_source::bracketed;  ///< the last step that is taken
  json_repairs repairs{};
  json_choice choice = json_choice::only;
  std::optional<json_kind> root{};  ///< of the value; none: any, but among other text an object or array
  std::string_view key{};           ///< if not empty, only objects that have this member
  bool labelled = false;            ///< only blocks labelled json, not those without a label
  json_limits limits{};             ///< of each candidate
};

/// A value and how it was found.
struct found_json {
  json_document document;
  json_source source = json_source::whole;
  bool repaired = false;    ///< it was not JSON as written
  std::string_view text{};  ///< where it stands; a view into the text that was searched
};

namespace detail {

[[nodiscard]] constexpr bool is_letter(char byte) noexcept {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}
[[nodiscard]] constexpr bool is_name_byte(char byte) noexcept {
  return is_letter(byte) || (byte >= '0' && byte <= '9') || byte == '_' || byte == '$';
}

/// Writes JSON with repairs as plain JSON.
class json_rewriter {
 public:
  json_rewriter(std::string_view text, json_repairs const& repairs, std::size_t depth)
      : text_(text), repairs_(repairs), depth_(depth) {
    out_.reserve(text.size() + 16);
  }

  [[nodiscard]] bool run() {
    skip();
    if (!value()) return false;
    bool after_comma = false;
    while (!open_.empty()) {
      skip();
      bool const object = open_.back().closer == '}';
      bool const complete = !after_comma || repairs_.trailing_commas;
      if (at_ == text_.size()) {
        if (!complete || !repairs_.missing_closers) return false;
        for (; !open_.empty(); open_.pop_back()) out_ += open_.back().closer;
        return true;
      }
      if (text_[at_] == open_.back().closer) {
        if (!complete) return false;
        out_ += open_.back().closer;
        ++at_;
        open_.pop_back();
        after_comma = false;
        continue;
      }
      if (open_.back().filled && !after_comma) {
        if (text_[at_++] != ',') return false;
        after_comma = true;
        continue;
      }
      if (after_comma) out_ += ',';  // not before: a trailing one is dropped
      after_comma = false;
      open_.back().filled = true;
      if (object && !key()) return false;
      if (!value()) return false;
    }
    skip();
    return at_ == text_.size();
  }
  [[nodiscard]] std::string release() { return std::move(out_); }

 private:
  struct level {
    char closer;
    bool filled;
  };

  void skip() noexcept {
    while (at_ < text_.size() && is_white_space(text_[at_])) ++at_;
  }
  template <class Belongs>
  [[nodiscard]] std::string_view run_of(Belongs belongs) noexcept {
    std::size_t const begin = at_;
    while (at_ < text_.size() && belongs(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  [[nodiscard]] bool at_quote() const noexcept {
    return at_ < text_.size() && (text_[at_] == '"' || (text_[at_] == '\'' && repairs_.single_quotes));
  }

  [[nodiscard]] bool key() {
    if (at_quote()) {
      if (!string()) return false;
    } else {
      if (!repairs_.bare_keys || (text_[at_] >= '0' && text_[at_] <= '9')) return false;
      std::string_view const name = run_of(is_name_byte);
      if (name.empty()) return false;
      ((out_ += '"') += name) += '"';
    }
    skip();
    if (at_ == text_.size() || text_[at_] != ':') return false;
    ++at_;
    out_ += ':';
    skip();
    return true;
  }

  [[nodiscard]] bool value() {
    if (at_ == text_.size()) return false;
    char const byte = text_[at_];
    if (byte == '{' || byte == '[') {
      if (open_.size() >= depth_) return false;
      open_.push_back({byte == '{' ? '}' : ']', false});
      out_ += byte;
      ++at_;
      return true;
    }
    if (at_quote()) return string();
    if (is_letter(byte)) return word(run_of(is_letter));
    std::string_view const number = run_of([](char each) {
      return (each >= '0' && each <= '9') || each == '+' || each == '-' || each == '.' || each == 'e' || each == 'E';
    });
    out_ += number;  // whether it is one, the reader decides
    return !number.empty();
  }

  [[nodiscard]] bool word(std::string_view found) {
    if (repairs_.python_words) {
      if (found == "True") found = "true";
      if (found == "False") found = "false";
      if (found == "None") found = "null";
    }
    out_ += found;
    return found == "true" || found == "false" || found == "null";
  }

  [[nodiscard]] bool string() {
    char const quote = text_[at_++];
    out_ += '"';
    while (at_ < text_.size()) {
      char const byte = text_[at_++];
      if (byte == quote) {
        out_ += '"';
        return true;
      }
      if (byte == '\\') {
        if (at_ == text_.size()) return false;
        char const escaped = text_[at_++];
        if (escaped != '\'' || quote != '\'') out_ += byte;
        out_ += escaped;
      } else {
        if (byte == '"') out_ += '\\';
        out_ += byte;
      }
    }
    return false;
  }

  std::string_view text_;
  json_repairs repairs_;
  std::size_t depth_;
  std::size_t at_ = 0;
  std::string out_;
  std::vector<level> open_;
};

/// A stretch of text that may hold JSON.
struct json_candidate {
  std::string_view text{};
  bool ended = true;  ///< false: the end of the text cut it off
};

/// Walks over the ``` blocks of a text.  A block ends at as many backticks as began it; more begin the next one.
class fence_walk {
 public:
  fence_walk(std::string_view text, bool labelled) noexcept : text_(text), labelled_(labelled) {}

  [[nodiscard]] std::optional<json_candidate> next() noexcept {
    while (std::size_t const length = run()) {
      std::size_t begin = at_ += length;
      while (begin < text_.size() && (is_name_byte(text_[begin]) || text_[begin] == '-' || text_[begin] == '+'))
        ++begin;
      std::string_view const label = text_.substr(at_, begin - at_);
      std::size_t closing = run();
      for (; closing > 0 && closing < length; closing = run()) at_ += closing;
      json_candidate const block{trim(text_.substr(begin, at_ - begin)), closing > 0};
      if (closing > 0) at_ += length;
      if (is_json(label) || (label.empty() && !labelled_)) return block;
    }
    return std::nullopt;
  }

 private:
  // Goes to the next run of three or more backticks; its length, or 0 at the end.
  [[nodiscard]] std::size_t run() noexcept {
    at_ = std::min(text_.find("```", at_), text_.size());
    return std::min(text_.find_first_not_of('`', at_), text_.size()) - at_;
  }
  [[nodiscard]] static constexpr bool is_json(std::string_view label) noexcept {
    constexpr std::string_view lower = "json";
    return std::equal(label.begin(), label.end(), lower.begin(), lower.end(),
                      [](char left, char right) { return left == right || left + ('a' - 'A') == right; });
  }

  std::string_view text_;
  bool labelled_;
  std::size_t at_ = 0;
};

/// Walks over the outermost bracketed parts of a text.  A search for objects looks through square brackets, since
/// prose is full of them.
class bracket_walk {
 public:
  bracket_walk(std::string_view text, std::optional<json_kind> root) noexcept
      : text_(text), openers_(root == json_kind::object ? "{" : "{[") {}

  [[nodiscard]] std::optional<json_candidate> next() noexcept {
    std::size_t const begin = text_.find_first_of(openers_, at_);
    if (begin == std::string_view::npos) return std::nullopt;
    std::size_t depth = 0;
    char before = '{';  // the last byte that is no white space; quotes begin a string only where one may stand
    for (at_ = begin; at_ < text_.size(); ++at_) {
      char const byte = text_[at_];
      if ((byte == '"' || byte == '\'') && std::string_view("{[,:").find(before) != std::string_view::npos) {
        skip_string(byte);
      } else if (byte == '{' || byte == '[') {
        ++depth;
      } else if ((byte == '}' || byte == ']') && --depth == 0) {
        ++at_;
        return json_candidate{text_.substr(begin, at_ - begin), true};
      }
      if (!is_white_space(byte)) before = byte;
    }
    at_ = text_.size();
    return json_candidate{trim_back(text_.substr(begin)), false};
  }

 private:
  // To the closing quote, or past the end.
  void skip_string(char quote) noexcept {
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
  }

  std::string_view text_;
  std::string_view openers_;
  std::size_t at_ = 0;
};

/// One search.
class json_finder {
 public:
  json_finder(std::string_view text, json_search const& search) : text_(text), search_(search) {}

  [[nodiscard]] std::optional<found_json> run() {
    for (bool const repaired : {false, true}) {
      if (repaired && !search_.repairs.any()) break;
      for (json_source const source : {json_source::whole, json_source::fenced, json_source::bracketed}) {
        if (source > search_.deepest) break;
        look(source, repaired);
        if (count_ > 1 && search_.choice == json_choice::only) return std::nullopt;
        if (count_ > 0) return std::move(found_);
      }
    }
    return std::nullopt;
  }

 private:
  void look(json_source source, bool repaired) {
    if (source == json_source::whole) {
      consider({trim(text_), true}, source, repaired);
    } else if (source == json_source::fenced) {
      look(fence_walk(text_, search_.labelled), source, repaired);
    } else {
      look(bracket_walk(text_, search_.root), source, repaired);
    }
  }
  template <class Walk>
  void look(Walk walk, json_source source, bool repaired) {
    while (auto const candidate = walk.next()) {
      consider(*candidate, source, repaired);
      if (search_.choice != json_choice::last && count_ == (search_.choice == json_choice::first ? 1 : 2)) return;
    }
  }

  void consider(json_candidate const& candidate, json_source source, bool repaired) {
    if (!candidate.ended && !(repaired && search_.repairs.missing_closers)) return;
    auto document = repaired ? repair(candidate.text) : read_json(candidate.text, search_.limits);
    if (!document || !fits(document->root())) return;
    ++count_;
    found_.emplace(found_json{*std::move(document), source, repaired, candidate.text});
  }
  [[nodiscard]] std::optional<json_document> repair(std::string_view text) const {
    if (text.size() > search_.limits.bytes) return std::nullopt;
    json_rewriter rewriter(text, search_.repairs, search_.limits.depth);
    if (!rewriter.run()) return std::nullopt;
    std::string const plain = rewriter.release();
    json_limits limits = search_.limits;
    limits.bytes = std::max(limits.bytes, plain.size());  // quotes and closers may have been added
    return read_json(plain, limits);
  }
  [[nodiscard]] bool fits(json_node root) const {
    if (search_.root && root.kind() != *search_.root) return false;
    return search_.key.empty() || root.find(search_.key);
  }

  std::string_view text_;
  json_search const& search_;
  std::size_t count_ = 0;
  std::optional<found_json> found_;
};

}  // namespace detail

/// The text as plain JSON if these repairs are enough to make it look so; nothing if not.  Whether it is JSON is for
/// `read_json` to say, which still refuses equal keys, bad numbers and bad strings.  Text that is JSON keeps its
/// meaning.  Linear.
/// @param depth  arrays and objects inside each other, at most
[[nodiscard]] inline std::optional<std::string> repair_json(std::string_view text, json_repairs const& repairs,
                                                            std::size_t depth = json_limits{}.depth) {
  detail::json_rewriter rewriter(text, repairs, depth);
  if (!rewriter.run()) return std::nullopt;
  return rewriter.release();
}

/// JSON in a text; nothing if there is none that fits, or if it is not the only one and the search asks for that.
[[nodiscard]] inline std::optional<found_json> find_json(std::string_view text, json_search const& search = {}) {
  return detail::json_finder(text, search).run();
}

}  // namespace text
RLVR_NAMESPACE_END
