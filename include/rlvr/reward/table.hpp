// SPDX-License-Identifier: MIT
/// @file
/// Questions about tables, statements to verify and free answers: the rewards of Table-R1-Zero (arXiv 2505.23621),
///
///     r = format + accuracy,   r = 0 if no answer can be found at all
///
/// for `<think> .. </think><answer> .. ```json {"answer": ..} ``` .. </answer>`.
///
/// format is 1 if the whole response has this form with each tag once, and one labelled block of the answer, not more,
/// holds an object with that key: its one member, and of the task's type, which is a list of texts (question),
/// "entailed" or "refuted" (verification), anything but null (free_form); else 0.  `table_format::staged` is the
/// variant for base models that the release has in comments: 0.3 for the shape, 0.2 for each tag once, 0.3 for the
/// block, 0.2 for the types in it.
///
/// accuracy, of the answer wherever it was found:
///
///     question      1 if the answer list and gold match one to one (`match_lists`), else 0; a list without items, with
///                   more than 100, or with an item that is neither text nor number makes r = 0
///     verification  1 if it is gold, else 0
///     free_form     (BLEU + ROUGE-L F1) / 2, effective order and stems, BLEU in [0, 1]
///
/// As in the released code, extraction is more lenient than the form: the last answer block first, then the whole
/// response; a fenced block first, then a bare object with the key; a single text or number counts as a list of one; a
/// free answer without JSON is the whole response.  So *accuracy is paid without format*: a right answer in the middle
/// of the reasoning earns 1, and one in the right form 2.  `accuracy_needs_format` ends that.
///
/// Where this differs from the released code:
///   - true and false are no numbers; equal keys, NaN and Infinity are no JSON;
///   - white space round the response is allowed, and the block must parse to count (0.3 of `staged`), and its types
///     must be right for the last 0.2, which the release pays before it looks at them;
///   - the answer block that is read is the last one after the reasoning, not the first one anywhere;
///   - matching is exact by default; the release matches greedily, which can miss a right pairing where numbers lie
///     within twice the tolerance of each other (`list_matching::greedy`).
///
/// Near linear in the response; no exception on any text.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/measures/bleu.hpp>
#include <rlvr/reward/measures/list_match.hpp>
#include <rlvr/reward/measures/rouge.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/excerpt.hpp>
#include <rlvr/text/json_reader.hpp>
#include <rlvr/text/json_repair.hpp>
#include <rlvr/text/tags.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// What is asked about a table.
enum class table_task : std::uint8_t {
  question,      ///< a list of short answers (WikiTableQuestions, HiTab)
  verification,  ///< "entailed" or "refuted" (TabFact)
  free_form,     ///< a sentence (FeTaQA)
};

/// One response.  Holds views: texts and gold outlive the sample.
struct table_sample {
  std::string_view completion{};             ///< what the model wrote, end-of-sequence token removed
  std::span<std::string_view const> gold{};  ///< the items of a question's answer; one text for the other tasks
  table_task task = table_task::question;
  std::string_view prefill{};  ///< the begin of the response if the prompt wrote it
  bool truncated = false;      ///< the length limit ended the completion
  std::size_t group = 0;       ///< which prompt of the batch
};

/// How the form is scored.
enum class table_format : std::uint8_t {
  strict,  ///< 1 or 0
  staged,  ///< 0, 0.3, 0.5, 0.8 or 1
};

namespace detail {

/// Whether an answer of strict JSON has the task's type.
[[nodiscard]] inline bool has_type(text::json_node answer, table_task task) {
  using text::json_kind;
  if (task == table_task::free_form) return !answer.is(json_kind::null);
  if (task == table_task::verification)
    return answer.is(json_kind::string) && (answer.string() == "entailed" || answer.string() == "refuted");
  return answer.is(json_kind::array) &&
         std::all_of(answer.begin(), answer.end(), [](text::json_node each) { return each.is(json_kind::string); });
}

/// The items of a question's answer; nothing if it is no list, text or number, or holds anything else.
[[nodiscard]] inline std::optional<std::vector<measures::list_item>> answer_items(text::json_node answer) {
  using text::json_kind;
  std::vector<measures::list_item> items;
  auto const add = [&items](text::json_node each) {
    if (each.is(json_kind::number)) {
      items.push_back({each.number(), {}});
    } else if (each.is(json_kind::string)) {
      items.push_back(measures::read_list_item(each.string()));
    } else {
      return false;
    }
    return true;
  };
  if (!answer.is(json_kind::array)) return add(answer) ? std::optional(std::move(items)) : std::nullopt;
  for (text::json_node const each : answer) {
    if (!add(each)) return std::nullopt;
  }
  return items;
}

/// A free answer as text: the elements of a list with blanks between them.  Nothing for null and for what holds others.
[[nodiscard]] inline std::optional<std::string> answer_text(text::json_node answer) {
  using text::json_kind;
  auto const scalar = [](text::json_node each) -> std::optional<std::string> {
    if (each.is(json_kind::string)) return std::string(text::trim(each.string()));
    if (each.is(json_kind::number)) return std::string(each.number_text());
    if (each.is(json_kind::boolean)) return each.boolean() ? "True" : "False";
    return std::nullopt;
  };
  if (!answer.is(json_kind::array)) return scalar(answer);
  std::string joined;
  for (text::json_node const each : answer) {
    auto const part = scalar(each);
    if (!part) return std::nullopt;
    if (!joined.empty()) joined += ' ';
    joined += *part;
  }
  return joined;
}

}  // namespace detail

/// The reward.  Parts: "format", "accuracy", for free answers "bleu" and "rouge_l", and "repaired" (1 or 0) if repairs
/// are on.  It passes if the form is right and the accuracy 1.
struct table_reward {
  table_format format = table_format::strict;
  measures::list_matching matching = measures::list_matching::exact;
  double tolerance = 1e-2;             ///< numbers that differ by less are equal
  std::size_t max_items = 100;         ///< longer lists earn 0
  bool accuracy_needs_format = false;  ///< true: an answer in the wrong form earns nothing for being right
  text::json_repairs repairs{};        ///< of what extraction finds; the form is never repaired
  double repaired_factor = 1;          ///< of the accuracy of an answer that had to be repaired
  text::json_choice choice = text::json_choice::first;  ///< of several answers where one is extracted
  text::response_policy policy{.empty_think_allowed = true};
  static constexpr std::string_view name = "table";

  /// @throws argument_error if gold is empty, or not one text where the task has one answer, or neither verdict of a
  ///   verification, or has more items than `max_items`; if `tolerance` or `repaired_factor` is negative or not finite
  [[nodiscard]] outcome operator()(table_sample const& sample) const {
    check(sample);
    text::joined_response const response(sample.prefill, sample.completion);
    double const formed = format_score(response.view(), sample.task);
    accuracy_score const accuracy = score_answer(response.view(), sample);
    bool const well_formed = formed == 1;
    double value = accuracy.found ? formed : 0;
    if (accuracy.found && (well_formed || !accuracy_needs_format)) value += accuracy.value;

    bool const right = accuracy.value == 1;
    auto kind = reward_class::bad_format;
    if (well_formed && accuracy.found) {
      kind = right ? reward_class::correct : accuracy.value > 0 ? reward_class::partial : reward_class::wrong_label;
    }
    std::string line;
    if (!accuracy.found) {
      line = "no answer that can be scored";
    } else if (!well_formed) {
      line = "the form is wrong";
    } else if (!right) {
      line = "not the gold answer";
    }
    outcome result = outcome::of(value, well_formed && right, kind, std::move(line));
    result.parts = {{"format", accuracy.found ? formed : 0}, {"accuracy", accuracy.value}};
    if (sample.task == table_task::free_form) {
      result.parts.push_back({"bleu", accuracy.bleu});
      result.parts.push_back({"rouge_l", accuracy.rouge_l});
    }
    if (repairs.any()) result.parts.push_back({"repaired", accuracy.repaired ? 1.0 : 0.0});
    return result;
  }

  /// The score of the form alone, in [0, 1].
  [[nodiscard]] double format_score(std::string_view response, table_task task) const {
    text::tagged_response const parsed = text::parse_think_answer(response, policy);
    if (!parsed.ok()) return format == table_format::staged && has_shape(text::trim(response)) ? 0.3 : 0;
    text::json_search search;
    search.deepest = text::json_source::fenced;
    search.root = text::json_kind::object;
    search.key = "answer";
    search.labelled = true;
    auto const found = text::find_json(parsed.answer, search);
    bool const block = found && found->source == text::json_source::fenced && found->document.root().size() == 1;
    bool const typed = block && detail::has_type(*found->document.root().find("answer"), task);
    if (format == table_format::strict) return typed ? 1 : 0;
    return typed ? 1 : block ? 0.8 : 0.5;
  }

 private:
  struct accuracy_score {
    bool found = false;  ///< an answer that the task can use
    double value = 0;
    double bleu = 0;
    double rouge_l = 0;
    bool repaired = false;
  };

  // <think> .. </think> WS <answer> .. </answer>, however often the tags occur.
  [[nodiscard]] bool has_shape(std::string_view response) const {
    if (!response.starts_with(policy.think_open) || !response.ends_with(policy.answer_close)) return false;
    response.remove_suffix(policy.answer_close.size());
    std::size_t at = std::min(policy.think_open.size(), response.size());
    while ((at = response.find(policy.think_close, at)) != std::string_view::npos) {
      at += policy.think_close.size();
      if (text::trim_front(response.substr(at)).starts_with(policy.answer_open)) return true;
    }
    return false;
  }

  void check(table_sample const& sample) const {
    if (!(tolerance >= 0) || !std::isfinite(tolerance) || !(repaired_factor >= 0) || !std::isfinite(repaired_factor)) {
      throw argument_error("table: `tolerance` and `repaired_factor` must be finite and not negative");
    }
    bool const one = sample.task != table_task::question;
    if (sample.gold.empty() || (one && sample.gold.size() != 1) || sample.gold.size() > max_items) {
      throw argument_error("table: " + std::to_string(sample.gold.size()) + " gold answers, expected " +
                           (one ? std::string("1") : "1 to " + std::to_string(max_items)));
    }
    std::string_view const gold = sample.gold.front();
    if (sample.task == table_task::verification && gold != "entailed" && gold != "refuted") {
      throw argument_error("table: the gold verdict is " + text::excerpt(gold) + ", expected entailed or refuted");
    }
  }

  [[nodiscard]] accuracy_score score_answer(std::string_view response, table_sample const& sample) const {
    text::json_search search;
    search.root = text::json_kind::object;
    search.key = "answer";
    search.choice = choice;
    search.repairs = repairs;
    auto const block = text::last_answer_block(response, policy);
    for (std::optional<std::string_view> const part : {block, std::optional(response)}) {
      if (!part) continue;
      auto const found = text::find_json(*part, search);
      if (!found) continue;
      auto score = score_node(*found->document.root().find("answer"), sample);
      if (!score) continue;
      score->repaired = found->repaired;
      if (found->repaired) score->value *= repaired_factor;
      return *score;
    }
    return sample.task == table_task::free_form ? score_text(text::trim(response), sample.gold.front())
                                                : accuracy_score{};
  }

  // Nothing if the answer is not of a kind that the task can use: then the search goes on.
  [[nodiscard]] std::optional<accuracy_score> score_node(text::json_node answer, table_sample const& sample) const {
    if (sample.task == table_task::free_form) {
      auto const text = detail::answer_text(answer);
      if (!text) return std::nullopt;
      return score_text(*text, sample.gold.front());
    }
    accuracy_score score;
    if (sample.task == table_task::verification) {
      if (!detail::has_type(answer, sample.task)) return std::nullopt;
      score.found = true;
      score.value = answer.string() == sample.gold.front() ? 1 : 0;
      return score;
    }
    if (answer.is(text::json_kind::array) && (answer.size() == 0 || answer.size() > max_items)) return score;
    auto const items = detail::answer_items(answer);
    if (!items) return score;
    std::vector<measures::list_item> gold;
    for (std::string_view const each : sample.gold) gold.push_back(measures::read_list_item(each));
    score.found = true;
    score.value = measures::match_lists(*items, gold, tolerance, matching) ? 1 : 0;
    return score;
  }

  [[nodiscard]] static accuracy_score score_text(std::string_view answer, std::string_view gold) {
    measures::rouge_options stems;
    stems.stem = true;
    accuracy_score score;
    score.found = true;
    score.bleu = measures::sentence_bleu(answer, gold);
    score.rouge_l = measures::rouge_l(answer, gold, stems).f1;
    score.value = (score.bleu + score.rouge_l) / 2;
    return score;
  }
};
static_assert(sample_reward<table_reward, table_sample>);

/// The reward with the choices of the released code: greedy matching, accuracy without format.
[[nodiscard]] inline table_reward table_r1_released() {
  table_reward reward;
  reward.matching = measures::list_matching::greedy;
  return reward;
}

}  // namespace reward
RLVR_NAMESPACE_END
