// SPDX-License-Identifier: MIT
/// @file
/// What a reward says about one response: a finite value, or that it does not apply, failed, or ran out of time.
///
/// The last three are not numbers.  A scorer that crashed and a response worth 0 look alike once both are 0, and the
/// group baseline then learns from the crash; so they stay apart until the trainer decides (usually: leave the
/// sample out of baseline and loss, and report the count).
#pragma once

#include <rlvr/core/config.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Whether an outcome holds a value, and if not, why.
enum class outcome_status : std::uint8_t { value, not_applicable, error, timed_out };

/// What kind of response it was: a small fixed set, so that every metric can count it.
enum class reward_class : std::uint8_t {
  scored,           ///< a value without further class (a length penalty, say)
  correct,          ///< the gold answer
  partial,          ///< some of the gold answer (set-valued tasks)
  wrong_direction,  ///< the gold relation, its arguments swapped
  wrong_label,      ///< another valid answer
  invalid_label,    ///< well-formed response, but the answer is none the task knows
  bad_format,       ///< the response breaks the required form
  not_applicable,
  error,
  timed_out,
};

inline constexpr std::size_t reward_class_count = 10;

/// The class as it is written in files, e.g. "wrong_direction".
[[nodiscard]] constexpr std::string_view class_name(reward_class kind) noexcept {
  constexpr std::array<std::string_view, reward_class_count> names{
      "scored",        "correct",    "partial",        "wrong_direction", "wrong_label",
      "invalid_label", "bad_format", "not_applicable", "error",           "timed_out"};
  return names[static_cast<std::size_t>(kind)];
}

/// A named number on the way to the value; becomes a metric of its own.
struct outcome_part {
  std::string name{};
  double value = 0;
  friend bool operator==(outcome_part const&, outcome_part const&) = default;
};

/// The result of one reward on one response.  Make it with `of`, `none`, `failed` or `late`.
struct outcome {
  outcome_status status = outcome_status::not_applicable;
  double value = 0;     ///< meaningful only with status value; then finite
  bool passed = false;  ///< whether a following stage may run (combinators.hpp)
  reward_class kind = reward_class::not_applicable;
  std::vector<outcome_part> parts{};
  std::string diagnosis{};  ///< one line for people
  friend bool operator==(outcome const&, outcome const&) = default;

  [[nodiscard]] bool has_value() const noexcept { return status == outcome_status::value; }
  /// Whether the response was scored and follows the response grammar: what a format rate counts.
  [[nodiscard]] bool well_formed() const noexcept {
    return has_value() && kind != reward_class::bad_format && kind != reward_class::invalid_label;
  }

  /// A value.  One that is not finite makes an error instead.
  [[nodiscard]] static outcome of(double value, bool passed, reward_class kind = reward_class::scored,
                                  std::string diagnosis = {}) {
    if (!std::isfinite(value)) return failed("the reward is not a finite number");
    return {outcome_status::value, value, passed, kind, {}, std::move(diagnosis)};
  }
  /// A value that passes if it is positive.
  [[nodiscard]] static outcome of(double value) { return of(value, value > 0); }
  /// The reward has nothing to say about this response.
  [[nodiscard]] static outcome none(std::string diagnosis) {
    return {outcome_status::not_applicable, 0, false, reward_class::not_applicable, {}, std::move(diagnosis)};
  }
  /// The reward could not be computed.
  [[nodiscard]] static outcome failed(std::string diagnosis) {
    return {outcome_status::error, 0, false, reward_class::error, {}, std::move(diagnosis)};
  }
  /// The reward took longer than it was given.
  [[nodiscard]] static outcome late(std::string diagnosis) {
    return {outcome_status::timed_out, 0, false, reward_class::timed_out, {}, std::move(diagnosis)};
  }
};

/// The value of a part by its name; nullptr if there is none.
[[nodiscard]] inline double const* find_part(outcome const& result, std::string_view name) noexcept {
  for (outcome_part const& part : result.parts) {
    if (part.name == name) return &part.value;
  }
  return nullptr;
}

}  // namespace reward
RLVR_NAMESPACE_END
