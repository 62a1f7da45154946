// SPDX-License-Identifier: MIT
/// @file
/// Work that is captured into a CUDA graph once and launched again: one launch from the host instead of hundreds.
///
/// The first run with a key is eager: scratch memory grows, cuBLASLt's algorithms are chosen.  The second is captured,
/// later ones are launches.  The key holds whatever the captured work has baked in, so a graph that has become stale is
/// never found again.
#pragma once

#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/core/replay_key.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <type_traits>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace cuda {
namespace detail {

struct destroy_graph {
  void operator()(cudaGraph_t graph) const noexcept { (void)cudaGraphDestroy(graph); }
};
struct destroy_graph_executable {
  void operator()(cudaGraphExec_t graph) const noexcept { (void)cudaGraphExecDestroy(graph); }
};
using graph_pointer = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, destroy_graph>;
using graph_executable = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, destroy_graph_executable>;

/// What `body` does to the stream, captured and not run.
/// @throws what `body` throws, cuda_error if it did what cannot be captured; the stream is usable afterwards
template <class Body>
[[nodiscard]] graph_executable capture(cudaStream_t stream, Body& body) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  cudaGraph_t raw = nullptr;
  try {
    body();
  } catch (...) {
    if (cudaStreamEndCapture(stream, &raw) == cudaSuccess) graph_pointer const dropped(raw);
    (void)cudaGetLastError();
    throw;
  }
  cudaError_t const ended = cudaStreamEndCapture(stream, &raw);
  graph_pointer const graph(raw);
  if (ended != cudaSuccess) (void)cudaGetLastError();
  check(ended, "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph.get(), 0), "cudaGraphInstantiate");
  return graph_executable(executable);
}

}  // namespace detail

/// The graphs of one stream, the least recently used dropped first.
class graph_cache {
 public:
  /// Graphs, and keys that were run once, that are kept.
  static constexpr std::size_t capacity = 32;

  /// Runs `body`, or the graph that was captured from it.
  /// @param key  () -> replay_key; called again after an eager run, which may have grown scratch memory
  template <class Key, class Body>
  void run(cudaStream_t stream, Key const& key, Body& body) {
    replay_key wanted = key();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (!(entry->key == wanted)) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      if (!entry->graph) {
        entry->graph = detail::capture(stream, body);
        ++captures_;
      }
      check(cudaGraphLaunch(entry->graph.get(), stream), "cudaGraphLaunch");
      ++launches_;
      return;
    }
    body();
    if (entries_.size() >= capacity) {
      check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");  // the graph may be running
      entries_.pop_back();
    }
    entries_.push_front({key(), nullptr});
  }

  void clear() noexcept { entries_.clear(); }
  /// Graphs that were captured so far.
  [[nodiscard]] std::size_t captures() const noexcept { return captures_; }
  /// Launches of graphs so far.
  [[nodiscard]] std::size_t launches() const noexcept { return launches_; }

 private:
  struct entry_type {
    replay_key key;
    detail::graph_executable graph;
  };

  std::list<entry_type> entries_;
  std::size_t captures_ = 0;
  std::size_t launches_ = 0;
};

}  // namespace cuda
RLVR_NAMESPACE_END
