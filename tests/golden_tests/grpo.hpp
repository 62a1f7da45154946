// SPDX-License-Identifier: MIT
/// @file
/// GRPO's losses as files describe them: the policy term as one functor, whichever it is.
#pragma once

#include <rlvr/rl/importance_objectives.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/sequence_objectives.hpp>

#include "policy_loss_batch.hpp"

namespace golden {

/// The policy term of a case.
struct grpo_policy {
  enum class kind : unsigned char { token, sequence, capped } which = kind::token;
  rlvr::ppo_clip token{};
  rlvr::sequence_clip sequence{};
  rlvr::weighted_policy_gradient capped{};

  template <class T>
  [[nodiscard]] RLVR_HD rlvr::loss_value<T> operator()(rlvr::token_sample<T> const& sample) const {
    if (which == kind::token) return token(sample);
    return which == kind::sequence ? sequence(sample) : capped(sample);
  }
  template <class T>
  [[nodiscard]] RLVR_HD T sequence_term(rlvr::token_sample<T> const& sample) const {
    return which == kind::sequence ? sequence.sequence_term(sample) : T(0);
  }
};

[[nodiscard]] grpo_policy read_grpo_policy(case_data const& test);

/// The policy term of the case with its KL penalty.
template <class T>
[[nodiscard]] evaluated<T> evaluate_grpo(test_case<T> const& test, packed_batch<T>& batch);

}  // namespace golden
