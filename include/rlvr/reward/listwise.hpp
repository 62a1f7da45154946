// SPDX-License-Identifier: MIT
/// @file
/// A judge that scores and orders several candidates at once: the training reward of RewardAnything (arXiv 2506.03637),
///
///     r = 0.15 r_f + 0.85 r_a
///
/// for `<think> reasoning </think>{"scores": {name: 1..5, ..}, "best-to-worst": [name, ..]}`.
///
/// r_f, as in the released code: both think tags 0.15, and 0.05 more if they hold over 50 characters (one tag alone
/// 0.05); JSON 0.20 (0.15 if it had to be cut out by its outermost braces); the key "scores" 0.10; the key
/// "best-to-worst" ("best-to-worse" too) 0.10; 0.20 x the share of candidates that have a score; 0.20 x consistency; at
/// most 1.  The release calls a consistency helper that it does not define.  Ours: the share of neighbours in the
/// ranking, both scored and not named before, of which the later one's score is not greater.
///
/// r_a is a weighted mean of four terms, each in [0, 1]:
///
///     pairs     1 - cost / all weight over the pairs of candidates (`measures::weighted_pair_reward`, released code)
///     distance  mean of 1 - |score - gold| / (highest - lowest)
///     near      mean of 1 for the gold score, `near_credit` for one no further off than `near_distance`
///     ranking   mean of (tau + 1) / 2 and the share of the first `top` ranked that gold has among its first `top`
///
/// The weights of these four, and what the last three are exactly, is not published: the defaults are our choice.
/// tau counts only pairs that gold decides.  A candidate without a score earns 0 in `distance` and `near`.  The
/// released pair term looks only at candidates with a score, so a judge that names one of ten earns 1; here it is
/// multiplied by the share of pairs that have scores, unless `omission_costs` is off.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/measures/ranking.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/excerpt.hpp>
#include <rlvr/text/json_reader.hpp>
#include <rlvr/text/tags.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// A candidate and what it is worth; greater is better.
struct candidate_score {
  std::string name{};
  double score = 0;
  friend bool operator==(candidate_score const&, candidate_score const&) = default;
};

/// One written judgement.  Holds views: texts and gold outlive the sample.
struct listwise_sample {
  std::string_view completion{};            ///< what the judge wrote
  std::string_view prefill{};               ///< the begin of it if the prompt wrote that, e.g. "<think>"
  std::span<candidate_score const> gold{};  ///< every candidate by the name the prompt showed
};

/// How the JSON of a judgement was found.
enum class judgement_json : std::uint8_t {
  missing,
  cut_out,  ///< between the outermost braces, with other text around
  whole,    ///< all text after the reasoning
};

/// A judgement as read from text.
struct listwise_judgement {
  std::size_t think_tags = 0;  ///< 2 if both stand once and in order, 1 if there is any, else 0
  std::size_t reasoning = 0;  ///< code points between the tags, white space at the ends aside; 0 unless think_tags is 2
  judgement_json json = judgement_json::missing;
  bool has_scores = false;                ///< the key "scores", with an object
  bool has_ranking = false;               ///< the key "best-to-worst", with an array
  std::vector<candidate_score> scores{};  ///< finite numbers only; each name once
  std::vector<std::string> ranking{};     ///< names, the best first; may repeat or name anything
};

/// Reads `<think>..</think>` and the JSON after it.  Never throws on any text; linear but for the sorting of keys.
[[nodiscard]] inline listwise_judgement read_listwise_judgement(std::string_view text,
                                                                text::json_limits const& limits = {}) {
  constexpr std::string_view open = "<think>";
  constexpr std::string_view close = "</think>";
  listwise_judgement result;
  auto const tags = text::tag_scan(text, std::array{open, close});
  bool const paired = tags[0].once() && tags[1].once() && tags[0].position + open.size() <= tags[1].position;
  result.think_tags = paired ? 2 : tags[0].count + tags[1].count > 0 ? 1 : 0;
  if (paired) {
    std::size_t const begin = tags[0].position + open.size();
    std::string_view inside = text::trim(text.substr(begin, tags[1].position - begin));
    for (; !inside.empty(); inside.remove_prefix(text::decode_utf8_front(inside).bytes)) ++result.reasoning;
  }

  std::size_t const last = text.rfind(close);
  std::string_view const reply = last == std::string_view::npos ? text : text.substr(last + close.size());
  std::optional<text::json_document> document = text::read_json(reply, limits);
  result.json = judgement_json::whole;
  if (!document) {
    std::size_t const begin = reply.find('{');
    std::size_t const end = reply.rfind('}');
    if (begin != std::string_view::npos && end != std::string_view::npos && begin < end) {
      document = text::read_json(reply.substr(begin, end + 1 - begin), limits);
    }
    result.json = document ? judgement_json::cut_out : judgement_json::missing;
  }
  if (!document) return result;

  text::json_node const root = document->root();
  if (auto const scores = root.find("scores"); scores && scores->kind() == text::json_kind::object) {
    result.has_scores = true;
    for (text::json_node const each : *scores) {
      if (each.kind() != text::json_kind::number || !std::isfinite(each.number())) continue;
      result.scores.push_back({std::string(each.key()), each.number()});
    }
  }
  auto ranking = root.find("best-to-worst");
  if (!ranking) ranking = root.find("best-to-worse");
  if (ranking && ranking->kind() == text::json_kind::array) {
    result.has_ranking = true;
    for (text::json_node const each : *ranking) {
      if (each.kind() == text::json_kind::string) result.ranking.emplace_back(each.string());
    }
  }
  return result;
}

namespace detail {

/// A judgement seen from the gold candidates: one entry each, in gold's order.
struct aligned_judgement {
  std::vector<double> gold{};
  std::vector<double> scores{};       ///< not-a-number: none
  std::vector<std::size_t> places{};  ///< in the ranking, among gold candidates; `size_t` maximum: none
};

/// Numbers for names; sorted, so that no text makes it slow.
class name_index {
 public:
  template <class Names, class Name>
  name_index(Names const& names, Name name) {
    names_.reserve(names.size());
    for (auto const& each : names) names_.emplace_back(name(each), names_.size());
    std::sort(names_.begin(), names_.end());
  }
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const {
    auto const place = std::lower_bound(names_.begin(), names_.end(), std::pair{name, std::size_t{0}});
    if (place == names_.end() || place->first != name) return std::nullopt;
    return place->second;
  }
  /// A name that occurs twice; nothing if there is none.
  [[nodiscard]] std::optional<std::string_view> repeated() const {
    auto const place = std::adjacent_find(
        names_.begin(), names_.end(), [](auto const& left, auto const& right) { return left.first == right.first; });
    if (place == names_.end()) return std::nullopt;
    return place->first;
  }

 private:
  std::vector<std::pair<std::string_view, std::size_t>> names_;
};

[[nodiscard]] inline std::string_view candidate_name(candidate_score const& each) noexcept { return each.name; }

/// @throws argument_error if gold is empty, names a candidate twice or holds a score that is not finite
inline void check_gold(std::span<candidate_score const> gold, name_index const& names) {
  if (gold.empty()) throw argument_error("a gold ranking names no candidate; it needs at least one");
  if (auto const twice = names.repeated()) {
    throw argument_error("a gold ranking names " + text::excerpt(*twice) + " twice; it needs each candidate once");
  }
  for (candidate_score const& each : gold) {
    if (std::isfinite(each.score)) continue;
    throw argument_error("the gold score of " + text::excerpt(each.name) + " is not a finite number");
  }
}

}  // namespace detail

/// The consistency of a ranking with its own scores, in [0, 1]: see the top of this file.  Fewer than two names are
/// consistent only if there are no two candidates.
[[nodiscard]] inline double ranking_consistency(listwise_judgement const& judgement, std::size_t candidates) {
  std::size_t const ranked = judgement.ranking.size();
  if (ranked < 2) return candidates < 2 ? 1 : 0;
  detail::name_index const names(judgement.scores, detail::candidate_name);
  std::vector<bool> seen(judgement.scores.size());
  std::optional<std::size_t> before;
  std::size_t consistent = 0;
  for (std::string const& name : judgement.ranking) {
    std::optional<std::size_t> at = names.find(name);
    if (at && seen[*at]) at.reset();
    if (at) seen[*at] = true;
    if (at && before && judgement.scores[*at].score <= judgement.scores[*before].score) ++consistent;
    before = at;
  }
  return static_cast<double>(consistent) / static_cast<double>(ranked - 1);
}

/// The reward.  Parts: "format", "accuracy" and the four terms "pairs", "distance", "near", "ranking".  It passes if
/// the ranking is gold's (where gold decides) and the scores contradict it nowhere.
struct listwise_reward {
  double format_weight = 0.15;
  double accuracy_weight = 0.85;
  /// Of the four terms; they are divided by their sum.
  double pairs_weight = 1;
  double distance_weight = 1;
  double near_weight = 1;
  double ranking_weight = 1;
  double lowest = 1;  ///< of the scale of scores; a score outside it is none
  double highest = 5;
  double near_distance = 1;
  double near_credit = 0.5;
  std::size_t top = 1;         ///< at most as many as there are candidates count
  bool omission_costs = true;  ///< false: the pair term of the released code
  text::json_limits limits{};
  static constexpr std::string_view name = "listwise";

  /// The format reward r_f, in [0, 1].
  [[nodiscard]] double format(listwise_judgement const& judgement, std::span<candidate_score const> gold) const {
    detail::name_index const names(gold, detail::candidate_name);
    detail::check_gold(gold, names);
    return format(judgement, align(judgement, gold, names));
  }

  /// The reward of a judgement.
  /// @throws argument_error if gold is empty, names a candidate twice or has a score that is not finite or outside the
  ///   scale, or if the scale is empty, a weight negative or not finite, all four weights are 0, or `top` is 0
  [[nodiscard]] outcome operator()(listwise_judgement const& judgement, std::span<candidate_score const> gold) const {
    check(gold);
    detail::name_index const names(gold, detail::candidate_name);
    detail::check_gold(gold, names);
    detail::aligned_judgement const aligned = align(judgement, gold, names);
    double const formed = format(judgement, aligned);
    double const pairs = pair_term(aligned);
    auto const [distance, close_by] = score_terms(aligned);
    auto const [agreement, ranking] = ranking_terms(aligned);
    double const weight = pairs_weight + distance_weight + near_weight + ranking_weight;
    double const accuracy =
        (pairs_weight * pairs + distance_weight * distance + near_weight * close_by + ranking_weight * ranking) /
        weight;

    auto const scored = scored_count(aligned);
    bool const complete = judgement.has_scores && judgement.has_ranking && scored == gold.size();
    bool const right = complete && agreement == 1 && pairs == 1;
    auto kind = right ? reward_class::correct : accuracy > 0 ? reward_class::partial : reward_class::wrong_label;
    std::string line;
    if (!complete) {
      kind = reward_class::bad_format;
      line = judgement.json == judgement_json::missing ? "there is no JSON in the judgement"
             : !judgement.has_scores                   ? "the judgement has no object \"scores\""
             : !judgement.has_ranking                  ? "the judgement has no list \"best-to-worst\""
                                                       : std::to_string(scored) + " of " + std::to_string(gold.size()) +
                                            " candidates have a score on the scale";
    } else if (!right) {
      line = "the candidates are not in gold's order";
    }
    outcome result = outcome::of(format_weight * formed + accuracy_weight * accuracy, right, kind, std::move(line));
    result.parts = {{"format", formed},     {"accuracy", accuracy}, {"pairs", pairs},
                    {"distance", distance}, {"near", close_by},     {"ranking", ranking}};
    return result;
  }

  /// As above for text.
  [[nodiscard]] outcome operator()(listwise_sample const& sample) const {
    text::joined_response const response(sample.prefill, sample.completion);
    return (*this)(read_listwise_judgement(response.view(), limits), sample.gold);
  }

 private:
  static constexpr std::size_t unranked = std::numeric_limits<std::size_t>::max();

  void check(std::span<candidate_score const> gold) const {
    if (!(lowest < highest) || !std::isfinite(highest - lowest)) {
      throw argument_error("the scale of a listwise reward is empty or endless; `lowest` must be below `highest`");
    }
    for (double const weight :
         {format_weight, accuracy_weight, pairs_weight, distance_weight, near_weight, ranking_weight}) {
      if (!(weight >= 0) || !std::isfinite(weight)) {
        throw argument_error("a weight of a listwise reward is " + std::to_string(weight) +
                             "; it must be finite, >= 0");
      }
    }
    if (!(pairs_weight + distance_weight + near_weight + ranking_weight > 0)) {
      throw argument_error("all four terms of a listwise reward weigh 0; one must weigh more");
    }
    if (top == 0) throw argument_error("`top` of a listwise reward is 0; it must be at least 1");
    for (candidate_score const& each : gold) {
      if (each.score >= lowest && each.score <= highest) continue;
      throw argument_error("the gold score of " + text::excerpt(each.name) + " is " + std::to_string(each.score) +
                           "; the scale is " + std::to_string(lowest) + " to " + std::to_string(highest));
    }
  }

  [[nodiscard]] detail::aligned_judgement align(listwise_judgement const& judgement,
                                                std::span<candidate_score const> gold,
                                                detail::name_index const& names) const {
    detail::aligned_judgement aligned;
    for (candidate_score const& each : gold) aligned.gold.push_back(each.score);
    aligned.scores.assign(gold.size(), std::numeric_limits<double>::quiet_NaN());
    aligned.places.assign(gold.size(), unranked);
    for (candidate_score const& each : judgement.scores) {
      auto const at = names.find(each.name);
      if (at && each.score >= lowest && each.score <= highest) aligned.scores[*at] = each.score;
    }
    std::size_t place = 0;
    for (std::string const& each : judgement.ranking) {
      auto const at = names.find(each);
      if (at && aligned.places[*at] == unranked) aligned.places[*at] = place++;
    }
    return aligned;
  }

  [[nodiscard]] static std::size_t scored_count(detail::aligned_judgement const& aligned) {
    return static_cast<std::size_t>(
        std::count_if(aligned.scores.begin(), aligned.scores.end(), [](double score) { return !std::isnan(score); }));
  }

  [[nodiscard]] static double format(listwise_judgement const& judgement, detail::aligned_judgement const& aligned) {
    double value = judgement.think_tags == 2 ? 0.15 : judgement.think_tags == 1 ? 0.05 : 0;
    if (judgement.reasoning > 50) value += 0.05;
    if (judgement.json == judgement_json::whole) value += 0.20;
    if (judgement.json == judgement_json::cut_out) value += 0.15;
    if (judgement.has_scores) value += 0.10;
    if (judgement.has_ranking) value += 0.10;
    value += 0.20 * static_cast<double>(scored_count(aligned)) / static_cast<double>(aligned.gold.size());
    if (judgement.has_ranking) value += 0.20 * ranking_consistency(judgement, aligned.gold.size());
    return std::min(1.0, value);
  }

  [[nodiscard]] double pair_term(detail::aligned_judgement const& aligned) const {
    std::vector<double> gold;
    std::vector<double> scores;
    for (std::size_t i = 0; i < aligned.gold.size(); ++i) {
      if (std::isnan(aligned.scores[i])) continue;
      gold.push_back(aligned.gold[i]);
      scores.push_back(aligned.scores[i]);
    }
    double const value = measures::weighted_pair_reward(gold, scores);
    if (!omission_costs) return value;
    auto const found = static_cast<double>(gold.size());
    auto const all = static_cast<double>(aligned.gold.size());
    return value * (all < 2 ? found : found * (found - 1) / (all * (all - 1)));
  }

  /// "distance" and "near".
  [[nodiscard]] std::pair<double, double> score_terms(detail::aligned_judgement const& aligned) const {
    double distance = 0;
    double close_by = 0;
    for (std::size_t i = 0; i < aligned.gold.size(); ++i) {
      double const off = std::abs(aligned.scores[i] - aligned.gold[i]);
      if (std::isnan(off)) continue;
      distance += 1 - off / (highest - lowest);
      close_by += off == 0 ? 1 : off <= near_distance ? near_credit : 0;
    }
    auto const count = static_cast<double>(aligned.gold.size());
    return {distance / count, close_by / count};
  }

  /// The share of pairs in gold's order, which is (tau + 1) / 2, and the whole ranking term.
  [[nodiscard]] std::pair<double, double> ranking_terms(detail::aligned_judgement const& aligned) const {
    std::size_t const size = aligned.gold.size();
    double decided = 0;
    double in_order = 0;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        if (!(aligned.gold[i] > aligned.gold[j])) continue;
        decided += 1;
        // A pair with an unranked candidate is not in order.
        in_order += aligned.places[i] < aligned.places[j] && aligned.places[j] != unranked ? 1 : 0;
      }
    }
    auto const listed =
        size - static_cast<std::size_t>(std::count(aligned.places.begin(), aligned.places.end(), unranked));
    double const agreement = decided > 0 ? in_order / decided : static_cast<double>(listed) / static_cast<double>(size);

    std::vector<double> sorted = aligned.gold;
    std::sort(sorted.begin(), sorted.end(), std::greater<>{});
    std::size_t const first = std::min(top, size);
    double hits = 0;
    for (std::size_t i = 0; i < size; ++i) {
      hits += aligned.places[i] < first && aligned.gold[i] >= sorted[first - 1] ? 1 : 0;
    }
    return {agreement, (agreement + hits / static_cast<double>(first)) / 2};
  }
};
static_assert(sample_reward<listwise_reward, listwise_sample>);

}  // namespace reward
RLVR_NAMESPACE_END
