// SPDX-License-Identifier: MIT
/// @file
/// The emulated runtime's memory: who may touch what, what a released block does, copies, fills, the last error.
#include "runtime/memory.hpp"
#include "runtime_support.hpp"
#include <cmath>
#include <cstring>
#include <limits>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#  include <sanitizer/asan_interface.h>
#endif

using namespace runtime_tests;

namespace {

/// Whether host code can read the byte; without a signal where it cannot.
bool host_can_read(void const* address) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  bool const result = write(ends[1], address, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return result;
}

void* device_block(std::size_t bytes) {
  void* block = nullptr;
  REQUIRE(cudaMalloc(&block, bytes) == cudaSuccess);
  return block;
}

float float_at(void const* device) {
  float value = 0;
  REQUIRE(cudaMemcpy(&value, device, sizeof value, cudaMemcpyDeviceToHost) == cudaSuccess);
  return value;
}

cudaMemoryType type_of(void const* address) {
  cudaPointerAttributes attributes;
  REQUIRE(cudaPointerGetAttributes(&attributes, address) == cudaSuccess);
  return attributes.type;
}

}  // namespace

TEST_CASE("runtime: device memory starts as NaN and is not the host's; managed and page-locked memory are both's") {
  void* const device = device_block(64);
  CHECK(std::isnan(float_at(device)));
#if !defined(__SANITIZE_ADDRESS__)  // which sees accesses of the host itself
  CHECK_FALSE(host_can_read(device));
#endif
  void *managed = nullptr, *locked = nullptr;
  REQUIRE(cudaMallocManaged(&managed, 64, cudaMemAttachGlobal) == cudaSuccess);
  REQUIRE(cudaMallocHost(&locked, 64) == cudaSuccess);
  CHECK(host_can_read(managed));
  CHECK(host_can_read(locked));
  int const on_stack = 0;
  CHECK(type_of(device) == cudaMemoryTypeDevice);
  CHECK(type_of(static_cast<char*>(device) + 63) == cudaMemoryTypeDevice);
  CHECK(type_of(managed) == cudaMemoryTypeManaged);
  CHECK(type_of(static_cast<char*>(locked) + 63) == cudaMemoryTypeHost);
  CHECK(type_of(&on_stack) == cudaMemoryTypeUnregistered);
  CHECK(cudaFree(device) == cudaSuccess);
  CHECK(cudaFree(managed) == cudaSuccess);
  CHECK(cudaFreeHost(locked) == cudaSuccess);
}

TEST_CASE("runtime: a block is released once, by its first byte, by the function of its kind") {
  auto* const block = static_cast<char*>(device_block(64));
  int on_stack = 0;
  for (void* const wrong : {static_cast<void*>(block + 4), static_cast<void*>(&on_stack)})
    CHECK_THAT(failure_of([&] { (void)cudaFree(wrong); }), Catch::Contains("no live device allocation"));
  CHECK(cudaFree(block) == cudaSuccess);
  CHECK_THAT(failure_of([&] { (void)cudaFree(block); }), Catch::Contains("no live device allocation"));
  void* locked = nullptr;
  REQUIRE(cudaMallocHost(&locked, 64) == cudaSuccess);
  CHECK_THAT(failure_of([&] { (void)cudaFree(locked); }), Catch::Contains("no live device allocation"));
  CHECK_THAT(failure_of([&] { (void)cudaFreeHost(static_cast<char*>(locked) + 4); }), Catch::Contains("page-locked"));
  CHECK(cudaFreeHost(locked) == cudaSuccess);
  CHECK_THAT(failure_of([&] { (void)cudaFreeHost(locked); }), Catch::Contains("page-locked"));
  CHECK(cudaFree(nullptr) == cudaSuccess);
  CHECK(cudaFreeHost(nullptr) == cudaSuccess);
}

TEST_CASE("runtime: what was not released is counted; a released block rests and holds NaN") {
  std::size_t const before = cuda_emulation::live_device_bytes();
  void* const block = device_block(100);
  CHECK(cuda_emulation::live_device_bytes() == before + 100);
  std::size_t available = 0, total = 0;
  REQUIRE(cudaMemGetInfo(&available, &total) == cudaSuccess);
  CHECK(total - available == before + 100);
  REQUIRE(cudaMemset(block, 0, 100) == cudaSuccess);
  CHECK(float_at(block) == 0.0f);
  REQUIRE(cudaFree(block) == cudaSuccess);
  CHECK(cuda_emulation::live_device_bytes() == before);
  void* const next = device_block(100);
  CHECK(next != block);
  float gone = 0;
  CHECK_THAT(failure_of([&] { (void)cudaMemcpy(&gone, block, sizeof gone, cudaMemcpyDeviceToHost); }),
             Catch::Contains("leave the allocation"));
#if defined(__SANITIZE_ADDRESS__)
  CHECK(__asan_address_is_poisoned(block));
  CHECK_FALSE(__asan_address_is_poisoned(static_cast<char*>(next) + 99));
  CHECK(__asan_address_is_poisoned(static_cast<char*>(next) + 100));
#else
  cuda_emulation::unlock_device_memory const open;
  float value = 0;
  std::memcpy(&value, block, sizeof value);
  CHECK(std::isnan(value));
#endif
  CHECK(cudaFree(next) == cudaSuccess);
}

TEST_CASE("runtime: blocks of no bytes are blocks; too many bytes are an error") {
  void* const empty = device_block(0);
  void* const other = device_block(0);
  CHECK(empty != other);
  CHECK(cudaFree(empty) == cudaSuccess);
  CHECK(cudaFree(other) == cudaSuccess);
  void* block = &block;
  CHECK(cudaMalloc(&block, std::numeric_limits<std::size_t>::max() / 2) == cudaErrorMemoryAllocation);
  CHECK(block == nullptr);
  CHECK(cudaMalloc(nullptr, 4) == cudaErrorInvalidValue);
  (void)cudaGetLastError();
}

TEST_CASE("runtime: the last error stays until it is asked for, and no success hides it") {
  (void)cudaGetLastError();
  CHECK(cudaSetDevice(7) == cudaErrorInvalidDevice);
  CHECK(cudaSetDevice(0) == cudaSuccess);
  CHECK(cudaPeekAtLastError() == cudaErrorInvalidDevice);
  CHECK(cudaPeekAtLastError() == cudaErrorInvalidDevice);
  CHECK(cudaGetLastError() == cudaErrorInvalidDevice);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(std::string(cudaGetErrorName(cudaErrorInvalidDevice)) == "cudaErrorInvalidDevice");
  // None of them keeps the device from working: the emulation throws where a device would end the context.
  void* const block = device_block(4);
  CHECK(cudaFree(block) == cudaSuccess);
}

TEST_CASE("runtime: a copy's kind must fit its pointers, and its bytes their allocations") {
  ints<> const device(4);
  int host[4] = {1, 2, 3, 4};
  auto const copy = [](void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind) {
    return failure_of([&] { (void)cudaMemcpy(to, from, bytes, kind); });
  };
  auto const fill = [](void* to, std::size_t bytes) {
    (void)cudaMemset(to, 0, bytes);
    (void)cudaDeviceSynchronize();
  };
  CHECK_THAT(copy(host, device.data(), 16, cudaMemcpyHostToDevice), Catch::Contains("not a device pointer"));
  CHECK_THAT(copy(device.data(), host, 16, cudaMemcpyDeviceToDevice), Catch::Contains("not a device pointer"));
  CHECK_THAT(copy(device.data(), host, 16, cudaMemcpyDeviceToHost), Catch::Contains("kind says host"));
  CHECK_THAT(copy(host, device.data(), 16, cudaMemcpyHostToHost), Catch::Contains("kind says host"));
  CHECK_THAT(copy(device.data(), host, 17, cudaMemcpyHostToDevice), Catch::Contains("17 bytes leave the allocation"));
  CHECK_THAT(copy(device.data() + 1, host, 16, cudaMemcpyHostToDevice), Catch::Contains("byte 4 of a device"));
  CHECK_THAT(failure_of([&] { fill(host, 4); }), Catch::Contains("not a device pointer"));
  CHECK_THAT(failure_of([&] { fill(device.data(), 17); }), Catch::Contains("leave the allocation"));
  CHECK(copy(device.data(), host, 16, cudaMemcpyDefault).empty());
  CHECK(value_at(device.data() + 3) == 4);
  int back[4] = {};
  CHECK(copy(back, device.data(), 16, cudaMemcpyDefault).empty());
  CHECK(back[2] == 3);
  // No bytes are no copy, whatever the pointers.
  CHECK(copy(nullptr, nullptr, 0, cudaMemcpyHostToDevice).empty());
  CHECK(cudaMemset(nullptr, 0, 0) == cudaSuccess);
}

TEST_CASE("runtime: a fill sets bytes, and a copy of lines leaves what lies between them") {
  ints<> const device(6);
  REQUIRE(cudaMemset(device.data() + 1, 0x01, 6) == cudaSuccess);
  CHECK(value_at(device.data()) == 0);
  CHECK(value_at(device.data() + 1) == 0x01010101);
  CHECK(value_at(device.data() + 2) == 0x0101);
  int const lines[2][2] = {{1, 2}, {3, 4}};
  constexpr std::size_t word = sizeof(int);
  stream const s;
  auto const copy = [&](std::size_t pitch, std::size_t width, std::size_t height) {
    return cudaMemcpy2DAsync(device.data(), 3 * word, lines, pitch, width, height, cudaMemcpyHostToDevice, s);
  };
  REQUIRE(copy(2 * word, 2 * word, 2) == cudaSuccess);
  int found[6];
  REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
  REQUIRE(cudaMemcpy(found, device.data(), sizeof found, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK((found[0] == 1 && found[1] == 2 && found[2] == 0x0101 && found[3] == 3 && found[4] == 4 && found[5] == 0));
  CHECK(copy(word, 2 * word, 2) == cudaErrorInvalidPitchValue);
  CHECK(copy(2 * word, 0, 2) == cudaSuccess);
  CHECK(copy(2 * word, 2 * word, 0) == cudaSuccess);
  // Lines within the device are one piece of work, and are checked.
  CHECK_THAT(failure_of([&] {
               (void)cudaMemcpy2DAsync(device.data() + 2, 3 * word, device.data(), 3 * word, 2 * word, 2,
                                       cudaMemcpyDeviceToDevice, s);
               (void)cudaStreamSynchronize(s);
             }),
             Catch::Contains("leave the allocation"));
  (void)cudaGetLastError();
}
