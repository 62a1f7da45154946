// SPDX-License-Identifier: MIT
/// @file
/// What a reward may know about the call it is in: how much time is left, and who watches.
///
/// A reward that takes it as a second argument can stop in time; nothing stops one that does not look:
///
///     outcome operator()(relation_sample const& sample, call_context const& context) const {
///       while (!context.stop_requested()) ...
///
/// Combinators hand it on to their components.  It is a small value; it keeps nothing alive.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/outcome.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Hears which components of a reward were evaluated, and with what result (explain.hpp).
class evaluation_observer {
 public:
  /// A component begins.  @returns its number, the `parent` of its own components
  virtual std::size_t begin(std::size_t parent, std::string_view name) = 0;
  /// The component with this number gave an outcome.
  virtual void end(std::size_t number, outcome const& result) = 0;

 protected:
  ~evaluation_observer() = default;
};

/// Deadline and observer of one call.  Without either it costs nothing to hand on.
struct call_context {
  /// Nanoseconds of a clock that never goes back.
  using clock = std::int64_t (*)();

  clock now = nullptr;        ///< nullptr: the call has no deadline
  std::int64_t deadline = 0;  ///< in nanoseconds of `now`
  evaluation_observer* observer = nullptr;
  std::size_t parent = 0;  ///< the observer's number of the reward that is being evaluated

  /// Whether the call's time is over: nobody waits for its result any more.
  [[nodiscard]] bool stop_requested() const { return now != nullptr && now() >= deadline; }

  /// The time left in seconds, at least 0; infinite where there is no deadline.
  [[nodiscard]] double seconds_left() const {
    if (now == nullptr) return std::numeric_limits<double>::infinity();
    std::int64_t const left = deadline - now();
    return left > 0 ? static_cast<double>(left) * 1e-9 : 0;
  }
};

}  // namespace reward
RLVR_NAMESPACE_END
