// SPDX-License-Identifier: MIT
/// @file
/// The rewards that the module offers.  To offer another one: a factory here, its line in module.cpp and in
/// rlvr_rewards/__init__.py.
#include "rewards.hpp"

#include <rlvr/format/json.hpp>
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/format.hpp>
#include <rlvr/reward/process.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/reward/relation.hpp>
#include <rlvr/reward/triples.hpp>
#include <rlvr/text/excerpt.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include "guideline_json.hpp"
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace python_rewards {

namespace reward = rlvr::reward;
namespace text = rlvr::text;

namespace {

void require_finite(char const* function, std::initializer_list<std::pair<char const*, double>> numbers) {
  for (auto const& [name, value] : numbers) {
    if (std::isfinite(value)) continue;
    throw rlvr::argument_error(std::string(function) + ": " + name + " is " + std::to_string(value) +
                               ", expected a finite number");
  }
}

void require_guideline(char const* function, guideline_pointer const& guide) {
  if (!guide) throw rlvr::argument_error(std::string(function) + ": no guideline, expected one");
}

[[nodiscard]] bool has_gold(sample const& each) noexcept { return !std::holds_alternative<std::monostate>(each.gold); }

/// The gold label of a sample that has a gold answer.
[[nodiscard]] text::relation_label gold_label(sample const& each, text::guideline const& guide) {
  auto const* const words = std::get_if<std::string_view>(&each.gold);
  if (words == nullptr) throw rlvr::argument_error("the gold answer is a list of triples, expected a label");
  auto const label = text::parse_label(guide, *words);
  if (!label) {
    throw rlvr::argument_error("gold label " + rlvr::text::excerpt(*words) + " is no label of guideline '" +
                               guide.title + "'");
  }
  return *label;
}

/// A reward of relation samples, for ours.
template <class Reward>
[[nodiscard]] any_reward adapt_relation(guideline_pointer guide, policy_pointer policy, Reward inner,
                                        bool gold_required = true) {
  std::string name = reward::reward_name(inner);
  inner.policy = policy->view();
  auto call = [guide = std::move(guide), policy = std::move(policy), inner, gold_required](sample const& each) {
    if (gold_required && !has_gold(each)) return reward::outcome::none("the sample has no gold answer");
    // A reward that asks for no gold answer still wants a label to stand there.
    auto const gold = gold_required ? gold_label(each, *guide) : text::label_at(*guide, 0);
    return reward::evaluate(
        inner, reward::relation_sample{
                   .completion = each.completion, .gold = gold, .guide = guide.get(), .prefill = each.prefill});
  };
  return any_reward(reward::named(std::move(name), std::move(call)));
}

/// Refuses lists whose members could not be told apart.
void check_list(std::string const& function, std::vector<std::string> const& names) {
  if (names.empty()) throw rlvr::argument_error(function + ": 0 rewards, expected at least one");
  std::set<std::string_view> seen;
  for (std::string const& name : names) {
    if (name.empty() || seen.insert(name).second) continue;
    throw rlvr::argument_error(function + ": two rewards are named '" + name +
                               "', expected different names (named() gives one)");
  }
}

}  // namespace

owned_policy::owned_policy(text::response_policy switches, std::array<std::string, 4> tags)
    : switches_(switches), tags_(std::move(tags)) {
  for (std::size_t i = 0; i < tags_.size(); ++i) {
    if (tags_[i].empty()) throw rlvr::argument_error("policy: a tag is empty, expected at least one byte");
    for (std::size_t j = 0; j < tags_.size(); ++j) {
      if (i == j || tags_[j].find(tags_[i]) == std::string::npos) continue;
      throw rlvr::argument_error("policy: tag " + rlvr::text::excerpt(tags_[i]) + " occurs in tag " +
                                 rlvr::text::excerpt(tags_[j]) + ", expected tags that can be told apart");
    }
  }
}

text::response_policy owned_policy::view() const noexcept {
  text::response_policy policy = switches_;
  policy.think_open = tags_[0];
  policy.think_close = tags_[1];
  policy.answer_open = tags_[2];
  policy.answer_close = tags_[3];
  return policy;
}

guideline_pointer guideline_from_json(std::string_view json, std::string const& name) {
  return std::make_shared<text::guideline const>(r1_re::parse_guideline(rlvr::format::parse_json(json, name), name));
}

guideline_pointer guideline_of_semeval2010() {
  return std::make_shared<text::guideline const>(text::semeval2010_guideline());
}

any_reward make_r1_re(guideline_pointer guide, policy_pointer policy, r1_re_numbers numbers) {
  require_guideline("r1_re", guide);
  require_finite("r1_re", {{"format_right", numbers.format_right},
                           {"format_wrong", numbers.format_wrong},
                           {"metric_right", numbers.metric_right},
                           {"metric_wrong", numbers.metric_wrong}});
  reward::r1_re inner;
  inner.format_right = numbers.format_right;
  inner.format_wrong = numbers.format_wrong;
  inner.metric_right = numbers.metric_right;
  inner.metric_wrong = numbers.metric_wrong;
  inner.invalid_label_is_format_failure = numbers.invalid_label_is_format_failure;
  inner.directed = numbers.directed;
  return adapt_relation(std::move(guide), std::move(policy), inner);
}

any_reward make_format(policy_pointer policy, double right, double wrong) {
  require_finite("format", {{"right", right}, {"wrong", wrong}});
  reward::format_reward inner;
  inner.right = right;
  inner.wrong = wrong;
  inner.policy = policy->view();
  auto call = [policy = std::move(policy), inner](sample const& each) { return inner(each); };
  return any_reward(reward::named(std::string(inner.name), std::move(call)));
}

any_reward make_relation_format(guideline_pointer guide, policy_pointer policy, double right, double wrong) {
  require_guideline("relation_format", guide);
  require_finite("relation_format", {{"right", right}, {"wrong", wrong}});
  reward::relation_format_reward inner;
  inner.right = right;
  inner.wrong = wrong;
  return adapt_relation(std::move(guide), std::move(policy), inner, false);
}

any_reward make_relation_match(guideline_pointer guide, policy_pointer policy, double right, double wrong,
                               bool directed) {
  require_guideline("relation_match", guide);
  require_finite("relation_match", {{"right", right}, {"wrong", wrong}});
  reward::relation_match_reward inner;
  inner.right = right;
  inner.wrong = wrong;
  inner.directed = directed;
  return adapt_relation(std::move(guide), std::move(policy), inner);
}

any_reward make_triples(guideline_pointer guide, policy_pointer policy, triples_numbers numbers) {
  require_finite("triples", {{"format_right", numbers.format_right},
                             {"format_wrong", numbers.format_wrong},
                             {"scale", numbers.scale},
                             {"entity_weight", numbers.entity_weight},
                             {"triple_weight", numbers.triple_weight}});
  reward::triples_reward inner;
  inner.format_right = numbers.format_right;
  inner.format_wrong = numbers.format_wrong;
  inner.scale = numbers.scale;
  inner.entity_weight = numbers.entity_weight;
  inner.triple_weight = numbers.triple_weight;
  inner.policy = policy->view();
  auto call = [guide = std::move(guide), policy = std::move(policy), inner](sample const& each) {
    if (!has_gold(each)) return reward::outcome::none("the sample has no gold answer");
    auto const* gold = std::get_if<std::vector<reward::triple>>(&each.gold);
    std::optional<std::vector<reward::triple>> parsed;
    if (gold == nullptr) {
      std::string_view const lines = std::get<std::string_view>(each.gold);
      parsed = reward::parse_triples(lines);
      if (!parsed) {
        throw rlvr::argument_error("gold answer " + rlvr::text::excerpt(lines) +
                                   ", expected lines of the form subject | relation | object");
      }
      gold = &*parsed;
    }
    return reward::evaluate(
        inner, reward::triple_sample{
                   .completion = each.completion, .gold = *gold, .guide = guide.get(), .prefill = each.prefill});
  };
  return any_reward(reward::named(std::string(inner.name), std::move(call)));
}

any_reward make_sum(std::vector<weighted_reward> const& terms) {
  std::vector<std::string> names;
  std::vector<reward::term<any_reward>> all;
  for (auto const& [weight, each] : terms) {
    require_finite("sum", {{"a weight", weight}});
    names.push_back(each.name);
    all.push_back({weight, each, {}});
  }
  check_list("sum", names);
  return reward::sum(std::move(all));
}

any_reward make_stages(std::vector<any_reward> const& stages) {
  std::vector<std::string> names;
  for (any_reward const& each : stages) names.push_back(each.name);
  check_list("stages", names);
  return reward::stages(stages);
}

any_reward make_only_if(any_reward gate, any_reward inner, double otherwise) {
  require_finite("only_if", {{"otherwise", otherwise}});
  return any_reward(reward::only_if(std::move(gate), std::move(inner), otherwise));
}

any_reward make_clamp(any_reward inner, double low, double high) {
  return any_reward(reward::clamp(std::move(inner), low, high));
}

any_reward make_scale(any_reward inner, double factor, double offset) {
  require_finite("scale", {{"factor", factor}, {"offset", offset}});
  return any_reward(reward::scale(std::move(inner), factor, offset));
}

any_reward make_piecewise(any_reward inner, std::vector<std::pair<double, double>> const& points) {
  std::vector<reward::piecewise_point> corners;
  for (auto const& [x, y] : points) corners.push_back({x, y});
  return any_reward(reward::piecewise(std::move(inner), std::move(corners)));
}

any_reward make_named(std::string name, any_reward inner) {
  if (name.empty()) throw rlvr::argument_error("named: an empty name, expected at least one character");
  return any_reward(reward::named(std::move(name), std::move(inner)));
}

std::vector<reward::outcome> score(any_reward const& inner, std::span<sample const> samples, unsigned threads) {
  // Below this, starting a thread takes longer than scoring.
  constexpr std::size_t bytes_for_threads = std::size_t{1} << 18;
  if (threads == 0) {
    std::size_t bytes = 0;
    for (sample const& each : samples) bytes += each.completion.size() + 64;
    if (bytes < bytes_for_threads) threads = 1;
  }
  return reward::score_all(samples, inner, {.threads = threads});
}

}  // namespace python_rewards
