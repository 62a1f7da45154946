// SPDX-License-Identifier: MIT
// Ticks by their defining properties, labels by example, smoothing against lines and against the plain mean.
#include <rlvr/report/svg.hpp>

#include <cmath>
#include <limits>
#include <random>
#include <support/catch.hpp>

using namespace rlvr::report;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::size_t count(std::string const& text, std::string const& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

line_chart chart_of(std::vector<double> y) {
  line_chart chart;
  series curve;
  curve.label = "curve";
  curve.y = std::move(y);
  for (std::size_t i = 0; i < curve.y.size(); ++i) curve.x.push_back(static_cast<double>(i + 1));
  chart.curves.push_back(curve);
  return chart;
}

}  // namespace

TEST_CASE("ticks are round, inside the range, evenly spaced and neither few nor many") {
  INFO("seed 11");
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> exponent(-8, 8);
  std::uniform_real_distribution<double> offset(-3, 3);
  for (int round = 0; round < 2000; ++round) {
    double const width = std::pow(10, exponent(random));
    value_range const range{offset(random) * width, 0};
    value_range const full{range.low, range.low + width};
    axis_ticks const result = ticks(full, 5);
    CAPTURE(full.low, full.high, result.step);
    REQUIRE(result.at.size() >= 3);
    REQUIRE(result.at.size() <= 8);
    double const mantissa = result.step / std::pow(10, std::floor(std::log10(result.step) + 1e-9));
    REQUIRE((std::abs(mantissa - 1) < 1e-6 || std::abs(mantissa - 2) < 1e-6 || std::abs(mantissa - 5) < 1e-6));
    for (double const tick : result.at) {
      REQUIRE(tick >= full.low - 1e-6 * width);
      REQUIRE(tick <= full.high + 1e-6 * width);
      REQUIRE(std::abs(tick / result.step - std::round(tick / result.step)) < 1e-6);
    }
    REQUIRE(result.at.front() - result.step < full.low);
    REQUIRE(result.at.back() + result.step > full.high);
  }
}

TEST_CASE("ticks of known axes") {
  CHECK(ticks({0, 1}, 5).at == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(ticks({1, 240}, 6, 1).at == std::vector<double>{50, 100, 150, 200});
  CHECK(ticks({1, 3}, 6, 1).at == std::vector<double>{1, 2, 3});
  CHECK(ticks({-1, 1}, 5).at == std::vector<double>{-1, -0.5, 0, 0.5, 1});
  CHECK(ticks({7, 7}).at == std::vector<double>{7});
  double const huge = std::numeric_limits<double>::max();
  for (value_range const range : {value_range{1e20, std::nextafter(1e20, huge)}, value_range{0, 5e-324},
                                  value_range{-huge, huge}, value_range{0, huge}}) {
    std::size_t const found = ticks(range).at.size();
    CHECK((found >= 1 && found <= 11));
  }
}

TEST_CASE("tick labels") {
  CHECK(tick_label(0, 0.1) == "0");
  CHECK(tick_label(0.6000000000000001, 0.2) == "0.6");
  CHECK(tick_label(-0.05, 0.05) == "\u22120.05");
  CHECK(tick_label(12500, 500) == "12,500");
  CHECK(tick_label(1234567, 1) == "1,234,567");
  CHECK(tick_label(20000000, 5000000) == "2\u00d710\u2077");
  CHECK(tick_label(-2.5e-6, 5e-7) == "\u22122.5\u00d710\u207b\u2076");
}

TEST_CASE("smoothing keeps straight lines, averages inside, and passes over gaps") {
  std::vector<double> line;
  for (int i = 0; i < 40; ++i) line.push_back(3.0 - 0.25 * i);
  auto const smoothed = smooth(line, 6);
  for (std::size_t i = 0; i < line.size(); ++i) CHECK(smoothed[i] == Approx(line[i]).margin(1e-12));

  std::vector<double> values{1, 5, 2, 8, 4, 4, 9};
  CHECK(smooth(values, 2)[3] == Approx((5 + 2 + 8 + 4 + 4) / 5.0));
  CHECK(smooth(values, 0) == values);
  values[2] = not_a_number;
  CHECK(std::isnan(smooth(values, 2)[2]));
  values = {not_a_number, 4, not_a_number};
  CHECK(smooth(values, 2)[1] == 4);
  CHECK(smooth({}, 3).empty());
}

TEST_CASE("a chart of no, one, few, many and missing points") {
  CHECK(count(to_svg(chart_of({})), "no data") == 1);
  CHECK(count(to_svg(line_chart{}), "no data") == 1);
  CHECK(count(to_svg(chart_of({not_a_number, INFINITY})), "no data") == 1);
  CHECK_FALSE(chart_of({not_a_number}).has_points());

  std::string const one = to_svg(chart_of({0.5}));
  CHECK(count(one, "<circle") == 1);
  CHECK(count(one, "nan") + count(one, "inf") == 0);
  CHECK(count(to_svg(chart_of({0, 0, 0})), "<circle") == 3);
  line_chart never = chart_of({0, 0, 0});
  never.percent = never.from_zero = true;
  CHECK(count(to_svg(never), "1.0%") == 1);  // a plain scale, no powers of ten
  CHECK(count(to_svg(never), "\u00d7") == 0);

  for (double const extreme : {1e308, 5e-324, 1e20}) {
    CHECK(count(to_svg(chart_of({-extreme, extreme, 0, std::nextafter(extreme, 0)})), "nan") == 0);
  }

  std::vector<double> gap(50, 1.0);
  gap[20] = not_a_number;
  gap[21] = -INFINITY;
  std::string const gapped = to_svg(chart_of(gap));
  CHECK(count(gapped, "<path") == 2);  // single steps and the smooth line
  CHECK(count(gapped, "M") == 4);      // each in two pieces
  CHECK(count(gapped, "nan") + count(gapped, "inf") == 0);
  CHECK(gapped.ends_with("</svg>"));
}

TEST_CASE("a long run keeps its spikes and a bounded size") {
  std::vector<double> values(100000, 1.0);
  values[54321] = 77;
  std::string const svg = to_svg(chart_of(values));
  CHECK(svg.size() < 40000);
  detail::plot_frame frame;  // the spike reaches the top region of the plot: 77 of an axis that ends at 81.56
  frame.y = padded({1, 77});
  CHECK(count(svg, fmt::format("{:.1f}", frame.at_y(77))) >= 1);
}

TEST_CASE("a stack of shares fills the plot and survives odd values") {
  stacked_chart chart;
  chart.x = {1, 2, 3};
  for (int i = 0; i < 2; ++i) {
    series layer;
    layer.label = i == 0 ? "correct" : "wrong";
    layer.y = {0.5, i == 0 ? not_a_number : 2.0, 0.5};
    chart.layers.push_back(layer);
  }
  std::string const svg = to_svg(chart);
  CHECK(count(svg, "<path class=\"area") == 2);
  CHECK(count(svg, "nan") == 0);
  detail::plot_frame const frame;
  CHECK(count(svg, fmt::format(" {:.1f}L", frame.top)) >= 1);  // the shares of step 1 add up to the top
  chart.x = {9};
  for (auto& layer : chart.layers) layer.y = {0.5};
  CHECK(count(to_svg(chart), "<path class=\"area") == 2);
  CHECK(count(to_svg(stacked_chart{}), "no data") == 1);
}
