// SPDX-License-Identifier: MIT
/// @file
/// Scores a batch on several threads.  Outcome i belongs to sample i and depends on nothing else: not on the number of
/// threads, not on the order of the calls.  Whatever one call throws becomes that outcome's error; the others go on.
///
/// A reward whose type says `thread_safe = false` is called from the calling thread alone.  Calls have no time limit
/// here: a reward that never returns never returns.  For code that may hang (a judge over the network, a program that
/// runs what the model wrote) there is score_pool.hpp.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/reward/score_report.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// How a batch is scored.
struct score_options {
  unsigned threads = 0;  ///< at most so many, the calling thread among them; 0: as many as the hardware has
};

namespace detail {

/// Calls work(i) for every i < count, on up to `threads` threads.  The work must not throw.
template <class Work>
void for_each_index(std::size_t count, unsigned threads, Work const& work) {
  std::atomic<std::size_t> next{0};
  auto const run = [&] {
    for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) work(i);
  };
  std::size_t const wanted = std::min<std::size_t>(threads, count);
  std::vector<std::jthread> others;  // joined on the way out
  try {
    if (wanted > 1) others.reserve(wanted - 1);
    while (others.size() + 1 < wanted) others.emplace_back(run);
  } catch (std::system_error const&) {
    // The system has no more threads to give: those that run share the work.
  }
  run();
}

template <class Reward>
[[nodiscard]] unsigned thread_limit(score_options options) {
  if (!is_thread_safe<Reward>) return 1;
  return options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace detail

/// One outcome for each sample, in order.
template <class Sample, class Reward>
requires sample_reward<Reward, Sample>
[[nodiscard]] std::vector<outcome> score_all(std::span<Sample const> samples, Reward const& reward,
                                             score_options options = {}) {
  std::vector<outcome> outcomes(samples.size());
  detail::for_each_index(samples.size(), detail::thread_limit<Reward>(options),
                         [&](std::size_t i) { outcomes[i] = evaluate(reward, samples[i]); });
  return outcomes;
}

/// As above, for a vector.
template <class Sample, class Reward>
requires sample_reward<Reward, Sample>
[[nodiscard]] std::vector<outcome> score_all(std::vector<Sample> const& samples, Reward const& reward,
                                             score_options options = {}) {
  return score_all(std::span<Sample const>(samples), reward, options);
}

/// One outcome for each sample, in order, with the wall time of each call; otherwise as score_all.
template <class Sample, class Reward>
requires sample_reward<Reward, Sample>
[[nodiscard]] score_report score_timed(std::span<Sample const> samples, Reward const& reward,
                                       score_options options = {}) {
  std::vector<outcome> outcomes(samples.size());
  std::vector<double> seconds(samples.size());
  detail::for_each_index(samples.size(), detail::thread_limit<Reward>(options), [&](std::size_t i) {
    auto const start = std::chrono::steady_clock::now();
    outcomes[i] = evaluate(reward, samples[i]);
    seconds[i] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  });
  return make_report(std::move(outcomes), std::move(seconds));
}

/// Scores consecutive groups of `group_size` samples, groups in parallel.
/// @throws argument_error unless group_size > 0 divides the number of samples
template <class Sample, class Reward>
requires group_reward<Reward, Sample>
[[nodiscard]] std::vector<outcome> score_groups(std::span<Sample const> samples, std::size_t group_size,
                                                Reward const& reward, score_options options = {}) {
  if (group_size == 0 || samples.size() % group_size != 0) {
    throw argument_error("score_groups: " + std::to_string(samples.size()) + " samples do not make groups of " +
                         std::to_string(group_size));
  }
  std::vector<outcome> outcomes(samples.size());
  detail::for_each_index(samples.size() / group_size, detail::thread_limit<Reward>(options), [&](std::size_t i) {
    evaluate_group(reward, samples.subspan(i * group_size, group_size),
                   std::span<outcome>(outcomes).subspan(i * group_size, group_size));
  });
  return outcomes;
}

}  // namespace reward
RLVR_NAMESPACE_END
