// SPDX-License-Identifier: MIT
/// @file
/// Does the answer name the gold relation, with its arguments in the gold order?
///
/// `judge_relation` sorts a response into one of five classes: bad_format (the tags), invalid_label (the answer is
/// no label of the guideline), wrong_direction, wrong_label, correct.  The rewards below put numbers on the classes.
/// Linear time in the response, constant stack, no exception on any text.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/excerpt.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/tags.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// What a response turned out to be.
struct relation_verdict {
  bool format_ok = false;                        ///< the tags are right (the answer may still be no label)
  std::optional<text::relation_label> answer{};  ///< if it is a label
  reward_class kind = reward_class::bad_format;
  std::string diagnosis{};  ///< empty if correct
};

namespace detail {

/// The verdict on the text of an answer block.
[[nodiscard]] inline relation_verdict judge_answer(text::guideline const& guide, text::relation_label gold,
                                                   std::string_view answer_text, bool directed) {
  auto const answer = text::parse_label(guide, answer_text);
  if (!answer) {
    return {true, std::nullopt, reward_class::invalid_label,
            text::excerpt(text::trim(answer_text)) + " is no label of the guideline"};
  }
  bool const same_relation = answer->relation == gold.relation;
  if (*answer == gold || (same_relation && !directed)) return {true, answer, reward_class::correct, {}};
  std::string diagnosis = text::label_text(guide, *answer);
  (diagnosis += " instead of ") += text::label_text(guide, gold);
  return {true, answer, same_relation ? reward_class::wrong_direction : reward_class::wrong_label,
          std::move(diagnosis)};
}

}  // namespace detail

/// Judges one response.
/// @param gold      a label of `guide`
/// @param prefill   what the prompt already wrote of the response; joined to the front of the completion
/// @param directed  false: a swapped direction counts as correct
/// @throws argument_error if `gold` is no label of the guideline
[[nodiscard]] inline relation_verdict judge_relation(text::guideline const& guide, text::relation_label gold,
                                                     std::string_view completion, std::string_view prefill = {},
                                                     text::response_policy const& policy = {}, bool directed = true) {
  (void)text::label_index(guide, gold);
  text::joined_response const response(prefill, completion);
  text::tagged_response const parsed = text::parse_think_answer(response.view(), policy);
  if (!parsed.ok()) return {false, std::nullopt, reward_class::bad_format, text::describe(parsed)};
  return detail::judge_answer(guide, gold, parsed.answer, directed);
}

/// Judges a sample.  @throws argument_error if it has no guideline or its gold label is not one of it
[[nodiscard]] inline relation_verdict judge_relation(relation_sample const& sample,
                                                     text::response_policy const& policy = {}, bool directed = true) {
  if (sample.guide == nullptr) throw argument_error("relation reward: the sample has no guideline");
  relation_verdict verdict =
      judge_relation(*sample.guide, sample.gold, sample.completion, sample.prefill, policy, directed);
  if (sample.truncated && !verdict.format_ok) verdict.diagnosis += " (cut off at the length limit)";
  return verdict;
}

/// The required form, answer included: tags as in `format_reward`, and the answer is some label of the guideline.
struct relation_format_reward {
  double right = 1;
  double wrong = -3;
  bool label_required = true;  ///< false: any answer will do, as in `format_reward`
  text::response_policy policy{};
  static constexpr std::string_view name = "format";

  [[nodiscard]] outcome operator()(relation_sample const& sample) const {
    relation_verdict verdict = judge_relation(sample, policy);
    if (verdict.format_ok && (verdict.answer || !label_required)) return outcome::of(right, true);
    return outcome::of(wrong, false, verdict.kind, std::move(verdict.diagnosis));
  }
};

/// `right` if the answer is the gold label (which passes), else `wrong`.  A malformed response or an unknown label is
/// wrong too and keeps its class, so the reward may stand alone.
struct relation_match_reward {
  double right = 2;
  double wrong = -1.5;
  bool directed = true;  ///< false: the relation alone decides
  text::response_policy policy{};
  static constexpr std::string_view name = "metric";

  [[nodiscard]] outcome operator()(relation_sample const& sample) const {
    relation_verdict verdict = judge_relation(sample, policy, directed);
    bool const correct = verdict.kind == reward_class::correct;
    return outcome::of(correct ? right : wrong, correct, verdict.kind, std::move(verdict.diagnosis));
  }
};

/// Graded credit: `right` for the gold label, `reversed` for the gold relation with its arguments swapped, else
/// `wrong`.  Only the gold label passes.  Who knows the relation and guesses the direction earns (right + reversed) / 2
/// on average, so the step from `reversed` to `right` is all that teaches the direction: keep it the larger one.
struct relation_credit_reward {
  double right = 2;
  double reversed = 0;
  double wrong = -1.5;
  text::response_policy policy{};
  static constexpr std::string_view name = "metric";

  [[nodiscard]] outcome operator()(relation_sample const& sample) const {
    relation_verdict verdict = judge_relation(sample, policy);
    bool const correct = verdict.kind == reward_class::correct;
    double const value = correct ? right : verdict.kind == reward_class::wrong_direction ? reversed : wrong;
    return outcome::of(value, correct, verdict.kind, std::move(verdict.diagnosis));
  }
};

/// The verdict of the lenient contract: the last answer block counts (text::last_answer_block), whatever stands round
/// it.  For evaluation; a response without such a block is bad_format.
/// @throws argument_error if `gold` is no label of the guideline
[[nodiscard]] inline relation_verdict judge_relation_leniently(text::guideline const& guide, text::relation_label gold,
                                                               std::string_view completion,
                                                               std::string_view prefill = {},
                                                               text::response_policy const& policy = {},
                                                               bool directed = true) {
  (void)text::label_index(guide, gold);
  text::joined_response const response(prefill, completion);
  auto const block = text::last_answer_block(response.view(), policy);
  if (!block) return {false, std::nullopt, reward_class::bad_format, "no answer block after the reasoning"};
  return detail::judge_answer(guide, gold, *block, directed);
}

/// The variant that does not ask for the direction.
[[nodiscard]] inline relation_match_reward undirected_relation_match() {
  relation_match_reward reward;
  reward.directed = false;
  return reward;
}

}  // namespace reward
RLVR_NAMESPACE_END
