// SPDX-License-Identifier: MIT
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/explain.hpp>
#include <rlvr/reward/memoised.hpp>
#include <rlvr/reward/process.hpp>
#include <rlvr/reward/score_report.hpp>

#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <support/catch.hpp>
#include <thread>
#include <utility>
#include <vector>

using namespace rlvr::reward;
using Catch::Matchers::Contains;

namespace {

struct answer {
  std::string_view completion;
  std::string_view gold;
};

// A reward of one's own: a struct in five lines ...
struct exact_match {
  static constexpr std::string_view name = "exact";
  bool operator()(answer const& sample) const { return sample.completion == sample.gold; }
};
// ... or a lambda.
auto const brevity = named("brevity", [](answer const& sample) { return sample.completion.size() <= 4 ? 0.5 : 0.0; });

// One type for all components: what a component says is what it was made of.
using component = named_reward<std::function<outcome(int)>>;
component says(outcome result, std::string name = {}) {
  return named(std::move(name), std::function<outcome(int)>([result](int) { return result; }));
}
component worth(double value, std::string name = {}) { return says(outcome::of(value), std::move(name)); }
component fails() {
  return named("io", std::function<outcome(int)>([](int) -> outcome { throw std::runtime_error("disk on fire"); }));
}

double metric_of(named_numbers const& metrics, std::string_view name) {
  for (auto const& [known, value] : metrics) {
    if (known == name) return value;
  }
  FAIL("no metric " << name);
  return 0;
}

}  // namespace

TEST_CASE("rewards of one's own compose, and their names are those of the metrics", "[threads]") {
  auto const reward = named("mine", sum(term{1.0, exact_match{}}, term{2.0, brevity}));
  std::vector<answer> const samples{{"yes", "yes"}, {"no", "yes"}, {"perhaps", "yes"}};
  std::vector<outcome> const outcomes = score_all(samples, reward);
  CHECK(outcomes[0].value == 2);
  CHECK(outcomes[1].value == 1);
  CHECK(outcomes[2].value == 0);
  named_numbers const metrics = reward_metrics(outcomes, reward_name(reward));
  CHECK(metric_of(metrics, "rewards/mine/mean") == 1);
  CHECK(metric_of(metrics, "rewards/mine/std") == Approx(1));  // sqrt((1 + 0 + 1) / 2)
  CHECK(metric_of(metrics, "rewards/mine/exact/mean") == Approx(1.0 / 3));
  CHECK(metric_of(metrics, "rewards/mine/exact/std") == Approx(std::sqrt(1.0 / 3)));
  CHECK(metric_of(metrics, "rewards/mine/brevity/mean") == Approx(1.0 / 3));
  CHECK(metric_of(metrics, "reward/unscorable_frac") == 0);
}

TEST_CASE("metrics count what has no value and leave it out of the moments", "[threads]") {
  std::vector<outcome> outcomes{outcome::of(1, true, reward_class::correct), outcome::of(4), outcome::failed("a"),
                                outcome::late("b"), outcome::none("c")};
  outcomes[0].parts = {{"p", 3}};
  named_numbers metrics = reward_metrics(outcomes, "r");
  CHECK(metric_of(metrics, "rewards/r/mean") == 2.5);
  CHECK(metric_of(metrics, "rewards/r/std") == Approx(std::sqrt(4.5)));
  CHECK(metric_of(metrics, "rewards/r/p/std") == 0);  // of one
  CHECK(metric_of(metrics, "reward/unscorable_frac") == 0.6);
  double shares = 0;
  for (auto const& [name, value] : metrics) shares += name.starts_with("reward_class/") ? value : 0;
  CHECK(shares == Approx(1));
  CHECK(metric_of(metrics, "reward_class/timed_out") == 0.2);
  CHECK(metric_of(metrics, "reward_class/bad_format") == 0);
  CHECK(reward_metrics(outcomes, "")[0].first == "rewards/p/mean");
  outcomes.erase(outcomes.begin(), outcomes.begin() + 2);
  CHECK(std::isnan(metric_of(reward_metrics(outcomes, "r"), "rewards/r/mean")));
  CHECK(metric_of(reward_metrics(std::span<outcome const>(), "r"), "reward/unscorable_frac") == 0);

  // Quantiles by nearest rank.
  std::vector<double> seconds;
  for (int i = 200; i >= 1; --i) seconds.push_back(i);
  seconds.push_back(std::nan(""));
  score_report const report = make_report({}, seconds);
  CHECK(report.p50 == 100);
  CHECK(report.p99 == 198);
  CHECK(metric_of(reward_metrics(report, ""), "time/reward_p99") == 198);
  CHECK(quantile({7}, 0) == 7);
  CHECK(quantile({7, 9}, 1) == 9);
  CHECK(quantile({1, 2, 3}, 0.5) == 2);
  CHECK(std::isnan(quantile({}, 0.5)));
}

TEST_CASE("timed scoring gives the outcomes of score_all and the time of each call", "[threads]") {
  std::vector<answer> const samples{{"a", "a"}, {"slow", "a"}, {"b", "a"}};
  auto const reward = [](answer const& sample) {
    if (sample.completion == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return exact_match{}(sample);
  };
  score_report const report = score_timed(std::span<answer const>(samples), reward, {.threads = 1});
  CHECK(report.outcomes == score_all(samples, reward));
  REQUIRE(report.seconds.size() == 3);
  CHECK(report.seconds[1] >= 0.005);
  CHECK(report.p99 >= 0.005);
  CHECK(report.p50 <= report.p99);
}

TEST_CASE("memoised calls once per key, keeps no failure and stays within its bounds", "[threads]") {
  auto const calls = std::make_shared<std::atomic<int>>(0);
  auto const counted = [calls](answer const& sample) {
    ++*calls;
    if (sample.completion == "bad") throw std::runtime_error("bad");
    return static_cast<double>(sample.completion.size()) + (sample.gold == "x" ? 100.0 : 0.0);
  };
  auto const gold = [](answer const& sample) { return sample.gold; };
  auto const reward = memoised(counted, gold, {.entries = 2});
  auto const value = [&](std::string_view completion, std::string_view key) {
    return evaluate(reward, answer{completion, key}).value;
  };
  CHECK(value("ab", "x") == 102);
  CHECK(value("ab", "x") == 102);
  CHECK(*calls == 1);
  CHECK(value("ab", "y") == 2);
  CHECK(value("a", "by") == 1);  // "a" + "by" is not "ab" + "y"
  CHECK(*calls == 3);
  CHECK(reward.counts().entries == 2);
  CHECK(value("ab", "y") == 2);  // used again: now ("a", "by") is the older one
  CHECK(value("new", "") == 3);
  CHECK(value("ab", "y") == 2);
  CHECK(*calls == 4);
  CHECK(value("a", "by") == 1);
  CHECK(*calls == 5);
  CHECK(value("bad", "") == 0);
  CHECK(value("bad", "") == 0);
  CHECK(*calls == 7);
  CHECK(reward.counts().hits == 3);

  auto const small = memoised(counted, gold, {.bytes = 20});
  std::string const large(100, 'z');
  (void)small(answer{large, ""});
  CHECK(small.counts().entries == 0);
  for (char const* each : {"aaaaaaaaaa", "bbbbbbbbbb", "c"}) (void)small(answer{each, ""});
  CHECK(small.counts().entries == 2);  // keys "10:aaaaaaaaaa", "10:bbbbbbbbbb" and "1:c": the first one had to go
  CHECK(small.counts().bytes == 16);
}

TEST_CASE("memoised gives one outcome per key on any number of threads", "[threads]") {
  std::vector<std::string> texts;
  for (int i = 0; i < 600; ++i) texts.push_back(std::to_string(i % 7));
  std::vector<answer> samples;
  for (std::string const& each : texts) samples.push_back({each, ""});
  auto const ticket = std::make_shared<std::atomic<int>>(0);
  auto const fickle = [ticket](answer const&) { return static_cast<double>(++*ticket); };
  for (unsigned const threads : {1U, 8U}) {
    auto const reward = memoised(fickle, [](answer const&) { return std::string_view(); });
    std::vector<outcome> const outcomes = score_all(samples, reward, {.threads = threads});
    for (std::size_t i = 7; i < outcomes.size(); ++i) REQUIRE(outcomes[i].value == outcomes[i % 7].value);
    CHECK(reward.counts().entries == 7);
  }

  // Two calls for one key that are in the reward at the same time: both give what was stored first.
  auto const inside = std::make_shared<std::atomic<int>>(0);
  auto const meets = [inside](answer const&) {
    auto const number = static_cast<double>(++*inside);
    while (*inside < 2) std::this_thread::yield();
    return number;
  };
  auto const met = memoised(meets, [](answer const&) { return std::string_view(); });
  std::vector<outcome> const both = score_all(std::vector<answer>{{"same", ""}, {"same", ""}}, met, {.threads = 2});
  CHECK(both[0].value == both[1].value);
  CHECK(met.counts().misses == 2);
}

TEST_CASE("explain tells what every component said", "[threads]") {
  auto const gate = named("gate", [](int sample) { return sample > 0; });
  auto const staged = stages(
      worth(1, "form"), says(outcome::of(-1, false, reward_class::wrong_label, "not it"), "match"), worth(9, "never"));
  auto const reward = named("total", sum(term{2.0, staged, "staged"}, term{1.0, clamp(worth(7, "length"), 0, 1)},
                                         term{1.0, only_if(gate, worth(3)), "gated"}));
  explanation const lines = explain(reward, 0);
  std::vector<std::string> paths;
  for (explained_component const& each : lines) paths.push_back(each.path);
  CHECK(paths == std::vector<std::string>{"total", "total/staged", "total/staged/form", "total/staged/match",
                                          "total/length", "total/length/before", "total/gated", "total/gated/gate"});
  CHECK(lines[3].result.value == -1);
  CHECK(lines[3].result.diagnosis == "not it");
  CHECK(lines[3].depth == 2);
  CHECK(lines[5].result.value == 7);
  CHECK(lines[4].result.value == 1);
  CHECK(lines[0].result.value == reward(0).value);
  std::string const text = to_text(lines);
  CHECK_THAT(text, Contains("total = 1, not passed, wrong_label: staged: match: not it\n") ||
                       Contains("total = 1, not passed, wrong_label: staged: not it\n"));
  CHECK_THAT(text, Contains("\n    match = -1, not passed, wrong_label: not it\n"));
  // A reward that is not made of others shows its parts, and one that fails its error.
  outcome leaf = outcome::of(3, true, reward_class::correct);
  leaf.parts = {{"format", 1}, {"metric", 2}};
  CHECK(to_text(explain(says(leaf, "leaf"), 0)) ==
        "leaf = 3, passed, correct\n  format = 1, passed, scored\n  metric = 2, passed, scored\n");
  CHECK(to_text(explain(fails(), 0)) == "io, error: disk on fire\n");
  // Components are evaluated once.
  int calls = 0;
  (void)explain(sum(term{1.0, [&calls](int) { return ++calls; }}), 0);
  CHECK(calls == 1);
}
