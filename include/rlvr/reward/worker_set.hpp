// SPDX-License-Identifier: MIT
/// @file
/// The threads of a score_pool: made when needed, kept while idle, left alone when a call was given up.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/limited_batch.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward::detail {

/// Threads that serve limited batches.  Each thread shares ownership of the set, so a thread that hangs may outlive
/// everybody else.
class worker_set : public std::enable_shared_from_this<worker_set> {
 public:
  worker_set(unsigned threads, std::size_t max_abandoned) : threads_(threads), max_abandoned_(max_abandoned) {}
  worker_set(worker_set const&) = delete;
  worker_set& operator=(worker_set const&) = delete;

  /// Returns when every call of the batch is done or given up.
  void serve(std::shared_ptr<limited_batch> const& batch) {
    join_those_gone();
    {
      std::lock_guard const lock(mutex_);
      // The first thread is this batch's own, whatever the others do: batches that wait for batches cannot block each
      // other.  More come from the pool's share.
      std::size_t const wanted = std::min<std::size_t>(threads_, batch->size());
      for (std::size_t i = 0; i < wanted; ++i) {
        if (!idle_.empty()) {
          assign(*idle_.back(), batch);
          idle_.pop_back();
        } else if (!((i == 0 || workers_.size() < threads_) && may_start() && start(batch))) {
          break;
        }
      }
      if (batch->members == 0) {
        batch->fail_waiting(abandoned_ >= max_abandoned_ ? too_many : no_thread);
      } else {
        open_.push_back(batch);
      }
    }
    batch->wait([&](void const* who, auto const& take) { give_up(batch, who, take); });
    std::lock_guard const lock(mutex_);
    std::erase(open_, batch);
  }

  [[nodiscard]] std::size_t abandoned() const {
    std::lock_guard const lock(mutex_);
    return abandoned_;
  }

  /// Ends the idle threads and waits for those that are about to be.
  void stop() {
    std::vector<std::thread> all;
    {
      std::lock_guard const lock(mutex_);
      stopping_ = true;
      for (worker& each : workers_) {
        all.push_back(std::move(each.thread));
        each.wake.notify_one();
      }
      for (std::thread& each : gone_) all.push_back(std::move(each));
      gone_.clear();
    }
    join(all);
  }

 private:
  static constexpr char const* too_many =
      "not called: too many calls that were given up are still running, and "
      "the pool starts no more threads";
  static constexpr char const* no_thread = "not called: the system could not start a thread";

  struct worker {
    std::thread thread{};
    std::shared_ptr<limited_batch> assigned{};
    std::condition_variable wake{};
  };

  [[nodiscard]] bool may_start() const { return abandoned_ == 0 || abandoned_ < max_abandoned_; }

  static void assign(worker& each, std::shared_ptr<limited_batch> const& batch) {
    each.assigned = batch;
    ++batch->members;
    each.wake.notify_one();
  }

  /// A new thread for the batch, under the lock.  @returns whether the system had one
  bool start(std::shared_ptr<limited_batch> const& batch) {
    auto const place = workers_.emplace(workers_.end());
    try {
      place->thread = std::thread([self = shared_from_this(), place] { self->work(place); });
    } catch (std::system_error const&) {
      workers_.erase(place);
      return false;
    }
    assign(*place, batch);
    return true;
  }

  /// Leaves the worker that runs a call alone, if take() says that it still runs, and puts another in its place.
  template <class Take>
  void give_up(std::shared_ptr<limited_batch> const& batch, void const* who, Take const& take) {
    std::lock_guard const lock(mutex_);  // before take(): the thread that comes back must find itself counted
    if (!take()) return;
    auto const lost = std::find_if(workers_.begin(), workers_.end(), [&](worker const& each) { return &each == who; });
    if (lost->thread.joinable()) lost->thread.detach();
    workers_.erase(lost);
    ++abandoned_;
    --batch->members;
    if (!batch->has_waiting()) return;
    bool const allowed = may_start();
    if ((!allowed || !start(batch)) && batch->members == 0) batch->fail_waiting(allowed ? no_thread : too_many);
  }

  /// A worker's life.
  void work(std::list<worker>::iterator self) {
    while (std::shared_ptr<limited_batch> batch = next_batch(self)) {
      if (!batch->run(&*self)) {  // given up: `self` is no more
        batch.reset();
        std::lock_guard const lock(mutex_);
        --abandoned_;
        return;
      }
      {
        std::lock_guard const lock(mutex_);
        --batch->members;
      }
      batch.reset();  // an idle thread keeps no reward alive
    }
  }

  /// Waits for something to do.  @returns nullptr where the worker is to end
  std::shared_ptr<limited_batch> next_batch(std::list<worker>::iterator self) {
    std::unique_lock lock(mutex_);
    if (self->assigned == nullptr && !stopping_) {
      auto const open = std::find_if(open_.begin(), open_.end(), [](auto const& each) { return each->has_waiting(); });
      if (open != open_.end()) {
        assign(*self, *open);
      } else if (workers_.size() > threads_) {
        gone_.push_back(std::move(self->thread));
        workers_.erase(self);
        return nullptr;
      } else {
        idle_.push_back(&*self);
        self->wake.wait(lock, [&] { return self->assigned != nullptr || stopping_; });
      }
    }
    return std::move(self->assigned);
  }

  void join_those_gone() {
    std::vector<std::thread> gone;
    {
      std::lock_guard const lock(mutex_);
      gone.swap(gone_);
    }
    join(gone);
  }

  static void join(std::vector<std::thread>& threads) {
    for (std::thread& each : threads) {
      if (!each.joinable()) continue;
      // A worker may hold the last reward that holds the pool.
      if (each.get_id() == std::this_thread::get_id()) {
        each.detach();
      } else {
        each.join();
      }
    }
  }

  unsigned const threads_;
  std::size_t const max_abandoned_;
  mutable std::mutex mutex_{};
  std::list<worker> workers_{};  ///< the healthy ones
  std::vector<worker*> idle_{};
  std::vector<std::shared_ptr<limited_batch>> open_{};
  std::vector<std::thread> gone_{};  ///< ended, to be joined
  std::size_t abandoned_ = 0;
  bool stopping_ = false;
};

}  // namespace reward::detail
RLVR_NAMESPACE_END
