// SPDX-License-Identifier: MIT
/// @file
/// Google Benchmark's benchmarks of the cases: device time, rates, and the share of the device's peak.
#pragma once

#include "device.hpp"
#include "entry.hpp"
#include <cstddef>
#include <vector>

namespace benchmarks {

/// What the benchmarks of a run share.
class session {
 public:
  session(rlvr::cuda::context& where, peaks const& reached_peaks, bool smoke_run);

  rlvr::cuda::context& context;
  peaks const reached;
  bool const smoke;  ///< each case once, nothing is timed
  l2_flush flush;
  std::size_t executed = 0;  ///< benchmarks that ran to their end
  std::size_t failed = 0;

  /// Whether the case's operands stay in L2 from one execution to the next.
  [[nodiscard]] bool fits_l2(entry const& what) const;

  /// The case with its operands, which stay until another case comes: Google Benchmark asks several times for each.
  /// `number` changes with the operands.
  operation const& prepared(entry const& what);
  [[nodiscard]] std::size_t number() const { return number_; }

 private:
  entry const* current_ = nullptr;
  operation operation_;
  std::size_t number_ = 0;
};

/// Registers `<name>/cold`, and `<name>/hot` where L2 holds the operands.  Both arguments outlive the run.
void register_benchmarks(session& run, std::vector<entry> const& entries);

}  // namespace benchmarks
