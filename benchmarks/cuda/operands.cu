// SPDX-License-Identifier: MIT
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/math.hpp>
#include <rlvr/core/random.hpp>

#include "operands.hpp"
#include <cstdint>

namespace benchmarks {
namespace {

constexpr unsigned threads = 256;

// Four elements a draw.
template <class T>
__global__ void randomise_kernel(T* values, std::size_t count, float scale, unsigned seed) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; 4 * i < count; i += step) {
    auto const draw = rlvr::philox(seed, {{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32), 0, 0}});
    for (std::size_t j = 4 * i; j < count && j < 4 * i + 4; ++j)
      values[j] = T(scale * (static_cast<float>(draw.word[j % 4] >> 8) * 0x1p-23f - 1.0f));
  }
}

template <class T>
void fill(T* values, std::size_t count, float scale, unsigned seed) {
  std::size_t const blocks = rlvr::math::min(rlvr::math::ceil_div(count, std::size_t{4 * threads}), std::size_t{4096});
  rlvr::cuda::launch(randomise_kernel<T>, blocks, threads, 0, cudaStreamPerThread, values, count, scale, seed);
  rlvr::cuda::check(cudaStreamSynchronize(cudaStreamPerThread), "cudaStreamSynchronize");
}

}  // namespace

void randomise(float* values, std::size_t count, float scale, unsigned seed) { fill(values, count, scale, seed); }
void randomise(rlvr::bf16* values, std::size_t count, float scale, unsigned seed) { fill(values, count, scale, seed); }

}  // namespace benchmarks
