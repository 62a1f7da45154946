// SPDX-License-Identifier: MIT
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/process.hpp>
#include <rlvr/reward/summary.hpp>

#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <support/catch.hpp>
#include <thread>
#include <vector>

using namespace rlvr::reward;
using Catch::Matchers::Contains;

namespace {

// Rewards do not care what a sample is.
auto const constant = [](double value) { return [value](int) { return value; }; };
auto const throws = [](int) -> double { throw std::runtime_error("disk on fire"); };
auto const absent = [](int) -> std::optional<double> { return std::nullopt; };
auto const late = [](int) { return outcome::late("took 2 s, allowed 1 s"); };
auto const classed = [](reward_class kind) { return [kind](int) { return outcome::of(1, true, kind, "because"); }; };

struct with_name {
  static constexpr std::string_view name = "known";
  double operator()(int sample) const { return sample; }
};

struct fragile {
  static constexpr bool thread_safe = false;
  double operator()(int sample) const { return sample; }
};

// Says whether it runs on the thread that made it.
struct watching {
  static constexpr bool thread_safe = false;
  std::thread::id home = std::this_thread::get_id();
  bool operator()(int) const { return std::this_thread::get_id() == home; }
};

}  // namespace

TEST_CASE("whatever a reward returns becomes an outcome", "[threads]") {
  CHECK(evaluate(constant(2.5), 0).value == 2.5);
  CHECK(evaluate(constant(2.5), 0).passed);
  CHECK(evaluate(constant(2.5), 0).kind == reward_class::scored);
  CHECK_FALSE(evaluate(constant(0), 0).passed);
  CHECK(evaluate([](int) { return true; }, 0).value == 1);
  CHECK(evaluate([](int) { return 3; }, 0).value == 3);
  CHECK(evaluate([](int) -> std::optional<float> { return 0.5F; }, 0).value == 0.5);
  CHECK(evaluate(absent, 0).status == outcome_status::not_applicable);
  CHECK(evaluate(late, 0).status == outcome_status::timed_out);
  CHECK(evaluate(constant(std::nan("")), 0).status == outcome_status::error);
  CHECK(evaluate(constant(std::numeric_limits<double>::infinity()), 0).kind == reward_class::error);
  CHECK(evaluate(throws, 0).diagnosis == "disk on fire");
  CHECK(evaluate([](int) -> double { throw 1; }, 0).status == outcome_status::error);
  outcome forged;
  forged.status = outcome_status::value;
  forged.value = std::nan("");
  CHECK(evaluate([&](int) { return forged; }, 0).status == outcome_status::error);
  static_assert(!sample_reward<decltype([](int) { return "text"; }), int>);
  static_assert(!sample_reward<with_name, std::string>);
}

TEST_CASE("sum weighs its terms and names their parts", "[threads]") {
  auto const reward = sum(term{0.9F, with_name{}}, term{0.5, constant(4), "length"}, term{2.0, constant(1)});
  outcome const result = reward(10);
  CHECK(result.value == Approx(13));
  CHECK(result.passed);
  CHECK(result.parts == std::vector<outcome_part>{{"known", 10}, {"length", 4}, {"term3", 1}});

  // Nested parts get a path; a name given to a lambda is used.
  auto const nested = sum(term{1.0, reward, "inner"}, term{1.0, named("bonus", constant(1))});
  CHECK(*find_part(nested(10), "inner/length") == 4);
  CHECK(*find_part(nested(10), "bonus") == 1);
  CHECK(find_part(nested(10), "length") == nullptr);

  // Class and diagnosis of the first term that has one; passing needs all.
  auto const mixed = sum(term{1.0, constant(-1)}, term{1.0, classed(reward_class::wrong_label), "a"},
                         term{1.0, classed(reward_class::correct), "b"});
  CHECK(mixed(0).kind == reward_class::wrong_label);
  CHECK(mixed(0).diagnosis == "a: because; b: because");
  CHECK_FALSE(mixed(0).passed);
}

TEST_CASE("errors stay errors in every combinator", "[threads]") {
  auto const is_error = [](auto const& reward, char const* where) {
    outcome const result = reward(1);
    CHECK(result.status == outcome_status::error);
    CHECK(result.kind == reward_class::error);
    CHECK(result.value == 0);
    CHECK_FALSE(result.passed);
    CHECK_THAT(result.diagnosis, Contains("disk on fire") && Contains(where));
  };
  is_error(sum(term{1.0, constant(5)}, term{0.0, throws, "io"}), "io: ");
  is_error(sum(term{1.0, throws, "io"}, term{1.0, constant(5)}), "io: ");
  is_error(sum(term{1.0, late}, term{1.0, throws, "io"}), "io: ");
  is_error(sum(term{1.0, throws, "io"}, term{1.0, late}), "io: ");
  is_error(stages(constant(1), named("io", throws), constant(1)), "io: ");
  is_error(only_if(throws, constant(1)), "gate1: ");
  is_error(only_if(constant(1), throws), "");
  is_error(clamp(throws, 0, 1), "");
  is_error(scale(throws, 2), "");
  is_error(piecewise(throws, {{0, 0}}), "");
  is_error(named("x", throws), "");

  CHECK(sum(term{1.0, late}, term{1.0, constant(1)})(1).status == outcome_status::timed_out);
  CHECK(stages(constant(1), late)(1).status == outcome_status::timed_out);
  CHECK(only_if(late, constant(1))(1).status == outcome_status::timed_out);
  CHECK(scale(late, 2)(1).status == outcome_status::timed_out);
  // Overflow in a combination is an error too.
  CHECK(sum(term{1e300, constant(1e300)})(1).status == outcome_status::error);
  CHECK(scale(constant(1e300), 1e300)(1).status == outcome_status::error);
  CHECK(stages(constant(1.7e308), constant(1.7e308))(1).status == outcome_status::error);
}

TEST_CASE("what does not apply is left out of a sum and ends stages", "[threads]") {
  CHECK(sum(term{1.0, absent}, term{1.0, constant(2)})(0).value == 2);
  CHECK(sum(term{1.0, absent}, term{1.0, constant(2)})(0).parts.size() == 1);
  CHECK(sum(term{1.0, absent}, term{1.0, absent})(0).status == outcome_status::not_applicable);
  CHECK(stages(constant(1), absent, constant(1))(0).status == outcome_status::not_applicable);
  CHECK(only_if(absent, constant(1))(0).status == outcome_status::not_applicable);
  CHECK(scale(absent, 1, 5)(0).status == outcome_status::not_applicable);
}

TEST_CASE("a stage runs only if the one before it passed", "[threads]") {
  int calls = 0;
  auto const counted = [&calls](double value) {
    return [&calls, value](int) {
      ++calls;
      return value;
    };
  };
  outcome const full = stages(counted(1), counted(2), counted(4))(0);
  CHECK(full.value == 7);
  CHECK(full.passed);
  CHECK(calls == 3);
  calls = 0;
  outcome const stopped = stages(counted(1), counted(-2), counted(4))(0);
  CHECK(stopped.value == -1);
  CHECK_FALSE(stopped.passed);
  CHECK(stopped.parts == std::vector<outcome_part>{{"stage1", 1}, {"stage2", -2}});
  CHECK(calls == 2);

  calls = 0;
  CHECK(only_if([](int sample) { return sample > 3; }, counted(5), -1)(4).value == 5);
  CHECK(only_if([](int sample) { return sample > 3; }, counted(5), -1)(3).value == -1);
  CHECK(calls == 1);
  outcome const gated = only_if(classed(reward_class::correct), constant(2))(0);
  CHECK(gated.value == 2);
  CHECK(gated.kind == reward_class::scored);
}

TEST_CASE("clamp, scale and piecewise change the value alone", "[threads]") {
  CHECK(clamp(with_name{}, -1, 2)(5).value == 2);
  CHECK(clamp(with_name{}, -1, 2)(-5).value == -1);
  CHECK(clamp(with_name{}, -1, 2)(1).value == 1);
  CHECK(scale(with_name{}, 2, 1)(5).value == 11);
  CHECK(reward_name(scale(with_name{}, 2)) == "known");
  CHECK(scale(classed(reward_class::correct), -1)(0).kind == reward_class::correct);
  CHECK(scale(classed(reward_class::correct), -1)(0).passed);
  auto const bent = piecewise(with_name{}, {{0, 0}, {10, 1}, {20, -1}});
  CHECK(bent(-5).value == 0);
  CHECK(bent(0).value == 0);
  CHECK(bent(5).value == 0.5);
  CHECK(bent(10).value == 1);
  CHECK(bent(15).value == Approx(0));
  CHECK(bent(25).value == -1);
  CHECK_THROWS_AS(clamp(with_name{}, 2, 1), rlvr::argument_error);
  CHECK_THROWS_AS(clamp(with_name{}, std::nan(""), 1), rlvr::argument_error);
  CHECK_THROWS_AS(piecewise(with_name{}, {}), rlvr::argument_error);
  CHECK_THROWS_AS(piecewise(with_name{}, {{0, 1}, {0, 2}}), rlvr::argument_error);
  CHECK_THROWS_AS(piecewise(with_name{}, {{0, std::nan("")}}), rlvr::argument_error);
}

TEST_CASE("thread safety is declared by the type and handed on", "[threads]") {
  static_assert(is_thread_safe<with_name>);
  static_assert(!is_thread_safe<fragile>);
  static_assert(!is_thread_safe<decltype(sum(term{1.0, with_name{}}, term{1.0, fragile{}}))>);
  static_assert(!is_thread_safe<decltype(stages(fragile{}))>);
  static_assert(!is_thread_safe<decltype(only_if(fragile{}, with_name{}))>);
  static_assert(!is_thread_safe<decltype(clamp(named("x", fragile{}), 0, 1))>);
  static_assert(is_thread_safe<decltype(clamp(with_name{}, 0, 1))>);

  std::vector<int> const samples(200, 1);
  for (outcome const& each : score_all(samples, watching{}, {.threads = 4})) CHECK(each.value == 1);
}

TEST_CASE("a batch scores alike on any number of threads, and one failure is one error", "[threads]") {
  std::vector<int> samples(1000);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<int>(i);
  auto const reward = sum(term{1.0, named("root", [](int sample) {
                                 if (sample % 97 == 13) throw std::runtime_error("sample " + std::to_string(sample));
                                 return std::sqrt(sample);
                               })});
  std::vector<outcome> const alone = score_all(samples, reward, {.threads = 1});
  for (unsigned const threads : {0U, 2U, 3U, 8U, 5000U}) CHECK(score_all(samples, reward, {threads}) == alone);
  std::size_t errors = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (i % 97 != 13) {
      REQUIRE(alone[i].value == std::sqrt(static_cast<double>(i)));
      continue;
    }
    ++errors;
    REQUIRE(alone[i].status == outcome_status::error);
    REQUIRE(alone[i].diagnosis == "root: sample " + std::to_string(i));
  }
  outcome_summary const summary = summarise(alone);
  CHECK(summary.count == 1000);
  CHECK(summary.scored == 1000 - errors);
  CHECK(summary.of_class(reward_class::error) == errors);
  CHECK(summary.parts[0].count == 1000 - errors);
  CHECK(score_all(std::vector<int>{}, reward).empty());
  CHECK(summarise({}).mean == 0);

  std::atomic<int> started{0};  // four calls that wait for each other end only if they run at once
  auto const meet = [&](int) {
    ++started;
    while (started < 4) std::this_thread::yield();
    return 1.0;
  };
  CHECK(score_all(std::vector<int>(4), meet, {.threads = 4}).size() == 4);
}

TEST_CASE("group rewards see their group and fail as a group", "[threads]") {
  std::vector<int> const samples{3, 1, 2, 9, 9, 7};
  auto const best = [](std::span<int const> group, std::span<outcome> outcomes) {
    int top = group[0];
    for (int const each : group) top = std::max(top, each);
    if (top == 7) throw std::runtime_error("seven");
    for (std::size_t i = 0; i < group.size(); ++i) outcomes[i] = outcome::of(group[i] == top);
  };
  std::span<int const> const all = samples;
  for (unsigned const threads : {1U, 2U}) {
    auto const outcomes = score_groups(all, 3, best, {threads});
    std::vector<double> values;
    for (outcome const& each : outcomes) values.push_back(each.value);
    CHECK(values == std::vector<double>{1, 0, 0, 1, 1, 0});
  }
  auto const single = score_groups(all, 1, best);
  CHECK(single[4].value == 1);
  CHECK(single[5].status == outcome_status::error);
  CHECK(single[5].diagnosis == "seven");
  auto const idle = [](std::span<int const>, std::span<outcome>) {};
  CHECK(score_groups(all, 6, idle)[2].status == outcome_status::error);
  CHECK_THROWS_AS(score_groups(all, 4, best), rlvr::argument_error);
  CHECK_THROWS_AS(score_groups(all, 0, best), rlvr::argument_error);
}
