// SPDX-License-Identifier: MIT
/// @file
/// Charts as inline SVG: curves over steps, a stack of shares, estimates with intervals.
///
/// Colours are CSS classes (`s0` ... `s7`), so that the page chooses them for light and dark.  A point that is not
/// finite is a gap.  One point is drawn as a dot, no point as an empty frame that says so.  Series of more than
/// `line_chart::most_points` points are drawn by the least and greatest value of each bin, so that a long run's report
/// stays readable in size without losing its spikes.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/report/axis.hpp>
#include <rlvr/report/html_text.hpp>
#include <rlvr/report/tables.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace report {

/// A curve.  `x` ascends; x and y have equal lengths.
struct series {
  std::string label;
  std::vector<double> x;
  std::vector<double> y;
  int colour = 0;        ///< 0 ... 7
  bool markers = false;  ///< precise points (evaluations): a line through dots, never smoothed
};

/// Curves over steps.
struct line_chart {
  static constexpr std::size_t most_points = 600;

  std::string title;
  std::vector<series> curves;
  bool percent = false;     ///< y holds fractions, the labels show percent
  bool full_scale = false;  ///< the y axis runs from 0 to 1
  bool from_zero = false;   ///< the y axis includes 0

  [[nodiscard]] bool has_points() const {
    for (auto const& curve : curves) {
      for (double const y : curve.y) {
        if (std::isfinite(y)) return true;
      }
    }
    return false;
  }
};

/// Shares that add up to about one, stacked in order from the bottom.
struct stacked_chart {
  std::string title;
  std::vector<double> x;
  std::vector<series> layers;  ///< y as long as `x`; what is not finite counts as 0
};

namespace detail {

/// The plot area inside the picture, and the way from data to picture.
struct plot_frame {
  double width = 480;
  double height = 250;
  double left = 46;
  double right = 14;
  double top = 10;
  double bottom = 36;
  value_range x{0, 1};
  value_range y{0, 1};

  [[nodiscard]] double at_x(double value) const { return left + share(value, x) * (width - left - right); }
  [[nodiscard]] double at_y(double value) const { return height - bottom - share(value, y) * (height - top - bottom); }

  /// Where a value stands in a range, from 0 to 1; one half where the range has no width or overflows.
  [[nodiscard]] static double share(double value, value_range const& range) {
    double const result = (value - range.low) / (range.high - range.low);
    return std::isfinite(result) ? std::clamp(result, 0.0, 1.0) : 0.5;
  }
};

template <class... Arguments>
void append(std::string& out, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), text, std::forward<Arguments>(arguments)...);
}

inline void open_svg(std::string& out, plot_frame const& frame, std::string_view title) {
  append(out, "<svg viewBox=\"0 0 {:g} {:g}\" role=\"img\" aria-label=\"{}\">", frame.width, frame.height,
         escape_html(title));
}

/// Grid lines, tick labels and the name of the x axis.
inline void append_axes(std::string& out, plot_frame const& frame, bool percent, bool has_data) {
  double const floor = frame.height - frame.bottom;
  for (axis_ticks const y = ticks(frame.y, 5); double const value : y.at) {
    double const at = frame.at_y(value);
    append(out, "<line class=\"grid\" x1=\"{:g}\" x2=\"{:g}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", frame.left,
           frame.width - frame.right, at, at);
    append(out, "<text class=\"tick\" text-anchor=\"end\" x=\"{:g}\" y=\"{:.1f}\">{}</text>", frame.left - 7, at + 3.5,
           percent ? tick_label(100 * value, 100 * y.step) + "%" : tick_label(value, y.step));
  }
  append(out, "<line class=\"axis\" x1=\"{:g}\" x2=\"{:g}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", frame.left,
         frame.width - frame.right, floor, floor);
  if (!has_data) {
    append(out, "<text class=\"none\" text-anchor=\"middle\" x=\"{:g}\" y=\"{:g}\">no data</text>",
           (frame.left + frame.width - frame.right) / 2, floor / 2);
    out += "</svg>";
    return;
  }
  for (axis_ticks const x = ticks(frame.x, 6, 1); double const value : x.at) {
    double const at = frame.at_x(value);
    append(out, "<line class=\"axis\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", at, at, floor,
           floor + 4);
    append(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", at, floor + 16,
           tick_label(value, x.step));
  }
  append(out, "<text class=\"name\" text-anchor=\"end\" x=\"{:g}\" y=\"{:g}\">step</text>", frame.width - frame.right,
         frame.height - 5);
}

/// Points of a path, broken at gaps; isolated points become short strokes that round caps show as dots.
inline void append_path(std::string& out, plot_frame const& frame, std::vector<double> const& x,
                        std::vector<double> const& y, std::string_view css) {
  append(out, "<path class=\"{}\" d=\"", css);
  bool drawing = false;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (!std::isfinite(y[i])) {
      drawing = false;
      continue;
    }
    append(out, "{}{:.1f} {:.1f}", drawing ? "L" : "M", frame.at_x(x[i]), frame.at_y(y[i]));
    bool const alone = !drawing && (i + 1 == y.size() || !std::isfinite(y[i + 1]));
    if (alone) out += "h0";
    drawing = true;
  }
  out += "\"/>";
}

/// At most two points for each of most_points / 2 bins: its least and its greatest, in the order of their steps.
inline void thin_out(std::vector<double>& x, std::vector<double>& y) {
  constexpr std::size_t bins = line_chart::most_points / 2;
  if (y.size() <= line_chart::most_points) return;
  std::vector<double> kept_x;
  std::vector<double> kept_y;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    std::size_t const begin = bin * y.size() / bins;
    std::size_t const end = (bin + 1) * y.size() / bins;
    std::size_t least = begin;
    std::size_t greatest = begin;
    for (std::size_t i = begin; i < end; ++i) {
      if (y[i] < y[least] || !std::isfinite(y[least])) least = i;
      if (y[i] > y[greatest] || !std::isfinite(y[greatest])) greatest = i;
    }
    for (std::size_t const i : {std::min(least, greatest), std::max(least, greatest)}) {
      if (!kept_x.empty() && kept_x.back() == x[i]) continue;
      kept_x.push_back(x[i]);
      kept_y.push_back(y[i]);
    }
  }
  x = std::move(kept_x);
  y = std::move(kept_y);
}

}  // namespace detail

/// The chart as an SVG element.
[[nodiscard]] inline std::string to_svg(line_chart const& chart) {
  detail::plot_frame frame;
  value_range x;
  value_range y;
  for (auto const& curve : chart.curves) {
    for (std::size_t i = 0; i < curve.y.size(); ++i) {
      if (!std::isfinite(curve.y[i])) continue;
      x.include(curve.x[i]);
      y.include(curve.y[i]);
    }
  }
  if (chart.from_zero && !y.empty()) y.include(0);
  if (chart.from_zero && y.low == 0 && y.high == 0) y.high = chart.percent ? 0.01 : 1;  // nothing ever happened
  bool const has_data = !y.empty();
  if (has_data) frame.x = x.high > x.low ? x : value_range{x.low - 1, x.low + 1};
  frame.y = chart.full_scale ? value_range{0, 1} : padded(y);
  std::string out;
  detail::open_svg(out, frame, chart.title);
  detail::append_axes(out, frame, chart.percent, has_data);
  if (!has_data) return out;
  for (auto const& curve : chart.curves) {
    std::string const css = fmt::format("s{}", curve.colour % 8);
    std::size_t const reach = smoothing_reach(curve.y.size());
    if (curve.markers || reach == 0) {
      detail::append_path(out, frame, curve.x, curve.y, "curve " + css);
      for (std::size_t i = 0; i < curve.y.size(); ++i) {
        if (!std::isfinite(curve.y[i])) continue;
        detail::append(out,
                       "<circle class=\"dot {}\" r=\"3\" cx=\"{:.1f}\" cy=\"{:.1f}\"><title>{}, step {:g}: {:.4g}{}",
                       css, frame.at_x(curve.x[i]), frame.at_y(curve.y[i]), escape_html(curve.label), curve.x[i],
                       chart.percent ? 100 * curve.y[i] : curve.y[i], chart.percent ? " %" : "");
        out += "</title></circle>";
      }
      continue;
    }
    std::vector<double> raw_x = curve.x;
    std::vector<double> raw_y = curve.y;
    detail::thin_out(raw_x, raw_y);
    detail::append_path(out, frame, raw_x, raw_y, "raw " + css);
    raw_x = curve.x;
    raw_y = smooth(curve.y, reach);
    if (chart.full_scale) {  // the line's end may leave the range of the shares by a little
      for (double& y_smooth : raw_y) y_smooth = std::isfinite(y_smooth) ? std::clamp(y_smooth, 0.0, 1.0) : y_smooth;
    }
    detail::thin_out(raw_x, raw_y);
    detail::append_path(out, frame, raw_x, raw_y, "curve " + css);
  }
  return out + "</svg>";
}

/// The stack as an SVG element.  Layers are smoothed like curves are.
[[nodiscard]] inline std::string to_svg(stacked_chart const& chart) {
  detail::plot_frame frame;
  frame.width = 980;
  frame.height = 280;
  bool const has_data = !chart.x.empty() && !chart.layers.empty();
  if (has_data) {
    frame.x = {chart.x.front(), chart.x.back()};
    if (!(frame.x.low < frame.x.high)) frame.x = {chart.x.front() - 0.5, chart.x.front() + 0.5};
  }
  std::string out;
  detail::open_svg(out, frame, chart.title);
  std::vector<double> floor(chart.x.size(), 0.0);
  std::vector<double> x = chart.x;
  if (x.size() == 1) {  // a lone step fills the width
    x = {frame.x.low, frame.x.high};
    floor = {0, 0};
  }
  // Areas below the grid, so that its lines stay visible; every k-th point is enough for a smoothed edge.
  std::size_t const stride = std::max<std::size_t>(1, x.size() / line_chart::most_points);
  std::string areas;
  for (std::size_t l = 0; has_data && l < chart.layers.size(); ++l) {
    std::vector<double> share = chart.layers[l].y;
    for (double& value : share) value = std::isfinite(value) ? std::max(value, 0.0) : 0.0;
    share = smooth(share, smoothing_reach(share.size()));
    for (double& value : share) value = std::max(value, 0.0);
    share.resize(x.size(), share.empty() ? 0.0 : share.back());
    std::vector<double> ceiling(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) ceiling[i] = std::min(floor[i] + share[i], 1.0);
    detail::append(areas, "<path class=\"area s{}\" d=\"", chart.layers[l].colour % 8);
    auto const point = [&](std::size_t i, std::vector<double> const& edge, bool first) {
      detail::append(areas, "{}{:.1f} {:.1f}", first ? "M" : "L", frame.at_x(x[i]), frame.at_y(edge[i]));
    };
    std::vector<std::size_t> used;
    for (std::size_t i = 0; i < x.size(); i += stride) used.push_back(i);
    if (used.back() != x.size() - 1) used.push_back(x.size() - 1);
    for (std::size_t k = 0; k < used.size(); ++k) point(used[k], ceiling, k == 0);
    for (std::size_t k = used.size(); k > 0; --k) point(used[k - 1], floor, false);
    detail::append(areas, "Z\"><title>{}</title></path>", escape_html(chart.layers[l].label));
    floor = ceiling;
  }
  out += areas;
  detail::append_axes(out, frame, true, has_data);
  return has_data ? out + "</svg>" : out;
}

/// Dots with whiskers: one panel of rows per column of the table, on a common axis from 0 to 100 %.
[[nodiscard]] inline std::string to_svg(comparison_table const& table) {
  constexpr double row_height = 22;
  detail::plot_frame frame;
  frame.left = 150;
  frame.top = 8;
  frame.right = 20;
  frame.bottom = 24;
  double const panel = 24 + row_height * static_cast<double>(table.rows.size());
  frame.height = frame.top + frame.bottom + panel * static_cast<double>(table.columns.size());
  std::string out;
  detail::open_svg(out, frame, table.caption);
  double const floor = frame.height - frame.bottom;
  for (double const share : {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}) {
    double const at = frame.at_x(share);
    detail::append(out, "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:g}\" y2=\"{2:g}\"/>", at, frame.top,
                   floor);
    detail::append(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:g}\">{:.0f}%</text>", at,
                   floor + 15, 100 * share);
  }
  for (std::size_t column = 0; column < table.columns.size(); ++column) {
    double const top = frame.top + panel * static_cast<double>(column);
    detail::append(out, "<text class=\"panel\" x=\"0\" y=\"{:g}\">{}</text>", top + 14,
                   escape_html(shorten(table.columns[column], 24)));
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
      double const at = top + 24 + row_height * (static_cast<double>(row) + 0.5) - 3;
      estimate const cell = column < table.rows[row].cells.size() ? table.rows[row].cells[column] : estimate{};
      detail::append(out, "<text class=\"label\" text-anchor=\"end\" x=\"{:g}\" y=\"{:.1f}\">{}</text>",
                     frame.left - 12, at + 4, escape_html(shorten(table.rows[row].name, 22)));
      if (!std::isfinite(cell.value)) continue;
      if (std::isfinite(cell.half_width)) {
        detail::append(out,
                       "<line class=\"whisker s{0}\" x1=\"{1:.1f}\" x2=\"{2:.1f}\" y1=\"{3:.1f}\" y2=\"{3:.1f}\"/>",
                       row % 8, frame.at_x(std::clamp(cell.value - cell.half_width, 0.0, 1.0)),
                       frame.at_x(std::clamp(cell.value + cell.half_width, 0.0, 1.0)), at);
      }
      detail::append(out, "<circle class=\"dot s{}\" r=\"4.5\" cx=\"{:.1f}\" cy=\"{:.1f}\"><title>{}</title></circle>",
                     row % 8, frame.at_x(std::clamp(cell.value, 0.0, 1.0)), at, escape_html(percentage(cell)));
    }
  }
  return out + "</svg>";
}

}  // namespace report
RLVR_NAMESPACE_END
