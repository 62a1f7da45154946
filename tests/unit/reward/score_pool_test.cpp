// SPDX-License-Identifier: MIT
#include <rlvr/reward/process.hpp>
#include <rlvr/reward/score_pool.hpp>

#include "gate.hpp"
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <support/catch.hpp>
#include <thread>
#include <utility>
#include <vector>

using namespace rlvr::reward;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using test::gate;
using test::release;

namespace {

// Generous where nothing should hang: a machine under load stops threads for long.
constexpr auto ample = 60s;

// One type for most rewards here: the pool is compiled once for them.
using any_reward = std::function<outcome(int, call_context const&)>;

template <class Reward>
std::shared_ptr<any_reward const> shared(Reward reward) {
  return std::make_shared<any_reward const>(
      [reward](int sample, call_context const& context) { return evaluate(reward, sample, context); });
}

std::vector<int> numbers(int count) {
  std::vector<int> result;
  for (int i = 0; i < count; ++i) result.push_back(i);
  return result;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("512 completions with one that never returns are scored at the limit", "[threads]") {
  score_pool pool({.threads = 4});
  gate const closed;
  auto const reward = shared([closed](int sample) {
    if (sample == 200) closed.wait();
    return std::sqrt(sample);
  });
  auto const start = std::chrono::steady_clock::now();
  score_report const report = pool.score(numbers(512), reward, 200ms);
  double const took = seconds_since(start);
  CHECK(took >= 0.2);
  CHECK(took < 2.0);
  REQUIRE(report.outcomes.size() == 512);
  CHECK(pool.abandoned() == 1);
  for (std::size_t i = 0; i < 512; ++i) {
    if (i == 200) continue;
    REQUIRE(report.outcomes[i].value == std::sqrt(static_cast<double>(i)));
    REQUIRE(report.seconds[i] < 0.2);
  }
  CHECK(report.outcomes[200].status == outcome_status::timed_out);
  CHECK(report.outcomes[200].kind == reward_class::timed_out);
  CHECK_THAT(report.outcomes[200].diagnosis, Contains("given up after 0.") && Contains("allowed 0.200 s"));
  CHECK(report.seconds[200] >= 0.2);
  // The pool goes on with the next batch, while that call still hangs.
  CHECK(pool.score(numbers(64), shared([](int) { return 1; }), ample).outcomes[63].value == 1);
  CHECK(pool.abandoned() == 1);
  release(closed, pool);
}

TEST_CASE("the limit does not count the time in the queue", "[threads]") {
  // One thread, 28 calls of 10 ms: the last one waits for 270 ms, more than its limit of 250 ms.
  score_pool pool({.threads = 1});
  auto const slow = shared([](int) {
    std::this_thread::sleep_for(10ms);
    return 1.0;
  });
  score_report const report = pool.score(numbers(28), slow, 250ms);
  for (outcome const& each : report.outcomes) CHECK(each.value == 1);
  CHECK(report.p50 >= 0.01);
  CHECK(report.p99 >= report.p50);
}

TEST_CASE("a call that returns after its limit is late though it was not given up in time", "[threads]") {
  // The deadline passed before the call returned; whether the waiting thread saw it first makes no difference.
  score_pool pool({.threads = 1});
  auto const reward = shared([](int, call_context const& context) {
    while (!context.stop_requested()) std::this_thread::sleep_for(1ms);
    return 1.0;
  });
  score_report const report = pool.score(numbers(2), reward, 20ms);
  for (outcome const& each : report.outcomes) CHECK(each.status == outcome_status::timed_out);
  while (pool.abandoned() != 0) std::this_thread::sleep_for(1ms);
}

TEST_CASE("threads that hang are bounded and the error says so", "[threads]") {
  score_pool pool({.threads = 2, .max_abandoned = 3});
  gate const closed;
  auto const hangs = shared([closed](int sample) {
    if (sample < 100) closed.wait();
    return sample;
  });
  score_report const report = pool.score(numbers(20), hangs, 20ms);
  std::size_t late = 0, refused = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    late += report.outcomes[i].status == outcome_status::timed_out ? 1 : 0;
    if (report.outcomes[i].status != outcome_status::error) continue;
    ++refused;
    CHECK_THAT(report.outcomes[i].diagnosis, Contains("too many calls that were given up"));
    CHECK(std::isnan(report.seconds[i]));
  }
  CHECK(late + refused == 20);
  CHECK(late == pool.abandoned());
  CHECK(late >= 3);
  CHECK(late <= 4);  // three, and the one that ran beside the third
  std::vector<int> const healthy{100, 101};
  CHECK_THAT(pool.score(healthy, hangs, ample).outcomes[0].diagnosis, Contains("not called"));
  release(closed, pool);
  CHECK(pool.score(healthy, hangs, ample).outcomes[1].value == 101);  // it recovers
}

TEST_CASE("whatever a call throws concerns its own sample", "[threads]") {
  score_pool pool({.threads = 3});
  auto const odd = shared([](int sample) -> double {
    switch (sample % 6) {
      case 0:
        throw std::runtime_error("six");
      case 1:
        throw 7;
      case 2:
        throw static_cast<char const*>("text");
      case 3:
        throw std::string("owned");
      case 4:
        return std::numeric_limits<double>::quiet_NaN();
      default:
        return sample;
    }
  });
  score_report const report = pool.score(numbers(60), odd, ample);
  CHECK(report.outcomes == score_all(numbers(60), *odd, {.threads = 1}));
  for (std::size_t i = 0; i < 60; ++i) {
    CHECK(report.outcomes[i].status == (i % 6 == 5 ? outcome_status::value : outcome_status::error));
  }
  CHECK(report.outcomes[6].diagnosis == "six");
}

TEST_CASE("outcomes do not depend on the number of threads", "[threads]") {
  auto const reward = shared([](int sample) -> std::optional<double> {
    if (sample % 7 == 3) return std::nullopt;
    return std::sin(sample) / 3;
  });
  std::vector<outcome> const expected = score_all(numbers(300), *reward, {.threads = 1});
  for (unsigned threads = 1; threads <= 8; ++threads) {
    score_pool pool({.threads = threads});
    for (int round = 0; round < 3; ++round) REQUIRE(pool.score(numbers(300), reward, ample).outcomes == expected);
  }
  score_pool pool;
  CHECK(pool.score(std::vector<int>{}, reward, ample).outcomes.empty());
  CHECK(std::isnan(pool.score(std::vector<int>{}, reward, ample).p50));
}

TEST_CASE("rewards may score batches themselves", "[threads]") {
  score_pool pool({.threads = 2});
  auto const leaf = shared([](int sample) { return sample; });
  // Two levels through the pool, one through score_all and then the pool: more waiting calls than threads at each.
  auto const total = [](std::vector<outcome> const& outcomes) {
    double sum = 0;
    for (outcome const& each : outcomes) sum += each.value;
    return sum;
  };
  auto const inner = shared([&](int sample) { return sample + total(pool.score(numbers(5), leaf, ample).outcomes); });
  auto const outer = shared([&](int) { return total(pool.score(numbers(4), inner, ample).outcomes); });
  for (outcome const& each : pool.score(numbers(12), outer, ample).outcomes) CHECK(each.value == 46);
  auto const through = shared([&](int) { return total(score_all(numbers(4), *inner, {.threads = 2})); });
  for (outcome const& each : pool.score(numbers(6), through, ample).outcomes) CHECK(each.value == 46);
  // Batches of several threads at once.
  std::array<double, 3> totals{};
  {
    std::vector<std::jthread> callers;
    for (double& each : totals)
      callers.emplace_back([&] { each = total(pool.score(numbers(9), outer, ample).outcomes); });
  }
  for (double const each : totals) CHECK(each == 9 * 46);
}

TEST_CASE("a nested batch gets no more time than its call has left", "[threads]") {
  score_pool pool({.threads = 2});
  gate const closed;
  auto const hangs = shared([closed](int) {
    closed.wait();
    return 1.0;
  });
  auto const outer = shared([&](int, call_context const& context) {
    auto const left = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(context.seconds_left() / 1200));
    outcome inner = pool.score(std::vector<int>{1}, hangs, left).outcomes[0];
    return outcome::of(inner.status == outcome_status::timed_out ? 1 : 0);
  });
  CHECK(pool.score(std::vector<int>{0}, outer, ample).outcomes[0].value == 1);
  release(closed, pool);
}

TEST_CASE("a pool may go while a call hangs, and with the call that holds it", "[threads]") {
  gate const closed;
  auto const done = std::make_shared<std::atomic<int>>(0);
  auto const hangs = [closed, done](int) {
    closed.wait();
    return 1.0;
  };
  {
    score_pool pool({.threads = 2});
    CHECK(pool.score(std::vector<int>{1}, shared(hangs), 10ms).outcomes[0].status == outcome_status::timed_out);
  }
  struct holder {
    std::shared_ptr<score_pool> pool;
    std::shared_ptr<std::atomic<int>> done;
    gate closed;
    holder(std::shared_ptr<score_pool> owner, std::shared_ptr<std::atomic<int>> counter, gate wait)
        : pool(std::move(owner)), done(std::move(counter)), closed(std::move(wait)) {}
    holder(holder const&) = delete;
    holder& operator=(holder const&) = delete;
    ~holder() {
      pool.reset();
      ++*done;
    }
    double operator()(int) const {
      closed.wait();
      return 1;
    }
  };
  {
    auto pool = std::make_shared<score_pool>(pool_options{.threads = 2});
    std::shared_ptr<holder const> reward = std::make_shared<holder>(pool, done, closed);
    score_pool& scorer = *pool;
    pool.reset();
    CHECK(scorer.score(std::vector<int>{1}, std::move(reward), 10ms).outcomes[0].status == outcome_status::timed_out);
  }
  closed.open();
  while (done->load() == 0) std::this_thread::sleep_for(1ms);
}
