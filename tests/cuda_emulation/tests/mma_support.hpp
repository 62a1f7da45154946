// SPDX-License-Identifier: MIT
/// @file
/// Random matrices for tests of the tensor cores' product; the same for the engine and for the PTX interpreter.
#pragma once

#include <rlvr/backend/cuda/mma.cuh>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace mma_tests {

/// `warps` problems beside each other, row-major.
struct matrices {
  matrices(std::size_t warps, unsigned seed)
      : count(warps), left(warps * 16 * 16), right(warps * 16 * 8), sums(warps * 16 * 8) {
    std::mt19937 engine(seed);
    auto const fill = [&](std::vector<float>& values) {
      for (float& value : values) value = static_cast<float>(engine() >> 8) * 0x1p-23f - 1.0f;
    };
    fill(left);
    fill(right);
    fill(sums);
  }

  std::size_t count;
  std::vector<float> left, right, sums;
};

/// sums += left * right, a warp for each problem.  Fragments come straight from their definition.
template <class Float>
__global__ void multiply_kernel(Float const* left, Float const* right, Float* sums) {
  unsigned const warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  Float const* const a = left + warp * 256;
  Float const* const b = right + warp * 128;
  Float* const c = sums + warp * 128;
  auto const left_pair = [&](unsigned row, unsigned column) {
    return rlvr::cuda::bf16_pair(a[row * 16 + column], a[row * 16 + column + 1]);
  };
  auto const right_pair = [&](unsigned row, unsigned column) {
    return rlvr::cuda::bf16_pair(b[row * 8 + column], b[(row + 1) * 8 + column]);
  };
  rlvr::cuda::mma_left const x{
      {left_pair(g, 2 * t), left_pair(g + 8, 2 * t), left_pair(g, 2 * t + 8), left_pair(g + 8, 2 * t + 8)}};
  rlvr::cuda::mma_right const y{{right_pair(2 * t, g), right_pair(2 * t + 8, g)}};
  Float* const upper = c + g * 8 + 2 * t;
  Float* const lower = upper + 64;
  rlvr::cuda::mma_sums d{{upper[0], upper[1], lower[0], lower[1]}};
  rlvr::cuda::mma_add(d, x, y);
  upper[0] = d.at[0], upper[1] = d.at[1], lower[0] = d.at[2], lower[1] = d.at[3];
}

/// The largest error as a multiple of what 16 additions in float may cost: 16 eps (|C| + sum |a b|).
inline double worst_excess(matrices const& m, std::vector<float> const& found) {
  auto const rounded = [](float x) { return static_cast<double>(static_cast<float>(rlvr::bf16(x))); };
  double worst = 0;
  for (std::size_t p = 0; p < m.count; ++p)
    for (std::size_t row = 0; row < 16; ++row)
      for (std::size_t column = 0; column < 8; ++column) {
        std::size_t const at = p * 128 + row * 8 + column;
        double expected = static_cast<double>(m.sums[at]), size = std::abs(expected);
        for (std::size_t k = 0; k < 16; ++k) {
          double const product = rounded(m.left[p * 256 + row * 16 + k]) * rounded(m.right[p * 128 + k * 8 + column]);
          expected += product;
          size += std::abs(product);
        }
        double const error = std::abs(static_cast<double>(found[at]) - expected);
        worst = std::max(worst, error / (16 * static_cast<double>(std::numeric_limits<float>::epsilon()) * size));
      }
  return worst;
}

/// Lane l: the pair of a number between two bfloat16 and of -l.
template <class Word>
__global__ void pair_kernel(Word* out) {
  float const step = 0x1p-8f;  // half of the distance of bfloat16 from 1 on
  auto const lane = static_cast<float>(threadIdx.x);
  out[threadIdx.x] = rlvr::cuda::bf16_pair(1.0f + step * lane, -lane);
}

inline std::vector<std::uint32_t> expected_pairs() {
  std::vector<std::uint32_t> pairs;
  for (unsigned lane = 0; lane < 32; ++lane) {
    unsigned const steps = lane % 4 == 3 ? lane / 2 + 1 : lane / 2;  // a tie goes to the even one
    std::uint32_t const first = 0x3f80u + steps;
    std::uint32_t const second = rlvr::bf16(-static_cast<float>(lane)).bits;
    pairs.push_back(first | second << 16);
  }
  return pairs;
}

}  // namespace mma_tests
