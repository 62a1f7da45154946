// SPDX-License-Identifier: MIT
/// @file
/// Rewards of the steps of a solution by a reasoning judge, and search with them: R-PRM (arXiv 2503.21295).
///
///     R_i = (1/K) sum_k P(Yes | question, steps 1..i, A_i^(k)),   P(Yes) = 1 / (1 + exp(z_no - z_yes))
///
/// A_i^(k) is the k-th written analysis of step i, and P a softmax over exactly the two tokens " Yes" and " No" where
/// the verdict stands: each analysis is cut right after the question mark of its verdict line and scored with one
/// forward pass (released code of R-PRM).  A step is called wrong if R_i < 0.5; what ProcessBench (arXiv 2412.06559)
/// asks for is the first such step.  The paper does not say how step scores become the score of a solution: minimum,
/// product, last and mean are here.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/fence.hpp>
#include <rlvr/reward/judge.hpp>
#include <rlvr/text/tags.hpp>
#include <rlvr/text/utf8.hpp>
#include <rlvr/text/visible.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
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

/// The softmax of two logits, first entry: 1 / (1 + exp(no - yes)), without overflow.  An infinite difference gives 0
/// or 1.
/// @throws numeric_error if a logit or their difference is NaN
[[nodiscard]] inline double two_token_probability(double logit_yes, double logit_no) {
  double const gap = logit_yes - logit_no;
  if (std::isnan(gap)) throw numeric_error("two_token_probability: the difference of the logits is NaN");
  double const smaller = std::exp(-std::fabs(gap));
  return gap >= 0 ? 1 / (1 + smaller) : smaller / (1 + smaller);
}

/// A step to score: the last of `steps`, the others stand before it.  Holds views.
struct step_request {
  std::string_view question{};
  std::span<std::string const> steps{};  ///< not empty
  std::uint32_t sample = 0;              ///< which of several analyses
  call_context call{};                   ///< how much time is left
};

/// Writes the analysis of a step.
template <class Critic>
concept step_critic = requires(Critic const& critic, step_request const& request) {
  { critic(request) } -> std::same_as<judge_reply<std::string>>;
};

/// What is asked of the analyses, ends with the question mark.
inline constexpr std::string_view step_question = "Verification: Is the step correct (Yes/No)?";

/// What an analysis without the verdict line becomes.
enum class missing_question : std::uint8_t {
  skip,    ///< it is left out of the mean (the released guided search)
  append,  ///< the question is appended to it (the released batch evaluation)
};

/// The mean of the K probabilities, and how many analyses it is the mean of.
struct step_score {
  double value = 0;  ///< in [0, 1]
  std::size_t used = 0;
  std::size_t skipped = 0;  ///< analyses without the verdict line
};

/// Scores the last of some steps.
template <class Scorer>
concept step_rater = requires(Scorer const& scorer, step_request const& request) {
  { scorer(request) } -> std::convertible_to<judge_reply<step_score>>;
};

/// R_i over a critic that writes and a judge that gives probabilities; both may be one model.
template <step_critic Critic, choice_judge Judge>
struct step_scorer {
  Critic critic;
  Judge judge;
  std::uint32_t analyses = 10;  ///< K; the paper finds 4 a good compromise
  missing_question without_question = missing_question::skip;
  std::string_view question = step_question;
  std::string_view yes = " Yes";
  std::string_view no = " No";
  std::uint64_t secret = 0;  ///< of the fences' marks
  static constexpr bool thread_safe = is_thread_safe<Critic> && is_thread_safe<Judge>;

  /// What the judge reads: the problem and the steps between fences, the analysis up to and including the question.
  /// Empty if the question is missing and such analyses are skipped.
  [[nodiscard]] std::string prompt(step_request const& request, std::string_view analysis) const {
    // The last occurrence: an analysis may quote the question.
    std::size_t const at = analysis.rfind(question);
    if (at == std::string_view::npos && without_question == missing_question::skip) return {};
    std::string const mark = fence_mark(secret, 0);
    std::string text = fence_text("question", request.question, mark);
    for (std::size_t i = 0; i < request.steps.size(); ++i)
      text += fence_text(i + 1 == request.steps.size() ? "current_step" : "previous_step", request.steps[i], mark);
    if (at != std::string_view::npos) return text += analysis.substr(0, at + question.size());
    return ((text += text::trim_back(analysis)) += "\n") += question;
  }

  /// A failure of critic or judge is a failure of the score; so is not one usable analysis.
  /// @throws argument_error if `analyses` is 0 or there is no step
  [[nodiscard]] judge_reply<step_score> operator()(step_request const& request) const {
    if (analyses == 0) throw argument_error("step_scorer: 0 analyses, expected at least one");
    if (request.steps.empty()) throw argument_error("step_scorer: there is no step to score");
    using reply = judge_reply<step_score>;
    step_score score;
    double sum = 0;
    for (std::uint32_t k = 0; k < analyses; ++k) {
      step_request draw = request;
      draw.sample = request.sample * analyses + k;
      auto const analysis = detail::guarded<std::string>(request.call, [&] { return critic(draw); });
      if (!analysis) return reply::failed_as(analysis);
      std::string const text = prompt(draw, *analysis);
      if (text.empty()) {
        ++score.skipped;
        continue;
      }
      auto const answer =
          ask(judge, choice_request{.text = text, .choices = {yes, no}, .sample = draw.sample, .call = request.call});
      if (!answer) return reply::failed_as(answer);
      // Relative to the two: a judge may report probabilities of the whole vocabulary.
      double const both = answer->probability[0] + answer->probability[1];
      if (!(both > 0)) return reply::failed("both answers have probability 0");
      sum += answer->probability[0] / both;
      ++score.used;
    }
    if (score.used == 0) return reply::failed("no analysis asks whether the step is correct");
    score.value = sum / static_cast<double>(score.used);
    return score;
  }
};
template <class Critic, class Judge>
step_scorer(Critic, Judge) -> step_scorer<Critic, Judge>;
template <class Critic, class Judge>
step_scorer(Critic, Judge, std::uint32_t) -> step_scorer<Critic, Judge>;

/// The first step whose score is below the threshold; none: every step is called right.
[[nodiscard]] inline std::optional<std::size_t> first_error(std::span<double const> scores,
                                                            double threshold = 0.5) noexcept {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!(scores[i] >= threshold)) return i;
  }
  return std::nullopt;
}

/// How the scores of the steps make the score of the solution.
enum class solution_aggregate : std::uint8_t { min, product, last, mean };

/// The score of a solution.  @throws argument_error if it has no step
[[nodiscard]] inline double solution_score(std::span<double const> scores, solution_aggregate aggregate) {
  if (scores.empty()) throw argument_error("solution_score: the solution has no step");
  double sum = 0;
  double product = 1;
  for (double const score : scores) {
    sum += score;
    product *= score;
  }
  switch (aggregate) {
    case solution_aggregate::min:
      return *std::min_element(scores.begin(), scores.end());
    case solution_aggregate::product:
      return product;
    case solution_aggregate::last:
      return scores.back();
    case solution_aggregate::mean:
      break;
  }
  return sum / static_cast<double>(scores.size());
}

/// The steps of a solution: what stands between blank lines (white space alone), without white space at both ends.
/// Steps that show nothing are none.  Linear; stops after `limit` steps.
[[nodiscard]] inline std::vector<std::string> split_steps(std::string_view solution, std::size_t limit) {
  std::vector<std::string> steps;
  std::size_t begin = 0;
  auto const close = [&](std::size_t end) {
    std::string_view const step = text::trim(solution.substr(begin, end - begin));
    if (text::has_visible(step)) steps.emplace_back(step);
  };
  for (std::size_t at = 0; at < solution.size() && steps.size() < limit;) {
    std::size_t const end = std::min(solution.find('\n', at), solution.size());
    if (text::trim(solution.substr(at, end - at)).empty()) {
      close(at);
      begin = end;
    }
    at = end + 1;
  }
  if (steps.size() < limit) close(solution.size());
  return steps;
}

/// The score of a response's steps as its reward, in [0, 1]; it passes if no step is called wrong.  It pays for steps
/// that read right, not for a right answer: add one that verifies it.
template <step_rater Scorer>
struct process_reward {
  Scorer scorer;
  solution_aggregate aggregate = solution_aggregate::min;
  double threshold = 0.5;      ///< of a step that is right
  std::size_t max_steps = 64;  ///< of a response; each is a call of the scorer, whose prompt has all before it
  static constexpr std::string_view name = "process";
  static constexpr bool thread_safe = is_thread_safe<Scorer>;

  /// Parts: "steps", and "right_steps", the number of steps before the first that is called wrong.  A response without
  /// a step, or with too many, earns 0 unseen; a score that fails makes the whole an error or late.
  /// @throws argument_error if max_steps is 0
  template <response_sample Sample>
  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& call = {}) const {
    if (max_steps == 0) throw argument_error("process_reward: max_steps is 0, expected at least 1");
    std::vector<std::string> const steps = split_steps(sample.completion, max_steps + 1);
    if (steps.empty()) return outcome::of(0, false, reward_class::bad_format, "the response has no step");
    if (steps.size() > max_steps) {
      return outcome::of(0, false, reward_class::bad_format,
                         "the response has more than " + std::to_string(max_steps) + " steps");
    }
    std::string_view question;
    if constexpr (requires { std::string_view(sample.prompt); }) question = sample.prompt;
    std::vector<double> scores;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      step_request const request{.question = question, .steps = std::span(steps).first(i + 1), .call = call};
      auto const score = detail::guarded<step_score>(call, [&] { return scorer(request); });
      if (!score) return score.failure("step " + std::to_string(i + 1));
      scores.push_back(score->value);
    }
    auto const wrong = first_error(scores, threshold);
    std::string diagnosis;
    if (wrong) diagnosis = "step " + std::to_string(*wrong + 1) + " is called wrong";
    outcome result = outcome::of(solution_score(scores, aggregate), !wrong, reward_class::scored, std::move(diagnosis));
    if (!result.has_value()) return result;
    result.parts = {{"steps", static_cast<double>(steps.size())},
                    {"right_steps", static_cast<double>(wrong.value_or(steps.size()))}};
    return result;
  }
};
template <class Scorer>
process_reward(Scorer) -> process_reward<Scorer>;
template <class Scorer>
process_reward(Scorer, solution_aggregate) -> process_reward<Scorer>;

/// ProcessBench's F1: the harmonic mean of the accuracies on erroneous and on correct solutions; 0 if either is 0.
[[nodiscard]] inline double process_bench_f1(double erroneous, double correct) noexcept {
  return erroneous > 0 && correct > 0 ? 2 * erroneous * correct / (erroneous + correct) : 0;
}

/// Counts predictions of the first wrong step.
struct process_bench_counts {
  std::size_t erroneous = 0;  ///< solutions with a wrong step
  std::size_t erroneous_right = 0;
  std::size_t correct = 0;  ///< solutions without one
  std::size_t correct_right = 0;

  /// Right is the very step, or none for a solution without one.
  void add(std::optional<std::size_t> predicted, std::optional<std::size_t> gold) noexcept {
    ++(gold ? erroneous : correct);
    if (predicted == gold) ++(gold ? erroneous_right : correct_right);
  }
  [[nodiscard]] double erroneous_accuracy() const noexcept {
    return detail::share(static_cast<double>(erroneous_right), erroneous);
  }
  [[nodiscard]] double correct_accuracy() const noexcept {
    return detail::share(static_cast<double>(correct_right), correct);
  }
  [[nodiscard]] double f1() const noexcept { return process_bench_f1(erroneous_accuracy(), correct_accuracy()); }
};

/// The largest score's index, the first among equals; those without a value take no part; none if there is no other.
[[nodiscard]] inline std::optional<std::size_t> best_of_n(std::span<judge_reply<double> const> scores) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!scores[i] || std::isnan(*scores[i])) continue;
    if (!best || *scores[i] > *scores[*best]) best = i;
  }
  return best;
}

/// A step that a policy proposes.
struct proposed_step {
  std::string text{};
  bool final = false;  ///< the solution ends with it
};

/// Proposes steps after those that stand: called with question, steps, and how many to propose.
template <class Policy>
concept step_policy = requires(Policy const& policy, std::string_view question, std::span<std::string const> steps,
                               std::size_t count) {
  { policy(question, steps, count) } -> std::convertible_to<std::vector<proposed_step>>;
};

/// Settings of `guided_search`; the defaults are those of the released code.
struct guided_search_options {
  std::size_t max_steps = 30;
  std::size_t candidates = 8;
  call_context call{};  ///< how much time is left
};

/// Why a search ended.
enum class search_end : std::uint8_t {
  finished,      ///< a final step was chosen
  step_limit,    ///< max_steps steps stand
  no_candidate,  ///< the policy proposed nothing usable
  no_score,      ///< no candidate could be scored
  no_time,       ///< the call's time was over
};

/// What a search found.
struct guided_solution {
  std::vector<std::string> steps{};
  std::vector<double> scores{};  ///< one per step
  search_end end = search_end::step_limit;
  std::string diagnosis{};     ///< with no_score: the first failure
  std::size_t scored = 0;      ///< candidates scored
  std::size_t duplicates = 0;  ///< dropped: equal to an earlier one but for white space at the ends
  std::size_t unusable = 0;    ///< dropped: invisible, no UTF-8, or with control characters
  std::size_t score_failures = 0;
};

/// Whether text may be a step: valid UTF-8, something to read, no control characters but tab, LF and CR.
[[nodiscard]] inline bool is_usable_step(std::string_view step) noexcept {
  return text::is_valid_utf8(step) && text::has_visible(step) && std::none_of(step.begin(), step.end(), [](char byte) {
           auto const value = static_cast<unsigned char>(byte);
           return (value < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || value == 0x7F;
         });
}

/// Greedy search: the policy proposes steps, the best scored one is appended, until one is final.  Equal scores: the
/// first.  Deterministic if policy and scorer are; candidates whose score fails are passed over.
/// @throws argument_error if an option is 0; what the policy throws
template <step_policy Policy, step_rater Scorer>
[[nodiscard]] guided_solution guided_search(std::string_view question, Policy const& policy, Scorer const& scorer,
                                            guided_search_options options = {}) {
  if (options.max_steps == 0 || options.candidates == 0)
    throw argument_error("guided_search: max_steps and candidates must be positive");
  guided_solution solution;
  while (solution.steps.size() < options.max_steps) {
    if (options.call.stop_requested()) {
      solution.end = search_end::no_time;
      return solution;
    }
    std::vector<proposed_step> const proposed = policy(question, solution.steps, options.candidates);
    std::vector<std::string_view> seen;
    proposed_step const* best = nullptr;
    double best_score = 0;
    std::string failure;
    std::vector<std::string> path = solution.steps;
    path.emplace_back();
    for (proposed_step const& candidate : proposed) {
      std::string_view const trimmed = text::trim(candidate.text);
      if (!is_usable_step(trimmed)) {
        ++solution.unusable;
        continue;
      }
      if (std::find(seen.begin(), seen.end(), trimmed) != seen.end()) {
        ++solution.duplicates;
        continue;
      }
      seen.push_back(trimmed);
      path.back() = candidate.text;
      auto const score = detail::guarded<step_score>(options.call, [&] {
        return scorer(step_request{.question = question, .steps = path, .call = options.call});
      });
      ++solution.scored;
      if (!score || std::isnan(score->value)) {
        ++solution.score_failures;
        if (failure.empty()) failure = score ? "the score is NaN" : score.reason();
        continue;
      }
      if (best && !(score->value > best_score)) continue;
      best = &candidate;
      best_score = score->value;
    }
    if (!best) {
      solution.end = seen.empty()                    ? search_end::no_candidate
                     : options.call.stop_requested() ? search_end::no_time
                                                     : search_end::no_score;
      solution.diagnosis = std::move(failure);
      return solution;
    }
    solution.steps.push_back(best->text);
    solution.scores.push_back(best_score);
    if (best->final) {
      solution.end = search_end::finished;
      return solution;
    }
  }
  solution.end = search_end::step_limit;
  return solution;
}

}  // namespace reward
RLVR_NAMESPACE_END
