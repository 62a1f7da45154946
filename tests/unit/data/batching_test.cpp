// SPDX-License-Identifier: MIT
#include <rlvr/data/batching.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::data;

namespace {

std::vector<std::size_t> sorted(std::vector<std::size_t> values) {
  std::ranges::sort(values);
  return values;
}

std::vector<std::size_t> ascending(std::size_t count) {
  std::vector<std::size_t> values;
  for (std::size_t index = 0; index < count; ++index) {
    values.push_back(index);
  }
  return values;
}

}  // namespace

TEST_CASE("an epoch order is a permutation keyed by seed and epoch") {
  for (std::size_t const count : std::vector<std::size_t>{0, 1, 2, 31, 960}) {
    CHECK(sorted(epoch_order(count, 7, 3)) == ascending(count));
    CHECK(epoch_order(count, 7, 3) == epoch_order(count, 7, 3));
  }
  std::set<std::vector<std::size_t>> distinct;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
      distinct.insert(epoch_order(50, seed, epoch));
    }
  }
  CHECK(distinct.size() == 400);
}

TEST_CASE("all orders of four examples are equally likely") {
  std::map<std::vector<std::size_t>, std::size_t> counts;
  std::size_t const draws = 24000;
  for (std::uint64_t epoch = 0; epoch < draws; ++epoch) {
    ++counts[epoch_order(4, 1, epoch)];
  }
  REQUIRE(counts.size() == 24);
  double chi_squared = 0;
  for (auto const& [order, count] : counts) {
    double const difference = static_cast<double>(count) - 1000.0;
    chi_squared += difference * difference / 1000.0;
  }
  CHECK(chi_squared < 49.7);  // 23 degrees of freedom, p = 0.001
}

TEST_CASE("carried batches are the concatenated epochs, cut evenly") {
  for (auto const& [count, batch] : {std::pair<std::size_t, std::size_t>{10, 3}, {10, 5}, {7, 7}, {3, 8}, {1, 4}}) {
    INFO(count << " examples, batches of " << batch);
    std::vector<std::size_t> stream;
    for (std::uint64_t epoch = 0; stream.size() < 50 * batch; ++epoch) {
      auto const order = epoch_order(count, 11, epoch);
      stream.insert(stream.end(), order.begin(), order.end());
    }
    batch_schedule const schedule(count, batch, 11);
    for (std::size_t step = 0; step < 50; ++step) {
      auto const first = stream.begin() + static_cast<std::ptrdiff_t>(step * batch);
      CHECK(schedule.batch_indices(step) ==
            std::vector<std::size_t>(first, first + static_cast<std::ptrdiff_t>(batch)));
    }
  }
}

TEST_CASE("a step is a function of its number alone") {
  batch_schedule const run(100, 16, 5);
  auto const late = run.batch_indices(1234);
  (void)run.batch_indices(3);
  CHECK(run.batch_indices(1234) == late);
  CHECK(batch_schedule(100, 16, 5).batch_indices(1234) == late);
  CHECK(batch_schedule(100, 16, 6).batch_indices(1234) != late);
  CHECK(run.batch_indices(1'000'000'000'000ULL).size() == 16);
}

TEST_CASE("leftovers are kept or dropped") {
  batch_schedule const kept(10, 4, 2, leftover::keep);
  CHECK(kept.steps_per_epoch() == 3);
  std::vector<std::size_t> seen;
  for (std::uint64_t step = 3; step < 6; ++step) {
    auto const batch = kept.batch_indices(step);
    CHECK(batch.size() == (step == 5 ? 2U : 4U));
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  CHECK(seen == epoch_order(10, 2, 1));

  batch_schedule const dropped(10, 4, 2, leftover::drop);
  CHECK(dropped.steps_per_epoch() == 2);
  CHECK(dropped.batch_indices(1).size() == 4);
  CHECK(dropped.batch_indices(2) == kept.batch_indices(3));

  CHECK(batch_schedule(10, 4, 2).steps_per_epoch() == 3);
  CHECK(batch_schedule(8, 4, 2, leftover::keep).steps_per_epoch() == 2);
}

TEST_CASE("schedules refuse what they cannot do") {
  CHECK_THROWS_AS(batch_schedule(0, 4, 1), argument_error);
  CHECK_THROWS_AS(batch_schedule(4, 0, 1), argument_error);
  CHECK_THROWS_AS(batch_schedule(3, 4, 1, leftover::drop), argument_error);
  CHECK_NOTHROW(batch_schedule(3, 4, 1, leftover::keep));
}

TEST_CASE("train and test sets are disjoint and complete") {
  auto const split = split_train_test(100, 20, 9);
  CHECK(split.test.size() == 20);
  CHECK(std::ranges::is_sorted(split.test));
  CHECK(std::ranges::is_sorted(split.train));
  auto all = split.train;
  all.insert(all.end(), split.test.begin(), split.test.end());
  CHECK(sorted(all) == ascending(100));
  CHECK(split_train_test(100, 20, 9).test == split.test);
  CHECK(split_train_test(100, 20, 10).test != split.test);
  CHECK(split_train_test(3, 0, 1).train.size() == 3);
  CHECK(split_train_test(3, 3, 1).train.empty());
  CHECK_THROWS_AS(split_train_test(3, 4, 1), argument_error);
}

TEST_CASE("few-shot sets hold so many of each label") {
  std::vector<std::string> labels;
  for (std::size_t index = 0; index < 90; ++index) {
    labels.push_back(index % 3 == 0 ? "a" : index == 88 ? "rare" : "b");
  }
  auto const chosen = few_shot_indices(labels, 5, 1);
  std::map<std::string, std::size_t> counts;
  for (auto const index : chosen) {
    ++counts[labels[index]];
  }
  CHECK(counts == std::map<std::string, std::size_t>{{"a", 5}, {"b", 5}, {"rare", 1}});
  CHECK(std::ranges::is_sorted(chosen));
  CHECK(few_shot_indices(labels, 5, 1) == chosen);
  CHECK(few_shot_indices(labels, 5, 2) != chosen);
  CHECK(few_shot_indices(labels, 0, 1).empty());
  CHECK(few_shot_indices({}, 3, 1).empty());
}
