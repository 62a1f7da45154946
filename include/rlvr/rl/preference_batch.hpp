// SPDX-License-Identifier: MIT
/// @file
/// From token log-probabilities of pairs of responses to a loss and its gradient by every token:
///
///   d_i  = sum over counting tokens t of row i of w_t (log pi_t - log pi_ref,t)
///   loss = sum over pairs of (weight * L(d_c, d_r) + sft_weight * NLL of the chosen response) / normaliser
///
/// L is any `preference_loss`.  w_t = 1, except for LD-DPO (2409.06411): tokens past the shorter length of the pair
/// weigh `tail_weight`.  Pairs may carry constant weights (WPO, 2406.11827: `wpo_weight`) and may be switched off.
/// `aot_loss` (2406.05882) compares sorted margins instead of pairs: a loss of the two distributions.
///
/// The normaliser is that of the whole optimiser step, so micro-batches and ranks add up to the loss of one big batch:
/// pairs (TRL, OpenRLHF, ROLL, Liger) or pairs + 1e-8 (NeMo-RL).  Sums are taken in double.
///
/// Edge cases: masked tokens are never read and have gradient 0; a row without tokens has log-ratio 0 and length 1; a
/// token that both policies forbid (log-probability -infinity) adds 0; a log-ratio beyond +-`log_ratio_limit` is
/// clamped and has no gradient; a batch without pairs has loss 0.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/sort.hpp>
#include <rlvr/rl/preference.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN

/// Where the two rows of a pair lie.
enum class pair_order : std::uint8_t {
  interleaved,  ///< chosen, rejected, chosen, ... (NeMo-RL)
  halves        ///< all chosen, then all rejected (TRL, OpenRLHF)
};

/// Packed rows: row i holds the tokens [offsets[i], offsets[i + 1]).
template <std::floating_point T>
struct preference_rows {
  std::span<T const> log_prob;
  std::span<T const> reference_log_prob;    ///< empty: no reference
  std::span<bool const> mask;               ///< tokens that count; empty: all
  std::span<std::int64_t const> offsets;    ///< rows + 1
  std::span<std::int64_t const> lengths{};  ///< what `length_normalised` divides by; empty: tokens that count
  std::span<bool const> pair_mask{};        ///< pairs that count; empty: all
  std::span<T const> pair_weight{};         ///< constant factor of a pair's preference loss; empty: 1

  [[nodiscard]] std::size_t pairs() const { return offsets.empty() ? 0 : (offsets.size() - 1) / 2; }
};

/// How rows become a loss.
struct preference_options {
  pair_order order = pair_order::interleaved;
  double normaliser = 0;         ///< pairs of the whole optimiser step; 0: those of this batch that count
  double tail_weight = 1;        ///< LD-DPO's alpha
  double log_ratio_limit = 1e6;  ///< of a row
  double sft_weight = 0;         ///< NLL of the chosen responses: CPO, ORPO, RPO (OpenRLHF's nll_loss_coef), NeMo-RL
  double sft_tokens = 0;         ///< 0: each response's NLL is its mean per token; else the divisor of all their tokens
                                 ///< in place of the pairs' normaliser (TRL's `sft`: the step's chosen tokens)
};

/// What became of a batch.  Implicit rewards are beta times the log-ratios.
struct preference_summary {
  double loss = 0;                ///< all of it
  double sft = 0;                 ///< the SFT term in it, before its weight
  double chosen_log_ratio = 0;    ///< sum over counting pairs / normaliser
  double rejected_log_ratio = 0;  ///< the same
  double accuracy = 0;            ///< pairs with chosen > rejected / normaliser
  std::int64_t pairs = 0;         ///< that count
};

/// Applies a loss to samples: sum of the values over `normaliser` (0: the number of samples), which is in the
/// derivatives too; `each[i].value` stays without it.  @throws shape_error where the sizes differ
template <class Loss, std::floating_point T>
requires preference_loss<Loss, T>
[[nodiscard]] double mean_preference_loss(Loss const& loss, std::span<preference_sample<T> const> pairs,
                                          double normaliser, std::span<preference_value<T>> each) {
  if (pairs.size() != each.size())
    throw shape_error("mean_preference_loss: " + text_of(pairs.size()) + " pairs, but room for " +
                      text_of(each.size()));
  double const divisor = normaliser > 0 ? normaliser : static_cast<double>(pairs.size());
  double sum = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    each[i] = loss(pairs[i]);
    sum += static_cast<double>(each[i].value);
    each[i].d_chosen = static_cast<T>(static_cast<double>(each[i].d_chosen) / divisor);
    each[i].d_rejected = static_cast<T>(static_cast<double>(each[i].d_rejected) / divisor);
  }
  return pairs.empty() ? 0 : sum / divisor;
}

/// WPO's weight of a pair: exp(sum of the two rows' means of log pi - log sum_v pi(v)^2), how likely the policy is to
/// have written the pair itself.  A constant of the derivative.
struct wpo_weight {
  double maximum = std::numeric_limits<double>::infinity();  ///< TRL: none

  /// log sum_v pi(v)^2 of pi = softmax(logits): log-sum-exp of 2 x minus twice that of x.  -infinity: nothing allowed.
  template <std::floating_point T>
  [[nodiscard]] static double log_collision(std::span<T const> logits) {
    double top = -std::numeric_limits<double>::infinity();
    for (T const x : logits) top = math::max(top, static_cast<double>(x));
    if (!std::isfinite(top)) return top;
    double sum = 0, squares = 0;
    for (T const x : logits) {
      double const p = std::exp(static_cast<double>(x) - top);
      sum += p;
      squares += p * p;
    }
    return std::log(squares) - 2 * std::log(sum);
  }
  /// @param log_collision  log sum_v pi(v)^2 per token
  /// A row without tokens has mean 0.  @throws shape_error where the sizes differ
  template <std::floating_point T>
  [[nodiscard]] static double row_mean(std::span<T const> log_prob, std::span<T const> log_collision,
                                       std::span<bool const> mask) {
    if (log_prob.size() != log_collision.size() || (!mask.empty() && mask.size() != log_prob.size()))
      throw shape_error("wpo_weight: log-probabilities, collisions and mask must be equally long");
    double sum = 0;
    std::int64_t count = 0;
    for (std::size_t t = 0; t < log_prob.size(); ++t) {
      if (!mask.empty() && !mask[t]) continue;
      sum += static_cast<double>(log_prob[t]) - static_cast<double>(log_collision[t]);
      ++count;
    }
    return count > 0 ? sum / static_cast<double>(count) : 0;
  }
  [[nodiscard]] RLVR_HD double operator()(double chosen_mean, double rejected_mean) const {
    return math::min(std::exp(chosen_mean + rejected_mean), maximum);
  }
};

namespace detail {

/// Sums of one row.
struct row_sums {
  double log_prob = 0;  ///< weighted, like the next
  double reference = 0;
  double nll = 0;  ///< unweighted
  std::int64_t tokens = 0;
};

/// Rows of a batch of pairs: checked, counted, summed; and the way back from d loss / d row to tokens.
template <std::floating_point T>
class pair_batch {
 public:
  pair_batch(preference_rows<T> const& rows, preference_options const& options, std::span<T> gradient)
      : rows_(rows), options_(options), gradient_(gradient), sums_(2 * rows.pairs()) {
    std::size_t const tokens = rows.log_prob.size();
    auto const fits = [](std::size_t size, std::size_t expected) { return size == 0 || size == expected; };
    bool ascending = true;
    for (std::size_t row = 1; row < rows.offsets.size(); ++row)
      ascending = ascending && rows.offsets[row - 1] <= rows.offsets[row];
    if (rows.offsets.size() % 2 == 0 || rows.offsets.front() != 0 ||
        rows.offsets.back() != static_cast<std::int64_t>(tokens) || !ascending)
      throw shape_error("preference loss: offsets must rise from 0 to the number of tokens, an even number of rows");
    if (!fits(rows.reference_log_prob.size(), tokens) || !fits(rows.mask.size(), tokens) || gradient.size() != tokens)
      throw shape_error("preference loss: reference, mask and gradient need one entry per token");
    if (!fits(rows.lengths.size(), sums_.size()) || !fits(rows.pair_mask.size(), rows.pairs()) ||
        !fits(rows.pair_weight.size(), rows.pairs()))
      throw shape_error("preference loss: lengths need one entry per row, weights and pair mask one per pair");
    for (T& value : gradient) value = T(0);
    for (std::size_t p = 0; p < rows.pairs(); ++p) {
      if (!counts(p)) continue;
      std::int64_t const shared = math::min(count(chosen(p)), count(rejected(p)));
      for (std::size_t const row : {chosen(p), rejected(p)}) sum_row(row, shared);
      ++summary.pairs;
    }
    divisor = options.normaliser > 0 ? options.normaliser : static_cast<double>(summary.pairs);
  }

  [[nodiscard]] std::size_t chosen(std::size_t pair) const {
    return options_.order == pair_order::halves ? pair : 2 * pair;
  }
  [[nodiscard]] std::size_t rejected(std::size_t pair) const {
    return options_.order == pair_order::halves ? pair + rows_.pairs() : 2 * pair + 1;
  }
  [[nodiscard]] bool counts(std::size_t pair) const { return rows_.pair_mask.empty() || rows_.pair_mask[pair]; }
  [[nodiscard]] row_sums const& sums(std::size_t row) const { return sums_[row]; }
  [[nodiscard]] double log_prob(std::size_t row) const {
    return math::clamp(sums_[row].log_prob, -options_.log_ratio_limit, options_.log_ratio_limit);
  }
  [[nodiscard]] double log_ratio(std::size_t row) const { return sums_[row].log_prob - sums_[row].reference; }
  [[nodiscard]] T clamped_log_ratio(std::size_t row) const {
    return static_cast<T>(math::clamp(log_ratio(row), -options_.log_ratio_limit, options_.log_ratio_limit));
  }
  [[nodiscard]] T length(std::size_t row) const {
    std::int64_t const tokens = rows_.lengths.empty() ? sums_[row].tokens : rows_.lengths[row];
    return static_cast<T>(math::max<std::int64_t>(tokens, 1));
  }
  [[nodiscard]] T weight(std::size_t pair) const { return rows_.pair_weight.empty() ? T(1) : rows_.pair_weight[pair]; }

  /// Adds d loss / d log-ratio of a row to its tokens.
  void spread(std::size_t row, std::int64_t shared, double derivative) {
    double const ratio = log_ratio(row);
    if (!(std::abs(ratio) <= options_.log_ratio_limit)) return;
    std::int64_t seen = 0;
    for (std::size_t t = begin(row); t < end(row); ++t)
      if (valid(t)) gradient_[t] += static_cast<T>(derivative * token_weight(seen++, shared));
  }
  void spread_pair(std::size_t pair, double d_chosen, double d_rejected) {
    std::int64_t const shared = math::min(sums_[chosen(pair)].tokens, sums_[rejected(pair)].tokens);
    spread(chosen(pair), shared, d_chosen);
    spread(rejected(pair), shared, d_rejected);
  }

  /// Metrics and the SFT term; returns the summary.
  preference_summary finish(double preference) {
    double const scale = divisor > 0 ? 1 / divisor : 0;
    for (std::size_t p = 0; p < rows_.pairs(); ++p) {
      if (!counts(p)) continue;
      double const c = static_cast<double>(clamped_log_ratio(chosen(p)));
      double const r = static_cast<double>(clamped_log_ratio(rejected(p)));
      summary.chosen_log_ratio += scale * c;
      summary.rejected_log_ratio += scale * r;
      summary.accuracy += c > r ? scale : 0;
      if (options_.sft_weight != 0 && sums_[chosen(p)].tokens > 0) add_sft(chosen(p), scale);
    }
    summary.loss = scale * preference + options_.sft_weight * summary.sft;
    return summary;
  }

  double divisor = 0;

 private:
  [[nodiscard]] std::size_t begin(std::size_t row) const { return static_cast<std::size_t>(rows_.offsets[row]); }
  [[nodiscard]] std::size_t end(std::size_t row) const { return static_cast<std::size_t>(rows_.offsets[row + 1]); }
  [[nodiscard]] bool valid(std::size_t token) const { return rows_.mask.empty() || rows_.mask[token]; }
  [[nodiscard]] double token_weight(std::int64_t seen, std::int64_t shared) const {
    return seen < shared ? 1 : options_.tail_weight;
  }
  [[nodiscard]] std::int64_t count(std::size_t row) const {
    std::int64_t result = 0;
    for (std::size_t t = begin(row); t < end(row); ++t) result += valid(t) ? 1 : 0;
    return result;
  }
  void sum_row(std::size_t row, std::int64_t shared) {
    row_sums& sums = sums_[row];
    constexpr double forbidden = -std::numeric_limits<double>::infinity();
    for (std::size_t t = begin(row); t < end(row); ++t) {
      if (!valid(t)) continue;
      double const weight = token_weight(sums.tokens++, shared);
      double const policy = static_cast<double>(rows_.log_prob[t]);
      double const reference = rows_.reference_log_prob.empty() ? 0 : static_cast<double>(rows_.reference_log_prob[t]);
      sums.nll -= policy;
      if (weight == 0 || (policy == forbidden && reference == forbidden)) continue;
      sums.log_prob += weight * policy;
      sums.reference += weight * reference;
    }
  }
  void add_sft(std::size_t row, double scale) {
    double const factor =
        options_.sft_tokens > 0 ? 1 / options_.sft_tokens : scale / static_cast<double>(sums_[row].tokens);
    summary.sft += factor * math::min(sums_[row].nll, options_.log_ratio_limit);
    if (!(sums_[row].nll <= options_.log_ratio_limit)) return;
    for (std::size_t t = begin(row); t < end(row); ++t)
      if (valid(t)) gradient_[t] -= static_cast<T>(options_.sft_weight * factor);
  }

  preference_rows<T> const& rows_;
  preference_options const& options_;
  std::span<T> gradient_;
  std::vector<row_sums> sums_;
  preference_summary summary;
};

}  // namespace detail

/// Loss of packed pairs.
/// @param gradient  receives d loss / d log_prob, one entry per token
/// @throws shape_error where the sizes do not fit
template <class Loss, std::floating_point T>
requires preference_loss<Loss, T> preference_summary preference_batch_loss(Loss const& loss,
                                                                           preference_rows<T> const& rows,
                                                                           preference_options const& options,
                                                                           std::span<T> gradient) {
  detail::pair_batch<T> batch(rows, options, gradient);
  double sum = 0;
  for (std::size_t p = 0; p < rows.pairs(); ++p) {
    if (!batch.counts(p)) continue;
    preference_value<T> const value = loss(preference_sample<T>{.chosen = batch.clamped_log_ratio(batch.chosen(p)),
                                                                .rejected = batch.clamped_log_ratio(batch.rejected(p)),
                                                                .chosen_length = batch.length(batch.chosen(p)),
                                                                .rejected_length = batch.length(batch.rejected(p))});
    auto const weight = static_cast<double>(batch.weight(p));
    sum += weight * static_cast<double>(value.value);
    batch.spread_pair(p, weight * static_cast<double>(value.d_chosen) / batch.divisor,
                      weight * static_cast<double>(value.d_rejected) / batch.divisor);
  }
  return batch.finish(sum);
}

/// What alignment via optimal transport sorts.
enum class aot_kind : std::uint8_t {
  paired,   ///< the policy's margins log pi_c - log pi_r against the reference's (TRL's `aot`)
  unpaired  ///< the log-ratios of the chosen against those of the rejected responses (TRL's `aot_unpaired`)
};

/// `loss` of the differences between two sorted lists: the k-th smallest of one against the k-th smallest of the other,
/// so that one *distribution* comes to dominate the other.  Ties keep the order of the pairs.  Pair weights do not
/// apply.  Parameters as above.
template <class Loss, std::floating_point T>
requires margin_loss<Loss, T> preference_summary aot_loss(Loss const& loss, aot_kind kind,
                                                          preference_rows<T> const& rows,
                                                          preference_options const& options, std::span<T> gradient) {
  detail::pair_batch<T> batch(rows, options, gradient);
  std::vector<std::size_t> pairs;
  for (std::size_t p = 0; p < rows.pairs(); ++p)
    if (batch.counts(p)) pairs.push_back(p);
  auto const higher = [&](std::size_t p) {
    return kind == aot_kind::paired ? batch.log_prob(batch.chosen(p)) - batch.log_prob(batch.rejected(p))
                                    : static_cast<double>(batch.clamped_log_ratio(batch.chosen(p)));
  };
  auto const lower = [&](std::size_t p) {
    return kind == aot_kind::paired ? batch.sums(batch.chosen(p)).reference - batch.sums(batch.rejected(p)).reference
                                    : static_cast<double>(batch.clamped_log_ratio(batch.rejected(p)));
  };
  std::vector<std::size_t> above = pairs, below = pairs;
  detail::sort_stably(above, [&](std::size_t a, std::size_t b) { return higher(a) < higher(b); });
  detail::sort_stably(below, [&](std::size_t a, std::size_t b) { return lower(a) < lower(b); });
  double sum = 0;
  std::vector<double> d_chosen(rows.pairs()), d_rejected(rows.pairs());
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    double const margin =
        math::clamp(higher(above[k]) - lower(below[k]), -options.log_ratio_limit, options.log_ratio_limit);
    preference_value<T> const value = loss.of_margin(static_cast<T>(margin));
    sum += static_cast<double>(value.value);
    double const slope = static_cast<double>(value.d_chosen) / batch.divisor;
    d_chosen[above[k]] = slope;
    d_rejected[kind == aot_kind::paired ? above[k] : below[k]] = -slope;
  }
  for (std::size_t const p : pairs) batch.spread_pair(p, d_chosen[p], d_rejected[p]);
  return batch.finish(sum);
}

RLVR_NAMESPACE_END
