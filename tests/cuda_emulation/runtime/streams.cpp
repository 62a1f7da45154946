// SPDX-License-Identifier: MIT
/// @file
/// Streams and events.  Work runs at once, or, with settings::defer_streams, as late as the program's own
/// synchronisation allows: then a missing one shows as stale data.
#include "runtime/streams.hpp"

#include <cuda_runtime_api.h>

#include "runtime/error.hpp"
#include <algorithm>
#include <chrono>

namespace cuda_emulation {
namespace {

stream_state& legacy_stream() {
  static stream_state stream;
  return stream;
}
stream_state& per_thread_stream() {
  static stream_state stream;
  return stream;
}
std::vector<stream_state*>& all_streams() {
  static std::vector<stream_state*> streams{&per_thread_stream()};
  return streams;
}
std::uint64_t calls = 0;

void run_first(stream_state& stream) {
  stream_state::task const task = std::move(stream.queue.front());
  stream.queue.pop_front();
  if (task.wait != nullptr && task.wait->on != nullptr)
    while (task.wait->done < task.wait_for && !task.wait->on->queue.empty()) run_first(*task.wait->on);
  // The legacy stream waits for all blocking streams, and they for it.
  if (&stream == &legacy_stream()) {
    for (stream_state* const other : all_streams())
      if (other->blocking) drain(*other, task.number);
  } else if (stream.blocking) {
    drain(legacy_stream(), task.number);
  }
  if (task.run) task.run();
}

double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

event_state& event_of(cudaEvent_t handle) { return *reinterpret_cast<event_state*>(handle); }

/// A call that waits is illegal while the stream captures.
bool refuses_to_wait(stream_state& stream) {
  if (stream.capture == nullptr) return false;
  stream.capture_invalid = true;
  return true;
}

}  // namespace

stream_state& stream_of(void* handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return legacy_stream();
  if (handle == cudaStreamPerThread) return per_thread_stream();
  return *static_cast<stream_state*>(handle);
}

void drain(stream_state& stream, std::uint64_t until) {
  while (!stream.queue.empty() && stream.queue.front().number < until) run_first(stream);
}

void drain_all() {
  for (std::size_t i = all_streams().size(); i-- > 0;) drain(*all_streams()[i]);
  drain(legacy_stream());
}

bool invalidate_captures() {
  bool any = false;
  for (stream_state* const stream : all_streams())
    if (stream->capture != nullptr) any = stream->capture_invalid = true;
  return any;
}

void enqueue(void* handle, std::function<void()> task) {
  stream_state& stream = stream_of(handle);
  if (stream.capture != nullptr) {
    stream.capture->tasks.push_back(std::move(task));
    return;
  }
  stream.queue.push_back({calls++, std::move(task)});
  if (!current_settings().defer_streams) drain(stream);
}

}  // namespace cuda_emulation

using namespace cuda_emulation;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned flags) {
  auto* const stream = new stream_state;
  stream->blocking = (flags & cudaStreamNonBlocking) == 0;
  all_streams().push_back(stream);
  *handle = reinterpret_cast<cudaStream_t>(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* handle) { return cudaStreamCreateWithFlags(handle, cudaStreamDefault); }
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  stream_state& stream = stream_of(handle);
  drain(stream);
  std::erase(all_streams(), &stream);
  delete &stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  stream_state& stream = stream_of(handle);
  if (refuses_to_wait(stream)) return remember(cudaErrorStreamCaptureUnsupported);
  drain(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  stream_state& stream = stream_of(handle);
  if (refuses_to_wait(stream)) return remember(cudaErrorStreamCaptureUnsupported);
  return stream.queue.empty() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaDeviceSynchronize(void) {
  if (invalidate_captures()) return remember(cudaErrorStreamCaptureUnsupported);
  drain_all();
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  enqueue(stream, [=] { function(data); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned) {
  *handle = reinterpret_cast<cudaEvent_t>(new event_state);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* handle) { return cudaEventCreateWithFlags(handle, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  drain_all();
  delete &event_of(handle);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream) {
  event_state& event = event_of(handle);
  std::uint64_t const record = ++event.recorded;
  event.on = &stream_of(stream);
  enqueue(stream, [&event, record] {
    event.done = record;
    event.milliseconds = now();
  });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  event_state& event = event_of(handle);
  while (event.done < event.recorded && !event.on->queue.empty()) run_first(*event.on);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t handle) {
  return event_of(handle).done < event_of(handle).recorded ? cudaErrorNotReady : cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = static_cast<float>(event_of(end).milliseconds - event_of(begin).milliseconds);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  stream_state& stream = stream_of(handle);
  if (stream.capture != nullptr) {  // a graph of one stream is all that is recorded here
    stream.capture_invalid = true;
    return remember(cudaErrorStreamCaptureUnsupported);
  }
  stream.queue.push_back({calls++, {}, &event_of(event), event_of(event).recorded});
  if (!current_settings().defer_streams) drain(stream);
  return cudaSuccess;
}

}  // extern "C"
