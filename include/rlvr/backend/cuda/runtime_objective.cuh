// SPDX-License-Identifier: MIT
/// @file
/// A token objective compiled at run time, on the device: loads what runtime_compile.hpp made, and launches it.
///
///     rlvr::cuda::runtime_objective const objective(rlvr::cuda::compile_objective(source, "my_objective"));
///     objective.launch(stream, {.logits = {logits, rows, vocabulary}, .records = {.target = target, ...},
///                               .results = {.loss = losses}});
///
/// Raw device pointers and a stream, as examples/cuda_kernels; nothing else of the library is involved.  The launch
/// neither allocates nor waits, so a graph can capture it; the objective must live until the work is done.
///
/// Values that change from step to step are members of the objective: compile with `parameter_bytes = sizeof(values)`,
/// and give every launch a struct of the host with the same members in the same order.
///
/// Any host compiler takes this header.  Needs CUDA 12.8, whose runtime loads libraries; the driver itself is not
/// linked.
#pragma once

#if !defined(__CUDACC__) && !defined(RLVR_CUDA_EMULATION) && !defined(RLVR_CUDA_LINKED)
#  define RLVR_CUDA_LINKED  // this header launches kernels by their handle and defines none
#endif

#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/backend/cuda/runtime_compile.hpp>
#include <rlvr/backend/cuda/runtime_loss_rows.hpp>
#include <rlvr/core/math.hpp>

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

#if CUDART_VERSION < 12080
#  error "Loading an objective that was compiled at run time needs the CUDA Toolkit 12.8 or newer"
#endif

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// The architecture of the current device, e.g. "sm_90", for `runtime_options`.
[[nodiscard]] inline std::string device_architecture() {
  int device = 0, major = 0, minor = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device), "cudaDeviceGetAttribute");
  return "sm_" + std::to_string(major) + std::to_string(minor);
}

/// A loaded objective.  Not copyable.
class runtime_objective {
 public:
  /// @throws cuda_error where the device cannot run the code
  explicit runtime_objective(compiled_objective const& code) : parameter_bytes_(code.parameter_bytes) {
    check(cudaLibraryLoadData(&library_, code.code.c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0),
          "cudaLibraryLoadData");
    try {
      warps_ = kernel(detail::runtime_warp_kernel);
      blocks_ = kernel(detail::runtime_small_block_kernel);
      large_blocks_ = kernel(detail::runtime_large_block_kernel);
    } catch (...) {
      (void)cudaLibraryUnload(library_);
      throw;
    }
  }
  /// Compiles and loads.
  runtime_objective(std::string_view source, std::string_view type, runtime_options const& options = {})
      : runtime_objective(compile_objective(source, type, options)) {}

  runtime_objective(runtime_objective&& other) noexcept
      : library_(std::exchange(other.library_, nullptr)),
        warps_(other.warps_),
        blocks_(other.blocks_),
        large_blocks_(other.large_blocks_),
        parameter_bytes_(other.parameter_bytes_) {}
  runtime_objective& operator=(runtime_objective&& other) noexcept {
    std::swap(library_, other.library_);
    std::swap(warps_, other.warps_);
    std::swap(blocks_, other.blocks_);
    std::swap(large_blocks_, other.large_blocks_);
    std::swap(parameter_bytes_, other.parameter_bytes_);
    return *this;
  }
  ~runtime_objective() {
    if (library_ != nullptr) (void)cudaLibraryUnload(library_);
  }

  /// Queues loss and gradient of every row.
  /// @throws argument_error if the objective was compiled with parameters
  void launch(cudaStream_t stream, runtime_loss_rows const& rows) const { launch(stream, rows, nullptr, 0); }

  /// @overload
  /// @param values  the objective's members
  /// @throws argument_error if their size is not that which the objective was compiled with
  template <class Values>
  void launch(cudaStream_t stream, runtime_loss_rows const& rows, Values const& values) const {
    static_assert(std::is_trivially_copyable_v<Values>, "values are copied to the device byte by byte");
    launch(stream, rows, &values, sizeof values);
  }

 private:
  [[nodiscard]] cudaKernel_t kernel(char const* name) const {
    cudaKernel_t found = nullptr;
    check(cudaLibraryGetKernel(&found, library_, name), "cudaLibraryGetKernel");
    return found;
  }

  void launch(cudaStream_t stream, runtime_loss_rows const& rows, void const* values, std::size_t bytes) const {
    if (bytes != parameter_bytes_)
      throw argument_error("runtime_objective: " + std::to_string(bytes) + " bytes of values, compiled for " +
                           std::to_string(parameter_bytes_));
    if (rows.logits.rows == 0 || rows.logits.columns == 0) return;
    if (rows.logits.data == nullptr || rows.records.target == nullptr)
      throw argument_error("runtime_objective: logits and targets must not be null");
    cudaKernel_t chosen = large_blocks_;
    unsigned threads = detail::runtime_large_block;
    std::size_t blocks = rows.logits.rows;
    if (rows.logits.columns <= detail::runtime_block_width) {
      chosen = blocks_;
      threads = detail::runtime_small_block;
    }
    if (rows.logits.columns <= detail::runtime_warp_width) {
      chosen = warps_;
      blocks = math::ceil_div(blocks, std::size_t{detail::runtime_small_block / detail::runtime_warp_size});
    }
    if (blocks > 0x7fffffffu)
      throw argument_error("runtime_objective: " + std::to_string(blocks) + " blocks are too many");
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(blocks));
    config.blockDim = dim3(threads);
    config.stream = stream;
    // The runtime copies both before it returns.
    void* arguments[] = {const_cast<runtime_loss_rows*>(&rows), const_cast<void*>(values)};
    check(cudaLaunchKernelExC(&config, reinterpret_cast<void const*>(chosen), arguments), "cudaLaunchKernelExC");
  }

  cudaLibrary_t library_ = nullptr;
  cudaKernel_t warps_ = nullptr;
  cudaKernel_t blocks_ = nullptr;
  cudaKernel_t large_blocks_ = nullptr;
  std::size_t parameter_bytes_ = 0;
};

}  // namespace cuda
RLVR_NAMESPACE_END
