// SPDX-License-Identifier: MIT
/// @file
/// Triplet extraction: the answer lists triples, one a line, as `subject | relation | object`; an empty answer lists
/// none.
///
///     F1(P, G) = 2 |P n G| / (|P| + |G|),  1 if both sets are empty
///     r        = format_wrong                                              if the form is broken
///     r        = format_right + scale * (w_e F1_entities + w_t F1_triples)  otherwise
///
/// Entities are all subjects and objects.  Predictions are sets: repeating a triple changes nothing.  Strings match
/// exactly once white space is normalised (runs of blank, tab, CR, LF become one blank, none at the ends); there is
/// no case folding.  R1-RE (arXiv 2507.04642) sketches such a two-level F1 reward; its weights and gate are not public,
/// and 0.3, 0.7, scale 2 and the gate of the classification reward are this library's choice.
/// Time O(n log n) in the number of triples, linear in the text.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/tags.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

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
  text::guideline const* guide = nullptr;  ///< if given, an answer with another relation is no valid answer
  std::string_view prefill{};
};

/// Runs of white space become one blank; none is left at the ends.
[[nodiscard]] inline std::string normalise_white_space(std::string_view text) {
  std::string normal;
  normal.reserve(text.size());
  for (char const byte : text::trim(text)) {
    if (!text::is_white_space(byte)) {
      normal += byte;
    } else if (normal.back() != ' ') {
      normal += ' ';
    }
  }
  return normal;
}

/// Reads the triples of an answer; nothing if a line that is not blank has other than three non-empty fields.
/// @throws only for want of memory
[[nodiscard]] inline std::optional<std::vector<triple>> parse_triples(std::string_view text) {
  std::vector<triple> triples;
  while (!text.empty()) {
    std::size_t const end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (text::trim(line).empty()) continue;
    std::array<std::string, 3> fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      std::size_t const bar = line.find('|');
      if ((bar == std::string_view::npos) != (i == 2)) return std::nullopt;
      fields[i] = normalise_white_space(line.substr(0, bar));
      if (fields[i].empty()) return std::nullopt;
      if (i < 2) line.remove_prefix(bar + 1);
    }
    triples.push_back({std::move(fields[0]), std::move(fields[1]), std::move(fields[2])});
  }
  return triples;
}

/// How two sets overlap.
struct set_score {
  std::size_t matched = 0;    ///< |P n G|
  std::size_t predicted = 0;  ///< |P|
  std::size_t gold = 0;       ///< |G|

  /// In [0, 1]; 1 for two empty sets, 0 if only one is empty.
  [[nodiscard]] double f1() const noexcept {
    if (predicted + gold == 0) return 1;
    return 2 * static_cast<double>(matched) / static_cast<double>(predicted + gold);
  }
  friend bool operator==(set_score const&, set_score const&) = default;
};

/// Compares two lists as sets.
template <class Element>
[[nodiscard]] set_score compare_sets(std::vector<Element> predicted, std::vector<Element> gold) {
  for (std::vector<Element>* const each : {&predicted, &gold}) {
    std::sort(each->begin(), each->end());
    each->erase(std::unique(each->begin(), each->end()), each->end());
  }
  set_score score{.matched = 0, .predicted = predicted.size(), .gold = gold.size()};
  for (auto left = predicted.begin(), right = gold.begin(); left != predicted.end() && right != gold.end();) {
    if (*left < *right) {
      ++left;
    } else if (*right < *left) {
      ++right;
    } else {
      ++score.matched;
      ++left;
      ++right;
    }
  }
  return score;
}

/// The subjects and objects of some triples, with repetitions; views into them.
[[nodiscard]] inline std::vector<std::string_view> entities_of(std::span<triple const> triples) {
  std::vector<std::string_view> entities;
  entities.reserve(2 * triples.size());
  for (triple const& each : triples) {
    entities.push_back(each.subject);
    entities.push_back(each.object);
  }
  return entities;
}

/// The reward; parts are "format" and, behind the gate, "entity_f1" and "triple_f1".
struct triples_reward {
  double format_right = 1;
  double format_wrong = -3;
  double scale = 2;
  double entity_weight = 0.3;
  double triple_weight = 0.7;
  text::response_policy policy{};
  static constexpr std::string_view name = "triples";

  [[nodiscard]] outcome operator()(triple_sample const& sample) const {
    text::joined_response const response(sample.prefill, sample.completion);
    text::tagged_response const parsed = text::parse_think_answer(response.view(), policy);
    if (!parsed.ok()) return refuse(reward_class::bad_format, text::describe(parsed));
    auto predicted = parse_triples(parsed.answer);
    if (!predicted) return refuse(reward_class::invalid_label, "a line of the answer is no triple");
    if (sample.guide != nullptr) {
      for (triple const& each : *predicted) {
        if (text::find_relation(*sample.guide, each.relation)) continue;
        return refuse(reward_class::invalid_label, "a triple has a relation that the guideline lacks");
      }
    }
    std::vector<triple> gold;
    gold.reserve(sample.gold.size());
    for (triple const& each : sample.gold) {
      gold.push_back({normalise_white_space(each.subject), normalise_white_space(each.relation),
                      normalise_white_space(each.object)});
    }
    double const entity_f1 = compare_sets(entities_of(*predicted), entities_of(gold)).f1();
    double const triple_f1 = compare_sets(std::move(*predicted), std::move(gold)).f1();
    bool const correct = triple_f1 == 1;
    reward_class const kind = correct                          ? reward_class::correct
                              : entity_f1 > 0 || triple_f1 > 0 ? reward_class::partial
                                                               : reward_class::wrong_label;
    outcome result =
        outcome::of(format_right + scale * (entity_weight * entity_f1 + triple_weight * triple_f1), correct, kind);
    result.parts = {{"format", format_right}, {"entity_f1", entity_f1}, {"triple_f1", triple_f1}};
    return result;
  }

 private:
  [[nodiscard]] outcome refuse(reward_class kind, std::string diagnosis) const {
    outcome result = outcome::of(format_wrong, false, kind, std::move(diagnosis));
    result.parts.push_back({"format", format_wrong});
    return result;
  }
};
static_assert(sample_reward<triples_reward, triple_sample>);

}  // namespace reward
RLVR_NAMESPACE_END
