// SPDX-License-Identifier: MIT
/// @file
/// Is the final answer of a response the gold answer?  1 or 0, as in 1-shot RLVR (arXiv 2504.20571) and most work on
/// mathematical reasoning; no reward for form.
///
/// `extract_answer` finds the answer where the policy allows it; `canonical_answer` writes it in a form in which equal
/// answers are equal texts, so that equivalence is reflexive, symmetric and transitive by construction:
///
///   * numbers are reduced fractions: integers of any length, decimals, a/b, \frac, \dfrac, mixed numbers, percentages,
///     digits grouped by commas, signs, currency, and units named by the policy.  Exact, on digit strings, without
///     floating point: 1/3 is not 0.333.  Fractions are reduced where one of the two parts has at most 18 digits; in
///     longer ones only the common factor 10 is removed;
///   * (..) and [..] are compared element by element in order, {..} and bare lists of numbers in any order;
///   * anything else is compared as text without blanks, LaTeX spacing, \left, \right, \text and dollar signs.
///
/// Nothing is evaluated: 1+1 is not 2, \sqrt{4} is not 2.  Units are dropped, not converted: 5 cm is 5 m.  Linear time
/// (sets are sorted), constant stack, no exception on any text.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/answer_sample.hpp>
#include <rlvr/reward/measures/exact_number.hpp>
#include <rlvr/reward/measures/plain_latex.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/excerpt.hpp>
#include <rlvr/text/tags.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Units that answers to school mathematics carry.  Words of the text after a number; all must be listed.
inline constexpr std::array<std::string_view, 62> common_units{
    "°",     "degree", "degrees",     "dollar", "dollars",   "cent",   "cents",   "euro",     "euros",
    "pound", "pounds", "mm",          "cm",     "m",         "km",     "meter",   "meters",   "centimeter",
    "inch",  "inches", "centimeters", "foot",   "feet",      "ft",     "in",      "mile",     "miles",
    "yard",  "yards",  "second",      "s",      "seconds",   "minute", "minutes", "hour",     "hours",
    "day",   "days",   "week",        "weeks",  "month",     "months", "year",    "years",    "g",
    "kg",    "gram",   "grams",       "liter",  "liters",    "unit",   "units",   "square",   "cubic",
    "per",   "mph",    "kilometers",  "sq",     "kilometer", "people", "times",   "kilograms"};

/// What makes two answers the same.  The views must outlive the policy.
struct answer_policy {
  std::span<std::string_view const> units = common_units;  ///< dropped after a number; letters in any case
  bool percent_is_ratio = true;                            ///< 50% is 1/2; false: the sign is a unit, 50% is 50
  bool assignment_dropped = true;                          ///< "x = 5" is 5, for one letter
  bool case_folded = false;                                ///< of answers that are no numbers
  double tolerance = 0;  ///< > 0: numbers may differ by this much; equivalence is not transitive then
};

namespace detail {

/// Whether the text after a number is made of listed units, possibly raised to the second or third power.
[[nodiscard]] inline bool is_unit(std::string_view text, answer_policy const& policy) {
  while (!text.empty()) {
    std::size_t const end = text.find_first_of(" /");
    std::string_view word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    for (std::string_view const power : {"^2", "^3", "^{2}", "^{3}"}) {
      if (word.ends_with(power)) word.remove_suffix(power.size());
    }
    if (word.ends_with('.')) word.remove_suffix(1);
    if (word.empty()) continue;
    bool const known = std::any_of(policy.units.begin(), policy.units.end(), [&](std::string_view unit) {
      return std::equal(word.begin(), word.end(), unit.begin(), unit.end(), [](char left, char right) {
        return measures::lower_ascii(left) == measures::lower_ascii(right);
      });
    });
    if (!known) return false;
  }
  return true;
}

/// A number with its units and percent sign, nothing else.
[[nodiscard]] inline std::optional<measures::exact_number> read_quantity(std::string_view text,
                                                                         answer_policy const& policy) {
  auto read = measures::read_number(text);
  if (!read) return std::nullopt;
  std::string_view rest = text::trim(read->rest);
  if (rest.starts_with('%')) {
    rest = text::trim_front(rest.substr(1));
    if (policy.percent_is_ratio) read->number = measures::hundredth(std::move(read->number));
  }
  if (!is_unit(rest, policy)) return std::nullopt;
  return std::move(read->number);
}

[[nodiscard]] inline std::string element_key(std::string_view text, answer_policy const& policy) {
  if (auto const number = read_quantity(text::trim(text), policy)) return measures::to_text(*number);
  std::string key = policy.case_folded ? measures::lower_ascii(text) : std::string(text);
  std::erase_if(key, text::is_white_space);
  return key;
}

/// Where the commas outside all brackets are, and whether the bracket that begins the text ends with it.
struct list_structure {
  std::vector<std::string_view> elements{};  ///< of the text within its brackets, or of the bare text
  bool bracketed = false;
};

/// Takes a list apart.  Brackets need not be of one kind: (0,1] is an interval.  "\{" is one bracket.
[[nodiscard]] inline list_structure read_list(std::string_view text) {
  std::size_t const opening = text.starts_with("\\{") ? 2 : text.starts_with('(') || text.starts_with('[') ? 1 : 0;
  std::size_t const closing = text.ends_with("\\}") ? 2 : 1;
  auto const split = [](std::string_view inside, std::vector<std::string_view>* elements) {
    std::size_t depth = 0;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < inside.size(); ++at) {
      char const byte = inside[at];
      if (byte == '(' || byte == '[' || byte == '{') ++depth;
      if (byte == ')' || byte == ']' || byte == '}') {
        if (depth == 0) return false;
        --depth;
      }
      if (byte != ',' || depth != 0) continue;
      elements->push_back(inside.substr(begin, at - begin));
      begin = at + 1;
    }
    elements->push_back(inside.substr(begin));
    return depth == 0;
  };
  list_structure list;
  bool const closed = text.ends_with(')') || text.ends_with(']') || text.ends_with("\\}");
  if (opening != 0 && closed && text.size() >= opening + closing) {
    list.bracketed = split(text.substr(opening, text.size() - opening - closing), &list.elements);
    if (list.bracketed) return list;
  }
  list.elements.clear();
  if (!split(text, &list.elements)) list.elements.assign(1, text);
  return list;
}

[[nodiscard]] inline std::string join_key(std::string open, std::vector<std::string> const& keys, char close) {
  for (std::size_t i = 0; i < keys.size(); ++i) (i == 0 ? open : open += ',') += keys[i];
  return open += close;
}

/// The answer without what surrounds it: LaTeX noise, a final full stop, "x =", round brackets about one element.
[[nodiscard]] inline std::string bare_answer(std::string_view answer, answer_policy const& policy) {
  std::string const plain = measures::plain_latex(answer);
  std::string_view text = text::trim(plain);
  if (text.ends_with('.')) text = text::trim_back(text.substr(0, text.size() - 1));
  if (policy.assignment_dropped && text.size() > 1 && measures::lower_ascii(text[0]) >= 'a' &&
      measures::lower_ascii(text[0]) <= 'z') {
    std::string_view const rest = text::trim_front(text.substr(1));
    if (rest.starts_with('=') && rest.find('=', 1) == std::string_view::npos) text = text::trim_front(rest.substr(1));
  }
  for (int layer = 0; layer < 4 && text.starts_with('(') && text.ends_with(')'); ++layer) {  // bounded: linear time
    list_structure const list = read_list(text);
    if (!list.bracketed || list.elements.size() != 1) break;
    text = text::trim(list.elements.front());
  }
  return std::string(text);
}

}  // namespace detail

/// The answer in the form in which equal answers are equal texts; empty for an answer that shows nothing.
[[nodiscard]] inline std::string canonical_answer(std::string_view answer, answer_policy const& policy = {}) {
  std::string const bare = detail::bare_answer(answer, policy);
  if (auto const number = detail::read_quantity(bare, policy)) return measures::to_text(*number);
  detail::list_structure const list = detail::read_list(bare);
  if (!list.bracketed && list.elements.size() < 2) return detail::element_key(bare, policy);
  if (!list.bracketed && !std::all_of(list.elements.begin(), list.elements.end(), [&](std::string_view element) {
        return detail::read_quantity(text::trim(element), policy).has_value();
      })) {
    return detail::element_key(bare, policy);
  }
  std::vector<std::string> keys;
  for (std::string_view const element : list.elements) keys.push_back(detail::element_key(element, policy));
  bool const set = !list.bracketed || bare.starts_with('\\');
  if (!set) return detail::join_key(bare.substr(0, 1), keys, bare.back());
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return detail::join_key("{", keys, '}');
}

/// Whether two answers are the same under the policy.  Answers that show nothing equal none, not even each other.
[[nodiscard]] inline bool equivalent_answers(std::string_view left, std::string_view right,
                                             answer_policy const& policy = {}) {
  std::string const left_key = canonical_answer(left, policy);
  std::string const right_key = canonical_answer(right, policy);
  if (left_key.empty() || right_key.empty()) return false;
  if (left_key == right_key) return true;
  if (!(policy.tolerance > 0)) return false;
  auto const left_number = detail::read_quantity(detail::bare_answer(left, policy), policy);
  auto const right_number = detail::read_quantity(detail::bare_answer(right, policy), policy);
  return left_number && right_number &&
         std::abs(measures::to_double(*left_number) - measures::to_double(*right_number)) <= policy.tolerance;
}

/// What stands in the last balanced \boxed{..} or \fbox{..} of a text (the one that begins last); nothing if there is
/// none.  One pass; a backslash protects the brace after it.
[[nodiscard]] inline std::optional<std::string_view> last_boxed(std::string_view text) {
  struct open_brace {
    std::size_t position;
    bool boxed;
  };
  std::vector<open_brace> open;
  std::optional<std::string_view> found;
  std::size_t found_at = 0;
  bool boxed = false;  // the last thing read was \boxed
  for (std::size_t at = 0; at < text.size(); ++at) {
    char const byte = text[at];
    if (byte == '\\') {
      std::string_view const rest = text.substr(at + 1);
      std::size_t const command = rest.starts_with("boxed") ? 5 : rest.starts_with("fbox") ? 4 : 0;
      boxed = command != 0;
      at += boxed ? command : 1;
      continue;
    }
    if (byte == '{') {
      open.push_back({at, boxed});
    } else if (byte == '}' && !open.empty()) {
      open_brace const brace = open.back();
      open.pop_back();
      if (brace.boxed && (!found || brace.position > found_at)) {
        found = text.substr(brace.position + 1, at - brace.position - 1);
        found_at = brace.position;
      }
    }
    if (!text::is_white_space(byte)) boxed = false;
  }
  return found;
}

/// What follows the last "####" of a text on its line: how the answers of GSM8K (arXiv 2110.14168) are marked.
[[nodiscard]] inline std::optional<std::string_view> last_hash_answer(std::string_view text) noexcept {
  constexpr std::string_view mark = "####";
  std::size_t const at = text.rfind(mark);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view const rest = text.substr(at + mark.size());
  return text::trim(rest.substr(0, rest.find('\n')));
}

/// Where the final answer may stand.  The sources are tried in the order of the members.
struct answer_extraction {
  bool from_tags = true;        ///< the last answer block (text::last_answer_block); a box in it is opened
  bool from_box = true;         ///< the last \boxed{..} of the closing text
  bool from_hashes = true;      ///< after the last #### of the closing text
  bool after_reasoning = true;  ///< false: box and hashes may stand inside the reasoning too
  text::response_policy tags{};
};

/// The final answer of a response; nothing if no source holds a visible one.
[[nodiscard]] inline std::optional<std::string_view> extract_answer(std::string_view response,
                                                                    answer_extraction const& policy = {}) {
  auto const visible = [](std::optional<std::string_view> answer) {
    return answer && text::has_visible(*answer) ? answer : std::nullopt;
  };
  if (policy.from_tags) {
    if (auto const block = text::last_answer_block(response, policy.tags)) {
      auto const boxed = policy.from_box ? visible(last_boxed(*block)) : std::nullopt;
      return boxed ? boxed : block;
    }
  }
  std::string_view const text = policy.after_reasoning ? text::closing_text(response, policy.tags) : response;
  if (policy.from_box) {
    if (auto const boxed = visible(last_boxed(text))) return boxed;
  }
  return policy.from_hashes ? visible(last_hash_answer(text)) : std::nullopt;
}

/// `right` if the final answer is equivalent to the gold answer (which passes), else `wrong`.
struct numeric_answer_reward {
  double right = 1;
  double wrong = 0;
  answer_extraction extraction{};
  answer_policy policy{};
  static constexpr std::string_view name = "numeric_answer";

  /// @throws argument_error if the gold answer shows nothing
  template <gold_answer_sample Sample>
  [[nodiscard]] outcome operator()(Sample const& sample) const {
    detail::require_gold(sample.gold, "numeric_answer");
    text::joined_response const response(sample.prefill, sample.completion);
    auto const answer = extract_answer(response.view(), extraction);
    if (!answer) return outcome::of(wrong, false, reward_class::bad_format, "the response marks no final answer");
    if (equivalent_answers(*answer, sample.gold, policy)) return outcome::of(right, true, reward_class::correct);
    return outcome::of(wrong, false, reward_class::wrong_label,
                       text::excerpt(*answer) + " instead of " + text::excerpt(sample.gold));
  }
};
static_assert(sample_reward<numeric_answer_reward, answer_sample>);

}  // namespace reward
RLVR_NAMESPACE_END
