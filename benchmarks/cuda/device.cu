// SPDX-License-Identifier: MIT
#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/math.hpp>

#include "device.hpp"
#include "operands.hpp"
#include <algorithm>
#include <cstdio>

namespace benchmarks {
namespace {

using rlvr::cuda::check;
using rlvr::cuda::launch;

constexpr unsigned threads = 256;

[[nodiscard]] int attribute(cudaDeviceAttr which) {
  int device = 0, value = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

// a = b + scale c, 16 bytes a thread and turn.
template <class Vector>
__global__ void triad_kernel(Vector* a, Vector const* b, Vector const* c, float scale, std::size_t count) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    Vector const x = b[i], y = c[i];
    a[i] = {x.x + scale * y.x, x.y + scale * y.y, x.z + scale * y.z, x.w + scale * y.w};
  }
}

// Reads the array once a round.  A block reads another part in each, which its own L1 cannot hold any more when its
// turn comes again.
template <class Vector>
__global__ void read_kernel(Vector const* values, std::size_t part, unsigned rounds, float* sums) {
  float sum = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    Vector const* const mine = values + (blockIdx.x + round) % gridDim.x * part;
    for (std::size_t i = threadIdx.x; i < part; i += blockDim.x) sum += mine[i].x + mine[i].y + mine[i].z + mine[i].w;
  }
  sums[std::size_t{blockIdx.x} * blockDim.x + threadIdx.x] = sum;
}

// Eight independent chains of fused multiply-adds a thread.
template <class Value>
__global__ void multiply_add_kernel(Value* sums, unsigned rounds, Value factor) {
  std::size_t const thread = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  Value chain[8];
  for (unsigned i = 0; i < 8; ++i) chain[i] = static_cast<Value>(thread % 32 + i);
  for (unsigned round = 0; round < rounds; ++round)
    for (unsigned i = 0; i < 8; ++i) chain[i] = chain[i] * factor + Value(0.25);
  Value total = 0;
  for (unsigned i = 0; i < 8; ++i) total += chain[i];
  sums[thread] = total;
}

// The shortest of some runs, after one that does not count.
template <class Work>
[[nodiscard]] double shortest(cudaStream_t stream, unsigned runs, Work const& work) {
  work();
  stopwatch watch;
  double best = 0;
  for (unsigned run = 0; run < runs; ++run) {
    watch.start(stream);
    work();
    watch.stop(stream);
    double const seconds = watch.seconds();
    best = run == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

[[nodiscard]] double dram_peak(cudaStream_t stream, std::size_t bytes, unsigned blocks, unsigned runs) {
  operands owner;
  auto const a = owner.array(bytes / 4, 0.0f), b = owner.array(bytes / 4), c = owner.array(bytes / 4);
  auto const vectors = [](std::span<float> values) { return reinterpret_cast<float4*>(values.data()); };
  double const triad = shortest(stream, runs, [&] {
    launch(triad_kernel<float4>, blocks, threads, 0, stream, vectors(a), vectors(b), vectors(c), 0.5f, bytes / 16);
  });
  double const copy = shortest(stream, runs, [&] {
    check(cudaMemcpyAsync(a.data(), b.data(), bytes, cudaMemcpyDeviceToDevice, stream), "cudaMemcpyAsync");
  });
  auto const size = static_cast<double>(bytes);
  return std::max(3 * size / triad, 2 * size / copy);
}

[[nodiscard]] double l2_peak(cudaStream_t stream, std::size_t bytes, unsigned blocks, unsigned rounds, unsigned runs) {
  operands owner;
  std::size_t const part = bytes / 16 / blocks;
  auto const values = owner.array(part * blocks * 4);
  float* const sums = owner.array(std::size_t{blocks} * threads, 0.0f).data();
  double const seconds = shortest(stream, runs, [&] {
    launch(read_kernel<float4>, blocks, threads, 0, stream, reinterpret_cast<float4 const*>(values.data()), part,
           rounds, sums);
  });
  return static_cast<double>(values.size_bytes()) * rounds / seconds;
}

[[nodiscard]] double fp32_peak(cudaStream_t stream, unsigned blocks, unsigned rounds, unsigned runs) {
  operands owner;
  float* const sums = owner.array(std::size_t{blocks} * threads, 0.0f).data();
  double const seconds = shortest(
      stream, runs, [&] { launch(multiply_add_kernel<float>, blocks, threads, 0, stream, sums, rounds, 0.5f); });
  return 2.0 * 8 * rounds * blocks * threads / seconds;
}

[[nodiscard]] double bf16_peak(rlvr::cuda::context& context, std::size_t edge, unsigned runs) {
  operands owner;
  auto const a = owner.matrix<rlvr::bf16>(edge, edge), b = owner.matrix<rlvr::bf16>(edge, edge);
  auto const d = owner.matrix(edge, edge, 0.0f);
  rlvr::cuda::product const square{.m = edge,
                                   .n = edge,
                                   .k = edge,
                                   .type = rlvr::dtype::bf16,
                                   .a = a.data,
                                   .a_stride = edge,
                                   .a_transposed = true,
                                   .b = b.data,
                                   .b_stride = edge,
                                   .d = d.data,
                                   .d_stride = edge,
                                   .rows_are_n = false};
  double const seconds = shortest(context.stream(), runs, [&] { context.multiply(square); });
  auto const n = static_cast<double>(edge);
  return 2 * n * n * n / seconds;
}

}  // namespace

stopwatch::stopwatch() {
  check(cudaEventCreate(&begin_), "cudaEventCreate");
  check(cudaEventCreate(&end_), "cudaEventCreate");
}
stopwatch::~stopwatch() {
  (void)cudaEventDestroy(begin_);
  (void)cudaEventDestroy(end_);
}
void stopwatch::start(cudaStream_t stream) const { check(cudaEventRecord(begin_, stream), "cudaEventRecord"); }
void stopwatch::stop(cudaStream_t stream) const { check(cudaEventRecord(end_, stream), "cudaEventRecord"); }
double stopwatch::seconds() const {
  float milliseconds = 0;
  check(cudaEventSynchronize(end_), "cudaEventSynchronize");
  check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
  return static_cast<double>(milliseconds) * 1e-3;
}

std::size_t l2_bytes() { return static_cast<std::size_t>(attribute(cudaDevAttrL2CacheSize)); }

std::string description_of_device() {
  int device = 0, driver = 0, runtime = 0;
  cudaDeviceProp properties{};
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  char text[1024];
  std::snprintf(text, sizeof text,
                "device: %s, compute capability %d.%d, %d multiprocessors, %.1f GB\n"
                "highest clocks: %.0f MHz, memory %.0f MHz; L2: %.1f MB; driver for CUDA %d.%d, runtime %d.%d\n",
                properties.name, properties.major, properties.minor, properties.multiProcessorCount,
                static_cast<double>(properties.totalGlobalMem) * 1e-9, attribute(cudaDevAttrClockRate) * 1e-3,
                attribute(cudaDevAttrMemoryClockRate) * 1e-3, static_cast<double>(l2_bytes()) * 1e-6, driver / 1000,
                driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  return text;
}

peaks measure_peaks(rlvr::cuda::context& context, bool reduced) {
  cudaStream_t const stream = context.stream();
  auto const multiprocessors = static_cast<unsigned>(attribute(cudaDevAttrMultiProcessorCount));
  unsigned const blocks = reduced ? 2 : 8 * multiprocessors;
  unsigned const runs = reduced ? 1 : 20;
  std::size_t const large = reduced ? 8192 : rlvr::math::ceil_div(10 * l2_bytes(), std::size_t{16}) * 16;
  peaks found;
  found.dram_bytes = dram_peak(stream, large, blocks, runs);
  found.l2_bytes = l2_peak(stream, reduced ? 8192 : l2_bytes() / 4, blocks, reduced ? 2 : 200, runs);
  found.fp32 = fp32_peak(stream, blocks, reduced ? 2 : 8192, runs);
  found.bf16 = bf16_peak(context, reduced ? 32 : 8192, runs);
  found.event_seconds = shortest(stream, runs, [] {});
  return found;
}

l2_flush::l2_flush(std::size_t bytes) : block_(bytes) {}
void l2_flush::run(cudaStream_t stream) {
  check(cudaMemsetAsync(block_.data(), 1, block_.size(), stream), "cudaMemsetAsync");
}

}  // namespace benchmarks
