// SPDX-License-Identifier: MIT
/// @file
/// The optimiser's ops over a flat parameter arena.
#pragma once

#include <rlvr/core/dtype.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/shape.hpp>
#include <rlvr/rl/adamw_rule.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

RLVR_NAMESPACE_BEGIN
namespace ops {

/// result = sqrt(sum x^2), in double, blocks of fixed size folded in order: the same for any thread count.
struct global_norm {
  std::span<float const> values;
  double* result = nullptr;  ///< in the context's memory

  void validate() const {
    if (!result) throw argument_error("global_norm: no result");
  }
};

/// One AdamW step on every element (rl/adamw_rule.hpp); the gradient is multiplied by `gradient_scale` (clipping) and
/// zeroed afterwards.
///
/// What changes from step to step can lie in the context's memory, so that a recorded step is replayed with new values
/// and without asking the host: `update` instead of rule, step and factor; `norm`, from which the clipping follows.
struct adamw_step {
  std::span<float> parameter;
  std::span<float> gradient;
  std::span<float> first_moment;
  std::span<float> second_moment;
  adamw_rule rule;
  std::int64_t step = 1;  ///< counts from 1, for the bias correction
  double factor = 1.0;    ///< of the learning rate, from a schedule
  float gradient_scale = 1.0f;
  adamw_update<float> const* update = nullptr;  ///< in the context's memory: instead of rule, step and factor
  double const* norm = nullptr;                 ///< in the context's memory: the gradient's.  Clipped to `max_norm`,
                                                ///< on top of gradient_scale; not finite: the gradient is zeroed, that
                                                ///< is all
  double max_norm = 0.0;
  std::span<bf16> mirror{};  ///< the new parameters, rounded to nearest even; empty: not wanted

  void validate() const {
    rule.validate();
    require_extent("adamw_step: gradient", gradient.size(), parameter.size());
    require_extent("adamw_step: first moment", first_moment.size(), parameter.size());
    require_extent("adamw_step: second moment", second_moment.size(), parameter.size());
    if (!mirror.empty()) require_extent("adamw_step: mirror", mirror.size(), parameter.size());
    if (norm && !(max_norm >= 0)) throw argument_error("adamw_step: max_norm must not be negative");
    if (step < 1) throw argument_error("adamw_step: steps count from 1");
  }
};

}  // namespace ops
RLVR_NAMESPACE_END
