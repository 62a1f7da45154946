// SPDX-License-Identifier: MIT
/// @file
/// Triplet extraction: the answer lists facts, one a line, as `subject | relation | object` (or another `answer_form`);
/// an empty answer lists none.
///
///     F1(P, G) = 2 |P n G| / (|P| + |G|),  1 if both sets are empty
///     r        = format_wrong                                              if the form is broken
///     r        = format_right + scale * (w_e F1_entities + w_t F1_triples)  otherwise
///
/// Entities are all subjects and objects.  Predictions are sets: repeating a triple changes nothing.  What counts as
/// equal is a named policy (triple_matching.hpp): by default names are equal once runs of white space have become one
/// blank, without case folding.  Gold is a list of triples, or an example whose entities have several names and types.
/// R1-RE (arXiv 2507.04642) sketches such a two-level F1 reward; its weights and gate are not public, and 0.3, 0.7,
/// scale 2 and the gate of the classification reward are this library's choice.  Time: see fact_matcher.hpp; linear in
/// the text by default.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/fact_matcher.hpp>
#include <rlvr/reward/measures/overlap.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/reward/triple_matching.hpp>
#include <rlvr/text/extraction_example.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/tags.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

using measures::compare_sets;
using measures::set_score;

/// A fact: subject, relation, object.
struct triple {
  std::string subject{};
  std::string relation{};
  std::string object{};
  friend auto operator<=>(triple const&, triple const&) = default;
};

/// One response to an extraction prompt.  Holds views: text and gold outlive the sample.
struct triple_sample {
  std::string_view completion{};
  std::span<triple const> gold{};
  text::guideline const* guide = nullptr;  ///< if given, an answer with a relation of neither it nor gold is invalid
  std::string_view prefill{};
};

/// The same, where entities have several names and types.  Text, gold and guideline outlive the sample.
struct extraction_sample {
  std::string_view completion{};
  text::extraction_example const* gold = nullptr;  ///< required
  text::guideline const* guide = nullptr;          ///< as in triple_sample; its undirected relations are symmetric
  std::string_view prefill{};
};

/// What stands in a line of an answer.
enum class answer_form : std::uint8_t {
  triples,        ///< subject | relation | object
  typed_triples,  ///< subject | type of it | relation | object | type of it
  pairs,          ///< first | second, where the task has one relation
};

/// How many fields a line of that form has.
[[nodiscard]] constexpr std::size_t field_count(answer_form form) noexcept {
  return form == answer_form::pairs ? 2 : form == answer_form::triples ? 3 : 5;
}

/// Reads the facts of an answer; nothing if a line that is not blank has another number of fields or an empty one.
/// Pairs get the relation `pair_relation`.  The result holds views into the text, without white space at the ends.
/// @throws only for want of memory
[[nodiscard]] inline std::optional<std::vector<proposed_fact>> parse_facts(std::string_view text, answer_form form,
                                                                           std::string_view pair_relation = {}) {
  std::size_t const count = field_count(form);
  std::vector<proposed_fact> facts;
  while (!text.empty()) {
    std::size_t const end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (text::trim(line).empty()) continue;
    std::array<std::string_view, 5> fields;
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t const bar = line.find('|');
      bool const is_last = i + 1 == count;
      if ((bar == std::string_view::npos) != is_last) return std::nullopt;
      fields[i] = text::trim(line.substr(0, bar));
      if (fields[i].empty()) return std::nullopt;
      if (!is_last) line.remove_prefix(bar + 1);
    }
    if (form == answer_form::triples) {
      facts.push_back({.subject = fields[0], .relation = fields[1], .object = fields[2]});
    } else if (form == answer_form::pairs) {
      facts.push_back({.subject = fields[0], .relation = pair_relation, .object = fields[1]});
    } else {
      facts.push_back({.subject = fields[0],
                       .relation = fields[2],
                       .object = fields[3],
                       .subject_type = fields[1],
                       .object_type = fields[4]});
    }
  }
  return facts;
}

/// Reads the triples of an answer in the default form, their white space normalised.
/// @throws only for want of memory
[[nodiscard]] inline std::optional<std::vector<triple>> parse_triples(std::string_view text) {
  auto const facts = parse_facts(text, answer_form::triples);
  if (!facts) return std::nullopt;
  std::vector<triple> triples;
  triples.reserve(facts->size());
  for (proposed_fact const& each : *facts) {
    triples.push_back({normalise_white_space(each.subject), normalise_white_space(each.relation),
                       normalise_white_space(each.object)});
  }
  return triples;
}

/// Triples as an example: every subject and object is an entity of one name.
[[nodiscard]] inline text::extraction_example example_of(std::span<triple const> triples) {
  text::extraction_example example;
  std::unordered_map<std::string, std::size_t> index;
  auto const entity = [&](std::string const& name) {
    auto const [found, is_new] = index.emplace(normalise_white_space(name), example.entities.size());
    if (is_new) example.entities.push_back({.id = found->first, .types = {}, .names = {found->first}});
    return found->second;
  };
  for (triple const& each : triples) {
    std::size_t const subject = entity(each.subject);
    std::size_t const object = entity(each.object);
    example.facts.push_back({.subject = subject, .relation = each.relation, .object = object, .evidence = {}});
  }
  return example;
}

namespace detail {

/// One line for people: "2 of 3 gold facts found, 1 of 3 predicted is wrong".
[[nodiscard]] inline std::string describe(fact_scores const& scores) {
  auto const& count = scores.facts.count;
  std::string line = std::to_string(count.matched) + " of " + std::to_string(count.gold) + " gold facts found, " +
                     std::to_string(count.predicted - count.matched) + " of " + std::to_string(count.predicted) +
                     " predicted wrong";
  if (scores.unknown_names > 0) line += ", " + std::to_string(scores.unknown_names) + " names unknown";
  return line;
}

/// An answer without value: the form is broken.
[[nodiscard]] inline outcome refuse_facts(double value, reward_class kind, std::string diagnosis) {
  outcome result = outcome::of(value, false, kind, std::move(diagnosis));
  result.parts.push_back({"format", value});
  return result;
}

}  // namespace detail

/// The reward; parts are "format" and, behind the gate, "entity_f1" and "triple_f1".
struct triples_reward {
  double format_right = 1;
  double format_wrong = -3;
  double scale = 2;
  double entity_weight = 0.3;
  double triple_weight = 0.7;
  text::response_policy policy{};
  answer_form form = answer_form::triples;
  fact_matching matching{};            ///< with types, the form must carry them
  bool unknown_relation_fails = true;  ///< with a guideline; else a fact with an unknown relation is only wrong
  static constexpr std::string_view name = "triples";

  /// @throws argument_error for settings or gold that contradict themselves
  [[nodiscard]] outcome operator()(triple_sample const& sample) const {
    text::extraction_example const gold = example_of(sample.gold);
    return (*this)(extraction_sample{
        .completion = sample.completion, .gold = &gold, .guide = sample.guide, .prefill = sample.prefill});
  }

  /// @throws argument_error for settings or gold that contradict themselves
  [[nodiscard]] outcome operator()(extraction_sample const& sample) const {
    if (sample.gold == nullptr) throw argument_error("triples_reward: found no gold, expected an example");
    if (form == answer_form::pairs || (matching.types && form != answer_form::typed_triples)) {
      throw argument_error(form == answer_form::pairs
                               ? "triples_reward: found the form of pairs, expected triples (document_pairs_reward)"
                               : "triples_reward: matching asks for types, expected the form typed_triples");
    }
    text::joined_response const response(sample.prefill, sample.completion);
    text::tagged_response const parsed = text::parse_think_answer(response.view(), policy);
    if (!parsed.ok()) return detail::refuse_facts(format_wrong, reward_class::bad_format, text::describe(parsed));
    auto const predicted = parse_facts(parsed.answer, form);
    if (!predicted) {
      return detail::refuse_facts(format_wrong, reward_class::invalid_label, "a line of the answer is no triple");
    }
    fact_scores const scores = fact_matcher(*sample.gold, matching, sample.guide).score(*predicted);
    if (unknown_relation_fails && scores.unknown_relations > 0) {
      return detail::refuse_facts(format_wrong, reward_class::invalid_label,
                                  "a triple has a relation that the guideline lacks");
    }
    double const entity_f1 = scores.entities.f1();
    double const triple_f1 = scores.facts.f1();
    bool const correct = triple_f1 == 1;
    reward_class const kind = correct                          ? reward_class::correct
                              : entity_f1 > 0 || triple_f1 > 0 ? reward_class::partial
                                                               : reward_class::wrong_label;
    outcome result = outcome::of(format_right + scale * (entity_weight * entity_f1 + triple_weight * triple_f1),
                                 correct, kind, detail::describe(scores));
    result.parts = {{"format", format_right}, {"entity_f1", entity_f1}, {"triple_f1", triple_f1}};
    return result;
  }
};
static_assert(sample_reward<triples_reward, triple_sample>);
static_assert(sample_reward<triples_reward, extraction_sample>);

}  // namespace reward
RLVR_NAMESPACE_END
