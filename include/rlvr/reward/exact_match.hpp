// SPDX-License-Identifier: MIT
/// @file
/// Exact match of a short answer after normalisation: +1 or -1, as in RuleReasoner (arXiv 2506.08672, eq. 1).  Answers
/// to questions with choices may be the letter, in any of the forms "(A)", "A.", "A)" and "A: text", or the text.
///
/// The released code of RuleReasoner instead adds a format term of 0 or -1 to a correctness of 1 or 0
/// (`rule_reasoner_released`).  It compares the first positions of the four tags, where a missing one counts as -1, so
/// that a response without <think> keeps its form; here every tag must be there.
///
/// Linear in the response, no exception on any text.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/answer_sample.hpp>
#include <rlvr/reward/measures/normalise.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/excerpt.hpp>
#include <rlvr/text/tags.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// The choice that a text names: 0 for A, of `count` choices.  Forms: a letter, alone or in round brackets or bold
/// (`**`), followed by `.`, `)`, `:`; after these marks (not after the bare letter) any text that is `options[choice]`
/// or, where no options are given, nothing.  Lower-case letters count only in brackets or alone.
/// @param options  texts of the choices; may be empty, then only the letters count
[[nodiscard]] inline std::optional<std::size_t> read_choice(std::string_view text, std::size_t count,
                                                            std::span<std::string_view const> options = {},
                                                            measures::normalisation const& steps = {}) {
  text = text::trim(text);
  std::optional<std::size_t> by_text;
  std::string const normal = measures::normalise_answer(text, steps);
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (measures::normalise_answer(options[i], steps) != normal || normal.empty()) continue;
    if (by_text) return std::nullopt;  // two options read alike
    by_text = i;
  }
  if (by_text) return by_text;
  while (text.starts_with('*') && text.ends_with('*') && text.size() > 2) {
    text = text::trim(text.substr(1, text.size() - 2));
  }
  bool const bracket = text.starts_with('(');
  if (bracket) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  char const letter = measures::lower_ascii(text.front());
  if (letter < 'a' || letter > 'z' || static_cast<std::size_t>(letter - 'a') >= count) return std::nullopt;
  auto const choice = static_cast<std::size_t>(letter - 'a');
  text.remove_prefix(1);
  if (bracket && !text.starts_with(')')) return std::nullopt;
  bool const marked = text.starts_with(')') || text.starts_with('.') || text.starts_with(':');
  if (!marked && !text.empty()) return std::nullopt;
  if (marked) text.remove_prefix(1);
  if (text.starts_with('.') || text.starts_with(':')) text.remove_prefix(1);
  text = text::trim(text);
  if (text.empty()) return choice;
  if (choice >= options.size()) return std::nullopt;
  bool const same = measures::normalise_answer(text, steps) == measures::normalise_answer(options[choice], steps);
  return same ? std::optional(choice) : std::nullopt;
}

/// How the answer is taken from the response.
enum class answer_contract : std::uint8_t {
  strict,   ///< text::parse_think_answer
  lenient,  ///< text::last_answer_block
};

/// `right` if the answer is the gold answer (which passes), else `wrong`.  Without `sample.options` texts are compared;
/// with them, the answer and the gold answer are read as choices.
struct exact_match_reward {
  double right = 1;
  double wrong = -1;
  double format_wrong = 0;  ///< added where the tags break the strict grammar of `policy`
  answer_contract contract = answer_contract::strict;
  measures::normalisation steps{};
  text::response_policy policy{};
  static constexpr std::string_view name = "exact_match";

  /// @throws argument_error if the gold answer shows nothing, or is none of the options
  template <gold_answer_sample Sample>
  [[nodiscard]] outcome operator()(Sample const& sample) const {
    detail::require_gold(sample.gold, "exact_match");
    text::joined_response const response(sample.prefill, sample.completion);
    text::tagged_response const parsed = text::parse_think_answer(response.view(), policy);
    std::optional<std::string_view> answer;
    if (contract == answer_contract::lenient) answer = text::last_answer_block(response.view(), policy);
    if (contract == answer_contract::strict && parsed.ok()) answer = text::trim(parsed.answer);
    bool const correct = matches(sample, answer);  // first: a bad gold answer is reported for every response
    double const format = parsed.ok() ? 0 : format_wrong;
    double const match = correct ? right : wrong;
    outcome result = outcome::of(match + format, correct && (parsed.ok() || format_wrong == 0),
                                 correct   ? reward_class::correct
                                 : !answer ? reward_class::bad_format
                                           : reward_class::wrong_label);
    if (!parsed.ok()) {
      result.diagnosis = text::describe(parsed);
    } else if (!answer) {  // lenient: a block that shows nothing
      result.diagnosis = "the answer block shows nothing";
    } else if (!correct) {
      result.diagnosis = text::excerpt(*answer) + " instead of " + text::excerpt(sample.gold);
    }
    result.parts = {{"match", match}, {"format", format}};
    return result;
  }

 private:
  template <class Sample>
  [[nodiscard]] bool matches(Sample const& sample, std::optional<std::string_view> answer) const {
    if constexpr (requires { std::span<std::string_view const>(sample.options); }) {
      std::span<std::string_view const> const options(sample.options);
      if (!options.empty()) {
        auto const gold = read_choice(sample.gold, options.size(), options, steps);
        if (!gold) {
          throw argument_error("exact_match: gold answer " + text::excerpt(sample.gold) + " is none of the " +
                               std::to_string(options.size()) + " options, expected a letter or the text of one");
        }
        return answer && read_choice(*answer, options.size(), options, steps) == gold;
      }
    }
    std::string const gold = measures::normalise_answer(sample.gold, steps);
    if (gold.empty()) {
      throw argument_error("exact_match: nothing is left of the gold answer " + text::excerpt(sample.gold) +
                           " after normalisation; switch off the step that removes it");
    }
    return answer && measures::normalise_answer(*answer, steps) == gold;
  }
};
static_assert(sample_reward<exact_match_reward, answer_sample>);

/// The reward of RuleReasoner's released code: correctness 1 or 0, format 0 or -1, text allowed round the blocks; the
/// totals are 1, 0 and -1.  A missing opening tag breaks the form, as it does not there.
[[nodiscard]] inline exact_match_reward rule_reasoner_released() {
  exact_match_reward reward;
  reward.wrong = 0;
  reward.format_wrong = -1;
  reward.policy = text::response_policy{.text_outside_allowed = true, .empty_think_allowed = true};
  return reward;
}

}  // namespace reward
RLVR_NAMESPACE_END
