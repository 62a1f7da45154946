// SPDX-License-Identifier: MIT
/// @file
/// Sums over the rows of a matrix, one per column, added to a vector: gradients of biases and of norms' weights.
///
/// Rows are cut into chunks of fixed size.  A block sums one chunk for 32 columns, in eight interleaved parts that it
/// folds in order; a second kernel adds the chunks in order.  No atomics: the same bits on every run.
#pragma once

#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/backend/cuda/launch.cuh>
#include <rlvr/core/math.hpp>

#include <cstddef>

RLVR_NAMESPACE_BEGIN
namespace RLVR_HIDDEN cuda {
namespace detail {

inline constexpr std::size_t column_chunk_rows = 256;
inline constexpr unsigned column_tile = warp_size;  ///< columns of a block: a warp reads 128 neighbouring bytes
inline constexpr unsigned column_parts = 8;         ///< warps of a block, each with every eighth row

/// partial[chunk, column] = sum of term(row, column) over the chunk's rows.
template <class Term>
__global__ void __launch_bounds__(column_tile* column_parts)
    column_chunks_kernel(__grid_constant__ Term const term, std::size_t rows, std::size_t columns, float* partial) {
  __shared__ float parts[column_parts][column_tile];
  std::size_t const tiles = math::ceil_div(columns, std::size_t{column_tile});
  std::size_t const chunk = blockIdx.x / tiles;
  unsigned const lane = threadIdx.x % column_tile;
  unsigned const part = threadIdx.x / column_tile;
  std::size_t const column = blockIdx.x % tiles * column_tile + lane;
  std::size_t const begin = chunk * column_chunk_rows;
  std::size_t const end = math::min(rows, begin + column_chunk_rows);
  float sum = 0.0f;
  if (column < columns)
    for (std::size_t row = begin + part; row < end; row += column_parts) sum += term(row, column);
  parts[part][lane] = sum;
  __syncthreads();
  if (part == 0 && column < columns) {
    for (unsigned other = 1; other < column_parts; ++other) sum += parts[other][lane];
    partial[chunk * columns + column] = sum;
  }
}

/// sums[column] += the chunks' partial sums, in order.
template <unsigned Threads>
__global__ void __launch_bounds__(Threads)
    fold_chunks_kernel(float const* partial, std::size_t chunks, std::size_t columns, float* sums) {
  std::size_t const column = static_cast<std::size_t>(blockIdx.x) * Threads + threadIdx.x;
  if (column < columns) {
    float total = 0.0f;
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) total += partial[chunk * columns + column];
    sums[column] += total;
  }
}

/// sums[column] += sum over rows of term(row, column)
template <class Term>
void add_column_sums(context& ctx, Term const& term, std::size_t rows, std::size_t columns, float* sums) {
  if (rows == 0 || columns == 0) return;
  std::size_t const chunks = math::ceil_div(rows, column_chunk_rows);
  float* const partial = ctx.scratch<float>(scratch_purpose::reduction, chunks * columns);
  launch(column_chunks_kernel<Term>, chunks * math::ceil_div(columns, std::size_t{column_tile}),
         column_tile * column_parts, 0, ctx.stream(), term, rows, columns, partial);
  constexpr unsigned threads = 128;
  launch(fold_chunks_kernel<threads>, math::ceil_div(columns, std::size_t{threads}), threads, 0, ctx.stream(),
         static_cast<float const*>(partial), chunks, columns, sums);
}

/// d weight of RMSNorm: dy x / rms.
struct rms_weight_term {
  matrix_view<float const> input;
  float const* inverse_rms;
  matrix_view<float const> output_gradient;

  __device__ float operator()(std::size_t row, std::size_t column) const {
    return output_gradient(row, column) * (input(row, column) * inverse_rms[row]);
  }
};

struct element_term {
  matrix_view<float const> values;

  __device__ float operator()(std::size_t row, std::size_t column) const { return values(row, column); }
};

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
