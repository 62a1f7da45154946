// SPDX-License-Identifier: MIT
/// @file
/// Version, inline namespace and the attributes that let one header serve g++, clang and nvcc.
#pragma once

#define RLVR_VERSION_MAJOR 0
#define RLVR_VERSION_MINOR 1
#define RLVR_VERSION_PATCH 0

// One inline namespace per ABI-breaking version: two vendored copies can share a process.
#define RLVR_NAMESPACE_BEGIN \
  namespace rlvr {           \
  inline namespace v0_1 {
#define RLVR_NAMESPACE_END \
  }                        \
  }

/// Marks what both host and device code may call.
#if defined(__CUDACC__)
#  define RLVR_HD __host__ __device__
#else
#  define RLVR_HD
#endif
