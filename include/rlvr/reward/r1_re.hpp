// SPDX-License-Identifier: MIT
/// @file
/// The staged reward of R1-RE (arXiv 2507.04642) for relation classification:
///
///     r = format_wrong                     if the response breaks the form
///     r = format_right + metric_right      if the answer is the gold label, direction included
///     r = format_right + metric_wrong      otherwise
///
/// With the published numbers (+1/-3 and +2/-1.5, as reported by two summaries of the paper) the totals are 3, -0.5
/// and -3.  The paper does not say what an answer outside the label set is; "form" is read here as tags *and* a valid
/// label (`invalid_label_is_format_failure`).  The value equals that of
/// `stages(relation_format_reward{...}, relation_match_reward{...})`; this type parses the response once.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/reward/relation.hpp>
#include <rlvr/text/excerpt.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/tags.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// The reward; parts are "format" and, where it was reached, "metric".
struct r1_re {
  double format_right = 1;
  double format_wrong = -3;
  double metric_right = 2;
  double metric_wrong = -1.5;
  bool invalid_label_is_format_failure = true;  ///< false: such an answer is well-formed and wrong
  bool directed = true;                         ///< false: a swapped direction counts as correct
  text::response_policy policy{};
  static constexpr std::string_view name = "r1_re";

  /// The numbers for a verdict.
  [[nodiscard]] outcome operator()(relation_verdict verdict) const {
    bool const formed =
        verdict.format_ok && (verdict.kind != reward_class::invalid_label || !invalid_label_is_format_failure);
    bool const correct = verdict.kind == reward_class::correct;
    double const format = formed ? format_right : format_wrong;
    double const metric = !formed ? 0 : correct ? metric_right : metric_wrong;
    outcome result = outcome::of(format + metric, correct, verdict.kind, std::move(verdict.diagnosis));
    result.parts.push_back({"format", format});
    if (formed) result.parts.push_back({"metric", metric});
    return result;
  }

  /// @throws argument_error if the sample has no guideline or its gold label is not one of it
  [[nodiscard]] outcome operator()(relation_sample const& sample) const {
    return (*this)(judge_relation(sample, policy, directed));
  }
};
static_assert(sample_reward<r1_re>);

/// The variant of the paper's robustness test: totals 3, -1 and -3.
[[nodiscard]] inline r1_re r1_re_robustness() {
  r1_re reward;
  reward.metric_wrong = -2;
  return reward;
}

/// A response classified, in the terms a file of results uses.
struct relation_classification {
  bool format_ok = false;
  std::optional<std::string> answer{};  ///< the canonical label; none unless the format is right and it is a label
  reward_class kind = reward_class::bad_format;
  double reward = 0;
  std::string diagnosis{};
};

/// Classifies one completion against a gold label given as text.
/// @throws argument_error if `gold` is no label of the guideline; no completion makes it throw
[[nodiscard]] inline relation_classification classify(text::guideline const& guide, std::string_view gold,
                                                      std::string_view completion, std::string_view prefill = {},
                                                      r1_re const& reward = {}) {
  auto const label = text::parse_label(guide, gold);
  if (!label) {
    throw argument_error("gold label " + text::excerpt(gold) + " is no label of guideline '" + guide.title + "'");
  }
  relation_verdict verdict = judge_relation(guide, *label, completion, prefill, reward.policy, reward.directed);
  relation_classification result{.format_ok = verdict.format_ok,
                                 .answer = std::nullopt,
                                 .kind = verdict.kind,
                                 .reward = reward(verdict).value,
                                 .diagnosis = std::move(verdict.diagnosis)};
  if (verdict.answer) result.answer = text::label_text(guide, *verdict.answer);
  return result;
}

}  // namespace reward
RLVR_NAMESPACE_END
