// SPDX-License-Identifier: MIT
/// @file
/// The pass over a response that comes before a sequence-level loss: it fills `sequence_record`.
///
///   length = n,  mean_log_ratio = mean_t (l_t - o_t),  mean_advantage = mean_t A_t
///   term = sum_t objective.sequence_term(sample_t),  mean_kl = mean_t kl.sequence_kl_term(sample_t)
///
/// The last two are 0 unless the objective, or one inside a combinator, asks for them; they are evaluated after the
/// first three, which they may read.  Log-ratios of -inf log-probs are bounded (rl/importance_ratio.hpp), sums are in
/// double: every record is finite.  A row without tokens has a record of zeros.
///
/// The record holds for the parameters whose log-probs it was computed from.  A fused kernel that recomputes log-probs
/// of the *same* parameters reads it unchanged; after an update it has to be computed again.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/importance_ratio.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace detail {

/// The sequence term of an objective or of the objectives inside a combinator; at most one of them has one.
template <class Objective, std::floating_point T>
[[nodiscard]] RLVR_HD constexpr T sequence_term_of(Objective const& objective, token_sample<T> const& sample) {
  if constexpr (requires { objective.sequence_term(sample); }) {
    return objective.sequence_term(sample);
  } else if constexpr (requires { objective.objective; }) {
    return sequence_term_of(objective.objective, sample);
  } else if constexpr (requires {
                         objective.first;
                         objective.second;
                       }) {
    return sequence_term_of(objective.first, sample) + sequence_term_of(objective.second, sample);
  } else {
    return T(0);
  }
}

/// The same for the KL estimate that a sequence ratio multiplies.
template <class Objective, std::floating_point T>
[[nodiscard]] RLVR_HD constexpr T sequence_kl_term_of(Objective const& objective, token_sample<T> const& sample) {
  if constexpr (requires { objective.sequence_kl_term(sample); }) {
    return objective.sequence_kl_term(sample);
  } else if constexpr (requires { objective.kl.sequence_kl_term(sample); }) {
    return objective.kl.sequence_kl_term(sample);
  } else if constexpr (requires { objective.objective; }) {
    return sequence_kl_term_of(objective.objective, sample);
  } else if constexpr (requires {
                         objective.first;
                         objective.second;
                       }) {
    return sequence_kl_term_of(objective.first, sample) + sequence_kl_term_of(objective.second, sample);
  } else {
    return T(0);
  }
}

/// Whether a class has a sequence term, or has a member that has one.
template <class Part>
struct has_sequence_term {
  [[nodiscard]] static constexpr bool value() {
    bool found = requires(Part const& part, token_sample<float> const& sample) { part.sequence_term(sample); }
    || requires(Part const& part, token_sample<float> const& sample) { part.sequence_kl_term(sample); };
    if constexpr (requires(Part const& part) { part.objective; })
      found = found || has_sequence_term<std::remove_cvref_t<decltype(std::declval<Part const&>().objective)>>::value();
    if constexpr (requires(Part const& part) { part.kl; })
      found = found || has_sequence_term<std::remove_cvref_t<decltype(std::declval<Part const&>().kl)>>::value();
    if constexpr (requires(Part const& part) { part.first; })
      found = found || has_sequence_term<std::remove_cvref_t<decltype(std::declval<Part const&>().first)>>::value();
    if constexpr (requires(Part const& part) { part.second; })
      found = found || has_sequence_term<std::remove_cvref_t<decltype(std::declval<Part const&>().second)>>::value();
    return found;
  }
};

}  // namespace detail

/// Whether `Objective`, or one inside a combinator, has a sequence term, so that the pass has to come before its loss.
/// An objective of one's own that reads `sample.sequence` without having one says `sequence_term` returning 0.
template <class Objective>
inline constexpr bool needs_sequence_pass = detail::has_sequence_term<Objective>::value();

/// The record of one response whose t-th position is `sample_at(t)`, of those for which `counts(t)`.  Host and device.
/// @param known  members that the pass does not compute: index, reward
template <std::floating_point T, class Objective, class Counts, class SampleAt>
[[nodiscard]] RLVR_HD constexpr sequence_record<T> summarise_sequence(Objective const& objective,
                                                                      std::int64_t positions, Counts const& counts,
                                                                      SampleAt const& sample_at,
                                                                      sequence_record<T> known = {}) {
  std::int64_t n = 0;
  double log_ratios = 0;
  double advantages = 0;
  for (std::int64_t t = 0; t < positions; ++t) {
    if (!counts(t)) continue;
    token_sample<T> const sample = sample_at(t);
    ++n;
    log_ratios += static_cast<double>(detail::log_ratio_of(sample.log_prob, sample.old_log_prob));
    advantages += static_cast<double>(sample.advantage);
  }
  sequence_record<T> record{.index = known.index, .reward = known.reward};
  if (n == 0) return record;
  double const tokens = static_cast<double>(n);
  record.length = static_cast<T>(n);
  record.mean_log_ratio = static_cast<T>(log_ratios / tokens);
  record.mean_advantage = static_cast<T>(advantages / tokens);
  double terms = 0;
  double kls = 0;
  for (std::int64_t t = 0; t < positions; ++t) {
    if (!counts(t)) continue;
    token_sample<T> sample = sample_at(t);
    sample.sequence = record;
    terms += static_cast<double>(detail::sequence_term_of(objective, sample));
    kls += static_cast<double>(detail::sequence_kl_term_of(objective, sample));
  }
  record.term = static_cast<T>(terms);
  record.mean_kl = static_cast<T>(kls / tokens);
  return record;
}

/// Writes the record of each row into the `sequence` member of its samples.  Rows are packed: row i is
/// [row_offsets[i], row_offsets[i + 1]) of `samples` and `mask`; `index` and `reward` are taken from the row's first
/// sample and kept.  Samples whose mask is false are neither read nor written.
template <std::floating_point T, class Objective>
void summarise_sequences(Objective const& objective, std::span<token_sample<T>> samples, std::span<bool const> mask,
                         std::span<std::int64_t const> row_offsets) {
  detail::require_packed_rows("summarise_sequences", samples.size(), mask.size(), row_offsets);
  for (std::size_t row = 0; row + 1 < row_offsets.size(); ++row) {
    std::int64_t const first = row_offsets[row];
    std::int64_t const count = row_offsets[row + 1] - first;
    auto const at = [&](std::int64_t t) -> token_sample<T>& { return samples[static_cast<std::size_t>(first + t)]; };
    auto const counts = [&](std::int64_t t) { return mask[static_cast<std::size_t>(first + t)]; };
    sequence_record<T> known{};
    for (std::int64_t t = count - 1; t >= 0; --t)
      if (counts(t)) known = at(t).sequence;
    auto const record = summarise_sequence<T>(objective, count, counts, at, known);
    for (std::int64_t t = 0; t < count; ++t)
      if (counts(t)) at(t).sequence = record;
  }
}

/// Geometric mean of the importance weights of a row's tokens that count, exp(sum_t ln(w_t + epsilon) / (n + padding)):
/// the weight of a row-level objective such as gmpo (verl: 1e-10 and 1e-8).  A row without tokens has weight 1.
template <std::floating_point T>
[[nodiscard]] T geometric_mean_weight(std::span<T const> weights, std::span<bool const> mask, double epsilon = 0,
                                      double padding = 0) {
  if (mask.size() != weights.size()) throw shape_error("geometric_mean_weight: as many mask values as weights");
  double sum = 0;
  double n = 0;
  for (std::size_t t = 0; t < weights.size(); ++t) {
    if (!mask[t]) continue;
    sum += std::log(static_cast<double>(weights[t]) + epsilon);
    n += 1;
  }
  return n > 0 ? static_cast<T>(std::exp(sum / (n + padding))) : T(1);
}

RLVR_NAMESPACE_END
