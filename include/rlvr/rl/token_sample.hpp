// SPDX-License-Identifier: MIT
/// @file
/// What a token loss reads (`token_sample`) and what it gives back (`loss_value`): its value *and* its derivatives, so
/// that a backend folds both into the one pass that writes the gradient of the logits.
///
/// A token objective is any trivially copyable callable `loss_value<T> (token_sample<T>)`.  It is evaluated per
/// generated token; `rlvr::aggregate` types turn the values of a batch into one loss.  Only `log_prob` and `entropy`
/// are differentiated; every other member is a constant.  Losses are minimised.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/dual.hpp>

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// The value of a limit that is switched off.
inline constexpr double unlimited = std::numeric_limits<double>::infinity();

/// What a token knows about the sequence it belongs to.  Sequence-level objectives read it; it is filled in a pass
/// over the batch before the loss (`summarise_sequence`, rl/sequence_pass.hpp), so it is a constant of the derivative:
/// an objective whose exact gradient goes through a sum over the sequence puts that sum's derivative into `d_log_prob`.
template <class T>
struct sequence_record {
  T length{};               ///< number of tokens that count
  T mean_log_ratio{};       ///< mean over those of log_prob - old_log_prob
  std::int64_t index = -1;  ///< row in the batch; -1: unknown
  T mean_advantage{};       ///< mean over those of the advantage
  T reward{};               ///< of the whole response; `topr` asks for its sign
  T term{};                 ///< sum over those of the objective's own `sequence_term`; 0 where it has none
  T mean_kl{};              ///< mean over those of the KL estimate that `sequence_ratio_weighted` multiplies
};

/// One generated token.  Construct it with designated initialisers only: `{.log_prob = l, .advantage = a}`.
/// T is float, double, or their `dual` (inside `differentiate`).
template <class T>
struct token_sample {
  T log_prob{};            ///< under the policy that is trained; carries the derivative
  T old_log_prob{};        ///< under the policy at the start of the step: denominator of the importance ratio
  T reference_log_prob{};  ///< under the frozen reference policy
  T behaviour_log_prob{};  ///< as the sampler reported it
  T advantage{};           ///< from `group_advantages` or another estimator
  T entropy{};             ///< of the policy at this position, nats; carries the derivative
  sequence_record<T> sequence{};
  T weight{1};            ///< importance weight, a constant: read by `importance_weighted` and `vespo`
  bool selected = false;  ///< chosen by a pass over the batch (rl/token_selection.hpp); what follows is the objective's
};

/// Where a clipped objective stood.  The regions exclude each other.
enum class clip_region : std::uint8_t {
  none,  ///< not clipped, or the objective does not clip
  low,   ///< clipped or dropped at the lower bound (of PPO's clip: advantage < 0)
  high,  ///< clipped or dropped at the upper bound (of PPO's clip: advantage > 0)
  dual   ///< capped by dual clip (advantage < 0, large ratio)
};

/// A token's loss.  `clip` and `kl` are for metrics, taken in the same pass; an objective may leave them alone.
template <std::floating_point T>
struct loss_value {
  T value{};
  T d_log_prob{};  ///< d value / d log_prob
  T d_entropy{};   ///< d value / d entropy
  T kl{};          ///< KL estimate contained in `value`, before its coefficient; 0 where there is none
  clip_region clip = clip_region::none;
};

/// A token loss over samples of T: small, trivially copyable, callable where the backend runs.
template <class Objective, class T = float>
concept token_objective = std::is_trivially_copyable_v<Objective> &&
    requires(Objective const& objective, token_sample<T> const& sample) {
  { objective(sample) } -> std::same_as<loss_value<T>>;
};

static_assert(std::is_trivially_copyable_v<token_sample<float>> && std::is_aggregate_v<token_sample<float>>);
static_assert(std::is_trivially_copyable_v<loss_value<float>> && std::is_aggregate_v<token_sample<dual<float>>>);

RLVR_NAMESPACE_END
