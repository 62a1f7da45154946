// SPDX-License-Identifier: MIT
/// @file
/// What the handlers of policy_loss and aggregation share: a case as packed rows, and its aggregation.
#pragma once

#include <rlvr/rl/aggregate.hpp>
#include <rlvr/rl/batch_loss.hpp>
#include <rlvr/rl/correction.hpp>
#include <rlvr/rl/objective.hpp>
#include <rlvr/rl/penalty.hpp>
#include <rlvr/rl/sequence_pass.hpp>

#include "case.hpp"
#include <memory>
#include <optional>
#include <span>

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
  [[nodiscard]] T scale(rlvr::batch_statistics const& batch, std::int64_t tokens) const {
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
[[nodiscard]] inline named_aggregation read_aggregation(json const& settings, std::size_t padded_length) {
  using kind = named_aggregation::kind;
  auto const read = [&](char const* key, double otherwise) {
    return settings.contains(key) && !settings.at(key).is_null() ? number(settings.at(key)) : otherwise;
  };
  named_aggregation result{.factor = read("dp_size", 1),
                           .epsilon = read("eps", 0),
                           .row_epsilon = read("eps_rows", 0),
                           .rows = settings.contains("rows") ? rlvr::count_rows::all : rlvr::count_rows::non_empty,
                           .global_tokens = static_cast<std::int64_t>(read("global_tokens", 0)),
                           .global_sequences = static_cast<std::int64_t>(read("global_seqs", 0))};
  auto const mode = settings.at("mode").get<std::string>();
  if (mode == "token_mean") {
    result.mode = kind::tokens;
  } else if (mode == "token_sum") {
    result.mode = kind::sum;
  } else if (mode == "seq_mean_token_sum") {
    result.mode = kind::rows_sum;
  } else if (mode == "seq_mean_token_mean") {
    result.mode = kind::rows_mean;
  } else if (mode == "seq_mean_token_sum_norm" || mode == "sum_norm_legacy") {
    result.mode = kind::constant;
    result.length = static_cast<std::int64_t>(read("loss_scale", static_cast<double>(padded_length)));
    if (mode == "sum_norm_legacy") result.rows = rlvr::count_rows::one;
  } else {
    throw std::runtime_error("unknown aggregation " + mode);
  }
  return result;
}

/// The aggregation of a policy-loss case: `agg` (an object, or words for a masked sum) or TRL's `loss_type`.
template <class T>
[[nodiscard]] named_aggregation aggregation_of(test_case<T> const& test, std::size_t padded_length) {
  using kind = named_aggregation::kind;
  if (test.has_parameter("agg") && test.parameters().at("agg").is_object())
    return read_aggregation(test.parameters().at("agg"), padded_length);
  if (test.has_parameter("agg") || !test.has_parameter("loss_type")) return {};
  auto const type = test.text("loss_type");
  named_aggregation result{.factor = 1 / test.parameter("grad_accum", 1), .rows = rlvr::count_rows::all};
  if (type == "grpo" || type == "sapo" || type == "rloo") {
    result.mode = kind::rows_mean;
  } else if (type == "luspo") {
    result.mode = kind::rows_sum;
  } else if (type == "dr_grpo") {
    result.mode = kind::constant;
    result.length = static_cast<std::int64_t>(test.parameter("max_len"));
  } else if (type == "bnpo") {
    result.mode = kind::tokens;
  } else if (type == "dapo" || type == "cispo" || type == "vespo") {
    result.mode = kind::tokens;
    result.factor = 1;  // the global token count covers the accumulation
    result.global_tokens = static_cast<std::int64_t>(test.parameter("global_tokens", 0));
  } else {
    throw std::runtime_error("unknown loss_type " + type);
  }
  return result;
}

/// A case as packed rows of padded length.
template <class T>
struct packed_batch {
  explicit packed_batch(test_case<T> const& test) : mask(0) {
    matrix<T> const log_prob = test.rows("logp");
    padded_length = log_prob.front().size();
    auto const rows = [&](char const* name, matrix<T> const& otherwise) {
      return test.has(name) ? test.broadcast(name, log_prob) : otherwise;
    };
    auto const filled = [&](T value) {
      matrix<T> result = log_prob;
      for (auto& line : result) line.assign(line.size(), value);
      return result;
    };
    auto const old = rows("old_logp", log_prob);
    auto const reference = rows("ref_logp", log_prob);
    auto const behaviour = rows("rollout_logp", old);
    auto const advantage = rows("adv", filled(T(0)));
    auto const entropy = rows("entropy", filled(T(0)));
    auto const weight = rows(test.has("is_weights") ? "is_weights"
                             : test.has("is_ratio") ? "is_ratio"
                                                    : "weights",
                             filled(T(1)));
    char const* const reward_name = test.has("scores") ? "scores" : "rewards";
    auto const reward = test.has(reward_name) ? test.flat(reward_name) : std::vector<T>(log_prob.size());
    std::vector<T> counting;
    for (auto const& line : rows("mask", filled(T(1)))) counting.insert(counting.end(), line.begin(), line.end());
    mask = flags(counting);
    for (std::size_t i = 0; i < log_prob.size(); ++i) {
      for (std::size_t t = 0; t < padded_length; ++t)
        samples.push_back({.log_prob = log_prob[i][t],
                           .old_log_prob = old[i][t],
                           .reference_log_prob = reference[i][t],
                           .behaviour_log_prob = behaviour[i][t],
                           .advantage = advantage[i][t],
                           .entropy = entropy[i][t],
                           .sequence = {.index = static_cast<std::int64_t>(i), .reward = reward[i]},
                           .weight = weight[i][t]});
      offsets.push_back(static_cast<std::int64_t>(samples.size()));
    }
  }

  [[nodiscard]] std::size_t rows() const { return offsets.size() - 1; }
  [[nodiscard]] std::size_t row_of(std::size_t position) const { return position / padded_length; }
  /// A member of every sample, masked positions as they are.
  [[nodiscard]] std::vector<T> column(T rlvr::token_sample<T>::*member) const {
    std::vector<T> result;
    for (auto const& sample : samples) result.push_back(sample.*member);
    return result;
  }
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

template <class T, class Objective, class Aggregation>
[[nodiscard]] evaluated<T> evaluate(packed_batch<T>& batch, Objective const& objective, Aggregation const& aggregation,
                                    rlvr::batch_statistics const& statistics, rlvr::loss_metrics metrics = {}) {
  std::size_t const count = batch.samples.size();
  evaluated<T> result{.d_log_prob = std::vector<T>(count),
                      .d_entropy = std::vector<T>(count),
                      .token_loss = std::vector<rlvr::loss_value<T>>(count),
                      .metrics = metrics};
  rlvr::summarise_sequences<T>(objective, batch.samples, batch.mask.view(), batch.offsets);
  result.loss = rlvr::batch_loss<T>(objective, aggregation, statistics, batch.samples, batch.mask.view(), batch.offsets,
                                    {result.d_log_prob, result.d_entropy, result.token_loss, &result.metrics});
  return result;
}

/// `evaluate` with the aggregation that the case names.
template <class T, class Objective>
[[nodiscard]] evaluated<T> evaluate(test_case<T> const& test, packed_batch<T>& batch, Objective const& objective,
                                    rlvr::loss_metrics metrics = {}) {
  auto const aggregation = aggregation_of(test, batch.padded_length);
  return evaluate(batch, objective, aggregation, aggregation.statistics(batch.statistics()), metrics);
}

/// Loss, its gradients and the loss of each token.
template <class T>
void compare_loss(test_case<T>& test, evaluated<T> const& found) {
  test.output("loss", found.loss);
  test.gradient("logp", found.d_log_prob);
  if (test.expects_gradient("entropy")) test.gradient("entropy", found.d_entropy);
  if (test.expects("token_loss")) test.output("token_loss", found.token_values());
}

/// Loss, its gradients and the loss of each token; the cases of a masked sum state it at masked positions too.
template <class T, class Objective>
void compare_loss(test_case<T>& test, packed_batch<T> const& batch, Objective const& objective, evaluated<T> found) {
  if (test.has_parameter("agg") && test.parameters().at("agg").is_string())
    for (std::size_t i = 0; i < batch.samples.size(); ++i) found.token_loss[i] = objective(batch.samples[i]);
  compare_loss(test, found);
}

/// Mean over tokens of what clips at each bound; over rows, empty ones among them, where the ratio is a row's.
template <class T>
void compare_clip_ratios(test_case<T>& test, packed_batch<T> const& batch, evaluated<T> const& found) {
  if (!test.expects("clip_ratio_low_mean")) return;
  double low = found.metrics.clip_fraction_low();
  double high = found.metrics.clip_fraction_high();
  if (test.text("level") == "sequence") {
    double rows_low = 0, rows_high = 0;
    for (std::size_t i = 0; i < batch.rows(); ++i) {
      rlvr::clip_region region{};
      for (std::size_t t = i * batch.padded_length; t < (i + 1) * batch.padded_length; ++t)
        if (batch.mask[t]) region = found.token_loss[t].clip;
      rows_low += region == rlvr::clip_region::low ? 1 : 0;
      rows_high += region == rlvr::clip_region::high ? 1 : 0;
    }
    low = rows_low / static_cast<double>(batch.rows());
    high = rows_high / static_cast<double>(batch.rows());
  }
  test.output("clip_ratio_low_mean", static_cast<T>(low));
  test.output("clip_ratio_high_mean", static_cast<T>(high));
}

/// The metrics as verl, OpenRLHF and TRL name them, of those that the case has.
template <class T>
void compare_metrics(test_case<T>& test, packed_batch<T> const& batch, evaluated<T> const& found) {
  double const epsilon = 1e-8;  // verl's
  auto const& metrics = found.metrics;
  auto const compare = [&](char const* name, double value) {
    if (test.expects(name)) test.output(name, static_cast<T>(value));
  };
  compare("pg_clipfrac", metrics.clip_fraction(epsilon));
  compare("pg_clipfrac_lower", metrics.dual_clip_fraction(epsilon));
  compare("ppo_kl", metrics.approximate_kl(epsilon));
  compare("clip_ratio", metrics.clip_fraction());
  compare("kl", metrics.mean_kl());
  compare_clip_ratios(test, batch, found);
}

/// Sums of numerator - denominator over each row's tokens that count.
template <class T>
std::vector<rlvr::log_ratio_sum> row_log_ratios(packed_batch<T> const& batch, T rlvr::token_sample<T>::*numerator,
                                                T rlvr::token_sample<T>::*denominator) {
  auto const above = batch.column(numerator), below = batch.column(denominator);
  std::vector<rlvr::log_ratio_sum> result;
  for (std::size_t i = 0; i < batch.rows(); ++i) {
    auto const row = [&](auto span) { return span.subspan(i * batch.padded_length, batch.padded_length); };
    result.push_back(rlvr::sum_log_ratios<T>(row(std::span<T const>(above)), row(std::span<T const>(below)),
                                             row(batch.mask.view())));
  }
  return result;
}

/// Leaves rows out of the policy term (weight 0) that have drifted from the sampler (TRL's off_policy_threshold).
template <class T>
void drop_off_policy_rows(test_case<T> const& test, packed_batch<T>& batch) {
  if (!test.has_parameter("off_policy_threshold")) return;
  using sample_type = rlvr::token_sample<T>;
  auto const rows = row_log_ratios(batch, &sample_type::behaviour_log_prob, &sample_type::log_prob);
  rlvr::off_policy_mask const rule{.threshold = test.parameter("off_policy_threshold")};
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    auto& sample = batch.samples[i];
    if (!rule(static_cast<double>(sample.advantage), rows[batch.row_of(i)].mean())) sample.weight = T(0);
  }
}

void add_policy_loss_grpo(registry& all);
void add_policy_loss_corrected(registry& all);

}  // namespace golden
