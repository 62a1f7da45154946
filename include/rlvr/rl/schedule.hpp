// SPDX-License-Identifier: MIT
/// @file
/// Learning-rate schedules: functions from the step (counted from 1, as AdamW's t) to a factor of the learning rate.
///
///   warm-up   step / warmup_steps for step < warmup_steps: the first step already moves, step warmup_steps has factor
///   1 then      constant: 1     linear: 1 -> final_factor     cosine: 1 -> final_factor along half a cosine
///
/// The decay reaches final_factor at `total_steps` and stays there.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// Requirements on a schedule: step (from 1) to a factor.
template <class Schedule>
concept learning_rate_schedule = std::is_trivially_copyable_v<Schedule> &&
    requires(Schedule const& schedule, std::int64_t step) {
  { schedule(step) } -> std::same_as<double>;
};

namespace detail {

/// Share of the way from the end of the warm-up to the last step, in [0, 1].
RLVR_HD constexpr double decay_progress(std::int64_t step, std::int64_t warmup_steps, std::int64_t total_steps) {
  if (step <= warmup_steps) return 0;
  if (step >= total_steps) return 1;
  return static_cast<double>(step - warmup_steps) / static_cast<double>(total_steps - warmup_steps);
}

RLVR_HD constexpr double warmup_factor(std::int64_t step, std::int64_t warmup_steps) {
  return step < warmup_steps ? static_cast<double>(step) / static_cast<double>(warmup_steps) : 1;
}

inline void validate_schedule(std::int64_t warmup_steps, std::int64_t total_steps, double final_factor) {
  if (warmup_steps < 0) throw argument_error("schedule: warmup_steps must not be negative");
  if (total_steps <= warmup_steps) throw argument_error("schedule: total_steps must be greater than warmup_steps");
  if (!(final_factor >= 0 && final_factor <= 1)) throw argument_error("schedule: final_factor must lie in [0, 1]");
}

}  // namespace detail

/// Warm-up (none by default), then 1.
struct constant_schedule {
  std::int64_t warmup_steps = 0;

  [[nodiscard]] RLVR_HD constexpr double operator()(std::int64_t step) const {
    return detail::warmup_factor(step, warmup_steps);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (warmup_steps < 0) throw argument_error("schedule: warmup_steps must not be negative");
  }
};

/// Warm-up, then a straight line to `final_factor` at `total_steps`.
struct linear_schedule {
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 1;
  double final_factor = 0;

  [[nodiscard]] RLVR_HD constexpr double operator()(std::int64_t step) const {
    double const progress = detail::decay_progress(step, warmup_steps, total_steps);
    return detail::warmup_factor(step, warmup_steps) * (1 - (1 - final_factor) * progress);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const { detail::validate_schedule(warmup_steps, total_steps, final_factor); }
};

/// Warm-up, then half a cosine to `final_factor` at `total_steps`.
struct cosine_schedule {
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 1;
  double final_factor = 0;

  [[nodiscard]] RLVR_HD double operator()(std::int64_t step) const {
    constexpr double pi = 3.14159265358979323846;
    double const progress = detail::decay_progress(step, warmup_steps, total_steps);
    double const wave = 0.5 * (1 + std::cos(pi * progress));
    return detail::warmup_factor(step, warmup_steps) * (final_factor + (1 - final_factor) * wave);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const { detail::validate_schedule(warmup_steps, total_steps, final_factor); }
};

static_assert(learning_rate_schedule<constant_schedule> && learning_rate_schedule<linear_schedule>);
static_assert(learning_rate_schedule<cosine_schedule>);

RLVR_NAMESPACE_END
