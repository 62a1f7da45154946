// SPDX-License-Identifier: MIT
/// @file
/// A call that hangs for as long as a test wants.
#pragma once

#include <rlvr/reward/score_pool.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

namespace test {

/// Something that never returns, until the test lets it.
class gate {
 public:
  void wait() const {
    while (!open_->load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  void open() const { open_->store(true); }

 private:
  std::shared_ptr<std::atomic<bool>> open_ = std::make_shared<std::atomic<bool>>(false);
};

/// Lets the calls go that a test has left behind, and waits for their threads.
inline void release(gate const& closed, rlvr::reward::score_pool const& pool) {
  closed.open();
  while (pool.abandoned() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace test
