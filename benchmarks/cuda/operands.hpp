// SPDX-License-Identifier: MIT
/// @file
/// Operands of a case in device memory, filled there: random, because a product of zeros takes less power, and so less
/// time, than one of numbers.
#pragma once

#include <rlvr/backend/cuda/check.cuh>
#include <rlvr/backend/cuda/memory.cuh>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/tensor.hpp>
#include <rlvr/core/weight_view.hpp>
#include <rlvr/ops/execute.hpp>

#include "entry.hpp"
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace benchmarks {

/// Uniform in (-scale, scale), from a fixed seed; returns when it is done.
void randomise(float* values, std::size_t count, float scale, unsigned seed);
void randomise(rlvr::bf16* values, std::size_t count, float scale, unsigned seed);

/// Owns whatever an op of one case reads and writes.
class operands {
 public:
  /// @param scale  0: zeros
  template <class T = float>
  [[nodiscard]] rlvr::matrix_view<T> matrix(std::size_t rows, std::size_t columns, float scale = 1.0f) {
    T* const data = allocate<T>(rows * columns);
    if (scale != 0.0f) randomise(data, rows * columns, scale, ++seed_);
    return {data, rows, columns};
  }
  template <class T = float>
  [[nodiscard]] std::span<T> array(std::size_t count, float scale = 1.0f) {
    return {matrix<T>(1, count, scale).data, count};
  }
  /// A weight of the type.
  [[nodiscard]] rlvr::weight_view weight(std::size_t rows, std::size_t columns, rlvr::dtype type, float scale) {
    if (type == rlvr::dtype::bf16) return matrix<rlvr::bf16>(rows, columns, scale);
    return matrix(rows, columns, scale);
  }
  /// A copy of the host's values.
  template <class T>
  [[nodiscard]] T* copy_of(std::vector<T> const& values) {
    T* const data = allocate<T>(values.size());
    rlvr::cuda::check(cudaMemcpy(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
    return data;
  }

 private:
  template <class T>
  [[nodiscard]] T* allocate(std::size_t count) {
    blocks_.emplace_back(count * sizeof(T));
    return reinterpret_cast<T*>(blocks_.back().data());
  }

  std::vector<rlvr::buffer<unsigned char, rlvr::cuda::device_memory>> blocks_;
  unsigned seed_ = 0;
};

/// The op as an operation that keeps its operands.
template <class Op>
[[nodiscard]] operation runs(std::shared_ptr<operands> owner, Op const& op) {
  return [owner = std::move(owner), op](rlvr::cuda::context& context) { rlvr::execute(context, op); };
}

}  // namespace benchmarks
