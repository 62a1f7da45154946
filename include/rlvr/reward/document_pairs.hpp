// SPDX-License-Identifier: MIT
/// @file
/// Relations of a whole document between concepts rather than words: the answer lists the pairs of one relation, one a
/// line, as `first | second`; an empty answer lists none.
///
///     r = format_wrong                         if the form is broken
///     r = format_right + scale * F1(P, G)      otherwise
///
/// P and G are sets of pairs of concepts.  Any mention of a concept in the document names it, and so does its
/// identifier (a MeSH id in the BioCreative V chemical-disease task, Wei et al. 2016, doi 10.1093/database/baw032,
/// whose measure this F1 is); two names of one concept are one pair.  A name that is no mention makes a wrong pair. The
/// gate is that of the other extraction reward.  Time: see fact_matcher.hpp.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/fact_matcher.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/reward/triple_matching.hpp>
#include <rlvr/reward/triples.hpp>
#include <rlvr/text/extraction_example.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/tags.hpp>

#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// The one relation of a document: that of its facts, else of the guideline, else a name for none.
/// @throws argument_error if there are several
[[nodiscard]] inline std::string_view only_relation(text::extraction_example const& gold,
                                                    text::guideline const* guide) {
  for (text::extracted_fact const& each : gold.facts) {
    if (each.relation == gold.facts.front().relation) continue;
    throw argument_error("document pairs: example '" + gold.id + "' has the relations '" + gold.facts.front().relation +
                         "' and '" + each.relation + "', expected one");
  }
  if (!gold.facts.empty()) return gold.facts.front().relation;
  if (guide == nullptr) return "related";
  if (guide->relations.size() == 1) return guide->relations.front().name;
  throw argument_error("document pairs: guideline '" + guide->title + "' has " +
                       std::to_string(guide->relations.size()) + " relations, expected one");
}

/// The reward; parts are "format" and, behind the gate, "pair_f1".
struct document_pairs_reward {
  double format_right = 1;
  double format_wrong = -3;
  double scale = 2;
  text::response_policy policy{};
  fact_matching matching = normalised_facts;
  bool ids_are_names = true;
  static constexpr std::string_view name = "document_pairs";

  /// @throws argument_error for settings or gold that contradict themselves
  [[nodiscard]] outcome operator()(extraction_sample const& sample) const {
    if (sample.gold == nullptr) throw argument_error("document_pairs_reward: found no gold, expected an example");
    if (matching.types)
      throw argument_error("document_pairs_reward: pairs carry no types, expected none to be matched");
    text::joined_response const response(sample.prefill, sample.completion);
    text::tagged_response const parsed = text::parse_think_answer(response.view(), policy);
    if (!parsed.ok()) return detail::refuse_facts(format_wrong, reward_class::bad_format, text::describe(parsed));
    auto const predicted = parse_facts(parsed.answer, answer_form::pairs, only_relation(*sample.gold, sample.guide));
    if (!predicted) {
      return detail::refuse_facts(format_wrong, reward_class::invalid_label, "a line of the answer is no pair");
    }
    fact_scores const scores = fact_matcher(*sample.gold, matching, sample.guide, ids_are_names).score(*predicted);
    double const f1 = scores.facts.f1();
    reward_class const kind = f1 == 1  ? reward_class::correct
                              : f1 > 0 ? reward_class::partial
                                       : reward_class::wrong_label;
    outcome result = outcome::of(format_right + scale * f1, f1 == 1, kind, detail::describe(scores));
    result.parts = {{"format", format_right}, {"pair_f1", f1}};
    return result;
  }
};
static_assert(sample_reward<document_pairs_reward, extraction_sample>);

}  // namespace reward
RLVR_NAMESPACE_END
