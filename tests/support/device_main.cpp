// SPDX-License-Identifier: MIT
// Catch2's main for programs that need a GPU: without one they say so and end with 77, which ctest counts as skipped.
#define CATCH_CONFIG_RUNNER
#include <cuda_runtime_api.h>

#include "catch.hpp"
#include <cstdio>

int main(int argc, char** argv) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("SKIPPED: no CUDA device");
    return 77;
  }
  return Catch::Session().run(argc, argv);
}
