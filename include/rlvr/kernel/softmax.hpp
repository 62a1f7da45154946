// SPDX-License-Identifier: MIT
/// @file
/// Softmax of one row of logits: log-probability of the target, entropy, sum of squared probabilities, and the
/// gradients of all three by the raw logits.  With m = max_j l_j, z = sum_j e^(l_j - m), p_j = e^(l_j - m) / z,
/// temperature T (l = raw / T):
///
///   log p_t = l_t - m - log z,     H = log z - sum_j p_j (l_j - m),     S = sum_j p_j^2
///   d log p_t / d l_j = [j = t] - p_j,     d H / d l_j = -p_j (log p_j + H),     d S / d l_j = 2 p_j (p_j - S)
///
/// and 1 / T of that by the raw logits.  The maximum is subtracted before anything else: -log z - sum p l would lose
/// its digits where all logits are shifted by hundreds.  A *restricted* softmax knows the tokens for which a predicate
/// holds, the others have probability 0: what a sampler with top-k or top-p drew from (slime's keep mask).
///
/// Edge cases: -inf logits (tokens that may not occur) have probability 0, add 0 to the entropy and get gradient 0; a
/// target among them has log-probability -inf.  A row with one token, or with one finite logit, has log-probability 0,
/// entropy 0 and gradient 0.  A negative target masks the row: values and gradients are 0.  A row without any finite
/// logit is no distribution and gives NaN.
///
/// Sums are in the number type of the row, in the fixed order of the group.  T is float in every op; double serves
/// derivative checks and small problems.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/kernel/cooperative_group.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace kernel {

/// Softmax statistics of a row.
template <std::floating_point T>
struct row_statistics {
  T maximum;             ///< of the raw logits
  T log_normaliser;      ///< log z
  T inverse_normaliser;  ///< 1 / z
  T entropy;
};

/// The predicate of the whole vocabulary.
struct every_token {
  RLVR_HD constexpr bool operator()(std::size_t) const { return true; }
};

/// The predicate of a keep mask; the target is always kept, so that its log-probability exists.
struct kept_tokens {
  bool const* keep = nullptr;
  std::int32_t target = -1;

  RLVR_HD constexpr bool operator()(std::size_t j) const { return keep[j] || j == static_cast<std::size_t>(target); }
};

/// l_j - m with the temperature applied.  Subtracting first is exact where logits are close, and leaves no product and
/// sum next to each other that one compiler would fuse and another not.
template <std::floating_point T>
[[nodiscard]] RLVR_HD inline T shifted_logit(T logit, T maximum, T inverse_temperature) {
  return (logit - maximum) * inverse_temperature;
}

/// Reads the row three times.
/// @param kept  predicate on token ids: the tokens that the softmax knows
template <cooperative_group Group, std::floating_point T, class Kept = every_token>
[[nodiscard]] RLVR_HD row_statistics<T> softmax_statistics(Group const& group, T const* logits, std::size_t vocabulary,
                                                           std::type_identity_t<T> inverse_temperature,
                                                           Kept kept = {}) {
  T const m =
      group.max(vocabulary, [=](std::size_t j) { return kept(j) ? logits[j] : rlvr::detail::lowest_value<T>(); });
  T const z = group.sum(vocabulary, [=](std::size_t j) {
    return kept(j) ? math::exp(shifted_logit(logits[j], m, inverse_temperature)) : T(0);
  });
  T const weighted = group.sum(vocabulary, [=](std::size_t j) {
    if (!kept(j)) return T(0);
    T const shifted = shifted_logit(logits[j], m, inverse_temperature);
    T const e = math::exp(shifted);
    return e > T(0) ? e * shifted : T(0);
  });
  T const log_z = std::log(z);
  return {m, log_z, T(1) / z, log_z - weighted / z};
}

/// log p of a logit of the row.
template <std::floating_point T>
[[nodiscard]] RLVR_HD inline T log_probability(row_statistics<T> const& s, std::type_identity_t<T> logit,
                                               std::type_identity_t<T> inverse_temperature) {
  return math::multiply_add(logit - s.maximum, inverse_temperature, -s.log_normaliser);
}

/// p of a logit of the row.
template <std::floating_point T>
[[nodiscard]] RLVR_HD inline T probability(row_statistics<T> const& s, std::type_identity_t<T> logit,
                                           std::type_identity_t<T> inverse_temperature) {
  return math::exp(shifted_logit(logit, s.maximum, inverse_temperature)) * s.inverse_normaliser;
}

/// sum_j p_j^2: the chance that two samples agree; baselines of rl/optimal_baseline.hpp weigh tokens with it.
template <cooperative_group Group, std::floating_point T>
[[nodiscard]] RLVR_HD T sum_of_squared_probabilities(Group const& group, T const* logits, std::size_t vocabulary,
                                                     std::type_identity_t<T> inverse_temperature,
                                                     row_statistics<T> const& s) {
  return group.sum(vocabulary, [=](std::size_t j) {
    T const p = probability(s, logits[j], inverse_temperature);
    return p * p;
  });
}

/// Log-probability and entropy of one row; masked rows give 0.  Null: not wanted.
template <cooperative_group Group, std::floating_point T>
RLVR_HD void token_log_prob_row(Group const& group, T const* logits, std::size_t vocabulary,
                                std::type_identity_t<T> inverse_temperature, std::int32_t target,
                                std::type_identity_t<T>* log_prob, std::type_identity_t<T>* entropy) {
  if (target < 0) {  // the whole group agrees on this branch
    group.once([&] {
      if (log_prob) *log_prob = T(0);
      if (entropy) *entropy = T(0);
    });
    return;
  }
  row_statistics<T> const s = softmax_statistics(group, logits, vocabulary, inverse_temperature);
  group.once([&] {
    if (log_prob) *log_prob = log_probability(s, logits[target], inverse_temperature);
    if (entropy) *entropy = s.entropy;
  });
}

/// Puts (by_log_prob d log p_t + by_entropy d H) by the logits over the logits; both factors carry 1 / T.  All threads
/// have read what they need of the row before (`group.sync()`).
template <cooperative_group Group, std::floating_point T>
RLVR_HD void replace_by_gradient(Group const& group, T* logits, std::size_t vocabulary,
                                 std::type_identity_t<T> inverse_temperature, row_statistics<T> const& s,
                                 std::int32_t target, std::type_identity_t<T> by_log_prob,
                                 std::type_identity_t<T> by_entropy) {
  if (by_entropy == T(0)) {
    group.for_each(vocabulary, [=](std::size_t j) {
      logits[j] =
          -by_log_prob * (math::exp(shifted_logit(logits[j], s.maximum, inverse_temperature)) * s.inverse_normaliser);
    });
  } else {
    group.for_each(vocabulary, [=](std::size_t j) {
      T const shifted = shifted_logit(logits[j], s.maximum, inverse_temperature);
      T const p = math::exp(shifted) * s.inverse_normaliser;
      T const log_p = p > T(0) ? shifted - s.log_normaliser : T(0);
      logits[j] = -p * (by_log_prob + by_entropy * (log_p + s.entropy));
    });
  }
  group.sync();
  group.once([&] { logits[target] += by_log_prob; });
}

/// The same where the log-probability is that of a restricted softmax, and the entropy that of the whole one.
/// @param kept_statistics  of the softmax over the tokens that are kept
template <cooperative_group Group, std::floating_point T, class Kept>
RLVR_HD void replace_by_gradient(Group const& group, T* logits, std::size_t vocabulary,
                                 std::type_identity_t<T> inverse_temperature, row_statistics<T> const& s,
                                 row_statistics<T> const& kept_statistics, Kept kept, std::int32_t target,
                                 std::type_identity_t<T> by_log_prob, std::type_identity_t<T> by_entropy) {
  group.for_each(vocabulary, [=](std::size_t j) {
    T const p = probability(s, logits[j], inverse_temperature);
    T const log_p = p > T(0) ? log_probability(s, logits[j], inverse_temperature) : T(0);
    T const kept_p = kept(j) ? probability(kept_statistics, logits[j], inverse_temperature) : T(0);
    T const from_entropy = p > T(0) && by_entropy != T(0) ? p * (by_entropy * (log_p + s.entropy)) : T(0);
    logits[j] = -by_log_prob * kept_p - from_entropy;
  });
  group.sync();
  group.once([&] { logits[target] += by_log_prob; });
}

/// Puts factor * d S by the logits over the logits; the factor carries 1 / T.
/// @param sum_of_squares  S
template <cooperative_group Group, std::floating_point T>
RLVR_HD void replace_by_squares_gradient(Group const& group, T* logits, std::size_t vocabulary,
                                         std::type_identity_t<T> inverse_temperature, row_statistics<T> const& s,
                                         std::type_identity_t<T> sum_of_squares, std::type_identity_t<T> factor) {
  group.for_each(vocabulary, [=](std::size_t j) {
    T const p = probability(s, logits[j], inverse_temperature);
    logits[j] = factor * (T(2) * p * (p - sum_of_squares));
  });
}

}  // namespace kernel
RLVR_NAMESPACE_END
