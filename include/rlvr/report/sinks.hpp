// SPDX-License-Identifier: MIT
/// @file
/// Several sinks as one, and a sink that remembers.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/train/metrics.hpp>

#include <exception>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace report {

/// Hands every call to all its sinks, in order.  If one throws, the others still get the call; then the first exception
/// goes on.  A sink that is passed as an lvalue is referred to and has to live as long as the tee; an rvalue is kept.
///
///     auto sink = report::tee(console, log, report::memory_sink{});
template <train::metrics_sink... Sinks>
class tee_sink {
 public:
  explicit tee_sink(Sinks&&... sinks) : sinks_(std::forward<Sinks>(sinks)...) {}

  void on_step(train::step_record const& record) {
    for_each([&](auto& sink) { sink.on_step(record); });
  }
  void on_completion(train::completion_record const& record) {
    for_each([&](auto& sink) { sink.on_completion(record); });
  }
  void on_message(train::message_level level, std::string_view text) {
    for_each([&](auto& sink) { sink.on_message(level, text); });
  }
  void close() {
    for_each([](auto& sink) { sink.close(); });
  }

 private:
  template <class F>
  void for_each(F&& f) {
    std::exception_ptr first;
    auto const guarded = [&](auto& sink) {
      try {
        f(sink);
      } catch (...) {
        if (!first) first = std::current_exception();
      }
    };
    std::apply([&](auto&... sinks) { (guarded(sinks), ...); }, sinks_);
    if (first) std::rethrow_exception(first);
  }

  std::tuple<Sinks...> sinks_;
};

/// A tee of these sinks.
template <class... Sinks>
[[nodiscard]] tee_sink<Sinks...> tee(Sinks&&... sinks) {
  return tee_sink<Sinks...>(std::forward<Sinks>(sinks)...);
}

/// Keeps everything, for the report at the end and for tests.
class memory_sink {
 public:
  void on_step(train::step_record const& record) { steps.push_back(record); }
  void on_completion(train::completion_record const& record) { completions.push_back(record); }
  void on_message(train::message_level level, std::string_view text) { messages.emplace_back(level, text); }
  void close() noexcept {}

  std::vector<train::step_record> steps;
  std::vector<train::completion_record> completions;
  std::vector<std::pair<train::message_level, std::string>> messages;
};

/// Hears nothing.
struct null_sink {
  void on_step(train::step_record const&) noexcept {}
  void on_completion(train::completion_record const&) noexcept {}
  void on_message(train::message_level, std::string_view) noexcept {}
  void close() noexcept {}
};

static_assert(train::metrics_sink<memory_sink>);
static_assert(train::metrics_sink<null_sink>);

}  // namespace report
RLVR_NAMESPACE_END
