// SPDX-License-Identifier: MIT
/// @file
/// A cooperative group of real threads: what a CUDA block does to a kernel body, where ThreadSanitizer can watch.
/// Elements are dealt out one by one, so neighbours belong to different threads, and `once` runs on the last thread:
/// a body that lacks a `sync` races here.
#pragma once

#include <rlvr/kernel/cooperative_group.hpp>

#include <array>
#include <barrier>
#include <cstddef>
#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

namespace test {

/// One thread's view of the group.
class host_threads_group {
 public:
  /// What the threads share.
  struct state {
    explicit state(std::size_t count) : barrier(static_cast<std::ptrdiff_t>(count)), slots(count) {}
    std::barrier<> barrier;
    std::vector<std::array<std::byte, 16>> slots;
  };

  host_threads_group(state& shared, std::size_t thread) : shared_(&shared), thread_(thread) {}

  template <class Function>
  void for_each(std::size_t n, Function&& function) const {
    for (std::size_t i = thread_; i < n; i += count()) function(i);
  }
  template <class Function>
  [[nodiscard]] auto sum(std::size_t n, Function&& function) const {
    using value = std::decay_t<decltype(function(n))>;
    return reduce(n, function, value{}, [](value a, value b) { return static_cast<value>(a + b); });
  }
  template <class Function>
  [[nodiscard]] auto max(std::size_t n, Function&& function) const {
    using value = std::decay_t<decltype(function(n))>;
    return reduce(n, function, rlvr::detail::lowest_value<value>(), [](value a, value b) { return a < b ? b : a; });
  }
  template <class Function>
  void once(Function&& function) const {
    if (thread_ + 1 == count()) function();
  }
  void sync() const { shared_->barrier.arrive_and_wait(); }

 private:
  [[nodiscard]] std::size_t count() const { return shared_->slots.size(); }

  template <class Function, class Value, class Combine>
  Value reduce(std::size_t n, Function& function, Value neutral, Combine combine) const {
    Value own = neutral;
    for_each(n, [&](std::size_t i) { own = combine(own, function(i)); });
    static_assert(sizeof(Value) <= 16);
    std::memcpy(shared_->slots[thread_].data(), &own, sizeof own);
    sync();
    Value total = neutral;
    for (auto const& slot : shared_->slots) {
      Value other;
      std::memcpy(&other, slot.data(), sizeof other);
      total = combine(total, other);
    }
    sync();  // the slots may be used again
    return total;
  }

  state* shared_;
  std::size_t thread_;
};

static_assert(rlvr::cooperative_group<host_threads_group>);

/// Runs body(group) on `count` threads and waits for them.
template <class Body>
void run_on_host_threads(std::size_t count, Body const& body) {
  host_threads_group::state shared(count);
  std::vector<std::jthread> threads;
  for (std::size_t id = 0; id < count; ++id)
    threads.emplace_back([&shared, &body, id] { body(host_threads_group(shared, id)); });
}

}  // namespace test
