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

/// Before an RLVR_HD function template that calls what it is handed: nvcc does not object where that is a function of
/// the host, as a lambda is; such an instance is the host's alone.
#if defined(__CUDACC__)
#  define RLVR_HD_OR_HOST _Pragma("nv_exec_check_disable")
#else
#  define RLVR_HD_OR_HOST
#endif

/// On a namespace whose kernels, launchers and contexts each program and each shared library has for itself and exports
/// to nobody (with them every template over such a context).  A kernel is registered with the library that it was
/// compiled into, for that library's architectures; were the symbol shared, the loader could give a library the
/// launcher of another one that was compiled otherwise.
#if defined(__GNUC__) && !defined(__CUDACC_RTC__)
#  define RLVR_HIDDEN [[gnu::visibility("hidden")]]
#else
#  define RLVR_HIDDEN
#endif
