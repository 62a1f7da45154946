// SPDX-License-Identifier: MIT
/// @file
/// Whether two lists of short answers are the same: one to one, in any order, texts by their bytes, numbers within a
/// tolerance.  What reads as a number is one ("1,000" matches 1000); nothing else is normalised.  The measure of
/// Table-R1 (arXiv 2505.23621).
#pragma once

#include <rlvr/core/config.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

/// An item of an answer list.
struct list_item {
  std::optional<double> number{};  ///< if it reads as one
  std::string text{};              ///< else its text, as it is
  friend bool operator==(list_item const&, list_item const&) = default;
};

/// The number that a text is: a sign, digits (in groups of three with commas, or without), a fraction, an exponent; any
/// but the digits may lack.  Nothing for other text and for what a double cannot hold.  "1,234.5", "+.5", "1e3".
[[nodiscard]] inline std::optional<double> read_grouped_number(std::string_view text) {
  if (text.size() > 4096) return std::nullopt;  // longer ones are texts
  std::string plain;
  auto const take = [&](std::string_view bytes) {
    bool const found = !text.empty() && bytes.find(text.front()) != std::string_view::npos;
    if (found) {
      if (text.front() != '+') plain += text.front();
      text.remove_prefix(1);
    }
    return found;
  };
  auto const digits = [&] {
    std::size_t count = 0;
    while (take("0123456789")) ++count;
    return count;
  };
  (void)take("+-");
  std::size_t const whole = digits();
  while (whole > 0 && whole <= 3 && text.starts_with(',')) {
    text.remove_prefix(1);
    if (digits() != 3) return std::nullopt;
  }
  if (whole == 0) plain += '0';
  std::size_t fraction = 0;
  if (text.starts_with('.')) {
    plain += '.';
    text.remove_prefix(1);
    fraction = digits();
    if (fraction == 0) plain += '0';
  }
  if (whole + fraction == 0) return std::nullopt;
  if (take("eE")) {
    (void)take("+-");
    if (digits() == 0) return std::nullopt;
  }
  double value = 0;
  auto const read = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (!text.empty() || read.ec != std::errc{}) return std::nullopt;
  return value;
}

/// The item that a text is.
[[nodiscard]] inline list_item read_list_item(std::string_view text) {
  auto const number = read_grouped_number(text);
  return {number, number ? std::string() : std::string(text)};
}

/// How two lists are compared one to one.
enum class list_matching : std::uint8_t {
  exact,   ///< whether any pairing is right: numbers in ascending order, texts as sorted lists
  greedy,  ///< each answer takes the first gold item left that fits, as in the released code
};

/// Whether the lists have equal length and can be paired so that texts are equal and numbers differ by less than
/// `tolerance`.  exact: O(n log n); on a line, if any pairing of numbers is right, the one in ascending order is.
/// greedy: O(n^2).
[[nodiscard]] inline bool match_lists(std::span<list_item const> answer, std::span<list_item const> gold,
                                      double tolerance = 1e-2, list_matching matching = list_matching::exact) {
  if (answer.size() != gold.size()) return false;
  auto const agree = [tolerance](list_item const& left, list_item const& right) {
    if (left.number && right.number) return std::abs(*left.number - *right.number) < tolerance;
    return left == right;
  };
  if (matching == list_matching::greedy) {
    std::vector<bool> used(gold.size());
    return std::all_of(answer.begin(), answer.end(), [&](list_item const& each) {
      for (std::size_t i = 0; i < gold.size(); ++i) {
        if (used[i] || !agree(each, gold[i])) continue;
        used[i] = true;
        return true;
      }
      return false;
    });
  }
  auto const sorted = [](std::span<list_item const> items) {
    std::vector<list_item const*> order;
    for (list_item const& each : items) order.push_back(&each);
    std::sort(order.begin(), order.end(), [](list_item const* left, list_item const* right) {
      if (left->number && right->number) return *left->number < *right->number;
      if (left->number || right->number) return left->number.has_value();
      return left->text < right->text;
    });
    return order;
  };
  auto const left = sorted(answer);
  auto const right = sorted(gold);
  return std::equal(left.begin(), left.end(), right.begin(),
                    [&](list_item const* a, list_item const* b) { return agree(*a, *b); });
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
