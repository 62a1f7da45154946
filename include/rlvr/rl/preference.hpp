// SPDX-License-Identifier: MIT
/// @file
/// Losses on a pair of responses to one prompt, one of them preferred: the DPO family (Rafailov et al. 2023, arXiv
/// 2305.18290).  With d_c and d_r the log-ratios log pi - log pi_ref of the chosen and the rejected response (sums over
/// tokens), x = d_c - d_r, b = beta, e = label_smoothing, s = sigmoid, ls = log s:
///
///   loss        value                                       source
///   dpo         -(1 - e) ls(bx) - e ls(-bx)                 2305.18290, eq. 7; e > 0: cDPO
///   robust      (-(1 - e) ls(bx) + e ls(-bx)) / (1 - 2e)    2403.00409: unbiased under label noise e < 1/2
///   hinge       max(0, 1 - bx)                              SLiC, 2305.10425
///   ipo         (x - 1 / 2b)^2                              2310.12036, eq. 17
///   exo_pair    s(bx) (ls(bx) - log(1 - e)) + s(-bx) (ls(-bx) - log e)        2402.00856: KL to the smoothed label
///   nca_pair    -ls(b d_c) - (ls(-b d_c) + ls(-b d_r)) / 2  2402.05369
///   bco_pair    -ls(b d_c - delta) - ls(delta - b d_r)      2404.04656 on pairs
///   sppo_hard   (d_c - 1 / 2b)^2 + (d_r + 1 / 2b)^2         2405.00675
///   apo_zero    s(-b d_c) + s(b d_r)                        2408.06266
///   apo_down    s(b d_c) + s(-bx)                           2408.06266
///   discopop    -ls(bx) (1 - m) + e^(-bx) m, m = s(bx / tau)                  2406.08414
///
/// Formulas and defaults as TRL has them (@ f2cd57710ae3, trainer/dpo_trainer.py); OpenRLHF, ROLL, Liger and NeMo-RL
/// have subsets.  Losses are minimised.  Both derivatives are exact: differences of the sigmoid are never formed, and
/// ls(-z) = ls(z) - z is used where two logarithms would cancel.  All are finite for |d| <= 1e6 with b <= 1 (`ipo` and
/// `sppo_hard` grow as d^2, in float beyond 1e19 they overflow), discopop for tau < 1 only.
/// A *margin* loss is a function of x alone (all but nca_pair, bco_pair, sppo_hard, apo_*): those can be sorted,
/// rl/preference_batch.hpp.  Transformed and length-normalised log-ratios: rl/preference_score.hpp.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>

#include <cmath>
#include <concepts>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// What a pairwise loss reads.  Without a reference policy (SimPO, CPO, ORPO) the log-ratios are log-probabilities;
/// for a reward model they are its scores.
template <class T>
struct preference_sample {
  T chosen{};          ///< log-ratio of the preferred response; carries a derivative
  T rejected{};        ///< log-ratio of the other one; carries a derivative
  T chosen_length{1};  ///< tokens of the preferred response; read by `preference::length_normalised`
  T rejected_length{1};
  T margin{};  ///< how far apart the annotator saw the two; read by `preference::bradley_terry`
};

/// A pair's loss.
template <std::floating_point T>
struct preference_value {
  T value{};
  T d_chosen{};    ///< d value / d chosen
  T d_rejected{};  ///< d value / d rejected
};

/// A pairwise loss over numbers of T: small, trivially copyable, callable on host and device.
template <class Loss, class T = float>
concept preference_loss = std::is_trivially_copyable_v<Loss> &&
    requires(Loss const& loss, preference_sample<T> const& pair) {
  { loss(pair) } -> std::same_as<preference_value<T>>;
};

/// A preference loss that depends on x = chosen - rejected alone and says so: `loss.of_margin(x)` is its value and its
/// derivative by x, in `value` and `d_chosen`.
template <class Loss, class T = float>
concept margin_loss = preference_loss<Loss, T> && requires(Loss const& loss, T margin) {
  { loss.of_margin(margin) } -> std::same_as<preference_value<T>>;
};

namespace preference {

namespace detail {

/// The loss of a pair from its loss as a function of the margin.
template <class Loss, class T>
RLVR_HD constexpr preference_value<T> from_margin(Loss const& loss, preference_sample<T> const& pair) {
  return loss.of_margin(pair.chosen - pair.rejected);
}

/// Value and slope of a function of bx, as those of a function of x.
template <std::floating_point T>
RLVR_HD constexpr preference_value<T> scaled(T value, T slope, T beta) {
  return {value, beta * slope, -beta * slope};
}

/// Derivative of the sigmoid.
template <std::floating_point T>
RLVR_HD T sigmoid_slope(T x) {
  return math::sigmoid(x) * math::sigmoid(-x);
}

/// Throws where beta is not positive.
inline void require_positive(double beta, char const* what) {
  if (!(beta > 0)) throw argument_error(message(what) + " must be positive");
}

}  // namespace detail

/// The logistic loss.  `label_smoothing`: the probability that a label is wrong (cDPO).
struct dpo {
  double beta = 0.1;           ///< TRL, OpenRLHF, ROLL, NeMo-RL
  double label_smoothing = 0;  ///< in [0, 1/2)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> of_margin(T x) const {
    T const z = static_cast<T>(beta) * x;
    T const e = static_cast<T>(label_smoothing);
    T const flipped = label_smoothing == 0 ? T(0) : e * z;
    return detail::scaled(flipped - math::log_sigmoid(z), e - math::sigmoid(-z), static_cast<T>(beta));
  }
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    return detail::from_margin(*this, pair);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    detail::require_positive(beta, "dpo: beta");
    if (!(label_smoothing >= 0 && label_smoothing < 0.5))
      throw argument_error("dpo: label_smoothing must lie in [0, 1/2)");
  }
};

/// The logistic loss that is unbiased when labels are flipped with probability `label_smoothing`.  Not bounded below.
struct robust {
  double beta = 0.1;
  double label_smoothing = 0;  ///< in [0, 1/2)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> of_margin(T x) const {
    T const z = static_cast<T>(beta) * x;
    T const tilt = static_cast<T>(label_smoothing / (1 - 2 * label_smoothing));
    T const corrected = label_smoothing == 0 ? T(0) : tilt * z;
    return detail::scaled(-corrected - math::log_sigmoid(z), -tilt - math::sigmoid(-z), static_cast<T>(beta));
  }
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    return detail::from_margin(*this, pair);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    detail::require_positive(beta, "robust: beta");
    if (!(label_smoothing >= 0 && label_smoothing < 0.5))
      throw argument_error("robust: label_smoothing must lie in [0, 1/2)");
  }
};

/// Linear until the margin is 1 / beta.  At the kink the derivative is 0.
struct hinge {
  double beta = 0.1;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr preference_value<T> of_margin(T x) const {
    T const short_of = T(1) - static_cast<T>(beta) * x;
    if (!(short_of > T(0))) return {};
    return detail::scaled(short_of, T(-1), static_cast<T>(beta));
  }
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr preference_value<T> operator()(preference_sample<T> const& pair) const {
    return detail::from_margin(*this, pair);
  }
};

/// Squared distance to the margin 1 / (2 beta): does not push a sure preference to infinity.  TRL's form
/// is `length_normalised<ipo>`, OpenRLHF's and ROLL's this one.
struct ipo {
  double beta = 0.1;  ///< tau in the paper

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr preference_value<T> of_margin(T x) const {
    T const miss = x - static_cast<T>(1 / (2 * beta));
    return detail::scaled(miss * miss, 2 * miss, T(1));
  }
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr preference_value<T> operator()(preference_sample<T> const& pair) const {
    return detail::from_margin(*this, pair);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const { detail::require_positive(beta, "ipo: beta"); }
};

/// KL(policy's preference || smoothed label).  A label without noise has infinite KL: 0 stands for TRL's 1e-3.
struct exo_pair {
  double beta = 0.1;
  double label_smoothing = 1e-3;  ///< in (0, 1); 0: 1e-3

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> of_margin(T x) const {
    double const e = label_smoothing == 0 ? 1e-3 : label_smoothing;
    T const z = static_cast<T>(beta) * x;
    T const right = static_cast<T>(std::log1p(-e));
    T const wrong = static_cast<T>(std::log(e));
    T const value =
        math::sigmoid(z) * (math::log_sigmoid(z) - right) + math::sigmoid(-z) * (math::log_sigmoid(-z) - wrong);
    return detail::scaled(value, detail::sigmoid_slope(z) * (z - right + wrong), static_cast<T>(beta));
  }
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    return detail::from_margin(*this, pair);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    detail::require_positive(beta, "exo_pair: beta");
    if (!(label_smoothing >= 0 && label_smoothing < 1))
      throw argument_error("exo_pair: label_smoothing must lie in [0, 1)");
  }
};

/// A loss that an evolutionary search found: logistic, with an exponential share that grows with the margin.
struct discopop {
  double beta = 0.1;
  double tau = 0.05;  ///< < 1; TRL's discopop_tau

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> of_margin(T x) const {
    T const z = static_cast<T>(beta) * x;
    T const rate = static_cast<T>(1 / tau);
    T const share = math::sigmoid(rate * z);
    T const rest = math::sigmoid(-rate * z);
    T const exponential = std::exp(math::log_sigmoid(rate * z) - z);  // one exponential: e^-z alone may overflow
    T const logistic = math::log_sigmoid(z);
    T const slope = -math::sigmoid(-z) * rest + logistic * rate * share * rest + (rate * rest - T(1)) * exponential;
    return detail::scaled(exponential - logistic * rest, slope, static_cast<T>(beta));
  }
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    return detail::from_margin(*this, pair);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    detail::require_positive(beta, "discopop: beta");
    if (!(tau > 0 && tau < 1)) throw argument_error("discopop: tau must lie in (0, 1)");
  }
};

/// Noise-contrastive alignment: the chosen response is pushed up absolutely, not only against the rejected one.
struct nca_pair {
  double beta = 0.1;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    T const b = static_cast<T>(beta);
    T const c = b * pair.chosen;
    T const r = b * pair.rejected;
    return {-math::log_sigmoid(c) - T(0.5) * (math::log_sigmoid(-c) + math::log_sigmoid(-r)),
            b * (T(0.5) * math::sigmoid(c) - math::sigmoid(-c)), T(0.5) * b * math::sigmoid(r)};
  }
};

/// A classifier of good and bad responses, on pairs.
struct bco_pair {
  double beta = 0.1;
  double delta = 0;  ///< reward that counts as neutral; the mean reward in the paper, 0 in TRL and Liger

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    T const b = static_cast<T>(beta);
    T const c = b * pair.chosen - static_cast<T>(delta);
    T const r = b * pair.rejected - static_cast<T>(delta);
    return {-math::log_sigmoid(c) - math::log_sigmoid(-r), -b * math::sigmoid(-c), b * math::sigmoid(r)};
  }
};

/// Self-play preference optimisation with hard labels: each log-ratio has a target of its own, +-1 / (2 beta).
struct sppo_hard {
  double beta = 0.1;  ///< TRL, Liger; its authors: 0.001 (uclaml/SPPO @ 0a4a1c184bcb)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr preference_value<T> operator()(preference_sample<T> const& pair) const {
    T const target = static_cast<T>(1 / (2 * beta));
    T const c = pair.chosen - target;
    T const r = pair.rejected + target;
    return {c * c + r * r, 2 * c, 2 * r};
  }
};

/// Anchored: up with the chosen, down with the rejected response.  For a policy that is worse than the chosen ones.
struct apo_zero {
  double beta = 0.1;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    T const b = static_cast<T>(beta);
    T const c = b * pair.chosen;
    T const r = b * pair.rejected;
    return {math::sigmoid(-c) + math::sigmoid(r), -b * detail::sigmoid_slope(c), b * detail::sigmoid_slope(r)};
  }
};

/// Anchored: down with both, the rejected one faster.  For a policy that is better than the chosen ones.
struct apo_down {
  double beta = 0.1;

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    T const b = static_cast<T>(beta);
    T const c = b * pair.chosen;
    T const x = b * (pair.chosen - pair.rejected);
    T const apart = b * detail::sigmoid_slope(x);
    return {math::sigmoid(c) + math::sigmoid(-x), b * detail::sigmoid_slope(c) - apart, apart};
  }
};

/// first_weight * first + second_weight * second; nest it for more terms (MPO, 2411.10442: sigmoid .8, bco_pair .2).
/// A weight of exactly 0 switches its term off.
template <preference_loss First, preference_loss Second>
struct mixture {
  double first_weight = 1;
  First first{};
  double second_weight = 1;
  Second second{};

  template <std::floating_point T>
  requires(preference_loss<First, T>&& preference_loss<Second, T>) [[nodiscard]] RLVR_HD preference_value<T> operator()(
      preference_sample<T> const& pair) const {
    preference_value<T> sum{};
    if (first_weight != 0) add(sum, static_cast<T>(first_weight), first(pair));
    if (second_weight != 0) add(sum, static_cast<T>(second_weight), second(pair));
    return sum;
  }

 private:
  template <class T>
  RLVR_HD static constexpr void add(preference_value<T>& sum, T weight, preference_value<T> const& term) {
    sum.value += weight * term.value;
    sum.d_chosen += weight * term.d_chosen;
    sum.d_rejected += weight * term.d_rejected;
  }
};
template <class First, class Second>
mixture(double, First, double, Second) -> mixture<First, Second>;

static_assert(margin_loss<dpo> && margin_loss<robust, double> && margin_loss<hinge> && margin_loss<ipo>);
static_assert(margin_loss<exo_pair> && margin_loss<discopop, double>);
static_assert(preference_loss<nca_pair> && preference_loss<bco_pair> && preference_loss<sppo_hard, double>);
static_assert(preference_loss<apo_zero> && preference_loss<apo_down> && preference_loss<mixture<dpo, bco_pair>>);

}  // namespace preference
RLVR_NAMESPACE_END
