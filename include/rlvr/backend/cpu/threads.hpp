// SPDX-License-Identifier: MIT
/// @file
/// A small pool for fork-join loops.  Tasks are independent and write to places of their own, so which thread runs
/// which task cannot change a result; the number of threads changes time only.
#pragma once

#include <rlvr/core/config.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace cpu {

/// Worker threads that wait for loops.  One loop at a time, started by one thread; loops do not nest.
class thread_pool {
 public:
  /// @param threads  workers including the caller; 0: as many as the machine has
  explicit thread_pool(std::size_t threads = 0) {
    if (threads == 0) threads = std::thread::hardware_concurrency();
    if (threads == 0) threads = 1;
    for (std::size_t id = 1; id < threads; ++id) workers_.emplace_back([this, id] { work(id); });
  }
  thread_pool(thread_pool const&) = delete;
  thread_pool& operator=(thread_pool const&) = delete;
  ~thread_pool() {
    stopping_.store(true, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  /// Threads that take part in a loop, the caller among them.
  [[nodiscard]] std::size_t size() const noexcept { return workers_.size() + 1; }

  /// Calls task(index, thread) for every index in [0, count) and returns when all are done.
  /// The first exception of a task is rethrown; the other tasks still run.
  template <class Task>
  void parallel_for(std::size_t count, Task&& task) {
    if (count == 0) return;
    if (workers_.empty() || count == 1) {
      for (std::size_t i = 0; i < count; ++i) task(i, std::size_t{0});
      return;
    }
    using task_type = std::remove_reference_t<Task>;
    task_ = const_cast<void*>(static_cast<void const*>(std::addressof(task)));
    invoke_ = [](void* callable, std::size_t index, std::size_t thread) {
      (*static_cast<task_type*>(callable))(index, thread);
    };
    count_ = count;
    failure_ = nullptr;
    next_.store(0, std::memory_order_relaxed);
    pending_.store(workers_.size(), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    take_tasks(0);
    for (int spin = 0; pending_.load(std::memory_order_acquire) != 0; ++spin)
      if (spin > spin_limit) std::this_thread::yield();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  static constexpr int spin_limit = 4000;  // some microseconds: loops of a training step follow each other closely

  void take_tasks(std::size_t thread) {
    for (std::size_t i = next_.fetch_add(1, std::memory_order_relaxed); i < count_;
         i = next_.fetch_add(1, std::memory_order_relaxed)) {
      try {
        invoke_(task_, i, thread);
      } catch (...) {
        std::lock_guard const lock(failure_mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
    }
  }

  void work(std::size_t thread) {
    std::uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; generation_.load(std::memory_order_acquire) == seen; ++spin)
        if (spin > spin_limit) generation_.wait(seen, std::memory_order_acquire);
      ++seen;
      if (stopping_.load(std::memory_order_relaxed)) return;
      take_tasks(thread);
      pending_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::vector<std::thread> workers_;
  alignas(64) std::atomic<std::uint64_t> generation_{0};
  alignas(64) std::atomic<std::size_t> next_{0};
  alignas(64) std::atomic<std::size_t> pending_{0};
  std::atomic<bool> stopping_{false};
  void* task_ = nullptr;
  void (*invoke_)(void*, std::size_t, std::size_t) = nullptr;
  std::size_t count_ = 0;
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace cpu
RLVR_NAMESPACE_END
