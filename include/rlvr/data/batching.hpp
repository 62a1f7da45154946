// SPDX-License-Identifier: MIT
/// @file
/// Which examples a training step sees, as a pure function of (seed, step): a run that resumes at step n
/// needs no saved sampler state.  Every epoch visits each example once, in an order keyed by
/// (seed, epoch); the shuffles are Fisher-Yates over Philox, so they are uniform and the same everywhere.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/core/shuffle.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace data {

namespace detail {

/// What a stream of draws is for: equal seeds give unrelated streams for different purposes.
enum class purpose : std::uint32_t { epoch = 1, split = 2, few_shot = 3 };

[[nodiscard]] inline random_stream keyed_stream(purpose purpose, std::uint64_t seed, std::uint64_t stream) {
  constexpr std::uint32_t mark = 0x64617461;  // "data"
  auto const block = philox(seed, {{mark, static_cast<std::uint32_t>(purpose), 0, 0}});
  return random_stream((std::uint64_t{block.word[1]} << 32) | block.word[0], stream);
}

[[nodiscard]] inline std::vector<std::size_t> counted(std::size_t count) {
  std::vector<std::size_t> indices(count);
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  return indices;
}

}  // namespace detail

/// A uniformly drawn order of [0, count), keyed by (seed, epoch).
[[nodiscard]] inline std::vector<std::size_t> epoch_order(std::size_t count, std::uint64_t seed, std::uint64_t epoch) {
  auto order = detail::counted(count);
  rlvr::detail::shuffle(std::span(order), detail::keyed_stream(detail::purpose::epoch, seed, epoch));
  return order;
}

/// What happens to the examples that do not fill an epoch's last batch.
enum class leftover {
  carry,  ///< the batch goes on with the next epoch's first examples; every batch is full
  keep,   ///< the last batch is shorter
  drop    ///< they are left out of this epoch; every batch is full
};

/// Batches of an endless training run.
class batch_schedule {
 public:
  /// @throws argument_error if there are no examples, the batch size is 0, or `drop` would drop all
  batch_schedule(std::size_t example_count, std::size_t batch_size, std::uint64_t seed,
                 leftover policy = leftover::carry)
      : count_(example_count), batch_size_(batch_size), seed_(seed), policy_(policy) {
    if (count_ == 0) {
      throw argument_error("batch_schedule: found 0 examples, expected at least 1");
    }
    if (batch_size_ == 0) {
      throw argument_error("batch_schedule: found batch size 0, expected at least 1");
    }
    if (policy_ == leftover::drop && count_ < batch_size_) {
      throw argument_error("batch_schedule: found " + std::to_string(count_) + " examples, expected at least one " +
                           "batch of " + std::to_string(batch_size_) + " (leftovers are dropped)");
    }
  }

  /// Indices of the examples of step `step` (from 0).  With `carry` and a batch larger than the data an
  /// index occurs more than once.
  [[nodiscard]] std::vector<std::size_t> batch_indices(std::uint64_t step) const {
    if (policy_ == leftover::carry) {
      return carried(step);
    }
    auto const per_epoch = steps_per_epoch();
    auto const order = epoch_order(count_, seed_, step / per_epoch);
    auto const first = static_cast<std::size_t>(step % per_epoch) * batch_size_;
    auto const last = first + std::min(batch_size_, count_ - first);
    return {order.begin() + static_cast<std::ptrdiff_t>(first), order.begin() + static_cast<std::ptrdiff_t>(last)};
  }

  /// Steps until every example has been seen once; with `carry` the last of them may reach into the next
  /// epoch, with `drop` the leftovers are not seen.
  [[nodiscard]] std::size_t steps_per_epoch() const noexcept {
    auto const full = count_ / batch_size_;
    return policy_ == leftover::drop || count_ % batch_size_ == 0 ? full : full + 1;
  }

 private:
  [[nodiscard]] std::vector<std::size_t> carried(std::uint64_t step) const {
    // step * batch_size as (epoch, position), without overflow: step = whole * count + rest.
    std::uint64_t const rest = step % count_;
    std::uint64_t epoch = step / count_ * batch_size_ + rest * (batch_size_ / count_);
    std::uint64_t const offset = rest * (batch_size_ % count_);
    epoch += offset / count_;
    auto position = static_cast<std::size_t>(offset % count_);

    std::vector<std::size_t> batch;
    batch.reserve(batch_size_);
    while (batch.size() < batch_size_) {
      auto const order = epoch_order(count_, seed_, epoch++);
      auto const taken = std::min(count_ - position, batch_size_ - batch.size());
      auto const first = order.begin() + static_cast<std::ptrdiff_t>(position);
      batch.insert(batch.end(), first, first + static_cast<std::ptrdiff_t>(taken));
      position = 0;
    }
    return batch;
  }

  std::size_t count_;
  std::size_t batch_size_;
  std::uint64_t seed_;
  leftover policy_;
};

/// Two disjoint sets of indices, each ascending, that cover [0, count).
struct train_test_indices {
  std::vector<std::size_t> train, test;
};

/// Draws `test_count` of `count` examples for testing.
/// @throws argument_error if test_count > count
[[nodiscard]] inline train_test_indices split_train_test(std::size_t count, std::size_t test_count,
                                                         std::uint64_t seed) {
  if (test_count > count) {
    throw argument_error("split_train_test: found " + std::to_string(test_count) + " test examples, expected at most " +
                         std::to_string(count));
  }
  auto order = detail::counted(count);
  rlvr::detail::shuffle(std::span(order), detail::keyed_stream(detail::purpose::split, seed, 0));
  auto const middle = order.begin() + static_cast<std::ptrdiff_t>(test_count);
  train_test_indices split{{middle, order.end()}, {order.begin(), middle}};
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.test.begin(), split.test.end());
  return split;
}

/// Draws `per_label` examples of every label (all of a rarer one): ascending indices into `labels`.
[[nodiscard]] inline std::vector<std::size_t> few_shot_indices(std::span<std::string const> labels,
                                                               std::size_t per_label, std::uint64_t seed) {
  std::map<std::string, std::vector<std::size_t>> by_label;
  for (std::size_t index = 0; index < labels.size(); ++index) {
    by_label[labels[index]].push_back(index);
  }
  std::vector<std::size_t> chosen;
  std::uint64_t stream = 0;
  for (auto& [label, indices] : by_label) {
    rlvr::detail::shuffle(std::span(indices), detail::keyed_stream(detail::purpose::few_shot, seed, stream++));
    indices.resize(std::min(per_label, indices.size()));
    chosen.insert(chosen.end(), indices.begin(), indices.end());
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace data
RLVR_NAMESPACE_END
