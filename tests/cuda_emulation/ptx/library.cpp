// SPDX-License-Identifier: MIT
/// @file
/// Libraries that a program loads while it runs, from PTX's text: what NVRTC makes can be executed too.
#include <cuda_runtime_api.h>

#include "ptx/modules.hpp"
#include "runtime/error.hpp"
#include <string_view>

using namespace cuda_emulation;

extern "C" {

cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, void const* code, cudaJitOption*, void**, unsigned,
                                cudaLibraryOption*, void**, unsigned) {
  if (library == nullptr || code == nullptr) return remember(cudaErrorInvalidValue);
  auto const* const text = static_cast<char const*>(code);
  if (text[0] == '\x7f') return remember(cudaErrorNoKernelImageForDevice);  // a cubin: machine code
  if (std::string_view(text).find(".version") == std::string_view::npos) return remember(cudaErrorInvalidPtx);
  *library = static_cast<cudaLibrary_t>(ptx::load_library(text));
  return cudaSuccess;
}

cudaError_t cudaLibraryUnload(cudaLibrary_t library) {
  cudaError_t const done = cudaDeviceSynchronize();  // kernels may be queued
  if (done != cudaSuccess) return done;
  return remember(ptx::unload_library(library) ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t library, char const* name) {
  void const* const found = ptx::find_library_kernel(library, name);
  if (found == nullptr) return remember(cudaErrorSymbolNotFound);
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(found));
  return cudaSuccess;
}

}  // extern "C"
