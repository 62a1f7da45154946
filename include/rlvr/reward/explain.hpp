// SPDX-License-Identifier: MIT
/// @file
/// Where a reward's value comes from: the outcome of every component, as it was evaluated.
///
///     std::cout << to_text(explain(reward, sample));
///
///     reward = 0.9, passed, correct
///       accuracy = 1, passed, correct
///       brevity = 0, not passed, scored: 812 words, allowed 512
///
/// Components that were not called (behind a gate, after a stage that did not pass) are not there.  A reward that is
/// not made of others shows its parts.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/component.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// One component of an explanation.
struct explained_component {
  std::string path{};     ///< names from the root on, e.g. "reward/r1_re/format"
  std::string name{};     ///< the last of them; may hold slashes
  std::size_t depth = 0;  ///< 0: the root
  outcome result{};       ///< without its parts: those are lines of their own
};

/// Components in the order of their evaluation, each after the one that it belongs to.
using explanation = std::vector<explained_component>;

namespace detail {

/// Writes down what it hears.
class explaining_observer final : public evaluation_observer {
 public:
  std::size_t begin(std::size_t parent, std::string_view name) override {
    // Numbers count from 1: 0 is the parent of the root.
    node next;
    next.parent = parent;
    next.name = name;
    nodes_.push_back(std::move(next));
    if (parent > 0) nodes_[parent - 1].is_leaf = false;
    return nodes_.size();
  }
  void end(std::size_t number, outcome const& result) override { nodes_[number - 1].result = result; }

  [[nodiscard]] explanation take() {
    explanation lines;
    std::vector<std::size_t> line_of(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      node& each = nodes_[i];
      explained_component line{.path = each.name, .name = each.name};
      if (each.parent > 0) {
        explained_component const& above = lines[line_of[each.parent - 1]];
        line.path = above.path + "/" + each.name;
        line.depth = above.depth + 1;
      }
      std::vector<outcome_part> parts;
      parts.swap(each.result.parts);
      line.result = std::move(each.result);
      line_of[i] = lines.size();
      lines.push_back(std::move(line));
      if (!each.is_leaf) continue;
      for (outcome_part const& part : parts) {
        explained_component const& whole = lines[line_of[i]];
        lines.push_back({whole.path + "/" + part.name, part.name, whole.depth + 1, outcome::of(part.value)});
      }
    }
    return lines;
  }

 private:
  struct node {
    std::size_t parent = 0;
    std::string name{};
    bool is_leaf = true;
    outcome result{};
  };
  std::vector<node> nodes_{};
};

}  // namespace detail

/// Evaluates the reward once and tells what each component said.  For people and logs: it is slower than the reward.
template <class Sample, class Reward>
requires sample_reward<Reward, Sample>
[[nodiscard]] explanation explain(Reward const& reward, Sample const& sample) {
  detail::explaining_observer observer;
  std::string name = reward_name(reward);
  if (name.empty()) name = "reward";
  (void)detail::evaluate_as(name, reward, sample, call_context{.observer = &observer});
  return observer.take();
}

/// One line per component, indented by depth: its name, its value or what it is instead, its class, its diagnosis.
[[nodiscard]] inline std::string to_text(explanation const& lines) {
  std::string text;
  for (explained_component const& each : lines) {
    text.append(2 * each.depth, ' ');
    text += each.name;
    if (each.result.has_value()) {
      char digits[32];
      auto const end = std::to_chars(digits, digits + sizeof digits, each.result.value).ptr;
      text.append(" = ").append(digits, end);
      text += each.result.passed ? ", passed" : ", not passed";
    }
    text.append(", ").append(class_name(each.result.kind));
    if (!each.result.diagnosis.empty()) text.append(": ").append(each.result.diagnosis);
    text += '\n';
  }
  return text;
}

}  // namespace reward
RLVR_NAMESPACE_END
