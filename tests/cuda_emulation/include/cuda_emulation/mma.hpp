// SPDX-License-Identifier: MIT
/// @file
/// The product that tensor cores compute: D = A B + C with A 16 x 16 and B 16 x 8 in bfloat16, C and D 16 x 8 in float
/// (PTX ISA, "mma.sync.aligned.m16n8k16", "Matrix Fragments for mma.m16n8k16 with floating point type").
///
/// With g = lane / 4 and t = lane % 4 a lane holds, two neighbouring elements in a word, the first in its lower half,
///
///   A: (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8)   (row, first of two columns)
///   B: (2t, g), (2t + 8, g)                                 (first of two rows, column)
///   C: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)   (row, column)
///
/// Products of two bfloat16 are exact in float.  The manual leaves open in which order and how they are added; here one
/// after another to C, rounded to float each time.
#pragma once

#include <cstdint>

namespace cuda_emulation {

/// A lane's elements.
struct product_fragments {
  std::uint32_t left[4];   ///< of A
  std::uint32_t right[2];  ///< of B
  float sums[4];           ///< of C before, of D after
};

/// Computes the product of a whole warp.  @param lanes  the fragments of each
void multiply_fragments(product_fragments* const (&lanes)[32]);

}  // namespace cuda_emulation

/// What the library's headers call in place of the instruction: the warp's 32 lanes meet here.
extern "C" void rlvr_emulated_matrix_product(float* sums, std::uint32_t const* left, std::uint32_t const* right,
                                             char const* file, int line);
