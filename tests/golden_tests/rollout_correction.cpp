// SPDX-License-Identifier: MIT
// Golden cases of the family rollout_correction.
#include <rlvr/rl/correction.hpp>
#include <rlvr/rl/mismatch.hpp>
#include <rlvr/rl/sequence_objectives.hpp>

#include "policy_loss_batch.hpp"
#include <cmath>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

namespace golden {
namespace {

std::vector<std::string> split(std::string const& text, char separator) {
  std::vector<std::string> parts(1);
  for (char const c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string digits(double number) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", number);
  return text;
}

// Rows of the two policies that a case compares.
template <class T>
struct row_pairs {
  explicit row_pairs(test_case<T> const& test, char const* upper = "old_logp", char const* lower = "rollout_logp")
      : old(test.rows(upper)), behaviour(test.rows(lower)) {
    for (auto const& row : test.rows("mask")) mask.emplace_back(row);
  }
  [[nodiscard]] std::size_t size() const { return old.size(); }

  matrix<T> old, behaviour;
  std::vector<flags> mask;
};

// `importance_weights`, with the rule evaluated by the backend.
template <class T>
matrix<T> weights_of(row_pairs<T> const& rows, rlvr::importance_weight const& rule, rlvr::importance_level level,
                     double length_epsilon = 0) {
  matrix<T> result;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<T> log_ratios(rows.old[i].size());
    rlvr::importance_log_ratios(level, view(rows.old[i]), view(rows.behaviour[i]), rows.mask[i].view(),
                                std::span<T>(log_ratios), length_epsilon);
    result.push_back(test::map(rule, log_ratios));
    for (std::size_t t = 0; t < log_ratios.size(); ++t)
      if (!rows.mask[i][t]) result.back()[t] = T(0);
  }
  return result;
}

rlvr::rejection read_rejection(std::string const& option, std::string const& threshold, double clamp) {
  std::size_t const place = option.rfind('_');
  std::string const scope = option.substr(0, place);
  auto const over = scope == "token"     ? rlvr::rejection_scope::token
                    : scope == "seq_sum" ? rlvr::rejection_scope::row_sum
                    : scope == "seq_max" ? rlvr::rejection_scope::row_max
                                         : rlvr::rejection_scope::row_mean;
  std::string const estimator = option.substr(place + 1);
  rlvr::rejection rule{.scope = over};
  if (estimator == "k1") {
    auto const bounds = split(threshold, '_');
    double const high = std::stod(bounds.back());
    rule = rlvr::rejection::inverse_ratio(over, bounds.size() > 1 ? std::stod(bounds[0]) : 1 / high, high);
  } else {
    rule.estimator = estimator == "k2" ? rlvr::rejection_estimator::k2 : rlvr::rejection_estimator::k3;
    rule.upper = std::stod(threshold);
  }
  rule.max_log_ratio = clamp;
  return rule;
}

auto const is_weights = []<class T>(test_case<T>& test) {
  row_pairs<T> const rows(test);
  bool const sequences = test.text("level") == "sequence";
  bool const bounded = test.has_parameter("lower");
  rlvr::importance_weight const rule{.lower = test.parameter("lower", 0),
                                     .upper = test.parameter("upper", rlvr::unlimited),
                                     .beyond = bounded ? rlvr::out_of_bounds::mask : rlvr::out_of_bounds::truncate,
                                     .max_log_ratio = test.parameter("log_ratio_clamp", 20)};
  matrix<T> weights =
      weights_of(rows, rule, sequences ? rlvr::importance_level::sequence : rlvr::importance_level::token);
  rlvr::weight_statistics tokens{.epsilon = 1e-8};
  std::vector<T> all;
  std::vector<std::int64_t> offsets{0};
  for (auto const& row : weights) {
    all.insert(all.end(), row.begin(), row.end());
    offsets.push_back(static_cast<std::int64_t>(all.size()));
  }
  flags const counts(test.flat("mask"));
  for (std::size_t i = 0; i < all.size(); ++i)
    if (counts[i]) tokens.add(static_cast<double>(all[i]));
  if (test.parameter("batch_normalize", 0) != 0)
    rlvr::normalise_weights(sequences ? rlvr::weight_mean::rows : rlvr::weight_mean::tokens, std::span<T>(all),
                            counts.view(), offsets, 1e-8);
  test.output("weights", all);
  test.output("mean", tokens.mean());
  test.output("std", tokens.standard_deviation());
  test.output("ess", tokens.effective_sample_size());
};

auto const rejection_mask = []<class T>(test_case<T>& test) {
  row_pairs<T> const rows(test);
  auto const options = split(test.text("option"), ',');
  value const& given = test.parameters().at("threshold");
  auto const thresholds = split(given.is_text() ? given.text() : digits(given.number()), ',');
  matrix<T> kept;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    flags keep(rows.old[i].size(), true);
    for (std::size_t k = 0; k < options.size(); ++k)
      read_rejection(options[k], thresholds.at(thresholds.size() == 1 ? 0 : k), test.parameter("log_ratio_clamp", 20))
          .apply(view(rows.old[i]), view(rows.behaviour[i]), rows.mask[i].view(), keep.span());
    kept.emplace_back();
    for (std::size_t t = 0; t < rows.old[i].size(); ++t) kept.back().push_back(keep[t] ? T(1) : T(0));
  }
  test.output("mask", kept);
};

auto const offpolicy_metrics = []<class T>(test_case<T>& test) {
  row_pairs<T> const rows(test);
  rlvr::mismatch_statistics found{.epsilon = 1e-8, .rows = rlvr::count_rows::all};
  for (std::size_t i = 0; i < rows.size(); ++i)
    found.add(view(rows.old[i]), view(rows.behaviour[i]), rows.mask[i].view());
  test.output("training_ppl", found.row_mean(found.sum_training_perplexity));
  test.output("training_log_ppl", found.row_mean(found.sum_training_log_perplexity));
  test.output("rollout_ppl", found.row_mean(found.sum_rollout_perplexity));
  test.output("rollout_log_ppl", found.row_mean(found.sum_rollout_log_perplexity));
  test.output("log_ppl_diff", found.row_mean(found.sum_training_log_perplexity - found.sum_rollout_log_perplexity));
  test.output("log_ppl_abs_diff", found.row_mean(found.sum_absolute_difference));
  test.output("log_ppl_diff_max", found.largest_difference);
  test.output("log_ppl_diff_min", found.smallest_difference);
  test.output("ppl_ratio", found.perplexity_ratio());
  test.output("kl", found.kl());
  test.output("k3_kl", found.k3_kl());
  test.output("chi2_token", found.chi_square());
  test.output("chi2_seq", found.sequence_chi_square());
};

// TRL leaves masked positions at weight exp(0), bounded like the others.
auto const is_ratio = []<class T>(test_case<T>& test) {
  row_pairs<T> const rows(test);
  std::string const mode = test.text("mode");
  bool const sequences = mode.starts_with("sequence");
  rlvr::importance_weight const rule{
      .lower = test.parameter("clip_min", 0),
      .upper = test.parameter("clip_max", rlvr::unlimited),
      .beyond = mode.ends_with("mask") ? rlvr::out_of_bounds::mask : rlvr::out_of_bounds::truncate};
  matrix<T> ratios;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<T> x(rows.old[i].size());
    rlvr::importance_log_ratios(rlvr::importance_level::token, view(rows.old[i]), view(rows.behaviour[i]),
                                rows.mask[i].view(), std::span<T>(x));
    if (sequences)
      x = {static_cast<T>(rlvr::sum_log_ratios(view(rows.old[i]), view(rows.behaviour[i]), rows.mask[i].view()).sum)};
    ratios.push_back(test::map(rule, x));
  }
  test.output("ratio", ratios);
};

auto const weight_token_loss = []<class T>(test_case<T>& test) {
  row_pairs<T> const rows(test);
  matrix<T> loss = test.rows("token_loss");
  rlvr::importance_weight const rule{
      .lower = test.parameter("low", 0),
      .upper = test.parameter("high", rlvr::unlimited),
      .beyond = test.text("kind") == "icepop" ? rlvr::out_of_bounds::mask : rlvr::out_of_bounds::truncate};
  matrix<T> clipped;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<T> x;
    for (std::size_t t = 0; t < loss[i].size(); ++t) x.push_back(rows.old[i][t] - rows.behaviour[i][t]);
    std::vector<T> const weights = test::map(rule, x);
    clipped.emplace_back();
    for (std::size_t t = 0; t < loss[i].size(); ++t) {
      loss[i][t] *= weights[t];
      clipped.back().push_back(rule.inside(x[t]) ? T(0) : T(1));
    }
  }
  test.output("weighted", loss);
  test.output("clipped", clipped);
};

auto const train_infer_correction = []<class T>(test_case<T>& test) {
  row_pairs<T> const rows(test);
  std::string const name = test.text("granularity");
  auto const level = name == "token"       ? rlvr::importance_level::token
                     : name == "geometric" ? rlvr::importance_level::geometric
                     : name == "segment"   ? rlvr::importance_level::segment
                                           : rlvr::importance_level::sequence;
  double const epsilon =
      level == rlvr::importance_level::geometric || level == rlvr::importance_level::segment ? 1e-8 : 0;
  test.output("weights", weights_of(rows, {.upper = test.parameter("upper_bound", rlvr::unlimited)}, level, epsilon));
  matrix<T> keep = weights_of(rows,
                              {.lower = test.parameter("filter_low", 0),
                               .upper = test.parameter("filter_high", rlvr::unlimited),
                               .beyond = rlvr::out_of_bounds::mask},
                              level, epsilon);
  for (auto& row : keep)
    for (T& x : row) x = x > T(0) ? T(1) : T(0);
  test.output("keep", keep);
};

auto const off_policy_sequence_mask = []<class T>(test_case<T>& test) {
  row_pairs<T> const rows(test, "rollout_logp", "logp");
  rlvr::off_policy_mask const rule{test.parameter("threshold")};
  matrix<T> const advantage = test.broadcast("adv", rows.old);
  matrix<T> keep;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    double const drift = rlvr::sum_log_ratios(view(rows.old[i]), view(rows.behaviour[i]), rows.mask[i].view()).mean();
    auto const kept = test::map(rule, std::vector{static_cast<double>(advantage[i].at(0))}, std::vector{drift});
    keep.push_back({kept[0] != 0 ? T(1) : T(0)});
  }
  test.output("keep", keep);
};

auto const vespo_gamma_weights = []<class T>(test_case<T>& test) {
  row_pairs<T> const rows(test, "logp", "old_logp");
  matrix<T> const advantage = test.broadcast("adv", rows.old);
  rlvr::vespo const objective{.weight = {.k_positive = test.parameter("k_pos", 2),
                                         .lambda_positive = test.parameter("lambda_pos", 3),
                                         .k_negative = test.parameter("k_neg", 3),
                                         .lambda_negative = test.parameter("lambda_neg", 2)}};
  matrix<T> phi;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    T sum{};
    for (std::size_t t = 0; t < rows.old[i].size(); ++t)
      if (rows.mask[i][t])
        sum += objective.sequence_term(
            rlvr::token_sample<T>{.log_prob = rows.old[i][t], .old_log_prob = rows.behaviour[i][t]});
    phi.push_back(test::map(objective.weight, std::vector{sum}, std::vector{advantage[i].at(0)}));
  }
  test.output("phi", phi);
};

}  // namespace

void add_rollout_correction(registry& all) {
  all.add("rollout_correction", "is_weights", is_weights);
  all.add("rollout_correction", "rejection_mask", rejection_mask);
  all.add("rollout_correction", "offpolicy_metrics", offpolicy_metrics);
  all.add("rollout_correction", "is_ratio", is_ratio);
  all.add("rollout_correction", "weight_token_loss", weight_token_loss);
  all.add("rollout_correction", "train_infer_correction", train_infer_correction);
  all.add("rollout_correction", "off_policy_sequence_mask", off_policy_sequence_mask);
  all.add("rollout_correction", "vespo_gamma_weights", vespo_gamma_weights);
}

}  // namespace golden
