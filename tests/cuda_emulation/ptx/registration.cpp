// SPDX-License-Identifier: MIT
/// @file
/// The functions that nvcc's host code calls when the program starts and when it launches a kernel, in place of
/// libcudart's.
#include <cuda_runtime_api.h>

#include "engine/grid.hpp"
#include "engine/state.hpp"
#include "ptx/execution.hpp"
#include "ptx/fatbin.hpp"
#include "ptx/modules.hpp"
#include <cstring>
#include <vector>

namespace cuda_emulation::ptx {
namespace {

/// What `<<<>>>` leaves for the stub that it calls.
struct call_configuration {
  dim3 grid, block;
  std::size_t shared_bytes;
  void* stream;
};
std::vector<call_configuration> configurations;

cudaError_t launch(void const* symbol, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                   void* stream) {
  check_launch(symbol, grid, block, shared_bytes);
  program const& kernel = find_kernel(symbol);
  std::vector<unsigned char> parameters(kernel.parameter_bytes);
  for (std::size_t index = 0; index < kernel.parameters.size(); ++index) {
    parameter const& to = kernel.parameters[index];
    std::memcpy(parameters.data() + to.offset, arguments[index], to.bytes);
  }
  enqueue(stream, [&kernel, grid, block, shared_bytes, parameters = std::move(parameters)] {
    run_grid(kernel, grid, block, shared_bytes, parameters);
  });
  return cudaSuccess;
}

}  // namespace
}  // namespace cuda_emulation::ptx

using namespace cuda_emulation;

// The prototypes are nvcc's own; no public header has them.
#pragma GCC diagnostic ignored "-Wmissing-declarations"

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  static void* handle = nullptr;
  for (std::string& text : ptx::modules_of(wrapper)) ptx::add_module_text(std::move(text));
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }

void __cudaRegisterFunction(void**, char const* host_symbol, char*, char const* name, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {
  ptx::add_kernel_symbol(host_symbol, name);
}

void __cudaRegisterVar(void**, char* host_symbol, char*, char const* name, int, std::size_t bytes, int, int) {
  ptx::add_variable_symbol(host_symbol, name, bytes);
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared_bytes, void* stream) {
  ptx::configurations.push_back({grid, block, shared_bytes, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared_bytes, void* stream) {
  ptx::call_configuration const top = ptx::configurations.back();
  ptx::configurations.pop_back();
  *grid = top.grid;
  *block = top.block;
  *shared_bytes = top.shared_bytes;
  std::memcpy(stream, &top.stream, sizeof top.stream);
  return cudaSuccess;
}

/// A kernel's handle is its host symbol.
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, void const* symbol) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(symbol));
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(void const* symbol, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                             cudaStream_t stream) {
  return ptx::launch(symbol, grid, block, arguments, shared_bytes, stream);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                               cudaStream_t stream) {
  return ptx::launch(kernel, grid, block, arguments, shared_bytes, stream);
}

cudaError_t cudaLaunchKernelExC(cudaLaunchConfig_t const* configuration, void const* symbol, void** arguments) {
  if (configuration->numAttrs != 0) throw failure("cudaLaunchKernelEx: launch attributes are not emulated");
  return ptx::launch(symbol, configuration->gridDim, configuration->blockDim, arguments,
                     configuration->dynamicSmemBytes, configuration->stream);
}

cudaError_t cudaGetSymbolAddress(void** address, void const* symbol) {
  *address = ptx::find_variable(symbol).address;
  return *address != nullptr ? cudaSuccess : cudaErrorInvalidSymbol;
}

cudaError_t cudaGetSymbolSize(std::size_t* bytes, void const* symbol) {
  ptx::device_variable const variable = ptx::find_variable(symbol);
  *bytes = variable.bytes;
  return variable.address != nullptr ? cudaSuccess : cudaErrorInvalidSymbol;
}

cudaError_t cudaMemcpyToSymbol(void const* symbol, void const* source, std::size_t bytes, std::size_t offset,
                               cudaMemcpyKind kind) {
  ptx::device_variable const variable = ptx::find_variable(symbol);
  if (variable.address == nullptr) return cudaErrorInvalidSymbol;
  return cudaMemcpy(static_cast<char*>(variable.address) + offset, source, bytes, kind);
}

cudaError_t cudaMemcpyFromSymbol(void* destination, void const* symbol, std::size_t bytes, std::size_t offset,
                                 cudaMemcpyKind kind) {
  ptx::device_variable const variable = ptx::find_variable(symbol);
  if (variable.address == nullptr) return cudaErrorInvalidSymbol;
  return cudaMemcpy(destination, static_cast<char const*>(variable.address) + offset, bytes, kind);
}

}  // extern "C"
