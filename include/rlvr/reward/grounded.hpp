// SPDX-License-Identifier: MIT
/// @file
/// A judge that must prove its verdict from a text: the reward of RAG-Zeval (arXiv 2505.22430).  For a question, a
/// reference text and several candidate answers the judge writes a JSON list, one object for each candidate,
///
///     {"id": .., "answer": .., "atomic_claims": [{"claim": .., "is_supported": true, "grounding_evidence":
///      ["a sentence of the reference", ..], "analysis": ..}, ..]}
///
/// and the worth of a candidate follows from it: S = supported claims / all claims (0 without claims).  Then
///
///     r = 1 + 0.5 r_e   if the form is right and S puts the candidates into gold's order, strictly
///     r = 0             if only the form is right
///     r = -0.5          otherwise
///
///     r_e = mean over all evidence of  longest run of tokens shared with the reference / tokens of the evidence,
///           where evidence of fewer than 10 tokens counts 0; 0 without evidence
///
/// The form is right if the text is such a list, its ids are the candidates' (each once), no field lacks, and every
/// supported claim has evidence in which there is something to read.  Tokens are the model's in the paper; words
/// between white space here unless another tokenisation is given.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/measures/ranking.hpp>
#include <rlvr/reward/measures/verbatim_share.hpp>
#include <rlvr/reward/measures/words.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/excerpt.hpp>
#include <rlvr/text/json_reader.hpp>
#include <rlvr/text/tags.hpp>
#include <rlvr/text/visible.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// One claim of an answer and what the judge says about it.
struct atomic_claim {
  std::string claim{};
  bool supported = false;
  std::vector<std::string> evidence{};  ///< sentences said to stand in the reference
  std::string analysis{};
};

/// One candidate's answer taken apart.
struct judged_answer {
  std::string id{};
  std::string answer{};
  std::vector<atomic_claim> claims{};

  /// S, in [0, 1]; 0 without claims.
  [[nodiscard]] double support() const noexcept {
    if (claims.empty()) return 0;
    auto const supported = std::count_if(claims.begin(), claims.end(), [](auto const& each) { return each.supported; });
    return static_cast<double>(supported) / static_cast<double>(claims.size());
  }
};

/// A judgement as read from text.
struct grounded_judgement {
  std::vector<judged_answer> answers{};
  std::string fault{};  ///< what breaks the form, one line; empty: nothing does
};

/// A candidate and its worth, of which only the order counts (the negative alpha of context-aware decoding, say).
struct candidate_worth {
  std::string id{};
  double worth = 0;  ///< greater is better; no two equal
};

/// One written judgement.  Holds views: texts and gold outlive the sample.
struct grounded_sample {
  std::string_view completion{};            ///< what the judge wrote
  std::string_view prefill{};               ///< the begin of it if the prompt wrote that
  std::string_view reference{};             ///< the text that evidence must be taken from
  std::span<candidate_worth const> gold{};  ///< every candidate by the id that the prompt showed
};

namespace detail {

/// Reads one claim; says what is wrong with it, or nothing.
[[nodiscard]] inline std::string_view read_claim(text::json_node node, atomic_claim& out) {
  using text::json_kind;
  if (node.kind() != json_kind::object) return "a claim is no object";
  auto const claim = node.find("claim");
  auto const supported = node.find("is_supported");
  auto const evidence = node.find("grounding_evidence");
  auto const analysis = node.find("analysis");
  if (!claim || claim->kind() != json_kind::string) return "a claim has no text \"claim\"";
  if (!supported || supported->kind() != json_kind::boolean) return "a claim has no truth value \"is_supported\"";
  if (!evidence || evidence->kind() != json_kind::array) return "a claim has no list \"grounding_evidence\"";
  if (!analysis || analysis->kind() != json_kind::string) return "a claim has no text \"analysis\"";
  out.claim = claim->string();
  out.supported = supported->boolean();
  out.analysis = analysis->string();
  bool readable = false;
  for (text::json_node const each : *evidence) {
    if (each.kind() != json_kind::string) return "evidence of a claim is no text";
    readable = readable || text::has_visible(each.string());
    out.evidence.emplace_back(each.string());
  }
  return out.supported && !readable ? "a supported claim has no evidence" : "";
}

/// Reads one answer; says what is wrong with it, or nothing.
[[nodiscard]] inline std::string_view read_answer(text::json_node node, judged_answer& out) {
  using text::json_kind;
  if (node.kind() != json_kind::object) return "an element of the list is no object";
  auto const id = node.find("id");
  auto const answer = node.find("answer");
  auto const claims = node.find("atomic_claims");
  if (!id || id->kind() != json_kind::string) return "an object has no text \"id\"";
  if (!answer || answer->kind() != json_kind::string) return "an object has no text \"answer\"";
  if (!claims || claims->kind() != json_kind::array) return "an object has no list \"atomic_claims\"";
  out.id = id->string();
  out.answer = answer->string();
  for (text::json_node const each : *claims) {
    if (std::string_view const fault = read_claim(each, out.claims.emplace_back()); !fault.empty()) return fault;
  }
  return "";
}

}  // namespace detail

/// Reads a judgement: JSON that fills the text but for white space.  Never throws on any text; stops at the first
/// fault.  Linear but for the sorting of keys.
[[nodiscard]] inline grounded_judgement read_grounded_judgement(std::string_view text,
                                                                text::json_limits const& limits = {}) {
  grounded_judgement result;
  auto const document = text::read_json(text, limits);
  if (!document) {
    result.fault = "the judgement is not JSON";
  } else if (document->root().kind() != text::json_kind::array) {
    result.fault = "the judgement is no list";
  } else {
    for (text::json_node const each : document->root()) {
      result.fault = detail::read_answer(each, result.answers.emplace_back());
      if (!result.fault.empty()) break;
    }
  }
  return result;
}

/// Words between white space; a tokenisation for the evidence reward.
struct white_space_tokens {
  [[nodiscard]] std::vector<std::string_view> operator()(std::string_view text) const {
    return measures::split_words(text);
  }
};

/// Which order of the candidates earns the reward.
enum class grounded_rule : std::uint8_t {
  strict_ranking,  ///< every pair strictly in gold's order
  best_on_top,     ///< the best candidate strictly ahead of all others (the paper's weaker variant)
};

/// The reward; `Tokens` takes a text apart into tokens that have an order (the ids of the model's tokenizer, say).
/// Parts: "format" (1 or 0) and, where the form is right, "ranking" (1 or 0) and "evidence" (r_e).
template <class Tokens = white_space_tokens>
struct grounded_reward {
  double right = 1;  ///< form and order right
  double evidence_weight = 0.5;
  double wrong_order = 0;
  double bad_form = -0.5;
  std::size_t shortest = 10;  ///< evidence of fewer tokens counts 0
  grounded_rule rule = grounded_rule::strict_ranking;
  text::json_limits limits{};
  Tokens tokens{};
  static constexpr std::string_view name = "grounded";

  /// The value alone: `right + evidence_weight * r_e`, `wrong_order` or `bad_form`.
  [[nodiscard]] constexpr double value(bool formed, bool ordered, double evidence) const noexcept {
    return !formed ? bad_form : ordered ? right + evidence_weight * evidence : wrong_order;
  }

  /// r_e of a judgement, in [0, 1].
  [[nodiscard]] double evidence(grounded_judgement const& judgement, std::string_view reference) const {
    auto const split = tokens(reference);
    using Token = typename std::remove_cvref_t<decltype(split)>::value_type;
    measures::verbatim_share<Token> const measure(split, shortest);
    double sum = 0;
    std::size_t count = 0;
    for (judged_answer const& each : judgement.answers) {
      for (atomic_claim const& claim : each.claims) {
        for (std::string const& span : claim.evidence) {
          auto const taken = tokens(std::string_view(span));
          sum += measure(taken);
          ++count;
        }
      }
    }
    return count > 0 ? sum / static_cast<double>(count) : 0;
  }

  /// The reward of a judgement.
  /// @throws argument_error if gold names no candidate or one twice, has a worth that is not finite, or has equal ones
  ///   where the rule needs an order
  [[nodiscard]] outcome operator()(grounded_judgement const& judgement, std::string_view reference,
                                   std::span<candidate_worth const> gold) const {
    std::vector<double> worth;
    for (candidate_worth const& each : gold) worth.push_back(each.worth);
    std::vector<double> support(gold.size(), 0.0);
    std::string const mismatch = match(judgement, gold, support);
    // Asked before the form is, so that bad gold never hides behind a bad judgement.
    bool const ordered = rule == grounded_rule::strict_ranking ? measures::strict_ranking_match(worth, support)
                                                               : measures::best_on_top(worth, support);
    std::string const& fault = judgement.fault.empty() ? mismatch : judgement.fault;
    if (!fault.empty()) {
      outcome result = outcome::of(value(false, false, 0), false, reward_class::bad_format, fault);
      result.parts = {{"format", 0}};
      return result;
    }
    double const grounded = evidence(judgement, reference);
    outcome result = outcome::of(value(true, ordered, grounded), ordered,
                                 ordered ? reward_class::correct : reward_class::wrong_label,
                                 ordered ? "" : "the shares of supported claims are not in gold's order");
    result.parts = {{"format", 1}, {"ranking", ordered ? 1.0 : 0.0}, {"evidence", grounded}};
    return result;
  }

  /// As above for text.
  [[nodiscard]] outcome operator()(grounded_sample const& sample) const {
    text::joined_response const response(sample.prefill, sample.completion);
    return (*this)(read_grounded_judgement(response.view(), limits), sample.reference, sample.gold);
  }

 private:
  /// Writes the support of each gold candidate; says why answers and candidates do not match, or nothing.
  [[nodiscard]] static std::string match(grounded_judgement const& judgement, std::span<candidate_worth const> gold,
                                         std::vector<double>& support) {
    if (gold.empty()) throw argument_error("a gold ranking names no candidate; it needs at least one");
    std::vector<std::pair<std::string_view, std::size_t>> ids;
    for (candidate_worth const& each : gold) ids.emplace_back(each.id, ids.size());
    std::sort(ids.begin(), ids.end());
    for (std::size_t i = 1; i < ids.size(); ++i) {
      if (ids[i - 1].first != ids[i].first) continue;
      throw argument_error("a gold ranking names " + text::excerpt(ids[i].first) + " twice; it needs each once");
    }
    std::vector<bool> seen(gold.size());
    for (judged_answer const& each : judgement.answers) {
      auto const place = std::lower_bound(ids.begin(), ids.end(), std::pair{std::string_view(each.id), std::size_t{0}});
      if (place == ids.end() || place->first != each.id) return text::excerpt(each.id) + " is no candidate";
      if (seen[place->second]) return text::excerpt(each.id) + " is judged twice";
      seen[place->second] = true;
      support[place->second] = each.support();
    }
    if (judgement.answers.size() == gold.size()) return {};
    return std::to_string(judgement.answers.size()) + " of " + std::to_string(gold.size()) + " candidates are judged";
  }
};
static_assert(sample_reward<grounded_reward<>, grounded_sample>);

/// How often a judge puts the better of two candidates ahead, when it may call them equal.  Accuracy then depends on
/// what an equal verdict is worth, so all three answers are given.
struct pair_accuracy {
  std::size_t right = 0;
  std::size_t tied = 0;
  std::size_t wrong = 0;

  /// Counts one pair; a not-a-number never wins.
  constexpr void add(double better, double worse) noexcept {
    ++(better > worse ? right : better == worse ? tied : wrong);
  }
  [[nodiscard]] constexpr std::size_t pairs() const noexcept { return right + tied + wrong; }
  /// Every tie counts as right.  0 without pairs, as the others.
  [[nodiscard]] constexpr double best() const noexcept { return share(1); }
  /// Every tie counts half: the expectation of a guess.
  [[nodiscard]] constexpr double middle() const noexcept { return share(0.5); }
  /// Every tie counts as wrong.
  [[nodiscard]] constexpr double worst() const noexcept { return share(0); }

 private:
  [[nodiscard]] constexpr double share(double tie) const noexcept {
    if (pairs() == 0) return 0;
    return (static_cast<double>(right) + tie * static_cast<double>(tied)) / static_cast<double>(pairs());
  }
};

}  // namespace reward
RLVR_NAMESPACE_END
