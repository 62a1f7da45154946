// SPDX-License-Identifier: MIT
/// @file
/// The traffic of a region of a test.  Usable without the checker too: then all counts of traffic are zero.
#pragma once

#include <cuda_emulation/engine.hpp>

namespace cuda_emulation {

/// Counts from its construction on.
class traffic_scope {
 public:
  traffic_scope() : before_(current_statistics()) {}

  /// What was counted since the construction.
  [[nodiscard]] statistics counted() const {
    statistics difference = current_statistics();
    for (auto const member :
         {&statistics::launches, &statistics::blocks, &statistics::threads, &statistics::switches,
          &statistics::barriers, &statistics::warp_operations, &statistics::global_load_bytes,
          &statistics::global_store_bytes, &statistics::shared_load_bytes, &statistics::shared_store_bytes,
          &statistics::global_atomics, &statistics::global_load_requests, &statistics::global_load_sectors,
          &statistics::global_store_requests, &statistics::global_store_sectors, &statistics::shared_requests,
          &statistics::shared_wavefronts})
      difference.*member -= before_.*member;
    return difference;
  }

 private:
  statistics before_;
};

}  // namespace cuda_emulation
