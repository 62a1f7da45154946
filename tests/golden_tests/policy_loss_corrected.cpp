// SPDX-License-Identifier: MIT
// Golden cases of the family policy_loss whose weights or masks come from the mismatch between sampler and trainer:
// OpenRLHF's corrections, verl's bypass mode, slime's sequence mask, NeMo-RL's whole loss.
#include <rlvr/rl/correction.hpp>
#include <rlvr/rl/importance_objectives.hpp>
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/sequence_objectives.hpp>

#include "named_kl.hpp"
#include "policy_loss_batch.hpp"
#include <cmath>

namespace golden {
namespace {

// The weight of a token: "tis" truncates, "icepop" masks by the token's ratio, "seq-mask-tis" by the row's geometric
// mean, and leaves the token's ratio as it is.  Other kinds do not bound it.
struct named_correction {
  enum class kind : unsigned char { token, row, none } bounds = kind::none;
  rlvr::importance_weight rule{};

  template <class T>
  [[nodiscard]] RLVR_HD T operator()(T log_ratio, T mean_log_ratio) const {
    if (bounds == kind::token) return rule(log_ratio);
    return bounds == kind::none || rule.inside(mean_log_ratio) ? rule.unbounded(log_ratio) : T(0);
  }
};

named_correction read_correction(std::string const& name, double low, double high) {
  using kind = named_correction::kind;
  auto const beyond = name == "tis" ? rlvr::out_of_bounds::truncate : rlvr::out_of_bounds::mask;
  return {name == "tis" || name == "icepop" ? kind::token : (name == "seq-mask-tis" ? kind::row : kind::none),
          {.lower = low, .upper = high, .beyond = beyond}};
}

// Correction weights of OpenRLHF into the samples.
template <class T>
void correct(packed_batch<T>& batch, named_correction const& correction) {
  using sample_type = rlvr::token_sample<T>;
  auto const rows = row_log_ratios(batch, &sample_type::old_log_prob, &sample_type::behaviour_log_prob);
  std::vector<T> log_ratios, means;
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    auto const& sample = batch.samples[i];
    log_ratios.push_back(sample.old_log_prob - sample.behaviour_log_prob);
    means.push_back(static_cast<T>(rows[batch.row_of(i)].mean()));
  }
  std::vector<T> const weights = test::map(correction, log_ratios, means);
  for (std::size_t i = 0; i < batch.samples.size(); ++i)
    if (batch.mask[i]) batch.samples[i].weight = weights[i];
}

template <class T>
void run_openrlhf_loss(test_case<T>& test) {
  packed_batch<T> batch(test);
  using sample_type = rlvr::token_sample<T>;
  auto const correction = test.text("correction");
  bool const sequence = test.text("level") == "sequence";
  if (test.expects("rollout_kl")) {
    double sum = 0;
    for (auto const& row : row_log_ratios(batch, &sample_type::behaviour_log_prob, &sample_type::old_log_prob))
      sum += row.sum;
    test.output("rollout_kl", static_cast<T>(sum / static_cast<double>(batch.statistics().tokens)));
  }
  double moved = 0;  // old - new, whatever the ratio's denominator is
  for (auto const& row : row_log_ratios(batch, &sample_type::old_log_prob, &sample_type::log_prob)) moved += row.sum;
  if (!correction.empty() && sequence) {
    for (auto& sample : batch.samples) sample.old_log_prob = sample.behaviour_log_prob;
  } else if (!correction.empty()) {
    correct(batch, read_correction(correction, test.parameter("is_low"), test.parameter("is_high")));
  }
  double const clamp = test.parameter("log_ratio_clamp", rlvr::unlimited);
  auto const finish = [&](auto const& objective) {
    auto const found = evaluate(test, batch, rlvr::importance_weighted{objective}, {.max_log_ratio = clamp});
    compare_loss(test, found);
    if (sequence && test.expects("ppo_kl")) {
      test.output("ppo_kl", static_cast<T>(found.metrics.mean(moved)));
      test.output("clip_ratio", static_cast<T>(found.metrics.clip_fraction()));
    } else {
      compare_metrics(test, batch, found);
    }
  };
  double const low = test.parameter("eps_low"), high = test.parameter("eps_high");
  double const dual = test.parameter("dual_clip", rlvr::unlimited);
  if (sequence) return finish(rlvr::sequence_clip{.low = low, .high = high, .dual_clip = dual});
  finish(rlvr::ppo_clip{.low = low, .high = high, .dual_clip = dual, .max_log_ratio = clamp});
}

// "token_k2", "seq_mean_k3", ...
rlvr::rejection read_rejection(std::string const& name, double threshold) {
  using rlvr::rejection_estimator;
  using rlvr::rejection_scope;
  auto const split = name.rfind('_');
  auto const scope = name.substr(0, split), estimator = name.substr(split + 1);
  return {.estimator = estimator == "k1"   ? rejection_estimator::k1
                       : estimator == "k2" ? rejection_estimator::k2
                                           : rejection_estimator::k3,
          .scope = scope == "token"      ? rejection_scope::token
                   : scope == "seq_sum"  ? rejection_scope::row_sum
                   : scope == "seq_mean" ? rejection_scope::row_mean
                                         : rejection_scope::row_max,
          .upper = threshold};
}

// The old log-probs are the sampler's: the corrections compare the trained policy with them.
template <class T>
void run_bypass(test_case<T>& test) {
  packed_batch<T> batch(test);
  using sample_type = rlvr::token_sample<T>;
  double const bound = 20;
  rlvr::importance_weight const rule{.upper = test.parameter("is_threshold"), .max_log_ratio = bound};
  auto const level =
      test.text("rollout_is") == "sequence" ? rlvr::importance_level::sequence : rlvr::importance_level::token;
  auto const current = batch.column(&sample_type::log_prob), sampler = batch.column(&sample_type::old_log_prob);
  std::vector<T> weights(current.size());
  flags keep(current.size(), true);
  for (std::size_t i = 0; i < batch.rows(); ++i) {
    auto const row = [&](auto span) { return span.subspan(i * batch.padded_length, batch.padded_length); };
    auto const now = row(std::span<T const>(current)), then = row(std::span<T const>(sampler));
    rlvr::importance_weights<T>(rule, level, now, then, row(batch.mask.view()), row(std::span<T>(weights)));
    if (test.has_parameter("rollout_rs"))
      read_rejection(test.text("rollout_rs"), test.parameter("rs_threshold"))
          .template apply<T>(now, then, row(batch.mask.view()), row(keep.span()));
  }
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    batch.samples[i].weight = weights[i];
    batch.mask[i] = batch.mask[i] && keep[i];
  }
  if (test.text("loss_type") == "reinforce")
    return compare_loss(test, evaluate(test, batch, rlvr::importance_weighted{rlvr::reinforce{}}));
  compare_loss(test, evaluate(test, batch,
                              rlvr::ppo_clip{.low = test.parameter("eps_low"),
                                             .high = test.parameter("eps_high"),
                                             .dual_clip = test.parameter("dual_clip", rlvr::unlimited),
                                             .max_log_ratio = bound}));
}

template <class T>
void run_sequence_mask(test_case<T>& test) {
  packed_batch<T> batch(test);
  using sample_type = rlvr::token_sample<T>;
  auto const rows = row_log_ratios(batch, &sample_type::old_log_prob, &sample_type::log_prob);
  rlvr::off_policy_mask const rule{.threshold = test.parameter("delta")};
  std::vector<T> keep;
  double dropped = 0;  // tokens of a row, masked ones too, over its tokens that count
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    auto const& row = rows[batch.row_of(i)];
    bool const stays = rule(static_cast<double>(batch.samples[i].advantage), row.mean());
    keep.push_back(stays ? T(1) : T(0));
    if (!stays) dropped += 1 / static_cast<double>(std::max<std::int64_t>(row.count, 1));
  }
  test.output("keep", keep);
  test.output("clipfrac", static_cast<T>(dropped));
}

// NeMo-RL's ClippedPGLossFn.
template <class T>
class nemo_loss {
 public:
  explicit nemo_loss(test_case<T>& test) : test_(test), batch_(test) {
    auto const sample_mask = test.flat("sample_mask");
    for (std::size_t i = 0; i < batch_.samples.size(); ++i)
      if (sample_mask[batch_.row_of(i)] == T(0)) batch_.mask[i] = false;
    if (on("force_on_policy_ratio"))
      for (auto& sample : batch_.samples) sample.old_log_prob = sample.log_prob;
    double const epsilon = test.parameter("eps", 0);
    statistics_ = batch_.statistics();
    statistics_.tokens = static_cast<std::int64_t>(test.parameter("global_tokens"));
    statistics_.sequences = statistics_.non_empty_sequences = static_cast<std::int64_t>(test.parameter("global_seqs"));
    tokens_ = {.mode = named_aggregation::kind::tokens, .epsilon = epsilon};
    rows_ = {.mode = named_aggregation::kind::rows_mean, .epsilon = epsilon, .row_epsilon = epsilon};
  }

  void run() {
    compare_mismatch();
    weigh();
    bool const plain = on("disable_ppo_ratio") && !on("force_on_policy_ratio");
    rlvr::ppo_clip const ppo{.low = test_.parameter("ratio_clip_min"),
                             .high = test_.parameter("ratio_clip_max"),
                             .dual_clip = test_.parameter("ratio_clip_c", rlvr::unlimited)};
    rlvr::sequence_clip const sequence{
        .low = ppo.low, .high = ppo.high, .dual_clip = ppo.dual_clip, .epsilon = test_.parameter("eps", 0)};
    if (plain) {
      finish(rlvr::reinforce{});
    } else if (on("use_cispo")) {
      finish(rlvr::cispo(ppo.low, ppo.high));
    } else if (on("sequence_level_importance_ratios")) {
      finish(sequence);
    } else {
      finish(ppo);
    }
  }

 private:
  [[nodiscard]] bool on(char const* option) const { return test_.parameter(option, 0) != 0; }

  // Sum over the tokens that count / (global tokens + eps).
  template <class Value>
  [[nodiscard]] double token_mean(Value const& value) const {
    double sum = 0;
    for (std::size_t i = 0; i < batch_.samples.size(); ++i)
      if (batch_.mask[i]) sum += static_cast<double>(value(batch_.samples[i]));
    return sum * tokens_.scale<double>(statistics_, 1);
  }
  void output(char const* name, double value) {
    if (test_.expects(name)) test_.output(name, static_cast<T>(value));
  }

  [[nodiscard]] named_kl kl(double input_clamp) const {
    auto const type = test_.text("reference_policy_kl_type");
    return read_kl(type == "k1" || type == "k2" ? type : "k3", input_clamp);
  }

  // Figures about sampler and trainer.
  void compare_mismatch() {
    using sample_type = rlvr::token_sample<T>;
    output("token_mult_prob_error", token_mean([](sample_type const& s) {
             return std::exp(rlvr::absolute_kl{}(s.old_log_prob, s.behaviour_log_prob).value);
           }));
    named_kl const unclamped = kl(rlvr::unlimited);
    output("gen_kl_error",
           token_mean([&](sample_type const& s) { return unclamped(s.behaviour_log_prob, s.old_log_prob).value; }));
    output("js_divergence_error", token_mean([](sample_type const& s) {
             T const mixture = std::log((std::exp(s.old_log_prob) + std::exp(s.behaviour_log_prob)) / T(2));
             return (rlvr::k3{}(mixture, s.old_log_prob).value + rlvr::k3{}(mixture, s.behaviour_log_prob).value) /
                    T(2);
           }));
    output("approx_entropy",
           -token_mean([](sample_type const& s) { return std::exp(s.log_prob - s.behaviour_log_prob) * s.log_prob; }));
  }

  // Correction weights, and what is reported about them.
  void weigh() {
    using sample_type = rlvr::token_sample<T>;
    auto const rows = row_log_ratios(batch_, &sample_type::old_log_prob, &sample_type::behaviour_log_prob);
    auto const kind = test_.text("truncated_importance_sampling_type");
    double const low = test_.parameter("truncated_importance_sampling_ratio_min", 0);
    double const high = test_.parameter("truncated_importance_sampling_ratio", rlvr::unlimited);
    rlvr::importance_weight const bounds{.lower = low, .upper = high};
    bool const by_row = on("sequence_level_importance_ratios");
    std::vector<T> log_ratios, means;
    for (std::size_t i = 0; i < batch_.samples.size(); ++i) {
      auto const& sample = batch_.samples[i];
      auto const& row = rows[batch_.row_of(i)];
      log_ratios.push_back(by_row ? static_cast<T>(row.sum) : sample.old_log_prob - sample.behaviour_log_prob);
      means.push_back(static_cast<T>(row.mean()));
    }
    std::vector<T> const corrected = test::map(read_correction(kind, low, high), log_ratios, means);
    double inside = 0, counted = 0;
    for (std::size_t i = 0; i < batch_.samples.size(); ++i) {
      if (!batch_.mask[i]) continue;
      inside += bounds.inside(log_ratios[i]) ? 1 : 0;
      counted += 1;
      batch_.samples[i].weight = corrected[i];
    }
    double weights = token_mean([](sample_type const& s) { return s.weight; });
    double const epsilon = test_.parameter("eps", 0);
    double const all_rows = test_.parameter("global_seqs") + epsilon;
    double outside_rows = 0, row_weights = 0, valid_rows = 0;
    for (std::size_t i = 0; i < batch_.rows(); ++i) {
      // Rows that are out have ratio 1 here.
      row_weights += bounds.unbounded(rows[i].sum);
      if (rows[i].count == 0) continue;
      valid_rows += 1;
      outside_rows += bounds.inside(rows[i].mean()) ? 0 : 1;
    }
    // NeMo-RL's figure: column of weights times row of the sample mask, summed over the square that this gives.
    if (by_row) weights = row_weights * valid_rows / all_rows;
    output("sampling_importance_ratio", weights);
    output("is_oob_ratio", kind == "seq-mask-tis" ? outside_rows / all_rows
                                                  : (counted - inside) / (test_.parameter("global_tokens") + epsilon));
    if (!on("use_importance_sampling_correction"))
      for (auto& sample : batch_.samples) sample.weight = T(1);
  }

  template <class Objective>
  void finish(Objective const& objective) {
    auto found =
        evaluate(batch_, rlvr::importance_weighted{objective}, on("token_level_loss") ? tokens_ : rows_, statistics_);
    output("probs_ratio", token_mean([&](rlvr::token_sample<T> const& s) {
             if (on("disable_ppo_ratio") && !on("force_on_policy_ratio")) return s.log_prob;
             return std::exp(on("sequence_level_importance_ratios") ? s.sequence.mean_log_ratio
                                                                    : s.log_prob - s.old_log_prob);
           }));
    double const beta = test_.parameter("reference_policy_kl_penalty", 0);
    if (beta != 0 && !on("use_kl_in_reward")) {
      rlvr::ratio_weighted const weighted{
          kl(test_.parameter("kl_input_clamp_value", rlvr::unlimited)),
          on("use_on_policy_kl_approximation") ? rlvr::kl_weight::behaviour_ratio : rlvr::kl_weight::score_function,
          test_.parameter("kl_output_clamp_value", rlvr::unlimited), true};
      rlvr::kl_penalised const penalty{rlvr::weighted_sum{0, rlvr::reinforce{}, 0, rlvr::reinforce{}}, weighted, beta};
      found += evaluate(batch_, penalty, on("token_level_loss") ? tokens_ : rows_, statistics_);
    }
    double const likelihood = test_.parameter("positive_example_nll_weight", 0);
    if (likelihood != 0) {
      flags const everything = std::move(batch_.mask);
      batch_.mask = flags(batch_.samples.size());
      for (std::size_t i = 0; i < batch_.samples.size(); ++i)
        batch_.mask[i] = everything[i] && batch_.samples[i].sequence.reward > T(0);
      rlvr::weighted_sum const likely{likelihood, rlvr::cross_entropy{}, 0, rlvr::reinforce{}};
      found += evaluate(batch_, likely, {.mode = named_aggregation::kind::tokens, .epsilon = test_.parameter("eps", 0)},
                        batch_.statistics());
    }
    compare_loss(test_, found);
  }

  test_case<T>& test_;
  packed_batch<T> batch_;
  rlvr::batch_statistics statistics_{};
  named_aggregation tokens_{};
  named_aggregation rows_{};
};

}  // namespace

void add_policy_loss_corrected(registry& all) {
  all.add("policy_loss", "ppo_clip", []<class T>(test_case<T>& test) { run_openrlhf_loss(test); });
  all.add("policy_loss", "gspo", []<class T>(test_case<T>& test) { run_openrlhf_loss(test); });
  all.add("policy_loss", "bypass", []<class T>(test_case<T>& test) { run_bypass(test); });
  all.add("policy_loss", "off_policy_sequence_mask", []<class T>(test_case<T>& test) { run_sequence_mask(test); });
  all.add("policy_loss", "nemo_clipped_pg", []<class T>(test_case<T>& test) { nemo_loss<T>(test).run(); });
}

}  // namespace golden
