// SPDX-License-Identifier: MIT
/// @file
/// Axes: round tick positions, their labels, and the smoothing of a noisy series.
///
/// Ticks lie at multiples of 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers for graph labels", 1990, without
/// loosening the range).  Smoothing is the mean over a window centred on each point that shrinks symmetrically towards
/// the ends, so that it neither lags nor drifts where the curve begins and stops.
#pragma once

#include <rlvr/core/config.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace report {

/// A closed range of numbers.  Grows by `include`; what is not finite does not count.
struct value_range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  [[nodiscard]] constexpr bool empty() const noexcept { return !(low <= high); }

  void include(double value) noexcept {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// Tick positions of an axis.
struct axis_ticks {
  std::vector<double> at;
  double step = 1;  ///< distance of neighbours
};

/// The least of 1, 2, 5 times a power of ten that is at least `value`.  @pre value > 0, finite
[[nodiscard]] inline double round_up_nicely(double value) {
  double const power = std::pow(10.0, std::floor(std::log10(value)));
  for (double const factor : {1.0, 2.0, 5.0, 10.0}) {
    if (factor * power >= value * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

/// The multiples of a nice step inside the range, about `wanted` of them (never more than wanted + 1).
/// @param least_step  1 for axes of counts
/// @pre the range is not empty; if it has no width, the only tick is its value
[[nodiscard]] inline axis_ticks ticks(value_range range, int wanted = 5, double least_step = 0) {
  double const width = range.high - range.low;
  if (!(width > 0) || !std::isfinite(width)) return {{range.low}, 1};
  axis_ticks result;
  result.step = std::max(round_up_nicely(width / wanted), least_step);
  // Multiples by integer count, so that no error builds up and 0 is exactly 0.
  double const first = std::ceil(range.low / result.step - 1e-9);
  double const last = std::floor(range.high / result.step + 1e-9);
  for (double k = first; k <= last; k += 1) result.at.push_back(k * result.step + 0.0);
  return result;
}

/// A range a little wider than the data, so that no curve touches the frame; a lone value gets room on both sides.
[[nodiscard]] inline value_range padded(value_range range, double share = 0.06) {
  if (range.empty()) return {0, 1};
  double const width = range.high - range.low;
  double const room = width > 0 ? share * width : std::max(std::abs(range.low) * 0.1, 1e-6);
  bool const touches_zero = range.low >= 0 && range.low < 0.25 * range.high;
  return {touches_zero ? 0.0 : range.low - room, range.high + room};
}

/// "12,500", "0.05": plain digits with as many decimals as the step needs; very large and very small values
/// as "2x10^-5" with the typographic signs.
[[nodiscard]] inline std::string tick_label(double value, double step) {
  double const magnitude = std::max(std::abs(value), step);
  if (value == 0) return "0";
  std::string const minus = value < 0 ? "\u2212" : "";
  if (magnitude >= 1e7 || step < 1e-4) {
    int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9));
    std::string mantissa = fmt::format("{:.3g}", std::abs(value) / std::pow(10.0, exponent));
    std::string raised = exponent < 0 ? "\u207b" : "";
    constexpr std::string_view digits[] = {"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                           "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    for (char const digit : std::to_string(std::abs(exponent))) raised += digits[digit - '0'];
    return minus + mantissa + "\u00d710" + raised;
  }
  int const decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  std::string text = fmt::format("{:.{}f}", std::abs(value), decimals);
  auto const point = std::min(text.find('.'), text.size());
  for (std::size_t at = point; at > 3; at -= 3) text.insert(at - 3, ",");
  return minus + text;
}

/// Points on each side that `smooth` averages for a series of this length: none below 12 points.
[[nodiscard]] constexpr std::size_t smoothing_reach(std::size_t points) noexcept {
  return points < 12 ? 0 : std::max<std::size_t>(2, points / 30);
}

/// Centred moving mean.  Values that are not finite are left out of the means of others and stay what they are.
[[nodiscard]] inline std::vector<double> smooth(std::vector<double> const& values, std::size_t reach) {
  std::vector<double> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::size_t const side = std::min({reach, i, values.size() - 1 - i});
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t k = i - side; k <= i + side; ++k) {
      if (!std::isfinite(values[k])) continue;
      sum += values[k];
      ++count;
    }
    result[i] = std::isfinite(values[i]) ? sum / static_cast<double>(count) : values[i];
  }
  return result;
}

}  // namespace report
RLVR_NAMESPACE_END
