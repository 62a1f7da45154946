// SPDX-License-Identifier: MIT
/// @file
/// The matrix product of a warp on tensor cores: D = A B + C with A 16 x 16 and B 16 x 8 in bfloat16, C and D 16 x 8 in
/// float, from sm_80 on.  All inline PTX of the library is here.
///
/// The matrices are spread over the registers of the warp (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating
/// point type").  With g = lane / 4, t = lane % 4, and two neighbouring bfloat16 in a register, a lane holds
///
///   A: (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8)   (row, first of two columns)
///   B: (2t, g), (2t + 8, g)                                 (first of two rows, column)
///   C: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)   (row, column)
///
/// So a row of C is the affair of four neighbouring lanes, and two C beside each other, rounded, are an A: a product
/// can become a factor without leaving its registers.
///
/// An element of D depends on its row of A, its column of B and its element of C alone; the order in which the 16
/// products are added to C is the device's, the same for all elements and all times.  A product with a zero factor (and
/// a finite one) adds nothing.
#pragma once

#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/dtype.hpp>

#include <cstdint>

#if !defined(__CUDACC__)
/// A host compiler that executes kernels (tests/cuda_emulation) supplies the product.
extern "C" void rlvr_emulated_matrix_product(float* sums, std::uint32_t const* left, std::uint32_t const* right,
                                             char const* file, int line);
#endif

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {

/// Whether the current device has the products of mma.cuh.
[[nodiscard]] inline bool device_has_mma() {
  int device = 0;
  int major = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
  return major >= 8;
}

/// Two numbers rounded to bfloat16 (to nearest even) in one register, the first in its lower half.
[[nodiscard]] __device__ inline std::uint32_t bf16_pair(float first, float second) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
#else
  return std::uint32_t{bf16(first).bits} | std::uint32_t{bf16(second).bits} << 16;
#endif
}

/// A lane's place in fragments.
struct mma_lane {
  [[nodiscard]] static __device__ unsigned group() { return threadIdx.x % warp_size / 4; }
  [[nodiscard]] static __device__ unsigned pair() { return threadIdx.x % 4; }
};

/// A lane's part of A.
struct mma_left {
  std::uint32_t at[4];

  /// @param block  first pair of row 0; rows are `stride` pairs apart
  [[nodiscard]] static __device__ mma_left load(std::uint32_t const* block, unsigned stride) {
    std::uint32_t const* const upper = block + mma_lane::group() * stride + mma_lane::pair();
    std::uint32_t const* const lower = upper + 8 * stride;
    return {{upper[0], lower[0], upper[4], lower[4]}};
  }
};

/// A lane's part of B.
struct mma_right {
  std::uint32_t at[2];

  /// @param block  first pair of column 0: a pair holds neighbours in a column; columns are `stride` pairs apart
  [[nodiscard]] static __device__ mma_right load(std::uint32_t const* block, unsigned stride) {
    std::uint32_t const* const column = block + mma_lane::group() * stride + mma_lane::pair();
    return {{column[0], column[4]}};
  }
};

/// A lane's part of C and D: at[0] and at[1] are of its first row, at[2] and at[3] of the one 8 below.
struct mma_sums {
  float at[4];
};

/// sums += left * right.  Every lane of the warp calls it.
#if defined(__CUDACC__)
__device__ inline void mma_add(mma_sums& sums, mma_left const& left, mma_right const& right) {
#  if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sums.at[0]), "+f"(sums.at[1]), "+f"(sums.at[2]), "+f"(sums.at[3])
      : "r"(left.at[0]), "r"(left.at[1]), "r"(left.at[2]), "r"(left.at[3]), "r"(right.at[0]), "r"(right.at[1]));
#  else
  (void)sums, (void)left, (void)right;
  __trap();  // older devices have no such instruction; who launches asks before
#  endif
}
#else
inline void mma_add(mma_sums& sums, mma_left const& left, mma_right const& right, char const* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  rlvr_emulated_matrix_product(sums.at, left.at, right.at, file, line);
}
#endif

}  // namespace cuda
RLVR_NAMESPACE_END
