// SPDX-License-Identifier: MIT
#include <rlvr/reward/owned_samples.hpp>
#include <rlvr/reward/score_pool.hpp>

#include "gate.hpp"
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <thread>
#include <vector>

using namespace rlvr::reward;
using namespace std::chrono_literals;
using test::gate;
using test::release;

namespace {

struct viewing {
  std::string_view text;
};
struct owning {
  static constexpr bool owns = true;
  std::string text;
};

}  // namespace

TEST_CASE("a call that was given up reads copies", "[threads]") {
  gate const closed;
  auto const heard = std::make_shared<std::string>();
  auto const done = std::make_shared<std::atomic<bool>>(false);
  score_pool pool({.threads = 1});
  {
    auto reward = std::make_shared<std::function<double(relation_sample const&)> const>(
        [closed, heard, done, own = std::string(100, 'r')](relation_sample const& sample) {
          closed.wait();
          *heard = std::string(sample.completion) + "|" + std::string(sample.prompt) + "|" + sample.guide->title + "|" +
                   own.substr(98);
          done->store(true);
          return 1.0;
        });
    auto guide = std::make_unique<rlvr::text::guideline>();
    guide->title = "a title that does not fit into a small string";
    std::string completion(1000, 'c'), prompt(500, 'p');
    std::vector<relation_sample> samples(1);
    samples[0].completion = completion;
    samples[0].prompt = prompt;
    samples[0].guide = guide.get();
    CHECK(pool.score(samples, reward, 20ms).outcomes[0].status == outcome_status::timed_out);
    completion.assign(1000, 'x');
    prompt.assign(500, 'x');
    guide->title.assign(45, 'x');
  }  // reward, samples and guideline are gone
  release(closed, pool);
  REQUIRE(done->load());
  CHECK(*heard ==
        std::string(1000, 'c') + "|" + std::string(500, 'p') + "|a title that does not fit into a small string|rr");
}

TEST_CASE("group rewards under a limit fail as a group", "[threads]") {
  score_pool pool({.threads = 2});
  gate const closed;
  auto const body = [closed](std::span<int const> group, std::span<outcome> outcomes) {
    if (group[0] == 3) closed.wait();
    if (group[0] == 6) throw std::runtime_error("six");
    for (std::size_t i = 0; i < group.size(); ++i) outcomes[i] = outcome::of(group[i]);
  };
  auto const reward = std::make_shared<decltype(body)>(body);
  std::vector<int> const samples = std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8};
  score_report const report = pool.score_groups(std::span<int const>(samples), 3, reward, 40ms);
  REQUIRE(report.outcomes.size() == 9);
  CHECK(report.seconds.size() == 3);
  for (std::size_t i = 0; i < 9; ++i) {
    outcome_status const expected[] = {outcome_status::value, outcome_status::timed_out, outcome_status::error};
    CHECK(report.outcomes[i].status == expected[i / 3]);
  }
  CHECK(report.outcomes[2].value == 2);
  CHECK_THROWS_AS(pool.score_groups(std::span<int const>(samples), 2, reward, 40ms), rlvr::argument_error);
  CHECK_THROWS_AS(pool.score_groups(std::span<int const>(samples), 0, reward, 40ms), rlvr::argument_error);
  release(closed, pool);
}

TEST_CASE("a pool refuses what cannot be given up", "[threads]") {
  static_assert(!ownable_sample<viewing>);
  static_assert(!ownable_sample<std::string_view>);
  static_assert(!ownable_sample<int const*>);
  static_assert(ownable_sample<owning>);
  static_assert(ownable_sample<int>);
  static_assert(ownable_sample<relation_sample>);
  score_pool pool({.threads = 1});
  auto const reward = std::make_shared<std::function<double(int)> const>([](int) { return 1; });
  std::vector<int> const one{0};
  CHECK_THROWS_AS(pool.score(one, reward, 0ms), rlvr::argument_error);
  CHECK_THROWS_AS(pool.score(one, reward, -1ms), rlvr::argument_error);
  CHECK_THROWS_AS(pool.score(one, decltype(reward)(), 1ms), rlvr::argument_error);
  CHECK(pool.score(one, reward, std::chrono::nanoseconds::max()).outcomes[0].value == 1);
}

TEST_CASE("batch memory copies texts and objects once", "[threads]") {
  batch_memory memory;
  std::string prompt(20000, 'p');
  std::string_view const first = memory.keep(std::string_view(prompt));
  CHECK(memory.keep(std::string_view(prompt)).data() == first.data());
  CHECK(first.data() != prompt.data());
  CHECK(memory.keep(std::string_view()).empty());
  std::vector<std::string> sources;
  std::vector<std::string_view> copies;
  for (std::size_t i = 0; i < 3000; ++i) sources.push_back(std::string(i % 40, static_cast<char>('a' + i % 26)));
  for (std::string const& each : sources) copies.push_back(memory.keep(std::string_view(each)));
  for (std::size_t i = 0; i < sources.size(); ++i) REQUIRE(copies[i] == sources[i]);
  CHECK(first == prompt);
  rlvr::text::guideline const guide{};
  CHECK(memory.keep(&guide) != &guide);
  CHECK(memory.keep(&guide) == memory.keep(&guide));
  CHECK(memory.keep(static_cast<rlvr::text::guideline const*>(nullptr)) == nullptr);
}
