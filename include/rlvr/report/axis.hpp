// SPDX-License-Identifier: MIT
/// @file
/// Axes: round tick positions, their labels, and the smoothing of a noisy series.
///
/// Ticks lie at multiples of 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers for graph labels", 1990, without
/// loosening the range).  Smoothing fits a straight line to a window around each point and takes its value there
/// (Cleveland's local regression with equal weights): inside a series that is the centred mean, and towards the ends it
/// neither lags behind a trend, as one-sided means do, nor turns noisy, as shrinking windows do.
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

/// The multiples of a nice step inside the range; the step is the one that gives closest to `wanted` of them, the
/// larger of two equally good ones.
/// @param least_step  1 for axes of counts
/// @pre the range is not empty; if it has no width that arithmetic can see, the only tick is its lower end
[[nodiscard]] inline axis_ticks ticks(value_range range, int wanted = 5, double least_step = 0) {
  double const width = range.high - range.low;
  if (!(width > 1e-300) || !std::isfinite(width)) return {{range.low}, 1};
  axis_ticks best;
  double least_miss = std::numeric_limits<double>::infinity();
  double const power = std::pow(10.0, std::floor(std::log10(width / wanted)));
  for (double const factor : {10.0, 5.0, 2.0, 1.0}) {
    double const step = std::max(factor * power, least_step);
    // Multiples by integer count, so that no error builds up and 0 is exactly 0.
    double const first = std::ceil(range.low / step - 1e-9);
    double const last = std::floor(range.high / step + 1e-9);
    int const count = static_cast<int>(last - first) + 1;  // at most 10 * wanted + 1
    if (!(std::abs(count - wanted) < least_miss)) continue;
    least_miss = std::abs(count - wanted);
    best = {{}, step};
    for (int k = 0; k < count; ++k) best.at.push_back((first + k) * step + 0.0);
  }
  return best;
}

/// A range a little wider than the data, so that no curve touches the frame; a lone value gets room on both sides.
[[nodiscard]] inline value_range padded(value_range range, double share = 0.06) {
  if (range.empty()) return {0, 1};
  double const width = range.high - range.low;
  double const room = width > 0 ? share * width : std::max(std::abs(range.low) * 0.1, 1e-6);
  bool const touches_zero = range.low >= 0 && range.low < 0.25 * range.high;
  constexpr double most = std::numeric_limits<double>::max();
  return {touches_zero ? 0.0 : std::max(range.low - room, -most), std::min(range.high + room, most)};
}

/// "12,500", "0.05": plain digits with as many decimals as the step needs; very large and very small values
/// as "2x10^-5" with the typographic signs.
[[nodiscard]] inline std::string tick_label(double value, double step) {
  double const magnitude = std::max(std::abs(value), step);
  if (value == 0) return "0";
  if (!std::isfinite(magnitude)) return "\u2013";
  std::string const minus = value < 0 ? "\u2212" : "";
  if (magnitude >= 1e7 || step < 1e-4) {
    std::string const scientific = fmt::format("{:.2e}", std::abs(value));
    auto const split = scientific.find('e');
    std::string mantissa = scientific.substr(0, split);
    mantissa.erase(std::max<std::size_t>(mantissa.find_last_not_of("0.") + 1, 1));
    int const exponent = std::stoi(scientific.substr(split + 1));
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

/// The value at each point of the least-squares line through the points at most `reach` places away.  Values that are
/// not finite are left out of the lines of others and stay what they are.
[[nodiscard]] inline std::vector<double> smooth(std::vector<double> const& values, std::size_t reach) {
  std::vector<double> result = values;
  if (reach == 0) return result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    std::size_t const begin = i - std::min(reach, i);
    std::size_t const end = std::min(values.size(), i + reach + 1);
    // Places count from i, so the line's intercept is its value there.
    double n = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
    for (std::size_t k = begin; k < end; ++k) {
      if (!std::isfinite(values[k])) continue;
      double const x = static_cast<double>(k) - static_cast<double>(i);
      n += 1;
      sum_x += x;
      sum_y += values[k];
      sum_xx += x * x;
      sum_xy += x * values[k];
    }
    double const determinant = n * sum_xx - sum_x * sum_x;
    result[i] = determinant > 0 ? (sum_xx * sum_y - sum_x * sum_xy) / determinant : sum_y / n;
  }
  return result;
}

}  // namespace report
RLVR_NAMESPACE_END
