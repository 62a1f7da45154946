// SPDX-License-Identifier: MIT
/// @file
/// The device that is measured: its name and limits, a timer of events, and the peaks that it reached in this run.
#pragma once

#include <rlvr/backend/cuda/context.cuh>

#include <cstddef>
#include <functional>
#include <string>

namespace benchmarks {

/// Time on the device between two places of a stream, by a pair of events (resolution about 0.5 us: CUDA Runtime API,
/// "cudaEventElapsedTime").
class stopwatch {
 public:
  stopwatch();
  stopwatch(stopwatch const&) = delete;
  stopwatch& operator=(stopwatch const&) = delete;
  ~stopwatch();

  void start(cudaStream_t stream) const;
  void stop(cudaStream_t stream) const;
  /// Waits for `stop`.
  [[nodiscard]] double seconds() const;

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

/// What the device reached, per second; how long it takes to do nothing between two events.
struct peaks {
  double dram_bytes = 0;  ///< a = b + s c over arrays of ten times L2, or a copy: what is faster
  double l2_bytes = 0;    ///< reads of an array of a quarter of L2
  double fp32 = 0;        ///< operations of fused multiply-adds on registers
  double bf16 = 0;        ///< operations of a large product on cuBLASLt
  double event_seconds = 0;
};

[[nodiscard]] std::size_t l2_bytes();

/// "name, compute capability, multiprocessors, clocks, L2, driver, runtime", in lines.
[[nodiscard]] std::string description_of_device();

/// Measures the peaks; about a second.  @param reduced  runs each kernel once on little: the figures mean nothing
[[nodiscard]] peaks measure_peaks(rlvr::cuda::context& context, bool reduced);

/// Writes `bytes` so that L2 holds nothing else afterwards; on the context's stream.
class l2_flush {
 public:
  explicit l2_flush(std::size_t bytes);
  void run(cudaStream_t stream);

 private:
  rlvr::buffer<unsigned char, rlvr::cuda::device_memory> block_;
};

}  // namespace benchmarks
