// SPDX-License-Identifier: MIT
/// @file
/// A reward that remembers: equal completions of a batch, and of later ones, are scored once.
///
///     auto judge = memoised(slow_judge, [](relation_sample const& sample) { return sample.prompt; });
///
/// The key is the completion together with the text that the function gives.  That text must hold everything else that
/// the reward reads (the question, the gold answer, whether the completion was cut): what it leaves out is taken to be
/// equal.  Whole keys are compared, so no two of them are ever mistaken for each other.
///
/// Values and "does not apply" are kept; errors and time-outs are not, the next call tries again.  Several threads may
/// ask for the same key at once and then each call the reward, as none waits for one that may hang; all of them return
/// the outcome that was stored first.  The least recently used entries go first.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/call_context.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/reward/outcome.hpp>

#include <concepts>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Bounds of a memory.  Bytes count keys, parts and diagnoses, not the bookkeeping.
struct memo_limits {
  std::size_t entries = 65536;
  std::size_t bytes = std::size_t{64} << 20;
};

/// What a memory has done so far.
struct memo_counts {
  std::size_t hits = 0;
  std::size_t misses = 0;
  std::size_t entries = 0;  ///< kept now
  std::size_t bytes = 0;    ///< kept now
};

namespace detail {

/// Outcomes by key, bounded; safe to share between threads.
class outcome_memory {
 public:
  explicit outcome_memory(memo_limits limits) : limits_(limits) {}

  [[nodiscard]] std::optional<outcome> find(std::string_view key) {
    std::lock_guard const lock(mutex_);
    auto const found = by_key_.find(key);
    if (found == by_key_.end()) {
      ++counts_.misses;
      return std::nullopt;
    }
    ++counts_.hits;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->result;
  }

  /// Stores the outcome unless there is one.  @returns the one that is stored
  [[nodiscard]] outcome store(std::string key, outcome result) {
    std::lock_guard const lock(mutex_);
    if (auto const found = by_key_.find(key); found != by_key_.end()) return found->second->result;
    std::size_t size = key.size() + result.diagnosis.size();
    for (outcome_part const& part : result.parts) size += sizeof(part) + part.name.size();
    if (size > limits_.bytes || limits_.entries == 0) return result;
    while (counts_.entries >= limits_.entries || counts_.bytes > limits_.bytes - size) drop_last();
    entries_.push_front({std::move(key), result, size});
    by_key_.emplace(entries_.front().key, entries_.begin());
    counts_.bytes += size;
    ++counts_.entries;
    return result;
  }

  [[nodiscard]] memo_counts counts() const {
    std::lock_guard const lock(mutex_);
    return counts_;
  }

 private:
  struct entry {
    std::string key;
    outcome result;
    std::size_t size;
  };

  void drop_last() {
    by_key_.erase(entries_.back().key);
    counts_.bytes -= entries_.back().size;
    --counts_.entries;
    entries_.pop_back();
  }

  memo_limits limits_;
  mutable std::mutex mutex_{};
  std::list<entry> entries_{};  ///< the most recently used first
  std::unordered_map<std::string_view, std::list<entry>::iterator> by_key_{};
  memo_counts counts_{};
};

}  // namespace detail

/// A reward with a memory; made by `memoised`.  Copies share the memory.
template <class Reward, class Key>
class memoised_reward {
 public:
  static constexpr bool thread_safe = is_thread_safe<Reward>;
  std::string name{};

  memoised_reward(Reward inner, Key key, memo_limits limits)
      : name(reward_name(inner)),
        inner_(std::move(inner)),
        key_(std::move(key)),
        memory_(std::make_shared<detail::outcome_memory>(limits)) {}

  template <class Sample>
  requires sample_reward<Reward, Sample> && requires(Sample const& sample, Key const& key) {
    { sample.completion } -> std::convertible_to<std::string_view>;
    { key(sample) } -> std::convertible_to<std::string_view>;
  }
  [[nodiscard]] outcome operator()(Sample const& sample, call_context const& context = {}) const {
    // The length in front keeps the completion's end and the text's begin apart.
    std::string_view const completion = sample.completion;
    std::string key = std::to_string(completion.size());
    ((key += ':') += completion) += std::string_view(key_(sample));
    if (std::optional<outcome> known = memory_->find(key)) return std::move(*known);
    outcome result = evaluate(inner_, sample, context);
    if (result.status == outcome_status::error || result.status == outcome_status::timed_out) return result;
    return memory_->store(std::move(key), std::move(result));
  }

  [[nodiscard]] memo_counts counts() const { return memory_->counts(); }

 private:
  Reward inner_;
  Key key_;
  std::shared_ptr<detail::outcome_memory> memory_;
};

/// Remembers a reward's outcomes.
/// @param key  of a sample: a text with everything beside the completion that the reward reads
template <class Reward, class Key>
[[nodiscard]] memoised_reward<Reward, Key> memoised(Reward reward, Key key, memo_limits limits = {}) {
  return {std::move(reward), std::move(key), limits};
}

}  // namespace reward
RLVR_NAMESPACE_END
