// SPDX-License-Identifier: MIT
// How fast responses are scored, one core: R1-RE's reward on completions as short as a label's reasoning can be, on a
// megabyte of prose and on one that is hostile (nothing but '<'), beside memchr over the same bytes in the same run.
// Exits with 1 below a million short completions a second, or beyond twice memchr's time on long prose.
// Usage: benchmark_rewards [completions]
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/format.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/reward/relation.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>

#include "measure.hpp"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

namespace reward = rlvr::reward;

constexpr std::size_t rounds = 15;
constexpr double wanted_per_second = 1e6;
constexpr double wanted_ratio = 2;

struct task {
  rlvr::text::guideline guide = rlvr::text::semeval2010_guideline();
  std::vector<std::string> completions{};
  std::vector<reward::relation_sample> samples{};

  // Right, wrong, swapped, invalid and malformed ones in turn.
  explicit task(std::size_t count) {
    std::vector<std::string> const kinds = {
        "<think>the pressure brings the burst about</think><answer>Cause-Effect(e1,e2)</answer>",
        "<think>the burst comes from pressure</think><answer>Cause-Effect(e2,e1)</answer>",
        "<think>a part and its whole</think>\n<answer>Component-Whole(e1,e2)</answer>",
        "<think>none of these</think><answer>Cause</answer>", "<answer>Cause-Effect(e1,e2)</answer>"};
    for (std::size_t i = 0; i < count; ++i) completions.push_back(kinds[i % kinds.size()]);
    for (std::string const& each : completions) samples.push_back(sample(each));
  }
  [[nodiscard]] reward::relation_sample sample(std::string_view completion) const {
    return {.completion = completion, .gold = *rlvr::text::parse_label(guide, "Cause-Effect(e1,e2)"), .guide = &guide};
  }
};

template <class Reward>
[[gnu::noinline]] void score(Reward const& each, std::vector<reward::relation_sample> const& samples) {
  double total = 0;
  for (reward::relation_sample const& sample : samples) total += reward::evaluate(each, sample).value;
  benchmarks::keep(total);
}

[[gnu::noinline]] void look_for(char byte, std::string const& text) {
  benchmarks::keep(std::memchr(text.data(), byte, text.size()));
}

std::string response(std::string const& reasoning) {
  return "<think>" + reasoning + "</think><answer>Cause-Effect(e1,e2)</answer>";
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t const completions = count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 20000;
  if (completions == 0) {
    std::fprintf(stderr, "usage: benchmark_rewards [completions]\n");
    return 2;
  }
  task const short_ones(completions);
  reward::r1_re const r1_re{};
  auto const staged = reward::stages(reward::relation_format_reward{}, reward::relation_match_reward{});
  auto const mixed = reward::sum(reward::term{0.9, reward::r1_re{}}, reward::term{0.1, reward::format_reward{}});

  std::size_t const length = std::size_t{1} << 20;
  std::string prose;
  while (prose.size() < length)
    prose += "The pressure in the pipe rose until it burst, so the first entity is the cause. ";
  std::string const long_prose = response(prose), hostile = response(std::string(length, '<'));
  // Several times in a row: whoever comes first would pay for bringing the text into the cache.
  auto const repeated = [](auto const& work) {
    for (int repetition = 0; repetition < 8; ++repetition) work();
  };
  auto const score_one = [&](std::string const& text) { repeated([&] { score(r1_re, {short_ones.sample(text)}); }); };

  std::vector<std::string> const names = {"r1_re, short", "stages(format, match), short", "sum(r1_re, format), short",
                                          "memchr, 1 MB", "r1_re, 1 MB of prose",         "r1_re, 1 MB of '<'"};
  auto const seconds = benchmarks::interleaved(
      rounds, {[&] { score(r1_re, short_ones.samples); }, [&] { score(staged, short_ones.samples); },
               [&] { score(mixed, short_ones.samples); }, [&] { repeated([&] { look_for('\x01', long_prose); }); },
               [&] { score_one(long_prose); }, [&] { score_one(hostile); }});
  for (std::size_t i = 0; i < 3; ++i)
    std::printf("%-30s %8.2f million a second\n", names[i].c_str(),
                1e-6 * static_cast<double>(completions) / benchmarks::median(seconds[i]));
  for (std::size_t i = 3; i < names.size(); ++i)
    std::printf("%-30s %8.2f GB/s, %.2f times memchr's time\n", names[i].c_str(),
                8e-9 * static_cast<double>(length) / benchmarks::median(seconds[i]),
                benchmarks::median_ratio(seconds[i], seconds[3]));
  bool const fast = static_cast<double>(completions) / benchmarks::median(seconds[0]) >= wanted_per_second &&
                    benchmarks::median_ratio(seconds[4], seconds[3]) <= wanted_ratio;
  if (!fast) std::printf("slower than a million short completions a second or twice memchr\n");
  return fast ? 0 : 1;
}
