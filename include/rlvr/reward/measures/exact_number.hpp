// SPDX-License-Identifier: MIT
/// @file
/// Exact rational numbers read from text: integers of any length, decimals, fractions and mixed numbers, as strings of
/// digits in lowest terms.  No floating point, no limit on the number of digits, linear time.
///
/// A fraction is reduced if its numerator or denominator has at most 18 digits (then every step fits into 64 bits);
/// otherwise only common factors of ten are removed, so that decimals still equal decimals.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/measures/words.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace reward::measures {

/// A number as sign, numerator and denominator; digits without leading zeros, zero is 0/1 without sign.
struct exact_number {
  bool negative = false;
  std::string numerator = "0";
  std::string denominator = "1";
  friend bool operator==(exact_number const&, exact_number const&) = default;
};

namespace detail {

inline constexpr std::size_t small_digits = 18;  // 10^18 * 10 < 2^64: one step of a long division fits

[[nodiscard]] inline std::uint64_t small_value(std::string_view digits) noexcept {
  std::uint64_t value = 0;
  for (char const digit : digits) value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  return value;
}

[[nodiscard]] inline std::uint64_t remainder_of(std::string_view digits, std::uint64_t divisor) noexcept {
  std::uint64_t rest = 0;
  for (char const digit : digits) rest = (rest * 10 + static_cast<std::uint64_t>(digit - '0')) % divisor;
  return rest;
}

inline void drop_leading_zeros(std::string& digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
}

[[nodiscard]] inline std::string quotient_of(std::string_view digits, std::uint64_t divisor) {
  std::string quotient;
  quotient.reserve(digits.size());
  std::uint64_t rest = 0;
  for (char const digit : digits) {
    rest = rest * 10 + static_cast<std::uint64_t>(digit - '0');
    quotient += static_cast<char>('0' + static_cast<char>(rest / divisor));
    rest %= divisor;
  }
  drop_leading_zeros(quotient);
  return quotient;
}

}  // namespace detail

/// The fraction in lowest terms (see above); nothing if the denominator is zero.
/// @param numerator, denominator  digits
[[nodiscard]] inline std::optional<exact_number> make_number(bool negative, std::string numerator,
                                                             std::string denominator) {
  detail::drop_leading_zeros(numerator);
  detail::drop_leading_zeros(denominator);
  if (denominator.empty()) return std::nullopt;
  if (numerator.empty()) return exact_number{};
  auto const zeros = [](std::string const& digits) { return digits.size() - 1 - digits.find_last_not_of('0'); };
  std::size_t const common = std::min(zeros(numerator), zeros(denominator));
  numerator.resize(numerator.size() - common);
  denominator.resize(denominator.size() - common);
  std::string const& shorter = numerator.size() < denominator.size() ? numerator : denominator;
  std::string const& longer = numerator.size() < denominator.size() ? denominator : numerator;
  if (shorter.size() <= detail::small_digits) {
    std::uint64_t const value = detail::small_value(shorter);
    std::uint64_t const divisor = std::gcd(value, detail::remainder_of(longer, value));
    if (divisor > 1) {
      numerator = detail::quotient_of(numerator, divisor);
      denominator = detail::quotient_of(denominator, divisor);
    }
  }
  return exact_number{negative, std::move(numerator), std::move(denominator)};
}

/// A hundredth of the number: what a percent sign makes of it.
[[nodiscard]] inline exact_number hundredth(exact_number number) {
  return *make_number(number.negative, std::move(number.numerator), std::move(number.denominator) + "00");
}

/// "-3/4", "5".
[[nodiscard]] inline std::string to_text(exact_number const& number) {
  std::string text = number.negative ? "-" : "";
  text += number.numerator;
  if (number.denominator != "1") (text += '/') += number.denominator;
  return text;
}

/// The nearest double or a neighbour of it; for tolerances only.  Long numbers are cut to 300 digits on both sides.
[[nodiscard]] inline double to_double(exact_number const& number) {
  constexpr std::size_t most = 300;
  std::size_t const longer = std::max(number.numerator.size(), number.denominator.size());
  std::size_t const cut = longer > most ? longer - most : 0;
  auto const value = [cut](std::string const& digits) {
    double sum = 0;
    for (char const digit : std::string_view(digits).substr(0, digits.size() - std::min(cut, digits.size())))
      sum = sum * 10 + (digit - '0');
    return sum;
  };
  double const below = value(number.denominator);
  double const above = value(number.numerator);
  double const size = below > 0 ? above / below : std::numeric_limits<double>::infinity();
  return number.negative ? -size : size;
}

/// A number at the front of a text, and what follows it.
struct read_number_result {
  exact_number number{};
  std::string_view rest{};
};

namespace detail {

struct decimal {
  std::string digits{};
  std::size_t places = 0;  ///< how many of them stand behind the point
};

inline void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
}

[[nodiscard]] inline std::size_t digit_run(std::string_view text) noexcept {
  std::size_t length = 0;
  while (length < text.size() && is_ascii_digit(text[length])) ++length;
  return length;
}

/// Reads "12", "1,234,567", "1.50", ".5" or "5." from the front; nothing, and nothing consumed, if there is none.
[[nodiscard]] inline std::optional<decimal> read_decimal(std::string_view& text) {
  decimal number;
  std::string_view rest = text;
  std::size_t length = digit_run(rest);
  number.digits = rest.substr(0, length);
  rest.remove_prefix(length);
  if (length >= 1 && length <= 3) {
    std::string grouped = number.digits;
    std::string_view after = rest;
    while (after.starts_with(',') && digit_run(after.substr(1, 4)) == 3) {
      grouped += after.substr(1, 3);
      after.remove_prefix(4);
    }
    bool const whole = !(after.starts_with(',') && after.size() > 1 && is_ascii_digit(after[1]));
    if (whole) {
      number.digits = std::move(grouped);
      rest = after;
    }
  }
  if (rest.starts_with('.')) {
    number.places = digit_run(rest.substr(1));
    if (number.digits.empty() && number.places == 0) return std::nullopt;
    number.digits += rest.substr(1, number.places);
    rest.remove_prefix(1 + number.places);
  }
  if (number.digits.empty()) return std::nullopt;
  text = rest;
  return number;
}

/// Reads a sign: '-', '+' or none.
[[nodiscard]] inline bool read_minus(std::string_view& text) {
  skip_blanks(text);
  bool const minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  skip_blanks(text);
  return minus;
}

[[nodiscard]] inline std::optional<exact_number> ratio(bool negative, decimal above, decimal below) {
  above.digits.append(below.places, '0');
  below.digits.append(above.places, '0');
  return make_number(negative, std::move(above.digits), std::move(below.digits));
}

/// Reads {number} with a sign.
[[nodiscard]] inline std::optional<std::pair<bool, decimal>> read_group(std::string_view& text) {
  if (!text.starts_with('{')) return std::nullopt;
  text.remove_prefix(1);
  bool const minus = read_minus(text);
  auto number = read_decimal(text);
  skip_blanks(text);
  if (!number || !text.starts_with('}')) return std::nullopt;
  text.remove_prefix(1);
  return std::pair{minus, std::move(*number)};
}

/// Reads "\frac{a}{b}" from the front.
[[nodiscard]] inline std::optional<exact_number> read_latex_fraction(std::string_view& text) {
  if (!text.starts_with("\\frac")) return std::nullopt;
  std::string_view rest = text.substr(5);
  skip_blanks(rest);
  auto above = read_group(rest);
  if (!above) return std::nullopt;
  skip_blanks(rest);
  auto below = read_group(rest);
  if (!below) return std::nullopt;
  auto number = ratio(above->first != below->first, std::move(above->second), std::move(below->second));
  if (number) text = rest;
  return number;
}

/// Reads "a/b" from the front; blanks may stand round the slash.
[[nodiscard]] inline std::optional<exact_number> read_slash_fraction(std::string_view& text) {
  std::string_view rest = text;
  auto above = read_decimal(rest);
  skip_blanks(rest);
  if (!above || !rest.starts_with('/')) return std::nullopt;
  rest.remove_prefix(1);
  skip_blanks(rest);
  auto below = read_decimal(rest);
  if (!below) return std::nullopt;
  auto number = ratio(false, std::move(*above), std::move(*below));
  if (number) text = rest;
  return number;
}

/// whole + part, of a mixed number; nothing where it does not fit into 64 bits.
[[nodiscard]] inline std::optional<exact_number> mixed(std::string_view whole, exact_number const& part) {
  if (part.negative || std::max({whole.size(), part.numerator.size(), part.denominator.size()}) > small_digits) {
    return std::nullopt;
  }
  std::uint64_t above = 0;
  bool const over = __builtin_mul_overflow(small_value(whole), small_value(part.denominator), &above) ||
                    __builtin_add_overflow(above, small_value(part.numerator), &above);
  if (over) return std::nullopt;
  return make_number(false, std::to_string(above), part.denominator);
}

}  // namespace detail

/// Reads one number from the front of a text: a sign, then an integer, a decimal, a/b, \frac{a}{b} or a mixed number of
/// an integer and one of the last two.  Nothing if there is none, or where a denominator is zero.
[[nodiscard]] inline std::optional<read_number_result> read_number(std::string_view text) {
  bool const negative = detail::read_minus(text);
  auto const signed_result = [&](exact_number number, std::string_view rest) {
    number.negative = number.numerator != "0" && number.negative != negative;
    return read_number_result{std::move(number), rest};
  };
  if (auto number = detail::read_latex_fraction(text)) return signed_result(std::move(*number), text);
  if (auto number = detail::read_slash_fraction(text)) return signed_result(std::move(*number), text);
  auto front = detail::read_decimal(text);
  if (!front) return std::nullopt;
  if (front->places == 0) {
    std::string_view rest = text;
    detail::skip_blanks(rest);
    auto part = detail::read_latex_fraction(rest);
    if (!part && rest.size() < text.size()) part = detail::read_slash_fraction(rest);
    if (part) {
      auto number = detail::mixed(front->digits, *part);
      if (!number) return std::nullopt;
      return signed_result(std::move(*number), rest);
    }
  }
  auto number = detail::ratio(false, std::move(*front), {"1", 0});
  if (!number) return std::nullopt;
  return signed_result(std::move(*number), text);
}

}  // namespace reward::measures
RLVR_NAMESPACE_END
