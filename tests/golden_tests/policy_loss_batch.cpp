// SPDX-License-Identifier: MIT
// The parts of policy_loss_batch.hpp that know no objective: instantiated once for each number type.
#include "policy_loss_batch.hpp"

#include <rlvr/rl/batch_loss.hpp>

#include <stdexcept>

namespace golden {
namespace {

// An objective whose losses the backend has computed, for `batch_loss`.
template <class T>
struct computed_losses {
  rlvr::token_sample<T> const* first = nullptr;
  rlvr::loss_value<T> const* losses = nullptr;

  [[nodiscard]] rlvr::loss_value<T> operator()(rlvr::token_sample<T> const& sample) const {
    return losses[&sample - first];
  }
};

}  // namespace

named_aggregation read_aggregation(value const& settings, std::size_t padded_length) {
  using kind = named_aggregation::kind;
  auto const read = [&](char const* key, double otherwise) {
    return settings.has(key) ? settings.at(key).number() : otherwise;
  };
  named_aggregation result{.factor = read("dp_size", 1),
                           .epsilon = read("eps", 0),
                           .row_epsilon = read("eps_rows", 0),
                           .rows = settings.contains("rows") ? rlvr::count_rows::all : rlvr::count_rows::non_empty,
                           .global_tokens = static_cast<std::int64_t>(read("global_tokens", 0)),
                           .global_sequences = static_cast<std::int64_t>(read("global_seqs", 0))};
  auto const mode = settings.at("mode").text();
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

named_aggregation aggregation_of(case_data const& test, std::size_t padded_length) {
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

template <class T>
packed_batch<T>::packed_batch(test_case<T> const& test) : mask(0) {
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

template <class T>
std::vector<T> packed_batch<T>::column(T rlvr::token_sample<T>::*member) const {
  std::vector<T> result;
  for (auto const& sample : samples) result.push_back(sample.*member);
  return result;
}

template <class T>
stored_batch<T>::stored_batch(packed_batch<T> const& batch)
    : samples(test::to_storage(batch.samples)),
      mask(batch.mask.view().begin(), batch.mask.view().end()),
      offsets(test::to_storage(batch.offsets)),
      losses(batch.samples.size()) {}

template <class T>
std::vector<rlvr::loss_value<T>> stored_batch<T>::finish(packed_batch<T>& batch) const {
  batch.samples.assign(samples.begin(), samples.end());
  return {losses.begin(), losses.end()};
}

template <class T>
evaluated<T> aggregated(packed_batch<T> const& batch, std::vector<rlvr::loss_value<T>> losses,
                        named_aggregation const& aggregation, rlvr::batch_statistics const& statistics,
                        rlvr::loss_metrics const& metrics) {
  std::size_t const count = batch.samples.size();
  std::vector<T> const scales =
      scales_by_length<T>(aggregation, statistics, static_cast<std::int64_t>(batch.padded_length));
  evaluated<T> result{.d_log_prob = std::vector<T>(count),
                      .d_entropy = std::vector<T>(count),
                      .token_loss = std::vector<rlvr::loss_value<T>>(count),
                      .metrics = metrics};
  result.loss =
      rlvr::batch_loss<T>(computed_losses<T>{batch.samples.data(), losses.data()}, computed_scales<T>{scales.data()},
                          statistics, batch.samples, batch.mask.view(), batch.offsets,
                          {result.d_log_prob, result.d_entropy, result.token_loss, &result.metrics});
  return result;
}

template <class T>
void compare_loss(test_case<T>& test, evaluated<T> const& found) {
  test.output("loss", found.loss);
  test.gradient("logp", found.d_log_prob);
  if (test.expects_gradient("entropy")) test.gradient("entropy", found.d_entropy);
  if (test.expects("token_loss")) test.output("token_loss", found.token_values());
}

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

#define RLVR_GOLDEN_INSTANTIATE(T)                                                                                     \
  template struct packed_batch<T>;                                                                                     \
  template class stored_batch<T>;                                                                                      \
  template evaluated<T> aggregated(packed_batch<T> const&, std::vector<rlvr::loss_value<T>>, named_aggregation const&, \
                                   rlvr::batch_statistics const&, rlvr::loss_metrics const&);                          \
  template void compare_loss(test_case<T>&, evaluated<T> const&);                                                      \
  template void compare_clip_ratios(test_case<T>&, packed_batch<T> const&, evaluated<T> const&);                       \
  template void compare_metrics(test_case<T>&, packed_batch<T> const&, evaluated<T> const&);                           \
  template std::vector<rlvr::log_ratio_sum> row_log_ratios(packed_batch<T> const&, T rlvr::token_sample<T>::*,         \
                                                           T rlvr::token_sample<T>::*);                                \
  template void drop_off_policy_rows(test_case<T> const&, packed_batch<T>&)

RLVR_GOLDEN_INSTANTIATE(float);
RLVR_GOLDEN_INSTANTIATE(double);

}  // namespace golden
