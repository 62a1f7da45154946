// SPDX-License-Identifier: MIT
/// @file
/// AdamW (Loshchilov and Hutter 2019, 1711.05101, algorithm 2) on one parameter.  At step t = 1, 2, ... with gradient
/// g:
///
///   m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
///   p = p (1 - lr weight_decay) - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
///
/// Weight decay is decoupled: a parameter with gradient 0 just decays.  Clip the gradient before.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// The update of one step: all that does not depend on the element is computed once, in double.
template <std::floating_point T>
struct adamw_update {
  T beta1{};
  T beta2{};
  T one_minus_beta1{};
  T one_minus_beta2{};
  T decay{};                  ///< 1 - lr weight_decay
  T rate{};                   ///< lr / (1 - beta1^t)
  T inverse_second_moment{};  ///< 1 / (1 - beta2^t)
  T epsilon{};

  /// Updates one parameter and its two moments in place.
  RLVR_HD void operator()(T& parameter, T& first_moment, T& second_moment, T gradient) const {
    // Everything is read before anything is written: a store to one might, for all a compiler knows, change another.
    T const first = beta1 * first_moment + one_minus_beta1 * gradient;
    T const second = beta2 * second_moment + one_minus_beta2 * gradient * gradient;
    parameter = parameter * decay - rate * first / (std::sqrt(second * inverse_second_moment) + epsilon);
    first_moment = first;
    second_moment = second;
  }
};

/// Settings of the optimiser.
struct adamw_rule {
  double learning_rate = 1e-6;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;

  /// The update of step `step` (the first is 1), its learning rate multiplied by `factor` (see rl/schedule.hpp).
  /// Throws argument_error for step < 1.
  template <std::floating_point T>
  [[nodiscard]] adamw_update<T> at(std::int64_t step, double factor = 1) const {
    if (step < 1) throw argument_error("adamw_rule: steps count from 1, not " + text_of(step));
    double const rate = learning_rate * factor;
    double const t = static_cast<double>(step);
    return {.beta1 = static_cast<T>(beta1),
            .beta2 = static_cast<T>(beta2),
            .one_minus_beta1 = static_cast<T>(1 - beta1),
            .one_minus_beta2 = static_cast<T>(1 - beta2),
            .decay = static_cast<T>(1 - rate * weight_decay),
            .rate = static_cast<T>(rate / (1 - std::pow(beta1, t))),
            .inverse_second_moment = static_cast<T>(1 / (1 - std::pow(beta2, t))),
            .epsilon = static_cast<T>(epsilon)};
  }

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(learning_rate >= 0)) throw argument_error("adamw_rule: learning_rate must not be negative");
    if (!(beta1 >= 0 && beta1 < 1)) throw argument_error("adamw_rule: beta1 must lie in [0, 1)");
    if (!(beta2 >= 0 && beta2 < 1)) throw argument_error("adamw_rule: beta2 must lie in [0, 1)");
    if (!(epsilon > 0)) throw argument_error("adamw_rule: epsilon must be positive");
    if (!(weight_decay >= 0)) throw argument_error("adamw_rule: weight_decay must not be negative");
  }
};

/// What clipping to `max_norm` multiplies a gradient of norm `norm` with: min(1, max_norm / (norm + 1e-6)), as
/// torch.nn.utils.clip_grad_norm_ does.
[[nodiscard]] RLVR_HD inline double clip_coefficient(double norm, double max_norm) {
  double const coefficient = max_norm / (norm + 1e-6);
  return coefficient < 1.0 ? coefficient : 1.0;
}

/// What a gradient of a given norm does to a step.
struct clipped_step {
  bool skipped;  ///< the norm is infinite or NaN
  float scale;   ///< of the gradient
};
/// @param norm  the gradient's; null: not clipped
[[nodiscard]] RLVR_HD inline clipped_step clip_step(double const* norm, double max_norm, float gradient_scale) {
  if (!norm) return {false, gradient_scale};
  if (!std::isfinite(*norm)) return {true, gradient_scale};
  return {false, gradient_scale * static_cast<float>(clip_coefficient(*norm, max_norm))};
}

static_assert(std::is_trivially_copyable_v<adamw_rule> && std::is_trivially_copyable_v<adamw_update<float>>);

RLVR_NAMESPACE_END
