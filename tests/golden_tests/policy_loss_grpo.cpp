// SPDX-License-Identifier: MIT
// Golden cases of the family policy_loss: TRL's and Liger's GRPO losses, composed of the library's parts.
#include <rlvr/rl/kl.hpp>
#include <rlvr/rl/token_selection.hpp>

#include "grpo.hpp"

namespace golden {
namespace {

// k3, or k3 times the ratio of the token or of its sequence.
struct grpo_kl {
  enum class kind : unsigned char { plain, token_ratio, sequence_ratio } which = kind::plain;

  template <class T>
  [[nodiscard]] RLVR_HD rlvr::kl_value<T> operator()(rlvr::token_sample<T> const& sample) const {
    if (which == kind::plain) return rlvr::k3{}(sample.log_prob, sample.reference_log_prob);
    if (which == kind::token_ratio) return rlvr::ratio_weighted{rlvr::k3{}}(sample);
    return rlvr::sequence_ratio_weighted{rlvr::k3{}}(sample);
  }
  template <class T>
  [[nodiscard]] RLVR_HD T sequence_kl_term(rlvr::token_sample<T> const& sample) const {
    return which == kind::sequence_ratio ? rlvr::sequence_ratio_weighted{rlvr::k3{}}.sequence_kl_term(sample) : T(0);
  }
};

}  // namespace

grpo_policy read_grpo_policy(case_data const& test) {
  using kind = grpo_policy::kind;
  double const cap = test.parameter("delta", rlvr::unlimited);
  auto const level = test.text("level", "token");
  if (test.text("loss_type") == "cispo")
    return {.which = kind::capped, .capped = rlvr::cispo_capped(test.parameter("eps_high"))};
  double const low = test.parameter("eps_low"), high = test.parameter("eps_high");
  if (level == "token") return {.which = kind::token, .token = {.low = low, .high = high, .ratio_cap = cap}};
  return {.which = kind::sequence,
          .sequence = {
              .low = low,
              .high = high,
              .ratio_cap = cap,
              .gradient = level == "sequence" ? rlvr::sequence_gradient::sequence : rlvr::sequence_gradient::token}};
}

template <class T>
evaluated<T> evaluate_grpo(test_case<T> const& test, packed_batch<T>& batch) {
  grpo_kl kl{};
  if (test.parameter("bias_correct_kl", 0) != 0)
    kl.which = test.text("level", "token") == "sequence" ? grpo_kl::kind::sequence_ratio : grpo_kl::kind::token_ratio;
  auto const policy = rlvr::importance_weighted{rlvr::restricted_to{read_grpo_policy(test)}};
  return evaluate(test, batch, rlvr::kl_penalised{policy, kl, test.parameter("beta", 0)});
}

template evaluated<float> evaluate_grpo(test_case<float> const&, packed_batch<float>&);
template evaluated<double> evaluate_grpo(test_case<double> const&, packed_batch<double>&);

namespace {

// Selects the tokens that keep their policy term.
template <class T>
void select_tokens(test_case<T> const& test, packed_batch<T>& batch) {
  flags selected(batch.samples.size(), true);
  if (test.has_parameter("top_entropy_quantile"))
    // The parameter is the share of tokens that stay.
    rlvr::select_high_entropy<T>(batch.column(&rlvr::token_sample<T>::entropy), batch.mask.view(),
                                 1 - test.parameter("top_entropy_quantile"), selected.span());
  for (std::size_t i = 0; i < batch.samples.size(); ++i) batch.samples[i].selected = selected[i];
}

template <class T>
void run_grpo(test_case<T>& test) {
  packed_batch<T> batch(test);
  select_tokens(test, batch);
  drop_off_policy_rows(test, batch);
  auto found = evaluate_grpo(test, batch);
  if (test.has_parameter("entropy_coef")) {
    // A mean over tokens under every aggregation of the policy term.
    rlvr::entropy_regularised const bonus{rlvr::weighted_sum{0, rlvr::reinforce{}, 0, rlvr::reinforce{}},
                                          test.parameter("entropy_coef")};
    auto aggregation = aggregation_of(test, batch.padded_length);
    aggregation.mode = named_aggregation::kind::tokens;
    found += evaluate(batch, bonus, aggregation, aggregation.statistics(batch.statistics()));
  }
  compare_loss(test, found);
  compare_metrics(test, batch, found);
}

}  // namespace

void add_policy_loss_grpo(registry& all) {
  all.add("policy_loss", "grpo_loss", []<class T>(test_case<T>& test) { run_grpo(test); });
}

}  // namespace golden
