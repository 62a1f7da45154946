// SPDX-License-Identifier: MIT
// Golden cases of the family reward_shaping.
#include <rlvr/rl/reward_shaping.hpp>

#include "case.hpp"
#include <memory>
#include <span>
#include <support/evaluate.hpp>

namespace golden {

namespace {

// Flags of groups: `per_group` rows are groups, otherwise the scores are runs of `group_size`.
template <class T, class Filter>
void run_filter(test_case<T>& test, Filter const& filter, matrix<T> const& groups, bool per_response) {
  std::vector<bool> keep;
  for (auto const& group : groups) {
    auto const flags = std::make_unique<bool[]>(group.size());
    rlvr::filter_groups(filter, std::span<T const>(group), group.size(), std::span<bool>(flags.get(), group.size()));
    for (std::size_t i = 0; i < (per_response ? group.size() : 1); ++i) keep.push_back(flags[i]);
  }
  test.output("keep", std::vector<int>(keep.begin(), keep.end()));
}

}  // namespace

void add_reward_shaping(registry& all) {
  auto const add = [&](char const* operation, auto run) { all.add("reward_shaping", operation, run); };
  add("soft_overlong", [](auto& test) {
    rlvr::soft_overlong const rule{.max_length = static_cast<std::int64_t>(test.parameter("max_len")),
                                   .buffer = static_cast<std::int64_t>(test.parameter("cache")),
                                   .lowest = test.parameter("cap", -1)};
    test.output("penalty", test::map(rule, test.integers("length")));
  });
  add("overlong_linear", [](auto& test) {
    rlvr::linear_overlong const rule{.max_length = static_cast<std::int64_t>(test.parameter("max_len")),
                                     .buffer = static_cast<std::int64_t>(test.parameter("buffer")),
                                     .factor = test.parameter("factor"),
                                     .capped = test.has_parameter("cap")};
    auto const penalties = test::map(rule, test.integers("length"));
    auto rewards = test.flat("reward");
    for (std::size_t i = 0; i < rewards.size(); ++i) rewards[i] += static_cast<decltype(rewards[i] + 0)>(penalties[i]);
    test.output("reward", rewards);
  });
  add("stop_properly", [](auto& test) {
    rlvr::truncation_rule const rule{.coefficient = test.parameter("coef")};
    test.output("reward", test::map(rule, test.flat("reward"), test.integers("truncated")));
  });
  add("repetition", [](auto& test) {
    rlvr::repetition_penalty const rule{.ngram_size = static_cast<std::size_t>(test.parameter("ngram")),
                                        .penalty = test.parameter("max_penalty")};
    std::vector<double> penalty;
    for (value const& sequence : test.raw("sequences").items()) {
      std::vector<std::int64_t> tokens;
      flatten(sequence, tokens);
      penalty.push_back(rule(std::span<std::int64_t const>(tokens)));
    }
    test.output("penalty", penalty);
  });
  add("filter_zero_std", [](auto& test) { run_filter(test, rlvr::spread_above{}, test.rows("rewards"), false); });
  add("filter_mean_range", [](auto& test) {
    rlvr::mean_between const rule{.low = test.parameter("min"), .high = test.parameter("max")};
    run_filter(test, rule, test.rows("rewards"), false);
  });
  add("difficulty_mask", [](auto& test) {
    auto const scores = test.flat("scores");
    auto const size = static_cast<std::ptrdiff_t>(test.parameter("group_size"));
    matrix<typename std::decay_t<decltype(scores)>::value_type> groups;
    for (auto at = scores.begin(); at != scores.end(); at += size) groups.emplace_back(at, at + size);
    run_filter(test, rlvr::mean_between{.low = test.parameter("low"), .high = test.parameter("high")}, groups, true);
  });
}

}  // namespace golden
