// SPDX-License-Identifier: MIT
/// @file
/// The device's copy of an attention plan.
///
/// A step runs attention once per layer, forward and backward, with one plan.  The cache keeps the last plan's tables
/// on the device and compares by content, so a step uploads them once.  A table keeps its memory while it fits: a graph
/// that was captured after a first run finds the plan that was uploaded last at the addresses it knows.
#pragma once

#include <rlvr/backend/cuda/attention_tasks.hpp>
#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/backend/cuda/memory.cuh>
#include <rlvr/core/math.hpp>
#include <rlvr/core/replay_key.hpp>
#include <rlvr/core/step_input.hpp>
#include <rlvr/ops/attention.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <span>
#include <type_traits>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {
namespace detail {

/// Whether two lists of plain integers agree.
template <class T>
[[nodiscard]] bool same_content(std::vector<T> const& a, std::vector<T> const& b) {
  static_assert(std::has_unique_object_representations_v<T>);
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// `key_schedule` on the device.
struct device_key_schedule {
  step_input<query_visit, device_memory> visits;
  step_input<key_task, device_memory> tasks;
  step_input<key_sum, device_memory> sums;
  std::int64_t slots = 0;
};

}  // namespace detail

/// Tables of the plan that attention ran with last.
class attention_plan_cache {
 public:
  /// Makes the plan current.
  template <class Context>
  void select(Context& ctx, ops::attention_plan const& plan) {
    if (selected_ && detail::same_content(plan.spans, plan_spans_) && detail::same_content(plan.ranges, plan_ranges_))
      return;
    selected_ = false;  // until everything is there
    plan_spans_ = plan.spans;
    plan_ranges_ = plan.ranges;
    host_spans_ = detail::attention_spans(plan);
    for (auto& entry : tiles_) entry.current = false;
    for (auto& entry : schedules_) entry.current = false;
    spans_.load(ctx, host_spans_);
    ranges_.load(ctx, plan_ranges_);
    selected_ = true;
  }

  /// Makes the plan current and brings all tables up to date that attention over `keys` keys has used before, so that
  /// captured work finds them.  Decoding, whose caches have other sizes than batches, so makes no tables of a backward
  /// pass.
  template <class Context>
  void load(Context& ctx, ops::attention_plan const& plan, std::size_t keys) {
    select(ctx, plan);
    keys_ = keys;
    for (auto const& entry : tiles_)
      if (!entry.current) (void)query_tiles(ctx, entry.first, entry.second);
    while (schedules_.size() > kept_schedules) schedules_.pop_front();
    for (auto const& entry : schedules_)
      if (entry.keys == keys && !entry.current) (void)key_schedule(ctx, entry.first, entry.second);
  }

  /// Addresses and sizes of what was loaded: work that was captured depends on nothing else of the plan.
  void fingerprint(replay_key& key) const {
    spans_.fingerprint(key);
    ranges_.fingerprint(key);
    key.add(longest_span(1));
    for (auto const& entry : tiles_) {
      key.add(entry.first);
      key.add(entry.second);
      entry.table.fingerprint(key);
    }
    for (auto const& entry : schedules_) {
      if (entry.keys != keys_) continue;
      key.add(entry.first);
      key.add(entry.second);
      key.add(entry.table.slots);
      entry.table.visits.fingerprint(key);
      entry.table.tasks.fingerprint(key);
      entry.table.sums.fingerprint(key);
    }
  }

  /// @pre select
  [[nodiscard]] detail::attention_span const* spans() const noexcept { return spans_.data(); }
  [[nodiscard]] ops::key_range const* ranges() const noexcept { return ranges_.data(); }

  /// Rows of the longest span, in (query, head of a group) pairs.  @pre select
  [[nodiscard]] std::size_t longest_span(std::size_t group) const {
    std::int64_t longest = 0;
    for (detail::attention_span const& span : host_spans_) longest = math::max(longest, span.query_count);
    return static_cast<std::size_t>(longest) * group;
  }

  /// The plan's queries in tiles.  @pre select
  template <class Context>
  [[nodiscard]] step_input<detail::query_tile, device_memory> const& query_tiles(Context& ctx, std::size_t group,
                                                                                 std::size_t rows) {
    keyed<step_input<detail::query_tile, device_memory>>& entry = find(tiles_, group, rows);
    if (!entry.current) entry.table.load(ctx, detail::query_tiles(host_spans_, group, rows));
    entry.current = true;
    return entry.table;
  }

  /// The plan's keys in tiles of `rows`, with the queries that see them.  @pre select
  template <class Context>
  [[nodiscard]] detail::device_key_schedule const& key_schedule(Context& ctx, std::size_t rows,
                                                                std::size_t queries_per_task) {
    keyed<detail::device_key_schedule>& entry = find(schedules_, rows, queries_per_task, keys_);
    if (!entry.current) {
      detail::key_schedule const made = detail::make_key_schedule(
          host_spans_, plan_ranges_, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(queries_per_task));
      entry.table.visits.load(ctx, made.visits);
      entry.table.tasks.load(ctx, made.tasks);
      entry.table.sums.load(ctx, made.sums);
      entry.table.slots = made.slots;
    }
    entry.current = true;
    return entry.table;
  }

 private:
  /// A table that depends on two numbers besides the plan, and perhaps one for each number of keys, so that batches of
  /// different sizes do not take each other's place.
  template <class Table>
  struct keyed {
    std::size_t first;
    std::size_t second;
    std::size_t keys;
    bool current = false;
    Table table{};
  };

  /// A model has one or two of each.
  template <class Table>
  [[nodiscard]] static keyed<Table>& find(std::list<keyed<Table>>& entries, std::size_t first, std::size_t second,
                                          std::size_t keys = 0) {
    for (keyed<Table>& entry : entries)
      if (entry.first == first && entry.second == second && entry.keys == keys) return entry;
    return entries.emplace_back(keyed<Table>{first, second, keys});
  }

  /// Schedules for different numbers of keys that stay on the device.
  static constexpr std::size_t kept_schedules = 16;

  bool selected_ = false;
  std::size_t keys_ = 0;  ///< of the last `load`
  std::vector<ops::query_span> plan_spans_;
  std::vector<ops::key_range> plan_ranges_;
  std::vector<detail::attention_span> host_spans_;
  step_input<detail::attention_span, device_memory> spans_;
  step_input<ops::key_range, device_memory> ranges_;
  std::list<keyed<step_input<detail::query_tile, device_memory>>> tiles_;
  std::list<keyed<detail::device_key_schedule>> schedules_;
};

}  // namespace cuda
RLVR_NAMESPACE_END
