// SPDX-License-Identifier: MIT
// Selection of examples by their accuracy histories, difficulty filters, and curricula.
#include <rlvr/core/error.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/data/curriculum.hpp>
#include <rlvr/data/example_selection.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <set>
#include <support/catch.hpp>
#include <vector>

namespace {

using indices = std::vector<std::size_t>;

indices order_of(std::vector<rlvr::data::ranked_example> const& ranking) {
  indices order;
  for (auto const& place : ranking) order.push_back(place.example);
  return order;
}

}  // namespace

TEST_CASE("historical variance", "[example_selection]") {
  CHECK(rlvr::data::variance_score(std::vector<double>{0, .5, 1}) == Approx(1. / 6));
  CHECK(rlvr::data::variance_score(std::vector<double>{.1, .1, .1}) == 0);
  CHECK(rlvr::data::variance_score(std::vector<double>{1, 1, 1, 1}) == 0);
  CHECK(rlvr::data::variance_score(std::vector<double>{0, 0}) == 0);
  CHECK(rlvr::data::variance_score(std::vector<double>{.4}) == 0);
  CHECK(rlvr::data::variance_score(std::vector<double>{}) == 0);

  rlvr::random_stream random(8);
  for (int round = 0; round < 50; ++round) {  // E[x^2] - E[x]^2
    std::vector<double> accuracies(1 + random.below(60));
    double sum = 0;
    double squares = 0;
    for (double& accuracy : accuracies) {
      accuracy = static_cast<double>(random.below(9)) / 8;
      sum += accuracy;
      squares += accuracy * accuracy;
    }
    double const count = static_cast<double>(accuracies.size());
    CHECK(rlvr::data::variance_score(accuracies) ==
          Approx(squares / count - sum / count * (sum / count)).margin(1e-12));
  }
}

TEST_CASE("ranking by variance and by LIMR's score", "[example_selection]") {
  rlvr::data::accuracy_history history(5);
  std::vector<std::vector<double>> const accuracies{{0, 0, 0}, {0, .5, 1}, {1, 1, 1, 1}, {.25, .5, .75}, {0, 1, 1, .5}};
  for (std::size_t example = 0; example < 5; ++example)
    for (double const accuracy : accuracies[example]) history.record(example, accuracy);
  CHECK(history == rlvr::data::accuracy_history(accuracies));

  auto const ranking = rlvr::data::rank_examples(history);
  CHECK(order_of(ranking) == indices{4, 1, 3, 0, 2});  // 11/64, 1/6, 1/24, 0, 0
  CHECK(ranking[0].score == Approx(11. / 64));
  CHECK(ranking[1].score == Approx(1. / 6));
  CHECK(ranking[4].score == 0);

  // First three epochs; their means are .25, .6, .75, and sum (1 - mean)^2 = .5625 + .16 + .0625 = .785.
  auto const limr = rlvr::data::rank_examples(history, rlvr::data::selection_score::limr);
  std::map<std::size_t, double> score;
  for (auto const& place : limr) score[place.example] = place.score;
  CHECK(score[0] == Approx(1 - (.0625 + .36 + .5625) / .785));
  CHECK(score[1] == Approx(1 - (.0625 + .01 + .0625) / .785));
  CHECK(score[2] == Approx(0).margin(1e-12));  // always right: as far as can be above
  CHECK(score[3] == Approx(1 - .01 / .785));
  CHECK(score[4] == Approx(1 - (.0625 + .16 + .0625) / .785));
  CHECK(order_of(limr) == indices{3, 1, 4, 2, 0});

  CHECK(rlvr::data::limr_scores(rlvr::data::accuracy_history({{1, 1}, {1}})) == std::vector<double>{1, 1});
  CHECK(rlvr::data::limr_scores(rlvr::data::accuracy_history()).empty());
  CHECK_THROWS_AS(rlvr::data::limr_scores(rlvr::data::accuracy_history({{1, 1}, {}})), rlvr::argument_error);
  CHECK_THROWS_AS(history.record(5, 1), rlvr::argument_error);
  CHECK_THROWS_AS(history.record(0, 1.01), rlvr::argument_error);
  CHECK_THROWS_AS(history.record(0, std::nan("")), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::rank_examples(std::vector<double>{1, std::nan("")}), rlvr::argument_error);
}

TEST_CASE("equal scores keep the order of the examples", "[example_selection]") {
  std::vector<double> scores(300);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = static_cast<double>(i * 7 % 3);
  auto const ranking = rlvr::data::rank_examples(scores);
  for (std::size_t i = 1; i < ranking.size(); ++i) {
    CHECK(ranking[i - 1].score >= ranking[i].score);
    if (ranking[i - 1].score == ranking[i].score) CHECK(ranking[i - 1].example < ranking[i].example);
  }
}

TEST_CASE("chosen examples fill a batch", "[example_selection]") {
  std::vector<rlvr::data::ranked_example> const ranking{{124, .4}, {267, .39}, {3, .1}};
  CHECK(rlvr::data::replicate_to_batch(ranking, 1, 128) == indices(128, 124));
  CHECK(rlvr::data::replicate_to_batch(ranking, 2, 5) == indices{124, 267, 124, 267, 124});
  CHECK(rlvr::data::replicate_to_batch(indices{9, 8}, 2) == indices{9, 8});
  CHECK_THROWS_AS(rlvr::data::replicate_to_batch(indices{}, 2), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::replicate_to_batch(indices{1, 2, 3}, 2), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::replicate_to_batch(ranking, 4, 8), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::replicate_to_batch(ranking, 0, 8), rlvr::argument_error);
}

TEST_CASE("difficulty filters", "[example_selection]") {
  rlvr::data::accuracy_history const history({{0, 0, 0}, {1, 1}, {0, 0, 1}, {.5}, {}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 0}});
  CHECK(rlvr::data::select_examples(rlvr::mean_between{}, history) == indices{2, 3, 5});
  CHECK(rlvr::data::select_examples(rlvr::data::pass_rate_band{.low = .5, .high = .9}, history) == indices{3, 5});
  CHECK(rlvr::data::select_examples(rlvr::data::pass_rate_band{.low = 0, .high = 1}, history) ==
        indices{0, 1, 2, 3, 5});
  CHECK(rlvr::data::select_examples(rlvr::mean_between{}, history, 1) == indices{3});
  CHECK(rlvr::data::select_examples(rlvr::mean_between{}, history, 2) == indices{2, 3, 5});
  CHECK(rlvr::data::select_examples(rlvr::spread_above{}, history) == indices{2, 5});
}

TEST_CASE("epochs of a curriculum", "[curriculum]") {
  auto const candidates = rlvr::data::rag_zeval_candidates();
  CHECK(candidates(0) == 3);
  CHECK(candidates(1) == 4);
  CHECK(candidates(100) == 4);
  CHECK_THROWS_AS(rlvr::data::epoch_stages({}), rlvr::argument_error);
}

TEST_CASE("pacings", "[curriculum]") {
  rlvr::data::linear_pacing const linear{.start = .2, .full_at = 8};
  CHECK(linear(0) == .2);
  CHECK(linear(4) == Approx(.6));
  CHECK(linear(8) == 1);
  CHECK(linear(1000) == 1);
  rlvr::data::root_pacing const root{.start = .1, .full_at = 100};
  CHECK(root(0) == Approx(.1));
  CHECK(root(25) == Approx(std::sqrt(.2575)));
  CHECK(root(100) == 1);
  rlvr::data::step_pacing const steps{.start = .1, .growth = 3, .length = 10};
  CHECK(steps(9) == .1);
  CHECK(steps(10) == Approx(.3));
  CHECK(steps(29) == Approx(.9));
  CHECK(steps(30) == 1);
  CHECK(steps(std::numeric_limits<std::uint64_t>::max()) == 1);
  CHECK(rlvr::data::linear_pacing{.start = .5, .full_at = 0}(0) == 1);
}

TEST_CASE("a curriculum draws from the easiest share", "[curriculum]") {
  std::vector<double> const difficulty{5, 1, 4, 1, 3, 9, 2, 6, 8, 7};
  rlvr::data::curriculum_schedule const schedule(difficulty, 3, 11,
                                                 rlvr::data::linear_pacing{.start = .3, .full_at = 70});
  CHECK(schedule.easiest_first() == indices{1, 3, 6, 4, 2, 0, 7, 9, 8, 5});
  CHECK(schedule.available(0) == 3);
  CHECK(schedule.available(10) == 4);
  CHECK(schedule.available(11) == 5);
  CHECK(schedule.available(70) == 10);
  std::map<std::size_t, int> seen;
  for (std::uint64_t step = 0; step < 1070; ++step) {
    auto const batch = schedule.batch_indices(step);
    CHECK(batch == schedule.batch_indices(step));
    CHECK(std::set(batch.begin(), batch.end()).size() == 3);
    auto const& order = schedule.easiest_first();
    for (std::size_t const example : batch) {
      CHECK(std::find(order.begin(), order.end(), example) - order.begin() <
            static_cast<std::ptrdiff_t>(schedule.available(step)));
      if (step >= 70) ++seen[example];
    }
  }
  for (auto const& [example, times] : seen) CHECK(std::abs(times - 300) < 75);  // 5 deviations of a binomial: 72
  CHECK(seen.size() == 10);

  rlvr::data::curriculum_schedule const other(difficulty, 3, 12, rlvr::data::linear_pacing{.start = .3, .full_at = 70});
  bool differs = false;
  for (std::uint64_t step = 0; step < 10; ++step)
    differs = differs || other.batch_indices(step) != schedule.batch_indices(step);
  CHECK(differs);

  auto large = rlvr::data::curriculum_schedule(difficulty, 7, 1, rlvr::data::step_pacing{.start = .3, .length = 5})
                   .batch_indices(0);
  CHECK(large.size() == 7);
  for (std::size_t const example : {1u, 3u, 6u}) {
    auto const times = std::count(large.begin(), large.end(), example);
    CHECK((times == 2 || times == 3));
  }
}

TEST_CASE("wrong arguments of a curriculum are named", "[curriculum]") {
  std::vector<double> const two{1, 2};
  rlvr::data::linear_pacing const pacing{};
  CHECK_THROWS_AS(rlvr::data::curriculum_schedule(std::vector<double>{}, 1, 1, pacing), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::curriculum_schedule(two, 0, 1, pacing), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::curriculum_schedule(std::vector<double>{1, std::nan("")}, 1, 1, pacing),
                  rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::curriculum_schedule(two, 1, 1, rlvr::data::linear_pacing{.start = 0}),
                  rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::curriculum_schedule(two, 1, 1, rlvr::data::step_pacing{.growth = .5}),
                  rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::curriculum_schedule(two, 1, 1, rlvr::data::step_pacing{.length = 0}),
                  rlvr::argument_error);
}
