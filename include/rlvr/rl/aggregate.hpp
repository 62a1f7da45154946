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
///   prompt_mean               1 / (P n_p)      P prompts, n_p tokens of all responses to the token's prompt (SkyRL)
///   row_denominator           1 / max(D, 1)    D a denominator per sequence, shared in a rollout group (slime)
///   micro_batch_mean          1 / (K N_k)      mean of the K micro-batches' token means: NOT the token mean, for
///                                              comparison with stacks that had it (TRL #3021, SkyRL's
///                                              token_mean_legacy)
///   scaled_by                 c * another      data-parallel size where gradients are averaged, 1 / accumulation steps
///
/// LUSPO (row loss times its length, mean over rows) is sequence_mean_token_sum with `count_rows::all` over a
/// sequence-level objective.  The statistics of a step whose parts are elsewhere come from the caller: `operator+=`
/// adds parts up, or set the members to the global counts.
///
/// Bias: token_mean weighs a response by its length, sequence_mean_token_mean each response alike, so that a token of a
/// short correct answer counts more than one of a long one (Dr. GRPO, section 3.1); only constant_length, token_sum and
/// sequence_mean_token_sum do not depend on the lengths of the other responses or its own.
///
/// Empty sequences contribute nothing; whether they count in S is `count_rows`.  A batch without tokens has scale 0,
/// hence loss and gradient 0.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
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

/// Tokens that count in [first, last).
inline std::int64_t count_tokens(std::span<bool const> mask, std::size_t first, std::size_t last) {
  std::int64_t count = 0;
  for (std::size_t t = first; t < last; ++t) count += mask[t] ? 1 : 0;
  return count;
}

/// Throws shape_error unless a mask and row offsets describe `count` packed positions.
inline void require_packed_rows(char const* where, std::size_t count, std::size_t mask_count,
                                std::span<std::int64_t const> row_offsets) {
  if (mask_count != count)
    throw shape_error(message(where) + ": " + text_of(mask_count) + " mask values for " + text_of(count) +
                      " positions");
  bool sound =
      !row_offsets.empty() && row_offsets.front() == 0 && row_offsets.back() == static_cast<std::int64_t>(count);
  for (std::size_t row = 1; row < row_offsets.size(); ++row) sound = sound && row_offsets[row - 1] <= row_offsets[row];
  if (!sound) throw shape_error(message(where) + ": row offsets must rise from 0 to " + text_of(count));
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

/// 1 / (P n_p).  Its statistics count prompts as sequences: `add_sequence(tokens of all responses to the prompt)`, and
/// `length` is n_p.
struct prompt_mean {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T scale(batch_statistics const& batch, std::int64_t length) const {
    return sequence_mean_token_mean{count_rows::all}.scale<T>(batch, length);
  }
};

/// 1 / max(D, 1): `length` is D, whatever the sequence's own length is.  Responses of one rollout group that share
/// D = tokens of the group / responses weigh their tokens alike.
struct row_denominator {
  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T scale(batch_statistics const&, std::int64_t length) const {
    return static_cast<T>(1 / static_cast<double>(length > 1 ? length : 1));
  }
};

/// 1 / (K N_k), with the statistics of the micro-batch alone.  Biased: it depends on how the batch was split.
struct micro_batch_mean {
  std::int64_t micro_batches = 1;  ///< K

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T scale(batch_statistics const& micro_batch, std::int64_t) const {
    return detail::reciprocal_or_zero<T>(static_cast<double>(micro_batch.tokens) * static_cast<double>(micro_batches));
  }
};

/// factor * aggregation.
template <class Aggregation>
struct scaled_by {
  double factor = 1;
  Aggregation aggregation{};

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD constexpr T scale(batch_statistics const& batch, std::int64_t length) const {
    return static_cast<T>(factor * aggregation.template scale<double>(batch, length));
  }
};
template <class Aggregation>
scaled_by(double, Aggregation) -> scaled_by<Aggregation>;

/// Aggregated loss of numbers that exist already, and its gradient: the scale of each position.  Rows are packed: row i
/// is [row_offsets[i], row_offsets[i + 1]).  `d_values` gets 0 where the mask is false, and may be empty.
/// @param batch    statistics of the whole optimiser step, of which these rows may be a part
/// @param lengths  what `scale` takes for each row; empty: the row's tokens that count
template <loss_aggregation Aggregation, std::floating_point T>
T aggregate(Aggregation const& aggregation, batch_statistics const& batch, std::span<T const> values,
            std::span<bool const> mask, std::span<std::int64_t const> row_offsets, std::span<T> d_values = {},
            std::span<std::int64_t const> lengths = {}) {
  detail::require_packed_rows("aggregate", values.size(), mask.size(), row_offsets);
  if (!d_values.empty() && d_values.size() != values.size())
    throw shape_error("aggregate: as many gradients as values");
  if (!lengths.empty() && lengths.size() + 1 != row_offsets.size()) throw shape_error("aggregate: one length a row");
  double loss = 0;
  for (std::size_t row = 0; row + 1 < row_offsets.size(); ++row) {
    auto const first = static_cast<std::size_t>(row_offsets[row]);
    auto const last = static_cast<std::size_t>(row_offsets[row + 1]);
    std::int64_t const length = lengths.empty() ? detail::count_tokens(mask, first, last) : lengths[row];
    T const scale = aggregation.template scale<T>(batch, length);
    for (std::size_t t = first; t < last; ++t) {
      if (mask[t]) loss += static_cast<double>(scale) * static_cast<double>(values[t]);
      if (!d_values.empty()) d_values[t] = mask[t] ? scale : T(0);
    }
  }
  return static_cast<T>(loss);
}

/// Statistics of packed rows.
[[nodiscard]] inline batch_statistics count_batch(std::span<bool const> mask,
                                                  std::span<std::int64_t const> row_offsets) {
  detail::require_packed_rows("count_batch", mask.size(), mask.size(), row_offsets);
  batch_statistics batch{};
  for (std::size_t row = 0; row + 1 < row_offsets.size(); ++row)
    batch.add_sequence(detail::count_tokens(mask, static_cast<std::size_t>(row_offsets[row]),
                                            static_cast<std::size_t>(row_offsets[row + 1])));
  return batch;
}

static_assert(loss_aggregation<prompt_mean> && loss_aggregation<row_denominator>);
static_assert(loss_aggregation<micro_batch_mean> && loss_aggregation<scaled_by<token_mean>>);
static_assert(loss_aggregation<token_mean> && loss_aggregation<token_sum> && loss_aggregation<constant_length>);
static_assert(loss_aggregation<sequence_mean_token_mean> && loss_aggregation<sequence_mean_token_sum>);

RLVR_NAMESPACE_END
