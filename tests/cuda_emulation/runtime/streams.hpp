// SPDX-License-Identifier: MIT
/// @file
/// Streams, and the graphs that they record.
#pragma once

#include "engine/state.hpp"
#include <cstddef>
#include <cstdint>
#include <deque>
#include <driver_types.h>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

namespace cuda_emulation {

struct stream_state;
struct recorded_graph;

/// A mark in a stream.
struct event_state {
  std::uint64_t recorded = 0;  ///< times it was recorded
  std::uint64_t done = 0;      ///< the last of them that was reached
  stream_state* on = nullptr;
  std::shared_ptr<recorded_graph> capture;  ///< that it was recorded in last: a place in a graph, not a point in time
  double milliseconds = 0;
};

/// What a captured graph does, in order.
struct recorded_graph {
  std::vector<std::function<void()>> tasks;
};

/// Work in order; with settings::defer_streams it waits until something must wait for it.
struct stream_state {
  struct task {
    std::uint64_t number;  ///< in the order of all streams' calls
    std::function<void()> run;
    event_state* wait = nullptr;  ///< an event that must have been reached, instead of `run`
    std::uint64_t wait_for = 0;
  };
  std::deque<task> queue;
  bool blocking = true;  ///< ordered with the legacy stream
  std::shared_ptr<recorded_graph> capture;
  cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;
  bool capture_invalid = false;
};

inline constexpr std::uint64_t everything = std::numeric_limits<std::uint64_t>::max();

[[nodiscard]] stream_state& stream_of(void* handle);
/// Runs the stream's work that was queued before call number `until`.
void drain(stream_state& stream, std::uint64_t until = everything);
/// Runs all work of all streams, the latest stream first.
void drain_all();
/// If a stream captures: its capture becomes invalid, as it does when an unsafe function is called meanwhile.
/// @param relaxed_too  of a function that no mode allows; otherwise a relaxed capture stays as it is
bool invalidate_captures(bool relaxed_too = false);
/// cudaSuccess, or why no work may be put on the stream now: the legacy stream does not join a capture (here no capture
/// in the global mode either, which a device would let pass if the stream that captures were not blocking), and an
/// invalid capture takes nothing more.  Captures that are spoiled by it become invalid.
[[nodiscard]] cudaError_t refusal_to_queue(void* handle);
/// The same for waiting for the stream, or asking for its state.
[[nodiscard]] cudaError_t refusal_to_wait(void* handle);

}  // namespace cuda_emulation
