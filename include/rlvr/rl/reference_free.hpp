// SPDX-License-Identifier: MIT
/// @file
/// Preference losses that need no reference policy.  With l_c and l_r the log-probabilities of the two responses (of
/// the whole response for CPO, the mean over its tokens for SimPO and ORPO), b = beta, ls = log sigmoid:
///
///   cpo             -(1 - e) ls(b (l_c - l_r)) - e ls(b (l_r - l_c))    2401.08417; plus an SFT term, see below
///   simpo           the same of b (l_c - l_r) - gamma                   2405.14734, eq. 6
///   orpo            -b ls(o_c - o_r), o = l - log(1 - e^l)              2403.07691, eq. 6-7; plus an SFT term
///   bradley_terry   -ls(c - r - margin)                                 reward model, c and r its scores; 2307.09288
///
/// The SFT term is `preference_options::sft_weight` (rl/preference_batch.hpp).  `length_normalised` divides sums by
/// their lengths; `transformed{alpha_reward{a}, simpo{}}` is AlphaPO.  hinge and ipo (rl/preference.hpp) take
/// log-probabilities as well as log-ratios.  TRL @ f2cd57710ae3 experimental/{cpo,orpo}; Liger @ ead96b618e5c; SimPO's
/// own values from princeton-nlp/SimPO @ 005072f88c6f.
///
/// orpo: do / dl = 1 / (1 - e^l).  A response of probability 1 has infinite odds: l is clamped at -`min_nll`, with
/// derivative 0 beyond, so every value is finite down to l = -1e6.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/preference.hpp>
#include <rlvr/rl/preference_score.hpp>

#include <cmath>
#include <concepts>

RLVR_NAMESPACE_BEGIN
namespace preference {

/// Contrastive preference optimisation: `dpo` with a uniform reference.
using cpo = dpo;

/// The logistic loss with a target margin on mean log-probabilities.
struct simpo {
  double beta = 2;             ///< its authors' models: 2 to 2.5; TRL, Liger: 0.1
  double gamma = 0.5;          ///< target margin between the rewards; TRL, Liger; its authors: 0.1 to 0.8 times beta
  double label_smoothing = 0;  ///< in [0, 1/2)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> of_margin(T x) const {
    T const b = static_cast<T>(beta);
    preference_value<T> const loss = dpo{1, label_smoothing}.of_margin(b * x - static_cast<T>(gamma));
    return {loss.value, b * loss.d_chosen, b * loss.d_rejected};
  }
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    return detail::from_margin(*this, pair);
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    detail::require_positive(beta, "simpo: beta");
    if (!(label_smoothing >= 0 && label_smoothing < 0.5))
      throw argument_error("simpo: label_smoothing must lie in [0, 1/2)");
  }
};

/// The odds-ratio part of ORPO; `chosen` and `rejected` are mean log-probabilities, <= 0.
struct orpo {
  double beta = 0.1;      ///< lambda in the paper
  double min_nll = 1e-6;  ///< log-probabilities above -min_nll are taken for it

  /// log(p / (1 - p)) and its derivative by log p.
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD score_value<T> log_odds(T log_prob) const {
    T const limit = static_cast<T>(-min_nll);
    bool const inside = !(log_prob > limit);
    T const l = inside ? log_prob : limit;
    T const rest = -std::expm1(l);  // 1 - p
    return {l - std::log(rest), inside ? T(1) / rest : T(0)};
  }
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    T const b = static_cast<T>(beta);
    score_value<T> const chosen = log_odds(pair.chosen);
    score_value<T> const rejected = log_odds(pair.rejected);
    T const ratio = chosen.value - rejected.value;
    T const slope = -b * math::sigmoid(-ratio);
    return {-b * math::log_sigmoid(ratio), slope * chosen.slope, -slope * rejected.slope};
  }
};

/// Reward-model training: -log P(chosen beats rejected by `margin`).
struct bradley_terry {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    T const x = pair.chosen - pair.rejected - pair.margin;
    T const slope = math::sigmoid(-x);
    return {-math::log_sigmoid(x), -slope, slope};
  }
};

static_assert(margin_loss<cpo> && margin_loss<simpo> && margin_loss<simpo, double>);
static_assert(preference_loss<orpo> && preference_loss<bradley_terry>);
static_assert(preference_loss<length_normalised<transformed<alpha_reward, simpo>>, double>);

}  // namespace preference
RLVR_NAMESPACE_END
