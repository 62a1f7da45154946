// SPDX-License-Identifier: MIT
/// @file
/// Judges: whatever says how good a response is where no program can verify it.  Three kinds, each a concept:
///
///   pairwise   which of two responses is better             RM-R1 (arXiv 2505.02387)
///   listwise   a score for each of k responses              RewardAnything (arXiv 2506.03637)
///   choice     probabilities of a few given continuations   Crossing the Reward Bridge (arXiv 2503.23829),
///                                                           R-PRM (arXiv 2503.21295)
///
/// A judge is a model or a service and fails now and then.  Its answer is therefore a `judge_reply`: a value, or the
/// reason why there is none, which becomes an outcome `error` or `timed_out` and never a 0.  `ask` also turns what a
/// judge throws, and replies that do not fit the question, into failures, and asks nothing once the call's time is
/// over (call_context.hpp).  A judge that can wait long looks at `request.call` itself.
///
/// Judges prefer positions and have moods: `swap_consistent` asks in both orders, `majority_of` asks K times; both are
/// judges again.  Put candidates' text into a judge's prompt with `fence_text` (fence.hpp).
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// A judge's answer, or why there is none.  One made by default is a failure.
template <class Value>
class judge_reply {
 public:
  judge_reply() = default;
  judge_reply(Value value) : value_(std::move(value)), status_(outcome_status::value), reason_() {}
  /// The judge could not answer.
  [[nodiscard]] static judge_reply failed(std::string reason) { return {outcome_status::error, std::move(reason)}; }
  /// The judge took too long.
  [[nodiscard]] static judge_reply late(std::string reason) { return {outcome_status::timed_out, std::move(reason)}; }
  /// The failure of another reply.  @pre other has no value
  template <class Other>
  [[nodiscard]] static judge_reply failed_as(judge_reply<Other> const& other) {
    return {other.status(), other.reason()};
  }

  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  /// @pre has_value()
  [[nodiscard]] Value const& operator*() const noexcept { return *value_; }
  [[nodiscard]] Value const* operator->() const noexcept { return &*value_; }
  [[nodiscard]] outcome_status status() const noexcept { return status_; }
  [[nodiscard]] std::string const& reason() const noexcept { return reason_; }

  /// What a reward returns for a failure.  @pre !has_value()
  [[nodiscard]] outcome failure(std::string_view who = "judge") const {
    std::string diagnosis(who);
    (diagnosis += ": ") += reason_;
    return status_ == outcome_status::timed_out ? outcome::late(std::move(diagnosis))
                                                : outcome::failed(std::move(diagnosis));
  }

 private:
  judge_reply(outcome_status status, std::string reason) : status_(status), reason_(std::move(reason)) {}

  std::optional<Value> value_{};
  outcome_status status_ = outcome_status::error;
  std::string reason_{"the judge gave no reply"};
};

/// Which of two responses is better.
enum class pairwise_verdict : std::uint8_t { first, second, tie };

/// The verdict on the same responses in the other order.
[[nodiscard]] constexpr pairwise_verdict swapped(pairwise_verdict verdict) noexcept {
  if (verdict == pairwise_verdict::tie) return verdict;
  return verdict == pairwise_verdict::first ? pairwise_verdict::second : pairwise_verdict::first;
}

/// Two responses to compare.  Holds views, as the other requests: the text outlives the request.
struct pairwise_request {
  std::string_view prompt{};     ///< what was asked
  std::string_view first{};      ///< a response
  std::string_view second{};     ///< another
  std::string_view principle{};  ///< by which rule; may be empty
  std::uint32_t sample = 0;      ///< which of several draws: a judge that samples makes its random key of it
  call_context call{};           ///< how much time is left
};

/// Responses to score.
struct listwise_request {
  std::string_view prompt{};
  std::vector<std::string_view> responses{};
  std::string_view principle{};
  std::uint32_t sample = 0;
  call_context call{};  ///< how much time is left
};

/// One score per response, in the request's order; finite, and larger is better.
struct listwise_scores {
  std::vector<double> score{};
};

/// Continuations of a text to weigh.
struct choice_request {
  std::string_view text{};                  ///< all that stands before the choice
  std::vector<std::string_view> choices{};  ///< e.g. " Yes" and " No"
  std::uint32_t sample = 0;
  call_context call{};  ///< how much time is left
};

/// The probability of each choice, in the request's order: relative to all texts, or to the choices alone (they then
/// sum to 1), as the judge says.
struct choice_probabilities {
  std::vector<double> probability{};
  std::optional<std::size_t> chosen{};  ///< what the judge wrote; none: something else
};

/// Compares two responses.
template <class Judge>
concept pairwise_judge = requires(Judge const& judge, pairwise_request const& request) {
  { judge.compare(request) } -> std::same_as<judge_reply<pairwise_verdict>>;
};

/// Scores several responses at once.
template <class Judge>
concept listwise_judge = requires(Judge const& judge, listwise_request const& request) {
  { judge.score(request) } -> std::same_as<judge_reply<listwise_scores>>;
};

/// Gives the probabilities of continuations.
template <class Judge>
concept choice_judge = requires(Judge const& judge, choice_request const& request) {
  { judge.choose(request) } -> std::same_as<judge_reply<choice_probabilities>>;
};

namespace detail {

/// What the call returns; what it throws as a failure.  Without time left it is not made.
template <class Value, class Call>
[[nodiscard]] judge_reply<Value> guarded(call_context const& context, Call const& call) {
  if (context.stop_requested()) return judge_reply<Value>::late("no time is left to ask");
  try {
    return call();
  } catch (std::exception const& problem) {
    return judge_reply<Value>::failed(problem.what());
  } catch (...) {
    return judge_reply<Value>::failed("the judge threw something that is no std::exception");
  }
}

/// part / whole; 0 of nothing.
[[nodiscard]] constexpr double share(double part, std::size_t whole) noexcept {
  return whole == 0 ? 0 : part / static_cast<double>(whole);
}

[[nodiscard]] inline std::string count_mismatch(std::size_t found, char const* what, std::size_t expected) {
  return "the reply has " + std::to_string(found) + what + ", expected " + std::to_string(expected);
}

}  // namespace detail

/// Asks a judge; exceptions and malformed replies are failures.
template <pairwise_judge Judge>
[[nodiscard]] judge_reply<pairwise_verdict> ask(Judge const& judge, pairwise_request const& request) {
  auto reply = detail::guarded<pairwise_verdict>(request.call, [&] { return judge.compare(request); });
  if (reply && *reply > pairwise_verdict::tie) return decltype(reply)::failed("the reply is no verdict");
  return reply;
}

/// As above; there must be one finite score per response.
template <listwise_judge Judge>
[[nodiscard]] judge_reply<listwise_scores> ask(Judge const& judge, listwise_request const& request) {
  auto reply = detail::guarded<listwise_scores>(request.call, [&] { return judge.score(request); });
  if (!reply) return reply;
  if (reply->score.size() != request.responses.size())
    return decltype(reply)::failed(detail::count_mismatch(reply->score.size(), " scores", request.responses.size()));
  if (!std::all_of(reply->score.begin(), reply->score.end(), [](double value) { return std::isfinite(value); }))
    return decltype(reply)::failed("a score is not a finite number");
  return reply;
}

/// As above; there must be one probability per choice, each in [0, 1], their sum at most 1 (up to 1e-6).
template <choice_judge Judge>
[[nodiscard]] judge_reply<choice_probabilities> ask(Judge const& judge, choice_request const& request) {
  auto reply = detail::guarded<choice_probabilities>(request.call, [&] { return judge.choose(request); });
  if (!reply) return reply;
  std::size_t const expected = request.choices.size();
  if (reply->probability.size() != expected)
    return decltype(reply)::failed(detail::count_mismatch(reply->probability.size(), " probabilities", expected));
  double sum = 0;
  for (double const each : reply->probability) {
    if (!(each >= 0 && each <= 1)) return decltype(reply)::failed("a probability lies outside [0, 1]");
    sum += each;
  }
  if (sum > 1 + 1e-6) return decltype(reply)::failed("the probabilities sum to more than 1");
  if (reply->chosen && *reply->chosen >= expected) return decltype(reply)::failed("the choice is none of those given");
  return reply;
}

/// Asks in both orders.  A verdict that follows its response is kept; one that changes with the order, or is a tie in
/// one of them, is a tie.  A failure in either order is a failure.
template <pairwise_judge Judge>
struct swap_consistent {
  Judge judge;
  static constexpr bool thread_safe = is_thread_safe<Judge>;

  [[nodiscard]] judge_reply<pairwise_verdict> compare(pairwise_request const& request) const {
    auto const forth = ask(judge, request);
    if (!forth) return forth;
    pairwise_request other = request;
    std::swap(other.first, other.second);
    auto const back = ask(judge, other);
    if (!back) return back;
    return *forth == swapped(*back) ? *forth : pairwise_verdict::tie;
  }
};
template <class Judge>
swap_consistent(Judge) -> swap_consistent<Judge>;

/// Asks K times, the draws numbered on from the request's (sample K .. sample K + K - 1), and takes the verdict of more
/// than half of the replies; without such a one, a tie.
template <pairwise_judge Judge>
struct majority_of {
  Judge judge;
  std::uint32_t votes = 3;             ///< K
  std::uint32_t failures_allowed = 0;  ///< more than so many: the first failure is the reply
  static constexpr bool thread_safe = is_thread_safe<Judge>;

  /// @throws argument_error unless failures_allowed < votes
  [[nodiscard]] judge_reply<pairwise_verdict> compare(pairwise_request const& request) const {
    if (failures_allowed >= votes) {
      throw argument_error("majority_of: " + std::to_string(votes) + " votes and " + std::to_string(failures_allowed) +
                           " failures allowed, expected more votes than failures");
    }
    std::size_t count[3] = {};
    std::size_t failures = 0;
    std::optional<judge_reply<pairwise_verdict>> first_failure;
    for (std::uint32_t vote = 0; vote < votes; ++vote) {
      pairwise_request draw = request;
      draw.sample = request.sample * votes + vote;
      auto reply = ask(judge, draw);
      if (reply) {
        ++count[static_cast<std::size_t>(*reply)];
      } else {
        if (!first_failure) first_failure = std::move(reply);
        if (++failures > failures_allowed) return *first_failure;
      }
    }
    for (auto const verdict : {pairwise_verdict::first, pairwise_verdict::second}) {
      if (2 * count[static_cast<std::size_t>(verdict)] > votes - failures) return verdict;
    }
    return pairwise_verdict::tie;
  }
};
template <class Judge>
majority_of(Judge, std::uint32_t) -> majority_of<Judge>;
template <class Judge>
majority_of(Judge, std::uint32_t, std::uint32_t) -> majority_of<Judge>;

/// A pairwise judge of a listwise one: the larger score wins, scores within `margin` of each other are a tie.
template <listwise_judge Judge>
struct by_scores {
  Judge judge;
  double margin = 0;
  static constexpr bool thread_safe = is_thread_safe<Judge>;

  [[nodiscard]] judge_reply<pairwise_verdict> compare(pairwise_request const& request) const {
    auto const scores = ask(judge, listwise_request{.prompt = request.prompt,
                                                    .responses = {request.first, request.second},
                                                    .principle = request.principle,
                                                    .sample = request.sample,
                                                    .call = request.call});
    if (!scores) return judge_reply<pairwise_verdict>::failed_as(scores);
    double const lead = scores->score[0] - scores->score[1];
    if (!(std::fabs(lead) > margin)) return pairwise_verdict::tie;
    return lead > 0 ? pairwise_verdict::first : pairwise_verdict::second;
  }
};
template <class Judge>
by_scores(Judge) -> by_scores<Judge>;
template <class Judge>
by_scores(Judge, double) -> by_scores<Judge>;

}  // namespace reward
RLVR_NAMESPACE_END
