// SPDX-License-Identifier: MIT
/// @file
/// The CPU's execution context: threads and scratch memory.  One context serves one caller at a time; make as many as
/// there are independent callers.
#pragma once

#include <rlvr/backend/cpu/threads.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/kernel/cooperative_group.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace cpu {

/// Where ops on host memory run.
class context {
 public:
  using memory = host_memory;

  /// @param threads  0: as many as the machine has.  Results do not depend on it
  explicit context(std::size_t threads = 0)
      : pool_(std::make_unique<thread_pool>(threads)), scratch_(pool_->size() + 1) {}

  [[nodiscard]] std::size_t threads() const noexcept { return pool_->size(); }

  /// task(index, thread) for index in [0, count), see thread_pool.
  template <class Task>
  void parallel_for(std::size_t count, Task&& task) {
    pool_->parallel_for(count, std::forward<Task>(task));
  }

  /// Splits [0, count) into pieces of `grain` (the last may be shorter): task(first, length, thread).
  template <class Task>
  void parallel_pieces(std::size_t count, std::size_t grain, Task&& task) {
    pool_->parallel_for((count + grain - 1) / grain, [&](std::size_t piece, std::size_t thread) {
      std::size_t const first = piece * grain;
      task(first, count - first < grain ? count - first : grain, thread);
    });
  }

  /// body(group, row) for every row (kernel/row_bodies.hpp), one thread per row.
  template <class Body>
  void for_each_row(std::size_t rows, std::size_t width, Body const& body) {
    std::size_t const grain = math::max<std::size_t>(1, task_elements / (Body::passes * width + 1));
    parallel_pieces(rows, grain, [&](std::size_t first, std::size_t count, std::size_t) {
      for (std::size_t row = first; row < first + count; ++row) body(single_thread_group{}, row);
    });
  }

  /// Host data as ops see it; here the data itself.  Valid as long as the data is.
  template <class T>
  [[nodiscard]] T const* visible(std::span<T const> data) const {
    return data.data();
  }

  /// Copies host data into memory of this context, in order with ops.
  template <class T>
  void stage(T* to, std::span<T const> data) const {
    std::copy(data.begin(), data.end(), to);
  }

  /// A backend that keeps tables of an attention plan brings them up to date; here there are none.
  template <class Plan>
  void load_plan(Plan const&, std::size_t) const {}

  /// Runs ops that a backend may record and replay, under a key (replay_key.hpp) that nobody asks for here.
  template <class Key, class Body>
  void replayable(Key&&, Body&& body) const {
    body();
  }

  /// Copies host data into memory of this context.
  template <class T>
  void upload(T* to, T const* from, std::size_t count) const {
    std::copy(from, from + count, to);
  }

  /// Copies memory of this context to the host.
  template <class T>
  void download(T* to, T const* from, std::size_t count) const {
    std::copy(from, from + count, to);
  }

  /// Sets floats to 0.
  void zero(float* values, std::size_t count) const { std::fill(values, values + count, 0.0f); }

  /// Uninitialised floats of one thread; valid until the same thread asks again.  Grows, never shrinks.
  [[nodiscard]] float* scratch(std::size_t thread, std::size_t count) {
    scratch_[thread].reserve(count);
    return scratch_[thread].data();
  }

  /// Uninitialised floats that a whole op shares; valid until the next op asks.
  [[nodiscard]] float* shared_scratch(std::size_t count) { return scratch(pool_->size(), count); }

 private:
  static constexpr std::size_t task_elements =
      16384;  ///< what a task should touch at least, so that waking a thread pays

  std::unique_ptr<thread_pool> pool_;
  std::vector<buffer<float>> scratch_;
};

}  // namespace cpu
RLVR_NAMESPACE_END
