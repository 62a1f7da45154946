// SPDX-License-Identifier: MIT
/// @file
/// Graphs: a stream that captures records its work instead of running it, and a launch runs the record again.  This is
/// how tests show that ops can be captured: calls that a device refuses meanwhile (allocation, waiting) are refused
/// here and spoil the capture.
#include <cuda_runtime_api.h>

#include "runtime/error.hpp"
#include "runtime/streams.hpp"
#include <utility>

using namespace cuda_emulation;

namespace {

using graph_pointer = std::shared_ptr<recorded_graph>;

graph_pointer& graph_of(void* handle) { return *static_cast<graph_pointer*>(handle); }

}  // namespace

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  stream_state& stream = stream_of(handle);
  if (handle == nullptr || handle == cudaStreamLegacy) return remember(cudaErrorStreamCaptureUnsupported);
  if (stream.capture != nullptr) return remember(cudaErrorIllegalState);
  stream.capture = std::make_shared<recorded_graph>();
  stream.capture_mode = mode;
  stream.capture_invalid = false;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  stream_state& stream = stream_of(handle);
  if (stream.capture == nullptr) return remember(cudaErrorIllegalState);
  graph_pointer const recorded = std::exchange(stream.capture, nullptr);
  *graph = nullptr;
  if (stream.capture_invalid) return remember(cudaErrorStreamCaptureInvalidated);
  *graph = reinterpret_cast<cudaGraph_t>(new graph_pointer(recorded));
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  stream_state& stream = stream_of(handle);
  *status = stream.capture == nullptr ? cudaStreamCaptureStatusNone
            : stream.capture_invalid  ? cudaStreamCaptureStatusInvalidated
                                      : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  if (graph == nullptr) return remember(cudaErrorInvalidValue);
  *executable = reinterpret_cast<cudaGraphExec_t>(new graph_pointer(graph_of(graph)));
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (cudaError_t const refused = refusal_to_queue(stream)) return remember(refused);
  enqueue(stream, [graph = graph_of(executable)] {
    for (auto const& task : graph->tasks) task();
  });
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  if (nodes != nullptr) return remember(cudaErrorNotSupported);  // how many there are is all that tests ask
  *count = graph_of(graph)->tasks.size();
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete &graph_of(executable);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete &graph_of(graph);
  return cudaSuccess;
}

}  // extern "C"
