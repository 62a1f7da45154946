// SPDX-License-Identifier: MIT
/// @file
/// A batch of calls, each of which is finished by the thread that runs it or given up by the thread that waits for it,
/// never both: the parts of score_pool.hpp that know no threads.
///
/// A call's place goes  waiting -> running -> writing -> done,  or  running -> done  where it is given up.  Whoever
/// takes it out of `running` (one compare-and-exchange) writes its result; a call that was given up finds its place
/// taken and drops what it has.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/outcome.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::detail {

/// Nanoseconds of the steady clock.
[[nodiscard]] inline std::int64_t steady_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// E.g. "0.200 s".
[[nodiscard]] inline std::string seconds_text(std::int64_t nanoseconds) {
  std::int64_t const milliseconds = (nanoseconds + 500'000) / 1'000'000;
  std::string decimals = std::to_string(1000 + milliseconds % 1000).substr(1);
  return std::to_string(milliseconds / 1000) + "." + decimals + " s";
}

/// The batch without the type of its results.
class limited_batch {
 public:
  enum class place_state : std::uint8_t { waiting, running, writing, done };

  limited_batch(std::size_t count, std::int64_t limit) : limit_(limit), places_(count) {}
  limited_batch(limited_batch const&) = delete;
  limited_batch& operator=(limited_batch const&) = delete;
  virtual ~limited_batch() = default;

  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] bool has_waiting() const noexcept { return next_.load(std::memory_order_relaxed) < size(); }
  [[nodiscard]] bool finished() const noexcept { return finished_.load(std::memory_order_acquire) == size(); }

  /// Runs waiting calls until there are none.
  /// @param who  the thread, as give_up is to know it
  /// @returns false as soon as a call returns that was given up
  bool run(void const* who) {
    for (std::size_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < size();) {
      place& mine = places_[i];
      std::int64_t const start = steady_nanoseconds();
      mine.started = start;
      mine.who = who;
      mine.state.store(place_state::running, std::memory_order_release);
      if (!perform(i, start)) return false;
    }
    return true;
  }

  /// Takes the calls that wait, and makes them errors.
  void fail_waiting(char const* why) {
    std::size_t const first = next_.exchange(size(), std::memory_order_relaxed);
    for (std::size_t i = first; i < size(); ++i) {
      write_failure(i, outcome::failed(why));
      complete(i, std::numeric_limits<double>::quiet_NaN());
    }
  }

  /// Waits until every call is done or given up.  `give_up(who, take)` is called for each call that ran out of time,
  /// with the thread that runs it: it calls take(), which says whether the call had not just finished after all.
  template <class GiveUp>
  void wait(GiveUp const& give_up) {
    std::unique_lock lock(mutex_);
    for (std::size_t low = 0; !finished();) {
      std::int64_t const now = steady_nanoseconds();
      std::int64_t earliest = now + limit_;  // no call that has yet to begin can be due before
      std::size_t const started = std::min(next_.load(std::memory_order_relaxed), size());
      for (std::size_t i = low; i < started; ++i) {
        place_state const state = places_[i].state.load(std::memory_order_acquire);
        if (state == place_state::done && i == low) ++low;
        if (state != place_state::running) continue;
        std::int64_t const begun = places_[i].started;
        if (now - begun < limit_) {
          earliest = std::min(earliest, begun + limit_);
          continue;
        }
        lock.unlock();  // workers may have to be started
        give_up(places_[i].who, [&] { return take_running(i, now - begun); });
        lock.lock();
      }
      if (finished()) return;
      all_done_.wait_until(lock, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(earliest)));
    }
  }

  /// How many seconds each call took; NaN for one that was never made.
  [[nodiscard]] std::vector<double> seconds() const {
    std::vector<double> result(size());
    for (std::size_t i = 0; i < size(); ++i) result[i] = places_[i].seconds;
    return result;
  }

  std::size_t members = 0;  ///< healthy workers that serve this batch; guarded by the pool's mutex

 protected:
  /// Makes call i and publishes its result, unless it was given up: then false.
  virtual bool perform(std::size_t i, std::int64_t start) = 0;
  /// Writes the result of a call that has none.
  virtual void write_failure(std::size_t i, outcome failure) = 0;

  [[nodiscard]] std::int64_t limit() const noexcept { return limit_; }
  [[nodiscard]] call_context context(std::int64_t start) const noexcept {
    return {.now = &steady_nanoseconds, .deadline = start + limit_};
  }
  [[nodiscard]] outcome too_late(std::string what, std::int64_t took) const {
    what += seconds_text(took);
    return outcome::late((what += ", allowed ") += seconds_text(limit_));
  }
  [[nodiscard]] bool take(std::size_t i) noexcept {
    auto expected = place_state::running;
    return places_[i].state.compare_exchange_strong(expected, place_state::writing, std::memory_order_acq_rel);
  }
  /// Publishes the result of place i.
  void complete(std::size_t i, double seconds) {
    places_[i].seconds = seconds;
    places_[i].state.store(place_state::done, std::memory_order_release);
    if (finished_.fetch_add(1, std::memory_order_acq_rel) + 1 == size()) {
      std::lock_guard const lock(mutex_);
      all_done_.notify_all();
    }
  }

 private:
  struct place {
    std::atomic<place_state> state{place_state::waiting};
    std::int64_t started = 0;  // these two are written before the state says `running`
    void const* who = nullptr;
    double seconds = 0;  // written before it says `done`
  };

  bool take_running(std::size_t i, std::int64_t took) {
    if (!take(i)) return false;
    write_failure(i, too_late("given up after ", took));
    complete(i, static_cast<double>(took) * 1e-9);
    return true;
  }

  std::int64_t limit_;
  std::vector<place> places_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> finished_{0};
  std::mutex mutex_{};
  std::condition_variable all_done_{};
};

/// The batch with its results.
/// @tparam Call     result call(index, context); owns all that it refers to
/// @tparam Failure  result failure(outcome)
template <class Result, class Call, class Failure>
class typed_batch final : public limited_batch {
 public:
  typed_batch(std::size_t count, std::int64_t limit, Call call, Failure failure)
      : limited_batch(count, limit), call_(std::move(call)), failure_(std::move(failure)), results_(count) {}

  /// The results; once, after wait().
  [[nodiscard]] std::vector<Result> take_results() { return std::move(results_); }

 private:
  bool perform(std::size_t i, std::int64_t start) override {
    Result result{};
    try {
      result = call_(i, context(start));
    } catch (...) {  // a reward's own exceptions are outcomes already
      result = failure_(outcome::failed("out of memory"));
    }
    std::int64_t const took = steady_nanoseconds() - start;
    if (took >= limit()) result = failure_(too_late("took ", took));
    if (!take(i)) return false;
    results_[i] = std::move(result);
    complete(i, static_cast<double>(took) * 1e-9);
    return true;
  }
  void write_failure(std::size_t i, outcome failure) override { results_[i] = failure_(std::move(failure)); }

  Call call_;
  Failure failure_;
  std::vector<Result> results_;
};

}  // namespace reward::detail
RLVR_NAMESPACE_END
