// SPDX-License-Identifier: MIT
/// @file
/// Combinators: a token objective with a penalty is a token objective again.
///
///   kl_penalised{f, kl, beta}         f + beta * kl        KL in the loss (GRPO, 2402.03300, eq. 3)
///   entropy_regularised{f, c}         f - c * entropy      c > 0 rewards entropy
///   weighted_sum{w1, f1, w2, f2}      w1 f1 + w2 f2        nest it for more terms
///   importance_weighted{f}            sample.weight * f    the weight is a constant (truncated IS, IcePop, masks)
///   restricted_to{f, which}           f on tokens that are (not) `selected`, 0 elsewhere
///
/// The order of nesting says what a weight covers: `kl_penalised{importance_weighted{f}, kl, beta}` leaves the KL term
/// unweighted (TRL), `importance_weighted{kl_penalised{f, kl, beta}}` weighs it too (prime-rl).
///
/// A coefficient of exactly 0 switches its term off: the term is not evaluated, so a reference log-probability or an
/// entropy that was never computed may hold NaN.  A token of weight 0, or outside a restriction, has loss and gradient
/// exactly 0 but still counts as clipped where it would be: the metrics describe the policy, not the weights.  `clip`
/// and `kl` (metrics) come from the wrapped objective; of a weighted sum, from the first operand that clips, and the
/// weighted sum of both.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <concepts>

RLVR_NAMESPACE_BEGIN

/// `objective + beta * kl`.  Which estimator has which expected gradient: rl/kl.hpp.
template <class Objective, class Kl = k3>
struct kl_penalised {
  Objective objective{};
  Kl kl{};
  double beta = 0.001;

  template <std::floating_point T>
  requires(token_objective<Objective, T> && (kl_estimator<Kl, T> || sample_kl_estimator<Kl, T>))
      [[nodiscard]] RLVR_HD loss_value<T>
      operator()(token_sample<T> const& sample) const {
    loss_value<T> loss = objective(sample);
    if (beta == 0) return loss;
    kl_value<T> penalty{};
    if constexpr (kl_estimator<Kl, T>) {
      penalty = kl(sample.log_prob, sample.reference_log_prob);
    } else {
      penalty = kl(sample);
    }
    loss.value += static_cast<T>(beta) * penalty.value;
    loss.d_log_prob += static_cast<T>(beta) * penalty.d_log_prob;
    loss.kl += penalty.value;
    return loss;
  }
};
template <class Objective, class Kl>
kl_penalised(Objective, Kl) -> kl_penalised<Objective, Kl>;
template <class Objective, class Kl>
kl_penalised(Objective, Kl, double) -> kl_penalised<Objective, Kl>;

/// `objective - coefficient * entropy`.
template <class Objective>
struct entropy_regularised {
  Objective objective{};
  double coefficient = 0.001;

  template <std::floating_point T>
  requires token_objective<Objective, T>
  [[nodiscard]] RLVR_HD constexpr loss_value<T> operator()(token_sample<T> const& sample) const {
    loss_value<T> loss = objective(sample);
    if (coefficient == 0) return loss;
    loss.value -= static_cast<T>(coefficient) * sample.entropy;
    loss.d_entropy -= static_cast<T>(coefficient);
    return loss;
  }
};
template <class Objective>
entropy_regularised(Objective) -> entropy_regularised<Objective>;
template <class Objective>
entropy_regularised(Objective, double) -> entropy_regularised<Objective>;

/// `first_weight * first + second_weight * second`.
template <class First, class Second>
struct weighted_sum {
  double first_weight = 1;
  First first{};
  double second_weight = 1;
  Second second{};

  template <std::floating_point T>
  requires(token_objective<First, T>&& token_objective<Second, T>) [[nodiscard]] RLVR_HD constexpr loss_value<T>
  operator()(token_sample<T> const& sample) const {
    loss_value<T> loss{};
    if (first_weight != 0) accumulate(loss, static_cast<T>(first_weight), first(sample));
    if (second_weight != 0) accumulate(loss, static_cast<T>(second_weight), second(sample));
    return loss;
  }

 private:
  template <class T>
  RLVR_HD static constexpr void accumulate(loss_value<T>& sum, T weight, loss_value<T> const& term) {
    sum.value += weight * term.value;
    sum.d_log_prob += weight * term.d_log_prob;
    sum.d_entropy += weight * term.d_entropy;
    sum.kl += weight * term.kl;
    if (sum.clip == clip_region::none) sum.clip = term.clip;
  }
};
template <class First, class Second>
weighted_sum(double, First, double, Second) -> weighted_sum<First, Second>;

namespace detail {

/// `loss` times a constant.
template <std::floating_point T>
[[nodiscard]] RLVR_HD constexpr loss_value<T> scaled(loss_value<T> const& loss, T factor) {
  if (factor == T(0)) return {.clip = loss.clip};
  return {.value = factor * loss.value,
          .d_log_prob = factor * loss.d_log_prob,
          .d_entropy = factor * loss.d_entropy,
          .kl = loss.kl,
          .clip = loss.clip};
}

}  // namespace detail

/// `sample.weight * objective`.  Around an objective whose gradient goes through a row (`sequence_clip` with
/// `sequence_gradient::sequence`, `gmpo`) the weight has to be the same at every token of the row for the gradient to
/// be exact; so has the choice of `restricted_to`.
template <class Objective>
struct importance_weighted {
  Objective objective{};

  template <std::floating_point T>
  requires token_objective<Objective, T>
  [[nodiscard]] RLVR_HD constexpr loss_value<T> operator()(token_sample<T> const& sample) const {
    return detail::scaled(objective(sample), sample.weight);
  }
};
template <class Objective>
importance_weighted(Objective) -> importance_weighted<Objective>;

/// Which tokens `restricted_to` leaves in the loss.
enum class token_choice : unsigned char {
  selected,     ///< those that a pass over the batch has selected (high-entropy tokens)
  not_selected  ///< the others (Clip-Cov)
};

/// `objective` on the tokens of one choice.
template <class Objective>
struct restricted_to {
  Objective objective{};
  token_choice choice = token_choice::selected;

  template <std::floating_point T>
  requires token_objective<Objective, T>
  [[nodiscard]] RLVR_HD constexpr loss_value<T> operator()(token_sample<T> const& sample) const {
    return detail::scaled(objective(sample), sample.selected == (choice == token_choice::selected) ? T(1) : T(0));
  }
};
template <class Objective>
restricted_to(Objective) -> restricted_to<Objective>;
template <class Objective>
restricted_to(Objective, token_choice) -> restricted_to<Objective>;

RLVR_NAMESPACE_END
