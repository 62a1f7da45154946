// SPDX-License-Identifier: MIT
/// @file
/// What every executor of grids needs: limits of a launch, the order of its blocks.
#pragma once

#include "engine/state.hpp"
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cuda_emulation {

/// Throws `failure` for a launch that a device refuses.
void check_launch(void const* kernel, dim3 grid, dim3 block, std::size_t shared_bytes);

/// The order in which the blocks of a grid run, by `current_settings().order`.
class block_sequence {
 public:
  explicit block_sequence(dim3 grid);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// The linear index of the block that runs at `position`; sets blockIdx and `state.block_linear`.
  std::uint64_t select(std::uint64_t position) const;

 private:
  dim3 grid_;
  std::uint64_t size_;
  bool descending_;
  std::vector<std::uint64_t> permutation_;  ///< of the shuffled order, else empty
};

}  // namespace cuda_emulation
