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

/// Asking for an event is unsafe in a capture, and asking for one that was captured is a mistake at any time.
cudaError_t refusal_to_ask(event_state const& event) {
  if (event.capture != nullptr) {
    for (stream_state* const stream : all_streams())
      if (stream->capture == event.capture) stream->capture_invalid = true;
    return cudaErrorCapturedEvent;
  }
  return invalidate_captures() ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
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

bool invalidate_captures(bool relaxed_too) {
  bool any = false;
  for (stream_state* const stream : all_streams())
    if (stream->capture != nullptr && (relaxed_too || stream->capture_mode != cudaStreamCaptureModeRelaxed))
      any = stream->capture_invalid = true;
  return any;
}

cudaError_t refusal_to_queue(void* handle) {
  stream_state const& stream = stream_of(handle);
  if (stream.capture != nullptr) return stream.capture_invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
  if (&stream != &legacy_stream()) return cudaSuccess;
  bool any = false;
  for (stream_state* const other : all_streams())
    if (other->capture != nullptr && (other->blocking || other->capture_mode == cudaStreamCaptureModeGlobal))
      any = other->capture_invalid = true;
  return any ? cudaErrorStreamCaptureImplicit : cudaSuccess;
}

cudaError_t refusal_to_wait(void* handle) {
  stream_state& stream = stream_of(handle);
  if (stream.capture == nullptr) return refusal_to_queue(handle);
  stream.capture_invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

void enqueue(void* handle, std::function<void()> task) {
  cudaError_t const refused = remember(refusal_to_queue(handle));
  if (refused == cudaErrorStreamCaptureImplicit)
    fail("work is put on the legacy stream while another stream captures (cudaErrorStreamCaptureImplicit)");
  if (refused != cudaSuccess) fail("work is put on a stream whose capture is invalid");
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
  if (&stream == &legacy_stream() || &stream == &per_thread_stream()) return remember(cudaErrorInvalidResourceHandle);
  drain(stream);
  std::erase(all_streams(), &stream);
  delete &stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  stream_state& stream = stream_of(handle);
  if (cudaError_t const refused = refusal_to_wait(handle)) return remember(refused);
  drain(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  stream_state& stream = stream_of(handle);
  if (cudaError_t const refused = refusal_to_wait(handle)) return remember(refused);
  if (stream.queue.empty()) return cudaSuccess;
  run_first(stream);  // a device gets on between two questions
  return cudaErrorNotReady;
}
cudaError_t cudaDeviceSynchronize(void) {
  if (invalidate_captures(true)) return remember(cudaErrorStreamCaptureUnsupported);
  drain_all();
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  if (cudaError_t const refused = refusal_to_queue(stream)) return remember(refused);
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
  if (cudaError_t const refused = refusal_to_queue(stream)) return remember(refused);
  event.on = &stream_of(stream);
  event.capture = event.on->capture;
  if (event.capture != nullptr) return cudaSuccess;  // an order between nodes, which are in order anyway
  std::uint64_t const record = ++event.recorded;
  enqueue(stream, [&event, record] {
    event.done = record;
    event.milliseconds = now();
  });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  event_state& event = event_of(handle);
  if (cudaError_t const refused = refusal_to_ask(event)) return remember(refused);
  while (event.done < event.recorded && !event.on->queue.empty()) run_first(*event.on);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t handle) {
  event_state& event = event_of(handle);
  if (cudaError_t const refused = refusal_to_ask(event)) return remember(refused);
  if (event.done == event.recorded) return cudaSuccess;
  run_first(*event.on);  // a device gets on between two questions
  return cudaErrorNotReady;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  for (event_state const* const event : {&event_of(begin), &event_of(end)}) {
    if (cudaError_t const refused = refusal_to_ask(*event)) return remember(refused);
    if (event->recorded == 0) return remember(cudaErrorInvalidResourceHandle);
    if (event->done < event->recorded) return cudaErrorNotReady;
  }
  *milliseconds = static_cast<float>(event_of(end).milliseconds - event_of(begin).milliseconds);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t waited_for, unsigned) {
  stream_state& stream = stream_of(handle);
  event_state const& event = event_of(waited_for);
  if (cudaError_t const refused = refusal_to_queue(handle)) return remember(refused);
  if (stream.capture != event.capture) {  // a graph of one stream is all that is recorded here
    for (stream_state* const other : all_streams())
      if (other->capture != nullptr && (other == &stream || other->capture == event.capture))
        other->capture_invalid = true;
    return remember(event.capture == nullptr ? cudaErrorStreamCaptureIsolation : cudaErrorNotSupported);
  }
  if (stream.capture != nullptr) return cudaSuccess;  // nodes of one stream are in order
  stream.queue.push_back({calls++, {}, &event_of(waited_for), event.recorded});
  if (!current_settings().defer_streams) drain(stream);
  return cudaSuccess;
}

}  // extern "C"
