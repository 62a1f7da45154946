// SPDX-License-Identifier: MIT
/// @file
/// A plan of attention as lists of work for blocks; made on the host.
///
/// A *row* of a span is a pair (query, query head of the group that shares a key/value head), numbered
/// query * group + head: a block serves all heads that read the same keys, and a span of one query (decoding) has
/// `group` rows rather than one.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/math.hpp>
#include <rlvr/ops/attention.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace cuda::detail {

/// A span as kernels see it.  Query i sees the first `context_before` + i + 1 keys of the span's context.
struct attention_span {
  std::int64_t query_begin;
  std::int64_t query_count;
  std::int64_t first_range;
  std::int64_t context_before;  ///< all keys of the ancestors and the own keys that every query sees
};

/// Consecutive rows of a span.
struct query_tile {
  std::int64_t span;
  std::int64_t first_row;
};

/// Queries [query_begin, query_end) of a span, whose context has the keys of a piece from `position` on.
struct query_visit {
  std::int64_t span;
  std::int64_t position;
  std::int64_t query_begin;
  std::int64_t query_end;
};

/// A tile of key rows and some of the visits of its piece: the work of a block in the backward pass.
struct key_task {
  std::int64_t key_begin;
  std::int64_t key_count;
  std::int64_t offset;  ///< of the tile's first key in its piece
  std::int64_t visits_begin;
  std::int64_t visits_end;
  std::int64_t slot;  ///< where the task's sums go; -1: it is the tile's only one, straight to the gradient
};

/// A tile whose visits several tasks share: its sums lie in consecutive slots, in the order of the plan.
struct key_sum {
  std::int64_t key_begin;
  std::int64_t key_count;
  std::int64_t slots_begin;
  std::int64_t slots_end;
};

/// Work of the backward pass by keys.
struct key_schedule {
  std::vector<query_visit> visits;
  std::vector<key_task> tasks;
  std::vector<key_sum> sums;
  std::int64_t slots = 0;
};

[[nodiscard]] inline std::vector<attention_span> attention_spans(ops::attention_plan const& plan) {
  std::vector<attention_span> spans;
  for (ops::query_span const& span : plan.spans) {
    std::int64_t before = span.own_before;
    for (std::int64_t r = 0; r + 1 < span.range_count; ++r)
      before += plan.ranges[static_cast<std::size_t>(span.first_range + r)].count;
    spans.push_back({span.begin, span.count, span.first_range, before});
  }
  return spans;
}

/// Tiles of `rows` rows; those with the longest contexts first, so that the grid ends with short blocks.
[[nodiscard]] inline std::vector<query_tile> query_tiles(std::vector<attention_span> const& spans, std::size_t group,
                                                         std::size_t rows) {
  std::vector<query_tile> tiles;
  for (std::size_t s = 0; s < spans.size(); ++s) {
    auto const total = spans[s].query_count * static_cast<std::int64_t>(group);
    for (std::int64_t first = 0; first < total; first += static_cast<std::int64_t>(rows))
      tiles.push_back({static_cast<std::int64_t>(s), first});
  }
  auto const context = [&](query_tile const& tile) {
    return spans[static_cast<std::size_t>(tile.span)].context_before +
           tile.first_row / static_cast<std::int64_t>(group);
  };
  std::stable_sort(tiles.begin(), tiles.end(),
                   [&](query_tile const& a, query_tile const& b) { return context(a) > context(b); });
  return tiles;
}

/// Calls visit(range, its visible count, its position in the span's context) for the ranges that a span's queries see.
template <class Visit>
void for_each_visible_range(attention_span const& span, std::vector<ops::key_range> const& ranges, Visit&& visit) {
  std::int64_t const context = span.query_count > 0 ? span.context_before + span.query_count : 0;
  std::int64_t position = 0;
  for (auto r = static_cast<std::size_t>(span.first_range); position < context; ++r) {
    std::int64_t const count = math::min(ranges[r].count, context - position);
    if (count > 0) visit(ranges[r], count, position);
    position += count;
  }
}

/// The key rows that the plan's queries see, cut where a visible range begins or ends: between neighbouring cuts lies
/// a piece, of which every range has all or nothing.
[[nodiscard]] inline std::vector<std::int64_t> key_cuts(std::vector<attention_span> const& spans,
                                                        std::vector<ops::key_range> const& ranges) {
  std::vector<std::int64_t> cuts;
  for (attention_span const& span : spans)
    for_each_visible_range(span, ranges, [&](ops::key_range const& range, std::int64_t count, std::int64_t) {
      cuts.push_back(range.begin);
      cuts.push_back(range.begin + count);
    });
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  return cuts;
}

/// For every piece its visits, in the order of the plan.
[[nodiscard]] inline std::vector<std::vector<query_visit>> piece_visits(std::vector<attention_span> const& spans,
                                                                        std::vector<ops::key_range> const& ranges,
                                                                        std::vector<std::int64_t> const& cuts) {
  std::vector<std::vector<query_visit>> visits(cuts.size());
  for (std::size_t s = 0; s < spans.size(); ++s)
    for_each_visible_range(spans[s], ranges, [&](ops::key_range const& range, std::int64_t count, std::int64_t at) {
      auto piece = static_cast<std::size_t>(std::lower_bound(cuts.begin(), cuts.end(), range.begin) - cuts.begin());
      for (; cuts[piece] < range.begin + count; ++piece) {
        std::int64_t const position = at + cuts[piece] - range.begin;
        std::int64_t const first = math::max<std::int64_t>(0, position - spans[s].context_before);
        visits[piece].push_back({static_cast<std::int64_t>(s), position, first, spans[s].query_count});
      }
    });
  return visits;
}

/// Consecutive visits of a piece with at most a given number of queries; long visits are cut.
struct visit_chunk {
  std::int64_t begin;
  std::int64_t end;
};

/// Appends a piece's visits to `all` in chunks.
[[nodiscard]] inline std::vector<visit_chunk> append_in_chunks(std::vector<query_visit> const& visits,
                                                               std::int64_t queries_per_chunk,
                                                               std::vector<query_visit>& all) {
  std::vector<visit_chunk> chunks;
  std::int64_t room = 0;
  for (query_visit rest : visits)
    while (rest.query_begin < rest.query_end) {
      auto const at = static_cast<std::int64_t>(all.size());
      if (room == 0) {
        chunks.push_back({at, at});
        room = queries_per_chunk;
      }
      query_visit part = rest;
      part.query_end = math::min(rest.query_end, rest.query_begin + room);
      all.push_back(part);
      room -= part.query_end - part.query_begin;
      rest.query_begin = part.query_end;
      chunks.back().end = at + 1;
    }
  return chunks;
}

/// Tiles of `keys` rows, and for each its tasks of at most `queries_per_task` queries (a prefix that the whole batch
/// shares would otherwise keep a few blocks busy long after the others have ended).
[[nodiscard]] inline key_schedule make_key_schedule(std::vector<attention_span> const& spans,
                                                    std::vector<ops::key_range> const& ranges, std::int64_t keys,
                                                    std::int64_t queries_per_task) {
  key_schedule schedule;
  std::vector<std::int64_t> const cuts = key_cuts(spans, ranges);
  std::vector<std::vector<query_visit>> const visits = piece_visits(spans, ranges, cuts);
  for (std::size_t piece = 0; piece + 1 < cuts.size(); ++piece) {
    std::vector<visit_chunk> const chunks = append_in_chunks(visits[piece], queries_per_task, schedule.visits);
    std::int64_t const size = cuts[piece + 1] - cuts[piece];
    for (std::int64_t offset = 0; offset < size; offset += keys) {
      key_task task{cuts[piece] + offset, math::min(keys, size - offset), offset, 0, 0, -1};
      auto const sees = [&](query_visit const& visit) {
        return visit.position + offset < spans[static_cast<std::size_t>(visit.span)].context_before + visit.query_end;
      };
      std::size_t const first = schedule.tasks.size();
      for (visit_chunk const& chunk : chunks) {
        task.visits_begin = chunk.begin;
        task.visits_end = chunk.end;
        if (std::any_of(schedule.visits.begin() + chunk.begin, schedule.visits.begin() + chunk.end, sees))
          schedule.tasks.push_back(task);
      }
      if (schedule.tasks.size() - first < 2) continue;
      std::int64_t const slots_begin = schedule.slots;
      for (std::size_t t = first; t < schedule.tasks.size(); ++t) schedule.tasks[t].slot = schedule.slots++;
      schedule.sums.push_back({task.key_begin, task.key_count, slots_begin, schedule.slots});
    }
  }
  return schedule;
}

}  // namespace cuda::detail
RLVR_NAMESPACE_END
