// SPDX-License-Identifier: MIT
/// @file
/// From token losses to one number: every aggregation is a scale per token, and the batch's loss is
/// sum over tokens of scale * loss.  The scale depends on *global* counts, so micro-batches and data-parallel ranks add
/// up to exactly the loss of one big batch (averaging their means does not).  With N tokens, S sequences and n the
/// token's sequence length, tokens being those that count:
///
///   token_mean                1 / N            DAPO (2503.14476), verl's default
///   sequence_mean_token_mean  1 / (S n)        the formula of the GRPO paper; favours short correct answers
///   sequence_mean_token_sum   1 / S            sequence log-likelihood, RLOO
///   constant_length           1 / (S L)        Dr. GRPO (2503.20783), L a constant such as the length limit
///   token_sum                 1
///
/// Empty sequences contribute nothing; whether they count in S is `count_rows`.  A batch without tokens has scale 0,
/// hence loss and gradient 0.
#pragma once

#include <rlvr/core/config.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

RLVR_NAMESPACE_BEGIN

/// Counts of a whole optimiser step: all micro-batches, all ranks.
struct batch_statistics {
  std::int64_t tokens = 0;               ///< tokens that count
  std::int64_t sequences = 0;            ///< sequences, empty ones among them
  std::int64_t non_empty_sequences = 0;  ///< sequences with at least one token that counts
  std::int64_t max_length = 0;           ///< tokens that count in the longest sequence

  /// Adds one sequence of `length` counting tokens.
  RLVR_HD constexpr void add_sequence(std::int64_t length) {
    tokens += length;
    sequences += 1;
    non_empty_sequences += length > 0 ? 1 : 0;
    max_length = length > max_length ? length : max_length;
  }

  /// Adds another part of the same step.
  RLVR_HD constexpr batch_statistics& operator+=(batch_statistics const& part) {
    tokens += part.tokens;
    sequences += part.sequences;
    non_empty_sequences += part.non_empty_sequences;
    max_length = part.max_length > max_length ? part.max_length : max_length;
    return *this;
  }

  friend bool operator==(batch_statistics const&, batch_statistics const&) = default;
};

/// Which sequences the mean over sequences counts.
enum class count_rows : std::uint8_t {
  non_empty,  ///< those with a token that counts (verl)
  all,        ///< empty ones too (TRL's `grpo`, ROLL)
  one         ///< no division by the number of sequences
};

/// Requirements on an aggregation: trivially copyable, maps (batch, length of the token's sequence) to a scale.
template <class Aggregation>
concept loss_aggregation = std::is_trivially_copyable_v<Aggregation> &&
    requires(Aggregation const& aggregation, batch_statistics const& batch, std::int64_t length) {
  { aggregation.template scale<float>(batch, length) } -> std::same_as<float>;
  { aggregation.template scale<double>(batch, length) } -> std::same_as<double>;
};

namespace detail {

/// 1 / denominator, 0 where there is nothing to divide.
template <std::floating_point T>
RLVR_HD constexpr T reciprocal_or_zero(double denominator) {
  return denominator > 0 ? static_cast<T>(1 / denominator) : T(0);
}

/// S, or 0 for a batch without tokens.
RLVR_HD constexpr double row_divisor(count_rows rows, batch_statistics const& batch, double epsilon) {
  if (batch.tokens <= 0) return 0;
  if (rows == count_rows::one) return 1;
  return static_cast<double>(rows == count_rows::all ? batch.sequences : batch.non_empty_sequences) + epsilon;
}

}  // namespace detail

/// 1 / N: every token weighs the same.
struct token_mean {
  double token_epsilon = 0;  ///< added to N (NeMo-RL: 1e-8)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T scale(batch_statistics const& batch, std::int64_t) const {
    return detail::reciprocal_or_zero<T>(batch.tokens > 0 ? static_cast<double>(batch.tokens) + token_epsilon : 0.0);
  }
};

/// 1 / (S n): every sequence weighs the same.
struct sequence_mean_token_mean {
  count_rows rows = count_rows::non_empty;
  double token_epsilon = 0;  ///< added to n (verl, NeMo-RL: 1e-8)
  double row_epsilon = 0;    ///< added to S (NeMo-RL: 1e-8)

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T scale(batch_statistics const& batch, std::int64_t length) const {
    double const tokens = length > 0 ? static_cast<double>(length) + token_epsilon : 0.0;
    return detail::reciprocal_or_zero<T>(detail::row_divisor(rows, batch, row_epsilon) * tokens);
  }
};

/// 1 / S: a sequence weighs as much as it is long.
struct sequence_mean_token_sum {
  count_rows rows = count_rows::non_empty;
  double row_epsilon = 0;  ///< added to S

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T scale(batch_statistics const& batch, std::int64_t) const {
    return detail::reciprocal_or_zero<T>(detail::row_divisor(rows, batch, row_epsilon));
  }
};

/// 1 / (S L).
struct constant_length {
  std::int64_t length = 0;  ///< L; 0: the longest sequence of the batch
  count_rows rows = count_rows::non_empty;
  double row_epsilon = 0;  ///< added to S

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T scale(batch_statistics const& batch, std::int64_t) const {
    std::int64_t const divisor = length > 0 ? length : batch.max_length;
    return detail::reciprocal_or_zero<T>(detail::row_divisor(rows, batch, row_epsilon) * static_cast<double>(divisor));
  }
};

/// 1: the caller has put its weights elsewhere.
struct token_sum {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T scale(batch_statistics const&, std::int64_t) const {
    return T(1);
  }
};

static_assert(loss_aggregation<token_mean> && loss_aggregation<token_sum> && loss_aggregation<constant_length>);
static_assert(loss_aggregation<sequence_mean_token_mean> && loss_aggregation<sequence_mean_token_sum>);

RLVR_NAMESPACE_END
