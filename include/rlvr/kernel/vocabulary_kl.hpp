// SPDX-License-Identifier: MIT
/// @file
/// A divergence of rl/vocabulary_kl.hpp over one row of logits and one of the reference, with its gradient by the
/// policy's raw logits.  With buckets b (the tokens; with `top_k` and `tail` the k likeliest and one for all others):
///
///   value = sum_b value_b,   d / d l_j = (slope_j - p_j S) / T,   S = sum_b slope_b,
///   for a token j of the tail:          (slope_tail p_j / p_tail - p_j S) / T
///
/// Without the tail both softmaxes know the k tokens alone and the others get gradient 0.  The support is a constant of
/// the derivative.  It is found without storage, by at most k passes over the row.
///
/// Edge cases: -inf logits have probability 0 in their row; a tail of probability 0 (top_k >= vocabulary) is no tail.
/// A row whose reference is the row itself has value and gradient 0 up to rounding.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/kernel/cooperative_group.hpp>
#include <rlvr/kernel/softmax.hpp>
#include <rlvr/rl/vocabulary_kl.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace kernel {

/// The predicate of the k greatest logits of a row; of equal ones the first.
template <std::floating_point T>
struct greatest_tokens {
  T const* logits = nullptr;
  T threshold{};             ///< greater ones are in
  std::size_t ties_end = 0;  ///< equal ones are in before this position

  RLVR_HD constexpr bool operator()(std::size_t j) const {
    return !(logits[j] < threshold || (logits[j] == threshold && j >= ties_end));  // NaN is in: it must show
  }
};

/// Finds the k greatest logits; all for k = 0 and k >= vocabulary.
template <cooperative_group Group, std::floating_point T>
[[nodiscard]] RLVR_HD greatest_tokens<T> find_greatest(Group const& group, T const* logits, std::size_t vocabulary,
                                                       std::size_t k) {
  T const lowest = rlvr::detail::lowest_value<T>();
  if (k == 0 || k >= vocabulary) return {logits, lowest, vocabulary};
  auto const wanted = static_cast<T>(k);
  T threshold = group.max(vocabulary, [=](std::size_t j) { return logits[j]; });
  T above = T(0);  // logits greater than the threshold
  for (;;) {
    T const upper = threshold;
    T const reached = group.sum(vocabulary, [=](std::size_t j) { return logits[j] >= upper ? T(1) : T(0); });
    if (reached >= wanted || upper == lowest) break;
    above = reached;
    threshold = group.max(vocabulary, [=](std::size_t j) { return logits[j] < upper ? logits[j] : lowest; });
  }
  // The least end of a range that has as many of the equal ones as are still wanted.
  std::size_t first = 0;
  std::size_t last = vocabulary;
  while (first < last) {
    std::size_t const middle = first + (last - first) / 2;
    T const ties = group.sum(middle, [=](std::size_t j) { return logits[j] == threshold ? T(1) : T(0); });
    if (above + ties >= wanted) {
      last = middle;
    } else {
      first = middle + 1;
    }
  }
  return {logits, threshold, first};
}

namespace detail {

/// What the pass that writes the gradient needs.
template <std::floating_point T>
struct divergence_pass {
  greatest_tokens<T> support;
  row_statistics<T> policy;
  row_statistics<T> reference;
  T inverse_temperature;
  T inverse_reference_temperature;
  T value;
  T slope;             ///< S
  T tail_slope;        ///< 0 without a tail
  T tail_probability;  ///< 0 without a tail
};

template <cooperative_group Group, std::floating_point T, class Divergence>
[[nodiscard]] RLVR_HD divergence_pass<T> measure_divergence(Group const& group, Divergence const& divergence,
                                                            T const* logits, T const* reference, std::size_t vocabulary,
                                                            vocabulary_kl_settings const& settings) {
  divergence_pass<T> pass{};
  pass.support = find_greatest(group, logits, vocabulary, settings.top_k);
  pass.inverse_temperature = static_cast<T>(1 / settings.temperature);
  pass.inverse_reference_temperature = static_cast<T>(1 / settings.reference_temperature);
  T const scale = pass.inverse_temperature;
  T const reference_scale = pass.inverse_reference_temperature;
  auto const kept = pass.support;
  bool const tail = settings.top_k > 0 && settings.tail;
  if (tail) {
    pass.policy = softmax_statistics(group, logits, vocabulary, scale);
    pass.reference = softmax_statistics(group, reference, vocabulary, reference_scale);
  } else {
    pass.policy = softmax_statistics(group, logits, vocabulary, scale, kept);
    pass.reference = softmax_statistics(group, reference, vocabulary, reference_scale, kept);
  }
  auto const p = pass.policy;
  auto const g = pass.reference;
  auto const term = [=](std::size_t j) {
    return divergence(log_probability(p, logits[j], scale), log_probability(g, reference[j], reference_scale));
  };
  pass.value = group.sum(vocabulary, [=](std::size_t j) { return kept(j) ? term(j).value : T(0); });
  pass.slope = group.sum(vocabulary, [=](std::size_t j) { return kept(j) ? term(j).slope : T(0); });
  if (tail) {
    T const rest =
        group.sum(vocabulary, [=](std::size_t j) { return kept(j) ? T(0) : probability(p, logits[j], scale); });
    T const reference_rest = group.sum(
        vocabulary, [=](std::size_t j) { return kept(j) ? T(0) : probability(g, reference[j], reference_scale); });
    divergence_term<T> const bucket = divergence(std::log(rest), std::log(reference_rest));
    pass.value += bucket.value;
    pass.slope += bucket.slope;
    pass.tail_slope = bucket.slope;
    pass.tail_probability = rest;
  }
  return pass;
}

}  // namespace detail

/// The divergence of one row.
template <cooperative_group Group, std::floating_point T, token_divergence<T> Divergence>
[[nodiscard]] RLVR_HD T vocabulary_kl_value(Group const& group, Divergence const& divergence, T const* logits,
                                            std::type_identity_t<T> const* reference, std::size_t vocabulary,
                                            vocabulary_kl_settings const& settings) {
  return detail::measure_divergence(group, divergence, logits, reference, vocabulary, settings).value;
}

/// The divergence of one row; on return `logits` holds scale times its gradient by the raw logits.
template <cooperative_group Group, std::floating_point T, token_divergence<T> Divergence>
RLVR_HD T vocabulary_kl_row(Group const& group, Divergence const& divergence, T* logits,
                            std::type_identity_t<T> const* reference, std::size_t vocabulary,
                            vocabulary_kl_settings const& settings, std::type_identity_t<T> scale) {
  T const* const row = logits;
  auto const pass = detail::measure_divergence(group, divergence, row, reference, vocabulary, settings);
  T const factor = scale * pass.inverse_temperature;
  group.sync();  // every thread has read the row before any thread overwrites it
  group.for_each(vocabulary, [=](std::size_t j) {
    T const log_p = log_probability(pass.policy, logits[j], pass.inverse_temperature);
    T slope = T(0);
    T p = math::exp(log_p);
    if (pass.support(j)) {
      slope =
          divergence(log_p, log_probability(pass.reference, reference[j], pass.inverse_reference_temperature)).slope;
    } else if (pass.tail_probability > T(0)) {
      slope = pass.tail_slope * (p / pass.tail_probability);
    } else {
      p = T(0);
    }
    logits[j] = factor * (slope - p * pass.slope);
  });
  group.sync();
  return pass.value;
}

}  // namespace kernel

/// The divergence between two rows of logits on one thread, on the host.  `gradient` may be `logits`, or empty.
/// Throws shape_error where the sizes differ, argument_error where a setting is outside its range.
template <std::floating_point T, token_divergence<T> Divergence>
T vocabulary_kl(Divergence const& divergence, std::span<T const> logits, std::span<T const> reference,
                std::span<T> gradient = {}, vocabulary_kl_settings const& settings = {}) {
  settings.validate();
  if constexpr (requires { divergence.validate(); }) divergence.validate();
  bool const wants_gradient = !gradient.empty();
  if (reference.size() != logits.size() || (wants_gradient && gradient.size() != logits.size()))
    throw shape_error("vocabulary_kl: rows of " + text_of(logits.size()) + " and " + text_of(reference.size()) +
                      " tokens");
  if (logits.empty()) return T(0);
  if (!wants_gradient)
    return kernel::vocabulary_kl_value(single_thread_group{}, divergence, logits.data(), reference.data(),
                                       logits.size(), settings);
  if (gradient.data() != logits.data())
    for (std::size_t j = 0; j < logits.size(); ++j) gradient[j] = logits[j];
  return kernel::vocabulary_kl_row(single_thread_group{}, divergence, gradient.data(), reference.data(), logits.size(),
                                   settings, T(1));
}

RLVR_NAMESPACE_END
