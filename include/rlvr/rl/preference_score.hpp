// SPDX-License-Identifier: MIT
/// @file
/// What stands in the place of a log-ratio: combinators that make a preference loss from a preference loss.
///
///   length_normalised<L>   L of d_c / n_c and d_r / n_r            IPO in TRL; `sigmoid_norm`; SimPO (2405.14734)
///   transformed<S, L>      L of S(d_c) and S(d_r), with S one of
///     reverse_kl_score     d                                       DPO: the divergence is KL(pi || ref)
///     forward_kl_score     -e^-d                                   f-DPO, Wang et al. 2023 (2309.16240), table 1
///     js_score             log s(d), s the sigmoid                 the same
///     alpha_score          e^((a - 1) d) / (a - 1)                 the same; a = 0 is forward KL, a -> 1 reverse KL
///     alpha_reward         (1 - e^(-a l)) / a, a -> 0: l           AlphaPO (2501.03884), of the mean log-prob l
///
/// Derivatives by the chain rule.  Exponents are clamped at `max_exponent`, beyond which the derivative is 0 (TRL
/// clamps at log of the largest number of the type): d = -1e3 is finite.  A length below 1 counts as 1.
/// `transformed{score, length_normalised{L}}` divides what the score returned (TRL's IPO under an f-divergence);
/// `length_normalised{transformed{score, L}}` divides first (AlphaPO).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/preference.hpp>

#include <cmath>
#include <concepts>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace preference {

/// A transformed log-ratio and its derivative.
template <std::floating_point T>
struct score_value {
  T value{};
  T slope{};
};

/// A function of one log-ratio.
template <class Score, class T = float>
concept log_ratio_score = std::is_trivially_copyable_v<Score> && requires(Score const& score, T log_ratio) {
  { score(log_ratio) } -> std::same_as<score_value<T>>;
};

namespace detail {

/// e^x and its derivative, x clamped from above.
template <std::floating_point T>
RLVR_HD score_value<T> bounded_exp(T x, double max_exponent) {
  T const limit = static_cast<T>(max_exponent);
  T const result = std::exp(x > limit ? limit : x);
  return {result, x > limit ? T(0) : result};
}

}  // namespace detail

/// d itself.
struct reverse_kl_score {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr score_value<T> operator()(T log_ratio) const {
    return {log_ratio, T(1)};
  }
};

/// -e^-d.
struct forward_kl_score {
  double max_exponent = 80;  ///< e^80 = 5.5e34 still fits a float

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD score_value<T> operator()(T log_ratio) const {
    score_value<T> const growth = detail::bounded_exp(-log_ratio, max_exponent);
    return {-growth.value, growth.slope};
  }
};

/// log s(d): Jensen-Shannon, up to a constant.
struct js_score {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD score_value<T> operator()(T log_ratio) const {
    return {math::log_sigmoid(log_ratio), math::sigmoid(-log_ratio)};
  }
};

/// e^((alpha - 1) d) / (alpha - 1); for alpha = 1 its limit up to a constant, d.
struct alpha_score {
  double alpha = 0.5;        ///< TRL: 0.5
  double max_exponent = 80;  ///< as above

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD score_value<T> operator()(T log_ratio) const {
    if (alpha == 1) return {log_ratio, T(1)};
    T const rate = static_cast<T>(alpha - 1);
    score_value<T> const growth = detail::bounded_exp(rate * log_ratio, max_exponent);
    return {growth.value / rate, growth.slope};
  }
};

/// (1 - e^(-alpha l)) / alpha: AlphaPO's reward, of a length-normalised log-probability.
struct alpha_reward {
  double alpha = 0;          ///< 0: l itself (SimPO); TRL's default
  double max_exponent = 80;  ///< as above

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD score_value<T> operator()(T log_prob) const {
    if (alpha == 0) return {log_prob, T(1)};
    T const rate = static_cast<T>(alpha);
    T const limit = static_cast<T>(max_exponent);
    T const exponent = -rate * log_prob;
    if (exponent > limit) return {-std::expm1(limit) / rate, T(0)};
    return {-std::expm1(exponent) / rate, std::exp(exponent)};
  }
};

/// `Loss` of transformed log-ratios.
template <log_ratio_score Score, preference_loss Loss>
struct transformed {
  Score score{};
  Loss loss{};

  template <std::floating_point T>
  requires(log_ratio_score<Score, T>&& preference_loss<Loss, T>) [[nodiscard]] RLVR_HD preference_value<T> operator()(
      preference_sample<T> const& pair) const {
    score_value<T> const chosen = score(pair.chosen);
    score_value<T> const rejected = score(pair.rejected);
    preference_sample<T> scored = pair;
    scored.chosen = chosen.value;
    scored.rejected = rejected.value;
    preference_value<T> result = loss(scored);
    result.d_chosen *= chosen.slope;
    result.d_rejected *= rejected.slope;
    return result;
  }
};
template <class Score, class Loss>
transformed(Score, Loss) -> transformed<Score, Loss>;

/// `Loss` of log-ratios per token.
template <preference_loss Loss>
struct length_normalised {
  Loss loss{};

  template <std::floating_point T>
  requires preference_loss<Loss, T>
  [[nodiscard]] RLVR_HD preference_value<T> operator()(preference_sample<T> const& pair) const {
    T const chosen_length = math::max(pair.chosen_length, T(1));
    T const rejected_length = math::max(pair.rejected_length, T(1));
    preference_sample<T> mean = pair;
    mean.chosen = pair.chosen / chosen_length;
    mean.rejected = pair.rejected / rejected_length;
    preference_value<T> result = loss(mean);
    result.d_chosen /= chosen_length;
    result.d_rejected /= rejected_length;
    return result;
  }
};
template <class Loss>
length_normalised(Loss) -> length_normalised<Loss>;

/// TRL's `sigmoid_norm`.
using sigmoid_norm = length_normalised<dpo>;

static_assert(log_ratio_score<reverse_kl_score> && log_ratio_score<forward_kl_score> && log_ratio_score<js_score>);
static_assert(log_ratio_score<alpha_score> && log_ratio_score<alpha_reward, double>);
static_assert(preference_loss<sigmoid_norm> && preference_loss<transformed<js_score, length_normalised<ipo>>>);

}  // namespace preference
RLVR_NAMESPACE_END
