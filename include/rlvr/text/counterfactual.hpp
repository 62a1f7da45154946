// SPDX-License-Identifier: MIT
/// @file
/// Counterfactual training data for relation classification: the same two entities, other words between them, another
/// label.  A model that learnt a word which only happens to stand beside a label meets that word with other labels.
///
/// The idea is that of Zhang, Qian and Zhang 2022 (2202.10668): centrality and shortest paths in dependency graphs find
/// the words that carry the relation, and an intervention replaces them.  Their algorithm, figures and code were not at
/// hand; the procedure here is our own formulation:
///
///   1. graph      the dependency tree without directions
///   2. causal     tokens between the entities on a shortest path, and each entity's most central neighbours
///   3. donor      another sample with a different label whose causal tokens agree one by one in part of speech, arc
///                 label and place (before, between, after the entities), the entities standing in the same order: the
///                 sentence keeps its sequence of parts of speech
///   4. exchange   the donor's causal words replace ours; entities and all other words stay; the label becomes the
///                 donor's
///   5. filter     the pool does not have this text already (with whatever label), the same result is given once; then
///                 the caller's own test, such as a classifier's consent
///
/// It assumes that the causal words decide the label.  Where they do not, labels are wrong: look at a sample of the
/// output, or filter by a classifier.  Word forms are copied as they are: agreement and capitals may suffer.
///
/// Results depend on the pool's order only, never on addresses or hashes.  Time per sample: one exchange for every
/// donor that is tried, at worst all of the same shape.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/text/dependency_graph.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

/// Neighbouring tokens [begin, end), numbered from 0.
struct token_span {
  std::size_t begin = 0;
  std::size_t end = 0;

  [[nodiscard]] constexpr bool contains(std::size_t token) const noexcept { return begin <= token && token < end; }
  friend constexpr bool operator==(token_span const&, token_span const&) = default;
};

/// A parsed sentence with two entities and the label of their relation.
struct annotated_sentence {
  dependency_sentence sentence;
  token_span e1;
  token_span e2;
  std::string label;

  friend bool operator==(annotated_sentence const&, annotated_sentence const&) = default;
};

/// The words of a span, with one blank between them.
[[nodiscard]] inline std::string span_text(dependency_sentence const& sentence, token_span span) {
  std::string text;
  for (std::size_t i = span.begin; i < span.end && i < sentence.tokens.size(); ++i) {
    if (i > span.begin) text += ' ';
    text += sentence.tokens[i].form;
  }
  return text;
}

/// What makes a neighbour central.
enum class centrality { degree, betweenness };

/// Parameters of counterfactual_generator.
struct counterfactual_settings {
  centrality measure = centrality::betweenness;
  std::size_t neighbours = 1;          ///< of each entity, beside the path; 0: the path alone
  bool same_part_of_speech = true;     ///< of causal tokens and their replacements
  bool same_relation = true;           ///< the same for the labels of their arcs
  std::size_t results_per_sample = 1;  ///< at most
};

/// A generated sample and where it comes from.
struct counterfactual {
  annotated_sentence sample;
  std::size_t donor = 0;              ///< index in the pool
  std::vector<std::size_t> replaced;  ///< tokens that were exchanged, ascending
};

namespace detail {

[[nodiscard]] inline std::vector<std::size_t> tokens_of(token_span span) {
  std::vector<std::size_t> tokens;
  for (std::size_t i = span.begin; i < span.end; ++i) tokens.push_back(i);
  return tokens;
}

inline void check_sample(annotated_sentence const& sample, std::string const& name) {
  std::size_t const size = sample.sentence.tokens.size();
  for (token_span const span : {sample.e1, sample.e2}) {
    if (span.begin >= span.end || span.end > size) {
      throw argument_error(name + ": found an entity from token " + std::to_string(span.begin) + " to " +
                           std::to_string(span.end) + ", expected a part of the sentence's " + std::to_string(size) +
                           " tokens");
    }
  }
  if (sample.e1.begin < sample.e2.end && sample.e2.begin < sample.e1.end) {
    throw argument_error(name + ": the entities overlap, expected two that do not");
  }
}

}  // namespace detail

/// The tokens that carry the relation, ascending, none of them in an entity: those on a shortest path between the
/// entities (which touches each entity once), and of each entity's neighbours the `neighbours` most central ones, the
/// foremost among equals.  Throws argument_error if an entity is empty, not in the sentence, or overlaps the other.
[[nodiscard]] inline std::vector<std::size_t> causal_tokens(annotated_sentence const& sample,
                                                            counterfactual_settings const& settings = {}) {
  detail::check_sample(sample, "causal_tokens");
  dependency_graph const graph(sample.sentence);
  auto const in_entity = [&](std::size_t token) { return sample.e1.contains(token) || sample.e2.contains(token); };
  std::set<std::size_t> causal;
  for (std::size_t const token : shortest_path(graph, detail::tokens_of(sample.e1), detail::tokens_of(sample.e2))) {
    if (!in_entity(token)) causal.insert(token);
  }
  if (settings.neighbours > 0) {
    auto const central = settings.measure == centrality::degree ? degree_centrality(graph) : betweenness(graph);
    for (token_span const entity : {sample.e1, sample.e2}) {
      std::set<std::size_t> around;
      for (std::size_t token = entity.begin; token < entity.end; ++token) {
        for (std::size_t const next : graph.neighbours(token)) {
          if (!in_entity(next)) around.insert(next);
        }
      }
      std::vector<std::size_t> ranked(around.begin(), around.end());
      std::stable_sort(ranked.begin(), ranked.end(),
                       [&](std::size_t a, std::size_t b) { return central[a] > central[b]; });
      ranked.resize(std::min(ranked.size(), settings.neighbours));
      causal.insert(ranked.begin(), ranked.end());
    }
  }
  return {causal.begin(), causal.end()};
}

/// Makes counterfactuals of samples with donors from a pool.
class counterfactual_generator {
 public:
  /// Throws argument_error if an entity of a sample is empty, not in the sentence, or overlaps the other.
  explicit counterfactual_generator(std::vector<annotated_sentence> pool, counterfactual_settings settings = {})
      : pool_(std::move(pool)), settings_(settings) {
    for (std::size_t i = 0; i < pool_.size(); ++i) {
      detail::check_sample(pool_[i], "counterfactual_generator: sample " + std::to_string(i));
      causal_.push_back(causal_tokens(pool_[i], settings_));
      if (!causal_.back().empty()) donors_[shape_of(pool_[i], causal_.back())].push_back(i);
      texts_.insert(key_of(pool_[i]));
    }
  }

  [[nodiscard]] std::span<annotated_sentence const> pool() const noexcept { return pool_; }

  /// Counterfactuals of a sample that need not be in the pool; donors are tried in the pool's order.
  /// @param accept  counterfactual const& -> bool: whether to keep what passed all other filters
  template <class Accept>
  [[nodiscard]] std::vector<counterfactual> operator()(annotated_sentence const& sample, Accept const& accept) const {
    return generate(sample, causal_tokens(sample, settings_), 0, accept);
  }
  [[nodiscard]] std::vector<counterfactual> operator()(annotated_sentence const& sample) const {
    return (*this)(sample, [](counterfactual const&) { return true; });
  }

  /// Counterfactuals of every sample of the pool, by its index.  Donors are tried from the sample's successor on, round
  /// to its predecessor, so that not all samples take the same one.
  template <class Accept>
  [[nodiscard]] std::vector<std::vector<counterfactual>> of_pool(Accept const& accept) const {
    std::vector<std::vector<counterfactual>> results;
    for (std::size_t i = 0; i < pool_.size(); ++i) results.push_back(generate(pool_[i], causal_[i], i + 1, accept));
    return results;
  }
  [[nodiscard]] std::vector<std::vector<counterfactual>> of_pool() const {
    return of_pool([](counterfactual const&) { return true; });
  }

 private:
  using text_key = std::pair<std::vector<std::string>, std::vector<std::size_t>>;

  /// What donor and sample must share, as one text; the fields are told apart by characters that CoNLL-U has not.
  [[nodiscard]] std::string shape_of(annotated_sentence const& sample, std::vector<std::size_t> const& causal) const {
    token_span const& first = sample.e1.begin < sample.e2.begin ? sample.e1 : sample.e2;
    token_span const& second = sample.e1.begin < sample.e2.begin ? sample.e2 : sample.e1;
    std::string shape = sample.e1.begin < sample.e2.begin ? "12" : "21";
    for (std::size_t const token : causal) {
      shape += '\n';
      shape += token < first.begin ? 'b' : token < second.begin ? 'm' : 'a';
      if (settings_.same_part_of_speech) shape += '\t' + sample.sentence.tokens[token].part_of_speech;
      if (settings_.same_relation) shape += '\t' + sample.sentence.tokens[token].relation;
    }
    return shape;
  }

  [[nodiscard]] static text_key key_of(annotated_sentence const& sample) {
    text_key key{{}, {sample.e1.begin, sample.e1.end, sample.e2.begin, sample.e2.end}};
    for (dependency_token const& token : sample.sentence.tokens) key.first.push_back(token.form);
    return key;
  }

  template <class Accept>
  [[nodiscard]] std::vector<counterfactual> generate(annotated_sentence const& sample,
                                                     std::vector<std::size_t> const& causal, std::size_t first_donor,
                                                     Accept const& accept) const {
    std::vector<counterfactual> results;
    auto const found = causal.empty() ? donors_.end() : donors_.find(shape_of(sample, causal));
    if (found == donors_.end()) return results;
    std::vector<std::size_t> donors = found->second;
    std::rotate(donors.begin(), std::lower_bound(donors.begin(), donors.end(), first_donor), donors.end());
    std::set<std::pair<text_key, std::string>> given;
    for (std::size_t const donor : donors) {
      if (results.size() >= settings_.results_per_sample) break;
      std::optional<counterfactual> candidate = exchange(sample, causal, donor);
      if (!candidate || !given.emplace(key_of(candidate->sample), candidate->sample.label).second) continue;
      if (accept(static_cast<counterfactual const&>(*candidate))) results.push_back(std::move(*candidate));
    }
    return results;
  }

  /// The sample with the donor's causal words and label; nothing if that is no valid counterfactual.
  [[nodiscard]] std::optional<counterfactual> exchange(annotated_sentence const& sample,
                                                       std::vector<std::size_t> const& causal,
                                                       std::size_t donor) const {
    if (pool_[donor].label == sample.label) return std::nullopt;
    counterfactual result{sample, donor, causal};
    result.sample.label = pool_[donor].label;
    bool differs = false;
    for (std::size_t i = 0; i < causal.size(); ++i) {
      dependency_token& token = result.sample.sentence.tokens[causal[i]];
      dependency_token const& other = pool_[donor].sentence.tokens[causal_[donor][i]];
      differs = differs || token.form != other.form;
      token.form = other.form;
      token.part_of_speech = other.part_of_speech;
      token.relation = other.relation;  // its head stays: the tree is the sample's
    }
    if (!differs) return std::nullopt;
    if (texts_.count(key_of(result.sample)) > 0) return std::nullopt;
    return result;
  }

  std::vector<annotated_sentence> pool_;
  counterfactual_settings settings_;
  std::vector<std::vector<std::size_t>> causal_;            // of each sample of the pool
  std::map<std::string, std::vector<std::size_t>> donors_;  // by shape, ascending
  std::set<text_key> texts_;                                // of the pool
};

/// The share of samples that have at least one counterfactual; 0 of none.
[[nodiscard]] inline double flip_rate(std::span<std::vector<counterfactual> const> by_sample) {
  std::size_t flipped = 0;
  for (auto const& results : by_sample) flipped += results.empty() ? 0 : 1;
  return by_sample.empty() ? 0 : static_cast<double>(flipped) / static_cast<double>(by_sample.size());
}

}  // namespace text
RLVR_NAMESPACE_END
