// SPDX-License-Identifier: MIT
/// @file
/// Groups of comparisons with golden numbers, one printed line each.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

/// Counts groups as passed or failed; prints the first five deviations of a group.
class verdicts {
 public:
  void begin(std::string name) {
    end();
    name_ = std::move(name);
  }
  /// |found - expected| <= tolerance.  NaN fails.
  void near(std::string const& what, double found, double expected, double tolerance) {
    ++values_;
    double const share = tolerance > 0 ? std::fabs(found - expected) / tolerance : (found == expected ? 0.0 : INFINITY);
    worst_ = std::max(worst_, std::isnan(share) ? INFINITY : share);
    if (share <= 1) return;
    if (++wrong_ <= 5)
      std::printf("     %s: found %.9g, expected %.9g within %.3g\n", what.c_str(), found, expected, tolerance);
  }
  void same(std::string const& what, std::vector<std::int32_t> const& found, nlohmann::json const& expected) {
    ++values_;
    if (nlohmann::json(found) == expected) return;
    ++wrong_;
    std::printf("     %s: found %s, expected %s\n", what.c_str(), nlohmann::json(found).dump().c_str(),
                expected.dump().c_str());
  }
  void fail(std::string const& why) {
    ++values_;
    ++wrong_;
    std::printf("     %s\n", why.c_str());
  }
  void end() {
    if (name_.empty()) return;
    bool const ok = wrong_ == 0 && values_ > 0;
    ++(ok ? passed_ : failed_);
    std::printf("%s %s: %zu values, %zu wrong, largest deviation %.2g of its tolerance\n", ok ? "ok  " : "FAIL",
                name_.c_str(), values_, wrong_, worst_);
    std::fflush(stdout);
    name_.clear();
    values_ = wrong_ = 0;
    worst_ = 0;
  }
  [[nodiscard]] std::size_t passed() const { return passed_; }
  [[nodiscard]] std::size_t failed() const { return failed_; }

 private:
  std::string name_;
  std::size_t values_ = 0, wrong_ = 0, passed_ = 0, failed_ = 0;
  double worst_ = 0;
};
