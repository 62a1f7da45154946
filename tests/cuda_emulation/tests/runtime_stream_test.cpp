// SPDX-License-Identifier: MIT
/// @file
/// The emulated runtime's streams and events: order where the program asks for it, and, with late streams, the worst
/// order where it does not.
#include "runtime_support.hpp"
#include <memory>
#include <vector>

using namespace runtime_tests;

namespace {

__global__ void double_value(int* value) { *value *= 2; }
__global__ void return_early(int* value) {
  if (threadIdx.x == 0) return;
  __syncthreads();
  *value = 1;
}

void set(int* to, int byte, cudaStream_t s) { REQUIRE(cudaMemsetAsync(to, byte, 1, s) == cudaSuccess); }
void copy(int* to, int const* from, cudaStream_t s) {
  REQUIRE(cudaMemcpyAsync(to, from, sizeof(int), cudaMemcpyDeviceToDevice, s) == cudaSuccess);
}

}  // namespace

TEST_CASE("streams: work of one stream runs in its order, late or not") {
  for (bool const late : {false, true}) {
    CAPTURE(late);
    ints<> const values(2);
    stream const s;
    {
      auto const scope = late ? std::make_unique<late_streams>() : nullptr;
      set(values.data(), 3, s);
      launch_on(s, 1, double_value, values.data());
      copy(values.data() + 1, values.data(), s);
      set(values.data(), 9, s);
      REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
    }
    CHECK(value_at(values.data()) == 9);
    CHECK(value_at(values.data() + 1) == 6);
  }
}

TEST_CASE("streams: late work waits for a synchronisation, of its own stream or of all") {
  late_streams const late;
  ints<true> const host(1);
  ints<> const value(1);
  stream const s, other;
  auto const fetch = [&] {
    REQUIRE(cudaMemcpyAsync(host.data(), value.data(), sizeof(int), cudaMemcpyDeviceToHost, s) == cudaSuccess);
  };
  set(value.data(), 5, s);
  fetch();
  CHECK(host[0] == 0);
  REQUIRE(cudaStreamSynchronize(other) == cudaSuccess);
  CHECK(host[0] == 0);
  REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
  CHECK(host[0] == 5);
  set(value.data(), 6, s);
  fetch();
  REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
  CHECK(host[0] == 6);
  set(value.data(), 7, s);
  fetch();
  void* block = nullptr;
  REQUIRE(cudaMalloc(&block, 4) == cudaSuccess);
  REQUIRE(cudaFree(block) == cudaSuccess);  // waits for the device
  CHECK(host[0] == 7);
}

TEST_CASE("streams: two streams without an event run in the worst order, with one in the order asked for") {
  for (bool const with_event : {false, true}) {
    CAPTURE(with_event);
    late_streams const late;
    ints<> const values(2);
    stream const producer, consumer;
    event const ready;
    set(values.data(), 1, producer);
    if (with_event) {
      REQUIRE(cudaEventRecord(ready, producer) == cudaSuccess);
      REQUIRE(cudaStreamWaitEvent(consumer, ready, 0) == cudaSuccess);
    }
    copy(values.data() + 1, values.data(), consumer);
    CHECK(value_at(values.data() + 1) == (with_event ? 1 : 0));
    CHECK(value_at(values.data()) == 1);
  }
}

TEST_CASE("streams: a wait is for the record before it; without a record it is for nothing") {
  late_streams const late;
  ints<> const values(3);
  stream const producer, consumer;
  event const ready;
  REQUIRE(cudaStreamWaitEvent(consumer, ready, 0) == cudaSuccess);
  copy(values.data() + 1, values.data(), consumer);
  set(values.data(), 1, producer);
  REQUIRE(cudaEventRecord(ready, producer) == cudaSuccess);
  REQUIRE(cudaStreamWaitEvent(consumer, ready, 0) == cudaSuccess);
  set(values.data(), 2, producer);
  REQUIRE(cudaEventRecord(ready, producer) == cudaSuccess);
  copy(values.data() + 2, values.data(), consumer);
  REQUIRE(cudaStreamSynchronize(consumer) == cudaSuccess);
  CHECK(value_at(values.data() + 1) == 0);
  CHECK(value_at(values.data() + 2) == 1);
  CHECK(value_at(values.data()) == 2);
}

TEST_CASE("events: reached when the work before them is done; who asks again and again gets an end") {
  late_streams const late;
  ints<> const value(1);
  stream const s;
  event const begin, end, never;
  CHECK(cudaEventQuery(never) == cudaSuccess);
  CHECK(cudaEventSynchronize(never) == cudaSuccess);
  REQUIRE(cudaEventRecord(begin, s) == cudaSuccess);
  set(value.data(), 4, s);
  REQUIRE(cudaEventRecord(end, s) == cudaSuccess);
  set(value.data(), 8, s);
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, begin, end) == cudaErrorNotReady);
  CHECK(cudaEventElapsedTime(&milliseconds, never, end) == cudaErrorInvalidResourceHandle);
  int asked = 0;
  while (cudaEventQuery(end) == cudaErrorNotReady) REQUIRE(++asked < 10);
  CHECK(asked == 3);
  CHECK(cudaStreamQuery(s) == cudaErrorNotReady);  // the fill behind the event
  CHECK(cudaStreamQuery(s) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, begin, end) == cudaSuccess);
  CHECK(milliseconds >= 0);
  CHECK(value_at(value.data()) == 8);
  (void)cudaGetLastError();
}

TEST_CASE("streams: the legacy stream and blocking streams wait for each other, others do not") {
  for (unsigned const flags : {unsigned{cudaStreamDefault}, unsigned{cudaStreamNonBlocking}}) {
    CAPTURE(flags);
    late_streams const late;
    ints<> const values(3);
    stream const s(flags);
    bool const ordered = flags == cudaStreamDefault;
    set(values.data(), 1, s);
    copy(values.data() + 1, values.data(), nullptr);
    REQUIRE(cudaStreamSynchronize(nullptr) == cudaSuccess);
    CHECK(value_at(values.data() + 1) == (ordered ? 1 : 0));
    set(values.data(), 2, nullptr);
    copy(values.data() + 2, values.data(), s);
    REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
    CHECK(value_at(values.data() + 2) == (ordered ? 2 : 1));
  }
}

TEST_CASE("streams: pageable memory is copied before the call returns, page-locked memory when the stream gets there") {
  late_streams const late;
  ints<> const value(1);
  ints<true> const locked(1);
  stream const s;
  auto const upload = [&](int const* from) {
    REQUIRE(cudaMemcpyAsync(value.data(), from, sizeof(int), cudaMemcpyHostToDevice, s) == cudaSuccess);
  };
  int pageable = 1;
  upload(&pageable);
  pageable = 2;
  CHECK(value_at(value.data()) == 1);
  locked[0] = 3;
  upload(locked.data());
  locked[0] = 4;
  CHECK(value_at(value.data()) == 4);
  set(value.data(), 5, s);
  REQUIRE(cudaMemcpyAsync(&pageable, value.data(), sizeof(int), cudaMemcpyDeviceToHost, s) == cudaSuccess);
  CHECK(pageable == 5);
}

TEST_CASE("streams: host functions, graphs and mistakes have their place in the order") {
  late_streams const late;
  ints<> const values(2);
  std::vector<int> order;
  auto const note = [](void* data) { static_cast<std::vector<int>*>(data)->push_back(1); };
  {
    stream const s;
    REQUIRE(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    launch_on(s, 1, double_value, values.data());
    REQUIRE(cudaLaunchHostFunc(s, note, &order) == cudaSuccess);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    REQUIRE(cudaStreamEndCapture(s, &graph) == cudaSuccess);
    REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
    set(values.data(), 3, s);
    REQUIRE(cudaGraphLaunch(executable, s) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(executable, s) == cudaSuccess);
    copy(values.data() + 1, values.data(), s);
    set(values.data(), 1, s);
    REQUIRE(cudaGraphExecDestroy(executable) == cudaSuccess);  // what was launched stays
    REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
    CHECK(order.empty());
  }  // destroying a stream lets its work run
  CHECK(order.size() == 2);
  CHECK(value_at(values.data() + 1) == 12);
  CHECK(cudaStreamDestroy(nullptr) == cudaErrorInvalidResourceHandle);
  (void)cudaGetLastError();
  stream const s;
  launch_on(s, 2, return_early, values.data());
  CHECK_THAT(failure_of([&] { (void)cudaStreamSynchronize(s); }), Catch::Contains("runtime_stream_test.cpp:"));
  launch_on(s, 1, double_value, values.data());
  CHECK(value_at(values.data()) == 2);
}
