// SPDX-License-Identifier: MIT
/// @file
/// Scores batches with a time limit per call, for rewards that may hang: judges over a network, programs that run what
/// a model wrote, code of others.
///
///     score_pool pool;
///     auto judge = std::make_shared<my_judge const>(...);
///     score_report report = pool.score(samples, judge, std::chrono::seconds(20));
///
/// The contract:
///   - The limit is wall time from the begin of the call itself; the time that a sample waits for a thread does not
///     count.  A call that takes longer is `timed_out`, whether it returns in the end or not; one that throws is an
///     `error`; the other samples go on.
///   - A call that does not return is given up at the limit.  C++ cannot stop a thread, so its thread is left alone and
///     another takes its place.  n calls that hang on t threads delay a batch by about ceil(n / t) limits.
///   - What a call refers to must outlive the batch: samples are copied with all that they refer to
///     (owned_samples.hpp), the reward is shared.  A reward that itself holds references or pointers (a lambda that
///     captures by reference) must have them outlive every call: that is the caller's to ensure.
///   - While `max_abandoned` threads or more are stuck, no thread is started.  Those that still work go on; when a
///   batch
///     has none left, the rest of its samples are errors that say so.  So there are never more than
///     threads + max_abandoned threads, nested batches aside.
///   - Outcome i belongs to sample i, whatever the number of threads.
///   - A reward may use the pool, or score_all, from inside a call: every batch has a thread of its own at least, so
///     none waits for another's.
///   - The destructor waits for threads that work, not for those that were given up.  No score() may be under way.
///
/// A reward that is not thread-safe cannot be given up (the next call would meet the one that hangs) and is refused
/// when it is compiled.  For fast rewards score_all (process.hpp) copies nothing and costs less.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/limited_batch.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/reward/owned_samples.hpp>
#include <rlvr/reward/score_report.hpp>
#include <rlvr/reward/worker_set.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Sizes of a pool.
struct pool_options {
  unsigned threads = 0;            ///< calls that run at once, nested ones aside; 0: as many as the hardware has
  std::size_t max_abandoned = 64;  ///< while so many are stuck in calls which were given up, none is started
};

/// Threads that score under a time limit.  Its functions may be called from several threads at once.
class score_pool {
 public:
  explicit score_pool(pool_options options = {})
      : workers_(std::make_shared<detail::worker_set>(
            options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency()),
            options.max_abandoned)) {}
  score_pool(score_pool const&) = delete;
  score_pool& operator=(score_pool const&) = delete;
  ~score_pool() { workers_->stop(); }

  /// One outcome for each sample, in order.
  /// @param reward  shared, as a call that is given up goes on using it
  /// @param limit   wall time of one call
  /// @throws argument_error if there is no reward or the limit is not positive
  template <class Sample, class Reward>
  requires sample_reward<Reward, Sample>
  [[nodiscard]] score_report score(std::span<Sample const> samples, std::shared_ptr<Reward> reward,
                                   std::chrono::nanoseconds limit) {
    check(reward, limit);
    auto call = [owned = std::make_shared<owned_samples<Sample> const>(samples), reward = std::move(reward)](
                    std::size_t i, call_context const& context) { return evaluate(*reward, owned->all()[i], context); };
    auto failure = [](outcome each) { return each; };
    auto batch = run<outcome>(samples.size(), limit, std::move(call), failure);
    std::vector<outcome> outcomes = batch->take_results();
    return make_report(std::move(outcomes), batch->seconds());
  }

  /// The same for a vector.
  template <class Sample, class Reward>
  requires sample_reward<Reward, Sample>
  [[nodiscard]] score_report score(std::vector<Sample> const& samples, std::shared_ptr<Reward> reward,
                                   std::chrono::nanoseconds limit) {
    return score(std::span<Sample const>(samples), std::move(reward), limit);
  }

  /// The same for a reward of consecutive groups of `group_size` samples: a call is a group, and a group that fails or
  /// is late is so as a whole.
  /// @throws argument_error also unless group_size > 0 divides the number of samples
  template <class Sample, class Reward>
  requires group_reward<Reward, Sample>
  [[nodiscard]] score_report score_groups(std::span<Sample const> samples, std::size_t group_size,
                                          std::shared_ptr<Reward> reward, std::chrono::nanoseconds limit) {
    check(reward, limit);
    if (group_size == 0 || samples.size() % group_size != 0) {
      throw argument_error("score_groups: " + std::to_string(samples.size()) + " samples do not make groups of " +
                           std::to_string(group_size));
    }
    auto call = [owned = std::make_shared<owned_samples<Sample> const>(samples), reward = std::move(reward),
                 group_size](std::size_t i, call_context const& context) {
      std::vector<outcome> outcomes(group_size);
      evaluate_group(*reward, owned->all().subspan(i * group_size, group_size), std::span<outcome>(outcomes), context);
      return outcomes;
    };
    auto failure = [group_size](outcome const& each) { return std::vector<outcome>(group_size, each); };
    auto batch = run<std::vector<outcome>>(samples.size() / group_size, limit, std::move(call), failure);
    std::vector<outcome> outcomes;
    outcomes.reserve(samples.size());
    for (std::vector<outcome>& group : batch->take_results())
      std::move(group.begin(), group.end(), std::back_inserter(outcomes));
    return make_report(std::move(outcomes), batch->seconds());
  }

  /// Threads that are stuck in calls which were given up.
  [[nodiscard]] std::size_t abandoned() const { return workers_->abandoned(); }

 private:
  template <class Reward>
  static void check(std::shared_ptr<Reward> const& reward, std::chrono::nanoseconds limit) {
    static_assert(is_thread_safe<Reward>,
                  "a reward that is not thread-safe cannot be given up at a "
                  "limit: the next call would meet the one "
                  "that hangs; use score_all, or let each call make its own");
    if (reward == nullptr) throw argument_error("score_pool: no reward, expected a shared one");
    if (limit <= limit.zero()) {
      throw argument_error("score_pool: the limit of a call is " + std::to_string(limit.count()) +
                           " ns, expected a positive time");
    }
  }

  template <class Result, class Call, class Failure>
  auto run(std::size_t count, std::chrono::nanoseconds limit, Call call, Failure failure) {
    // Deadlines are added to the clock's 64 bits: 100 years are for ever.
    std::int64_t const bounded = std::min<std::int64_t>(limit.count(), 3'000'000'000'000'000'000);
    using batch_type = detail::typed_batch<Result, Call, Failure>;
    auto batch = std::make_shared<batch_type>(count, bounded, std::move(call), std::move(failure));
    if (count > 0) workers_->serve(batch);
    return batch;
  }

  std::shared_ptr<detail::worker_set> workers_;  // shared with the threads, which may outlive the pool
};

}  // namespace reward
RLVR_NAMESPACE_END
