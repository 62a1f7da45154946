// SPDX-License-Identifier: MIT
/// @file
/// When a predicted fact (subject, relation, object) counts as a gold fact, and the figures that follow:
///
///     precision = |P n G| / |P|,   recall = |P n G| / |G|,   F1 = 2 |P n G| / (|P| + |G|),   1 if both are empty
///
/// for facts and for the entities that take part in them.  Policies by name (`fact_matching`):
///
///     exact_facts        names are equal once white space is normalised (what Unicode calls so, as str.split() of
///     Python) normalised_facts   and case, ASCII punctuation and articles are off (the SQuAD steps, arXiv 1606.05250);
///     a name
///                        of which nothing would be left keeps all but its case
///     overlapping_facts  the words of two normalised names have a Jaccard index of at least `threshold`
///     credited_facts     the same, and a match counts as much as its names are similar (a fact: the mean of both)
///     with_types(..)     an entity is name and type: both must be right
///
/// Several names of an entity, symmetric relations and limits: fact_matcher.hpp.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/measures/normalise.hpp>
#include <rlvr/reward/measures/overlap.hpp>
#include <rlvr/reward/measures/words.hpp>
#include <rlvr/text/tags.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// How two names are compared.
enum class name_matching : std::uint8_t { exact, normalised, overlap };

/// When a predicted fact counts as a gold fact.
struct fact_matching {
  name_matching names = name_matching::exact;
  bool types = false;           ///< an entity is its name and its type
  bool partial_credit = false;  ///< with overlap: a match counts its similarity instead of 1
  double threshold = 0.5;       ///< with overlap: the least Jaccard index of a match, in (0, 1]
  friend bool operator==(fact_matching const&, fact_matching const&) = default;
};

inline constexpr fact_matching exact_facts{};
inline constexpr fact_matching normalised_facts{.names = name_matching::normalised};
inline constexpr fact_matching overlapping_facts{.names = name_matching::overlap};
inline constexpr fact_matching credited_facts{.names = name_matching::overlap, .partial_credit = true};

/// The same policy with entity types.
[[nodiscard]] constexpr fact_matching with_types(fact_matching matching) noexcept {
  matching.types = true;
  return matching;
}

/// A predicted fact; views into the model's text.
struct proposed_fact {
  std::string_view subject{};
  std::string_view relation{};
  std::string_view object{};
  std::string_view subject_type{};  ///< read if the policy asks for types
  std::string_view object_type{};
  friend bool operator==(proposed_fact const&, proposed_fact const&) = default;
};

/// How predictions and gold overlap, and how similar the matched ones are.
struct match_score {
  measures::set_score count{};
  double quality = 1;  ///< mean similarity of the matched ones; 1 without partial credit

  [[nodiscard]] double f1() const noexcept { return quality * count.f1(); }
  [[nodiscard]] double precision() const noexcept { return quality * count.precision(); }
  [[nodiscard]] double recall() const noexcept { return quality * count.recall(); }
  friend bool operator==(match_score const&, match_score const&) = default;
};

/// What `fact_matcher` says about some predictions.
struct fact_scores {
  match_score entities{};
  match_score facts{};
  std::size_t unknown_names = 0;      ///< distinct predicted names that no entity of the gold has
  std::size_t unknown_relations = 0;  ///< distinct predicted relations that neither guideline nor gold has
  friend bool operator==(fact_scores const&, fact_scores const&) = default;
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

/// The form in which equal names are equal texts.
[[nodiscard]] inline std::string canonical_name(std::string_view name, name_matching how) {
  constexpr measures::normalisation white_space_only{
      .lower_case = false, .remove_punctuation = false, .remove_articles = false};
  std::string plain = measures::normalise_answer(name, white_space_only);
  if (plain.empty()) plain = normalise_white_space(name);  // foreign white space alone is a name like others
  if (how == name_matching::exact) return plain;
  std::string normal = measures::normalise_answer(plain);
  return normal.empty() ? measures::lower_ascii(plain) : normal;
}

/// The words of a normalised name, each once, in ascending order.
[[nodiscard]] inline std::vector<std::string> distinct_words(std::string_view name) {
  std::string const normal = canonical_name(name, name_matching::normalised);
  std::vector<std::string> words;
  for (std::string_view const word : measures::split_words(normal)) words.emplace_back(word);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

namespace detail {

/// Lists of indices, each with a text as its key.
class keyed_lists {
 public:
  /// Appends to the list of that key, unless the index is its last one.
  void add(std::string key, std::size_t item) {
    auto const [found, is_new] = index_.emplace(std::move(key), lists_.size());
    if (is_new) lists_.emplace_back();
    std::vector<std::size_t>& list = lists_[found->second];
    if (list.empty() || list.back() != item) list.push_back(item);
  }
  /// The list of that key; nullptr if there is none.
  [[nodiscard]] std::vector<std::size_t> const* find(std::string const& key) const {
    auto const found = index_.find(key);
    return found == index_.end() ? nullptr : &lists_[found->second];
  }

 private:
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::vector<std::size_t>> lists_;
};

}  // namespace detail

}  // namespace reward
RLVR_NAMESPACE_END
