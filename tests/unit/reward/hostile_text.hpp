// SPDX-License-Identifier: MIT
/// @file
/// Hostile text of any length, and what a verifier must make of it: an outcome with a value, never `correct` for what
/// is not, in linear time and constant stack.
///
/// Time is CPU time of the thread, the least of some repetitions, and the exponent the slope of log time over log
/// length by least squares.  A pair that looks slow is measured again before it counts: noise only ever adds.
#pragma once

#include <rlvr/reward/outcome.hpp>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// A kind of text.
struct hostile_text {
  std::string_view name;
  std::function<std::string(std::size_t)> make;
  enum class space { none, unicode, ascii } blank = space::none;  ///< white space alone, and of which kind
};

/// Some 80 kinds: white space, tags, brackets, JSON, words, broken UTF-8, marks without width, look-alikes, numbers.
[[nodiscard]] std::vector<hostile_text> hostile_texts();

/// Where hostile text stands in a response, and when that response may be called correct.
struct hostile_place {
  std::string_view name;
  std::string_view before{};
  std::string_view after{};
  /// if_blank: where nothing but white space of the response grammar is put in; if_space: of Unicode.
  enum class right { never, if_blank, if_space, maybe } correct = right::never;
};

/// What reads text.
struct verifier {
  std::string_view name;
  std::function<rlvr::reward::reward_class(std::string_view)> read;
  std::vector<hostile_place> places{{"alone"}};
  double slack = 1;         ///< how many times the limit of a plan it may take
  std::size_t divisor = 1;  ///< slow, though linear: reads texts so much shorter where the plan is hasty
};

/// How closely verifiers are looked at.
struct hostile_plan {
  std::vector<std::size_t> sizes;  ///< of the hostile text, ascending
  int repetitions = 2;
  std::size_t long_size = 0;  ///< if not 0: nested texts and those of many pieces are read once in this length too,
                              ///< in the last place of a verifier
  bool hasty = false;         ///< minds the divisors
  double limit = 250;         ///< milliseconds for 2^20 bytes
  double exponent = 1.3;      ///< of time in length
};

/// What came of it.
struct hostile_report {
  std::vector<std::string> faults{};
  std::size_t readings = 0;  ///< pairs of text and verifier
  std::size_t deepest = 0;   ///< bytes of stack
  double steepest = 0;       ///< exponent that was measured
  double slowest = 0;        ///< milliseconds for 2^20 bytes
  std::string steepest_pair{};
  std::string slowest_pair{};
};

/// Puts all kinds of text before all verifiers, each verifier on a small stack.
[[nodiscard]] hostile_report examine(std::span<verifier const> verifiers, hostile_plan const& plan);

/// The figures of a report in one line.
[[nodiscard]] std::string summary(hostile_report const& report);

/// What every build asks for, in a second: short texts, and once some of 400,000 bytes (200,000 nested brackets).
inline hostile_plan quick_plan() { return {.sizes = {1 << 9, 1 << 11, 1 << 13}, .long_size = 400000, .hasty = true}; }
/// The whole range up to 2^20 bytes, in some minutes.
inline hostile_plan full_plan() { return {.sizes = {1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20}, .repetitions = 1}; }

}  // namespace test
