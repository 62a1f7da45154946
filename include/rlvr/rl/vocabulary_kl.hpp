// SPDX-License-Identifier: MIT
/// @file
/// Divergences between two distributions over the whole vocabulary, p = softmax(l / T) that is trained and g of a
/// reference or teacher, each a sum over tokens of f(p_v, g_v).  With h_v = p_v df/dp_v the gradient of all of them is
/// d / d l_j = (h_j - p_j sum_u h_u) / T; a multiple of p in h cancels and is left out.
///
///   type                value                                             h
///   forward_kl          KL(g || p) = sum g log(g / p)                     -g
///   reverse_kl          KL(p || g) = sum p log(p / g)                     p log(p / g)
///   jensen_shannon      (1 - a) KL(p || m) + a KL(g || m),                (1 - a) p log(p / m)
///                       m = (1 - a) p + a g;  a = 0: forward_kl, a = 1: reverse_kl      GKD (2306.13649), TRL
///   skewed_forward_kl   KL(g || n), n = s g + (1 - s) p                   -(1 - s) g p / n
///   skewed_reverse_kl   KL(p || n), n = (1 - s) g + s p                   p log(p / n) - s p p / n
///
/// forward_kl covers the modes of g (distillation; the expected gradient of k3), reverse_kl seeks them (the regulariser
/// of RL; the expected gradient of k2 and of ratio-weighted k3); jensen_shannon and the skewed forms (DistiLLM,
/// 2402.03898) are bounded where the supports differ.  All are >= 0, and 0 where p = g.  Exact, no sampling: no
/// variance, unlike the estimators of rl/kl.hpp, but a second row of logits is needed.  kernel/vocabulary_kl.hpp
/// evaluates them over a row, all of it or its top k.
///
/// Edge cases: a token of probability 0 under both adds 0.  Where one of the two is 0 a log-ratio counts as +-10^6
/// instead of infinite, so that value and gradient stay finite.  Sources: TRL @ f2cd57710ae3, `compute_divergence` and
/// `compute_topk_self_distillation_loss`; ROLL @ 8eb27cc2dc34, `various_divergence`.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/rl/importance_ratio.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// f(p, g) of one token, and p df/dp up to a multiple of p that all tokens share.
template <std::floating_point T>
struct divergence_term {
  T value{};
  T slope{};
};

/// Requirements on a divergence: trivially copyable, maps two log-probabilities to a term.
template <class Divergence, class T = float>
concept token_divergence = std::is_trivially_copyable_v<Divergence> &&
    requires(Divergence const& divergence, T log_p, T log_g) {
  { divergence(log_p, log_g) } -> std::same_as<divergence_term<T>>;
};

namespace detail {

/// weight * (log_a - log_b), finite, and 0 for weight 0 whatever the logarithms are.
template <std::floating_point T>
[[nodiscard]] RLVR_HD constexpr T weighted_log_ratio(T weight, T log_a, T log_b) {
  return weight == T(0) ? T(0) : weight * log_ratio_of(log_a, log_b);
}

/// log(share e^a + (1 - share) e^b), also where both are too small for T.
template <std::floating_point T>
[[nodiscard]] RLVR_HD T log_mixture(T share, T a, T b) {
  T const first = std::log(share) + a;
  T const second = std::log1p(-share) + b;
  T const high = first < second ? second : first;
  T const low = first < second ? first : second;
  if (low == -static_cast<T>(unlimited)) return high;
  return high + std::log1p(math::exp(low - high));
}

inline void require_share(char const* what, double share) {
  if (!(share >= 0 && share <= 1)) throw argument_error(what);
}

}  // namespace detail

/// KL(g || p).
struct forward_kl {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD divergence_term<T> operator()(T log_p, T log_g) const {
    T const g = math::exp(log_g);
    return {detail::weighted_log_ratio(g, log_g, log_p), -g};
  }
};

/// KL(p || g).
struct reverse_kl {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD divergence_term<T> operator()(T log_p, T log_g) const {
    T const value = detail::weighted_log_ratio(math::exp(log_p), log_p, log_g);
    return {value, value};
  }
};

/// (1 - a) KL(p || m) + a KL(g || m), m = (1 - a) p + a g; a = 1/2 is the Jensen-Shannon divergence.
struct jensen_shannon {
  double alpha = 0.5;  ///< a; at 0 and 1, where the formula is 0, it is forward_kl and reverse_kl (TRL)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD divergence_term<T> operator()(T log_p, T log_g) const {
    T const a = static_cast<T>(alpha);
    if (a <= T(0)) return forward_kl{}(log_p, log_g);
    if (a >= T(1)) return reverse_kl{}(log_p, log_g);
    T const log_m = detail::log_mixture(a, log_g, log_p);
    T const of_p = (T(1) - a) * detail::weighted_log_ratio(math::exp(log_p), log_p, log_m);
    return {of_p + a * detail::weighted_log_ratio(math::exp(log_g), log_g, log_m), of_p};
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const { detail::require_share("jensen_shannon: alpha must lie in [0, 1]", alpha); }
};

/// KL(g || s g + (1 - s) p).
struct skewed_forward_kl {
  double skew = 0.1;  ///< s (ROLL: 0.1); 0: forward_kl

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD divergence_term<T> operator()(T log_p, T log_g) const {
    T const g = math::exp(log_g);
    if (g == T(0)) return {};
    T const s = static_cast<T>(skew);
    T const log_n = detail::log_mixture(s, log_g, log_p);
    T const share = skew < 1 ? (T(1) - s) * math::exp(detail::log_ratio_of(log_p, log_n)) : T(0);
    return {detail::weighted_log_ratio(g, log_g, log_n), -g * share};
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const { detail::require_share("skewed_forward_kl: skew must lie in [0, 1]", skew); }
};

/// KL(p || (1 - s) g + s p).
struct skewed_reverse_kl {
  double skew = 0.1;  ///< s (ROLL: 0.1); 0: reverse_kl

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD divergence_term<T> operator()(T log_p, T log_g) const {
    T const p = math::exp(log_p);
    if (p == T(0)) return {};
    T const s = static_cast<T>(skew);
    T const log_n = detail::log_mixture(s, log_p, log_g);
    T const value = detail::weighted_log_ratio(p, log_p, log_n);
    return {value, skew > 0 ? value - p * (s * math::exp(detail::log_ratio_of(log_p, log_n))) : value};
  }
  /// Throws argument_error where a parameter is outside its range.
  void validate() const { detail::require_share("skewed_reverse_kl: skew must lie in [0, 1]", skew); }
};

/// How a divergence looks at the two rows.
struct vocabulary_kl_settings {
  double temperature = 1;            ///< of the policy; gradients by the raw logits carry 1 / temperature
  double reference_temperature = 1;  ///< of the reference
  std::size_t top_k = 0;             ///< only the k likeliest tokens of the policy, of equals the first; 0: all
  bool tail = true;                  ///< with top_k: one more bucket for the rest; false: both are renormalised

  /// Throws argument_error where a parameter is outside its range.
  void validate() const {
    if (!(temperature > 0 && temperature < unlimited && reference_temperature > 0 && reference_temperature < unlimited))
      throw argument_error("vocabulary_kl_settings: temperatures must be positive and finite");
  }
};

static_assert(token_divergence<forward_kl> && token_divergence<reverse_kl, double> && token_divergence<jensen_shannon>);
static_assert(token_divergence<skewed_forward_kl> && token_divergence<skewed_reverse_kl>);

RLVR_NAMESPACE_END
