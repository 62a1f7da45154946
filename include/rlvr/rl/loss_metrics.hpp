// SPDX-License-Identifier: MIT
/// @file
/// What a training step reports about its policy loss, gathered from the same pass that computes it: one `add` per
/// token that counts.  A plain value; parts of a batch add up with `+=` (micro-batches, ranks, threads).
///
/// With u = l - o the log-ratio, r = e^u, N the tokens added:
///
///   approximate_kl      mean of -u (clamped like the ratio)             "ppo_kl" everywhere; may be negative
///   approximate_kl_k3   mean of e^u - u - 1                             >= 0
///   clip_fraction       tokens whose gradient PPO's clip removed        "pg_clipfrac", "clip_ratio"
///   dual_clip_fraction  tokens capped by dual clip                      "pg_clipfrac_lower"
///   outside             tokens with r beyond bounds, by the sign of A   whether or not the objective clips there
///   log_ratio_quantile  from a histogram of u: right to `bin_width`; e^ of it is the ratio's quantile
///
/// Fractions take an epsilon that is added to N: 0 here, 1e-8 in verl and OpenRLHF.  Without tokens they are 0.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/rl/importance_ratio.hpp>
#include <rlvr/rl/token_sample.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// Tokens whose ratio lies outside bounds, by the side and by the sign of the advantage.  PPO's clip acts on two of the
/// four: below with A < 0, above with A > 0.
struct outside_counts {
  std::int64_t below_positive = 0;
  std::int64_t below_negative = 0;
  std::int64_t above_positive = 0;
  std::int64_t above_negative = 0;

  friend bool operator==(outside_counts const&, outside_counts const&) = default;
};

/// Metrics of a policy loss.
struct loss_metrics {
  static constexpr int bins = 256;
  static constexpr double histogram_range = 2;  ///< of |log-ratio|; beyond it counts into the outermost bins
  static constexpr double bin_width = 2 * histogram_range / bins;

  // Settings.
  double log_ratio_low = -0.2231435513142097;  ///< bounds of `outside`: ln 0.8
  double log_ratio_high = 0.1823215567939546;  ///< and ln 1.2
  double max_log_ratio = unlimited;            ///< clamp of u in approximate_kl; verl, OpenRLHF: 20

  // Sums.
  std::int64_t tokens = 0;
  std::int64_t clipped_low = 0;
  std::int64_t clipped_high = 0;
  std::int64_t clipped_dual = 0;
  outside_counts outside{};
  double loss_sum = 0;     ///< of unscaled token losses
  double kl_sum = 0;       ///< of `loss_value::kl`
  double entropy_sum = 0;  ///< of entropies, in nats
  double negative_log_ratio_sum = 0;
  double k3_sum = 0;
  double smallest_log_ratio = unlimited;
  double largest_log_ratio = -unlimited;
  std::int64_t histogram[bins] = {};

  /// Adds a token.
  template <std::floating_point T>
  RLVR_HD void add(token_sample<T> const& sample, loss_value<T> const& loss) {
    double const u = static_cast<double>(detail::log_ratio_of(sample, ratio_anchor::old_policy));
    double const clamped = u < -max_log_ratio ? -max_log_ratio : (u > max_log_ratio ? max_log_ratio : u);
    ++tokens;
    clipped_low += loss.clip == clip_region::low ? 1 : 0;
    clipped_high += loss.clip == clip_region::high ? 1 : 0;
    clipped_dual += loss.clip == clip_region::dual ? 1 : 0;
    bool const positive = sample.advantage > T(0);
    bool const negative = sample.advantage < T(0);
    outside.below_positive += u < log_ratio_low && positive ? 1 : 0;
    outside.below_negative += u < log_ratio_low && negative ? 1 : 0;
    outside.above_positive += u > log_ratio_high && positive ? 1 : 0;
    outside.above_negative += u > log_ratio_high && negative ? 1 : 0;
    loss_sum += static_cast<double>(loss.value);
    kl_sum += static_cast<double>(loss.kl);
    entropy_sum += static_cast<double>(sample.entropy);
    negative_log_ratio_sum -= clamped;
    k3_sum += std::expm1(clamped > 700 ? 700 : clamped) - clamped;
    smallest_log_ratio = u < smallest_log_ratio ? u : smallest_log_ratio;
    largest_log_ratio = u > largest_log_ratio ? u : largest_log_ratio;
    double const place = (u + histogram_range) / bin_width;
    histogram[place >= bins ? bins - 1 : (place > 0 ? static_cast<int>(place) : 0)] += 1;
  }

  /// Adds another part of the step; the settings must be the same.
  RLVR_HD constexpr loss_metrics& operator+=(loss_metrics const& part) {
    tokens += part.tokens;
    clipped_low += part.clipped_low;
    clipped_high += part.clipped_high;
    clipped_dual += part.clipped_dual;
    outside.below_positive += part.outside.below_positive;
    outside.below_negative += part.outside.below_negative;
    outside.above_positive += part.outside.above_positive;
    outside.above_negative += part.outside.above_negative;
    loss_sum += part.loss_sum;
    kl_sum += part.kl_sum;
    entropy_sum += part.entropy_sum;
    negative_log_ratio_sum += part.negative_log_ratio_sum;
    k3_sum += part.k3_sum;
    smallest_log_ratio = part.smallest_log_ratio < smallest_log_ratio ? part.smallest_log_ratio : smallest_log_ratio;
    largest_log_ratio = part.largest_log_ratio > largest_log_ratio ? part.largest_log_ratio : largest_log_ratio;
    for (int i = 0; i < bins; ++i) histogram[i] += part.histogram[i];
    return *this;
  }

  /// sum / (tokens + epsilon), 0 without tokens.
  [[nodiscard]] RLVR_HD constexpr double mean(double sum, double epsilon = 0) const {
    return tokens > 0 ? sum / (static_cast<double>(tokens) + epsilon) : 0;
  }
  [[nodiscard]] RLVR_HD constexpr double fraction(std::int64_t count, double epsilon = 0) const {
    return mean(static_cast<double>(count), epsilon);
  }
  [[nodiscard]] RLVR_HD constexpr double clip_fraction_low() const { return fraction(clipped_low); }
  [[nodiscard]] RLVR_HD constexpr double clip_fraction_high() const { return fraction(clipped_high); }
  [[nodiscard]] RLVR_HD constexpr double clip_fraction(double epsilon = 0) const {
    return fraction(clipped_low + clipped_high, epsilon);
  }
  [[nodiscard]] RLVR_HD constexpr double dual_clip_fraction(double epsilon = 0) const {
    return fraction(clipped_dual, epsilon);
  }
  [[nodiscard]] RLVR_HD constexpr double approximate_kl(double epsilon = 0) const {
    return mean(negative_log_ratio_sum, epsilon);
  }
  [[nodiscard]] RLVR_HD constexpr double approximate_kl_k3() const { return mean(k3_sum); }
  [[nodiscard]] RLVR_HD constexpr double mean_loss() const { return mean(loss_sum); }
  [[nodiscard]] RLVR_HD constexpr double mean_kl() const { return mean(kl_sum); }
  [[nodiscard]] RLVR_HD constexpr double mean_entropy() const { return mean(entropy_sum); }

  /// The log-ratio below which a share q of the tokens lies: middle of its bin, within the smallest and largest seen;
  /// 0 without tokens.
  [[nodiscard]] RLVR_HD constexpr double log_ratio_quantile(double q) const {
    if (tokens == 0) return 0;
    double const wanted = q * static_cast<double>(tokens);
    std::int64_t below = 0;
    int bin = 0;
    while (bin < bins - 1 && static_cast<double>(below + histogram[bin]) < wanted) below += histogram[bin++];
    while (bin < bins - 1 && histogram[bin] == 0) ++bin;
    double const middle = (bin + 0.5) * bin_width - histogram_range;
    bool const outermost = bin == 0 || bin == bins - 1;
    double const found = !outermost ? middle : (bin == 0 ? smallest_log_ratio : largest_log_ratio);
    return found < smallest_log_ratio ? smallest_log_ratio : (found > largest_log_ratio ? largest_log_ratio : found);
  }
};

static_assert(std::is_trivially_copyable_v<loss_metrics>);

RLVR_NAMESPACE_END
