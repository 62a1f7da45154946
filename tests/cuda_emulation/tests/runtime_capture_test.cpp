// SPDX-License-Identifier: MIT
// The emulated runtime's graphs: what is captured does not run, runs in order at every launch, and what a device
// refuses during a capture is refused and spoils the capture.
#include <cuda_runtime_api.h>

#include <support/catch.hpp>

namespace {

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

  void begin() { REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess); }
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

TEST_CASE("allocating, freeing and waiting spoil a capture; the stream works after it has ended") {
  fixture f;
  void* block = nullptr;
  for (int what = 0; what < 5; ++what) {
    CAPTURE(what);
    f.begin();
    cudaError_t const refused = what == 0   ? cudaMalloc(&block, 16)
                                : what == 1 ? cudaMallocHost(&block, 16)
                                : what == 2 ? cudaFree(f.device)
                                : what == 3 ? cudaStreamSynchronize(f.stream)
                                            : cudaDeviceSynchronize();
    CHECK(refused == cudaErrorStreamCaptureUnsupported);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    REQUIRE(cudaStreamIsCapturing(f.stream, &status) == cudaSuccess);
    CHECK(status == cudaStreamCaptureStatusInvalidated);
    cudaGraph_t graph = nullptr;
    CHECK(cudaStreamEndCapture(f.stream, &graph) == cudaErrorStreamCaptureInvalidated);
    CHECK(graph == nullptr);
    CHECK(cudaStreamSynchronize(f.stream) == cudaSuccess);
  }
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal) == cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(f.stream, &graph) == cudaErrorIllegalState);
  (void)cudaGetLastError();
}
