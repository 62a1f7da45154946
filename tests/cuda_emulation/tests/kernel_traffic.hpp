// SPDX-License-Identifier: MIT
/// @file
/// What the tests of the kernels' traffic share: counting an op, and comparing the count with a formula of
/// docs/performance_cuda.md.  `-s` prints every count beside its formula.
#pragma once

#include <rlvr/backend/cuda/context.cuh>
#include <rlvr/backend/cuda/row_kernels.cuh>
#include <rlvr/ops/execute.hpp>

#include "checker/traffic.hpp"
#include <cstddef>
#include <string>
#include <support/catch.hpp>
#include <support/storage.hpp>

namespace kernel_traffic {

/// Bytes of global memory that kernels load and store; atomics are none of it, no kernel here has any.
struct traffic {
  std::size_t loads = 0;
  std::size_t stores = 0;

  friend constexpr traffic operator+(traffic a, traffic b) { return {a.loads + b.loads, a.stores + b.stores}; }
  friend constexpr traffic operator*(std::size_t times, traffic t) { return {times * t.loads, times * t.stores}; }
};

/// One context for the program: its scratch memory is large.
[[nodiscard]] inline rlvr::cuda::context& shared_context() {
  static rlvr::cuda::context context;
  return context;
}

/// What the op's kernels load and store.
template <class Op>
[[nodiscard]] traffic counted(Op const& op, rlvr::cuda::context& context = shared_context()) {
  cuda_emulation::traffic_scope const scope;
  rlvr::execute(context, op);
  context.synchronize();
  auto const result = scope.counted();
  REQUIRE(result.launches > 0);
  REQUIRE(result.global_atomics == 0);
  return {result.global_load_bytes, result.global_store_bytes};
}

/// The most by which a count may differ from its formula.
inline constexpr double tolerance = 0.02;

inline void require_close(std::string const& name, traffic count, traffic derived) {
  INFO(name << ": loads " << count.loads << ", derived " << derived.loads << "; stores " << count.stores << ", derived "
            << derived.stores);
  auto const off = [](std::size_t one, std::size_t other) {
    return static_cast<double>(one > other ? one - other : other - one) / static_cast<double>(other);
  };
  REQUIRE(off(count.loads, derived.loads) <= tolerance);
  REQUIRE(off(count.stores, derived.stores) <= tolerance);
}

/// Threads that work on a row together: what every one of them reads for itself counts as often.
[[nodiscard]] constexpr std::size_t row_threads(std::size_t width) {
  using namespace rlvr::cuda;
  if (width <= default_row_policy.warp_width) return warp_size;
  return width <= default_row_policy.block_width ? small_block : large_block;
}

/// A matrix that host and device share.
class shared_matrix {
 public:
  shared_matrix(std::size_t rows, std::size_t columns) : rows_(rows), columns_(columns), values_(rows * columns) {
    // Not all equal: softmaxes and samplers then take the ways that they take in earnest.
    for (std::size_t i = 0; i < values_.size(); ++i) values_[i] = static_cast<float>(i * 2654435761u % 1021) / 512 - 1;
  }
  [[nodiscard]] rlvr::matrix_view<float> view() { return {values_.data(), rows_, columns_}; }
  [[nodiscard]] float* data() { return values_.data(); }

 private:
  std::size_t rows_;
  std::size_t columns_;
  test::storage<float> values_;
};

}  // namespace kernel_traffic
