// SPDX-License-Identifier: MIT
// Golden cases of the family policy_loss: objectives of one token or one row.  TRL's and NeMo-RL's whole losses are in
// policy_loss_grpo.cpp and policy_loss_corrected.cpp.
#include <rlvr/rl/importance_objectives.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/sequence_objectives.hpp>
#include <rlvr/rl/token_selection.hpp>

#include "policy_loss_batch.hpp"
#include <cmath>

namespace golden {
namespace {

constexpr double verl_epsilon = 1e-8;

template <class T>
rlvr::loss_metrics metrics_of(test_case<T> const& test) {
  return {.max_log_ratio = test.parameter("log_ratio_clamp", rlvr::unlimited)};
}

template <class T>
rlvr::ppo_clip ppo_of(test_case<T> const& test) {
  return {.low = test.parameter("eps_low"),
          .high = test.parameter("eps_high"),
          .dual_clip = test.parameter("dual_clip", rlvr::unlimited),
          .max_log_ratio = test.parameter("log_ratio_clamp", rlvr::unlimited)};
}

template <class T>
rlvr::sequence_clip sequence_clip_of(test_case<T> const& test) {
  bool const token = test.text("level") == "sequence_token";
  return {
      .low = test.parameter("eps_low"),
      .high = test.parameter("eps_high"),
      .dual_clip = test.parameter("dual_clip", rlvr::unlimited),
      .max_log_ratio = test.parameter("seq_log_ratio_max", rlvr::unlimited),
      .level = test.text("level") == "sequence_sum" ? rlvr::sequence_level::product : rlvr::sequence_level::geometric,
      .gradient = token ? rlvr::sequence_gradient::token : rlvr::sequence_gradient::sequence};
}

template <class T>
bool empty_row(packed_batch<T> const& batch, std::size_t row) {
  auto const mask = batch.mask.view().subspan(row * batch.padded_length, batch.padded_length);
  return std::count(mask.begin(), mask.end(), true) == 0;
}

// Loss and metrics of an objective, weighted where the case has weights.
template <class T, class Objective>
void run(test_case<T>& test, Objective const& objective) {
  packed_batch<T> batch(test);
  auto const found = evaluate(test, batch, rlvr::importance_weighted{objective}, metrics_of(test));
  compare_loss(test, batch, objective, found);
  compare_metrics(test, batch, found);
  if (test.expects("clipped")) {
    std::vector<bool> clipped;
    for (auto const& loss : found.token_loss)
      clipped.push_back(loss.clip == rlvr::clip_region::low || loss.clip == rlvr::clip_region::high);
    test.output("clipped", clipped);
  }
}

// The same with k3 against the reference.
template <class T, class Objective>
void run_with_kl(test_case<T>& test, Objective const& objective) {
  packed_batch<T> batch(test);
  double const beta = test.parameter("beta", 0);
  auto const found = evaluate(test, batch, rlvr::kl_penalised{rlvr::importance_weighted{objective}, rlvr::k3{}, beta},
                              metrics_of(test));
  compare_loss(test, found);
  compare_metrics(test, batch, found);
}

template <class T>
void run_clip_cov(test_case<T>& test) {
  packed_batch<T> batch(test);
  auto const ppo = ppo_of(test);
  std::size_t const count = batch.samples.size();
  flags clipped(count), selected(count);
  auto const unselected = test::map(ppo, batch.samples);
  for (std::size_t i = 0; i < count; ++i) clipped[i] = batch.mask[i] && unselected[i].clip != rlvr::clip_region::none;
  std::vector<T> covariance(count);
  rlvr::token_covariances<T>(batch.column(&rlvr::token_sample<T>::advantage),
                             batch.column(&rlvr::token_sample<T>::log_prob), batch.mask.view(), covariance);
  rlvr::clip_cov_rule const rule{.low = test.parameter("cov_low"), .high = test.parameter("cov_high"), .share = 1};
  std::size_t const dropped =
      rlvr::select_clip_cov<T>(rule, covariance, batch.mask.view(), clipped.view(), 1, selected.span());
  for (std::size_t i = 0; i < count; ++i) batch.samples[i].selected = selected[i];
  rlvr::restricted_to const objective{ppo, rlvr::token_choice::not_selected};
  auto const found = evaluate(test, batch, rlvr::importance_weighted{objective}, metrics_of(test));
  compare_loss(test, found);
  test.output("pg_clipfrac", static_cast<T>(found.metrics.fraction(static_cast<std::int64_t>(dropped), verl_epsilon)));
  test.output("ppo_kl", static_cast<T>(found.metrics.approximate_kl(verl_epsilon)));
}

template <class T>
void run_kl_cov(test_case<T>& test) {
  packed_batch<T> batch(test);
  std::size_t const count = batch.samples.size();
  flags selected(count);
  std::vector<T> covariance(count);
  rlvr::token_covariances<T>(batch.column(&rlvr::token_sample<T>::advantage),
                             batch.column(&rlvr::token_sample<T>::log_prob), batch.mask.view(), covariance);
  rlvr::select_kl_cov<T>(test.parameter("ratio_of_tokens"), covariance, batch.mask.view(), selected.span());
  double absolute = 0;
  for (std::size_t i = 0; i < count; ++i) {
    batch.samples[i].selected = selected[i];
    auto const& sample = batch.samples[i];
    if (batch.mask[i]) absolute += static_cast<double>(rlvr::absolute_kl{}(sample.log_prob, sample.old_log_prob).value);
  }
  rlvr::kl_cov const objective{.coefficient = test.parameter("coef")};
  auto const found = evaluate(test, batch, rlvr::importance_weighted{objective}, metrics_of(test));
  compare_loss(test, found);
  // This loss reports the mean of |log-ratio|.
  test.output("ppo_kl", static_cast<T>(found.metrics.mean(absolute, verl_epsilon)));
}

template <class T>
void run_gmpo(test_case<T>& test) {
  packed_batch<T> batch(test);
  rlvr::gmpo const objective{.log_low = test.parameter("log_eps_low"),
                             .log_high = test.parameter("log_eps_high"),
                             .epsilon = test.parameter("eps", 0)};
  if (test.has("is_weights")) {
    std::vector<T> const weights = batch.column(&rlvr::token_sample<T>::weight);
    for (std::size_t i = 0; i < batch.rows(); ++i) {
      auto const first = static_cast<std::size_t>(batch.offsets[i]);
      T const weight = rlvr::geometric_mean_weight<T>(std::span<T const>(weights).subspan(first, batch.padded_length),
                                                      batch.mask.view().subspan(first, batch.padded_length), 1e-10,
                                                      objective.epsilon);
      for (std::size_t t = 0; t < batch.padded_length; ++t) batch.samples[first + t].weight = weight;
    }
  }
  double const beta = test.parameter("beta", 0);
  auto found = evaluate(batch, rlvr::kl_penalised{rlvr::importance_weighted{objective}, rlvr::k3{}, beta},
                        {.mode = named_aggregation::kind::rows_mean, .rows = rlvr::count_rows::all}, batch.statistics(),
                        {.log_ratio_low = -objective.log_low, .log_ratio_high = objective.log_high});
  if (!test.has_parameter("eps")) {
    // TRL counts an empty row with ratio 1 and its advantage: a constant.
    for (std::size_t i = 0; i < batch.rows(); ++i)
      if (empty_row(batch, i))
        found.loss -= batch.samples[i * batch.padded_length].advantage / static_cast<T>(batch.rows());
  }
  compare_loss(test, found);
  auto const& outside = found.metrics.outside;
  auto const fraction = [&](std::int64_t count) { return static_cast<T>(found.metrics.fraction(count, verl_epsilon)); };
  if (test.expects("pg_clipfrac"))
    test.output("pg_clipfrac", fraction(outside.below_positive + outside.above_positive));
  if (test.expects("pg_clipfrac_lower"))
    test.output("pg_clipfrac_lower", fraction(outside.below_negative + outside.above_negative));
  if (test.expects("ppo_kl")) test.output("ppo_kl", static_cast<T>(found.metrics.approximate_kl(verl_epsilon)));
  compare_clip_ratios(test, batch, found);
  if (test.expects("kl")) test.output("kl", static_cast<T>(found.metrics.mean_kl()));
}

template <class T>
void run_vespo(test_case<T>& test) {
  packed_batch<T> batch(test);
  rlvr::vespo const objective{{.k_positive = test.parameter("k_pos"),
                               .lambda_positive = test.parameter("lambda_pos"),
                               .k_negative = test.parameter("k_neg"),
                               .lambda_negative = test.parameter("lambda_neg")}};
  // TRL sums the corrections of masked positions too (in its batches they are 1): give them to the row's first token.
  std::vector<T> elsewhere(batch.rows(), T(1));
  std::vector<std::size_t> first(batch.rows(), batch.samples.size());
  for (std::size_t i = batch.samples.size(); i-- > 0;) {
    if (batch.mask[i]) first[batch.row_of(i)] = i;
    if (!batch.mask[i]) elsewhere[batch.row_of(i)] *= batch.samples[i].weight;
  }
  for (std::size_t row = 0; row < batch.rows(); ++row)
    if (first[row] < batch.samples.size()) batch.samples[first[row]].weight *= elsewhere[row];
  auto const found = evaluate(test, batch, rlvr::kl_penalised{objective, rlvr::k3{}, test.parameter("beta", 0)});
  compare_loss(test, found);
  if (!test.expects("vespo_phi_seq_mean")) return;
  double sum = 0;
  for (std::size_t row = 0; row < batch.rows(); ++row) {
    bool const empty = first[row] == batch.samples.size();
    auto const& sample = batch.samples[empty ? row * batch.padded_length : first[row]];
    T const log_ratio = empty ? std::log(elsewhere[row]) : sample.sequence.term;
    sum += static_cast<double>(objective.weight(log_ratio, sample.advantage));
  }
  test.output("vespo_phi_seq_mean", static_cast<T>(sum / static_cast<double>(batch.rows())));
}

template <class T>
void run_dppo(test_case<T>& test) {
  bool const total_variation = test.text("divergence") == "tv";
  rlvr::dppo const objective{.region = {.divergence = total_variation ? rlvr::probability_divergence::total_variation
                                                                      : rlvr::probability_divergence::binary_kl,
                                        .low = test.parameter("delta_low"),
                                        .high = test.parameter("delta_high")},
                             .ratio_cap = test.parameter("ratio_cap"),
                             .max_log_ratio = test.parameter("log_ratio_clamp", rlvr::unlimited)};
  packed_batch<T> batch(test);
  auto settings = metrics_of(test);
  settings.log_ratio_high = std::log(objective.ratio_cap);
  auto const found = evaluate(test, batch, rlvr::importance_weighted{objective}, settings);
  compare_loss(test, found);
  auto const& metrics = found.metrics;
  test.output("pg_clipfrac", static_cast<T>(metrics.clip_fraction(verl_epsilon)));
  test.output("pg_clipfrac_lower", static_cast<T>(metrics.fraction(metrics.outside.above_negative, verl_epsilon)));
  test.output("ppo_kl", static_cast<T>(metrics.approximate_kl(verl_epsilon)));
}

template <class T>
void run_cispo_upper(test_case<T>& test) {
  packed_batch<T> batch(test);
  auto const objective = rlvr::cispo_capped(test.parameter("eps_high"));
  auto const found = evaluate(test, batch, rlvr::kl_penalised{objective, rlvr::k3{}, test.parameter("beta", 0)},
                              {.log_ratio_high = std::log(objective.highest)});
  compare_loss(test, found);
  if (test.expects("cispo_clip_ratio"))
    test.output("cispo_clip_ratio", static_cast<T>(found.metrics.fraction(found.metrics.outside.above_positive)));
}

template <class T, class Policy>
void run_prime(test_case<T>& test, Policy const& policy) {
  packed_batch<T> batch(test);
  rlvr::weighted_sum const objective{test.parameter("adv_tau"), policy, test.parameter("kl_tau"),
                                     rlvr::squared_log_ratio{}};
  compare_loss(test, evaluate(test, batch, rlvr::importance_weighted{objective}));
}

template <class T>
void run_sequence_sum(test_case<T>& test) {
  packed_batch<T> batch(test);
  auto const old = test.flat("old_seq");
  for (std::size_t i = 0; i < batch.rows(); ++i) {
    auto const first = static_cast<std::size_t>(batch.offsets[i]);
    double tokens = 0;
    for (std::size_t t = first; t < first + batch.padded_length; ++t) tokens += batch.mask[t] ? 1 : 0;
    for (std::size_t t = first; t < first + batch.padded_length; ++t)
      batch.samples[t].old_log_prob = static_cast<T>(static_cast<double>(old[i]) / tokens);
  }
  auto const objective = sequence_clip_of(test);
  auto found = evaluate(test, batch, objective);
  for (std::size_t i = 0; i < batch.rows(); ++i) {
    // TRL's mean has the rows without tokens too: their log-ratio is that of the sums.
    rlvr::token_sample<T> const sample{.advantage = batch.samples[i * batch.padded_length].advantage,
                                       .sequence = {.length = T(1), .mean_log_ratio = -old[i]}};
    if (empty_row(batch, i))
      found.loss += test::map(objective, std::vector{sample})[0].value / static_cast<T>(batch.rows());
  }
  compare_loss(test, found);
}

}  // namespace

void add_policy_loss(registry& all) {
  char const* const family = "policy_loss";
  all.add(family, "ppo_clip_flat", []<class T>(test_case<T>& test) { run(test, ppo_of(test)); });
  all.add(family, "gspo_token", []<class T>(test_case<T>& test) { run(test, sequence_clip_of(test)); });
  all.add(family, "luspo", []<class T>(test_case<T>& test) { run_with_kl(test, sequence_clip_of(test)); });
  all.add(family, "ppo_clip_sequence_sum", []<class T>(test_case<T>& test) { run_sequence_sum(test); });
  all.add(family, "gmpo", []<class T>(test_case<T>& test) { run_gmpo(test); });
  all.add(family, "vespo", []<class T>(test_case<T>& test) { run_vespo(test); });
  all.add(family, "dppo", []<class T>(test_case<T>& test) { run_dppo(test); });
  all.add(family, "clip_cov", []<class T>(test_case<T>& test) { run_clip_cov(test); });
  all.add(family, "kl_cov", []<class T>(test_case<T>& test) { run_kl_cov(test); });
  all.add(family, "sapo", []<class T>(test_case<T>& test) {
    run_with_kl(test, rlvr::sapo{.temperature_positive = test.parameter("tau_pos"),
                                 .temperature_negative = test.parameter("tau_neg"),
                                 .max_log_ratio = test.parameter("log_ratio_clamp", rlvr::unlimited)});
  });
  auto const cispo = []<class T>(test_case<T>& test) {
    run(test, rlvr::cispo(test.parameter("eps_low"), test.parameter("eps_high"),
                          test.parameter("log_ratio_clamp", rlvr::unlimited)));
  };
  all.add(family, "cispo", cispo);
  all.add(family, "cispo_flat", cispo);
  all.add(family, "cispo_upper", []<class T>(test_case<T>& test) { run_cispo_upper(test); });
  all.add(family, "cispo_masked", []<class T>(test_case<T>& test) {
    run(test, rlvr::cispo_masked(test.parameter("eps_low"), test.parameter("eps_high")));
  });
  all.add(family, "tis_pg", []<class T>(test_case<T>& test) {
    run(test, rlvr::truncated_policy_gradient(test.parameter("high"), test.parameter("low")));
  });
  all.add(family, "topr", []<class T>(test_case<T>& test) {
    run(test,
        rlvr::topr{.weight_positive = test.parameter("weight_pos"), .weight_negative = test.parameter("weight_neg")});
  });
  all.add(family, "gpg", []<class T>(test_case<T>& test) { run(test, rlvr::reinforce{}); });
  all.add(family, "reinforce", []<class T>(test_case<T>& test) { run(test, rlvr::reinforce{}); });
  all.add(family, "dro", []<class T>(test_case<T>& test) { run(test, rlvr::direct_reward{test.parameter("beta")}); });
  all.add(family, "kimi15", []<class T>(test_case<T>& test) { run(test, rlvr::direct_reward{test.parameter("tau")}); });
  all.add(family, "prime_ce", []<class T>(test_case<T>& test) { run(test, rlvr::cross_entropy{}); });
  all.add(family, "prime_default", []<class T>(test_case<T>& test) {
    run_prime(test, rlvr::trust_region_policy_gradient{
                        .region = {.low = test.parameter("mask_low"), .high = test.parameter("mask_high")}});
  });
  all.add(family, "prime_ipo", []<class T>(test_case<T>& test) {
    run_prime(test, rlvr::trust_region_policy_gradient{.region = {.divergence = rlvr::probability_divergence::absolute,
                                                                  .high = test.parameter("ipo_threshold")}});
  });
  all.add(family, "prime_ref_kl", []<class T>(test_case<T>& test) {
    run_prime(test, rlvr::reference_policy_gradient{.low = test.parameter("mask_low")});
  });
  all.add(family, "kl_overflow", []<class T>(test_case<T>& test) {
    packed_batch<T> batch(test);
    rlvr::k3 const kl{.input_clamp = test.parameter("input_clamp", rlvr::unlimited),
                      .output_clamp = test.parameter("output_clamp", rlvr::unlimited)};
    auto const found = evaluate(batch, rlvr::kl_penalised{rlvr::reinforce{}, kl, 1},
                                {.mode = named_aggregation::kind::tokens}, batch.statistics());
    compare_loss(test, found);
    test.output("kl", found.token_values());
  });
  add_policy_loss_grpo(all);
  add_policy_loss_corrected(all);
  add_policy_loss_fused(all);
}

}  // namespace golden
