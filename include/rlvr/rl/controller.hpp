// SPDX-License-Identifier: MIT
/// @file
/// Coefficients that follow a measurement.
///
///   fixed_coefficient     c
///   adaptive_kl           c *= 1 + clamp(kl / target - 1, -limit, limit) * steps / horizon
///                         Ziegler et al. 2019 (1909.08593), section 2.2; verl, OpenRLHF, SkyRL
///   adaptive_entropy      c += delta where entropy <= target, else c -= delta, within [lowest, highest];
///                         applied only where the last measured entropy was at most the target
///                         Skywork-OR1 (2505.22312), TRL @ f2cd57710ae3
///
/// A measurement that is not finite leaves the coefficient where it is.  The state is in the
/// members: keep them in a checkpoint.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <cstdint>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// A KL coefficient that stays.
struct fixed_coefficient {
  double coefficient = 0.001;  ///< verl 0.001, OpenRLHF 0.01

  RLVR_HD constexpr void update(double, std::int64_t) {}
};

/// A KL coefficient that steers the measured KL towards a target.
struct adaptive_kl {
  double coefficient = 0.2;  ///< its state; first the initial coefficient (ROLL 0.2, OpenRLHF 0.01, verl 0.001)
  double target = 0.1;       ///< verl
  double horizon = 10000;    ///< in the unit of `steps`; verl, OpenRLHF
  double limit = 0.2;        ///< of the relative error

  /// @param steps  how much was measured since the last update (verl: responses of the batch)
  RLVR_HD void update(double measured, std::int64_t steps) {
    if (!std::isfinite(measured)) return;
    double const error = math::clamp(measured / target - 1, -limit, limit);
    coefficient *= 1 + error * static_cast<double>(steps) / horizon;
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(target > 0)) throw argument_error("adaptive_kl: target must be positive");
    if (!(horizon > 0)) throw argument_error("adaptive_kl: horizon must be positive");
    if (!(limit >= 0)) throw argument_error("adaptive_kl: limit must not be negative");
  }
};

/// An entropy coefficient that keeps the entropy from falling below a target.
struct adaptive_entropy {
  double coefficient = 0;  ///< its state; first the initial coefficient
  double target = 0.2;     ///< TRL's defaults, as the following
  double delta = 0.005;    ///< change per update
  double lowest = 0;
  double highest = 1;
  double measured = 0;  ///< entropy of the last step; before the first one the coefficient is applied

  /// The coefficient of the step that begins: 0 while the entropy is above the target.
  [[nodiscard]] RLVR_HD constexpr double applied() const { return measured <= target ? coefficient : 0; }
  RLVR_HD void update(double entropy) {
    if (!std::isfinite(entropy)) return;
    measured = entropy;
    coefficient = math::clamp(coefficient + (entropy <= target ? delta : -delta), lowest, highest);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(lowest <= highest)) throw argument_error("adaptive_entropy: lowest must not exceed highest");
    if (!(delta >= 0)) throw argument_error("adaptive_entropy: delta must not be negative");
  }
};

static_assert(std::is_trivially_copyable_v<adaptive_kl> && std::is_trivially_copyable_v<adaptive_entropy>);

RLVR_NAMESPACE_END
