// SPDX-License-Identifier: MIT
/// @file
/// What a loss that was compiled at run time works on.  Both compilers read this header, the host's and NVRTC: the one
/// fills the value that the other's kernels take.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/tensor_view.hpp>
#include <rlvr/kernel/token_loss.hpp>

#include <cstddef>
#include <type_traits>

RLVR_NAMESPACE_BEGIN
namespace cuda {

/// Rows of logits with their records; all pointers are the device's.
struct runtime_loss_rows {
  matrix_view<float> logits;         ///< raw; afterwards the gradient of scale * loss by them
  float inverse_temperature = 1.0f;  ///< of the policy's softmax
  token_records records;
  token_results results;
  std::size_t first_record = 0;  ///< the entry of `records` and `results` that belongs to the first row
};

static_assert(std::is_trivially_copyable_v<runtime_loss_rows> && std::is_standard_layout_v<runtime_loss_rows>);

namespace detail {

// The kernels by the width of a row, as backend/cuda/row_kernels.cuh chooses them (runtime_kernels.cuh compares).
inline constexpr std::size_t runtime_warp_width = 1024;
inline constexpr std::size_t runtime_block_width = 16384;
inline constexpr unsigned runtime_small_block = 256;
inline constexpr unsigned runtime_large_block = 1024;
inline constexpr unsigned runtime_warp_size = 32;

}  // namespace detail
}  // namespace cuda
RLVR_NAMESPACE_END
