// SPDX-License-Identifier: MIT
// Rewards composed at run time against the same compositions at compile time.
#include <rlvr/core/error.hpp>
#include <rlvr/reward/any_reward.hpp>
#include <rlvr/reward/process.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <thread>
#include <vector>

using namespace rlvr::reward;

namespace {

/// What the rewards below are to say.
struct scripted {
  std::array<outcome, 4> says{};
};

/// Says what stands in the sample.
struct speaker {
  std::size_t place = 0;
  std::string name{};
  outcome operator()(scripted const& sample) const { return sample.says[place]; }
};

using any = any_reward<scripted>;

outcome random_outcome(std::mt19937& source) {
  auto const draw = [&](unsigned below) { return static_cast<unsigned>(source()) % below; };
  switch (draw(8)) {
    case 0:
      return outcome::none("does not apply");
    case 1:
      return outcome::failed("broke");
    case 2:
      return outcome::late("late");
    default:
      break;
  }
  double const value = draw(20) == 0 ? 1.5e308 : static_cast<double>(draw(9)) / 2 - 2;
  outcome result = outcome::of(value, draw(3) != 0, static_cast<reward_class>(draw(7)), draw(2) == 0 ? "" : "why");
  if (draw(2) == 0) result.parts.push_back({"inner", value / 2});
  return result;
}

std::vector<scripted> random_samples(std::size_t count) {
  std::mt19937 source(7);
  std::vector<scripted> samples(count);
  for (scripted& each : samples) {
    for (outcome& says : each.says) says = random_outcome(source);
  }
  return samples;
}

/// Never runs on two threads at once, or says so.
struct lonely {
  static constexpr std::string_view name = "lonely";
  static constexpr bool thread_safe = false;
  std::atomic<int>* running;
  double operator()(scripted const&) const {
    if (running->fetch_add(1) != 0) throw std::runtime_error("two at once");
    std::this_thread::yield();
    running->fetch_sub(1);
    return 1;
  }
};

}  // namespace

TEST_CASE("sums and stages chosen at run time are those of compile time", "[threads]") {
  speaker const a{0, "a"};
  speaker const b{1, ""};
  speaker const c{2, "c"};
  speaker const d{3, "d"};
  auto const fixed_sum = sum(term{0.5, a}, term{-2.0, b}, term{1e3, c, "renamed"}, term{1.0, d});
  any const run_sum =
      sum(std::vector<term<any>>{{0.5, any(a), {}}, {-2.0, any(b), {}}, {1e3, any(c), "renamed"}, {1.0, any(d), {}}});
  auto const fixed_stages = stages(a, b, c, d);
  any const run_stages = stages(std::vector<any>{a, b, c, d});
  auto const fixed_nested = only_if(a, sum(term{2.0, stages(b, c), "inner"}, term{1.0, d}), -1);
  any const run_nested = only_if(
      any(a), sum(std::vector<term<any>>{{2.0, stages(std::vector<any>{b, c}), "inner"}, {1.0, any(d), {}}}), -1);
  std::array<std::size_t, 4> statuses{};
  std::size_t passed = 0;
  for (scripted const& sample : random_samples(5000)) {
    outcome const expected = fixed_sum(sample);
    REQUIRE(run_sum(sample) == expected);
    REQUIRE(run_stages(sample) == fixed_stages(sample));
    REQUIRE(run_nested(sample) == fixed_nested(sample));
    ++statuses[static_cast<std::size_t>(expected.status)];
    passed += fixed_stages(sample).passed ? 1 : 0;
  }
  CHECK(statuses[0] > 100);
  CHECK(statuses[2] > 100);
  CHECK(statuses[3] > 100);
  CHECK(passed > 50);
}

TEST_CASE("a held reward keeps its name, may be renamed, and is shared by copies", "[threads]") {
  any const held{speaker{0, "a"}};
  any copy = held;
  copy.name = "b";
  CHECK(reward_name(held) == "a");
  CHECK(reward_name(copy) == "b");
  scripted const sample{{outcome::of(2, true)}};
  any const two = sum(std::vector<term<any>>{{1, held, {}}, {1, copy, {}}});
  CHECK(two(sample).parts == std::vector<outcome_part>{{"a", 2}, {"b", 2}});
  CHECK(two(sample).value == 4);
  CHECK(reward_name(two).empty());
  // Whatever a reward may return, and what it throws.
  CHECK(any([](scripted const&) { return true; })(sample).value == 1);
  CHECK(any([](scripted const&) -> double { throw std::runtime_error("no"); })(sample) == outcome::failed("no"));
  // A context reaches what is held.
  call_context context;
  context.now = [] { return std::int64_t{5}; };
  context.deadline = 3;
  any const asks([](scripted const&, call_context const& call) { return call.stop_requested() ? 7.0 : 0.0; });
  CHECK(stages(std::vector<any>{asks})(sample, context).value == 7);
}

TEST_CASE("a reward that denies thread safety is called by one thread at a time", "[threads]") {
  std::atomic<int> running{0};
  any const alone = lonely{&running};
  any const free{speaker{0, "a"}};
  CHECK(free.is_parallel());
  CHECK_FALSE(alone.is_parallel());
  CHECK(stages(std::vector<any>{free, free}).is_parallel());
  CHECK_FALSE(stages(std::vector<any>{free, alone}).is_parallel());
  any const whole = sum(std::vector<term<any>>{{1, free, {}}, {1, alone, {}}});
  CHECK_FALSE(whole.is_parallel());
  std::vector<scripted> const samples(400, scripted{{outcome::of(1)}});
  for (outcome const& each : score_all(samples, whole, {.threads = 4})) {
    if (each.value != 2) FAIL(each.diagnosis);
  }
}

TEST_CASE("empty lists and weights that are no numbers are refused", "[threads]") {
  CHECK_THROWS_AS(sum(std::vector<term<any>>{}), rlvr::argument_error);
  CHECK_THROWS_AS(stages(std::vector<any>{}), rlvr::argument_error);
  any const held{speaker{0, "a"}};
  CHECK_THROWS_WITH(sum(std::vector<term<any>>{{std::numeric_limits<double>::infinity(), held, {}}}),
                    Catch::Matchers::Contains("weight of a"));
}
