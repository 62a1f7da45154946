// SPDX-License-Identifier: MIT
/// @file
/// Compares predicted facts with the gold facts of an example under a policy of triple_matching.hpp.
///
/// Several names (aliases, mentions) of an entity.  Exact and normalised names are looked up: a name stands for the
/// entities that have it, so two names of one entity are one prediction; a name of several entities stands for every
/// gold fact or entity that it can name, in the answer's favour.  A name that no entity has makes a wrong prediction;
/// equal wrong predictions count once.  Overlapping names are compared one to one: of all assignments of predictions
/// to gold, the one with most matches (credited: greatest total similarity) counts, see measures/assignment.hpp; an
/// entity is as similar as its most similar name.  Names of the same words are one name; what shared and repeated names
/// mean there, see prediction_places.hpp: so that a right answer is right under every policy.
///
/// Symmetric relations, those that the guideline calls undirected, hold both ways: order changes nothing.
///
/// Time: linear in the text of the predictions (hashing), O(n log n) in their number.  With overlap only
/// 64 + 4 |G| distinct facts, those whose names occur first, and twice as many names are compared; the others count as
/// wrong, where precision is below 1/4 anyway; so the assignment costs O(|G|^3) at worst, whatever the model wrote, and
/// |G| is limited.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/measures/assignment.hpp>
#include <rlvr/reward/measures/overlap.hpp>
#include <rlvr/reward/measures/words.hpp>
#include <rlvr/reward/prediction_places.hpp>
#include <rlvr/reward/triple_matching.hpp>
#include <rlvr/text/extraction_example.hpp>
#include <rlvr/text/guideline.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// The facts of one example, prepared for comparison under one policy.
class fact_matcher {
 public:
  /// The most gold facts that overlap is computed for.
  static constexpr std::size_t most_overlap_facts = 512;

  /// @param guide          which relations are known and which are symmetric; nullptr: all known, none symmetric
  /// @param ids_are_names  an entity's id names it too
  /// @throws argument_error for a threshold outside (0, 1], an example that `text::validate` refuses, or overlap with
  ///         more than most_overlap_facts facts
  explicit fact_matcher(text::extraction_example const& gold, fact_matching const& matching = {},
                        text::guideline const* guide = nullptr, bool ids_are_names = false)
      : matching_(matching), guided_(guide != nullptr) {
    text::validate(gold);
    if (!(matching.threshold > 0 && matching.threshold <= 1)) {
      throw argument_error("fact_matching: threshold " + std::to_string(matching.threshold) +
                           ", expected more than 0 and at most 1");
    }
    if (guide != nullptr) {
      for (text::relation_definition const& each : guide->relations) {
        symmetric_[add_relation(each.name)] = each.directed ? 0 : 1;
      }
    }
    takes_part_.assign(gold.entities.size(), 0);
    for (text::extracted_fact const& each : gold.facts) {
      facts_.push_back(ordered({each.subject, add_relation(each.relation), each.object}));
      takes_part_[each.subject] = takes_part_[each.object] = 1;
    }
    make_distinct(facts_);
    if (overlaps() && facts_.size() > most_overlap_facts) {
      throw argument_error("fact_matcher: overlap with " + std::to_string(facts_.size()) +
                           " gold facts, expected at most " + std::to_string(most_overlap_facts));
    }
    for (std::size_t i = 0; i < gold.entities.size(); ++i) {
      text::named_entity const& entity = gold.entities[i];
      participants_ += takes_part_[i] != 0 ? 1 : 0;
      if (entity.types.empty() || !matching.types) {
        add_names(entity, i, {}, ids_are_names);
      } else {
        for (std::string const& type : entity.types) add_names(entity, i, type, ids_are_names);
      }
    }
  }

  /// The known relations: those of the guideline, then those of the gold alone.
  [[nodiscard]] std::vector<std::string> const& relations() const noexcept { return relations_; }

  /// Compares predictions with the gold.
  /// @param by_relation  if given, its element i gets the counts of the facts of relations()[i]
  [[nodiscard]] fact_scores score(std::span<proposed_fact const> predictions,
                                  std::vector<measures::set_score>* by_relation = nullptr) const {
    reading const read = interpret(predictions);
    if (by_relation != nullptr) {
      by_relation->assign(relations_.size(), {});
      for (fact const& each : facts_) ++(*by_relation)[each[1]].gold;
    }
    fact_scores scores = overlaps() ? score_overlap(read, by_relation) : score_look_up(read, by_relation);
    for (predicted_name const& each : read.names) scores.unknown_names += each.owners.empty() ? 1 : 0;
    if (guided_) scores.unknown_relations = read.unknown_relations;
    return scores;
  }

 private:
  using fact = std::array<std::size_t, 3>;  // subject, relation, object
  using text_index = std::unordered_map<std::string, std::size_t>;

  // What equal predicted names have in common.
  struct predicted_name {
    std::vector<std::size_t> owners{};                      // entities that have the name, ascending
    std::vector<std::pair<std::size_t, double>> similar{};  // with overlap: entity (ascending), similarity
  };

  // Predictions in terms of distinct names.
  struct reading {
    std::vector<predicted_name> names{};
    std::vector<fact> facts{};  // distinct, ascending; ends are indices of `names`, which stand as they first occur
    std::size_t unknown_relations = 0;
  };

  // One name of one entity as a set of words.
  struct word_set {
    std::size_t entity = 0;
    std::string type{};
    std::size_t size = 0;
  };

  static void make_distinct(std::vector<fact>& facts) {
    std::sort(facts.begin(), facts.end());
    facts.erase(std::unique(facts.begin(), facts.end()), facts.end());
  }

  [[nodiscard]] bool overlaps() const noexcept { return matching_.names == name_matching::overlap; }

  // Equal for names that the policy cannot tell apart.
  [[nodiscard]] std::string key_of(std::string_view name, std::string_view type) const {
    std::string key;
    if (overlaps()) {
      for (std::string const& word : distinct_words(name)) (key += word) += ' ';
    } else {
      key = canonical_name(name, matching_.names);
    }
    if (matching_.types) (key += '\n') += canonical_name(type, matching_.names);  // names hold no line feed
    return key;
  }

  std::size_t add_relation(std::string_view name) {
    auto const [found, is_new] = relation_index_.emplace(canonical_name(name, matching_.names), relations_.size());
    if (is_new) {
      relations_.push_back(normalise_white_space(name));
      symmetric_.push_back(0);
    }
    return found->second;
  }

  void add_names(text::named_entity const& entity, std::size_t index, std::string_view type, bool ids_are_names) {
    for (std::string const& name : entity.names) add_name(name, index, type);
    if (ids_are_names && !entity.id.empty()) add_name(entity.id, index, type);
  }

  void add_name(std::string_view name, std::size_t entity, std::string_view type) {
    if (overlaps()) {
      std::vector<std::string> const words = distinct_words(name);
      for (std::string const& word : words) names_with_word_.add(word, word_sets_.size());
      word_sets_.push_back({entity, canonical_name(type, matching_.names), words.size()});
    }
    owners_.add(key_of(name, type), entity);  // they come in ascending order
  }

  // A fact of a symmetric relation in its one form.
  [[nodiscard]] fact ordered(fact each) const {
    if (each[1] < symmetric_.size() && symmetric_[each[1]] != 0 && each[2] < each[0]) std::swap(each[0], each[2]);
    return each;
  }

  [[nodiscard]] std::optional<std::size_t> find_fact(fact const& each) const {
    fact const wanted = ordered(each);
    auto const found = std::lower_bound(facts_.begin(), facts_.end(), wanted);
    if (found == facts_.end() || *found != wanted) return std::nullopt;
    return static_cast<std::size_t>(found - facts_.begin());
  }

  // The entities that have a name; those without a type have it with any.
  [[nodiscard]] std::vector<std::size_t> owners_of(std::string const& key, std::string_view name) const {
    std::vector<std::size_t> owners;
    if (auto const* const found = owners_.find(key)) owners = *found;
    if (matching_.types) {
      if (auto const* const found = owners_.find(key_of(name, {}))) {
        owners.insert(owners.end(), found->begin(), found->end());
        std::sort(owners.begin(), owners.end());
        owners.erase(std::unique(owners.begin(), owners.end()), owners.end());
      }
    }
    return owners;
  }

  [[nodiscard]] reading interpret(std::span<proposed_fact const> predictions) const {
    reading read;
    text_index name_index;
    text_index index_of_owners;
    text_index unknown_relations;
    std::size_t const most_names = 2 * most_compared_facts();
    auto const name_of = [&](std::string_view name, std::string_view type) {
      std::string key = key_of(name, type);
      auto const [found, is_new] = name_index.emplace(std::move(key), read.names.size());
      if (!is_new) return found->second;
      predicted_name next{.owners = owners_of(found->first, name), .similar = {}};
      if (!overlaps() && !next.owners.empty()) {
        // Two names of the same entities are the same prediction.
        std::string owners;
        for (std::size_t const owner : next.owners) (owners += std::to_string(owner)) += ' ';
        auto const [same, first] = index_of_owners.emplace(std::move(owners), read.names.size());
        if (!first) return found->second = same->second;
      }
      if (overlaps() && read.names.size() < most_names) next.similar = similar_entities(name, type);
      read.names.push_back(std::move(next));
      return read.names.size() - 1;
    };
    std::pair<std::string_view, std::size_t> last{};  // most answers repeat their relations
    auto const relation_of = [&](std::string_view name) {
      if (!last.first.empty() && name == last.first) return last.second;
      std::string key = canonical_name(name, matching_.names);
      auto const found = relation_index_.find(key);
      std::size_t const index =
          found != relation_index_.end()
              ? found->second
              : unknown_relations.emplace(std::move(key), relations_.size() + unknown_relations.size()).first->second;
      last = {name, index};
      return index;
    };
    read.facts.reserve(predictions.size());
    for (proposed_fact const& each : predictions) {
      std::size_t const subject = name_of(each.subject, each.subject_type);
      std::size_t const relation = relation_of(each.relation);
      read.facts.push_back(ordered({subject, relation, name_of(each.object, each.object_type)}));
    }
    make_distinct(read.facts);
    read.unknown_relations = unknown_relations.size();
    return read;
  }

  // Exact and normalised names: sets of entities and of facts.
  [[nodiscard]] fact_scores score_look_up(reading const& read, std::vector<measures::set_score>* by_relation) const {
    std::vector<char> found_entity(takes_part_.size(), 0);
    std::size_t wrong_names = 0;
    for (predicted_name const& each : read.names) {
      bool any = false;
      for (std::size_t const owner : each.owners) {
        if (takes_part_[owner] == 0) continue;
        any = true;
        found_entity[owner] = 1;
      }
      wrong_names += any ? 0 : 1;
    }
    std::vector<char> found_fact(facts_.size(), 0);
    std::size_t wrong_facts = 0;
    for (fact const& each : read.facts) {
      bool any = false;
      for (std::size_t const subject : read.names[each[0]].owners) {
        for (std::size_t const object : read.names[each[2]].owners) {
          auto const found = find_fact({subject, each[1], object});
          if (!found) continue;
          any = true;
          found_fact[*found] = 1;
        }
      }
      wrong_facts += any ? 0 : 1;
      if (!any && by_relation != nullptr && each[1] < relations_.size()) ++(*by_relation)[each[1]].predicted;
    }
    if (by_relation != nullptr) {
      for (std::size_t i = 0; i < facts_.size(); ++i) {
        if (found_fact[i] == 0) continue;
        ++(*by_relation)[facts_[i][1]].predicted;
        ++(*by_relation)[facts_[i][1]].matched;
      }
    }
    auto const entities = static_cast<std::size_t>(std::count(found_entity.begin(), found_entity.end(), char{1}));
    auto const facts = static_cast<std::size_t>(std::count(found_fact.begin(), found_fact.end(), char{1}));
    fact_scores scores;
    scores.entities.count = {.matched = entities, .predicted = entities + wrong_names, .gold = participants_};
    scores.facts.count = {.matched = facts, .predicted = facts + wrong_facts, .gold = facts_.size()};
    return scores;
  }

  [[nodiscard]] std::size_t most_compared_facts() const noexcept { return 64 + 4 * facts_.size(); }

  // Entities with a name whose words overlap enough, ascending, each with its best similarity.
  [[nodiscard]] std::vector<std::pair<std::size_t, double>> similar_entities(std::string_view name,
                                                                             std::string_view type) const {
    std::vector<std::string> const words = distinct_words(name);
    std::string const wanted_type = canonical_name(type, matching_.names);
    std::vector<std::size_t> shared(word_sets_.size(), 0);
    for (std::string const& word : words) {
      auto const* const found = names_with_word_.find(word);
      if (found == nullptr) continue;
      for (std::size_t const each : *found) ++shared[each];
    }
    std::vector<std::pair<std::size_t, double>> similar;
    for (std::size_t i = 0; i < word_sets_.size(); ++i) {
      word_set const& other = word_sets_[i];
      if (shared[i] == 0) continue;
      if (matching_.types && !other.type.empty() && other.type != wanted_type) continue;
      double const value =
          measures::set_score{.matched = shared[i], .predicted = words.size(), .gold = other.size}.jaccard();
      if (value < matching_.threshold) continue;
      if (similar.empty() || similar.back().first != other.entity) {
        similar.emplace_back(other.entity, value);  // the names of an entity are neighbours
      } else {
        similar.back().second = std::max(similar.back().second, value);
      }
    }
    return similar;
  }

  [[nodiscard]] static double similarity(predicted_name const& name, std::size_t entity) {
    for (auto const& [each, value] : name.similar) {
      if (each == entity) return value;
    }
    return 0;
  }

  // Overlapping names: the best one-to-one assignment.
  [[nodiscard]] fact_scores score_overlap(reading const& read, std::vector<measures::set_score>* by_relation) const {
    fact_scores scores;
    std::vector<assignable_item> items;
    auto const has = [](predicted_name const& name, std::size_t entity) {
      return std::binary_search(name.owners.begin(), name.owners.end(), entity);
    };
    prediction_places names(read.names.size());
    for (std::size_t i = 0; i < read.names.size(); ++i) {
      items.clear();
      for (auto const& [entity, value] : read.names[i].similar) {
        if (takes_part_[entity] == 0) continue;
        items.push_back({entity, matching_.partial_credit ? value : 1.0, has(read.names[i], entity)});
      }
      if (!items.empty()) names.add(i, items);
    }
    scores.entities = names.score(names.assign(takes_part_.size()), participants_, matching_.partial_credit);
    prediction_places facts(read.facts.size());
    for (std::size_t i = 0; i < std::min(read.facts.size(), most_compared_facts()); ++i) {
      predicted_name const& subject = read.names[read.facts[i][0]];
      predicted_name const& object = read.names[read.facts[i][2]];
      if (subject.similar.empty() || object.similar.empty()) continue;
      items.clear();
      std::size_t const relation = read.facts[i][1];
      for (std::size_t j = 0; j < facts_.size(); ++j) {
        auto const& [first, gold_relation, second] = facts_[j];
        if (gold_relation != relation) continue;
        double value = both(similarity(subject, first), similarity(object, second));
        bool same = has(subject, first) && has(object, second);
        if (symmetric_[relation] != 0) {
          value = std::max(value, both(similarity(subject, second), similarity(object, first)));
          same = same || (has(subject, second) && has(object, first));
        }
        if (value == 0) continue;
        items.push_back({j, matching_.partial_credit ? value : 1.0, same});
      }
      if (!items.empty()) facts.add(i, items);
    }
    auto const chosen = facts.assign(facts_.size());
    scores.facts = facts.score(chosen, facts_.size(), matching_.partial_credit);
    if (by_relation != nullptr) {
      for (std::size_t i = 0; i < read.facts.size(); ++i) {
        std::size_t const relation = read.facts[i][1];
        if (relation < relations_.size()) (*by_relation)[relation].predicted += facts.count(i);
      }
      for (measures::weighted_pair const& each : chosen) ++(*by_relation)[facts_[each.right][1]].matched;
    }
    return scores;
  }

  // The similarity of two facts, 0 unless both ends are similar enough.
  [[nodiscard]] static double both(double subject, double object) noexcept {
    return subject > 0 && object > 0 ? (subject + object) / 2 : 0.0;
  }

  fact_matching matching_;
  bool guided_;
  std::vector<std::string> relations_;
  std::vector<char> symmetric_;  // of each relation
  text_index relation_index_;
  std::vector<fact> facts_;       // distinct, ascending
  std::vector<char> takes_part_;  // of each entity: whether a fact has it
  std::size_t participants_ = 0;
  detail::keyed_lists owners_;       // keys of names -> entities that have each, ascending
  std::vector<word_set> word_sets_;  // with overlap: of each name
  detail::keyed_lists names_with_word_;
};

}  // namespace reward
RLVR_NAMESPACE_END
