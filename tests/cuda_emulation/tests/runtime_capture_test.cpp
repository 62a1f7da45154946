// SPDX-License-Identifier: MIT
// The emulated runtime's graphs: what is captured does not run, runs in order at every launch, and what a device
// refuses during a capture is refused and spoils the capture.
#include "runtime_support.hpp"
#include <functional>
#include <string>
#include <vector>

namespace {

using runtime_tests::launch_on;

__global__ void increment(int* value) { *value += 1; }

/// A stream, four ints of device memory and as many of page-locked memory.
struct fixture {
  cudaStream_t stream = nullptr;
  int* device = nullptr;
  int* host = nullptr;

  fixture() {
    REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    REQUIRE(cudaMalloc(reinterpret_cast<void**>(&device), 4 * sizeof(int)) == cudaSuccess);
    REQUIRE(cudaMallocHost(reinterpret_cast<void**>(&host), 4 * sizeof(int)) == cudaSuccess);
    for (int i = 0; i < 4; ++i) host[i] = i + 1;
  }
  ~fixture() {
    (void)cudaFree(device);
    (void)cudaFreeHost(host);
    (void)cudaStreamDestroy(stream);
  }
  fixture(fixture const&) = delete;
  fixture& operator=(fixture const&) = delete;

  void begin(cudaStreamCaptureMode mode = cudaStreamCaptureModeThreadLocal) {
    REQUIRE(cudaStreamBeginCapture(stream, mode) == cudaSuccess);
  }
  [[nodiscard]] cudaStreamCaptureStatus status() const {
    cudaStreamCaptureStatus result = cudaStreamCaptureStatusNone;
    REQUIRE(cudaStreamIsCapturing(stream, &result) == cudaSuccess);
    return result;
  }
  /// @return nodes of the graph that was captured; -1: the capture was invalid
  [[nodiscard]] int end() {
    cudaGraph_t graph = nullptr;
    cudaError_t const ended = cudaStreamEndCapture(stream, &graph);
    (void)cudaGetLastError();
    if (ended != cudaSuccess) {
      CHECK(ended == cudaErrorStreamCaptureInvalidated);
      CHECK(graph == nullptr);
      return -1;
    }
    std::size_t nodes = 0;
    REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
    REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
    return static_cast<int>(nodes);
  }
};

}  // namespace

TEST_CASE("a captured copy and fill run at each launch, not before, and read what is there then") {
  fixture f;
  REQUIRE(cudaMemsetAsync(f.device, 0, 4 * sizeof(int), f.stream) == cudaSuccess);
  f.begin();
  REQUIRE(cudaMemcpyAsync(f.device, f.host, 4 * sizeof(int), cudaMemcpyHostToDevice, f.stream) == cudaSuccess);
  REQUIRE(cudaMemsetAsync(f.device, 0, sizeof(int), f.stream) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamEndCapture(f.stream, &graph) == cudaSuccess);
  std::size_t nodes = 0;
  REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
  CHECK(nodes == 2);
  int value = -1;
  auto const fetch = [&](int index) {
    REQUIRE(cudaMemcpyAsync(&value, f.device + index, sizeof(int), cudaMemcpyDeviceToHost, f.stream) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(f.stream) == cudaSuccess);
    return value;
  };
  CHECK(fetch(3) == 0);
  cudaGraphExec_t executable = nullptr;
  REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
  REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
  for (int round = 0; round < 2; ++round) {
    f.host[3] = 10 + round;
    REQUIRE(cudaGraphLaunch(executable, f.stream) == cudaSuccess);
    CHECK(fetch(3) == 10 + round);
    CHECK(fetch(0) == 0);
    CHECK(fetch(1) == 2);
  }
  CHECK(cudaGraphExecDestroy(executable) == cudaSuccess);
}

TEST_CASE("what allocates, releases, waits or asks is refused in a capture and spoils it; the stream works after it") {
  fixture f;
  runtime_tests::stream const other;
  runtime_tests::event const event;
  REQUIRE(cudaEventRecord(event, other) == cudaSuccess);
  REQUIRE(cudaStreamSynchronize(other) == cudaSuccess);
  void* block = nullptr;
  int pageable = 0;
  struct refused_call {
    char const* name;
    std::function<cudaError_t()> call;
    bool in_relaxed_captures_too;
    cudaError_t code = cudaErrorStreamCaptureUnsupported;
  };
  std::vector<refused_call> const calls{
      {"cudaMalloc", [&] { return cudaMalloc(&block, 16); }, false},
      {"cudaMallocManaged", [&] { return cudaMallocManaged(&block, 16, cudaMemAttachGlobal); }, false},
      {"cudaMallocHost", [&] { return cudaMallocHost(&block, 16); }, false},
      {"cudaFree", [&] { return cudaFree(f.device); }, false},
      {"cudaFreeHost", [&] { return cudaFreeHost(f.host); }, false},
      {"cudaEventQuery", [&] { return cudaEventQuery(event); }, false},
      {"cudaEventSynchronize", [&] { return cudaEventSynchronize(event); }, false},
      {"cudaStreamSynchronize", [&] { return cudaStreamSynchronize(f.stream); }, true},
      {"cudaStreamQuery", [&] { return cudaStreamQuery(f.stream); }, true},
      {"cudaDeviceSynchronize", [] { return cudaDeviceSynchronize(); }, true},
      {"cudaMemcpy", [&] { return cudaMemcpy(&pageable, f.device, 4, cudaMemcpyDeviceToHost); }, true},
      {"cudaMemset", [&] { return cudaMemset(f.device, 0, 4); }, true},
      {"a copy of pageable memory",
       [&] { return cudaMemcpyAsync(f.device, &pageable, 4, cudaMemcpyHostToDevice, f.stream); }, true},
      {"a copy to pageable memory",
       [&] { return cudaMemcpyAsync(&pageable, f.device, 4, cudaMemcpyDeviceToHost, f.stream); }, true},
      {"lines of pageable memory",
       [&] { return cudaMemcpy2DAsync(f.device, 4, &pageable, 4, 4, 1, cudaMemcpyHostToDevice, f.stream); }, true},
      {"cudaStreamBeginCapture", [&] { return cudaStreamBeginCapture(f.stream, cudaStreamCaptureModeGlobal); }, true,
       cudaErrorIllegalState},
  };
  for (auto const mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed})
    for (refused_call const& refused : calls) {
      if (mode == cudaStreamCaptureModeRelaxed && !refused.in_relaxed_captures_too) continue;
      CAPTURE(refused.name, mode);
      f.begin(mode);
      CHECK(refused.call() == refused.code);
      bool const spoils = refused.code == cudaErrorStreamCaptureUnsupported;
      CHECK(f.status() == (spoils ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive));
      CHECK(f.end() == (spoils ? -1 : 0));
      CHECK(cudaStreamSynchronize(f.stream) == cudaSuccess);
    }
  // A relaxed capture lets the program do what is its own responsibility.
  f.begin(cudaStreamCaptureModeRelaxed);
  CHECK(cudaMalloc(&block, 16) == cudaSuccess);
  CHECK(cudaEventQuery(event) == cudaSuccess);
  CHECK(cudaFree(block) == cudaSuccess);
  CHECK(f.end() == 0);
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal) == cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(f.stream, &graph) == cudaErrorIllegalState);
  cudaGraphExec_t executable = nullptr;
  CHECK(cudaGraphInstantiate(&executable, nullptr, 0) == cudaErrorInvalidValue);
  (void)cudaGetLastError();
}

TEST_CASE("memory that a graph would own is refused by name") {
  fixture f;
  void* block = nullptr;
  f.begin();
  CHECK_THAT(failure_of([&] { (void)cudaMallocAsync(&block, 16, f.stream); }), Catch::Contains("cudaMallocAsync on a"));
  CHECK(f.end() == -1);
  REQUIRE(cudaMallocAsync(&block, 16, f.stream) == cudaSuccess);
  f.begin();
  CHECK_THAT(failure_of([&] { (void)cudaFreeAsync(block, f.stream); }), Catch::Contains("cudaFreeAsync on a"));
  CHECK(f.end() == -1);
  CHECK(cudaFreeAsync(block, f.stream) == cudaSuccess);
}

TEST_CASE("the legacy stream is no place for work while another stream captures, unless neither can meet the other") {
  fixture f;
  runtime_tests::stream const blocking(cudaStreamDefault);
  auto const with_capture_on = [&](cudaStream_t where, cudaStreamCaptureMode mode, auto action) {
    REQUIRE(cudaStreamBeginCapture(where, mode) == cudaSuccess);
    action();
    cudaGraph_t graph = nullptr;
    bool const valid = cudaStreamEndCapture(where, &graph) == cudaSuccess;
    if (valid) REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
    (void)cudaGetLastError();
    return valid;
  };
  auto const fill = [&] { return cudaMemsetAsync(f.device, 0, 4, nullptr); };
  for (cudaStream_t const where : {static_cast<cudaStream_t>(blocking), f.stream}) {
    auto const mode = where == f.stream ? cudaStreamCaptureModeGlobal : cudaStreamCaptureModeRelaxed;
    CHECK_FALSE(with_capture_on(where, mode, [&] { CHECK(fill() == cudaErrorStreamCaptureImplicit); }));
    CHECK_FALSE(
        with_capture_on(where, mode, [&] { CHECK(cudaStreamSynchronize(nullptr) == cudaErrorStreamCaptureImplicit); }));
    CHECK_FALSE(with_capture_on(where, mode, [&] {
      CHECK_THAT(failure_of([&] { launch_on(nullptr, 1, increment, f.device); }), Catch::Contains("legacy stream"));
    }));
  }
  CHECK(with_capture_on(f.stream, cudaStreamCaptureModeThreadLocal, [&] { CHECK(fill() == cudaSuccess); }));
  runtime_tests::stream const third;
  CHECK(with_capture_on(f.stream, cudaStreamCaptureModeGlobal, [&] {
    CHECK(cudaMemsetAsync(f.device, 0, 4, third) == cudaSuccess);
    CHECK(cudaStreamSynchronize(third) == cudaSuccess);
  }));
}

TEST_CASE("an event that was recorded in a capture is a place in the graph, not a point in time") {
  fixture f;
  runtime_tests::stream const other;
  runtime_tests::event const inside, outside;
  REQUIRE(cudaEventRecord(outside, other) == cudaSuccess);
  REQUIRE(cudaStreamSynchronize(other) == cudaSuccess);
  f.begin();
  REQUIRE(cudaEventRecord(inside, f.stream) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(f.stream, inside, 0) == cudaSuccess);
  CHECK(f.end() == 0);  // neither is a node
  float milliseconds = 0;
  CHECK(cudaEventQuery(inside) == cudaErrorCapturedEvent);
  CHECK(cudaEventSynchronize(inside) == cudaErrorCapturedEvent);
  CHECK(cudaEventElapsedTime(&milliseconds, outside, inside) == cudaErrorCapturedEvent);
  f.begin();
  REQUIRE(cudaEventRecord(inside, f.stream) == cudaSuccess);
  CHECK(cudaEventSynchronize(inside) == cudaErrorCapturedEvent);
  CHECK(f.end() == -1);
  f.begin();  // work from outside of the capture
  CHECK(cudaStreamWaitEvent(f.stream, outside, 0) == cudaErrorStreamCaptureIsolation);
  CHECK(f.end() == -1);
  f.begin();  // another stream would join the capture, which is not emulated
  REQUIRE(cudaEventRecord(inside, f.stream) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(other, inside, 0) == cudaErrorNotSupported);
  CHECK(f.end() == -1);
  REQUIRE(cudaEventRecord(inside, other) == cudaSuccess);
  CHECK(cudaEventSynchronize(inside) == cudaSuccess);
}

TEST_CASE("a capture that is invalid takes nothing more") {
  fixture f;
  f.begin();
  CHECK(cudaStreamSynchronize(f.stream) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaMemsetAsync(f.device, 0, 4, f.stream) == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaMemcpyAsync(f.device, f.host, 4, cudaMemcpyHostToDevice, f.stream) == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaLaunchHostFunc(
            f.stream, [](void*) {}, nullptr) == cudaErrorStreamCaptureInvalidated);
  CHECK_THAT(failure_of([&] { launch_on(f.stream, 1, increment, f.device); }), Catch::Contains("capture is invalid"));
  CHECK(f.end() == -1);
  f.begin();
  launch_on(f.stream, 1, increment, f.device);
  CHECK(f.end() == 1);
}
