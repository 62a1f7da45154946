// SPDX-License-Identifier: MIT
// Domain weights in the form of RuleReasoner's paper and of its code, apportionment, the sampler, and what it is for:
// the weakest of several learnable domains catches up faster than under uniform sampling.  Reference weights were
// computed apart from this library with the formulas of 2506.08672 and of the released code.
#include <rlvr/core/error.hpp>
#include <rlvr/core/random.hpp>
#include <rlvr/data/domain_sampling.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <support/catch.hpp>
#include <vector>

namespace {

using counts_type = std::vector<std::size_t>;

template <class Tracker>
void close_batch(Tracker& tracker, std::vector<std::vector<double>> const& rewards) {
  for (std::size_t domain = 0; domain < rewards.size(); ++domain)
    for (double const reward : rewards[domain]) tracker.update(domain, reward);
  tracker.end_batch();
}

// Ten answers per domain with the given number right.
std::vector<std::vector<double>> answers(std::vector<int> const& right) {
  std::vector<std::vector<double>> rewards;
  for (int const count : right) {
    rewards.emplace_back(10, 0.0);
    std::fill_n(rewards.back().begin(), count, 1.0);
  }
  return rewards;
}

void check_weights(std::vector<double> const& found, std::vector<double> const& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(expected[i]).margin(5.1e-7));
  CHECK(std::accumulate(found.begin(), found.end(), 0.0) == Approx(1).epsilon(1e-14));
}

std::vector<std::size_t> domains_of(std::vector<std::size_t> const& sizes) {
  std::vector<std::size_t> result;
  for (std::size_t domain = 0; domain < sizes.size(); ++domain) result.insert(result.end(), sizes[domain], domain);
  return result;
}

struct learning_curve {
  double lowest_accuracy = 0;      // at the end
  std::size_t steps_to_reach = 0;  // first step after which every domain is right in 70 of 100 answers
};

// One two-armed bandit per domain with its own logit, trained by REINFORCE on the examples that the sampler gives out.
template <class Sampler>
learning_curve train(Sampler sampler, std::uint64_t seed) {
  std::array<double, 4> logit{1.5, 0.5, -1, -2.5};
  auto const accuracy = [&](std::size_t domain) { return 1 / (1 + std::exp(-logit[domain])); };
  auto const lowest = [&] { return std::min({accuracy(0), accuracy(1), accuracy(2), accuracy(3)}); };
  rlvr::random_stream random(seed, 77);
  learning_curve curve;
  std::size_t const steps = 150;
  curve.steps_to_reach = steps;
  for (std::size_t step = 0; step < steps; ++step) {
    std::array<double, 4> gradient{};
    for (std::size_t const example : sampler.next_batch()) {
      std::size_t const domain = sampler.domain_of(example);
      bool const right = random.uniform() < accuracy(domain);
      if (right) gradient[domain] += 1 - accuracy(domain);
      sampler.report(example, right ? 1 : 0);
    }
    for (std::size_t domain = 0; domain < 4; ++domain) logit[domain] += 0.05 * gradient[domain];
    if (curve.steps_to_reach == steps && lowest() >= 0.7) curve.steps_to_reach = step + 1;
  }
  curve.lowest_accuracy = lowest();
  return curve;
}

}  // namespace

TEST_CASE("weights of RuleReasoner's paper", "[domain_sampling]") {
  rlvr::data::domain_tracker tracker(3, rlvr::data::rule_reasoner_weighting());
  check_weights(tracker.domain_weights(), {1.0 / 3, 1.0 / 3, 1.0 / 3});
  close_batch(tracker, answers({9, 5, 1}));
  check_weights(tracker.domain_weights(), {.214498, .316595, .468906});
  CHECK(rlvr::data::apportion(tracker.domain_weights(), 64) == counts_type{13, 20, 31});
  close_batch(tracker, answers({9, 5, 1}));
  check_weights(tracker.domain_weights(), {.167047, .297566, .535387});
  CHECK(tracker.mean(0) == Approx(.675));

  SECTION("a domain that the batch left out keeps its past") {
    close_batch(tracker, {{}, {1, 1}, {}});
    CHECK(tracker.mean(0) == Approx(.675));
    CHECK(tracker.mean(1) == Approx(.5 * .375 + .5));
  }
  SECTION("rewards that are not finite are left out") {
    auto const before = tracker.records();
    close_batch(tracker, {{std::numeric_limits<double>::quiet_NaN()}, {std::numeric_limits<double>::infinity()}, {}});
    CHECK(tracker.records() == before);
  }
}

TEST_CASE("weights of RuleReasoner's code", "[domain_sampling]") {
  auto const rule = rlvr::data::rule_reasoner_code_weighting();
  CHECK(rule.history.mean_factor() == Approx(.520833).margin(5e-7));
  rlvr::data::domain_tracker tracker(3, rule);
  close_batch(tracker, answers({9, 5, 1}));
  check_weights(tracker.domain_weights(), {.162909, .174624, .662467});
  close_batch(tracker, answers({1, 5, 9}));  // one batch deep: the first is forgotten
  check_weights(tracker.domain_weights(), {.662467, .174624, .162909});

  SECTION("deeper histories are means over all rewards, each times its batch's factor") {
    rlvr::data::domain_tracker deep(
        2, rlvr::data::domain_weighting<rlvr::data::series_history, rlvr::data::decayed_target, rlvr::data::exp_link>{
               .history = {.series = rlvr::data::reward_series::geometric, .depth = 3, .kept = 3}});
    for (double const reward : {0., 0.5, 1., 0.25}) close_batch(deep, {{reward, reward}, {1}});
    CHECK(deep.mean(0) == Approx(2 * (.25 + .5 * 1 + .25 * .5) / 6));  // the oldest of four is gone
    CHECK(deep.mean(1) == Approx((1 + .5 + .25) / 3));
    double const gap = (1 + .5 + .25) / 3 - deep.mean(0);
    CHECK(deep.domain_weights()[0] == Approx(std::exp(gap / .3) / (std::exp(gap / .3) + 1)));
    CHECK(rlvr::data::series_history{rlvr::data::reward_series::constant, 5, 2}.mean_factor() == 1);
    CHECK(rlvr::data::series_history{rlvr::data::reward_series::harmonic, 3, 2}.factor(2) == Approx(1. / 3));
  }
  SECTION("its moving average starts at the first mean") {
    rlvr::data::domain_tracker average(2, rlvr::data::rule_reasoner_code_ewma_weighting());
    close_batch(average, {{1, 0}, {0}});
    CHECK(average.mean(0) == 0.5);
    close_batch(average, {{1}, {1}});
    CHECK(average.mean(0) == 0.75);
    CHECK(average.mean(1) == 1);  // 0 is no past
    CHECK(average.domain_weights()[0] == Approx(std::exp(.25 / .3) / (std::exp(.25 / .3) + 1)));
  }
}

TEST_CASE("a lower mean gives a larger weight, and the floor holds", "[domain_sampling]") {
  rlvr::random_stream random(20);
  for (int round = 0; round < 200; ++round) {
    rlvr::data::exp_floor_link const link{.temperature = 0.05 + random.uniform(), .floor = 0.01 + random.uniform()};
    rlvr::data::domain_tracker tracker(5, rlvr::data::domain_weighting<>{.link = link});
    for (std::size_t domain = 0; domain < 5; ++domain) tracker.update(domain, random.uniform());
    tracker.end_batch();
    auto const weights = tracker.domain_weights();
    double sum = 0;  // of the unnormalised weights, naively
    for (std::size_t i = 0; i < 5; ++i) sum += std::exp((1 - tracker.mean(i)) / link.temperature) + link.floor;
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(weights[i] > link.floor / sum);
      for (std::size_t j = 0; j < 5; ++j)
        if (tracker.mean(i) < tracker.mean(j)) CHECK(weights[i] > weights[j]);
    }
  }
  for (double const temperature : {1e-6, 1e-3, 1e6}) {  // exp(1 / 1e-6) would overflow
    rlvr::data::domain_tracker tracker(3, rlvr::data::domain_weighting<>{.link = {.temperature = temperature}});
    close_batch(tracker, {{1}, {0}, {5000}});
    auto const weights = tracker.domain_weights();
    CHECK(weights[1] >= weights[0]);
    CHECK(weights[0] + weights[1] + weights[2] == Approx(1));
  }
}

TEST_CASE("apportionment", "[domain_sampling]") {
  using rlvr::data::leftover_rule;
  std::vector<double> const weights{.214498, .316595, .468906};
  CHECK(rlvr::data::apportion(weights, 64) == counts_type{13, 20, 31});
  CHECK(rlvr::data::apportion(weights, 64, leftover_rule::largest_remainder) == counts_type{14, 20, 30});
  CHECK(rlvr::data::apportion(std::vector<double>{1, 1, 1}, 5) == counts_type{2, 2, 1});
  CHECK(rlvr::data::apportion(std::vector<double>{0, 2, 0}, 3) == counts_type{0, 3, 0});
  CHECK(rlvr::data::apportion(weights, 0) == counts_type{0, 0, 0});

  rlvr::random_stream random(3);
  for (int round = 0; round < 500; ++round) {
    std::vector<double> drawn(1 + random.below(9));
    for (double& weight : drawn) weight = random.below(4) == 0 ? 0 : random.uniform();
    drawn[0] += 0.01;
    std::size_t const batch = random.below(200);
    double const sum = std::accumulate(drawn.begin(), drawn.end(), 0.0);
    for (auto const rule : {leftover_rule::highest_weight_first, leftover_rule::largest_remainder}) {
      auto const counts = rlvr::data::apportion(drawn, batch, rule);
      CHECK(std::accumulate(counts.begin(), counts.end(), std::size_t{0}) == batch);
      for (std::size_t i = 0; i < drawn.size(); ++i) {
        double const share = static_cast<double>(batch) * drawn[i] / sum;
        CHECK(std::abs(static_cast<double>(counts[i]) - share) < 1 + 1e-9);
        if (drawn[i] == 0) CHECK(counts[i] == 0);
      }
    }
  }

  CHECK_THROWS_AS(rlvr::data::apportion(std::vector<double>{}, 3), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::apportion(std::vector<double>{0, 0}, 3), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::apportion(std::vector<double>{1, -1}, 3), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::apportion(std::vector<double>{1, std::nan("")}, 3), rlvr::argument_error);
}

TEST_CASE("independent draws follow the weights", "[domain_sampling]") {
  std::vector<double> const weights{1, 0, 3, 6, 0};
  auto const counts = rlvr::data::draw_domains(weights, 100000, rlvr::random_stream(5));
  CHECK(counts[1] + counts[4] == 0);
  for (std::size_t i : {std::size_t{0}, std::size_t{2}, std::size_t{3}}) {
    double const share = weights[i] / 10;
    double const deviation = std::sqrt(share * (1 - share) * 100000);
    CHECK(std::abs(static_cast<double>(counts[i]) - share * 100000) < 5 * deviation);
  }
}

TEST_CASE("start weights", "[domain_sampling]") {
  counts_type const sizes{4, 16, 100};
  using rlvr::data::start_weights;
  check_weights(rlvr::data::initial_domain_weights(start_weights::uniform, sizes), {1. / 3, 1. / 3, 1. / 3});
  check_weights(rlvr::data::initial_domain_weights(start_weights::inverse_root, sizes),
                {.5 / .85, .25 / .85, .1 / .85});
  double const sum = std::exp(.5) + std::exp(.25) + std::exp(.1);
  check_weights(rlvr::data::initial_domain_weights(start_weights::exp_inverse_root, sizes),
                {std::exp(.5) / sum, std::exp(.25) / sum, std::exp(.1) / sum});
  CHECK_THROWS_AS(rlvr::data::initial_domain_weights(start_weights::uniform, counts_type{3, 0}), rlvr::argument_error);
}

TEST_CASE("a sampler goes through every domain's examples in turn", "[domain_sampling]") {
  auto const domain_of = domains_of({7, 20});
  rlvr::data::domain_sampler sampler(domain_of, {.batch_size = 6, .seed = 4});
  std::map<std::size_t, int> seen;
  for (int step = 0; step < 70; ++step) {  // no rewards: the start weights stay, 3 of each domain
    auto const batch = sampler.next_batch();
    REQUIRE(batch.size() == 6);
    CHECK(std::count_if(batch.begin(), batch.end(), [&](auto i) { return domain_of[i] == 0; }) == 3);
    for (std::size_t const example : batch) ++seen[example];
  }
  for (auto const& [example, times] : seen) {  // 210 = 30 passes of 7, or 10 and a half of 20
    if (example < 7) {
      CHECK(times == 30);
    } else {
      CHECK((times == 10 || times == 11));
    }
  }
  CHECK(seen.size() == 27);

  SECTION("the batch's order is mixed") {
    bool mixed = false;
    for (int step = 0; step < 10; ++step) {
      auto const batch = sampler.next_batch();
      mixed = mixed ||
              !std::is_sorted(batch.begin(), batch.end(), [&](auto a, auto b) { return domain_of[a] < domain_of[b]; });
    }
    CHECK(mixed);
  }
  SECTION("the code's rule never repeats an example within a batch that its domain can fill") {
    rlvr::data::domain_sampler code(domain_of, {.batch_size = 8, .end = rlvr::data::list_end::reshuffle});
    for (int step = 0; step < 50; ++step) {
      auto const batch = code.next_batch();
      CHECK(std::set(batch.begin(), batch.end()).size() == 8);
    }
  }
  SECTION("a small domain repeats its examples") {
    rlvr::data::domain_sampler repeating(domains_of({1, 3}), {.batch_size = 10});
    auto const batch = repeating.next_batch();
    CHECK(std::count(batch.begin(), batch.end(), std::size_t{0}) == 5);
  }
}

TEST_CASE("a sampler resumes bit for bit, also amid a batch", "[domain_sampling]") {
  auto const domain_of = domains_of({5, 11, 30});
  for (auto const counts : {rlvr::data::allocation::highest_weight_first, rlvr::data::allocation::largest_remainder,
                            rlvr::data::allocation::independent_draws}) {
    rlvr::data::domain_sampler_settings const settings{.batch_size = 13,
                                                       .seed = 9,
                                                       .update_every = 2,
                                                       .start = rlvr::data::start_weights::inverse_root,
                                                       .counts = counts};
    rlvr::data::domain_weighting<rlvr::data::series_history, rlvr::data::decayed_target, rlvr::data::exp_link> const
        rule{.history = {.depth = 3, .kept = 3}};
    auto const reward = [](std::size_t example, int step) { return double((example + std::size_t(step)) % 3 == 0); };
    rlvr::data::domain_sampler whole(domain_of, settings, rule);
    rlvr::data::domain_sampler_state saved;
    std::vector<std::size_t> saved_rest;
    std::vector<std::vector<std::size_t>> batches;
    for (int step = 0; step < 12; ++step) {
      batches.push_back(whole.next_batch());
      for (std::size_t i = 0; i < batches.back().size(); ++i) {
        if (step == 6 && i == 4) saved = whole.state();
        whole.report(batches.back()[i], reward(batches.back()[i], step));
      }
    }
    rlvr::data::domain_sampler resumed(domain_of, settings, rule);
    resumed.restore(saved);
    CHECK(resumed.state() == saved);
    for (std::size_t i = 4; i < batches[6].size(); ++i) resumed.report(batches[6][i], reward(batches[6][i], 6));
    for (int step = 7; step < 12; ++step) {
      auto const batch = resumed.next_batch();
      CHECK(batch == batches[static_cast<std::size_t>(step)]);
      for (std::size_t const example : batch) resumed.report(example, reward(example, step));
    }
    CHECK(resumed.state() == whole.state());

    rlvr::data::domain_sampler other(domain_of,
                                     {.batch_size = 13, .seed = 10, .start = settings.start, .counts = counts});
    CHECK(other.next_batch() != batches[0]);
    saved.cursors[0].position = 6;
    CHECK_THROWS_AS(resumed.restore(saved), rlvr::argument_error);
    saved.cursors.pop_back();
    CHECK_THROWS_AS(resumed.restore(saved), rlvr::argument_error);
  }
}

TEST_CASE("weights change every so many batches", "[domain_sampling]") {
  rlvr::data::domain_sampler sampler(domains_of({40, 40}), {.batch_size = 20, .update_every = 3});
  std::vector<double> first;
  for (int step = 0; step < 7; ++step) {
    auto const batch = sampler.next_batch();
    first.push_back(sampler.domain_weights()[0]);
    for (std::size_t const example : batch) sampler.report(example, sampler.domain_of(example) == 0 ? 1 : 0);
  }
  CHECK(first[0] == .5);
  CHECK(first[2] == .5);
  CHECK(first[3] < .5);
  CHECK(first[5] == first[3]);
  CHECK(first[6] < first[3]);
}

TEST_CASE("the weakest domain catches up faster than under uniform sampling", "[domain_sampling]") {
  auto const domain_of = domains_of({50, 50, 50, 50});
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    rlvr::data::domain_sampler_settings const settings{.batch_size = 32, .seed = seed};
    using uniform =
        rlvr::data::domain_weighting<rlvr::data::ewma_history, rlvr::data::fixed_target, rlvr::data::uniform_link>;
    learning_curve const baseline = train(rlvr::data::domain_sampler(domain_of, settings, uniform{}), seed);
    learning_curve const paper = train(rlvr::data::domain_sampler(domain_of, settings), seed);
    learning_curve const code =
        train(rlvr::data::domain_sampler(domain_of, settings, rlvr::data::rule_reasoner_code_weighting()), seed);
    INFO("seed " << seed << ": steps " << baseline.steps_to_reach << ", " << paper.steps_to_reach << ", "
                 << code.steps_to_reach << "; lowest accuracies " << baseline.lowest_accuracy << ", "
                 << paper.lowest_accuracy << ", " << code.lowest_accuracy);
    CHECK(paper.steps_to_reach * 10 < baseline.steps_to_reach * 9);
    CHECK(code.steps_to_reach * 10 < baseline.steps_to_reach * 9);
    CHECK(paper.lowest_accuracy > baseline.lowest_accuracy);
  }
}

TEST_CASE("wrong arguments of domain sampling are named", "[domain_sampling]") {
  CHECK_THROWS_AS(rlvr::data::domain_tracker(0), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::domain_tracker(2, rlvr::data::domain_weighting<>{.history = {.alpha = 2}}),
                  rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::domain_tracker(2, rlvr::data::domain_weighting<>{.link = {.temperature = 0}}),
                  rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::domain_tracker(2).update(2, 1), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::domain_sampler(counts_type{}), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::domain_sampler(counts_type{0, 2, 2}), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::domain_sampler(counts_type{0, std::numeric_limits<std::size_t>::max()}),
                  rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::domain_sampler(counts_type{0}, {.batch_size = 0}), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::domain_sampler(counts_type{0}, {.update_every = 0}), rlvr::argument_error);
  CHECK_THROWS_AS(rlvr::data::domain_sampler(counts_type{0}).report(1, 1), rlvr::argument_error);
}
