// SPDX-License-Identifier: MIT
/// @file
/// Work that is captured into a CUDA graph once and launched again: one launch from the host instead of hundreds.
///
/// The first run with a key is eager: scratch memory grows, cuBLASLt's algorithms are chosen.  The second is captured,
/// later ones are launches.  The key holds whatever the captured work has baked in, and so does the key of what the
/// context lent to it, so a graph that has become stale is never found again; what the work did not use does not make
/// it stale.
#pragma once

#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/core/replay_key.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <type_traits>
#include <utility>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {
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
  static constexpr std::size_t capacity = 128;

  /// Runs `body`, or the graph that was captured from it.
  /// @param lender  what the context lends to ops: `forget_use()`, `used()`, the set of what they have asked for since,
  ///                and `key_of(set)`, addresses and sizes of it as they are now
  template <class Lender, class Body>
  void run(cudaStream_t stream, replay_key key, Lender lender, Body& body) {
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (!(entry->key == key && entry->lent == lender.key_of(entry->used))) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      if (!entry->graph) {
        lender.forget_use();
        capturing_scope const scope{capturing_};
        entry->graph = detail::capture(stream, body);
        entry->used = lender.used();
        entry->lent = lender.key_of(entry->used);
        ++captures_;
      }
      check(cudaGraphLaunch(entry->graph.get(), stream), "cudaGraphLaunch");
      ++launches_;
      return;
    }
    lender.forget_use();
    body();
    if (entries_.size() >= capacity) {
      check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");  // the graph may be running
      entries_.pop_back();
    }
    auto const used = lender.used();
    entries_.push_front({std::move(key), used, lender.key_of(used), nullptr});  // after a run that may have grown it
  }

  void clear() noexcept { entries_.clear(); }
  /// Whether work is being captured at this moment.
  [[nodiscard]] bool capturing() const noexcept { return capturing_; }
  /// Graphs that were captured so far.
  [[nodiscard]] std::size_t captures() const noexcept { return captures_; }
  /// Launches of graphs so far.
  [[nodiscard]] std::size_t launches() const noexcept { return launches_; }

 private:
  struct capturing_scope {
    bool& flag;

    explicit capturing_scope(bool& capturing) : flag(capturing) { flag = true; }
    ~capturing_scope() { flag = false; }
    capturing_scope(capturing_scope const&) = delete;
    capturing_scope& operator=(capturing_scope const&) = delete;
  };
  struct entry_type {
    replay_key key;
    unsigned used;    ///< what of the context's the work asked for
    replay_key lent;  ///< where that is
    detail::graph_executable graph;
  };

  std::list<entry_type> entries_;
  std::size_t captures_ = 0;
  std::size_t launches_ = 0;
  bool capturing_ = false;
};

}  // namespace cuda
RLVR_NAMESPACE_END
