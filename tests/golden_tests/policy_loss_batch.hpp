// SPDX-License-Identifier: MIT
/// @file
/// What the handlers of policy_loss and aggregation share: a case as packed rows, its aggregation, and losses that are
/// evaluated where the backend runs.
#pragma once

#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/correction.hpp>
#include <rlvr/rl/loss_metrics.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/sequence_pass.hpp>

#include "case.hpp"
#include <algorithm>
#include <memory>
#include <numeric>
#include <span>
#include <support/evaluate.hpp>
#include <utility>

namespace golden {

/// Bools that a span can look at.
class flags {
 public:
  explicit flags(std::size_t count, bool value = false) : data_(new bool[count]), count_(count) { fill(value); }
  template <class T>
  explicit flags(std::vector<T> const& numbers) : flags(numbers.size()) {
    for (std::size_t i = 0; i < count_; ++i) data_[i] = numbers[i] != T(0);
  }
  void fill(bool value) { std::fill_n(data_.get(), count_, value); }
  [[nodiscard]] bool& operator[](std::size_t i) { return data_[i]; }
  [[nodiscard]] bool operator[](std::size_t i) const { return data_[i]; }
  [[nodiscard]] std::span<bool const> view() const { return {data_.get(), count_}; }
  [[nodiscard]] std::span<bool> span() { return {data_.get(), count_}; }

 private:
  std::unique_ptr<bool[]> data_;
  std::size_t count_;
};

/// An aggregation that a file names.
struct named_aggregation {
  enum class kind : unsigned char { tokens, rows_mean, rows_sum, constant, sum } mode = kind::sum;
  double factor = 1;  ///< data-parallel size, or 1 / accumulation steps
  double epsilon = 0;
  double row_epsilon = 0;
  rlvr::count_rows rows = rlvr::count_rows::non_empty;
  std::int64_t length = 0;            ///< L of constant_length
  std::int64_t global_tokens = 0;     ///< 0: those of the case
  std::int64_t global_sequences = 0;  ///< 0: those of the case

  template <std::floating_point T>
  [[nodiscard]] RLVR_HD T scale(rlvr::batch_statistics const& batch, std::int64_t tokens) const {
    auto const with = [&](auto aggregation) {
      return rlvr::scaled_by{factor, aggregation}.template scale<T>(batch, tokens);
    };
    switch (mode) {
      case kind::tokens:
        return with(rlvr::token_mean{epsilon});
      case kind::rows_mean:
        return with(rlvr::sequence_mean_token_mean{rows, epsilon, row_epsilon});
      case kind::rows_sum:
        return with(rlvr::sequence_mean_token_sum{rows, row_epsilon});
      case kind::constant:
        return with(rlvr::constant_length{length, rows, row_epsilon});
      default:
        return with(rlvr::token_sum{});
    }
  }
  [[nodiscard]] rlvr::batch_statistics statistics(rlvr::batch_statistics local) const {
    if (global_tokens > 0) local.tokens = global_tokens;
    if (global_sequences > 0) local.sequences = local.non_empty_sequences = global_sequences;
    return local;
  }
};

/// The aggregation that an object with `mode` describes.
[[nodiscard]] named_aggregation read_aggregation(value const& settings, std::size_t padded_length);

/// The aggregation of a policy-loss case: `agg` (an object, or words for a masked sum) or TRL's `loss_type`.
[[nodiscard]] named_aggregation aggregation_of(case_data const& test, std::size_t padded_length);

/// The scale of tokens whose sequence has that length.
template <class T, class Aggregation>
struct scale_of_length {
  Aggregation aggregation{};
  rlvr::batch_statistics batch{};

  [[nodiscard]] RLVR_HD T operator()(std::int64_t length) const { return aggregation.template scale<T>(batch, length); }
};

/// An aggregation whose scales the backend has computed.
template <class T>
struct computed_scales {
  T const* by_length = nullptr;

  template <std::floating_point U>
  [[nodiscard]] U scale(rlvr::batch_statistics const&, std::int64_t length) const {
    return static_cast<U>(by_length[length]);
  }
};

/// Scales of lengths from 0 on.
template <class T, class Aggregation>
[[nodiscard]] std::vector<T> scales_by_length(Aggregation const& aggregation, rlvr::batch_statistics const& batch,
                                              std::int64_t longest) {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(longest) + 1);
  std::iota(lengths.begin(), lengths.end(), 0);
  return test::map(scale_of_length<T, Aggregation>{aggregation, batch}, lengths);
}

/// A case as packed rows of padded length.
template <class T>
struct packed_batch {
  explicit packed_batch(test_case<T> const& test);
  /// Rows of one length.
  packed_batch(std::vector<rlvr::token_sample<T>> all, flags counts, std::size_t length)
      : padded_length(length), mask(std::move(counts)), samples(std::move(all)) {
    for (std::size_t end = length; end <= samples.size(); end += length)
      offsets.push_back(static_cast<std::int64_t>(end));
  }

  [[nodiscard]] std::size_t rows() const { return offsets.size() - 1; }
  [[nodiscard]] std::size_t row_of(std::size_t position) const { return position / padded_length; }
  /// A member of every sample, masked positions as they are.
  [[nodiscard]] std::vector<T> column(T rlvr::token_sample<T>::*member) const;
  [[nodiscard]] rlvr::batch_statistics statistics() const { return rlvr::count_batch(mask.view(), offsets); }

  std::size_t padded_length;
  flags mask;
  std::vector<std::int64_t> offsets{0};
  std::vector<rlvr::token_sample<T>> samples;
};

/// Loss, gradients and metrics of a batch.
template <class T>
struct evaluated {
  T loss{};
  std::vector<T> d_log_prob, d_entropy;
  std::vector<rlvr::loss_value<T>> token_loss;
  rlvr::loss_metrics metrics;

  [[nodiscard]] std::vector<T> token_values() const {
    std::vector<T> result;
    for (auto const& loss_of_token : token_loss) result.push_back(loss_of_token.value);
    return result;
  }
  evaluated& operator+=(evaluated const& other) {
    loss += other.loss;
    for (std::size_t i = 0; i < d_log_prob.size(); ++i) d_log_prob[i] += other.d_log_prob[i];
    for (std::size_t i = 0; i < d_entropy.size(); ++i) d_entropy[i] += other.d_entropy[i];
    return *this;
  }
};

/// A batch where kernels can read and write it.
template <class T>
class stored_batch {
 public:
  explicit stored_batch(packed_batch<T> const& batch);

  /// The records into the samples of `batch`; the losses.
  std::vector<rlvr::loss_value<T>> finish(packed_batch<T>& batch) const;

  test::storage<rlvr::token_sample<T>> samples;
  test::storage<unsigned char> mask;
  test::storage<std::int64_t> offsets;
  test::storage<rlvr::loss_value<T>> losses;
};

/// One row: its record, then the losses of its tokens.
template <class T, class Objective>
struct row_losses {
  Objective objective{};
  rlvr::token_sample<T>* samples = nullptr;
  unsigned char const* mask = nullptr;
  std::int64_t const* offsets = nullptr;
  rlvr::loss_value<T>* losses = nullptr;

  RLVR_HD void operator()(std::size_t row) const {
    std::int64_t const first = offsets[row];
    std::int64_t const count = offsets[row + 1] - first;
    rlvr::token_sample<T>* const at = samples + first;
    unsigned char const* const counts = mask + first;
    rlvr::sequence_record<T> known{};
    for (std::int64_t t = count; t-- > 0;)
      if (counts[t]) known = at[t].sequence;
    auto const record = rlvr::summarise_sequence<T>(
        objective, count, [=](std::int64_t t) { return counts[t] != 0; }, [=](std::int64_t t) { return at[t]; }, known);
    for (std::int64_t t = 0; t < count; ++t) {
      losses[first + t] = {};
      if (!counts[t]) continue;
      at[t].sequence = record;
      losses[first + t] = objective(at[t]);
    }
  }
};

/// Fills the records of the rows and returns the losses of the tokens, zero where masked.
template <class T, class Objective>
[[nodiscard]] std::vector<rlvr::loss_value<T>> losses_of(packed_batch<T>& batch, Objective const& objective) {
  stored_batch<T> stored(batch);
  test::for_each_index(batch.rows(), row_losses<T, Objective>{objective, stored.samples.data(), stored.mask.data(),
                                                              stored.offsets.data(), stored.losses.data()});
  return stored.finish(batch);
}

/// What `batch_loss` makes of losses of tokens.
template <class T>
[[nodiscard]] evaluated<T> aggregated(packed_batch<T> const& batch, std::vector<rlvr::loss_value<T>> losses,
                                      named_aggregation const& aggregation, rlvr::batch_statistics const& statistics,
                                      rlvr::loss_metrics const& metrics);

template <class T, class Objective>
[[nodiscard]] evaluated<T> evaluate(packed_batch<T>& batch, Objective const& objective,
                                    named_aggregation const& aggregation, rlvr::batch_statistics const& statistics,
                                    rlvr::loss_metrics const& metrics = {}) {
  return aggregated(batch, losses_of(batch, objective), aggregation, statistics, metrics);
}

/// `evaluate` with the aggregation that the case names.
template <class T, class Objective>
[[nodiscard]] evaluated<T> evaluate(test_case<T> const& test, packed_batch<T>& batch, Objective const& objective,
                                    rlvr::loss_metrics const& metrics = {}) {
  auto const aggregation = aggregation_of(test, batch.padded_length);
  return evaluate(batch, objective, aggregation, aggregation.statistics(batch.statistics()), metrics);
}

/// Loss, its gradients and the loss of each token.
template <class T>
void compare_loss(test_case<T>& test, evaluated<T> const& found);

/// The same; the cases of a masked sum state the loss of tokens at masked positions too.
template <class T, class Objective>
void compare_loss(test_case<T>& test, packed_batch<T> const& batch, Objective const& objective, evaluated<T> found) {
  if (test.has_parameter("agg") && !test.parameters().at("agg").is_object())
    found.token_loss = test::map(objective, batch.samples);
  compare_loss(test, found);
}

/// Mean over tokens of what clips at each bound; over rows, empty ones among them, where the ratio is a row's.
template <class T>
void compare_clip_ratios(test_case<T>& test, packed_batch<T> const& batch, evaluated<T> const& found);

/// The metrics as verl, OpenRLHF and TRL name them, of those that the case has.
template <class T>
void compare_metrics(test_case<T>& test, packed_batch<T> const& batch, evaluated<T> const& found);

/// Sums of numerator - denominator over each row's tokens that count.
template <class T>
[[nodiscard]] std::vector<rlvr::log_ratio_sum> row_log_ratios(packed_batch<T> const& batch,
                                                              T rlvr::token_sample<T>::*numerator,
                                                              T rlvr::token_sample<T>::*denominator);

/// Leaves rows out of the policy term (weight 0) that have drifted from the sampler (TRL's off_policy_threshold).
template <class T>
void drop_off_policy_rows(test_case<T> const& test, packed_batch<T>& batch);

void add_policy_loss_grpo(registry& all);
void add_policy_loss_corrected(registry& all);
void add_policy_loss_fused(registry& all);

}  // namespace golden
